/* Bodies to events, sequences, limits. */
#include "stream/engine/fixture.h"

static const char app[] = "tenant: acme\nevents:\n  time: { field: at.t, format: unix_ms }\n  fields:\n    id: { type: "
                          "int, from: device.id }\n"
                          "    v: { type: float, default: 7 }\n    name: { type: string, optional: true }\n    up: { "
                          "type: bool, optional: true }\n"
                          "streams:\n  - { name: s, key: [id, name, up], window: { tumbling: 10s }, select: { n: "
                          "count(), total: sum(v) } }\n";

#define EVENT "{\"at\":{\"t\":1},\"device\":{\"id\":1}}"

static void takes_what_the_app_names(void **state)
{
    (void)state;
    struct fixture f = fixture_new(app);
    feed(&f, "{\"x\":[{\"id\":[]}],\"device\":{\"id\":121.0,\"k\":{}},\"at\":{\"t\":5e0},\"v\":1.5,\"na\\u006de\":"
             "\"\\u00e4\\n\",\"up\":true,\"y\":null}");
    feed(&f, "{\"device\":{\"id\":9},\"device\":{\"id\":8,\"id\":121},\"at\":{\"t\":5},\"v\":null,\"name\":\"x\","
             "\"name\":\"\xC3\xA4\\n\",\"up\":true,\"Name\":1}");
    feed(&f, "{\"device\":{\"id\":1},\"at\":{\"t\":6}}");
    feed_end(&f);
    expect(&f, "s 0-10000 r0 {\"id\":1,\"name\":null,\"up\":null,\"n\":1,\"total\":7.0}\n"
               "s 0-10000 r0 {\"id\":121,\"name\":\"\xC3\xA4\\n\",\"up\":true,\"n\":2,\"total\":8.5}\n");
    fixture_free(&f);
}

static void says_what_is_wrong_with_an_event(void **state)
{
    (void)state;
    static const struct {
        const char *event, *reason;
    } cases[] = {
        {"{}", "missing-field"},
        {"{\"at\":{\"t\":1}}", "missing-field"},
        {"{\"at\":{\"t\":1},\"device\":5}", "missing-field"},
        {"{\"at\":{\"t\":1},\"device\":{\"id\":1},\"device\":null}", "missing-field"},
        {"{\"at\":{\"t\":1},\"device\":{\"id\":null}}", "missing-field"},
        {"{\"at\":{\"t\":1},\"device\":{\"ID\":1}}", "missing-field"},
        {"{\"at\":{\"t\":null},\"device\":{\"id\":1}}", "missing-field"},
        {"{\"at\":{\"t\":1},\"device\":{\"id\":1.5}}", "wrong-type"},
        {"{\"at\":{\"t\":1},\"device\":{\"id\":\"1\"}}", "wrong-type"},
        {"{\"at\":{\"t\":1},\"device\":{\"id\":9223372036854775808}}", "wrong-type"},
        {"{\"at\":{\"t\":1},\"device\":{\"id\":1},\"v\":1e400}", "wrong-type"},
        {"{\"at\":{\"t\":1},\"device\":{\"id\":1},\"v\":\"1\"}", "wrong-type"},
        {"{\"at\":{\"t\":1},\"device\":{\"id\":1},\"up\":1}", "wrong-type"},
        {"{\"at\":{\"t\":1},\"device\":{\"id\":1},\"name\":{}}", "wrong-type"},
        {"{\"at\":{\"t\":\"1\"},\"device\":{\"id\":1}}", "wrong-type"},
        {"{\"at\":{\"t\":1.5},\"device\":{\"id\":1}}", "bad-time"},
        {"{\"at\":{\"t\":-1},\"device\":{\"id\":1}}", "bad-time"},
        {"{\"at\":{\"t\":253402300800000},\"device\":{\"id\":1}}", "bad-time"},
        {"5", "wrong-type"},
        {"\"x\"", "wrong-type"},
        {"null", "wrong-type"},
    };
    struct fixture f = fixture_new(app);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char want[300];
        feed(&f, cases[i].event);
        snprintf(want, sizeof want, "dead %s %zu.0 %s\n", cases[i].reason, i, cases[i].event);
        expect(&f, want);
    }
    fixture_free(&f);
}

static void a_broken_value_costs_its_line(void **state)
{
    (void)state;
    struct fixture f = fixture_new(app);
    feed(&f, "\r\n " EVENT " \t" EVENT "\n{\"at\" : broken} " EVENT "\r\n" EVENT "\n{\"x\":\n1\n" EVENT);
    /* the second broken one is unfinished at the end of its line: what follows is read on its own */
    expect(&f, "dead not-json 0.2 {\"at\" : broken} " EVENT "\r\ndead not-json 0.4 {\"x\":\ndead wrong-type 0.5 1\n");
    feed_end(&f);
    expect(&f, "s 0-10000 r0 {\"id\":1,\"name\":null,\"up\":null,\"n\":4,\"total\":28.0}\n");
    feed(&f, "{}{}\n" EVENT EVENT);
    expect(&f, "dead not-json 2.0 {}{}\ndead not-json 2.1 " EVENT EVENT "\n");
    feed(&f, "");
    feed(&f, " \n\t\r ");
    feed(&f, "[]");
    expect(&f, "");
    fixture_free(&f);
}

static void a_broken_array_counts_nothing(void **state)
{
    (void)state;
    static const char *const bodies[] = {"[" EVENT "," EVENT, "[" EVENT "] x", " [" EVENT ",]", "[" EVENT " " EVENT "]",
                                         "[" EVENT "]["};
    struct fixture f = fixture_new(app);
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        char want[300];
        feed(&f, bodies[i]);
        snprintf(want, sizeof want, "dead not-json %zu.0 %s\n", i, bodies[i]);
        expect(&f, want);
    }
    feed(&f, " [ " EVENT " , 7, [], " EVENT " ] ");
    expect(&f, "dead wrong-type 5.1 7\ndead wrong-type 5.2 []\n");
    feed_end(&f);
    expect(&f, "s 0-10000 r0 {\"id\":1,\"name\":null,\"up\":null,\"n\":2,\"total\":14.0}\n");
    fixture_free(&f);
}

static void checks_ignored_bytes_too(void **state)
{
    (void)state;
    static const char *const events[] = {
        "{\"at\":{\"t\":1},\"device\":{\"id\":1},\"x\":01}",
        "{\"at\":{\"t\":1},\"device\":{\"id\":1},\"x\":\"\xFF\"}",
        "{\"at\":{\"t\":1},\"device\":{\"id\":1},\"x\":\"\\uD800\"}",
        "{\"at\":{\"t\":1},\"device\":{\"id\":1},\"\xC0\x80\":1}",
        "{\"at\":{\"t\":1},\"device\":{\"id\":1},\"x\":[1,{\"a\" 1}]}",
        "{\"at\":{\"t\":1},\"device\":{\"id\":1,},\"x\":1}",
    };
    struct fixture f = fixture_new(app);
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        struct engine_info info;
        feed(&f, events[i]);
        engine_info(f.engine, &info);
        assert_int_equal(info.counters.dead[DEAD_NOT_JSON], i + 1);
    }
    fixture_free(&f);
}

static void keeps_to_its_limits(void **state)
{
    (void)state;
    struct fixture f = fixture_new(
        "tenant: acme\nevents:\n  time: { field: t, format: unix_ms }\n  fields: { id: int, v: { type: int, optional: "
        "true } }\n"
        "streams:\n  - { name: s, key: [id], window: { tumbling: 10s }, select: { n: count(), d: distinct(v) } }\n"
        "  - { name: all, key: [], window: { tumbling: 10s }, select: { n: count() } }\n"
        "limits: { event: 64, message: 200, keys: 2, distinct: 3 }\n");
    char body[300];
    snprintf(body, sizeof body, "{\"t\":1,\"id\":1%*s}", 64 - 14, ""); /* 64 bytes pass, 65 do not */
    feed(&f, body);
    snprintf(body, sizeof body, "{\"t\":1,\"id\":1%*s}", 65 - 14, "");
    feed(&f, body);
    struct engine_info info;
    engine_info(f.engine, &info);
    assert_int_equal(info.counters.counted, 1);
    assert_int_equal(info.counters.dead[DEAD_TOO_LARGE], 1);
    snprintf(body, sizeof body, "%*s", 200, "");
    feed(&f, body);
    snprintf(body, sizeof body, "%*s", 201, "");
    feed(&f, body);
    engine_info(f.engine, &info);
    assert_int_equal(info.counters.dead[DEAD_TOO_LARGE], 2);
    buf_clear(&f.out);
    feed(&f, "{\"t\":1,\"id\":2}");
    feed(&f, "{\"t\":1,\"id\":3}"); /* one key more; the other stream counts it */
    expect(&f, "dead too-many-keys 5.0 {\"t\":1,\"id\":3}\n");
    for (int i = 0; i < 5; i++) {
        snprintf(body, sizeof body, "{\"t\":2,\"id\":1,\"v\":%d}", i);
        feed(&f, body);
    }
    feed(&f, "{\"t\":10000,\"id\":3}"); /* both keys have gone */
    expect(
        &f,
        "s 0-10000 r0 {\"id\":1,\"n\":6,\"d\":3}\ns 0-10000 r0 {\"id\":2,\"n\":1,\"d\":0}\nall 0-10000 r0 {\"n\":8}\n");
    fixture_free(&f);
}

static uint64_t repeats(struct fixture *f)
{
    struct engine_info info;
    engine_info(f->engine, &info);
    return info.counters.repeats;
}

static void drops_messages_it_has_seen(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        bool repeat;
    } steps[] = {
        {"p:5", false},
        {"p:5", true},
        {"p:4", false},
        {"p:4", true},
        {"p:7", false},
        {"p:6", false},
        {"p:6", true},
        {"q:5", false},
        {"p:1031", false},
        {"p:7", true},
        {"p:8", false},
        {"p:6", true},
        {"p:5000", false},
        {"p:3976", false},
        {"p:3976", true},
        {"p:3975", true},
        {"p:0", true},
        {"r:0", false},
        {"r:0", true},
        {"p:05", false},
        {"p:05", false},
        {"p", false},
        {":1", false},
        {":1", false},
        {"p:", false},
        {"p:x", false},
        {"p p:1", false},
        {"p p:1", false},
        {"p:9223372036854775807", false},
        {"p:9223372036854775807", true},
        {"p:9223372036854775808", false},
        {"p:9223372036854775808", false},
        {"p:9223372036854775806", false},
        {"p:9223372036854775806", true},
    };
    struct fixture f = fixture_new(app);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        uint64_t before = repeats(&f);
        feed_numbered(&f, steps[i].id, EVENT);
        if (repeats(&f) - before != steps[i].repeat)
            fail_msg("step %zu: %s", i, steps[i].id);
    }
    fixture_free(&f);
}

static void every_sequence_counts_once_in_any_order(void **state)
{
    (void)state;
    struct fixture f = fixture_new(app);
    char id[40];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 4000; i++) { /* each at most 900 places away from its own, twice */
            int n = i / 900 * 900 + (i % 900 * 7 + 3) % 900;
            snprintf(id, sizeof id, "producer-1:%d", n);
            uint64_t before = repeats(&f);
            feed_numbered(&f, id, EVENT);
            assert_int_equal(repeats(&f) - before, round);
        }
    }
    fixture_free(&f);
}

static void forgets_the_producer_longest_unheard_of(void **state)
{
    (void)state;
    struct fixture f = fixture_new(
        "tenant: acme\nevents:\n  time: { field: t, format: unix_ms }\n  fields: { id: int }\nstreams:\n"
        "  - { name: s, key: [id], window: { tumbling: 10s }, select: { n: count() } }\nlimits: { producers: 2 }\n");
    feed_numbered(&f, "a:1", "");
    feed_numbered(&f, "b:1", "");
    feed_numbered(&f, "a:1", ""); /* a repeat is a sign of life */
    feed_numbered(&f, "c:1", "");
    assert_int_equal(repeats(&f), 1);
    feed_numbered(&f, "a:1", "");
    assert_int_equal(repeats(&f), 2);
    feed_numbered(&f, "b:1", ""); /* was forgotten; now c is */
    assert_int_equal(repeats(&f), 2);
    feed_numbered(&f, "c:1", "");
    assert_int_equal(repeats(&f), 2);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_the_app_names),
        cmocka_unit_test(says_what_is_wrong_with_an_event),
        cmocka_unit_test(a_broken_value_costs_its_line),
        cmocka_unit_test(a_broken_array_counts_nothing),
        cmocka_unit_test(checks_ignored_bytes_too),
        cmocka_unit_test(keeps_to_its_limits),
        cmocka_unit_test(drops_messages_it_has_seen),
        cmocka_unit_test(every_sequence_counts_once_in_any_order),
        cmocka_unit_test(forgets_the_producer_longest_unheard_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
