/* The names of everything in the broker (design.md, "Broker"). PURE. All take a valid tenant name. */
#ifndef BELLTOWER_WIRE_NAMES_H
#define BELLTOWER_WIRE_NAMES_H

/* Straight to a queue by its name. The API publishes to the log so: belltower.events has an alternate exchange, and
 * what that takes the broker confirms although it is in no log; here a missing log is told. */
#define EXCHANGE_DEFAULT  ""
#define EXCHANGE_EVENTS   "belltower.events"
#define EXCHANGE_RESULTS  "belltower.results"
#define EXCHANGE_TRIGGERS "belltower.triggers"
#define EXCHANGE_REPORTS  "belltower.reports"
#define EXCHANGE_DEAD     "belltower.dead"
#define EXCHANGE_UNROUTED                                                                                              \
    "belltower.unrouted" /* fanout: the alternate exchange of all others; its queue has the same name */
#define QUEUE_UNROUTED "belltower.unrouted"
#define LOCK_STREAM                                                                                                    \
    "belltower.lock.stream" /* exclusive queues: LOCK.<tenant>, held by the worker's publishing connection */
#define LOCK_BATCH    "belltower.lock.batch"
#define USER_API      "belltower-api"
#define VHOST_DEFAULT "belltower"

#define NAME_SIZE 128 /* enough for every name below with a tenant of 48 characters */

/* "belltower.in.acme", "belltower.events.acme", ... into out; returns out. */
char *name_exchange_in(char out[NAME_SIZE], const char *tenant);
char *name_queue(char out[NAME_SIZE], const char *exchange, const char *tenant); /* exchange: one of the five above */
char *name_user_worker(char out[NAME_SIZE], const char *tenant);                 /* "belltower-worker-acme" */
char *name_user_tenant(char out[NAME_SIZE], const char *tenant); /* "belltower-tenant-acme": the customer's own */

/* Users belong to the whole broker, the rest to a vhost: so that platforms in several vhosts do not take each other's
 * users, those of another vhost than VHOST_DEFAULT have its hash behind their names. user: one of the names above. */
char *name_user_in(char out[NAME_SIZE], const char *user, const char *vhost);
/* The same for another user of the same vhost as `like`, which is `like_user` there. */
char *name_user_beside(char out[NAME_SIZE], const char *user, const char *like, const char *like_user);

#endif
