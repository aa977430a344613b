/* Control messages that travel in the event log (design.md, "Messages"): the AMQP property `type` says which, the body
 * is one JSON object. They have no message_id of the producer kind. Ticks are believed from the tenant's worker user,
 * the others from USER_API. */
#ifndef BELLTOWER_WIRE_CONTROL_H
#define BELLTOWER_WIRE_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTROL_PREFIX "belltower."
#define CONTROL_TICK                                                                                                   \
    "belltower.tick" /* {"offset": N, "highest": T} or {"devices": [{"key": [...], "offset": N, "highest": T}, ...]}   \
                      */
#define CONTROL_END     "belltower.end"     /* {} */
#define CONTROL_TIME    "belltower.time"    /* {"highest": T} */
#define CONTROL_VERSION "belltower.version" /* {"version": n, "app": "<the whole YAML text>"} */
#define CONTROL_REWIND                                                                                                 \
    "belltower.rewind" /* {"generation": G}: the tenant was rewound; what G has read up to here replaces the old */
#define CONTROL_REWOUND                                                                                                \
    "belltower.rewound" /* in result queues, with an x-number: {"generation": G, "from": T}: results of lower          \
                           generations whose windows start at or after T and that G did not give again do not exist */
#define CONTROL_START                                                                                                  \
    "belltower.start" /* in result and dead-letter queues: a worker's marker, {"epoch": E}; readers skip it */

/* The message_id of a control message in the event log: CONTROL_SUM and 8 lower-case hex digits, the CRC-32C of its
 * type, a NUL and its body. A reader refuses one that does not fit; a message with another message_id, or none, has no
 * sum (as before there were any). */
#define CONTROL_SUM     "crc32c="
#define CONTROL_ID_SIZE 16
void control_id(const char *type, size_t type_len, const void *body, size_t len, char id[CONTROL_ID_SIZE]);
bool control_has_sum(const char *id, size_t len); /* id NULL: no */

/* Headers of our messages. */
#define HEADER_NUMBER       "x-number"       /* int64 */
#define HEADER_KEY          "x-key"          /* of results: the key text, see docs/formats.md */
#define HEADER_EPOCH        "x-epoch"        /* int64 */
#define HEADER_GENERATION   "x-generation"   /* int64 */
#define HEADER_FIRST_OFFSET "x-first-offset" /* of results, int64: of the first event that it counts */
#define HEADER_LAST_OFFSET  "x-last-offset"
#define HEADER_FIRED        "x-fired" /* names of triggers, comma between */
#define HEADER_REASON       "x-reason"
#define HEADER_DETAIL       "x-detail"
#define HEADER_OFFSET       "x-offset" /* int64 */
#define HEADER_INDEX        "x-index"  /* int64 */
#define HEADER_SUM          "x-crc32c" /* of results and CONTROL_REWOUND, int64: control_result_sum; optional */

/* The CRC-32C of the body, a NUL, the key text, a NUL, and the four numbers as 8 little-endian bytes each; what the
 * message does not have is an empty text or -1. */
uint32_t control_result_sum(const void *body, size_t len, const char *key, size_t key_len, const int64_t numbers[4]);

#endif
