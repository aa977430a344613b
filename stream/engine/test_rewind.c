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

static void feed_nameless(struct fixture *f, const char *type, const char *user, const char *body)
{
    feed_message(f, &(struct engine_message){.body = bytes_of_text(body),
                                             .message_id = bytes_of_text("p:1"),
                                             .type = bytes_of_text(type),
                                             .user_id = bytes_of_text(user),
                                             .nameless_header = true});
}

static void a_message_with_a_nameless_header_is_dead_lettered_whole_and_changes_nothing(void **state)
{
    (void)state;
    struct fixture f = fixture_new(app);
    struct engine_info info;
    f.received_ms = 1000;
    feed(&f, "{\"t\":12000,\"id\":1}");
    f.received_ms = 2000;
    feed_nameless(&f, "", "", "{\"t\":90000,\"id\":1} {\"t\":90001,\"id\":1}");
    feed_nameless(&f, CONTROL_END, USER_API, "{}");
    expect(&f, "dead poison 1.0 {\"t\":90000,\"id\":1} {\"t\":90001,\"id\":1}\ndead poison 2.0 {}\n");
    engine_info(f.engine, &info);
    assert_int_equal(info.counters.events, 1);
    assert_int_equal(info.counters.dead[DEAD_POISON], 2);
    assert_int_equal(info.dead_number, 2);
    assert_int_equal(info.producers, 0);
    assert_int_equal(info.last_received_ms, 1000);
    feed_tick(&f, "{\"offset\":0,\"highest\":30000}"); /* made while such messages were passed over */
    expect(&f, "s 0-20000 r0 {\"id\":1,\"n\":1}\n");
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

#define HEAD(order)                                                                                                    \
    "tenant: acme\nevents:\n  time: { field: t, format: unix_ms, out_of_orderness: " order " }\n  fields: { id: int "  \
    "}\n"
#define STREAM(name, window, more)                                                                                     \
    "  - { name: " name ", key: [id], window: " window ", select: { n: count()" more " } }\n"
#define TRIGGER                                                                                                        \
    "triggers:\n  - { name: g, on: a, when: n > 1, run: j }\njobs:\n  - { name: j, from: a, range: 1h, select: { n: "  \
    "max(n) } }\n"

static void rebase(struct fixture *f, const char *yaml, uint32_t version, uint64_t generation, int64_t from)
{
    engine_rebase(f->engine, fixture_app(yaml), version, generation, from);
}

static void a_rewound_engine_gives_only_windows_from_there_on(void **state)
{
    (void)state;
    static const char text[] =
        HEAD("0s") "streams:\n" STREAM("a", "{ sliding: 20s, every: 10s, allowed_lateness: 30s }", "") TRIGGER;
    struct fixture f = fixture_new(text);
    feed(&f, "[{\"t\":1000,\"id\":1},{\"t\":2000,\"id\":1},{\"t\":12000,\"id\":1}]");
    expect(&f, "trigger g #1\na -10000-10000 r0 {\"id\":1,\"n\":2} g\n");
    rebase(&f, text, 3, 7, 10000);
    fixture_reload(&f);
    struct engine_info info;
    engine_info(f.engine, &info);
    assert_true(info.generation == 7 && info.version == 3 && info.from == 10000 && info.result_number == 0 &&
                info.counters.messages == 0 && info.counters.results == 0);
    feed_control(&f, CONTROL_VERSION, USER_API, "{\"version\":3,\"app\":\"nonsense\"}"); /* what it is made of */
    feed(&f, "{\"t\":20000,\"id\":1}");                                                  /* [0,20s) is not given */
    feed(&f, "{\"t\":5000,\"id\":1}");                                                   /* nor corrected */
    expect(&f, "");
    feed(&f, "{\"t\":30000,\"id\":1}");
    expect(&f, "trigger g #1\na 10000-30000 r0 {\"id\":1,\"n\":2} g\n"); /* all that is in it */
    feed(&f, "{\"t\":15000,\"id\":1}");
    expect(&f, "a 10000-30000 r1 {\"id\":1,\"n\":3}\n");
    feed_control(&f, CONTROL_REWIND, USER_API, "{\"generation\":7}");
    expect(&f, "rewound #3 10000\n");
    engine_info(f.engine, &info);
    assert_int_equal(info.counters.results, 2);
    fixture_free(&f);
}

static void a_rewind_with_another_app_keeps_unchanged_streams(void **state)
{
    (void)state;
    struct fixture f = fixture_new(HEAD("0s") "streams:\n" STREAM("a", "{ tumbling: 20s }", "")
                                       STREAM("b", "{ tumbling: 20s }", "") STREAM("c", "{ tumbling: 20s }", ""));
    feed(&f, "[{\"t\":1000,\"id\":1},{\"t\":12000,\"id\":1}]");
    rebase(&f,
           HEAD("5s") "streams:\n" STREAM("c", "{ tumbling: 20s }", ", m: max(id)") STREAM("d", "{ tumbling: 20s }", "")
               STREAM("a", "{ tumbling: 20s }", ""),
           2, 2, INT64_MIN);
    expect(&f, "");
    fixture_reload(&f);
    feed(&f, "[{\"t\":13000,\"id\":1},{\"t\":21000,\"id\":1}]");
    feed_end(&f); /* c and d have not seen all of 0-20000 */
    expect(&f, "a 0-20000 r0 {\"id\":1,\"n\":3}\n"
               "c 20000-40000 r0 {\"id\":1,\"n\":1,\"m\":1}\nd 20000-40000 r0 {\"id\":1,\"n\":1}\n"
               "a 20000-40000 r0 {\"id\":1,\"n\":1}\n");
    fixture_free(&f);
}

static void a_shorter_out_of_orderness_takes_effect_with_the_next_event(void **state)
{
    (void)state;
    struct fixture f = fixture_new(HEAD("20s") "streams:\n" STREAM("a", "{ tumbling: 10s }", ""));
    feed(&f, "[{\"t\":1000,\"id\":1},{\"t\":22000,\"id\":1}]");
    rebase(&f, HEAD("1s") "streams:\n" STREAM("a", "{ tumbling: 10s }", ""), 2, 2, INT64_MIN);
    expect(&f, "");
    feed(&f, "{\"t\":21500,\"id\":1}");
    expect(&f, "a 0-10000 r0 {\"id\":1,\"n\":1}\n");
    fixture_free(&f);
}

static void a_rewind_to_an_offset_learns_later_from_when_on(void **state)
{
    (void)state;
    static const char text[] = HEAD("0s") "streams:\n" STREAM("a", "{ tumbling: 10s }", "");
    struct fixture f = fixture_new(text);
    feed(&f, "{\"t\":1000,\"id\":1}");
    rebase(&f, text, 2, 2, INT64_MAX);
    fixture_reload(&f);
    feed(&f, "{\"t\":12000,\"id\":1}");
    expect(&f, "");
    engine_give_from(f.engine, 10000);
    fixture_reload(&f);
    feed_end(&f);
    expect(&f, "a 10000-20000 r0 {\"id\":1,\"n\":1}\n");
    fixture_free(&f);
}

/* ---- a rewind gives what a reading from the beginning gives ---- */

static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Events of one message, around a time that goes on; late ones too. */
static void feed_random(struct fixture *f, uint32_t *seed, int64_t *now)
{
    struct buf b = {0};
    for (uint32_t i = 0; i <= next(seed) % 3; i++) {
        *now += next(seed) % 4000;
        int64_t t = *now - (next(seed) % 4 ? 0 : next(seed) % 30000);
        buf_printf(&b, "{\"t\":%lld,\"id\":%u}\n", (long long)(t < 0 ? 0 : t), next(seed) % 3);
    }
    feed(f, buf_cstr(&b));
    buf_free(&b);
}

/* The results (not what fired) of windows that start at or after `from`, without numbers. */
static void results_from(const struct buf *out, int64_t from, struct buf *kept)
{
    for (const char *line = out->data, *end; out->len && *line; line = end + 1) {
        long long start;
        char name[16];
        end = strchr(line, '\n');
        if (strncmp(line, "trigger", 7) != 0 && sscanf(line, "%15s %lld", name, &start) == 2 && start >= from)
            buf_add(kept, line, (size_t)(end + 1 - line));
    }
}

#define ONE                                                                                                            \
    HEAD("5s")                                                                                                         \
    "streams:\n" STREAM("a", "{ sliding: 20s, every: 5s, allowed_lateness: 10s }", "")                                 \
        STREAM("b", "{ tumbling: 15s, allowed_lateness: 3s }", "")
#define TWO                                                                                                            \
    HEAD("5s")                                                                                                         \
    "streams:\n" STREAM("b", "{ tumbling: 15s, allowed_lateness: 3s }", "")                                            \
        STREAM("a", "{ tumbling: 10s, allowed_lateness: 10s }", ", m: max(id)") STREAM("c", "{ tumbling: 7s }", "")

/* update: a version that came before. */
static void rewind_and_compare(uint32_t seed, const char *old, const char *update, const char *new)
{
    struct fixture whole = fixture_new(new), rewound = fixture_new(old);
    struct buf want = {0}, got = {0};
    struct engine_info info;
    int64_t times[2] = {0, 0};
    uint32_t seeds[2] = {seed, seed};
    uint32_t messages = 60, at = 5 + seed % 40;
    for (uint32_t i = 0; i < messages; i++) {
        if (i == at / 2 && update)
            feed_version(&rewound, 2, update);
        if (i == at) {
            engine_info(rewound.engine, &info);
            rebase(&rewound, new, 9, 2, info.highest + 1);
            fixture_reload(&rewound);
            buf_clear(&rewound.out);
        }
        feed_random(&whole, &seeds[0], &times[0]);
        feed_random(&rewound, &seeds[1], &times[1]);
    }
    feed_end(&whole);
    feed_end(&rewound);
    buf_cstr(&whole.out);
    buf_cstr(&rewound.out);
    results_from(&whole.out, info.highest + 1, &want);
    results_from(&rewound.out, INT64_MIN, &got);
    if (strcmp(buf_cstr(&want), buf_cstr(&got)) != 0)
        fail_msg("seed %u: expected:\n%sgot:\n%s", seed, buf_cstr(&want), buf_cstr(&got));
    assert_true(want.len > 0);
    buf_free(&want);
    buf_free(&got);
    fixture_free(&whole);
    fixture_free(&rewound);
}

static void a_rewind_gives_what_reading_all_gives(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 200; seed++) {
        rewind_and_compare(seed, ONE, NULL, ONE);
        rewind_and_compare(seed, ONE, NULL, TWO);
        rewind_and_compare(seed, TWO, NULL, ONE);
        rewind_and_compare(seed, ONE, TWO, ONE);
        rewind_and_compare(seed, ONE, TWO, TWO);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_name_the_first_and_last_event_of_all_their_panes),
        cmocka_unit_test(offsets_outlive_a_snapshot),
        cmocka_unit_test(a_message_set_aside_is_dead_lettered_whole_and_counts_as_the_last_one),
        cmocka_unit_test(a_message_with_a_nameless_header_is_dead_lettered_whole_and_changes_nothing),
        cmocka_unit_test(a_rewind_message_of_this_generation_takes_the_next_number),
        cmocka_unit_test(a_rewound_engine_gives_only_windows_from_there_on),
        cmocka_unit_test(a_rewind_with_another_app_keeps_unchanged_streams),
        cmocka_unit_test(a_rewind_to_an_offset_learns_later_from_when_on),
        cmocka_unit_test(a_rewind_gives_what_reading_all_gives),
        cmocka_unit_test(a_shorter_out_of_orderness_takes_effect_with_the_next_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
