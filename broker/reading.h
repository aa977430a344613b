/* Reading a queue over a connection of its own, without a worker's loop: the tail of what was published, the retained
 * log. */
#ifndef BELLTOWER_BROKER_READING_H
#define BELLTOWER_BROKER_READING_H

#include "broker/link.h"

struct reading {
    struct link *link;
    unsigned prefetch; /* as given to link_consume; acknowledged in halves */
    unsigned unacked;
    uint64_t tag;
};

/* To be called by the link's delivery handler. */
static inline void reading_took(struct reading *r, const struct link_message *m)
{
    r->tag = m->tag;
    r->unacked++;
}

/* One turn: handles what has arrived and acknowledges it; waits up to wait_ms if there was nothing. */
int reading_turn(struct reading *r, int wait_ms, struct err *err) MUSTCHECK;

#endif
