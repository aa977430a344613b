/* A worker's two connections: one only consumes, one only publishes and holds the lock of its role. */
#ifndef BELLTOWER_BROKER_PAIR_H
#define BELLTOWER_BROKER_PAIR_H

#include "base/outbox.h"
#include "base/runtime.h"
#include "base/settings.h"
#include "broker/link.h"

struct pair {
    struct link *consumer, *publisher;
    bool held;       /* the consumer is not read */
    int64_t beat_at; /* mono ms: then both are pumped, readable or not, for their heartbeats */
};

/* Makes both and takes the lock (an exclusive queue named lock, so that whoever has it knows that the other's
 * connection is closed), and has the runtime watch them. On failure none is left. Tells the page what may block. */
int pair_open(struct pair *p, struct runtime *r, const struct settings *s, const struct credentials *c,
              const char *name, const char *lock, const struct link_handler *handler, struct err *err) MUSTCHECK;
void pair_close(struct pair *p, struct runtime *r);
/* Handles what has arrived on both, as the runtime has last seen them. *more: there is more to do at once. */
int pair_pump(struct pair *p, const struct runtime *r, bool *more, struct err *err) MUSTCHECK;
/* Something was read and not handled yet: whoever waits for the runtime now may wait in vain. consumes: the consumer's
 * counts, too. */
bool pair_buffers(const struct pair *p, bool consumes);
/* Reads nothing more from the consumer until held is false again; see link_hold. */
int pair_hold(struct pair *p, struct runtime *r, bool held, struct err *err) MUSTCHECK;
/* Sends one message of an outbox, as user. */
int pair_send(struct pair *p, const struct outbox_message *m, const char *user, int64_t wall_ms,
              struct err *err) MUSTCHECK;

#endif
