/* Clocks of the benchmarks, in seconds. */
#ifndef BELLTOWER_BENCH_TIMING_H
#define BELLTOWER_BENCH_TIMING_H

#include <time.h>

static inline double seconds_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline double wall_s(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

static inline double cpu_s(void) /* of this process */
{
    return seconds_of(CLOCK_PROCESS_CPUTIME_ID);
}

#endif
