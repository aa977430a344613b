/* What belltower-provision asks of RabbitMQ's management API, as a list. PURE.
 * Every call may be repeated: PUTs of the same, DELETEs of what is gone, so that a failed half can be run again. */
#ifndef BELLTOWER_PROVISION_PLAN_H
#define BELLTOWER_PROVISION_PLAN_H

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/wire/names.h"

#include <stdbool.h>
#include <stdint.h>

struct plan_call {
    const char *method; /* PUT, POST, DELETE */
    const char *path;   /* below the management address, e.g. /api/vhosts/belltower */
    const char *body;   /* JSON; NULL = none */
};

struct plan {
    struct arena arena;
    struct plan_call *calls;
    size_t count, cap;
};

struct plan_retention { /* ms; segment bytes */
    int64_t events, results, reports, dead, segment_bytes;
};

/* A tenant's users at the broker. */
struct plan_users {
    char worker[NAME_SIZE], customer[NAME_SIZE];
};
void plan_users(struct plan_users *u, const char *vhost, const char *tenant);

/* The vhost, the exchanges that all share, belltower.unrouted, the API's user. admin: gets permissions in the vhost. */
void plan_platform(struct plan *p, const char *vhost, const char *admin, const char *api_password);
/* One tenant: exchange, queues, bindings, policies, users. Passwords go in as they are. */
void plan_create(struct plan *p, const char *vhost, const char *tenant, const struct plan_retention *retention,
                 const char *worker_password, const char *tenant_password);
/* Nothing of it stays. Users first, so that nobody writes meanwhile. */
void plan_remove(struct plan *p, const char *vhost, const char *tenant);
void plan_free(struct plan *p);

#endif
