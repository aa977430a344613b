/* The window of published messages that are not confirmed yet: tags rise by one; confirms come in any order and in
 * multiples. PURE. */
#ifndef BELLTOWER_BROKER_CONFIRMS_H
#define BELLTOWER_BROKER_CONFIRMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct confirm_slot {
    bool done;
    uint32_t bytes;
};

struct confirms {
    struct confirm_slot *ring;
    size_t cap;         /* a power of two */
    uint64_t low, next; /* tags in [low, next) are in the window; all below low are confirmed */
    size_t in_flight;   /* not confirmed */
    size_t bytes;       /* of those */
};

void confirms_reset(struct confirms *c); /* a new channel: the next tag is 1, nothing in flight; keeps memory */
void confirms_free(struct confirms *c);
void confirms_published(struct confirms *c, uint64_t tag, size_t bytes); /* tag == c->next */
/* Marks; returns false for a tag that is not in the window (nothing changes): the peer lies or we do. */
bool confirms_take(struct confirms *c, uint64_t tag, bool multiple);

#endif
