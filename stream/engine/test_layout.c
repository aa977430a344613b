/* What is read as predicted is what the general way reads: on good events, on every prefix of them, and on millions of
 * small changes. */
#include "stream/engine/decode.h"
#include "stream/engine/fixture.h"

static const char app_text[] = "tenant: acme\n"
                               "events:\n"
                               "  time: { field: t, format: \"%Y-%m-%d %H:%M:%S UTC\" }\n"
                               "  fields:\n"
                               "    id: int\n"
                               "    value: float\n"
                               "    on: { type: bool, optional: true }\n"
                               "    name: { type: string, default: none }\n"
                               "    site: { type: int, from: at.site, optional: true }\n"
                               "streams:\n"
                               "  - { name: s, key: [id], window: { tumbling: 1m }, select: { n: count() } }\n";

static const char *const events[] = {
    "{\"t\":\"2026-01-01 00:00:00 "
    "UTC\",\"id\":121,\"value\":1.5,\"on\":true,\"name\":\"a\",\"at\":{\"site\":7,\"x\":[1,{}]},\"more\":-0}",
    "{\"t\":\"2026-01-01 00:00:59 "
    "UTC\",\"id\":-9,\"value\":-0.0,\"on\":false,\"name\":\"\",\"at\":{\"site\":0,\"x\":[1,{}]},\"more\":\"\"}",
    "{ \"id\" : 0 , \"t\" : \"2026-12-31 23:59:59 UTC\" , \"value\" : 123456789.25 }",
    "{\"id\":1,\"id\":2,\"t\":\"2026-01-01 00:01:07 UTC\",\"value\":1,\"on\":null}",
    "{\"id\":1,\"id\":2,\"t\":\"2026-01-01 00:01:08 UTC\",\"value\":1e3,\"on\":null}",
    "{\"id\":9223372036854775807,\"t\":\"2026-01-01 00:00:00 "
    "UTC\",\"value\":1.7976931348623157e308,\"name\":\"\xc3\xa4\\n\"}",
    "{\"id\":121.0,\"t\":\"2026-01-01 00:00:01 UTC\",\"value\":9007199254740993,\"name\":\"x\"}",
};
#define EVENTS (sizeof events / sizeof *events)

struct reading {
    bool good;
    int64_t time;
    size_t len;
    struct value slots[8];
};

static bool same_value(const struct value *a, const struct value *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case VALUE_INT:
        return a->i == b->i;
    case VALUE_FLOAT:
        return memcmp(&a->f, &b->f, sizeof a->f) == 0; /* bit by bit: -0.0 is not 0.0 */
    case VALUE_BOOL:
        return a->b == b->b;
    case VALUE_STRING:
        return a->len == b->len && memcmp(a->s, b->s, a->len) == 0;
    default:
        return true;
    }
}

static struct reading read_general(struct decoder *d, const char *text, size_t len)
{
    struct reading r = {0};
    struct json j = json_begin(text, len);
    enum dead_reason reason;
    struct buf detail = {0};
    if (json_peek(&j) == JSON_OBJECT && decoder_scan(d, &j))
        r.good = decoder_convert(d, &r.time, &reason, &detail);
    r.len = (size_t)(j.at - text);
    memcpy(r.slots, d->slots, d->app->field_count * sizeof *d->slots);
    buf_free(&detail);
    return r;
}

struct pair { /* one that predicts, and one that never does */
    struct app *app;
    struct decoder predicting, general;
    uint64_t predicted, seen, by_shape;
};

static struct pair pair_of(const char *app)
{
    struct pair p = {.app = fixture_app(app)};
    decoder_init(&p.predicting, p.app);
    decoder_init(&p.general, p.app);
    return p;
}

static struct pair pair_new(void)
{
    return pair_of(app_text);
}

static void pair_free(struct pair *p)
{
    decoder_free(&p->predicting);
    decoder_free(&p->general);
    app_free(&p->app);
}

/* Objects read by a layout, as no shape did it. */
static uint64_t read_by_layout(const struct pair *p)
{
    uint64_t n = 0;
    for (size_t i = 0; i < LAYOUTS; i++)
        n += p->predicting.layouts.at[i].hits;
    return n;
}

/* The text is copied to where the sanitizer sees a read behind its end. */
static void compare(struct pair *p, const char *from, size_t len)
{
    const uint64_t before = read_by_layout(p);
    char *text = malloc(len ? len : 1);
    memcpy(text, from, len);
    struct reading g = read_general(&p->general, text, len), r = {0};
    struct json j = json_begin(text, len);
    p->seen++;
    if (json_peek(&j) == JSON_OBJECT && decoder_predict(&p->predicting, &j, r.slots, &r.time)) {
        p->predicted++;
        p->by_shape += read_by_layout(p) == before;
        assert_true(g.good);
        assert_int_equal(g.time, r.time);
        assert_int_equal(g.len, j.at - text);
        for (size_t i = 0; i < p->app->field_count; i++)
            assert_true(same_value(&g.slots[i], &r.slots[i]));
    } else if (g.good) {
        struct reading again = read_general(&p->predicting, text, len);
        assert_true(again.good);
        decoder_learn(&p->predicting, text, again.len);
    }
    free(text);
}

static void each_event_is_predicted_after_its_like(void **state)
{
    (void)state;
    for (size_t i = 0; i < EVENTS; i++) {
        struct pair p = pair_new();
        for (int k = 0; k < 4; k++)
            compare(&p, events[i], strlen(events[i]));
        if (i < 5) /* the others hold values that are not plain */
            assert_true(p.predicted >= 2 || i == 4);
        pair_free(&p);
    }
}

static void every_prefix(void **state)
{
    (void)state;
    struct pair p = pair_new();
    for (size_t i = 0; i < EVENTS; i++)
        for (size_t len = 0; len <= strlen(events[i]); len++) {
            compare(&p, events[i], strlen(events[i]));
            compare(&p, events[i], len);
        }
    pair_free(&p);
}

static uint64_t next(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    return *x ^= *x << 17;
}

/* Replaces, removes or adds a byte or two, mostly of those that matter. */
static size_t change(char *text, size_t len, uint64_t *random)
{
    static const char bytes[] = "{}[]\",: \n\t0123456789-+.eEtruefalsnl\\\x01\x7f\xc3\xa4";
    for (uint64_t n = next(random) % 3; n-- > 0;) {
        size_t at = next(random) % len;
        char b = bytes[next(random) % (sizeof bytes - 1)];
        switch (next(random) % 4) {
        case 0:
            memmove(text + at, text + at + 1, --len - at);
            break;
        case 1:
            memmove(text + at + 1, text + at, len++ - at);
            text[at] = b;
            break;
        default:
            text[at] = b;
        }
    }
    return len;
}

static void small_changes(void **state)
{
    (void)state;
    struct pair p = pair_new();
    uint64_t random = 88172645463325252u;
    char text[400];
    for (int i = 0; i < 300000; i++) {
        const char *event = events[next(&random) % EVENTS];
        size_t len = strlen(event);
        memcpy(text, event, len);
        compare(&p, text, change(text, len, &random));
    }
    assert_true(p.predicted > p.seen / 20); /* else nothing was tested */
    pair_free(&p);
}

/* A value that stayed is taken again without a look, and so must not be one that only begins like it. */
static void values_stay_and_then_change(void **state)
{
    (void)state;
    static const char *const values[] = {"1",
                                         "12",
                                         "1.5",
                                         "1.55",
                                         "1e5",
                                         "-1",
                                         "-0",
                                         "true",
                                         "trues",
                                         "false",
                                         "null",
                                         "\"a\"",
                                         "\"ab\"",
                                         "\"\"",
                                         "\"a\\\"\"",
                                         "\"\xc3\xa4\"",
                                         "\"a text of 13\"",
                                         "\"a text of 14.\"",
                                         "\"a text of 15..\"",
                                         "123456789012345",
                                         "1234567890123456",
                                         "01",
                                         "1.",
                                         "{}"};
    static const size_t count = sizeof values / sizeof *values;
    static const char *const fields[] = {"id", "value", "on", "name", "more"}, *const goods[] = {"7", "2.5", "true",
                                                                                                 "\"n\"", "[]"};
    uint64_t random = 5;
    for (size_t field = 0; field < 5; field++) {
        struct pair p = pair_new();
        for (size_t n = 0; n < 20000; n++) {
            static size_t which;
            char text[300];
            size_t len = 0;
            which = next(&random) % 16 ? which : next(&random) % count; /* mostly what it was */
            len +=
                (size_t)snprintf(text, sizeof text, "{\"t\":\"2026-01-01 00:00:%02d UTC\"", (int)(next(&random) % 60));
            for (size_t i = 0; i < 5; i++)
                len += (size_t)snprintf(text + len, sizeof text - len, ",\"%s\":%s", fields[i],
                                        i == field ? values[which] : goods[i]);
            len += (size_t)snprintf(text + len, sizeof text - len, ",\"pad\":\"%s\"}",
                                    n % 2 ? "" : "a long text at the end");
            compare(&p, text, len);
        }
        assert_true(p.predicted > p.seen / 20);
        pair_free(&p);
    }
}

/* ---- shapes ---- */

static const char *const shape_apps[] = {
    app_text,
    "tenant: acme\nevents:\n  time: { field: t, format: unix }\n  fields:\n    id: int\n    value: float\n"
    "    name: { type: string, default: none }\n    other: { type: string, optional: true }\n"
    "streams:\n  - { name: s, key: [id], window: { tumbling: 1m }, select: { n: count() } }\n",
    "tenant: acme\nevents:\n  time: { field: t, format: unix_ms }\n  fields:\n    id: int\n    value: float\n"
    "    name: { type: string, default: none }\n    other: { type: string, optional: true }\n"
    "streams:\n  - { name: s, key: [id], window: { tumbling: 1m }, select: { n: count() } }\n",
};

static const struct {
    size_t app; /* of shape_apps */
    const char *text;
} shaped[] = {
    {0, "{\"t\":\"2026-01-01 00:00:00 UTC\",\"id\":121,\"value\":1.5,\"on\":true,\"name\":\"a\",\"at\":{\"site\":70},"
        "\"more\":\"x y\",\"n\":[-20,1.25e-7,null]}"},
    {1, "{\"t\":7,\"id\":1,\"value\":2}"},
    {1, "{\"id\":-1234567890123,\"value\":-12.75,\"t\":1767225600}"},
    {2, "{\"name\":\"\",\"other\":\"a text of 16 b..\",\"id\":123456789012345678,\"value\":123456789.25,\"t\":"
        "1767225600000}"},
    {2, "{\"t\":1767225600000,\"x\":\"this text has more bytes than are looked at together, and may not change\","
        "\"id\":0,\"value\":123456789012345,\"name\":\"a text of more than 32 bytes, this is\",\"y\":0.5}"},
    {2, "{\"name\":\"a text of more bytes than are looked at together, of a field that is taken!!!\",\"id\":12345678,"
        "\"value\":-0.0,\"t\":1767225600000,\"seq\":1234567890123456789012}"},
};
#define SHAPED (sizeof shaped / sizeof *shaped)

static struct pair pair_of_shape(size_t i)
{
    struct pair p = pair_of(shape_apps[shaped[i].app]);
    for (int k = 0; k < 3; k++) /* in the general way, by the layout, by the shape */
        compare(&p, shaped[i].text, strlen(shaped[i].text));
    if (p.by_shape != 1)
        fail_msg("no shape is learnt from %s", shaped[i].text);
    return p;
}

static void any_byte_may_become_any_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHAPED; i++) {
        struct pair p = pair_of_shape(i);
        size_t len = strlen(shaped[i].text);
        char text[400];
        memcpy(text, shaped[i].text, len);
        for (size_t at = 0; at < len; at++) {
            for (int byte = 0; byte < 256; byte++) {
                text[at] = (char)byte;
                compare(&p, text, len);
            }
            text[at] = shaped[i].text[at];
        }
        assert_true(p.by_shape > len); /* what is itself, and digits for digits at least */
        pair_free(&p);
    }
}

static void objects_that_end_early(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHAPED; i++) {
        struct pair p = pair_of_shape(i);
        char text[400];
        size_t all = strlen(shaped[i].text);
        for (size_t len = 0; len <= all; len++) {
            compare(&p, shaped[i].text, len);
            memcpy(text, shaped[i].text, all);
            text[len ? len - 1 : 0] = '}';
            compare(&p, text, len);
            compare(&p, text, all);
        }
        assert_true(p.by_shape > 2);
        pair_free(&p);
    }
}

/* Values as long as the one that the shape was learnt from. */
static void values_of_the_same_length(void **state)
{
    (void)state;
    static const struct {
        const char *field, *learnt, *then;
        bool fits; /* the shape */
    } cases[] = {
        {"id", "12", "99", true},
        {"id", "12", "10", true},
        {"id", "12", "07", false},
        {"id", "12", "00", false},
        {"id", "12", "-7", false},
        {"id", "-7", "12", false},
        {"id", "-7", "-0", true},
        {"id", "-17", "-07", false},
        {"id", "0", "9", true},
        {"id", "12", "1.", false},
        {"id", "12", "1e", false},
        {"id", "100", "1e2", false},
        {"id", "12345678", "87654321", true},
        {"id", "12345678", "02345678", false},
        {"id", "123456789", "987654321", true},
        {"id", "123456789", "023456789", false},
        {"id", "123456789", "12345678x", false},
        {"id", "123456789", "x23456789", false},
        {"id", "-123456789012345", "-999999999999999", true},
        {"id", "1234567890123456", "9999999999999999", true},
        {"id", "1234567890123456", "0999999999999999", false},
        {"id", "123456789012345678", "999999999999999999", true},
        {"value", "1.5", "2.7", true},
        {"value", "1.5", "0.0", true},
        {"value", "1.5", "157", false},
        {"value", "1.5", "15.", false},
        {"value", "1.5", ".15", false},
        {"value", "1.5", "-15", false},
        {"value", "1.5", "1e5", false},
        {"value", "-1.5", "-0.0", true},
        {"value", "21.5", "01.5", false},
        {"value", "21.5", "-1.5", false},
        {"value", "21.5", "2.15", false},
        {"value", "1234.567", "7654.321", true},
        {"value", "12345.678", "87654.321", true},
        {"value", "0.1234567", "0.7654321", true},
        {"value", "0.1234567", "0.765432x", false},
        {"value", "999999999999999", "100000000000001", true},
        {"name", "\"ab\"", "\"cd\"", true},
        {"name", "\"ab\"", "\"\\n\"", false},
        {"name", "\"ab\"", "\"\xc3\xa4\"", false},
        {"name", "\"ab\"", "\"a\"\"", false},
        {"name", "\"ab\"", "\"a\x1f\"", false},
        {"name", "\"ab\"", "1234", false},
        {"name", "\"ab\"", "true", false},
        {"name", "\"ab\"", "null", false},
        {"name", "\"sixteen bytes ..\"", "\"sixteen bytes !!\"", true},
        {"name", "\"sixteen bytes ..\"", "\"sixteen bytes \xc3\xa4\"", false},
        {"name", "\"seventeen bytes ..\"",
         "\"\x01"
         "eventeen bytes ..\"",
         false},
        {"name", "\"seventeen bytes ..\"", "\"seventeen bytes .\\\"", false},
        {"on", "true", "null", false},
        {"on", "true", "tru3", false},
        {"more", "\"ab\"", "\"cd\"", true},
        {"more", "\"ab\"", "\"\\n\"", false},
        {"more", "15", "42", true},
        {"more", " 15", " 15", true},
        {"more", "15", "02", false},
        {"more", "-1.25e-7", "-3.99e-1", true},
        {"more", "-1.25e-7", "-3.99e-x", false},
        {"more", "10.25e-7", "00.25e-7", false},
        {"more", "1234567890123456789012", "9999999999999999999999", true},
        {"more", "1234567890123456789012", "0999999999999999999999", false},
        {"more", "{\"a\":1}", "{\"a\":2}", true},
        {"more", "{\"a\":1}", "{\"b\":1}", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static const char *const tails[] = {"", ",\"pad\":\"a longer text behind it\""};
        for (size_t tail = 0; tail < 2; tail++) {
            struct pair p = pair_new();
            for (int k = 0; k < 4; k++) {
                char text[300];
                const bool other = strcmp(cases[i].field, "id") != 0, value = strcmp(cases[i].field, "value") != 0;
                int len = snprintf(text, sizeof text, "{\"t\":\"2026-01-01 00:00:00 UTC\"%s%s,\"%s\":%s%s}",
                                   other ? ",\"id\":1" : "", value ? ",\"value\":1" : "", cases[i].field,
                                   k < 3 ? cases[i].learnt : cases[i].then, tails[tail]);
                compare(&p, text, (size_t)len);
            }
            if (p.by_shape != 1u + cases[i].fits)
                fail_msg("%s: %s, then %s", cases[i].field, cases[i].learnt, cases[i].then);
            pair_free(&p);
        }
    }
}

static size_t digits_by_chance(char *text, const char *from, uint64_t *random)
{
    size_t len = strlen(from);
    memcpy(text, from, len);
    for (size_t i = 0; i < len; i++)
        if (text[i] >= '0' && text[i] <= '9' && next(random) % 4 == 0)
            text[i] = (char)('0' + next(random) % 10);
    if (next(random) % 4 == 0)
        text[next(random) % len] = "0\"\\\x01\x80-.e,}"[next(random) % 10];
    return len;
}

static void digits_change(void **state)
{
    (void)state;
    uint64_t random = 11;
    for (size_t i = 0; i < SHAPED; i++) {
        struct pair p = pair_of_shape(i);
        char text[400];
        for (int n = 0; n < 50000; n++)
            compare(&p, text, digits_by_chance(text, shaped[i].text, &random));
        assert_true(p.by_shape > p.seen / 20);
        pair_free(&p);
    }
}

static void compare_with_lengths(struct pair *p, int name, int64_t id)
{
    char text[300];
    int len =
        snprintf(text, sizeof text, "{\"t\":\"2026-01-01 00:00:00 UTC\",\"id\":%lld,\"value\":1,\"name\":\"%.*s\"}",
                 (long long)id, name, "nine and forty bytes, which are the longest of them");
    compare(p, text, (size_t)len);
}

static void more_shapes_than_are_remembered(void **state)
{
    (void)state;
    struct pair p = pair_new();
    for (int n = 0; n < 3 * SHAPES; n++)
        for (int name = 0; name < 3 * SHAPES; name++)
            compare_with_lengths(&p, name, n);
    for (int n = 0; n < 2000; n++) /* then but two, which are learnt in the end */
        compare_with_lengths(&p, 40 + n % 2, n % 10);
    uint64_t before = p.by_shape;
    for (int n = 0; n < 100; n++)
        compare_with_lengths(&p, 40 + n % 2, n % 10);
    assert_int_equal(p.by_shape, before + 100);
    pair_free(&p);
}

static void objects_too_long_or_with_too_many_values_have_no_shape(void **state)
{
    (void)state;
    struct pair p = pair_new();
    char text[800];
    for (int k = 0; k < 5; k++) {
        int len = snprintf(text, sizeof text, "{\"t\":\"2026-01-01 00:00:00 UTC\",\"id\":%d,\"value\":1,\"x\":\"%*s\"}",
                           k, SHAPE_TEXT_MAX, "");
        compare(&p, text, (size_t)len);
    }
    for (int k = 0; k < 5; k++) {
        int len = snprintf(text, sizeof text, "{\"t\":\"2026-01-01 00:00:00 UTC\",\"id\":%d,\"value\":1,\"x\":[0", k);
        for (int i = 0; i < SHAPE_VALUES; i++)
            len += snprintf(text + len, sizeof text - (size_t)len, ",%d", i % 10);
        len += snprintf(text + len, sizeof text - (size_t)len, "]}");
        compare(&p, text, (size_t)len);
    }
    assert_int_equal(p.predicted, 8);
    assert_int_equal(p.by_shape, 0);
    pair_free(&p);
}

static void times_are_those_of_the_general_way(void **state)
{
    (void)state;
    static const char *const patterns[] = {"%Y-%m-%d %H:%M:%S UTC", "%S:%M:%H %j %Y", "%d.%m.%Y %T.%f", "rfc3339",
                                           "%e %b %Y %I:%M:%S %p"};
    static const char *const texts[] = {"2026-01-01 00:00:00 UTC", "07:01:23 035 2026", "31.12.2026 23:59:59.123456",
                                        "2026-06-01T12:00:00.25+02:00", "1 Jan 2026 11:59:07 PM"};
    uint64_t random = 1;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct time_format f;
        struct time_memory m = {0};
        struct err err;
        assert_int_equal(time_format_compile(patterns[i], strlen(patterns[i]), &f, &err), 0);
        for (int k = 0; k < 200000; k++) {
            char text[64] = {0};
            int64_t want = 0, got = 0;
            size_t len = strlen(texts[i]);
            memcpy(text, texts[i], len);
            for (uint64_t n = next(&random) % 4; n-- > 0;)
                text[next(&random) % len] = (char)('0' + next(&random) % 11);
            bool good = time_format_parse(&f, text, len, &want);
            assert_int_equal(time_memory_parse(&m, &f, text, len, &got), good);
            if (good)
                assert_int_equal(got, want);
            len = time_memory_begins(&m, text, sizeof text, &got);
            assert_true(!len || (time_format_parse(&f, text, len, &want) && got == want));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_event_is_predicted_after_its_like),
        cmocka_unit_test(every_prefix),
        cmocka_unit_test(small_changes),
        cmocka_unit_test(values_stay_and_then_change),
        cmocka_unit_test(any_byte_may_become_any_other),
        cmocka_unit_test(objects_that_end_early),
        cmocka_unit_test(values_of_the_same_length),
        cmocka_unit_test(digits_change),
        cmocka_unit_test(more_shapes_than_are_remembered),
        cmocka_unit_test(objects_too_long_or_with_too_many_values_have_no_shape),
        cmocka_unit_test(times_are_those_of_the_general_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
