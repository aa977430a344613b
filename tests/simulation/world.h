/* A simulated world for the cores of both workers, unchanged: a broker with a log and queues, a store, a clock,
 * producers, an API, and for each role one or two workers, all driven by one seed. What may happen between any two
 * outside calls: a crash, a lost connection, confirms late, in multiples, refused or never, deliveries in odd chunks
 * and again, a store that refuses, answers late or does it without saying so, a clock that jumps, a second worker that
 * believes it owns the tenant. Each seed draws its own app and which faults are frequent. */
#ifndef BELLTOWER_SIMULATION_WORLD_H
#define BELLTOWER_SIMULATION_WORLD_H

#include <stdbool.h>
#include <stdint.h>

/* Ways to break the guarantees on purpose: each must be caught. */
enum sabotage {
    SABOTAGE_NONE,
    SABOTAGE_CONFIRM_EARLY,  /* the broker confirms what it has not taken yet: checkpoints come before publishing */
    SABOTAGE_OFFSET_APART,   /* the store keeps the offset of a checkpoint whose state it lost */
    SABOTAGE_NO_EPOCH,       /* the store takes checkpoints of any epoch, and the lock keeps nobody out */
    SABOTAGE_BLIND_TICK,     /* ticks name no right offset, so they count whatever came before them */
    SABOTAGE_BLIND_TAIL,     /* the tails of what was published read as empty */
    SABOTAGE_SOURCE_APART,   /* the store keeps the offset of results that it lost */
    SABOTAGE_TRIGGER_EARLY,  /* triggers are acknowledged when they are delivered */
    SABOTAGE_NO_BATCH_EPOCH, /* as no-epoch, for the batch worker */
    SABOTAGE_REPORT_EARLY,   /* a report counts as stored before it is */
    SABOTAGE_COUNT
};
const char *sabotage_name(enum sabotage s);

struct verdict {
    bool well;
    char why[400];
    unsigned crashes, losses, store_faults, zombies, results, runs, steps;
};

/* One run: events, faults, then peace until all is read, published, stored and reported; then the queues and the store
 * must hold exactly what an undisturbed engine says of the log. trace: the story goes to stdout. */
void world_run(uint64_t seed, enum sabotage sabotage, bool trace, struct verdict *v);

#endif
