/* The engine as bytes and back: nothing is lost, nothing damaged is taken. */
#include "base/files_fixture.h"
#include "base/hash.h"
#include "base/wire/cursor.h"
#include "stream/engine/fixture.h"
#include "stream/engine/snapshot_format.h"

static const char app[] =
    "tenant: acme\nevents:\n  time: { field: t, format: unix_ms, ahead: 10m }\n"
    "  fields: { id: int, site: { type: string, optional: true }, v: { type: float, optional: true } }\n"
    "streams:\n"
    "  - { name: s, key: [site, id], window: { sliding: 20s, every: 10s, allowed_lateness: 30s },\n"
    "      select: { n: count(), total: sum(v), whole: sum(id), low: min(v), top: max(site), mean: avg(v), dev: "
    "stddev(v), one: first(site),\n"
    "                end: last(v), kinds: distinct(site), big: count_if(v > 1) } }\n"
    "  - { name: all, key: [], window: { tumbling: 10s }, select: { n: count(), mean: avg(id) } }\n"
    "triggers:\n  - { name: any, on: s, when: n > 1, cooldown: 15s, run: j }\n"
    "jobs:\n  - { name: j, from: s, range: 1h, by: [id], select: { n: max(n) } }\n";

/* A state with something of everything in it. */
static struct fixture full(void)
{
    struct fixture f = fixture_new(app);
    f.received_ms = 5000;
    feed_numbered(&f, "p:1",
                  "[{\"t\":1000,\"id\":1,\"site\":\"a\",\"v\":1.5},{\"t\":2000,\"id\":1,\"site\":\"a\\u0000b\",\"v\":-"
                  "2},{\"t\":3000,\"id\":-2}]");
    feed_numbered(
        &f, "p:3",
        "{\"t\":12000,\"id\":1,\"site\":\"a\",\"v\":0.1}\nbroken\n{\"t\":13000,\"id\":1,\"site\":\"a\",\"v\":2}");
    feed_numbered(&f, "q.x:7", "{\"t\":31000,\"id\":1,\"site\":\"a\",\"v\":0.25}");
    feed_numbered(&f, "p:2", "[{\"t\":15000,\"id\":1,\"site\":\"a\"},{\"t\":16000,\"id\":3,\"site\":\"new\"}]");
    feed_control(&f, CONTROL_TIME, USER_API, "{\"highest\":25000}");
    feed(&f, "{\"t\":26000,\"id\":1,\"site\":\"\xC3\xA4\",\"v\":7}");
    feed(&f, "{\"t\":9999999,\"id\":1}");
    return f;
}

static void snapshot(const struct fixture *f, struct buf *b)
{
    buf_clear(b);
    engine_snapshot(f->engine, b);
}

/* From a copy of exactly these bytes. */
static int restore(const void *bytes, size_t len, struct engine **e, struct err *err)
{
    char *copy = malloc(len ? len : 1);
    memcpy(copy, bytes, len);
    int rc = engine_restore(copy, len, e, err);
    free(copy);
    return rc;
}

static void restores_to_the_same_bytes_and_goes_on_alike(void **state)
{
    (void)state;
    struct fixture a = full(), b = full();
    struct buf one = {0}, two = {0};
    struct err err;
    snapshot(&a, &one);
    engine_free(&b.engine);
    if (restore(one.data, one.len, &b.engine, &err) < 0)
        fail_msg("%s", err.text);
    snapshot(&b, &two);
    assert_int_equal(one.len, two.len);
    assert_memory_equal(one.data, two.data, one.len);
    buf_clear(&a.out);
    buf_clear(&b.out);
    struct fixture *both[] = {&a, &b};
    for (int i = 0; i < 2; i++) {
        feed_numbered(both[i], "p:2", "{\"t\":1,\"id\":9}"); /* a repeat */
        feed_numbered(
            both[i], "p:4",
            "[{\"t\":28000,\"id\":3,\"site\":\"a\"},{\"t\":14000,\"id\":1,\"site\":\"a\"},{\"t\":14000,\"id\":5}]");
        feed(both[i], "{\"t\":60000,\"id\":3}");
        feed_end(both[i]);
    }
    assert_true(a.out.len > 100);
    expect(&b, buf_cstr(&a.out));
    buf_free(&one);
    buf_free(&two);
    fixture_free(&a);
    fixture_free(&b);
}

static void equal_states_give_equal_bytes(void **state)
{
    (void)state;
    /* the same keys, met in other orders, and after others came and went */
    struct fixture a = fixture_new(app), b = fixture_new(app);
    struct buf one = {0}, two = {0};
    feed(&a, "[{\"t\":0,\"id\":77},{\"t\":100000,\"id\":1},{\"t\":100000,\"id\":2},{\"t\":100000,\"id\":3}]");
    feed(&b, "[{\"t\":0,\"id\":77},{\"t\":100000,\"id\":3},{\"t\":100000,\"id\":1},{\"t\":100000,\"id\":2}]");
    snapshot(&a, &one);
    snapshot(&b, &two);
    assert_int_equal(one.len, two.len);
    assert_memory_equal(one.data, two.data, one.len);
    buf_free(&one);
    buf_free(&two);
    fixture_free(&a);
    fixture_free(&b);
}

/* Two times the same panes were bound, each time beside new ones. */
static void keeps_panes_of_times_that_were_set_back_twice(void **state)
{
    (void)state;
    struct fixture f = fixture_new(app);
    struct buf one = {0}, two = {0};
    struct err err;
    for (int i = 0; i < 3; i++) {
        feed(&f, "[{\"t\":15000,\"id\":1,\"v\":1},{\"t\":52000,\"id\":1,\"v\":2}]");
        feed_control(&f, CONTROL_TIME, USER_API, "{\"highest\":1000}");
        snapshot(&f, &one);
        engine_free(&f.engine);
        if (restore(one.data, one.len, &f.engine, &err) < 0)
            fail_msg("%s", err.text);
        snapshot(&f, &two);
        assert_int_equal(one.len, two.len);
        assert_memory_equal(one.data, two.data, one.len);
    }
    buf_free(&one);
    buf_free(&two);
    fixture_free(&f);
}

/* ---- versions 1 and 2, as they were written ---- */

static void read_kept(const char *name, struct buf *out)
{
    char path[128];
    snprintf(path, sizeof path, "tests/data/engine/%s", name);
    read_whole(path, out);
}

/* again: how the present version writes it. */
static struct fixture restored(const char *name, const char *again_name)
{
    struct fixture f = {.offset = 100};
    struct buf kept = {0}, again = {0}, want = {0};
    struct err err;
    read_kept(name, &kept);
    read_kept(again_name, &want);
    if (restore(kept.data, kept.len, &f.engine, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    snapshot(&f, &again);
    assert_int_equal(again.len, want.len);
    assert_memory_equal(again.data, want.data, want.len);
    buf_free(&kept);
    buf_free(&again);
    buf_free(&want);
    return f;
}

static void check_kept(const char *name, const char *versions_name)
{
    struct fixture f = restored(name, "snapshot-2"), same = full();
    buf_clear(&same.out);
    feed_end(&f);
    f.offset = same.offset;
    feed_end(&same);
    expect(&f, buf_cstr(&same.out));
    fixture_free(&f);
    fixture_free(&same);
    f = restored(versions_name, "snapshot-2-versions");
    feed_end(&f);
    expect(&f, "trigger g #6\ns -10000-10000 r0 {\"id\":3,\"n\":1} g\ns 0-20000 r0 {\"id\":3,\"n\":1}\n"
               "s 10000-30000 r0 {\"id\":1,\"n\":3}\nx 0-60000 r0 {\"id\":1,\"v\":1,\"n\":4}\n"
               "x 0-60000 r0 {\"id\":3,\"v\":1,\"n\":1}\ns 110000-120000 r0 {\"id\":2,\"n\":1,\"m\":1}\n"
               "x 60000-120000 r0 {\"id\":2,\"v\":1,\"n\":2}\nx 60000-120000 r0 {\"id\":2,\"v\":2,\"n\":1}\n");
    fixture_free(&f);
}

static void reads_what_version_1_wrote(void **state)
{
    (void)state;
    check_kept("snapshot-1", "snapshot-1-versions");
}

static void reads_what_version_2_wrote(void **state)
{
    (void)state;
    check_kept("snapshot-2", "snapshot-2-versions");
}

static void each_kept(void (*check)(const struct buf *kept))
{
    static const char *const names[] = {"snapshot-1", "snapshot-1-versions", "snapshot-2", "snapshot-2-versions"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct buf kept = {0};
        read_kept(names[i], &kept);
        check(&kept);
        buf_free(&kept);
    }
}

static void check_truncations(const struct buf *kept)
{
    struct engine *e = NULL;
    struct err err = {0};
    for (size_t len = 0; len < kept->len; len++) {
        assert_int_equal(restore(kept->data, len, &e, &err), -1);
        assert_int_equal(err.code, ERR_INVALID);
        assert_null(e);
    }
    struct buf longer = {0};
    buf_add(&longer, kept->data, kept->len);
    buf_add_char(&longer, 0);
    assert_int_equal(restore(longer.data, longer.len, &e, &err), -1);
    buf_free(&longer);
}

static void refuses_every_truncation(void **state)
{
    (void)state;
    each_kept(check_truncations);
}

static void check_flips(const struct buf *kept)
{
    struct buf b = {0};
    buf_add(&b, kept->data, kept->len);
    for (size_t bit = 0; bit < 8 * b.len; bit++) {
        struct engine *e = NULL;
        struct err err = {0};
        b.data[bit / 8] ^= (char)(1 << (bit % 8));
        if (engine_restore(b.data, b.len, &e, &err) == 0)
            fail_msg("bit %zu", bit);
        assert_int_equal(err.code, ERR_INVALID);
        b.data[bit / 8] ^= (char)(1 << (bit % 8));
    }
    buf_free(&b);
}

static void refuses_every_flipped_bit(void **state)
{
    (void)state;
    each_kept(check_flips);
}

/* With a checksum that fits, what is inside must be checked on its own: refused, or taken whole. */
static void check_damage(const struct buf *kept)
{
    struct buf b = {0};
    buf_add(&b, kept->data, kept->len);
    struct cursor c = cursor_of(b.data + SNAPSHOT_HEAD, b.len - SNAPSHOT_HEAD);
    uint32_t text_len = get_u32(&c);
    for (size_t at = SNAPSHOT_HEAD + 4 + text_len; at < b.len; at++) {
        static const char values[] = {0, 1, (char)0xFF};
        for (size_t i = 0; i < sizeof values; i++) {
            struct engine *e = NULL;
            struct err err;
            char was = b.data[at];
            b.data[at] = values[i];
            uint32_t crc = hash_crc32c(0, b.data + SNAPSHOT_HEAD, b.len - SNAPSHOT_HEAD);
            for (int k = 0; k < 4; k++)
                b.data[12 + k] = (char)(crc >> (8 * k));
            if (restore(b.data, b.len, &e, &err) == 0) {
                struct fixture g = {.engine = e, .offset = 100};
                feed(&g, "[{\"t\":40000,\"id\":1,\"site\":\"a\",\"v\":1},{\"t\":1,\"id\":1}]");
                feed_control(&g, CONTROL_TIME, USER_API, "{\"highest\":20000}");
                feed_end(&g);
                fixture_free(&g);
            }
            b.data[at] = was;
        }
    }
    buf_free(&b);
}

static void survives_damage_that_the_checksum_covers(void **state)
{
    (void)state;
    each_kept(check_damage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restores_to_the_same_bytes_and_goes_on_alike),
        cmocka_unit_test(equal_states_give_equal_bytes),
        cmocka_unit_test(keeps_panes_of_times_that_were_set_back_twice),
        cmocka_unit_test(reads_what_version_1_wrote),
        cmocka_unit_test(reads_what_version_2_wrote),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(refuses_every_flipped_bit),
        cmocka_unit_test(survives_damage_that_the_checksum_covers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
