/* Reading and writing on a connection of civetweb within limits of time. Civetweb's own reads and writes go on for as
 * long as the other side sends or takes a byte now and then; so whoever is inside one is listed with a deadline, and
 * past it the socket is shut down from outside.
 *
 * Each of them holds a thread that all tenants share. So of those that are slow (inside for more than SLOW_MS) only so
 * many go on, per tenant and in all; those inside for the longest are ended. */
#ifndef BELLTOWER_API_CONNECTION_H
#define BELLTOWER_API_CONNECTION_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLOW_MS         2000
#define SLOW_PER_TENANT 8
#define SLOW_MAX        64

struct mg_connection;
struct connections;

struct connections *connections_new(void);
void connections_free(struct connections **c);
void connections_watch(struct connections *c);

/* One request and its answer. */
struct exchange {
    struct connections *connections;
    struct mg_connection *connection;
    int fd;         /* -1 = not looked for yet */
    int64_t length; /* of the body; -1 = chunked */
    int64_t taken;
    int64_t began_ms;
    bool ended, broken, continued;
    bool crowded;   /* ended for too many slow ones */
    uint64_t owner; /* whose it is, by a hash; 0 = nobody's in particular */
};
void exchange_begin(struct exchange *x, struct connections *c, struct mg_connection *connection);
struct mg_connection *connection_of(struct exchange *x);
/* From now on it counts among the tenant's. */
void exchange_owned(struct exchange *x, const char *tenant);
/* For struct request_source. */
long exchange_read(void *exchange, void *p, size_t len, struct err *err);
/* false: it could not be sent. */
bool exchange_write(struct exchange *x, const void *p, size_t len);
/* Reads on without looking, within limits; true: the body has been read to its proper end. */
bool exchange_discard(struct exchange *x, int64_t max_bytes, int64_t max_ms);

#endif
