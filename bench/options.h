/* --name VALUE of the benchmarks' programs; what is missing has a default. */
#ifndef BELLTOWER_BENCH_OPTIONS_H
#define BELLTOWER_BENCH_OPTIONS_H

#include <stdlib.h>
#include <string.h>

static inline const char *option(int argc, char **argv, const char *name, const char *otherwise)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return argv[i + 1];
    return otherwise;
}

static inline size_t option_count(int argc, char **argv, const char *name, size_t otherwise)
{
    const char *text = option(argc, argv, name, NULL);
    return text ? strtoul(text, NULL, 10) : otherwise;
}

#endif
