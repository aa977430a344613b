/* Calendars, time zones and cron, exact over daylight saving. PURE apart from reading the zone's file under
 * /usr/share/zoneinfo once, in zone_load (tzdata is a dependency of the package). */
#ifndef BELLTOWER_BASE_CALENDAR_H
#define BELLTOWER_BASE_CALENDAR_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int64_t days_from_civil(int64_t year, unsigned month, unsigned day); /* proleptic Gregorian, days since 1970-01-01 */
void civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day);

struct zone; /* immutable */
/* "UTC", "Europe/Helsinki"; ERR_INVALID if there is none, ERR_UNAVAILABLE if its file cannot be read now. */
int zone_load(const char *name, struct zone **zone, struct err *err) MUSTCHECK;
void zone_free(struct zone **zone);
/* Seconds east of UTC at an instant. */
int32_t zone_offset(const struct zone *z, int64_t utc_ms);
/* A local wall time to the instant: one that does not exist gives the first instant after the gap, one that comes twice
 * the first. */
int64_t zone_to_utc(const struct zone *z, int64_t local_ms);

/* Cron: minute hour day-of-month month day-of-week; lists, ranges, steps, names; @hourly @daily @weekly @monthly. If
 * both days are restricted, either matches (as cron(8)). 7 is Sunday too. */
struct cron {
    uint64_t minutes;
    uint32_t hours, days, months, weekdays;
    bool any_day, any_weekday;
};
int cron_parse(const char *text, size_t len, struct cron *c, struct err *err) MUSTCHECK;
/* The first due instant (UTC ms) strictly after `after`; INT64_MAX if there is none within 8 years. A local time in a
 * gap is due at the first instant after it; one that comes twice is due once, at the first. */
int64_t cron_next(const struct cron *c, const struct zone *z, int64_t after_ms);

enum calendar_unit {
    CALENDAR_HOUR,
    CALENDAR_DAY,
    CALENDAR_WEEK,
    CALENDAR_MONTH
}; /* weeks begin on Monday (ISO 8601) */
/* The last whole unit that had ended at `at`: [*from, *to) in UTC ms. */
void calendar_last_whole(const struct zone *z, enum calendar_unit unit, int64_t at_ms, int64_t *from, int64_t *to);
/* The name of the unit that begins at from_ms: "2026-11-23T14" (hour), "2026-11-23", "2026-W48", "2026-11". Returns the
 * length. */
size_t calendar_label(const struct zone *z, enum calendar_unit unit, int64_t from_ms, char out[32]);

#endif
