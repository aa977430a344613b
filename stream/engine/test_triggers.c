/* Triggers and new versions of the app. */
#include "stream/engine/fixture.h"

#define EVENTS                                                                                                         \
    "tenant: acme\nevents:\n  time: { field: t, format: unix_ms }\n  fields: { id: int, v: { type: int, default: 1 } " \
    "}\n"
#define JOBS "jobs:\n  - { name: j, from: s, range: 1h, by: [id], select: { n: max(n) } }\n"
#define STREAMS(lateness)                                                                                              \
    "streams:\n  - { name: s, key: [id], window: { tumbling: 10s, allowed_lateness: " lateness                         \
    " }, select: { n: count(), total: sum(v) } }\n"

static void fires_once_for_a_key_and_window(void **state)
{
    (void)state;
    struct fixture f =
        fixture_new(EVENTS STREAMS("10s") "triggers:\n  - { name: many, on: s, when: n >= 2, run: j }\n"
                                          "  - { name: high, on: s, when: \"id == 7 and total > 5\", run: j }\n" JOBS);
    feed(&f, "[{\"t\":1,\"id\":7},{\"t\":2,\"id\":7},{\"t\":3,\"id\":8}]");
    feed(&f, "{\"t\":10000,\"id\":9}");
    expect(&f, "trigger many #1\ns 0-10000 r0 {\"id\":7,\"n\":2,\"total\":2} many\ns 0-10000 r0 "
               "{\"id\":8,\"n\":1,\"total\":1}\n");
    feed(&f, "{\"t\":4,\"id\":7,\"v\":9}");
    expect(&f, "trigger high #3\ns 0-10000 r1 {\"id\":7,\"n\":3,\"total\":11} high\n");
    feed(&f, "{\"t\":5,\"id\":8}"); /* fires by a correction */
    expect(&f, "trigger many #4\ns 0-10000 r1 {\"id\":8,\"n\":2,\"total\":2} many\n");
    feed(&f, "{\"t\":6,\"id\":8}");
    expect(&f, "s 0-10000 r2 {\"id\":8,\"n\":3,\"total\":3}\n");
    fixture_free(&f);
}

static void cools_down_in_event_time(void **state)
{
    (void)state;
    struct fixture f = fixture_new(
        EVENTS STREAMS("0s") "triggers:\n  - { name: any, on: s, when: n > 0, cooldown: 25s, run: j }\n" JOBS);
    for (int t = 0; t < 60000; t += 10000) {
        char body[100];
        snprintf(body, sizeof body, "[{\"t\":%d,\"id\":1},{\"t\":%d,\"id\":2}]", t, t);
        feed(&f, t == 20000 ? "{\"t\":20000,\"id\":2}" : t == 0 ? "{\"t\":0,\"id\":1}" : body);
    }
    expect(&f, "trigger any #1\ns 0-10000 r0 {\"id\":1,\"n\":1,\"total\":1} any\n"
               "s 10000-20000 r0 {\"id\":1,\"n\":1,\"total\":1}\ntrigger any #3\ns 10000-20000 r0 "
               "{\"id\":2,\"n\":1,\"total\":1} any\n"
               "s 20000-30000 r0 {\"id\":2,\"n\":1,\"total\":1}\n"
               "trigger any #5\ns 30000-40000 r0 {\"id\":1,\"n\":1,\"total\":1} any\ns 30000-40000 r0 "
               "{\"id\":2,\"n\":1,\"total\":1}\n"
               "s 40000-50000 r0 {\"id\":1,\"n\":1,\"total\":1}\ntrigger any #8\ns 40000-50000 r0 "
               "{\"id\":2,\"n\":1,\"total\":1} any\n");
    fixture_free(&f);
}

static void cooldowns_do_not_pile_up(void **state)
{
    (void)state;
    struct fixture f = fixture_new(
        EVENTS STREAMS("0s") "triggers:\n  - { name: any, on: s, when: n > 0, cooldown: 15s, run: j }\n" JOBS);
    struct buf small = {0}, large = {0};
    for (int i = 0; i < 20000; i++) {
        char body[100];
        snprintf(body, sizeof body, "{\"t\":%lld,\"id\":%d}", i * 10000LL, i);
        feed(&f, body);
        if (i == 9)
            engine_snapshot(f.engine, &small);
    }
    engine_snapshot(f.engine, &large);
    assert_int_equal(small.len, large.len);
    buf_free(&small);
    buf_free(&large);
    fixture_free(&f);
}

/* ---- versions ---- */

static void feed_version(struct fixture *f, int version, const char *yaml)
{
    struct buf b = {0};
    json_w_open(&b, '{');
    json_w_name(&b, "version");
    json_w_int(&b, version);
    json_w_name(&b, "app");
    json_w_str(&b, yaml);
    json_w_close(&b, '}');
    feed_control(f, CONTROL_VERSION, USER_API, buf_cstr(&b));
    buf_free(&b);
}

#define STREAM(name, where, window)                                                                                    \
    "  - { name: " name ", where: " where ", key: [id], window: " window ", select: { n: count() } }\n"

static void unchanged_streams_go_on(void **state)
{
    (void)state;
    struct fixture f = fixture_new(EVENTS "streams:\n" STREAM("a", "v > 0", "{ tumbling: 10s }")
                                       STREAM("b", "v > 0", "{ tumbling: 10s }"));
    feed(&f, "{\"t\":1000,\"id\":1}");
    feed_version(&f, 1, "nonsense"); /* not above the present one */
    expect(&f, "");
    feed_version(
        &f, 2, EVENTS "streams:\n" STREAM("b", "v > 1", "{ tumbling: 10s }") STREAM("a", "v > 0", "{ tumbling: 10s }"));
    expect(&f, "b 0-10000 r0 {\"id\":1,\"n\":1}\n"); /* changed: as if its data had ended */
    feed(&f, "{\"t\":2000,\"id\":1,\"v\":5}");       /* late for b, in time for a */
    expect(&f, "");
    feed(&f, "{\"t\":10000,\"id\":1,\"v\":5}");
    expect(&f, "a 0-10000 r0 {\"id\":1,\"n\":2}\n");
    struct engine_info info;
    engine_info(f.engine, &info);
    assert_int_equal(info.version, 2);
    assert_int_equal(engine_app(f.engine)->stream_count, 2);
    assert_string_equal(engine_app(f.engine)->streams[0].name, "b");
    fixture_free(&f);
}

static void what_a_version_ended_stays_ended(void **state)
{
    (void)state;
    struct fixture f = fixture_new(EVENTS "streams:\n" STREAM("a", "v > 0", "{ tumbling: 1m }"));
    feed(&f, "{\"t\":1000,\"id\":1}");
    feed_version(&f, 2, EVENTS "streams:\n" STREAM("other", "v > 0", "{ tumbling: 10s }"));
    expect(&f, "a 0-60000 r0 {\"id\":1,\"n\":1}\n");
    feed_version(&f, 3, EVENTS "streams:\n" STREAM("a", "v > 0", "{ sliding: 20s, every: 10s, allowed_lateness: 5m }"));
    feed(&f, "{\"t\":2000,\"id\":1}");
    expect(&f, "dead late 3.0 {\"t\":2000,\"id\":1}\n");
    feed(&f, "{\"t\":59000,\"id\":1}");
    feed_end(&f);
    expect(&f, "a 50000-70000 r0 {\"id\":1,\"n\":1}\n"); /* [40s,60s) had ended */
    fixture_free(&f);
}

static void held_events_are_judged_by_the_version_they_came_under(void **state)
{
    (void)state;
    struct fixture f = fixture_new("tenant: acme\nevents:\n  time: { field: t, format: unix_ms, ahead: 1m }\n  fields: "
                                   "{ id: int, v: { type: int, default: 1 } }\n"
                                   "streams:\n" STREAM("a", "v > 0", "{ tumbling: 10s }"));
    feed(&f, "{\"t\":1000,\"id\":1}");
    feed(&f, "{\"t\":100000,\"id\":1}");
    feed_version(&f, 2, EVENTS "streams:\n" STREAM("a", "v > 0", "{ tumbling: 10s }"));
    expect(&f, "dead ahead 1.0 {\"t\":100000,\"id\":1}\n");
    feed_end(&f);
    expect(&f, "a 0-10000 r0 {\"id\":1,\"n\":1}\n");
    fixture_free(&f);
}

static void what_fired_is_remembered_across_versions(void **state)
{
    (void)state;
    struct fixture f =
        fixture_new(EVENTS STREAMS("1m") "triggers:\n  - { name: one, on: s, when: n > 0, run: j }\n"
                                         "  - { name: two, on: s, when: n > 0, cooldown: 1h, run: j }\n" JOBS);
    feed(&f, "[{\"t\":1,\"id\":1},{\"t\":10000,\"id\":1}]");
    expect(&f, "trigger one #1\ntrigger two #1\ns 0-10000 r0 {\"id\":1,\"n\":1,\"total\":1} one,two\n");
    feed_version(&f, 2,
                 EVENTS STREAMS("1m") "triggers:\n  - { name: three, on: s, when: n > 0, run: j }\n"
                                      "  - { name: two, on: s, when: n > 0, cooldown: 1h, run: j }\n"
                                      "  - { name: one, on: s, when: n > 0, run: j }\n" JOBS);
    feed(&f, "{\"t\":2,\"id\":1}");
    expect(&f, "trigger three #2\ns 0-10000 r1 {\"id\":1,\"n\":2,\"total\":2} three\n");
    feed(&f, "{\"t\":20000,\"id\":1}"); /* two cools down still */
    expect(&f, "trigger three #3\ntrigger one #3\ns 10000-20000 r0 {\"id\":1,\"n\":1,\"total\":1} three,one\n");
    fixture_free(&f);
}

static void another_choice_of_watermarks_ends_all(void **state)
{
    (void)state;
#define PER                                                                                                            \
    "tenant: acme\nevents:\n  time: { field: t, format: unix_ms }\n  watermark_per: [id]\n  fields: { id: int, v: { "  \
    "type: int, default: 1 } }\n"
    struct fixture f = fixture_new(EVENTS "streams:\n" STREAM("a", "v > 0", "{ tumbling: 10s }"));
    feed(&f, "{\"t\":15000,\"id\":1}");
    feed_version(&f, 2, PER "streams:\n" STREAM("a", "v > 0", "{ tumbling: 10s }"));
    expect(&f, "a 10000-20000 r0 {\"id\":1,\"n\":1}\n");
    feed(&f, "{\"t\":19999,\"id\":5}"); /* ended for all devices alike */
    expect(&f, "dead late 2.0 {\"t\":19999,\"id\":5}\n");
    feed(&f, "[{\"t\":31000,\"id\":1},{\"t\":22000,\"id\":2}]");
    feed_version(&f, 3, EVENTS "streams:\n" STREAM("a", "v > 0", "{ tumbling: 10s }"));
    expect(&f, "a 20000-30000 r0 {\"id\":2,\"n\":1}\na 30000-40000 r0 {\"id\":1,\"n\":1}\n");
    feed(&f, "{\"t\":40000,\"id\":2}");
    feed_end(&f);
    expect(&f, "a 40000-50000 r0 {\"id\":2,\"n\":1}\n");
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_once_for_a_key_and_window),
        cmocka_unit_test(cools_down_in_event_time),
        cmocka_unit_test(cooldowns_do_not_pile_up),
        cmocka_unit_test(unchanged_streams_go_on),
        cmocka_unit_test(what_a_version_ended_stays_ended),
        cmocka_unit_test(held_events_are_judged_by_the_version_they_came_under),
        cmocka_unit_test(what_fired_is_remembered_across_versions),
        cmocka_unit_test(another_choice_of_watermarks_ends_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
