/* Publishing for many threads over one connection, which a thread of its own keeps up: a message counts as published
 * once the broker has confirmed it. */
#ifndef BELLTOWER_API_PUBLISHER_H
#define BELLTOWER_API_PUBLISHER_H

#include "api/api.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define PUBLISH_WINDOW_BYTES (1024 * 1024) /* what one batch may have unconfirmed */
#define PUBLISH_LIMIT_MS     30000         /* the longest wait for a confirm */

struct publisher;
int publisher_start(struct api *api, struct publisher **p, struct err *err) MUSTCHECK;
void publisher_stop(struct publisher **p); /* no-op on NULL */

struct publish_message {
    const char *exchange, *key;                   /* exchange: static */
    const char *message_id, *type, *content_type; /* NULL = none */
    const void *body;
    size_t len;
};

/* Messages that are waited for together. One thread's. */
struct publish_batch;
/* repeatable: a message whose fate a broken connection hides may be sent again (it bears an id that makes repeats
 * harmless). Else such a message fails the batch with ERR_UNKNOWN. */
struct publish_batch *publish_begin(struct publisher *p, bool repeatable);
/* Takes a copy; waits while the window is full. ERR_UNAVAILABLE: the broker is away or refuses to take more;
 * ERR_UNKNOWN, ERR_NOT_FOUND (no queue takes it), ERR_TIMEOUT: earlier messages failed. *confirmed counts by `count`.
 */
int publish_add(struct publish_batch *b, const struct publish_message *m, uint64_t count, struct err *err) MUSTCHECK;
/* Waits until all are confirmed. */
int publish_settle(struct publish_batch *b, struct err *err) MUSTCHECK;
/* The sum of `count` of the messages confirmed so far. */
uint64_t publish_confirmed(struct publish_batch *b);
void publish_end(struct publish_batch **b); /* what is still under way is nobody's then */

/* One message, as a batch of its own. */
int publish_one(struct publisher *p, const struct publish_message *m, struct err *err) MUSTCHECK;

struct publisher_status {
    bool connected, blocked;
    int64_t unconfirmed;
    char words[256]; /* why it is not connected or blocked */
};
void publisher_status(struct publisher *p, struct publisher_status *s);

#endif
