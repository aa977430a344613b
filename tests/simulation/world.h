/* A simulated world for the stream worker's core, unchanged: a broker with a log and queues, a store with a head, a
 * clock, and one or two workers, all driven by one seed. What may happen between any two outside calls: a crash, a lost
 * connection, confirms late, in multiples or never, deliveries in odd chunks, a store that refuses or does it without
 * saying so, a clock that jumps, a second worker that believes it owns the tenant. */
#ifndef BELLTOWER_SIMULATION_WORLD_H
#define BELLTOWER_SIMULATION_WORLD_H

#include "stream/core.h"

/* Ways to break the guarantees on purpose: each must be caught. */
enum sabotage {
    SABOTAGE_NONE,
    SABOTAGE_CONFIRM_EARLY, /* the broker confirms what it has not taken yet: checkpoints come before publishing */
    SABOTAGE_OFFSET_APART,  /* the store keeps the offset of a save whose state it lost */
    SABOTAGE_NO_EPOCH,      /* the store takes saves of any epoch, and the lock keeps nobody out */
    SABOTAGE_BLIND_TICK,    /* ticks name no right offset, so they count whatever came before them */
    SABOTAGE_COUNT
};
const char *sabotage_name(enum sabotage s);

struct verdict {
    bool well;
    char why[300];
    unsigned crashes, losses, store_faults, zombies, results, steps;
};

/* One run: events, faults, then peace until all is read and published; then the queues must hold exactly what an
 * undisturbed engine says of the log. */
void world_run(uint64_t seed, enum sabotage sabotage, struct verdict *v);

#endif
