/* All that happens by chance comes from the seed. */
#include "tests/simulation/private.h"

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t chance_next(struct world *w)
{
    return mix(w->random += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64 */
}

uint64_t below(struct world *w, uint64_t n)
{
    return chance_next(w) % n;
}

bool one_in(struct world *w, uint64_t n)
{
    return below(w, n) == 0;
}

bool fault(struct world *w, enum fault_kind kind)
{
    return w->faults && w->odds[kind] && one_in(w, w->odds[kind]);
}

/* Each seed has faults that are frequent, rare, or absent: what hides behind another fault shows where that one is
 * absent. */
void chance_draw_odds(struct world *w)
{
    static const unsigned usual[FAULT_COUNT] = {
        [FAULT_CRASH] = 150, [FAULT_KILL] = 120, [FAULT_DRAIN] = 300, [FAULT_STOP] = 200,   [FAULT_LOSS] = 90,
        [FAULT_CONNECT] = 5, [FAULT_TAIL] = 20,  [FAULT_CUT] = 200,   [FAULT_NACK] = 300,   [FAULT_RETURN] = 300,
        [FAULT_BLOCK] = 150, [FAULT_LOAD] = 8,   [FAULT_REFUSE] = 12, [FAULT_UNKNOWN] = 12, [FAULT_AWAY] = 200,
        [FAULT_LATE] = 4,    [FAULT_LOSE] = 200, [FAULT_CLOCK] = 300,
    };
    for (int i = 0; i < FAULT_COUNT; i++) {
        static const unsigned quarters[] = {0, 2, 4, 4, 4, 16};
        unsigned share = quarters[below(w, sizeof quarters / sizeof *quarters)];
        w->odds[i] = (usual[i] * share + 3) / 4;
    }
}
