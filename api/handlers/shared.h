/* What several handlers do alike. */
#ifndef BELLTOWER_API_HANDLERS_SHARED_H
#define BELLTOWER_API_HANDLERS_SHARED_H

#include "api/problem.h"
#include "tenants/app/app.h"

/* A handle for the tenant of the request (or the registry alone); NULL: the answer is made. */
struct coredms *take_store(struct request *r, bool of_tenant);
void give_store(struct request *r, struct coredms *db);

/* Reads an app file from the body and checks it. NULL: the answer is made. tenant: NULL, or the name it must have.
 * warnings (replaced): a JSON array. */
struct app *read_app(struct request *r, const char *tenant, struct buf *warnings);
/* The body as one JSON object, "{}" if it is empty; only the members named (NULL-terminated) may be there. false: the
 * answer is made. */
bool read_object(struct request *r, const char *const *members, struct buf *out);

/* The member `broker`: the credentials as the provisioner said them, with the broker's address. */
void put_broker(struct request *r, const struct buf *credentials);

/* The present version of the tenant's app, compiled. NULL: the answer is made. */
struct app *present_app(struct request *r);

/* The tenant can take work: not being created or removed. false: the answer is made. */
bool tenant_is_there(struct request *r);
/* Its lock, and r->tenant as it is under it. false: the answer is made, and the lock is not held. */
bool lock_tenant(struct request *r);
void unlock_tenant(struct request *r);

/* RFC 3339 text to ms. */
int parse_time(const char *what, const char *text, size_t len, int64_t *ms, struct err *err) MUSTCHECK;
/* ?name=TIME; *ms is left if it is missing. */
int query_time(const struct request *r, const char *name, int64_t *ms, struct err *err) MUSTCHECK;

#endif
