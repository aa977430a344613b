/* Durations as people write them: "250ms", "5m", "1h30m", "7d" (units ms s m h d w, each at most once, from large to
 * small). PURE. */
#ifndef BELLTOWER_BASE_DURATION_H
#define BELLTOWER_BASE_DURATION_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* Milliseconds, from 0 to 1000 years. ERR_INVALID says what is wrong. */
int duration_parse(const char *text, size_t len, int64_t *ms, struct err *err) MUSTCHECK;
/* "1h30m"; the text that parses back the same. Returns its length. */
size_t duration_text(int64_t ms, char out[48]);

#endif
