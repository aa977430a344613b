/* Triggers. */
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

#define ONE_COOLDOWN (4 + (4 + 9) + 4 + 8) /* bytes in a snapshot: memory, key, device, end */

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
    assert_true(large.len >= small.len && large.len - small.len < ONE_COOLDOWN); /* larger numbers, no more of them */
    buf_free(&small);
    buf_free(&large);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_once_for_a_key_and_window),
        cmocka_unit_test(cools_down_in_event_time),
        cmocka_unit_test(cooldowns_do_not_pile_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
