#include "stream/engine/fixture.h"

#define HEAD                                                                                                           \
    "tenant: acme\nevents:\n  time: { field: t, format: unix_ms }\n  fields: { id: int, v: { type: float, optional: "  \
    "true } }\n"

static const char tumbling[] =
    HEAD "streams:\n"
         "  - { name: s, key: [id], window: { tumbling: 10s }, select: { n: count(), top: max(v) } }\n";

static void closes_windows_by_event_time(void **state)
{
    (void)state;
    struct fixture f = fixture_new(tumbling);
    feed(&f, "{\"t\":0,\"id\":1,\"v\":1}");
    feed(&f, "{\"t\":9999,\"id\":1,\"v\":2.5}");
    expect(&f, "");
    feed(&f, "{\"t\":10000,\"id\":1}"); /* closes [0,10s) and is not in it */
    expect(&f, "s 0-10000 r0 {\"id\":1,\"n\":2,\"top\":2.5}\n");
    feed(&f, "{\"t\":35000,\"id\":2}"); /* windows without events have no result */
    expect(&f, "s 10000-20000 r0 {\"id\":1,\"n\":1,\"top\":null}\n");
    feed_end(&f);
    expect(&f, "s 30000-40000 r0 {\"id\":2,\"n\":1,\"top\":null}\n");
    feed_end(&f);
    expect(&f, "");
    fixture_free(&f);
}

static void waits_for_events_out_of_order(void **state)
{
    (void)state;
    struct fixture f =
        fixture_new("tenant: acme\nevents:\n  time: { field: t, format: unix_ms, out_of_orderness: 3s }\n"
                    "  fields: { id: int }\nstreams:\n"
                    "  - { name: s, key: [id], window: { tumbling: 10s }, select: { n: count() } }\n");
    feed(&f, "{\"t\":5000,\"id\":1}");
    feed(&f, "{\"t\":12999,\"id\":1}");
    feed(&f, "{\"t\":9000,\"id\":1}");
    expect(&f, "");
    feed(&f, "{\"t\":13000,\"id\":1}");
    expect(&f, "s 0-10000 r0 {\"id\":1,\"n\":2}\n");
    feed(&f, "{\"t\":9000,\"id\":1}");
    expect(&f, "dead late 4.0 {\"t\":9000,\"id\":1}\n");
    fixture_free(&f);
}

static void an_event_that_is_filtered_moves_time(void **state)
{
    (void)state;
    struct fixture f = fixture_new(HEAD "streams:\n  - { name: s, where: id > 0, key: [id], window: { tumbling: 10s }, "
                                        "select: { n: count() } }\n");
    feed(&f, "{\"t\":1,\"id\":1}");
    feed(&f, "{\"t\":10000,\"id\":0}");
    expect(&f, "s 0-10000 r0 {\"id\":1,\"n\":1}\n");
    feed(&f, "{\"t\":5,\"id\":0}"); /* never late */
    expect(&f, "");
    struct engine_info info;
    engine_info(f.engine, &info);
    assert_int_equal(info.counters.filtered, 2);
    assert_int_equal(info.counters.counted, 1);
    fixture_free(&f);
}

static void orders_results_by_end_stream_and_key(void **state)
{
    (void)state;
    struct fixture f =
        fixture_new(HEAD "streams:\n"
                         "  - { name: b, key: [id], window: { tumbling: 10s }, select: { n: count() } }\n"
                         "  - { name: a, key: [id], window: { tumbling: 5s }, select: { n: count() } }\n");
    feed(&f, "{\"t\":4000,\"id\":9}\n{\"t\":4500,\"id\":10}\n{\"t\":4600,\"id\":-3}\n{\"t\":4700,\"id\":-20}\n");
    feed(&f, "{\"t\":20000,\"id\":1}");
    expect(&f, "a 0-5000 r0 {\"id\":-20,\"n\":1}\na 0-5000 r0 {\"id\":-3,\"n\":1}\na 0-5000 r0 {\"id\":9,\"n\":1}\n"
               "a 0-5000 r0 {\"id\":10,\"n\":1}\nb 0-10000 r0 {\"id\":-20,\"n\":1}\nb 0-10000 r0 {\"id\":-3,\"n\":1}\n"
               "b 0-10000 r0 {\"id\":9,\"n\":1}\nb 0-10000 r0 {\"id\":10,\"n\":1}\n");
    feed(&f, "{\"t\":29000,\"id\":1}");
    buf_clear(&f.out);
    feed(&f, "{\"t\":30000,\"id\":1}"); /* of two that end together the first in the app comes first */
    expect(&f, "b 20000-30000 r0 {\"id\":1,\"n\":2}\na 25000-30000 r0 {\"id\":1,\"n\":1}\n");
    fixture_free(&f);
}

static void sliding_windows_share_their_panes(void **state)
{
    (void)state;
    struct fixture f = fixture_new(
        HEAD "streams:\n  - { name: s, key: [id], window: { sliding: 20s, every: 10s }, select: { n: count(), "
             "top: max(v), mean: avg(v), one: first(v), end: last(v), kinds: distinct(v) } }\n");
    feed(&f, "[{\"t\":15000,\"id\":1,\"v\":2},{\"t\":12000,\"id\":1,\"v\":4},{\"t\":25000,\"id\":1,\"v\":2}]");
    expect(&f, "s 0-20000 r0 {\"id\":1,\"n\":2,\"top\":4.0,\"mean\":3.0,\"one\":2.0,\"end\":4.0,\"kinds\":2}\n");
    feed_end(&f);
    expect(&f, "s 10000-30000 r0 "
               "{\"id\":1,\"n\":3,\"top\":4.0,\"mean\":2.6666666666666665,\"one\":2.0,\"end\":2.0,\"kinds\":2}\n"
               "s 20000-40000 r0 {\"id\":1,\"n\":1,\"top\":2.0,\"mean\":2.0,\"one\":2.0,\"end\":2.0,\"kinds\":1}\n");
    fixture_free(&f);
}

static void sliding_windows_need_not_be_whole_steps(void **state)
{
    (void)state;
    struct fixture f = fixture_new(
        HEAD "streams:\n  - { name: s, key: [id], window: { sliding: 10s, every: 4s }, select: { n: count() } }\n");
    feed(&f, "[{\"t\":7999,\"id\":1},{\"t\":8000,\"id\":1}]");
    feed_end(&f);
    expect(&f,
           "s 0-10000 r0 {\"id\":1,\"n\":2}\ns 4000-14000 r0 {\"id\":1,\"n\":2}\ns 8000-18000 r0 {\"id\":1,\"n\":1}\n");
    fixture_free(&f);
}

static void windows_may_begin_before_the_epoch(void **state)
{
    (void)state;
    struct fixture f = fixture_new(
        HEAD "streams:\n  - { name: s, key: [id], window: { sliding: 10s, every: 5s }, select: { n: count() } }\n");
    feed(&f, "{\"t\":1000,\"id\":1}");
    feed_end(&f);
    expect(&f, "s -5000-5000 r0 {\"id\":1,\"n\":1}\ns 0-10000 r0 {\"id\":1,\"n\":1}\n");
    fixture_free(&f);
}

static void last_result(void *context, const struct engine_result *r)
{
    struct buf *b = context;
    buf_clear(b);
    buf_printf(b, "%s %.*s", r->message_id, (int)r->body.len, r->body.p);
}

static void no_trigger(void *context, const struct engine_trigger *t)
{
    (void)context;
    (void)t;
}

static void no_dead(void *context, const struct engine_dead *d)
{
    (void)context;
    fail_msg("%s", d->detail);
}

static void a_result_is_one_flat_object_with_a_stable_id(void **state)
{
    (void)state;
    struct engine *e = engine_new(
        fixture_app("tenant: acme\nevents:\n  time: { field: t, format: unix_ms }\n"
                    "  fields: { id: int, site: { type: string, optional: true } }\nstreams:\n"
                    "  - { name: s, key: [site, id], window: { sliding: 10s, every: 5s }, select: { n: count() } }\n"),
        1, 7);
    struct buf b = {0};
    struct engine_sink sink = {.context = &b, .result = last_result, .trigger = no_trigger, .dead = no_dead};
    engine_message(
        e, &(struct engine_message){.body = bytes_of_text("{\"t\":253402300799999,\"id\":-1,\"site\":\"a\\\"\"}")},
        &sink);
    engine_message(e,
                   &(struct engine_message){.body = bytes_of_text("{}"),
                                            .type = bytes_of_text(CONTROL_END),
                                            .user_id = bytes_of_text(USER_API)},
                   &sink);
    /* FNV-1a of ["a\"",-1] */
    assert_string_equal(
        buf_cstr(&b),
        "s:ce137da407d42134fe61ca1342beb904:253402300795000:7.0 "
        "{\"site\":\"a\\\"\",\"id\":-1,\"n\":1,\"tenant_id\":\"acme\",\"stream\":\"s\","
        "\"window_start\":\"9999-12-31T23:59:55Z\",\"window_end\":\"10000-01-01T00:00:05Z\",\"revision\":0}");
    engine_free(&e);
    buf_free(&b);
}

static void late_events_correct_results(void **state)
{
    (void)state;
    struct fixture f =
        fixture_new(HEAD "streams:\n  - { name: s, key: [id], window: { tumbling: 10s, allowed_lateness: 5s }, "
                         "select: { n: count() } }\n");
    feed(&f, "{\"t\":1,\"id\":1}");
    feed(&f, "{\"t\":12000,\"id\":1}");
    expect(&f, "s 0-10000 r0 {\"id\":1,\"n\":1}\n");
    feed(
        &f,
        "[{\"t\":2,\"id\":1},{\"t\":3,\"id\":1},{\"t\":4,\"id\":2}]"); /* once per message; made late: begins above 0 */
    expect(&f, "s 0-10000 r2 {\"id\":1,\"n\":3}\ns 0-10000 r1 {\"id\":2,\"n\":1}\n");
    feed(&f, "[{\"t\":5,\"id\":1},{\"t\":15000,\"id\":1},{\"t\":6,\"id\":1}]"); /* goes within the message */
    expect(&f, "s 0-10000 r3 {\"id\":1,\"n\":4}\ndead late 3.2 {\"t\":6,\"id\":1}\n");
    struct engine_info info;
    engine_info(f.engine, &info);
    assert_int_equal(info.counters.late_counted, 4);
    assert_int_equal(info.counters.corrected, 3);
    assert_int_equal(info.counters.dead[DEAD_LATE], 1);
    fixture_free(&f);
}

static void each_stream_judges_alone(void **state)
{
    (void)state;
    struct fixture f =
        fixture_new(HEAD "streams:\n"
                         "  - { name: strict, key: [id], window: { tumbling: 10s }, select: { n: count() } }\n"
                         "  - { name: kind, key: [id], window: { tumbling: 20s }, select: { n: count() } }\n");
    feed(&f, "{\"t\":10000,\"id\":1}");
    feed(&f, "{\"t\":5000,\"id\":1}"); /* gone for one, open for the other: counted */
    expect(&f, "");
    feed_end(&f);
    expect(&f, "strict 10000-20000 r0 {\"id\":1,\"n\":1}\nkind 0-20000 r0 {\"id\":1,\"n\":2}\n");
    fixture_free(&f);
}

static void late_events_of_sliding_windows_count_where_they_can(void **state)
{
    (void)state;
    struct fixture f = fixture_new(
        HEAD "streams:\n  - { name: s, key: [id], window: { sliding: 20s, every: 10s, allowed_lateness: 5s }, "
             "select: { n: count() } }\n");
    feed(&f, "{\"t\":5000,\"id\":1}");
    feed(&f, "{\"t\":24000,\"id\":1}");
    expect(&f, "s -10000-10000 r0 {\"id\":1,\"n\":1}\ns 0-20000 r0 {\"id\":1,\"n\":1}\n");
    feed(&f, "{\"t\":15000,\"id\":1}"); /* late in [0,20s), in time for [10s,30s) */
    expect(&f, "s 0-20000 r1 {\"id\":1,\"n\":2}\n");
    feed(&f, "{\"t\":9000,\"id\":1}"); /* [-10s,10s) is gone */
    expect(&f, "s 0-20000 r2 {\"id\":1,\"n\":3}\n");
    feed_end(&f);
    expect(&f, "s 10000-30000 r0 {\"id\":1,\"n\":2}\ns 20000-40000 r0 {\"id\":1,\"n\":1}\n");
    fixture_free(&f);
}

static void aggregates_follow_the_table(void **state)
{
    (void)state;
    struct fixture f = fixture_new("tenant: acme\nevents:\n  time: { field: t, format: unix_ms }\n"
                                   "  fields: { i: { type: int, optional: true }, f: { type: float, optional: true }, "
                                   "s: { type: string, optional: true } }\n"
                                   "streams:\n  - name: a\n    key: []\n    window: { tumbling: 10s }\n    select: { "
                                   "n: count(), ci: count(i), cif: count_if(i > 1), "
                                   "si: sum(i), sf: sum(f), mi: min(i), ma: max(s), av: avg(i), sd: stddev(f), fi: "
                                   "first(s), la: last(s), di: distinct(i) }\n");
    feed(&f, "[{\"t\":1},{\"t\":2}]");
    feed(&f, "{\"t\":10000}");
    expect(
        &f,
        "a 0-10000 r0 {\"n\":2,\"ci\":0,\"cif\":0,\"si\":0,\"sf\":0.0,\"mi\":null,\"ma\":null,\"av\":null,\"sd\":null,"
        "\"fi\":null,\"la\":null,\"di\":0}\n");
    feed(&f, "{\"t\":10001,\"i\":9223372036854775807,\"f\":2.5,\"s\":\"a\\u0000\"}");
    feed(&f, "{\"t\":10002,\"i\":1,\"f\":null,\"s\":null}");
    feed_end(&f);
    expect(
        &f,
        "a 10000-20000 r0 "
        "{\"n\":3,\"ci\":2,\"cif\":1,\"si\":null,\"sf\":2.5,\"mi\":1,\"ma\":\"a\\u0000\",\"av\":4.611686018427388e+18,"
        "\"sd\":0.0,\"fi\":\"a\\u0000\",\"la\":\"a\\u0000\",\"di\":2}\n");
    fixture_free(&f);
}

static void an_empty_key_is_a_key(void **state)
{
    (void)state;
    struct fixture f = fixture_new(
        HEAD "streams:\n  - { name: s, key: [], window: { tumbling: 10s }, select: { n: count(), total: sum(v), "
             "low: min(v), sd: stddev(v) } }\n");
    feed(&f, "{\"t\":1,\"id\":1}");
    feed_end(&f);
    expect(&f, "s 0-10000 r0 {\"n\":1,\"total\":0.0,\"low\":null,\"sd\":null}\n");
    fixture_free(&f);
}

static void a_far_jump_closes_all_there_is(void **state)
{
    (void)state;
    struct fixture f = fixture_new(
        HEAD "streams:\n  - { name: s, key: [id], window: { sliding: 1m, every: 1s }, select: { n: count() } }\n");
    feed(&f, "{\"t\":0,\"id\":1}");
    feed(&f, "{\"t\":253402300799000,\"id\":1}"); /* 9999: nothing walks over the windows between */
    struct engine_info info;
    engine_info(f.engine, &info);
    assert_int_equal(info.counters.results, 60);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closes_windows_by_event_time),
        cmocka_unit_test(waits_for_events_out_of_order),
        cmocka_unit_test(an_event_that_is_filtered_moves_time),
        cmocka_unit_test(orders_results_by_end_stream_and_key),
        cmocka_unit_test(sliding_windows_share_their_panes),
        cmocka_unit_test(sliding_windows_need_not_be_whole_steps),
        cmocka_unit_test(windows_may_begin_before_the_epoch),
        cmocka_unit_test(a_result_is_one_flat_object_with_a_stable_id),
        cmocka_unit_test(late_events_correct_results),
        cmocka_unit_test(each_stream_judges_alone),
        cmocka_unit_test(late_events_of_sliding_windows_count_where_they_can),
        cmocka_unit_test(aggregates_follow_the_table),
        cmocka_unit_test(an_empty_key_is_a_key),
        cmocka_unit_test(a_far_jump_closes_all_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
