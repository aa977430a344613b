/* Looking ahead changes nothing: of two engines one looks ahead in each body and the other never does, and both say the
 * same, whatever is in the bodies. */
#include "stream/engine/fixture.h"

#include "stream/engine/state.h"

#define HEAD                                                                                                           \
    "tenant: acme\nevents:\n"                                                                                          \
    "  time: { field: t, format: unix_ms, out_of_orderness: 2s, ahead: 1m }\n"                                         \
    "  fields: { id: int, v: float, s: { type: string, default: none } }\n"
#define LIMITS "limits: { event: 100, keys: 150 }\n"
#define STREAMS                                                                                                        \
    "streams:\n"                                                                                                       \
    "  - { name: some, where: v > 1 and upper(s) != \"YY\", key: [id, s], window: { tumbling: 5s }, "                  \
    "select: { n: count(), high: max(v) } }\n"                                                                         \
    "  - { name: all, key: [id], window: { sliding: 9s, every: 3s, allowed_lateness: 2s }, "                           \
    "select: { n: count(), f: first(s) } }\n"

static const char usual[] = HEAD LIMITS STREAMS;
static const char one[] =
    HEAD LIMITS "streams:\n  - { name: some, key: [s, id], window: { tumbling: 4s }, "
                "select: { n: count() } }\n"
                "  - { name: whole, key: [], window: { tumbling: 9s }, select: { n: count() } }\n";
static const char devices[] = HEAD "  watermark_per: [id]\n" LIMITS STREAMS;

/* What is no good event: broken, of another type, too large, with a time that is none, without a field. */
static const char *const others[] = {"{\"t\":1,",
                                     "[1,2]",
                                     "7",
                                     "{\"t\":\"x\",\"id\":1,\"v\":1}",
                                     "{\"id\":1}",
                                     "{\"t\":5000,\"id\":\"one\",\"v\":1}",
                                     "{}",
                                     "\"text\"",
                                     "{\"t\":1}{\"t\":2}"};

static void write_event(struct buf *b, uint64_t *seed, int64_t *now)
{
    static const char *const texts[] = {"x", "yy", "", "a\\u0000b", "longer than the others"};
    uint32_t kind = next_random(seed) % 100;
    int64_t t = *now;
    if (kind < 30)
        t -= next_random(seed) % 12000;
    else if (kind == 30)
        t += 90000; /* ahead, or time that has really jumped */
    else
        *now = t += next_random(seed) % 200;
    buf_printf(b, "{\"t\":%lld,\"id\":%u,\"v\":%u.5", (long long)(t < 0 ? 0 : t), next_random(seed) % 60,
               next_random(seed) % 4);
    if (kind % 3)
        buf_printf(b, ",\"s\":\"%s\"", texts[next_random(seed) % 5]);
    if (kind % 7 == 0)
        buf_printf(b, ",\"more\":\"%.*s\"", (int)(next_random(seed) % 60),
                   "0123456789012345678901234567890123456789012345678901234567890123456789");
    buf_add_char(b, '}');
}

static void write_body(struct buf *b, uint64_t *seed, int64_t *now)
{
    static const char *const between[] = {"\n", "\r\n", " ", "\n\n"};
    const bool array = next_random(seed) % 3 == 0;
    const uint32_t count = 1 + next_random(seed) % 50, bad = next_random(seed) % (array ? 400 : 40);
    buf_clear(b);
    for (uint32_t i = 0; i < count; i++) {
        buf_add_str(b, array ? (i ? "," : "[") : i ? between[next_random(seed) % 4] : "");
        if (next_random(seed) % 40 == 0)
            buf_add_str(b, others[next_random(seed) % (sizeof others / sizeof *others)]);
        else
            write_event(b, seed, now);
    }
    if (array)
        buf_add_char(b, ']');
    if (bad < b->len / 100) /* cut off */
        b->len -= bad;
}

/* other: the app that it becomes half of the way. */
static void compare(const char *app, const char *other, uint64_t seed)
{
    struct fixture looks = fixture_new(app), does_not = fixture_new(app);
    struct buf body = {0};
    int64_t now = 100000;
    for (unsigned i = 0; i < 60; i++) {
        write_body(&body, &seed, &now);
        looks.engine->far = true;
        feed_message(&looks, &(struct engine_message){.body = {body.data, body.len}});
        does_not.engine->far = false;
        feed_message(&does_not, &(struct engine_message){.body = {body.data, body.len}});
        if (i == 30 && other) {
            feed_version(&looks, 2, other);
            feed_version(&does_not, 2, other);
        }
        assert_string_equal(buf_cstr(&looks.out), buf_cstr(&does_not.out));
        buf_clear(&looks.out);
        buf_clear(&does_not.out);
    }
    feed_end(&looks);
    feed_end(&does_not);
    assert_string_equal(buf_cstr(&looks.out), buf_cstr(&does_not.out));
    buf_free(&body);
    fixture_free(&looks);
    fixture_free(&does_not);
}

static void looking_ahead_changes_nothing(void **state)
{
    static const char *const apps[][2] = {{usual, one}, {devices, NULL}, {one, usual}};
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        for (uint64_t seed = 1; seed <= 40; seed++)
            compare(apps[i][0], apps[i][1], seed);
    }
}

/* What a group was asked for is gone when its turn comes: an event in it ends all windows before it. */
static void keys_end_within_a_group(void **state)
{
    struct fixture f = fixture_new(HEAD "streams:\n  - { name: s, key: [id], window: { tumbling: 5s }, "
                                        "select: { n: count() } }\n");
    (void)state;
    feed(&f, "[{\"t\":1000,\"id\":1,\"v\":1},{\"t\":1000,\"id\":2,\"v\":1}]");
    f.engine->far = true;
    feed(&f, "{\"t\":1500,\"id\":1,\"v\":1}\n{\"t\":20000,\"id\":1,\"v\":1}\n{\"t\":20000,\"id\":2,\"v\":1}\n"
             "{\"t\":1000,\"id\":2,\"v\":1}\n{\"t\":20000,\"id\":1,\"v\":1}");
    expect(&f, "s 0-5000 r0 {\"id\":1,\"n\":2}\ns 0-5000 r0 {\"id\":2,\"n\":1}\n"
               "dead late 1.3 {\"t\":1000,\"id\":2,\"v\":1}\n");
    feed_end(&f);
    expect(&f, "s 20000-25000 r0 {\"id\":1,\"n\":2}\ns 20000-25000 r0 {\"id\":2,\"n\":1}\n");
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(looking_ahead_changes_nothing),
        cmocka_unit_test(keys_end_within_a_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
