/* Offsets of results, messages set aside, rewinds. */
#include "stream/engine/fixture.h"

static const char app[] =
    "tenant: acme\nevents:\n  time: { field: t, format: unix_ms, out_of_orderness: 10s }\n  fields: { id: int }\n"
    "streams:\n  - { name: s, key: [id], window: { sliding: 20s, every: 10s, allowed_lateness: "
    "30s }, select: { n: count() } }\n";

static void offsets(const struct fixture *f, uint64_t first, uint64_t last)
{
    assert_int_equal(f->first_offset, first);
    assert_int_equal(f->last_offset, last);
}

static void results_name_the_first_and_last_event_of_all_their_panes(void **state)
{
    (void)state;
    struct fixture f = fixture_new(app);
    feed(&f, "{\"t\":12000,\"id\":1}");
    feed(&f, "{\"t\":3000,\"id\":2}");
    feed(&f, "{\"t\":5000,\"id\":1}");
    feed(&f, "{\"t\":13000,\"id\":1}");
    feed(&f, "{\"t\":30000,\"id\":3}");
    expect(&f, "s -10000-10000 r0 {\"id\":1,\"n\":1}\ns -10000-10000 r0 {\"id\":2,\"n\":1}\n"
               "s 0-20000 r0 {\"id\":1,\"n\":3}\ns 0-20000 r0 {\"id\":2,\"n\":1}\n");
    offsets(&f, 1, 1);
    feed(&f, "{\"t\":4000,\"id\":1}"); /* of two closed windows */
    expect(&f, "s -10000-10000 r1 {\"id\":1,\"n\":2}\ns 0-20000 r1 {\"id\":1,\"n\":4}\n");
    offsets(&f, 0, 5);
    fixture_free(&f);
}

static void offsets_outlive_a_snapshot(void **state)
{
    (void)state;
    struct fixture f = fixture_new(app);
    struct buf b = {0};
    struct err err;
    f.offset = UINT64_C(1) << 40;
    feed(&f, "{\"t\":12000,\"id\":1}");
    feed(&f, "{\"t\":1,\"id\":1}");
    engine_snapshot(f.engine, &b);
    engine_free(&f.engine);
    assert_int_equal(engine_restore(b.data, b.len, &f.engine, &err), 0);
    feed(&f, "{\"t\":30000,\"id\":3}");
    expect(&f, "s -10000-10000 r0 {\"id\":1,\"n\":1}\ns 0-20000 r0 {\"id\":1,\"n\":2}\n");
    offsets(&f, UINT64_C(1) << 40, (UINT64_C(1) << 40) + 1);
    buf_free(&b);
    fixture_free(&f);
}

static void set_aside(struct fixture *f, const char *id, const char *body)
{
    struct engine_sink sink = fixture_sink(f);
    engine_set_aside(f->engine,
                     &(struct engine_message){.offset = f->offset++,
                                              .received_ms = f->received_ms,
                                              .body = bytes_of_text(body),
                                              .message_id = bytes_of_text(id)},
                     &sink);
}

static void a_message_set_aside_is_dead_lettered_whole_and_counts_as_the_last_one(void **state)
{
    (void)state;
    struct fixture f = fixture_new(app);
    struct engine_info info;
    feed(&f, "{\"t\":12000,\"id\":1}");
    set_aside(&f, "p:1", "{\"t\":90000,\"id\":1} {\"t\":90001,\"id\":1}");
    expect(&f, "dead poison 1.0 {\"t\":90000,\"id\":1} {\"t\":90001,\"id\":1}\n");
    engine_info(f.engine, &info);
    assert_int_equal(info.counters.messages, 2);
    assert_int_equal(info.counters.events, 1);
    assert_int_equal(info.counters.dead[DEAD_POISON], 1);
    assert_int_equal(info.producers, 0);
    feed_tick(&f, "{\"offset\":0,\"highest\":50000}"); /* made before it was known */
    expect(&f, "");
    feed_tick(&f, "{\"offset\":1,\"highest\":30000}");
    expect(&f, "s 0-20000 r0 {\"id\":1,\"n\":1}\n");
    feed_numbered(&f, "p:1", "{\"t\":21000,\"id\":1}"); /* no repeat: the sequence was not looked at */
    engine_info(f.engine, &info);
    assert_int_equal(info.counters.repeats, 0);
    fixture_free(&f);
}

static void a_rewind_message_of_this_generation_takes_the_next_number(void **state)
{
    (void)state;
    struct fixture f = fixture_new(app);
    feed(&f, "[{\"t\":1000,\"id\":1},{\"t\":20000,\"id\":1}]");
    expect(&f, "s -10000-10000 r0 {\"id\":1,\"n\":1}\n");
    feed_control(&f, CONTROL_REWIND, USER_API, "{\"generation\":2}");
    feed_control(&f, CONTROL_REWIND, USER_API, "{\"generation\":0}");
    expect(&f, "");
    feed_control(&f, CONTROL_REWIND, USER_API, "{\"generation\":1}");
    expect(&f, "rewound #2 -9223372036854775808\n");
    feed_control(&f, CONTROL_REWIND, "belltower-worker-acme", "{\"generation\":1}");
    feed_control(&f, CONTROL_REWIND, USER_API, "{\"generation\":-1}");
    expect(&f, "dead forged 4.0 {\"generation\":1}\ndead bad-control 5.0 {\"generation\":-1}\n");
    struct engine_info info;
    engine_info(f.engine, &info);
    assert_int_equal(info.result_number, 2);
    assert_int_equal(info.counters.results, 1);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_name_the_first_and_last_event_of_all_their_panes),
        cmocka_unit_test(offsets_outlive_a_snapshot),
        cmocka_unit_test(a_message_set_aside_is_dead_lettered_whole_and_counts_as_the_last_one),
        cmocka_unit_test(a_rewind_message_of_this_generation_takes_the_next_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
