/* New versions of the app: what goes on, and what older versions still count for. */
#include "stream/engine/fixture.h"

#define EVENTS                                                                                                         \
    "tenant: acme\nevents:\n  time: { field: t, format: unix_ms }\n  fields: { id: int, v: { type: int, default: 1 } " \
    "}\n"
#define JOBS "jobs:\n  - { name: j, from: s, range: 1h, by: [id], select: { n: max(n) } }\n"
#define STREAMS(lateness)                                                                                              \
    "streams:\n  - { name: s, key: [id], window: { tumbling: 10s, allowed_lateness: " lateness                         \
    " }, select: { n: count(), total: sum(v) } }\n"

#define STREAM(name, where, window)                                                                                    \
    "  - { name: " name ", where: " where ", key: [id], window: " window ", select: { n: count() } }\n"

static void unchanged_streams_go_on(void **state)
{
    (void)state;
    struct fixture f = fixture_new(EVENTS "streams:\n" STREAM("a", "v > 0", "{ tumbling: 10s }")
                                       STREAM("b", "v > 0", "{ tumbling: 10s }"));
    feed(&f, "{\"t\":1000,\"id\":1}");
    feed_version(&f, 1, "nonsense"); /* not above the present one */
    feed_version(
        &f, 2, EVENTS "streams:\n" STREAM("b", "v > 1", "{ tumbling: 10s }") STREAM("a", "v > 0", "{ tumbling: 10s }"));
    fixture_reload(&f);
    expect(&f, "");
    feed(&f, "{\"t\":2000,\"id\":2,\"v\":1}"); /* a key that b's window did not have */
    feed(&f, "{\"t\":10000,\"id\":1,\"v\":1}");
    expect(&f, "b 0-10000 r0 {\"id\":1,\"n\":1}\nb 0-10000 r0 {\"id\":2,\"n\":1}\n"
               "a 0-10000 r0 {\"id\":1,\"n\":1}\na 0-10000 r0 {\"id\":2,\"n\":1}\n");
    feed(&f, "{\"t\":11000,\"id\":1,\"v\":5}");
    feed_end(&f);
    expect(&f, "b 10000-20000 r0 {\"id\":1,\"n\":1}\na 10000-20000 r0 {\"id\":1,\"n\":2}\n");
    struct engine_info info;
    engine_info(f.engine, &info);
    assert_int_equal(info.version, 2);
    assert_string_equal(engine_app(f.engine)->streams[0].name, "b");
    fixture_free(&f);
}

static void a_changed_stream_begins_where_its_old_windows_end(void **state)
{
    (void)state;
    struct fixture f =
        fixture_new(EVENTS "streams:\n" STREAM("a", "v > 0", "{ sliding: 20s, every: 10s, allowed_lateness: 10s }"));
    feed(&f, "[{\"t\":15000,\"id\":1},{\"t\":21000,\"id\":1}]");
    expect(&f, "a 0-20000 r0 {\"id\":1,\"n\":1}\n");
    feed_version(&f, 2, EVENTS "streams:\n" STREAM("a", "v > 5", "{ tumbling: 30s }"));
    struct engine_stream_info info;
    engine_stream_info(f.engine, 0, &info);
    assert_int_equal(info.last_end, 40000);
    assert_int_equal(info.open_windows, 2);
    assert_int_equal(info.closed, 1);
    feed(&f, "{\"t\":39999,\"id\":1}"); /* the last of the old ones */
    expect(&f, "a 10000-30000 r0 {\"id\":1,\"n\":2}\n");
    feed(&f, "{\"t\":22000,\"id\":1}");
    expect(&f, "a 10000-30000 r1 {\"id\":1,\"n\":3}\n"); /* [20s,40s) is open still */
    feed(&f, "{\"t\":45000,\"id\":1,\"v\":9}");          /* [30s,60s) would be cut */
    expect(&f, "a 20000-40000 r0 {\"id\":1,\"n\":3}\ndead late 4.0 {\"t\":45000,\"id\":1,\"v\":9}\n");
    engine_stream_info(f.engine, 0, &info);
    assert_int_equal(info.keys, 1);
    fixture_reload(&f);
    feed(&f, "[{\"t\":59000,\"id\":1,\"v\":1},{\"t\":60000,\"id\":1,\"v\":9}]");
    engine_stream_info(f.engine, 0, &info);
    assert_int_equal(info.closed, 3);
    feed_end(&f);
    expect(&f, "a 60000-90000 r0 {\"id\":1,\"n\":1}\n");
    fixture_free(&f);
}

static void a_removed_stream_keeps_its_windows_and_opens_no_more(void **state)
{
    (void)state;
    struct fixture f = fixture_new(EVENTS "streams:\n" STREAM("a", "v > 0", "{ tumbling: 10s, allowed_lateness: 5s }"));
    feed(&f, "{\"t\":1000,\"id\":1}");
    feed_version(&f, 2, EVENTS "streams:\n" STREAM("other", "v > 5", "{ tumbling: 10s }"));
    fixture_reload(&f);
    feed(&f, "{\"t\":2000,\"id\":1}");
    feed(&f, "{\"t\":12000,\"id\":1,\"v\":6}");
    expect(&f, "a 0-10000 r0 {\"id\":1,\"n\":2}\n");
    feed(&f, "{\"t\":3000,\"id\":3}");
    expect(&f, "a 0-10000 r1 {\"id\":3,\"n\":1}\n");
    feed(&f, "{\"t\":15000,\"id\":3}"); /* now it is gone */
    feed(&f, "{\"t\":3000,\"id\":3}");
    expect(&f, ""); /* nobody is interested */
    feed(&f, "{\"t\":3000,\"id\":3,\"v\":6}");
    expect(&f, "dead late 7.0 {\"t\":3000,\"id\":3,\"v\":6}\n");
    feed_end(&f);
    expect(&f, "other 10000-20000 r0 {\"id\":1,\"n\":1}\n");
    fixture_free(&f);
}

static void a_stream_that_comes_back_opens_no_window_twice(void **state)
{
    (void)state;
#define A STREAM("a", "v > 0", "{ tumbling: 10s, allowed_lateness: 1m }")
#define B STREAM("b", "v > 100", "{ tumbling: 10s }")
    struct fixture f = fixture_new(EVENTS "streams:\n" A);
    feed(&f, "[{\"t\":1000,\"id\":1},{\"t\":12000,\"id\":1}]");
    expect(&f, "a 0-10000 r0 {\"id\":1,\"n\":1}\n");
    feed_version(&f, 2, EVENTS "streams:\n" B);
    feed_version(&f, 3, EVENTS "streams:\n" A);
    fixture_reload(&f);
    feed(&f, "[{\"t\":2000,\"id\":1},{\"t\":13000,\"id\":1},{\"t\":23000,\"id\":1}]");
    expect(&f, "a 10000-20000 r0 {\"id\":1,\"n\":2}\na 0-10000 r1 {\"id\":1,\"n\":2}\n");
    feed_end(&f);
    expect(&f, "a 20000-30000 r0 {\"id\":1,\"n\":1}\n");
    fixture_free(&f);
}

/* An added stream begins with the windows that have not ended. */
static void an_added_stream_begins_at_once(void **state)
{
    (void)state;
    struct fixture f = fixture_new(EVENTS "streams:\n" B);
    feed(&f, "{\"t\":12000,\"id\":1}");
    feed_version(&f, 2, EVENTS "streams:\n" B A);
    feed(&f, "[{\"t\":2000,\"id\":1},{\"t\":13000,\"id\":1}]");
    expect(&f, "dead late 2.0 {\"t\":2000,\"id\":1}\n");
    feed_end(&f);
    expect(&f, "a 10000-20000 r0 {\"id\":1,\"n\":1}\n");
    fixture_free(&f);
}

#define PLACED(path)                                                                                                   \
    "tenant: acme\nevents:\n  time: { field: t, format: unix_ms }\n  fields: { id: int, v: { type: int, from: " path   \
    " } }\nstreams:\n  - { name: a, key: [id], window: { tumbling: 10s }, select: { n: count(), m: max(v) } }\n"

static void each_version_reads_events_in_its_own_way(void **state)
{
    (void)state;
    struct fixture f = fixture_new(PLACED("x"));
    feed(&f, "{\"t\":1,\"id\":1,\"x\":1}");
    feed_version(&f, 2, PLACED("y"));
    feed(&f, "{\"t\":2,\"id\":1,\"x\":5,\"y\":7}");
    feed(&f, "{\"t\":3,\"id\":1,\"x\":6}"); /* the version in force cannot read it */
    feed(&f, "{\"t\":4,\"id\":1,\"y\":8}"); /* the older one cannot */
    expect(&f, "dead missing-field 3.0 {\"t\":3,\"id\":1,\"x\":6}\ndead late 4.0 {\"t\":4,\"id\":1,\"y\":8}\n");
    feed(&f, "{\"t\":10000,\"id\":1,\"y\":9}");
    expect(&f, "a 0-10000 r0 {\"id\":1,\"n\":2,\"m\":5}\n");
    feed_end(&f);
    expect(&f, "a 10000-20000 r0 {\"id\":1,\"n\":1,\"m\":9}\n");
    fixture_free(&f);
}

static void triggers_of_older_versions_go_on_while_the_app_has_them(void **state)
{
    (void)state;
#define TRIGGERS(name, when)                                                                                           \
    "triggers:\n  - { name: " name ", on: s, when: " when ", cooldown: 1h, run: j }\n"                                 \
    "  - { name: both, on: s, when: n > 0, cooldown: 1m, run: j }\n" JOBS
    struct fixture f = fixture_new(EVENTS STREAMS("0s") TRIGGERS("one", "n > 1"));
    feed(&f, "{\"t\":1,\"id\":1}");
    feed_version(&f, 2, EVENTS STREAMS("1s") TRIGGERS("two", "n > 0"));
    fixture_reload(&f);
    feed(&f, "{\"t\":2,\"id\":1}");
    feed(&f, "{\"t\":10000,\"id\":1}"); /* one is gone, both goes on */
    expect(&f, "trigger both #1\ns 0-10000 r0 {\"id\":1,\"n\":2,\"total\":2} both\n");
    fixture_reload(&f);
    feed(&f, "{\"t\":20000,\"id\":1}"); /* and cools down in the version after */
    expect(&f, "trigger two #2\ns 10000-20000 r0 {\"id\":1,\"n\":1,\"total\":1} two\n");
    fixture_free(&f);
}

static void seventeen_versions_in_one_window_are_too_many(void **state)
{
    (void)state;
    struct fixture f = fixture_new(EVENTS "streams:\n" STREAM("a0", "v > 0", "{ tumbling: 1m }"));
    for (int i = 1; i <= 17; i++) {
        struct buf yaml = {0};
        feed(&f, "{\"t\":1,\"id\":1}");
        expect(&f, "");
        buf_printf(&yaml, EVENTS "streams:\n" STREAM("a%d", "v > 0", "{ tumbling: 1m }"), i);
        feed_version(&f, i + 1, buf_cstr(&yaml));
        buf_free(&yaml);
    }
    expect(&f, "a0 0-60000 r0 {\"id\":1,\"n\":17}\n");
    fixture_reload(&f);
    feed(&f, "{\"t\":70000,\"id\":1}");
    assert_int_equal(f.first_offset, 2 * 16); /* the last of them */
    assert_non_null(strstr(buf_cstr(&f.out), "a1 0-60000 r0 {\"id\":1,\"n\":16}\na2 "));
    buf_clear(&f.out);
    fixture_free(&f);
}

/* A hundred updates in a row leave only what has windows. */
static void versions_without_windows_are_forgotten(void **state)
{
    (void)state;
    struct buf b = {0};
    struct fixture f = fixture_new(EVENTS "streams:\n" STREAM("a", "v > 0", "{ tumbling: 1m }"));
    feed(&f, "{\"t\":1,\"id\":1}");
    size_t before = 0;
    for (int i = 1; i <= 100; i++) {
        struct buf yaml = {0};
        buf_printf(&yaml, EVENTS "streams:\n" STREAM("a", "v > %d", "{ tumbling: 1m }"), 100 + i);
        feed_version(&f, i + 1, buf_cstr(&yaml));
        buf_free(&yaml);
        buf_clear(&b);
        engine_snapshot(f.engine, &b);
        assert_true(i == 1 || b.len == before);
        before = b.len;
    }
    feed(&f, "[{\"t\":2,\"id\":1},{\"t\":60000,\"id\":1,\"v\":300}]");
    expect(&f, "a 0-60000 r0 {\"id\":1,\"n\":2}\n");
    buf_free(&b);
    fixture_free(&f);
}

static void time_set_back_gives_later_windows_to_the_version_in_force(void **state)
{
    (void)state;
    struct fixture f = fixture_new(EVENTS "streams:\n" STREAM("a", "v > 0", "{ tumbling: 10s, allowed_lateness: 1h }"));
    feed(&f, "[{\"t\":1000,\"id\":1},{\"t\":900000000,\"id\":1}]"); /* a broken clock */
    expect(&f, "a 0-10000 r0 {\"id\":1,\"n\":1}\n");
    feed_version(&f, 2, EVENTS "streams:\n" STREAM("a", "v > 5", "{ tumbling: 10s, allowed_lateness: 1h }"));
    feed_control(&f, CONTROL_TIME, USER_API, "{\"highest\":2000}");
    fixture_reload(&f);
    feed(&f, "{\"t\":11000,\"id\":1,\"v\":6}");
    feed_end(&f);
    expect(&f, "a 10000-20000 r0 {\"id\":1,\"n\":1}\n");
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
        cmocka_unit_test(unchanged_streams_go_on),
        cmocka_unit_test(a_changed_stream_begins_where_its_old_windows_end),
        cmocka_unit_test(a_removed_stream_keeps_its_windows_and_opens_no_more),
        cmocka_unit_test(a_stream_that_comes_back_opens_no_window_twice),
        cmocka_unit_test(an_added_stream_begins_at_once),
        cmocka_unit_test(each_version_reads_events_in_its_own_way),
        cmocka_unit_test(triggers_of_older_versions_go_on_while_the_app_has_them),
        cmocka_unit_test(seventeen_versions_in_one_window_are_too_many),
        cmocka_unit_test(versions_without_windows_are_forgotten),
        cmocka_unit_test(time_set_back_gives_later_windows_to_the_version_in_force),
        cmocka_unit_test(held_events_are_judged_by_the_version_they_came_under),
        cmocka_unit_test(what_fired_is_remembered_across_versions),
        cmocka_unit_test(another_choice_of_watermarks_ends_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
