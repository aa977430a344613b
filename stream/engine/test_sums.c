/* What windows that overlap remember of their panes is no state: an engine that is saved and restored before every
 * message, and so remembers nothing, says the same to the bit. */
#include "stream/engine/fixture.h"

#include "stream/engine/sums.h"

#define HEAD                                                                                                           \
    "tenant: acme\nevents:\n  time: { field: t, format: unix_ms, out_of_orderness: 2s }\n"                             \
    "  fields: { id: int, v: float, s: string }\n"
#define SELECT                                                                                                         \
    "select: { n: count(), many: count_if(v > 1), ids: sum(id), mean: avg(id), low: min(v), high: max(v), a: min(s), " \
    "z: max(s), f: first(s), l: last(v) } }\n"
#define OTHERS                                                                                                         \
    "  - { name: floats, key: [id], window: { sliding: 9s, every: 2s }, select: { t: sum(v), d: distinct(s) } }\n"     \
    "  - { name: once, key: [id], window: { tumbling: 5s, allowed_lateness: 1s }, select: { n: count() } }\n"
#define TRIGGER                                                                                                        \
    "triggers:\n  - { name: storm, on: s, when: n > 9, cooldown: 3s, run: j }\n"                                       \
    "jobs:\n  - { name: j, from: once, range: 1h, by: [id], select: { n: max(n) } }\n"

static const char usual[] = HEAD
    "streams:\n  - { name: s, key: [id, s], window: { sliding: 20s, every: 1s, allowed_lateness: 3s }, " SELECT OTHERS
        TRIGGER;
static const char uneven[] =
    HEAD "streams:\n  - { name: s, key: [id], window: { sliding: 20s, every: 7s }, " SELECT OTHERS TRIGGER;
static const char sparse[] = HEAD
    "streams:\n  - { name: s, key: [id], window: { sliding: 1m, every: 10s, allowed_lateness: 20s }, " SELECT OTHERS
        TRIGGER;
static const char devices[] = HEAD
    "  watermark_per: [id]\nstreams:\n  - { name: s, key: [id, s], window: { sliding: 20s, every: 1s }, " SELECT OTHERS
        TRIGGER;

/* Mostly in order, sometimes late, now and then a jump; zeros of both signs, which are equal and not alike. */
static int64_t write_event(struct buf *b, uint64_t *seed, int64_t now)
{
    static const char *const values[] = {"0.0", "-0.0", "1", "2.5", "-3", "7"}, *const texts[] = {"x", "", "yy", "y"};
    uint32_t kind = next_random(seed) % 100;
    int64_t t = now;
    if (kind < 25)
        t = now - next_random(seed) % 3000;
    else if (kind < 30)
        t = now - next_random(seed) % 30000;
    else if (kind == 30)
        now = t = now + 15000 + next_random(seed) % 30000;
    else
        now = t = now + next_random(seed) % 300;
    buf_clear(b);
    buf_printf(b, "{\"t\":%lld,\"id\":%u,\"v\":%s,\"s\":\"%s\"}", (long long)(t < 0 ? 0 : t), next_random(seed) % 3,
               values[next_random(seed) % 6], texts[next_random(seed) % 4]);
    return now;
}

struct pair {
    struct fixture kept, forgets;
    size_t with_sums; /* how often a key remembered something */
};

static void give(struct pair *p, const char *type, const char *body)
{
    const struct key_row *key;
    fixture_reload(&p->forgets);
    feed_control(&p->kept, type, USER_API, body);
    feed_control(&p->forgets, type, USER_API, body);
    assert_string_equal(buf_cstr(&p->kept.out), buf_cstr(&p->forgets.out));
    assert_int_equal(p->kept.first_offset, p->forgets.first_offset);
    assert_int_equal(p->kept.last_offset, p->forgets.last_offset);
    buf_clear(&p->kept.out);
    buf_clear(&p->forgets.out);
    for (size_t at = 0; (key = table_next(&p->kept.engine->streams[0]->keys, &at));)
        p->with_sums += key->sums != NULL;
}

/* other: the app that it becomes two thirds of the way. */
static size_t compare(const char *app, const char *other, uint64_t seed)
{
    struct pair p = {.kept = fixture_new(app), .forgets = fixture_new(app)};
    struct buf body = {0};
    int64_t now = 100000;
    for (int i = 0; i < 600; i++) {
        now = write_event(&body, &seed, now);
        give(&p, "", buf_cstr(&body));
        if (i % 250 == 249) {
            now -= 12000;
            buf_clear(&body);
            buf_printf(&body, "{\"highest\":%lld}", (long long)now);
            give(&p, CONTROL_TIME, buf_cstr(&body));
        }
        if (i == 400) {
            buf_clear(&body);
            buf_add_str(&body, "{\"version\":2,\"app\":");
            json_w_str(&body, other);
            buf_add_char(&body, '}');
            give(&p, CONTROL_VERSION, buf_cstr(&body));
        }
    }
    give(&p, CONTROL_END, "{}");
    fixture_free(&p.kept);
    fixture_free(&p.forgets);
    buf_free(&body);
    return p.with_sums;
}

static void says_the_same_as_without_a_memory(void **state)
{
    (void)state;
    assert_true(compare(usual, usual, 1) > 100);
    assert_true(compare(usual, sparse, 2) > 100);
    assert_true(compare(uneven, usual, 3) > 100);
    assert_true(compare(sparse, uneven, 4) > 100);
    assert_true(compare(devices, devices, 5) > 100);
}

/* Where it would make a difference there is none. */
static void sums_of_floats_are_walked_over(void **state)
{
    (void)state;
    struct fixture f = fixture_new(HEAD "streams:\n" OTHERS "jobs: []\n");
    struct buf body = {0};
    uint64_t seed = 1;
    int64_t now = 100000;
    for (int i = 0; i < 500; i++) {
        const struct key_row *key;
        now = write_event(&body, &seed, now);
        feed(&f, buf_cstr(&body));
        for (size_t s = 0; s < 2; s++) {
            for (size_t at = 0; (key = table_next(&f.engine->streams[s]->keys, &at));)
                assert_null(key->sums);
        }
    }
    buf_free(&body);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_the_same_as_without_a_memory),
        cmocka_unit_test(sums_of_floats_are_walked_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
