#include "base/zone_rule.h"
#include "base/calendar.h"

#define DAY INT64_C(86400)

struct reader {
    const char *at, *end;
};

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool take(struct reader *r, char c)
{
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static bool number(struct reader *r, int max, int *value)
{
    const char *start = r->at;
    int v = 0;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9' && v <= max; r->at++)
        v = v * 10 + (*r->at - '0');
    *value = v;
    return r->at > start && v <= max;
}

/* "EET" or "<+03>" */
static bool skip_name(struct reader *r)
{
    const char *start = r->at;
    if (take(r, '<')) {
        while (r->at < r->end && *r->at != '>')
            r->at++;
        return take(r, '>');
    }
    while (r->at < r->end && is_letter(*r->at))
        r->at++;
    return r->at - start >= 3;
}

/* [+-]h[h[h]][:mm[:ss]] */
static bool clock_time(struct reader *r, int32_t *seconds)
{
    int h, m = 0, s = 0;
    bool negative = take(r, '-');
    if (!negative)
        (void)take(r, '+');
    if (!number(r, 167, &h))
        return false;
    if (take(r, ':') && !number(r, 59, &m))
        return false;
    if (take(r, ':') && !number(r, 59, &s))
        return false;
    *seconds = (h * 3600 + m * 60 + s) * (negative ? -1 : 1);
    return true;
}

static bool rule_date(struct reader *r, struct zone_rule_date *d)
{
    *d = (struct zone_rule_date){.kind = ZONE_RULE_DAY, .seconds = 7200};
    bool ok;
    if (take(r, 'M')) {
        d->kind = ZONE_RULE_MONTH;
        ok = number(r, 12, &d->month) && d->month >= 1 && take(r, '.') && number(r, 5, &d->week) && d->week >= 1 &&
             take(r, '.') && number(r, 6, &d->day);
    } else if (take(r, 'J')) {
        d->kind = ZONE_RULE_JULIAN;
        ok = number(r, 365, &d->day) && d->day >= 1;
    } else {
        ok = number(r, 365, &d->day);
    }
    return ok && (!take(r, '/') || clock_time(r, &d->seconds));
}

/* An offset is written west-positive. */
static bool offset(struct reader *r, int32_t *east)
{
    int32_t west;
    if (!clock_time(r, &west) || west < -25 * 3600 || west > 25 * 3600)
        return false;
    *east = -west;
    return true;
}

bool zone_rule_parse(const char *text, size_t len, struct zone_rule *rule)
{
    struct reader r = {text, text + len};
    *rule = (struct zone_rule){0};
    if (!skip_name(&r) || !offset(&r, &rule->standard))
        return false;
    if (r.at == r.end)
        return true;
    rule->has_daylight = true;
    rule->daylight = rule->standard + 3600;
    if (!skip_name(&r))
        return false;
    if (r.at < r.end && *r.at != ',' && !offset(&r, &rule->daylight))
        return false;
    return take(&r, ',') && rule_date(&r, &rule->start) && take(&r, ',') && rule_date(&r, &rule->end) && r.at == r.end;
}

static int64_t month_rule_day(const struct zone_rule_date *d, int64_t year)
{
    int64_t first = days_from_civil(year, (unsigned)d->month, 1);
    int64_t next = d->month == 12 ? days_from_civil(year + 1, 1, 1) : days_from_civil(year, (unsigned)d->month + 1, 1);
    int64_t weekday = ((first + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
    int64_t day = first + (d->day - weekday + 7) % 7 + (d->week - 1) * 7;
    return day < next ? day : day - 7; /* week 5 = the last */
}

/* Local seconds since 1970 at which the change happens in that year. */
static int64_t change_in_year(const struct zone_rule_date *d, int64_t year)
{
    int64_t first = days_from_civil(year, 1, 1);
    bool leap = days_from_civil(year + 1, 1, 1) - first == 366;
    int64_t day;
    switch (d->kind) {
    case ZONE_RULE_MONTH:
        day = month_rule_day(d, year);
        break;
    case ZONE_RULE_JULIAN:
        day = first + d->day - 1 + (leap && d->day >= 60);
        break;
    default:
        day = first + d->day;
    }
    return day * DAY + d->seconds;
}

void zone_rule_segment(const struct zone_rule *rule, int64_t utc, int64_t *from, int64_t *to, int32_t *out)
{
    *from = INT64_MIN;
    *to = INT64_MAX;
    *out = rule->standard;
    if (!rule->has_daylight)
        return;
    int64_t year, days = utc / DAY - (utc % DAY < 0);
    unsigned month, day;
    civil_from_days(days, &year, &month, &day);
    for (int64_t y = year - 2; y <= year + 2; y++) {
        int64_t start = change_in_year(&rule->start, y) - rule->standard;
        int64_t end = change_in_year(&rule->end, y) - rule->daylight;
        const int64_t at[2] = {end, start}; /* at one instant daylight time wins: it lasts all year then */
        for (int i = 0; i < 2; i++) {
            if (at[i] <= utc && at[i] >= *from) {
                *from = at[i];
                *out = i ? rule->daylight : rule->standard;
            }
            if (at[i] > utc && at[i] < *to)
                *to = at[i];
        }
    }
}
