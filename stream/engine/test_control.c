/* Control messages of version 1, kept as files (tests/data/engine/control-1-*: type, user_id and message_id a line
 * each, the body behind): read whole, each property and the body cut short at every byte and with every bit flipped. A
 * message so changed is a dead letter and does nothing else, or does just what the whole one does. */
#include "base/files_fixture.h"
#include "stream/engine/fixture.h"

#define EVENTS "tenant: acme\nevents:\n  time: { field: t, format: unix_ms, out_of_orderness: 2s }\n"
#define STREAM "streams:\n  - { name: s, key: [id], window: { tumbling: 20s }, select: { n: count() } }\n"
static const char plain[] = EVENTS "  fields: { id: { type: int, optional: true } }\n" STREAM;
static const char devices[] = EVENTS "  watermark_per: [id]\n  fields: { id: { type: int, optional: true } }\n" STREAM;

#define BEFORE "s 0-20000 r0 {\"id\":7,\"n\":2}\n"
#define LATE   "dead late 4.0 {\"t\":3000}\n"
#define CLOSED BEFORE "s 20000-40000 r0 {\"id\":null,\"n\":1}\n" LATE "dead late 5.0 {\"t\":24000}\n"
#define BOTH   "s 20000-40000 r0 {\"id\":null,\"n\":2}\n"
#define FIRST  "version 1, from -9223372036854775808\n"

static const struct kept {
    const char *name, *app;
    const char *effect; /* what play() gives for it */
} kept[] = {
    {"tick", plain, CLOSED FIRST},
    {"tick-devices", devices, CLOSED FIRST},
    {"end", plain, CLOSED FIRST},
    {"time", plain, BEFORE "s 0-20000 r0 {\"id\":null,\"n\":1}\n" BOTH FIRST},
    {"version", plain, BEFORE LATE BOTH "version 2, from -9223372036854775808\n"},
    {"rewind", plain, BEFORE "rewound #2 -9223372036854775808\n" LATE BOTH FIRST},
};

enum part { TYPE, USER, ID, BODY, PARTS };

struct message {
    struct buf file;
    struct bytes parts[PARTS];
};

static void read_kept(const char *name, struct message *m)
{
    char path[128];
    *m = (struct message){0};
    snprintf(path, sizeof path, "tests/data/engine/control-1-%s", name);
    read_whole(path, &m->file);
    char *at = m->file.data, *end = at + m->file.len;
    for (int i = 0; i < BODY; i++) {
        char *line = memchr(at, '\n', (size_t)(end - at));
        assert_non_null(line);
        m->parts[i] = (struct bytes){at, (size_t)(line - at)};
        at = line + 1;
    }
    m->parts[BODY] = (struct bytes){at, (size_t)(end - at)};
}

/* Copies of just their size, so that the sanitizer sees a read behind them. */
static struct bytes exact(struct bytes b)
{
    char *p = malloc(b.len ? b.len : 1);
    if (b.len)
        memcpy(p, b.p, b.len);
    return (struct bytes){p, b.len};
}

/* What comes of it: an engine that has read three events reads the message (NULL: none), two more events, and the end.
 */
static void play(const struct kept *k, const struct bytes *parts, struct buf *out)
{
    struct fixture f = fixture_new(k->app);
    feed(&f, "{\"t\":12000,\"id\":7}");
    feed(&f, "{\"t\":14000,\"id\":7}");
    feed(&f, "{\"t\":23000}");
    if (parts) {
        struct bytes copies[PARTS];
        for (int i = 0; i < PARTS; i++)
            copies[i] = exact(parts[i]);
        feed_message(
            &f, &(struct engine_message){
                    .type = copies[TYPE], .user_id = copies[USER], .message_id = copies[ID], .body = copies[BODY]});
        for (int i = 0; i < PARTS; i++)
            free((char *)(uintptr_t)copies[i].p);
    } else {
        f.offset++;
    }
    feed(&f, "{\"t\":3000}");
    feed(&f, "{\"t\":24000}");
    feed_end(&f);
    struct engine_info info;
    engine_info(f.engine, &info);
    buf_printf(&f.out, "version %u, from %lld\n", info.version, (long long)info.from);
    buf_clear(out);
    buf_add(out, f.out.data, f.out.len);
    buf_cstr(out);
    fixture_free(&f);
}

static void each(void (*check)(const struct kept *k, struct message *m))
{
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        struct message m;
        read_kept(kept[i].name, &m);
        check(&kept[i], &m);
        buf_free(&m.file);
    }
}

static void are_read(const struct kept *k, struct message *m)
{
    struct buf out = {0};
    play(k, m->parts, &out);
    assert_string_equal(out.data, k->effect);
    buf_free(&out);
}

static void test_read_whole(void **state)
{
    (void)state;
    each(are_read);
}

/* The only line more than without the message is that of the dead letter, which may hold any byte. */
static bool is_refusal(const struct buf *got, const struct buf *without)
{
    const char *dead = memmem(got->data, got->len, "dead bad-control 3.0 ", 21);
    dead = dead ? dead : memmem(got->data, got->len, "dead forged 3.0 ", 16);
    if (!dead || got->len <= without->len)
        return false;
    size_t before = (size_t)(dead - got->data), behind = without->len - (before < without->len ? before : without->len);
    return before <= without->len && memcmp(got->data, without->data, before) == 0 &&
           memcmp(got->data + got->len - behind, without->data + before, behind) == 0;
}

struct expected {
    struct buf whole, without;
    size_t refused, same;
};

static void judge(const struct kept *k, const struct bytes *parts, struct expected *e, const char *how)
{
    struct buf got = {0};
    play(k, parts, &got);
    if (got.len == e->whole.len && memcmp(got.data, e->whole.data, got.len) == 0)
        e->same++;
    else if (is_refusal(&got, &e->without))
        e->refused++;
    else
        fail_msg("%s, %s: \n%swith the whole message:\n%swithout it:\n%s", k->name, how, got.data, e->whole.data,
                 e->without.data);
    buf_free(&got);
}

static void damage(const struct kept *k, struct message *m)
{
    struct expected e = {0};
    char how[80];
    play(k, m->parts, &e.whole);
    play(k, NULL, &e.without);
    assert_string_not_equal(e.whole.data, e.without.data);
    for (int p = 0; p < PARTS; p++) {
        struct bytes parts[PARTS];
        memcpy(parts, m->parts, sizeof parts);
        for (size_t len = 0; len < m->parts[p].len; len++) {
            parts[p].len = len;
            snprintf(how, sizeof how, "part %d cut to %zu bytes", p, len);
            judge(k, parts, &e, how);
        }
        memcpy(parts, m->parts, sizeof parts);
        for (size_t bit = 0; bit < m->parts[p].len * 8; bit++) {
            char *byte = (char *)(uintptr_t)m->parts[p].p + bit / 8;
            *byte ^= (char)(1 << bit % 8);
            snprintf(how, sizeof how, "part %d, bit %zu flipped", p, bit);
            judge(k, parts, &e, how);
            *byte ^= (char)(1 << bit % 8);
        }
    }
    /* only a sum that is none any more leaves the message as it was: its first seven bytes */
    size_t unseen = strlen(CONTROL_SUM) * 9;
    assert_int_equal(e.same, unseen);
    print_message("%s: %zu refused, %zu the same\n", k->name, e.refused, e.same);
    buf_free(&e.whole);
    buf_free(&e.without);
}

static void test_damaged(void **state)
{
    (void)state;
    each(damage);
}

/* As before there were sums. */
static void without_sum(const struct kept *k, struct message *m)
{
    struct buf out = {0}, whole = {0};
    play(k, m->parts, &whole);
    m->parts[ID] = (struct bytes){0};
    play(k, m->parts, &out);
    assert_string_equal(out.data, whole.data);
    buf_free(&out);
    buf_free(&whole);
}

static void test_without_sum(void **state)
{
    (void)state;
    each(without_sum);
}

/* The sum means something only in the mouth of those who write control messages. */
static void test_an_event_with_such_an_id(void **state)
{
    (void)state;
    struct fixture f = fixture_new(plain);
    feed_numbered(&f, CONTROL_SUM "00000000", "{\"t\":1000,\"id\":1}");
    feed_message(&f, &(struct engine_message){.body = bytes_of_text("{\"t\":1000,\"id\":1}"),
                                              .message_id = bytes_of_text("upload.x:1"),
                                              .user_id = bytes_of_text(USER_API)});
    feed_end(&f);
    expect(&f, "s 0-20000 r0 {\"id\":1,\"n\":2}\n");
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_read_whole), cmocka_unit_test(test_damaged),
                                       cmocka_unit_test(test_without_sum),
                                       cmocka_unit_test(test_an_event_with_such_an_id)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
