/* Calendars and zones against the C library's, cron against a search minute by minute. */
#include "base/calendar.h"
#include "base/time_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <cmocka.h>

#define MINUTE INT64_C(60000)
#define HOUR   INT64_C(3600000)
#define DAY    INT64_C(86400000)

static struct zone *load(const char *name)
{
    struct zone *z = NULL;
    struct err err;
    if (zone_load(name, &z, &err) < 0)
        fail_msg("%s", err.text);
    return z;
}

static int64_t at(const char *rfc3339)
{
    int64_t ms = 0;
    if (!time_parse_rfc3339(rfc3339, strlen(rfc3339), &ms))
        fail_msg("bad time in the test: %s", rfc3339);
    return ms;
}

static void assert_time(int64_t ms, const char *rfc3339)
{
    char text[32];
    int64_t expected = at(rfc3339);
    time_rfc3339(ms, text);
    if (ms != expected)
        fail_msg("got %s, expected %s", text, rfc3339);
}

static void civil_days_agree_with_the_c_library(void **state)
{
    (void)state;
    for (int64_t day = -200000; day < 3000000; day += 97) {
        int64_t year;
        unsigned month, mday;
        civil_from_days(day, &year, &month, &mday);
        time_t t = day * 86400;
        struct tm tm;
        gmtime_r(&t, &tm);
        assert_int_equal(year, tm.tm_year + 1900);
        assert_int_equal(month, tm.tm_mon + 1);
        assert_int_equal(mday, tm.tm_mday);
        assert_true(days_from_civil(year, month, mday) == day);
    }
}

static const char *const zones[] = {"UTC",          "Europe/Helsinki",   "America/New_York",     "Australia/Lord_Howe",
                                    "Pacific/Apia", "Europe/Dublin",     "America/Santiago",     "Asia/Kathmandu",
                                    "Africa/Cairo", "Africa/Casablanca", "America/Scoresbysund", "Antarctica/Troll",
                                    "Asia/Gaza",    "Europe/London",     "Etc/GMT+12",           "America/Havana"};

static void offsets_agree_with_the_c_library(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
        struct zone *z = load(zones[i]);
        setenv("TZ", zones[i], 1);
        tzset();
        /* odd steps of some hours through 1970 to 2120, then coarser to 2500 */
        for (int64_t s = 0; s < INT64_C(16725225600); s += s < INT64_C(4733510400) ? 21601 : 901234) {
            time_t t = s;
            struct tm tm;
            localtime_r(&t, &tm);
            if (zone_offset(z, s * 1000) != tm.tm_gmtoff)
                fail_msg("%s at %lld: %d, the C library says %ld", zones[i], (long long)s, zone_offset(z, s * 1000),
                         tm.tm_gmtoff);
        }
        zone_free(&z);
        assert_null(z);
    }
}

/* The first instant of all that shows the local time or, where none does, a later one. */
static void local_times_are_the_first_instant_that_shows_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
        struct zone *z = load(zones[i]);
        for (int64_t local = at("2011-12-20T00:00:00Z"); local < at("2027-01-01T00:00:00Z");
             local += 7 * HOUR + MINUTE) {
            int64_t u = zone_to_utc(z, local);
            int64_t shown = u + zone_offset(z, u) * INT64_C(1000),
                    before = u - 1 + zone_offset(z, u - 1) * INT64_C(1000);
            assert_true(shown >= local);
            assert_true(before < local);
            for (int64_t earlier = u - MINUTE; earlier > u - 26 * HOUR; earlier -= 30 * MINUTE)
                assert_true(earlier + zone_offset(z, earlier) * INT64_C(1000) < local);
        }
        zone_free(&z);
    }
}

static void daylight_saving_gaps_and_overlaps(void **state)
{
    (void)state;
    struct zone *z = load("Europe/Helsinki");
    assert_time(zone_to_utc(z, at("2026-03-29T03:30:00Z")), "2026-03-29T01:00:00Z"); /* does not exist */
    assert_time(zone_to_utc(z, at("2026-03-29T04:00:00Z")), "2026-03-29T01:00:00Z");
    assert_time(zone_to_utc(z, at("2026-10-25T03:30:00Z")), "2026-10-25T00:30:00Z"); /* comes twice */
    assert_time(zone_to_utc(z, at("2026-10-25T04:00:00Z")), "2026-10-25T02:00:00Z");
    assert_time(zone_to_utc(z, at("2126-07-01T00:00:00Z")), "2126-06-30T21:00:00Z"); /* behind the table */
    zone_free(&z);
}

static void zones_that_do_not_exist(void **state)
{
    (void)state;
    static const char *const names[] = {"",
                                        "Europe/Helsinky",
                                        "../../etc/passwd",
                                        "/etc/localtime",
                                        "Europe/../UTC",
                                        "tzdata.zi",
                                        "Europe",
                                        "right/UTC",
                                        "localtime",
                                        "Europe/Hel sinki",
                                        "zone.tab",
                                        ".",
                                        "Mars/Olympus"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct zone *z = NULL;
        struct err err = {0};
        if (zone_load(names[i], &z, &err) == 0)
            fail_msg("\"%s\" was taken", names[i]);
        assert_null(z);
        assert_int_equal(err.code, ERR_INVALID);
    }
}

static void units_of_the_calendar(void **state)
{
    (void)state;
    static const struct {
        const char *zone;
        enum calendar_unit unit;
        const char *at, *from, *to, *label;
    } cases[] = {
        {"UTC", CALENDAR_DAY, "2026-11-24T00:00:00Z", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z", "2026-11-23"},
        {"UTC", CALENDAR_DAY, "2026-11-23T23:59:59.999Z", "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z", "2026-11-22"},
        {"UTC", CALENDAR_HOUR, "2026-11-23T15:10:00Z", "2026-11-23T14:00:00Z", "2026-11-23T15:00:00Z", "2026-11-23T14"},
        {"UTC", CALENDAR_WEEK, "2026-11-30T00:00:00Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z", "2026-W48"},
        {"UTC", CALENDAR_WEEK, "2027-01-05T00:00:00Z", "2026-12-28T00:00:00Z", "2027-01-04T00:00:00Z", "2026-W53"},
        {"UTC", CALENDAR_WEEK, "2025-01-06T00:00:00Z", "2024-12-30T00:00:00Z", "2025-01-06T00:00:00Z", "2025-W01"},
        {"UTC", CALENDAR_MONTH, "2026-03-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-02"},
        {"UTC", CALENDAR_MONTH, "2026-01-15T00:00:00Z", "2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z", "2025-12"},
        /* 23 and 25 hours */
        {"Europe/Helsinki", CALENDAR_DAY, "2026-03-29T22:00:00Z", "2026-03-28T22:00:00Z", "2026-03-29T21:00:00Z",
         "2026-03-29"},
        {"Europe/Helsinki", CALENDAR_DAY, "2026-10-26T00:00:00Z", "2026-10-24T21:00:00Z", "2026-10-25T22:00:00Z",
         "2026-10-25"},
        {"Europe/Helsinki", CALENDAR_MONTH, "2026-11-02T00:00:00Z", "2026-09-30T21:00:00Z", "2026-10-31T22:00:00Z",
         "2026-10"},
        /* the hour that is not, and the one that comes twice (it is one period of two hours) */
        {"Europe/Helsinki", CALENDAR_HOUR, "2026-03-29T01:10:00Z", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z",
         "2026-03-29T02"},
        {"Europe/Helsinki", CALENDAR_HOUR, "2026-10-25T02:10:00Z", "2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z",
         "2026-10-25T03"},
        {"Europe/Helsinki", CALENDAR_HOUR, "2026-10-25T01:10:00Z", "2026-10-24T23:00:00Z", "2026-10-25T00:00:00Z",
         "2026-10-25T02"},
        {"Asia/Kathmandu", CALENDAR_HOUR, "2026-11-23T15:20:00Z", "2026-11-23T14:15:00Z", "2026-11-23T15:15:00Z",
         "2026-11-23T20"},
        /* Samoa had no 30 December 2011 */
        {"Pacific/Apia", CALENDAR_DAY, "2011-12-30T12:00:00Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z",
         "2011-12-29"},
        {"Pacific/Apia", CALENDAR_DAY, "2011-12-31T12:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z",
         "2011-12-31"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zone *z = load(cases[i].zone);
        int64_t from, to;
        char label[32];
        calendar_last_whole(z, cases[i].unit, at(cases[i].at), &from, &to);
        assert_time(from, cases[i].from);
        assert_time(to, cases[i].to);
        assert_int_equal(calendar_label(z, cases[i].unit, from, label), strlen(cases[i].label));
        assert_string_equal(label, cases[i].label);
        zone_free(&z);
    }
}

static void units_follow_each_other_without_gap(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
        struct zone *z = load(zones[i]);
        for (enum calendar_unit unit = CALENDAR_HOUR; unit <= CALENDAR_MONTH; unit++) {
            char last[32] = "", label[32];
            int64_t t = at("2027-01-10T00:00:00Z"), from, to;
            for (int n = 0; n < 3000 && t > at("2001-01-01T00:00:00Z"); n++, t = from) {
                calendar_last_whole(z, unit, t, &from, &to);
                if (n)
                    assert_true(to == t);
                assert_true(from < to);
                calendar_label(z, unit, from, label);
                assert_string_not_equal(label, last);
                strcpy(last, label);
            }
        }
        zone_free(&z);
    }
}

/* ---- cron ---- */

static struct cron parse(const char *text)
{
    struct cron c = {0};
    struct err err;
    if (cron_parse(text, strlen(text), &c, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return c;
}

static void cron_texts_that_are_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "no minute"},
        {"* * * *", "no day of the week"},
        {"60 * * * *", "minute 60 is not in 0-59"},
        {"* 24 * * *", "hour 24 is not in 0-23"},
        {"* * 0 * *", "day of the month 0"},
        {"* * 32 * *", "day of the month 32"},
        {"* * * 13 *", "month 13"},
        {"* * * * 8", "day of the week 8"},
        {"5-1 * * * *", "backwards"},
        {"*/0 * * * *", "bad step"},
        {"5/10 * * * *", "needs * or a range"},
        {"1, * * * *", "bad minute"},
        {"x * * * *", "bad minute"},
        {"1x * * * *", "unexpected 'x'"},
        {"* * * foo *", "bad month"},
        {"* * * * * *", "more than five"},
        {"@reboot", "unknown word"},
        {"99999999999999999999 * * * *", "is not in 0-59"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cron c;
        struct err err;
        if (cron_parse(cases[i].text, strlen(cases[i].text), &c, &err) == 0)
            fail_msg("\"%s\" was taken", cases[i].text);
        if (!strstr(err.text, cases[i].says))
            fail_msg("\"%s\": \"%s\" does not say \"%s\"", cases[i].text, err.text, cases[i].says);
    }
}

static bool minute_is_due(const struct cron *c, int64_t local_ms)
{
    time_t t = local_ms / 1000;
    struct tm tm;
    gmtime_r(&t, &tm);
    bool day = c->days >> tm.tm_mday & 1, weekday = c->weekdays >> tm.tm_wday & 1;
    return (c->minutes >> tm.tm_min & 1) && (c->hours >> tm.tm_hour & 1) && (c->months >> (tm.tm_mon + 1) & 1) &&
           (c->any_day || c->any_weekday ? day && weekday : day || weekday);
}

/* All due instants of some years around changes of the clock, by looking at every local minute. */
static void cron_agrees_with_a_search_by_the_minute(void **state)
{
    (void)state;
    static const char *const texts[] = {"5 0 * * *",     "30 3 * * *",     "*/10 3 * * *",      "0 4 * * *",
                                        "0 0 1 * *",     "0 12 13 * fri",  "15,45 */6 * * 1-5", "0 0 29 2 *",
                                        "59 23 31 12 *", "0 2-4 * 3,10 7", "0 0 */2 * mon"};
    static const char *const names[] = {"Europe/Helsinki", "Australia/Lord_Howe"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (size_t j = 0; j < sizeof texts / sizeof *texts; j++) {
            struct zone *z = load(names[i]);
            struct cron c = parse(texts[j]);
            int64_t start = at("2026-02-20T00:00:00Z"), next = start, last = start;
            for (int64_t local = start - DAY; local < start + 300 * DAY; local += MINUTE) {
                if (!minute_is_due(&c, local))
                    continue;
                int64_t due = zone_to_utc(z, local);
                if (due <= last)
                    continue;
                next = cron_next(&c, z, next);
                if (next != due)
                    fail_msg("%s in %s: after %lld got %lld, expected %lld", texts[j], names[i], (long long)last,
                             (long long)next, (long long)due);
                last = due;
            }
            zone_free(&z);
        }
}

static void cron_over_daylight_saving(void **state)
{
    (void)state;
    struct zone *z = load("Europe/Helsinki");
    struct cron c = parse("30 3 * * *");
    assert_time(cron_next(&c, z, at("2026-03-28T12:00:00Z")), "2026-03-29T01:00:00Z"); /* 04:00, behind the gap */
    assert_time(cron_next(&c, z, at("2026-03-29T01:00:00Z")), "2026-03-30T00:30:00Z");
    assert_time(cron_next(&c, z, at("2026-10-24T12:00:00Z")), "2026-10-25T00:30:00Z"); /* the first of the two */
    assert_time(cron_next(&c, z, at("2026-10-25T00:30:00Z")), "2026-10-26T01:30:00Z");
    assert_time(cron_next(&c, z, at("2026-10-25T01:00:00Z")), "2026-10-26T01:30:00Z"); /* 03:00 for the second time */
    zone_free(&z);
}

static void cron_words_names_and_limits(void **state)
{
    (void)state;
    struct zone *z = load("UTC");
    static const struct {
        const char *text, *after, *due;
    } cases[] = {
        {"@hourly", "2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z"},
        {"@daily", "2026-11-24T10:00:00Z", "2026-11-25T00:00:00Z"},
        {"@weekly", "2026-11-24T10:00:00Z", "2026-11-29T00:00:00Z"},
        {"@monthly", "2026-11-24T10:00:00Z", "2026-12-01T00:00:00Z"},
        {"0 0 * * 7", "2026-11-24T10:00:00Z", "2026-11-29T00:00:00Z"},
        {"0 0 * * fri-7", "2026-11-24T10:00:00Z", "2026-11-27T00:00:00Z"},
        {"0 0 * DEC Mon", "2026-11-24T10:00:00Z", "2026-12-07T00:00:00Z"},
        {" 0\t0  *  * * ", "2026-11-24T10:00:00Z", "2026-11-25T00:00:00Z"},
        {"0 0 29 2 *", "2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z"},
        {"0 0 1 1 *", "1970-01-01T00:00:00Z", "1971-01-01T00:00:00Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cron c = parse(cases[i].text);
        assert_time(cron_next(&c, z, at(cases[i].after)), cases[i].due);
    }
    struct cron never = parse("0 0 31 2 *"), always = parse("* * * * *");
    assert_true(cron_next(&never, z, 0) == INT64_MAX);
    assert_true(cron_next(&always, z, INT64_MAX) == INT64_MAX);
    assert_true(cron_next(&always, z, INT64_MIN) == 0);
    zone_free(&z);
}

/* Without a descriptor left, nothing is said of whether there is such a zone. */
static void a_zone_that_cannot_be_read_now(void **state)
{
    (void)state;
    struct rlimit old, none;
    struct zone *z = NULL;
    struct err err;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int status = zone_load("Europe/Helsinki", &z, &err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(status, -1);
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(err.text, "Too many open files"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(civil_days_agree_with_the_c_library),
        cmocka_unit_test(offsets_agree_with_the_c_library),
        cmocka_unit_test(local_times_are_the_first_instant_that_shows_them),
        cmocka_unit_test(daylight_saving_gaps_and_overlaps),
        cmocka_unit_test(zones_that_do_not_exist),
        cmocka_unit_test(a_zone_that_cannot_be_read_now),
        cmocka_unit_test(units_of_the_calendar),
        cmocka_unit_test(units_follow_each_other_without_gap),
        cmocka_unit_test(cron_texts_that_are_wrong),
        cmocka_unit_test(cron_agrees_with_a_search_by_the_minute),
        cmocka_unit_test(cron_over_daylight_saving),
        cmocka_unit_test(cron_words_names_and_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
