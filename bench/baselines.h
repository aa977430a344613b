/* What the engine is compared with, on the same bytes. Each returns a sum of what it read, so that no compiler leaves
 * it out. */
#ifndef BELLTOWER_BENCH_BASELINES_H
#define BELLTOWER_BENCH_BASELINES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* simdjson's on-demand parser, reading the fields that the app of bench/engine.c names, message by message. 0: not
 * built in. text has 64 readable bytes behind its end. */
uint64_t baseline_simdjson(const char *text, const size_t *begin, size_t count);
/* The same for messages of several objects, one a line. */
uint64_t baseline_simdjson_lines(const char *text, const size_t *begin, size_t count);
/* cJSON: parse and free. */
uint64_t baseline_cjson(const char *text, const size_t *begin, size_t count);

#ifdef __cplusplus
}
#endif
#endif
