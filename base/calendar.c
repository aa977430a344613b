#include "base/calendar.h"

#include <stdio.h>

#define HOUR_MS INT64_C(3600000)
#define DAY_MS  INT64_C(86400000)

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Years are counted from March here, in eras of 400 years = 146,097 days, so that the leap day comes last. */
int64_t days_from_civil(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = floor_div(year, 400), in_era = year - era * 400;
    int64_t in_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + (int64_t)day - 1;
    return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

void civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    days += 719468;
    int64_t era = floor_div(days, 146097), in_era = days - era * 146097;
    int64_t year_of_era = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t m = (5 * in_year + 2) / 153;
    *day = (unsigned)(in_year - (153 * m + 2) / 5 + 1);
    *month = (unsigned)(m < 10 ? m + 3 : m - 9);
    *year = year_of_era + era * 400 + (*month <= 2);
}

/* ---- units: numbered along the local calendar; one lasts from the first instant of its local beginning to that of the
 * next ---- */

static int64_t month_number(int64_t local_ms)
{
    int64_t year;
    unsigned month, day;
    civil_from_days(floor_div(local_ms, DAY_MS), &year, &month, &day);
    return year * 12 + month - 1;
}

static int64_t unit_number(enum calendar_unit unit, int64_t local_ms)
{
    switch (unit) {
    case CALENDAR_HOUR:
        return floor_div(local_ms, HOUR_MS);
    case CALENDAR_DAY:
        return floor_div(local_ms, DAY_MS);
    case CALENDAR_WEEK:
        return floor_div(floor_div(local_ms, DAY_MS) + 3, 7); /* 1970-01-01 was a Thursday */
    case CALENDAR_MONTH:
        return month_number(local_ms);
    }
    return 0;
}

static int64_t unit_local_start(enum calendar_unit unit, int64_t number)
{
    switch (unit) {
    case CALENDAR_HOUR:
        return number * HOUR_MS;
    case CALENDAR_DAY:
        return number * DAY_MS;
    case CALENDAR_WEEK:
        return (number * 7 - 3) * DAY_MS;
    case CALENDAR_MONTH:
        return days_from_civil(floor_div(number, 12), (unsigned)(number - floor_div(number, 12) * 12) + 1, 1) * DAY_MS;
    }
    return 0;
}

static int64_t unit_start(const struct zone *z, enum calendar_unit unit, int64_t number)
{
    return zone_to_utc(z, unit_local_start(unit, number));
}

/* The unit whose stretch of time holds the instant. The local time alone does not say it when clocks go back over a
 * unit's beginning. */
static int64_t unit_at(const struct zone *z, enum calendar_unit unit, int64_t at_ms)
{
    int64_t number = unit_number(unit, at_ms + zone_offset(z, at_ms) * INT64_C(1000));
    while (unit_start(z, unit, number) > at_ms)
        number--;
    while (unit_start(z, unit, number + 1) <= at_ms)
        number++;
    return number;
}

void calendar_last_whole(const struct zone *z, enum calendar_unit unit, int64_t at_ms, int64_t *from, int64_t *to)
{
    int64_t number = unit_at(z, unit, at_ms);
    do { /* a unit that falls into a gap has no time in it: it is none */
        *to = unit_start(z, unit, number);
        *from = unit_start(z, unit, --number);
    } while (*from == *to);
}

/* ISO 8601: a week belongs to the year that has its Thursday. */
static int label_week(int64_t number, char out[32])
{
    int64_t thursday = number * 7, year;
    unsigned month, day;
    civil_from_days(thursday, &year, &month, &day);
    int week = (int)((thursday - days_from_civil(year, 1, 1)) / 7 + 1);
    return snprintf(out, 32, "%04d-W%02d", (int)year, week);
}

size_t calendar_label(const struct zone *z, enum calendar_unit unit, int64_t from_ms, char out[32])
{
    int64_t number = unit_at(z, unit, from_ms), local = unit_local_start(unit, number), year;
    unsigned month, day;
    if (unit == CALENDAR_WEEK)
        return (size_t)label_week(number, out);
    civil_from_days(floor_div(local, DAY_MS), &year, &month, &day);
    int n = snprintf(out, 32, "%04d-%02u", (int)year, month);
    if (unit != CALENDAR_MONTH)
        n += snprintf(out + n, 32 - (size_t)n, "-%02u", day);
    if (unit == CALENDAR_HOUR)
        n += snprintf(out + n, 32 - (size_t)n, "T%02d", (int)(number - floor_div(number, 24) * 24));
    return (size_t)n;
}
