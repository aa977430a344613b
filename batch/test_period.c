/* Periods and schedules: which windows a run takes, what is due after downtime. Expected instants were computed by
 * hand. */
#include "batch/period.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static int64_t at(const char *text)
{
    int64_t ms;
    assert_true(time_parse_rfc3339(text, strlen(text), &ms));
    return ms;
}

static struct zone *zone(const char *name)
{
    struct zone *z;
    struct err err;
    assert_int_equal(zone_load(name, &z, &err), 0);
    return z;
}

static struct app_job job(enum app_period period, int64_t range, const char *schedule)
{
    struct app_job j = {.name = "j", .period = period, .range = range, .schedule = schedule};
    struct err err;
    if (schedule)
        assert_int_equal(cron_parse(schedule, strlen(schedule), &j.cron, &err), 0);
    return j;
}

static void assert_period(struct period p, const char *from, const char *to)
{
    assert_int_equal(p.from, at(from));
    assert_int_equal(p.to, at(to));
}

static void a_day_follows_daylight_saving(void **state)
{
    (void)state;
    struct zone *z = zone("Europe/Helsinki");
    struct app_job j = job(APP_PERIOD_DAY, APP_OFF, NULL);
    struct buf label = {0};
    struct period p = period_at(&j, z, at("2026-03-30T00:05:00+03:00"));
    assert_period(p, "2026-03-29T00:00:00+02:00", "2026-03-30T00:00:00+03:00"); /* 23 hours */
    period_label(&j, z, p, &label);
    assert_string_equal(buf_cstr(&label), "2026-03-29");
    buf_free(&label);
    p = period_at(&j, z, at("2026-10-26T00:05:00+02:00"));
    assert_period(p, "2026-10-25T00:00:00+03:00", "2026-10-26T00:00:00+02:00"); /* 25 hours */
    zone_free(&z);
}

static void a_range_goes_back_from_the_instant(void **state)
{
    (void)state;
    struct zone *z = zone("UTC");
    struct app_job j = job(APP_PERIOD_NONE, 3600000, NULL);
    struct buf label = {0};
    struct period p = period_at(&j, z, at("2026-01-01T12:00:00Z"));
    assert_period(p, "2026-01-01T11:00:00Z", "2026-01-01T12:00:00Z");
    period_label(&j, z, p, &label);
    assert_string_equal(buf_cstr(&label), "2026-01-01T11:00:00Z/2026-01-01T12:00:00Z");
    buf_free(&label);
    zone_free(&z);
}

static void the_last_window_before_the_end(void **state)
{
    (void)state;
    const struct app_stream tumbling = {.size = 300000, .every = 300000}, sliding = {.size = 600000, .every = 60000};
    assert_int_equal(period_last_window_end(&tumbling, 600000), 600000);
    assert_int_equal(period_last_window_end(&tumbling, 600001), 900000);
    assert_int_equal(period_last_window_end(&sliding, 600000), 540000 + 600000);
}

static void each_due_period_comes_once_oldest_first(void **state)
{
    (void)state;
    struct zone *z = zone("Europe/Helsinki");
    struct app_job j = job(APP_PERIOD_DAY, APP_OFF, "5 0 * * *");
    struct period list[3];
    int64_t last = at("2026-03-28T00:00:00+02:00");
    assert_int_equal(schedule_due(&j, z, last, at("2026-03-29T00:04:59+02:00"), list, 3), 0);
    assert_int_equal(schedule_due(&j, z, last, at("2026-03-29T00:05:00+02:00"), list, 3), 1);
    assert_period(list[0], "2026-03-28T00:00:00+02:00", "2026-03-29T00:00:00+02:00");
    assert_int_equal(schedule_due(&j, z, last, at("2026-04-10T12:00:00+03:00"), list, 3), 3); /* the newest three */
    assert_period(list[2], "2026-04-09T00:00:00+03:00", "2026-04-10T00:00:00+03:00");
    zone_free(&z);
}

static void an_hourly_schedule_of_a_daily_period_runs_a_day_once(void **state)
{
    (void)state;
    struct zone *z = zone("UTC");
    struct app_job j = job(APP_PERIOD_DAY, APP_OFF, "0 * * * *");
    struct period list[10];
    size_t n = schedule_due(&j, z, at("2026-01-02T00:00:00Z"), at("2026-01-04T05:00:00Z"), list, 10);
    assert_int_equal(n, 2);
    assert_period(list[0], "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z");
    assert_period(list[1], "2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z");
    zone_free(&z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_day_follows_daylight_saving),
        cmocka_unit_test(a_range_goes_back_from_the_instant),
        cmocka_unit_test(the_last_window_before_the_end),
        cmocka_unit_test(each_due_period_comes_once_oldest_first),
        cmocka_unit_test(an_hourly_schedule_of_a_daily_period_runs_a_day_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
