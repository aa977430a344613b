/* Event times: a pattern compiled once, then parsed per event. UTC milliseconds since 1970; years 1970 to 9999. PURE.
 * Patterns: strptime-like (%Y %m %d %H %M %S %f %z %Z(UTC only) %j %b %e %p %I %y %T %F %%; %f = 1-9 digits of a
 * fraction, cut to ms), or the words rfc3339, unix, unix_ms. The whole text must match, calendar dates must exist. */
#ifndef BELLTOWER_BASE_TIME_FORMAT_H
#define BELLTOWER_BASE_TIME_FORMAT_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum time_kind { TIME_PATTERN, TIME_RFC3339, TIME_UNIX, TIME_UNIX_MS };

#define TIME_MAX_MS INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

struct time_format {
    enum time_kind kind;
    char pattern[64];
};

/* ERR_INVALID names the first bad place of the pattern. A pattern must fix a whole date. */
int time_format_compile(const char *text, size_t len, struct time_format *f, struct err *err) MUSTCHECK;
/* false: the text is no such time. For TIME_UNIX and TIME_UNIX_MS the text is a decimal number (a fraction is allowed;
 * cut to ms). */
bool time_format_parse(const struct time_format *f, const char *text, size_t len, int64_t *ms);

/* RFC 3339 in UTC: "2026-01-01T00:00:00Z", with ".mmm" only if the milliseconds are not 0. ms within 1970..9999.
 * Returns the length. */
size_t time_rfc3339(int64_t ms, char out[32]);
bool time_parse_rfc3339(const char *text, size_t len, int64_t *ms); /* any offset; lower-case t, z too */

#endif
