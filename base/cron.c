#include "base/calendar.h"
#include "base/time_format.h"

#include <string.h>
#include <strings.h>

#define MINUTE_MS   INT64_C(60000)
#define DAY_MS      INT64_C(86400000)
#define SEARCH_DAYS (8 * 366) /* from one February 29 to the next, over 2100 */

struct cron_field {
    const char *name;
    int min, max;
    const char *const *words; /* names for min, min + 1, ... */
};

static const char *const month_words[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                          "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekday_words[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };

static const struct cron_field fields[FIELDS] = {
    [MINUTE] = {"minute", 0, 59, NULL},
    [HOUR] = {"hour", 0, 23, NULL},
    [DAY] = {"day of the month", 1, 31, NULL},
    [MONTH] = {"month", 1, 12, month_words},
    [WEEKDAY] = {"day of the week", 0, 7, weekday_words},
};

struct reader {
    const char *at, *end;
};

static bool take(struct reader *r, char c)
{
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static bool read_number(struct reader *r, int *value)
{
    const char *start = r->at;
    int v = 0;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++)
        v = v < 1000 ? v * 10 + (*r->at - '0') : v;
    *value = v;
    return r->at > start;
}

static bool read_word(struct reader *r, const struct cron_field *field, int *value)
{
    for (int i = 0; field->words && field->words[i]; i++)
        if (r->end - r->at >= 3 && !strncasecmp(r->at, field->words[i], 3)) {
            r->at += 3;
            *value = field->min + i;
            return true;
        }
    return false;
}

static int read_value(struct reader *r, const struct cron_field *field, int *value, struct err *err)
{
    if (!read_number(r, value) && !read_word(r, field, value))
        return err_set(err, ERR_INVALID,
                       "schedule: bad %s; expected *, a number, a range 1-5, a list 1,3 or a step */5", field->name);
    if (*value < field->min || *value > field->max)
        return err_set(err, ERR_INVALID, "schedule: %s %d is not in %d-%d", field->name, *value, field->min,
                       field->max);
    return 0;
}

/* One member of a list: *, a, a-b, each of the ranges with /step. */
static int read_range(struct reader *r, const struct cron_field *field, uint64_t *bits, bool *any, struct err *err)
{
    int from = field->min, to = field->max, step = 1;
    bool range = take(r, '*');
    *any = *any || range;
    if (!range) {
        if (read_value(r, field, &from, err) < 0)
            return -1;
        to = from;
        range = take(r, '-');
        if (range && read_value(r, field, &to, err) < 0)
            return -1;
    }
    if (from > to)
        return err_set(err, ERR_INVALID, "schedule: %s %d-%d runs backwards", field->name, from, to);
    if (take(r, '/')) {
        if (!range)
            return err_set(err, ERR_INVALID,
                           "schedule: a step of the %s needs * or a range before it, as in */5 or %d-%d/5", field->name,
                           from, field->max);
        if (!read_number(r, &step) || step < 1 || step > field->max)
            return err_set(err, ERR_INVALID, "schedule: bad step of the %s", field->name);
    }
    for (int v = from; v <= to; v += step)
        *bits |= UINT64_C(1) << v;
    return 0;
}

static int read_field(struct reader *r, const struct cron_field *field, uint64_t *bits, bool *any, struct err *err)
{
    *bits = 0;
    *any = false;
    while (r->at < r->end && is_space(*r->at))
        r->at++;
    if (r->at == r->end)
        return err_set(err, ERR_INVALID,
                       "schedule: no %s; expected five fields: minute hour day-of-month month day-of-week",
                       field->name);
    do {
        if (read_range(r, field, bits, any, err) < 0)
            return -1;
    } while (take(r, ','));
    if (r->at < r->end && !is_space(*r->at))
        return err_set(err, ERR_INVALID, "schedule: unexpected '%c' in the %s", *r->at, field->name);
    return 0;
}

static const char *expand(const char *text, size_t len)
{
    static const struct {
        const char *word, *means;
    } words[] = {{"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
                 {"@weekly", "0 0 * * 0"},  {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
                 {"@annually", "0 0 1 1 *"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].word) == len && !strncasecmp(words[i].word, text, len))
            return words[i].means;
    return NULL;
}

int cron_parse(const char *text, size_t len, struct cron *c, struct err *err)
{
    const char *expanded = expand(text, len);
    if (!expanded && len && text[0] == '@')
        return err_set(err, ERR_INVALID,
                       "schedule: unknown word; expected @hourly, @daily, @weekly, @monthly or @yearly");
    struct reader r = {expanded ? expanded : text, expanded ? expanded + strlen(expanded) : text + len};
    uint64_t bits[FIELDS];
    bool any[FIELDS];
    for (int i = 0; i < FIELDS; i++)
        if (read_field(&r, &fields[i], &bits[i], &any[i], err) < 0)
            return -1;
    while (r.at < r.end && is_space(*r.at))
        r.at++;
    if (r.at < r.end)
        return err_set(err, ERR_INVALID, "schedule: more than five fields; seconds and years are not known here");
    uint64_t sunday = bits[WEEKDAY] >> 7 & 1;
    *c = (struct cron){.minutes = bits[MINUTE],
                       .hours = (uint32_t)bits[HOUR],
                       .days = (uint32_t)bits[DAY],
                       .months = (uint32_t)bits[MONTH],
                       .weekdays = (uint32_t)((bits[WEEKDAY] | sunday) & 0x7f),
                       .any_day = any[DAY],
                       .any_weekday = any[WEEKDAY]};
    return 0;
}

static bool day_matches(const struct cron *c, int64_t days)
{
    int64_t year;
    unsigned month, day;
    civil_from_days(days, &year, &month, &day);
    if (!(c->months >> month & 1))
        return false;
    bool by_day = c->days >> day & 1, by_weekday = c->weekdays >> ((days + 4) % 7) & 1;
    return c->any_day || c->any_weekday ? by_day && by_weekday : by_day || by_weekday;
}

/* The first due minute of a day at or after `minute`; -1 if there is none. */
static int minute_of_day(const struct cron *c, int minute)
{
    for (int hour = minute / 60; hour < 24; hour++, minute = hour * 60) {
        if (!(c->hours >> hour & 1))
            continue;
        uint64_t rest = c->minutes >> (minute % 60);
        if (rest)
            return minute + __builtin_ctzll(rest);
    }
    return -1;
}

/* The due times in local order. In UTC that order holds too, as each stands for the first instant that shows it or a
 * later local time. */
int64_t cron_next(const struct cron *c, const struct zone *z, int64_t after_ms)
{
    if (after_ms > TIME_MAX_MS)
        return INT64_MAX;
    if (after_ms < -1)
        after_ms = -1; /* nothing is due before 1970 */
    int64_t local = after_ms + DAY_MS + zone_offset(z, after_ms) * INT64_C(1000);
    int64_t first = local / DAY_MS - 1; /* + 1 day above and back here: a positive division rounds down */
    int minute = (int)(local % DAY_MS / MINUTE_MS);
    for (int64_t day = first; day <= first + SEARCH_DAYS; day++, minute = 0) {
        if (day + 4 < 0 || !day_matches(c, day))
            continue;
        for (int m = minute_of_day(c, minute); m >= 0; m = minute_of_day(c, m + 1)) {
            int64_t due = zone_to_utc(z, day * DAY_MS + m * MINUTE_MS);
            if (due > after_ms)
                return due;
        }
    }
    return INT64_MAX;
}
