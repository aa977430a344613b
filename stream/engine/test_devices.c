/* With watermark_per: of how many devices the time is kept. */
#include "stream/engine/fixture.h"

#define APP(limit)                                                                                                     \
    "tenant: acme\nevents:\n  time: { field: t, format: unix_ms }\n  watermark_per: [id]\n  fields: { id: int, v: { "  \
    "type: int, default: 1 } }\nstreams:\n  - { name: s, where: v > 0, key: [id], window: { tumbling: 10s }, select: " \
    "{ n: count() } }\n"                                                                                               \
    "triggers:\n  - { name: g, on: s, when: n > 0, cooldown: 1h, run: j }\n"                                           \
    "jobs:\n  - { name: j, from: s, range: 1h, select: { n: max(n) } }\n"                                              \
    "limits: { devices: " limit " }\n"

static uint64_t devices(const struct fixture *f)
{
    struct engine_info info;
    engine_info(f->engine, &info);
    return info.devices;
}

static void refuses_one_more_while_all_have_windows(void **state)
{
    (void)state;
    struct fixture f = fixture_new(APP("2"));
    feed(&f, "[{\"t\":1000,\"id\":1},{\"t\":2000,\"id\":2},{\"t\":3000,\"id\":3},{\"t\":4000,\"id\":2}]");
    expect(&f, "dead too-many-keys 0.2 {\"t\":3000,\"id\":3}\n");
    assert_int_equal(devices(&f), 2);
    feed_end(&f);
    expect(&f, "trigger g #1\ns 0-10000 r0 {\"id\":1,\"n\":1} g\ntrigger g #2\ns 0-10000 r0 {\"id\":2,\"n\":2} g\n");
    fixture_reload(&f);
    feed(&f, "[{\"t\":3000,\"id\":3},{\"t\":4000,\"id\":4}]");
    expect(&f, "");
    assert_int_equal(devices(&f), 2);
    fixture_free(&f);
}

static void forgets_the_one_longest_without_a_window(void **state)
{
    (void)state;
    struct fixture f = fixture_new(APP("3"));
    feed(&f, "[{\"t\":50000,\"id\":1},{\"t\":50000,\"id\":2},{\"t\":50000,\"id\":3}]");
    feed_tick(
        &f,
        "{\"devices\":[{\"key\":[2],\"offset\":0,\"highest\":60000},{\"key\":[1],\"offset\":0,\"highest\":70000}]}");
    expect(
        &f,
        "trigger g #1\ns 50000-60000 r0 {\"id\":1,\"n\":1} g\ntrigger g #2\ns 50000-60000 r0 {\"id\":2,\"n\":1} g\n");
    feed(&f, "{\"t\":100000,\"id\":1,\"v\":0}"); /* heard of, though nothing counts: now 2 is the longest */
    fixture_reload(&f);
    feed(&f, "{\"t\":1000,\"id\":9}");
    assert_int_equal(devices(&f), 3);
    feed(&f, "{\"t\":99999,\"id\":1}"); /* its time is known still */
    expect(&f, "dead late 4.0 {\"t\":99999,\"id\":1}\n");
    feed(&f, "{\"t\":5000,\"id\":2}"); /* it begins anew, its cooldown is gone; 1 is forgotten for it */
    feed_end(&f);
    assert_non_null(strstr(buf_cstr(&f.out), "s 0-10000 r0 {\"id\":2,\"n\":1} g\n"));
    buf_clear(&f.out);
    fixture_free(&f);
}

static void a_lower_limit_lets_those_there_stay(void **state)
{
    (void)state;
    struct fixture f = fixture_new(APP("3"));
    struct buf b = {0};
    feed(&f, "[{\"t\":1000,\"id\":1},{\"t\":2000,\"id\":2},{\"t\":3000,\"id\":3}]");
    json_w_open(&b, '{');
    json_w_name(&b, "version");
    json_w_int(&b, 2);
    json_w_name(&b, "app");
    json_w_str(&b, APP("1"));
    json_w_close(&b, '}');
    feed_control(&f, CONTROL_VERSION, USER_API, buf_cstr(&b));
    feed(&f, "[{\"t\":3000,\"id\":1},{\"t\":3000,\"id\":4}]");
    expect(&f, "dead too-many-keys 2.1 {\"t\":3000,\"id\":4}\n");
    assert_int_equal(devices(&f), 3);
    feed_end(&f);
    feed(&f, "{\"t\":3000,\"id\":4}"); /* all the others go */
    assert_int_equal(devices(&f), 1);
    buf_free(&b);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_one_more_while_all_have_windows),
        cmocka_unit_test(forgets_the_one_longest_without_a_window),
        cmocka_unit_test(a_lower_limit_lets_those_there_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
