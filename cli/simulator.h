/* Simulated base stations: readings of plausible sensors, for demos, tests and benchmarks. PURE and exact: integers
 * only, so the same options give the same bytes on every machine. */
#ifndef BELLTOWER_CLI_SIMULATOR_H
#define BELLTOWER_CLI_SIMULATOR_H

#include "base/buf.h"

#include <stdbool.h>

struct simulation {
    int64_t start_ms; /* of the first reading; whole seconds */
    int64_t duration_ms;
    uint32_t stations; /* 1 to 1,000,000 */
    uint32_t per_hour; /* readings an hour of each sensor, 1 to 3600 */
    uint64_t seed;
    int64_t disorder_ms; /* each reading arrives up to so much later than it was taken */
    uint32_t duplicates; /* of a thousand readings so many arrive twice */
    uint32_t storms;     /* spans in which some stations raise alarm after alarm */
    bool csv;            /* else ndjson */
};

struct simulator;
struct simulator *simulator_new(const struct simulation *options);
void simulator_free(struct simulator **s);
void simulator_header(const struct simulator *s, struct buf *out); /* the CSV header row; nothing for ndjson */
/* Appends the next line; false at the end. */
bool simulator_line(struct simulator *s, struct buf *out);
/* When and where a storm is: [*from_ms, *to_ms) at stations for which simulator_in_storm. For notes to people and for
 * tests. */
void simulator_storm(const struct simulator *s, uint32_t storm, int64_t *from_ms, int64_t *to_ms);
bool simulator_in_storm(const struct simulator *s, uint32_t storm, uint32_t station);
uint32_t simulator_sensors(void); /* of each station */

#endif
