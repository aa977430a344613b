#include "base/time_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define BAD   INT64_C(-1)
#define T2026 INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */
#define DAY   INT64_C(86400000)

struct parse_case {
    const char *format, *text;
    int64_t ms;
};

static const struct parse_case parse_cases[] = {
    {"%Y-%m-%d %H:%M:%S UTC", "2026-01-01 00:00:00 UTC", T2026},
    {"%Y-%m-%d %H:%M:%S UTC", "2026-01-01 23:59:59 UTC", T2026 + DAY - 1000},
    {"%Y-%m-%d %H:%M:%S UTC", "2026-01-01 00:00:00", BAD},
    {"%Y-%m-%d %H:%M:%S UTC", "2026-01-01 00:00:00 UTC ", BAD},
    {"%Y-%m-%d %H:%M:%S UTC", " 2026-01-01 00:00:00 UTC", BAD},
    {"%Y-%m-%d %H:%M:%S UTC", "2026-02-29 00:00:00 UTC", BAD},
    {"%Y-%m-%d %H:%M:%S UTC", "2024-02-29 00:00:00 UTC", INT64_C(1709164800000)},
    {"%Y-%m-%d %H:%M:%S UTC", "99999-01-01 00:00:00 UTC", BAD},
    {"%Y-%m-%d %H:%M:%S UTC", "2026-13-01 00:00:00 UTC", BAD},
    {"%Y-%m-%d %H:%M:%S UTC", "2026-01-01 24:00:00 UTC", BAD},
    {"%Y-%m-%d %H:%M:%S UTC", "2026-01-01 00:60:00 UTC", BAD},
    {"%Y-%m-%d %H:%M:%S UTC", "2026-01-01 00:00:60 UTC", BAD},
    {"%Y-%m-%d %H:%M:%S UTC", "2026-1-1 0:0:0 UTC", T2026},
    {"%Y-%m-%d %H:%M:%S UTC", "", BAD},
    {"%F %T", "2026-01-01 00:00:01", T2026 + 1000},
    {"%F", "2026-01-02", T2026 + DAY},
    {"%F", "1969-12-31", BAD},
    {"%F", "1970-01-01", 0},
    {"%F %T.%f", "9999-12-31 23:59:59.999", TIME_MAX_MS},
    {"%F %T.%f", "2026-01-01 00:00:00.1", T2026 + 100},
    {"%F %T.%f", "2026-01-01 00:00:00.123999999", T2026 + 123},
    {"%F %T.%f", "2026-01-01 00:00:00.1234567890", BAD},
    {"%F %T.%f", "2026-01-01 00:00:00.", BAD},
    {"%F %T %z", "2026-01-01 02:00:00 +0200", T2026},
    {"%F %T %z", "2026-01-01 02:00:00 +02:00", T2026},
    {"%F %T %z", "2026-01-01 02:00:00 +02", T2026},
    {"%F %T %z", "2025-12-31 19:00:00 -0500", T2026},
    {"%F %T %z", "2026-01-01 00:00:00 Z", T2026},
    {"%F %T %z", "2026-01-01 00:00:00 +24:00", BAD},
    {"%F %T %z", "2026-01-01 00:00:00 +02:0", BAD},
    {"%F %T%z", "1970-01-01 00:00:00+01:00", BAD},
    {"%F %T%z", "9999-12-31 23:59:59-01:00", BAD},
    {"%F %T %Z", "2026-01-01 00:00:00 UTC", T2026},
    {"%F %T %Z", "2026-01-01 00:00:00 EST", BAD},
    {"%Y %j", "2026 1", T2026},
    {"%Y %j", "2026 365", T2026 + 364 * DAY},
    {"%Y %j", "2026 366", BAD},
    {"%Y %j", "2024 366", INT64_C(1735603200000)},
    {"%Y %j", "2026 0", BAD},
    {"%d %b %Y", "01 Jan 2026", T2026},
    {"%e %b %y", " 1 JAN 26", T2026},
    {"%e %b %y", "1 Jux 26", BAD},
    {"%d/%m/%y", "01/01/69", BAD},
    {"%d/%m/%y", "01/01/68", INT64_C(3092601600000)},
    {"%F %I:%M %p", "2026-01-01 12:00 AM", T2026},
    {"%F %I:%M %p", "2026-01-01 12:30 pm", T2026 + DAY / 2 + 1800000},
    {"%F %I:%M %p", "2026-01-01 01:00 PM", T2026 + DAY / 2 + 3600000},
    {"%F %I:%M %p", "2026-01-01 13:00 PM", BAD},
    {"%Y%m%d%H%M%S", "20260101000001", T2026 + 1000},
    {"%F 100%%", "2026-01-01 100%", T2026},
    {"%F 100%%", "2026-01-01 100", BAD},
    {"rfc3339", "2026-01-01T00:00:00Z", T2026},
    {"rfc3339", "2026-01-01t00:00:00z", T2026},
    {"rfc3339", "2026-01-01T02:30:00.5+02:30", T2026 + 500},
    {"rfc3339", "2026-01-01T00:00:00-00:00", T2026},
    {"rfc3339", "2026-01-01T00:00:00.123456789012Z", T2026 + 123},
    {"rfc3339", "2026-01-01T00:00:00.Z", BAD},
    {"rfc3339", "2026-01-01T00:00:00", BAD},
    {"rfc3339", "2026-01-01T00:00Z", BAD},
    {"rfc3339", "2026-01-01T00:00:00+0200", BAD},
    {"rfc3339", "2026-01-01T00:00:00+02", BAD},
    {"rfc3339", "2026-1-01T00:00:00Z", BAD},
    {"rfc3339", "2026-01-01T00:00:00Zx", BAD},
    {"rfc3339", "10000-01-01T00:00:00Z", BAD},
    {"rfc3339", "1969-12-31T23:00:00-01:00", 0},
    {"unix", "1767225600", T2026},
    {"unix", "1767225600.25", T2026 + 250},
    {"unix", "1767225600.0009", T2026},
    {"unix", "1767225600.1239", T2026 + 123},
    {"unix", "1.7672256e9", T2026},
    {"unix", "17672256000e-1", T2026},
    {"unix", "0", 0},
    {"unix", "-0", 0},
    {"unix", "-1", BAD},
    {"unix", "0.0005", 0},
    {"unix", "0.001", 1},
    {"unix", "1e-99999999999999999999", 0},
    {"unix", "1e99999999999999999999", BAD},
    {"unix", "0e99999999999999999999", 0},
    {"unix", "253402300799.999", TIME_MAX_MS},
    {"unix", "253402300800", BAD},
    {"unix", "1767225600s", BAD},
    {"unix", ".5", BAD},
    {"unix", "5.", BAD},
    {"unix", "", BAD},
    {"unix", "NaN", BAD},
    {"unix_ms", "1767225600000", T2026},
    {"unix_ms", "1767225600000.9", T2026},
    {"unix_ms", "253402300799999", TIME_MAX_MS},
    {"unix_ms", "253402300800000", BAD},
    {"unix_ms", "999999999999999999999999999999999999999999", BAD},
};

static void parses_what_the_format_says_and_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof parse_cases / sizeof *parse_cases; i++) {
        const struct parse_case *c = &parse_cases[i];
        struct time_format f;
        struct err err;
        int64_t ms = BAD;
        if (time_format_compile(c->format, strlen(c->format), &f, &err) < 0)
            fail_msg("%s: %s", c->format, err.text);
        bool ok = time_format_parse(&f, c->text, strlen(c->text), &ms);
        if (ok != (c->ms != BAD) || ms != c->ms)
            fail_msg("%s of \"%s\": got %lld, expected %lld", c->format, c->text, (long long)ms, (long long)c->ms);
    }
}

static void refuses_formats_that_fix_no_date(void **state)
{
    (void)state;
    static const struct {
        const char *format, *says;
    } cases[] = {
        {"", "neither a pattern"},
        {"iso8601", "neither a pattern"},
        {"%Y-%m", "day"},
        {"%m-%d", "year"},
        {"%H:%M", "year"},
        {"%Y", "month and day"},
        {"%Y-%m-%d %M", "hour"},
        {"%Y-%m-%d %H:%S", "minute"},
        {"%Y-%m-%d %I:%M", "%p"},
        {"%Y-%m-%d %H:%M %p", "%I"},
        {"%Y-%m-%d %H %I %p", "both"},
        {"%Y-%m-%d %f", "second"},
        {"%Y-%m-%d %j", "either"},
        {"%Y-%m-%d %Y", "byte 10 repeats"},
        {"%F %d", "byte 4 repeats"},
        {"%Y-%m-%d %Q", "byte 10"},
        {"%Y-%m-%d %", "lone"},
        {"%Y-%m-%d\n", "control character"},
        {"%Y-%m-%d 0123456789012345678901234567890123456789012345678901234567890", "longer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct time_format f;
        struct err err;
        if (time_format_compile(cases[i].format, strlen(cases[i].format), &f, &err) == 0)
            fail_msg("%s was taken", cases[i].format);
        if (!strstr(err.text, cases[i].says))
            fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].format, err.text, cases[i].says);
    }
}

static void rfc3339_is_written_as_it_is_read(void **state)
{
    (void)state;
    char text[32];
    assert_int_equal(time_rfc3339(T2026, text), 20);
    assert_string_equal(text, "2026-01-01T00:00:00Z");
    assert_int_equal(time_rfc3339(T2026 + 7, text), 24);
    assert_string_equal(text, "2026-01-01T00:00:00.007Z");
    for (int64_t ms = 0; ms <= TIME_MAX_MS; ms += INT64_C(12345678901)) {
        int64_t back = BAD;
        assert_true(time_parse_rfc3339(text, time_rfc3339(ms, text), &back));
        assert_true(back == ms);
    }
    time_rfc3339(TIME_MAX_MS, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_what_the_format_says_and_nothing_else),
        cmocka_unit_test(refuses_formats_that_fix_no_date),
        cmocka_unit_test(rfc3339_is_written_as_it_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
