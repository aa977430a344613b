/* simulation FIRST LAST          runs the seeds and demands that each ends exactly; prints the first that does not,
 * which repeats exactly simulation --sabotage N        demands that each way to break the guarantees is caught within N
 * seeds */
#include "tests/simulation/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int run_seeds(uint64_t first, uint64_t last)
{
    struct verdict v, sum = {0};
    for (uint64_t seed = first; seed <= last; seed++) {
        world_run(seed, SABOTAGE_NONE, &v);
        if (!v.well) {
            printf("seed %" PRIu64 ": %s\nagain: simulation %" PRIu64 " %" PRIu64 "\n", seed, v.why, seed, seed);
            return 1;
        }
        sum.crashes += v.crashes;
        sum.losses += v.losses;
        sum.store_faults += v.store_faults;
        sum.zombies += v.zombies;
        sum.results += v.results;
        sum.steps += v.steps;
    }
    printf("%" PRIu64 " runs exact: %u results; survived %u crashes, %u lost connections, %u faults of the store, %u "
           "stopped workers, in %u steps\n",
           last - first + 1, sum.results, sum.crashes, sum.losses, sum.store_faults, sum.zombies, sum.steps);
    return 0;
}

static int run_sabotage(uint64_t seeds)
{
    int status = 0;
    for (int s = SABOTAGE_NONE + 1; s < SABOTAGE_COUNT; s++) {
        struct verdict v = {.well = true};
        uint64_t seed = 0;
        while (v.well && seed < seeds)
            world_run(++seed, (enum sabotage)s, &v);
        printf("%s: %s%s\n", sabotage_name((enum sabotage)s), v.well ? "NOT caught" : "caught: ", v.well ? "" : v.why);
        status |= v.well;
    }
    return status;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--sabotage") == 0)
        return run_sabotage(strtoull(argv[2], NULL, 10));
    if (argc == 3)
        return run_seeds(strtoull(argv[1], NULL, 10), strtoull(argv[2], NULL, 10));
    fprintf(stderr, "usage: simulation FIRST LAST | simulation --sabotage SEEDS\n");
    return 2;
}
