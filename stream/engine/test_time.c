/* Quiet logs and ticks, `ahead`, time set back, a watermark for each device. */
#include "stream/engine/fixture.h"

#define STREAM "streams:\n  - { name: s, key: [id], window: { tumbling: 10s }, select: { n: count() } }\n"

static const char plain[] =
    "tenant: acme\nevents:\n  time: { field: t, format: unix_ms, out_of_orderness: 2s, idle_after: 1m }\n"
    "  fields: { id: int }\n" STREAM;
static const char ahead[] =
    "tenant: acme\nevents:\n  time: { field: t, format: unix_ms, ahead: 1m }\n  fields: { id: int }\n" STREAM;
static const char devices[] =
    "tenant: acme\nevents:\n  time: { field: t, format: unix_ms, idle_after: 1m }\n  watermark_per: [id]\n"
    "  fields: { id: { type: int, optional: true } }\n" STREAM;

static void a_quiet_log_wants_a_tick(void **state)
{
    (void)state;
    struct fixture f = fixture_new(plain);
    struct buf body = {0};
    assert_true(engine_tick_at(f.engine) == INT64_MAX);
    f.received_ms = 1000000;
    feed(&f, "{\"t\":5000,\"id\":1}");
    assert_int_equal(engine_tick_at(f.engine), 1060000); /* not before idle_after */
    assert_false(engine_tick(f.engine, 1059999, &body));
    assert_true(engine_tick(f.engine, 1060000, &body));
    assert_string_equal(buf_cstr(&body), "{\"offset\":0,\"highest\":65000}");
    expect(&f, ""); /* only reading it back changes anything */
    feed_tick(&f, buf_cstr(&body));
    expect(&f, "s 0-10000 r0 {\"id\":1,\"n\":1}\n");
    assert_true(engine_tick_at(f.engine) == INT64_MAX); /* nothing is open */
    feed(&f, "{\"t\":5000,\"id\":1}");
    expect(&f, "dead late 2.0 {\"t\":5000,\"id\":1}\n");
    buf_free(&body);
    fixture_free(&f);
}

static void quiet_goes_on_from_the_last_event(void **state)
{
    (void)state;
    struct fixture f = fixture_new(
        "tenant: acme\nevents:\n  time: { field: t, format: unix_ms, idle_after: 1s }\n  fields: { id: int }\n"
        "streams:\n  - { name: s, key: [id], window: { sliding: 20s, every: 10s }, select: { n: count() } }\n");
    struct buf body = {0};
    feed(&f, "{\"t\":5000,\"id\":1}");
    assert_int_equal(engine_tick_at(f.engine), 5000);
    assert_true(engine_tick(f.engine, 6000, &body));
    feed_tick(&f, buf_cstr(&body));
    expect(&f, "s -10000-10000 r0 {\"id\":1,\"n\":1}\n");
    assert_int_equal(engine_tick_at(f.engine), 15000); /* not counted twice */
    buf_clear(&body);
    assert_true(engine_tick(f.engine, 15000, &body));
    assert_string_equal(buf_cstr(&body), "{\"offset\":0,\"highest\":20000}");
    buf_free(&body);
    fixture_free(&f);
}

static void a_tick_counts_only_behind_the_message_it_names(void **state)
{
    (void)state;
    struct fixture f = fixture_new(plain);
    feed_tick(&f, "{\"offset\":0,\"highest\":90000}"); /* 0: no message yet */
    feed(&f, "{\"t\":5000,\"id\":1}");
    feed(&f, "nonsense");
    expect(&f, "dead not-json 2.0 nonsense\n");
    feed_tick(&f, "{\"offset\":1,\"highest\":90000}"); /* 3 */
    expect(&f, "");
    feed_tick(&f, "{\"offset\":2,\"highest\":12000}"); /* whatever came of it */
    expect(&f, "s 0-10000 r0 {\"id\":1,\"n\":1}\n");
    struct engine_info info;
    engine_info(f.engine, &info);
    assert_int_equal(info.counters.ticks, 1);
    assert_int_equal(info.counters.ticks_ignored, 2);
    assert_int_equal(info.watermark, 10000);
    fixture_free(&f);
}

static void believes_only_who_may_say_it(void **state)
{
    (void)state;
    struct fixture f = fixture_new(plain);
    feed(&f, "{\"t\":5000,\"id\":1}");
    feed_control(&f, CONTROL_TICK, "belltower-tenant-acme", "{\"offset\":0,\"highest\":90000}");
    feed_control(&f, CONTROL_TICK, USER_API, "{}");
    feed_control(&f, CONTROL_TICK, "belltower-worker-acmee", "{}");
    feed_control(&f, CONTROL_END, "belltower-worker-acme", "{}");
    feed_control(&f, CONTROL_TIME, "", "{}");
    feed_control(&f, "belltower.unknown", "x", "{}");
    expect(
        &f,
        "dead forged 1.0 {\"offset\":0,\"highest\":90000}\ndead forged 2.0 {}\ndead forged 3.0 {}\ndead forged 4.0 {}\n"
        "dead forged 5.0 {}\ndead forged 6.0 {}\n");
    fixture_free(&f);
}

static void refuses_control_messages_that_make_no_sense(void **state)
{
    (void)state;
    static const struct {
        const char *type, *body;
    } bad[] = {
        {CONTROL_TICK, "{}"},
        {CONTROL_TICK, "{\"offset\":0}"},
        {CONTROL_TICK, "{\"offset\":-1,\"highest\":1}"},
        {CONTROL_TICK, "{\"offset\":0,\"highest\":1.5}"},
        {CONTROL_TICK, "{\"offset\":0,\"highest\":253402300800000}"},
        {CONTROL_TICK, "{\"offset\":0,\"highest\":1}{}"},
        {CONTROL_TICK, "{\"devices\":[]}"},
        {CONTROL_TICK, "[]"},
        {CONTROL_TIME, "{\"highest\":\"1\"}"},
        {CONTROL_TIME, ""},
        {CONTROL_VERSION, "{\"version\":2}"},
        {CONTROL_VERSION, "{\"version\":2,\"app\":\"tenant: acme\"}"},
        {CONTROL_VERSION, "{\"version\":-2,\"app\":\"\"}"},
        {"belltower.", "{}"},
    };
    struct fixture f = fixture_new(plain);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char want[200];
        feed_control(&f, bad[i].type, strcmp(bad[i].type, CONTROL_TICK) ? USER_API : "belltower-worker-acme",
                     bad[i].body);
        snprintf(want, sizeof want, "dead bad-control %zu.0 %s\n", i, bad[i].body);
        expect(&f, want);
    }
    feed_control(&f, CONTROL_END, USER_API, "not read");
    feed_control(&f, CONTROL_VERSION, USER_API, "{\"version\":1,\"app\":\"nonsense\"}");
    expect(&f, "");
    fixture_free(&f);
}

static void holds_back_what_is_ahead(void **state)
{
    (void)state;
    struct fixture f = fixture_new(ahead);
    feed(&f, "{\"t\":1000,\"id\":1}");
    feed(&f, "{\"t\":61000,\"id\":1}"); /* just not */
    expect(&f, "s 0-10000 r0 {\"id\":1,\"n\":1}\n");
    feed(&f, "[{\"t\":121001,\"id\":1},{\"t\":200000,\"id\":2}]");
    expect(&f, "");
    feed(&f, "broken"); /* neither breaks nor lengthens the row */
    expect(&f, "dead not-json 3.0 broken\n");
    feed(&f, "{\"t\":62000,\"id\":1}");
    expect(&f, "dead ahead 2.0 {\"t\":121001,\"id\":1}\ndead ahead 2.1 {\"t\":200000,\"id\":2}\n");
    feed(&f, "{\"t\":300000,\"id\":1}");
    feed_tick(&f, "{\"offset\":4,\"highest\":62001}");
    expect(&f, "");
    feed_tick(&f, "{\"offset\":5,\"highest\":62001}");
    expect(&f, "dead ahead 5.0 {\"t\":300000,\"id\":1}\n");
    fixture_free(&f);
}

static void lets_in_what_ten_messages_in_a_row_say(void **state)
{
    (void)state;
    struct fixture f = fixture_new(ahead);
    char body[100];
    feed(&f, "{\"t\":1000,\"id\":1}");
    for (int i = 0; i < 9; i++) {
        snprintf(body, sizeof body, "[{\"t\":%d,\"id\":7},{\"t\":%d,\"id\":7}]", 1000000 + i, 1000000 + i);
        feed(&f, body);
    }
    expect(&f, "");
    struct engine_info info;
    engine_info(f.engine, &info);
    assert_int_equal(info.held, 18);
    feed(&f, "[{\"t\":1000100,\"id\":7},{\"t\":1010000,\"id\":8}]");
    expect(&f, "s 0-10000 r0 {\"id\":1,\"n\":1}\ns 1000000-1010000 r0 {\"id\":7,\"n\":19}\n");
    engine_info(f.engine, &info);
    assert_int_equal(info.held, 0);
    fixture_free(&f);
}

static void holds_no_more_than_a_thousand(void **state)
{
    (void)state;
    struct fixture f = fixture_new(ahead);
    struct buf body = {0};
    feed(&f, "{\"t\":1000,\"id\":1}");
    for (int i = 0; i < 1002; i++)
        buf_printf(&body, "{\"t\":%d,\"id\":%d}\n", 1000000 + i, i);
    feed(&f, buf_cstr(&body));
    expect(&f, "dead ahead 1.0 {\"t\":1000000,\"id\":0}\ndead ahead 1.1 {\"t\":1000001,\"id\":1}\n");
    buf_free(&body);
    fixture_free(&f);
}

static void time_can_be_set_back(void **state)
{
    (void)state;
    struct fixture f =
        fixture_new("tenant: acme\nevents:\n  time: { field: t, format: unix_ms }\n  fields: { id: int }\n"
                    "streams:\n  - { name: s, key: [id], window: { tumbling: 10s, allowed_lateness: 10s }, select: { "
                    "n: count() } }\n");
    feed(&f, "[{\"t\":1000,\"id\":1},{\"t\":11000,\"id\":1},{\"t\":25000,\"id\":1}]");
    expect(&f, "s 0-10000 r0 {\"id\":1,\"n\":1}\ns 10000-20000 r0 {\"id\":1,\"n\":1}\n");
    feed_control(&f, CONTROL_TIME, USER_API, "{\"highest\":30000}"); /* never forward */
    feed_control(&f, CONTROL_TIME, USER_API, "{\"highest\":5000}");
    feed(&f, "{\"t\":2000,\"id\":1}"); /* gone: begins anew */
    expect(&f, "");
    feed(&f, "{\"t\":12000,\"id\":1}"); /* closed and kept: stays closed */
    expect(&f, "s 0-10000 r0 {\"id\":1,\"n\":1}\ns 10000-20000 r1 {\"id\":1,\"n\":2}\n");
    feed(&f, "{\"t\":13000,\"id\":2}"); /* another key's window there never was */
    expect(&f, "");
    feed_end(&f);
    expect(&f, "s 10000-20000 r0 {\"id\":2,\"n\":1}\ns 20000-30000 r0 {\"id\":1,\"n\":1}\n");
    fixture_free(&f);
}

static void sliding_windows_that_are_gone_begin_anew(void **state)
{
    (void)state;
    struct fixture f = fixture_new(
        "tenant: acme\nevents:\n  time: { field: t, format: unix_ms }\n  fields: { id: int }\n"
        "streams:\n  - { name: s, key: [id], window: { sliding: 20s, every: 10s }, select: { n: count() } }\n");
    feed(&f, "[{\"t\":5000,\"id\":1},{\"t\":12000,\"id\":1}]");
    expect(&f, "s -10000-10000 r0 {\"id\":1,\"n\":1}\n");
    feed_control(&f, CONTROL_TIME, USER_API, "{\"highest\":0}");
    feed(&f, "{\"t\":6000,\"id\":1}"); /* [-10s,10s) has this alone, [0,20s) has all three */
    feed_end(&f);
    expect(
        &f,
        "s -10000-10000 r0 {\"id\":1,\"n\":1}\ns 0-20000 r0 {\"id\":1,\"n\":3}\ns 10000-30000 r0 {\"id\":1,\"n\":1}\n");
    fixture_free(&f);
}

static void each_device_has_its_own_time(void **state)
{
    (void)state;
    struct fixture f = fixture_new(devices);
    feed(&f, "[{\"t\":100000,\"id\":1},{\"t\":1000,\"id\":2},{\"t\":2000,\"id\":2},{\"t\":1000,\"id\":null}]");
    expect(&f, "");
    feed(&f, "{\"t\":10000,\"id\":2}");
    expect(&f, "s 0-10000 r0 {\"id\":2,\"n\":2}\n");
    feed(&f, "{\"t\":5,\"id\":1}");
    expect(&f, "dead late 2.0 {\"t\":5,\"id\":1}\n");
    feed_end(&f); /* all devices, in one order */
    expect(&f, "s 0-10000 r0 {\"id\":null,\"n\":1}\ns 10000-20000 r0 {\"id\":2,\"n\":1}\ns 100000-110000 r0 "
               "{\"id\":1,\"n\":1}\n");
    fixture_free(&f);
}

static void ticks_carry_the_devices_gone_quiet(void **state)
{
    (void)state;
    struct fixture f = fixture_new(devices);
    struct buf body = {0};
    feed(&f, "[{\"t\":1000,\"id\":1},{\"t\":1000,\"id\":null}]");
    f.received_ms = 30000;
    feed(&f, "{\"t\":2000,\"id\":2}");
    assert_int_equal(engine_tick_at(f.engine), 60000);
    assert_true(engine_tick(f.engine, 60000, &body));
    assert_string_equal(
        buf_cstr(&body),
        "{\"devices\":[{\"key\":[null],\"offset\":0,\"highest\":61000},{\"key\":[1],\"offset\":0,\"highest\":61000}]}");
    feed(&f, "{\"t\":1500,\"id\":1}"); /* heard of since: does not count for it */
    feed_tick(&f, buf_cstr(&body));
    expect(&f, "s 0-10000 r0 {\"id\":null,\"n\":1}\n");
    feed_tick(&f,
              "{\"devices\":[{\"key\":[2],\"offset\":1,\"highest\":9},{\"key\":[\"2\"],\"offset\":1,\"highest\":9}]}");
    feed_tick(&f, "{\"devices\":[{\"key\":[99],\"offset\":1,\"highest\":9}]}"); /* unheard of: ignored */
    feed_tick(&f, "{\"offset\":2,\"highest\":9}");
    expect(&f, "dead bad-control 4.0 "
               "{\"devices\":[{\"key\":[2],\"offset\":1,\"highest\":9},{\"key\":[\"2\"],\"offset\":1,\"highest\":9}]}\n"
               "dead bad-control 6.0 {\"offset\":2,\"highest\":9}\n");
    buf_free(&body);
    fixture_free(&f);
}

static void says_up_to_where_all_is_final(void **state)
{
    (void)state;
    struct fixture f = fixture_new(
        "tenant: acme\nevents:\n  time: { field: t, format: unix_ms, out_of_orderness: 2s, idle_after: 1m }\n"
        "  fields: { id: int }\nstreams:\n"
        "  - { name: s, key: [id], window: { tumbling: 10s, allowed_lateness: 5s }, select: { n: count() } }\n");
    assert_true(engine_complete_to(f.engine, 0, 1000000, false) == INT64_MIN);
    assert_int_equal(engine_complete_to(f.engine, 0, 1000000, true), 993000); /* no events at all: by the wall clock */
    f.received_ms = 1000000;
    feed(&f, "{\"t\":19000,\"id\":1}");
    assert_int_equal(engine_complete_to(f.engine, 0, 1000000, true), 12000);
    assert_int_equal(engine_complete_to(f.engine, 0, 2000000, false), 12000);
    assert_int_equal(engine_complete_to(f.engine, 0, 2000000, true), 19999 - 5000); /* its window waits for a tick */
    feed_end(&f);
    assert_int_equal(engine_complete_to(f.engine, 0, 1000001, true), 15000);
    assert_int_equal(engine_complete_to(f.engine, 0, 1060000, true), 19000 + 60000 - 2000 - 5000);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quiet_log_wants_a_tick),
        cmocka_unit_test(quiet_goes_on_from_the_last_event),
        cmocka_unit_test(a_tick_counts_only_behind_the_message_it_names),
        cmocka_unit_test(believes_only_who_may_say_it),
        cmocka_unit_test(refuses_control_messages_that_make_no_sense),
        cmocka_unit_test(holds_back_what_is_ahead),
        cmocka_unit_test(lets_in_what_ten_messages_in_a_row_say),
        cmocka_unit_test(holds_no_more_than_a_thousand),
        cmocka_unit_test(time_can_be_set_back),
        cmocka_unit_test(sliding_windows_that_are_gone_begin_anew),
        cmocka_unit_test(each_device_has_its_own_time),
        cmocka_unit_test(ticks_carry_the_devices_gone_quiet),
        cmocka_unit_test(says_up_to_where_all_is_final),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
