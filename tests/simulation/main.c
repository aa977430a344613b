/* simulation FIRST LAST             runs the seeds and demands that each ends exactly; prints the first that does not
 * simulation --trace SEED           runs one and tells what happens in it
 * simulation --for SECONDS [FIRST]  the same for so long, with a line of progress each minute
 * simulation --sabotage SEEDS       demands that each way to break the guarantees is caught within so many seeds
 * A seed always gives the same run. */
#include "tests/simulation/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROGRESS_S 60

struct sum {
    uint64_t runs, crashes, losses, store_faults, zombies, results, reports, steps;
};

static bool run_one(uint64_t seed, bool trace, struct sum *sum)
{
    struct verdict v;
    world_run(seed, SABOTAGE_NONE, trace, &v);
    sum->runs++;
    sum->crashes += v.crashes;
    sum->losses += v.losses;
    sum->store_faults += v.store_faults;
    sum->zombies += v.zombies;
    sum->results += v.results;
    sum->reports += v.runs;
    sum->steps += v.steps;
    if (!v.well)
        printf("seed %" PRIu64 ": %s\nagain: simulation --trace %" PRIu64 "\n", seed, v.why, seed);
    return v.well;
}

static void print_sum(const struct sum *s)
{
    printf("%" PRIu64 " runs exact: %" PRIu64 " results, %" PRIu64 " runs of jobs; survived %" PRIu64
           " crashes, %" PRIu64 " lost connections, %" PRIu64 " faults of the store, %" PRIu64
           " stopped workers, in %" PRIu64 " steps\n",
           s->runs, s->results, s->reports, s->crashes, s->losses, s->store_faults, s->zombies, s->steps);
    fflush(stdout);
}

static int run_seeds(uint64_t first, uint64_t last)
{
    struct sum sum = {0};
    for (uint64_t seed = first; seed <= last; seed++)
        if (!run_one(seed, false, &sum))
            return 1;
    print_sum(&sum);
    return 0;
}

static int run_for(time_t seconds, uint64_t seed)
{
    struct sum sum = {0};
    time_t begin = time(NULL), next = begin + PROGRESS_S;
    printf("from seed %" PRIu64 "\n", seed);
    for (time_t now = begin; now < begin + seconds; now = time(NULL)) {
        if (!run_one(seed++, false, &sum))
            return 1;
        if (now < next)
            continue;
        print_sum(&sum);
        next += PROGRESS_S;
    }
    print_sum(&sum);
    return 0;
}

static int run_traced(uint64_t seed)
{
    struct sum sum = {0};
    return run_one(seed, true, &sum) ? 0 : 1;
}

static int run_sabotage(uint64_t seeds)
{
    int status = 0;
    for (int s = SABOTAGE_NONE + 1; s < SABOTAGE_COUNT; s++) {
        struct verdict v = {.well = true};
        uint64_t seed = 0;
        while (v.well && seed < seeds)
            world_run(++seed, (enum sabotage)s, false, &v);
        if (v.well)
            printf("%s: NOT caught\n", sabotage_name((enum sabotage)s));
        else
            printf("%s: caught by seed %" PRIu64 ": %s\n", sabotage_name((enum sabotage)s), seed, v.why);
        status |= v.well;
    }
    return status;
}

static uint64_t number(const char *text)
{
    return strtoull(text, NULL, 10);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--sabotage") == 0)
        return run_sabotage(number(argv[2]));
    if (argc == 3 && strcmp(argv[1], "--trace") == 0)
        return run_traced(number(argv[2]));
    if ((argc == 3 || argc == 4) && strcmp(argv[1], "--for") == 0) /* other seeds each time, unless they are given */
        return run_for((time_t)number(argv[2]), argc == 4 ? number(argv[3]) : (uint64_t)time(NULL) * 1000);
    if (argc == 3)
        return run_seeds(number(argv[1]), number(argv[2]));
    fprintf(stderr, "usage: simulation FIRST LAST | --trace SEED | --for SECONDS [FIRST] | --sabotage SEEDS\n");
    return 2;
}
