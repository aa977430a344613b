/* Rows of CSV: an engine that reads them says what one says that reads the JSON they become, to the byte. */
#include "stream/engine/fixture.h"
#include "stream/engine/state.h"
#include "tenants/app/app_csv.h"

#define ROWS 6000

struct twins {
    struct fixture rows, objects;
    struct csv *csv;
    uint64_t random;
};

static void on_trace(void *context, const struct engine_trace *t)
{
    struct fixture *f = context;
    buf_printf(&f->out, "trace %d %llu.%u %lld ", t->kind, (unsigned long long)t->offset, t->index, (long long)t->time);
    buf_add(&f->out, t->body.p, t->body.len);
    buf_add_char(&f->out, '\n');
}

static size_t below(struct twins *t, size_t n)
{
    return next_random(&t->random) % n;
}

static void begin(struct twins *t, const char *yaml, const char *header)
{
    struct err err;
    *t = (struct twins){.rows = fixture_new(yaml), .objects = fixture_new(yaml), .random = 7};
    if (app_csv_begin(engine_app(t->rows.engine), header, strlen(header), &t->csv, &err) < 0)
        fail_msg("%s", err.text);
}

static void feed_row(struct twins *t, const char *line, size_t len, bool traced)
{
    struct engine_sink one = fixture_sink(&t->rows), other = fixture_sink(&t->objects);
    struct buf json = {0};
    struct err err;
    one.trace = other.trace = traced ? on_trace : NULL;
    if (csv_row(t->csv, line, len, &json, &err) < 0)
        fail_msg("%s", err.text);
    engine_message(t->objects.engine,
                   &(struct engine_message){.offset = t->objects.offset++, .body = {json.data, json.len}}, &other);
    assert_int_equal(csv_read(t->csv, line, len, &err), 0);
    engine_row(t->rows.engine, t->rows.offset++, t->csv, &one);
    buf_free(&json);
}

static void same_so_far(struct twins *t)
{
    struct buf one = {0}, other = {0};
    engine_snapshot(t->rows.engine, &one);
    engine_snapshot(t->objects.engine, &other);
    assert_int_equal(one.len, other.len);
    assert_memory_equal(one.data, other.data, one.len);
    assert_string_equal(buf_cstr(&t->rows.out), buf_cstr(&t->objects.out));
    buf_free(&one);
    buf_free(&other);
}

static void end(struct twins *t)
{
    feed_end(&t->rows);
    feed_end(&t->objects);
    same_so_far(t);
    csv_free(&t->csv);
    fixture_free(&t->rows);
    fixture_free(&t->objects);
}

/* One in `odd` cells is one of `all`, any other one of the first `usual`. */
static const char *cell(struct twins *t, const char *const *all, size_t count, size_t usual, size_t odd)
{
    return all[below(t, below(t, odd) ? usual : count)];
}
#define CELL(t, all, usual, odd) cell(t, all, sizeof(all) / sizeof *(all), usual, odd)

static void add_time(struct twins *t, struct buf *line, const char *format, int n)
{
    const int64_t jump = below(t, 50) ? 0 : below(t, 20) ? -60 : 7200; /* seconds */
    const int64_t s = 1000000 + n / 4 + jump;
    if (below(t, 60) == 0)
        buf_add_str(line, below(t, 2) ? "" : "99999999999999999");
    else if (strcmp(format, "unix_ms") == 0)
        buf_printf(line, "%lld%s", (long long)s * 1000 + (long long)below(t, 1000), below(t, 40) ? "" : ".0");
    else if (strcmp(format, "unix") == 0)
        buf_printf(line, "%lld%s", (long long)s, below(t, 3) ? "" : ".25");
    else
        buf_printf(line, "1970-01-12 %02d:%02d:%02d", (int)(s / 3600 % 24), (int)(s / 60 % 60), (int)(s % 60));
}

static void add_row(struct twins *t, struct buf *line, const char *format, int n)
{
    static const char *const ids[] = {"1",   "2",
                                      "3",   "17",
                                      "-4",  "1.0",
                                      "1e1", "1.5",
                                      "01",  "9223372036854775807",
                                      "x",   "99999999999999999999",
                                      "",    "\"5\"",
                                      "+1",  "1234567890123456"};
    static const char *const floats[] = {
        "1.5", "-2",       "240.0", "0", "", "1e400", "nan", "1e-3", "5.", ".5", "-0", "x1", "12345678.123456789",
        "007", "1234567.5"};
    static const char *const bools[] = {"true", "false", "TRUE", "False", "", "yes", "1", "tru"};
    static const char *const texts[] = {"",
                                        "a",
                                        "Wien-Mitte",
                                        "a b c d e f g h i j k l m",
                                        "\"q, \"\"r\"\"\"",
                                        "100",
                                        "K\u00f6ln",
                                        "null",
                                        "back\\slash",
                                        "with an end that is too long for an event"};
    static const char *const rests[] = {"", "r", "some text", "1", "[", "{}"};
    buf_clear(line);
    buf_printf(line, "%s,%s,", CELL(t, rests, 4, 9), CELL(t, ids, 4, 12));
    add_time(t, line, format, n);
    buf_printf(line, ",%s,%s,%s,%s,%s", CELL(t, floats, 4, 9), CELL(t, bools, 2, 9), CELL(t, texts, 3, 9),
               CELL(t, floats, 5, 9), CELL(t, rests, 3, 9));
    if (below(t, 400) == 0)
        buf_clear(line);
}

#define TEXT  "%Y-%m-%d %H:%M:%S"
#define WHERE "v > 0 or on"
#define APP(format, where)                                                                                             \
    "tenant: acme\nevents:\n"                                                                                          \
    "  time: { field: t, format: \"" format "\", out_of_orderness: 5s, ahead: 1h }\n"                                  \
    "  fields:\n    id: int\n    v: { type: float, default: 7 }\n    on: { type: bool, optional: true }\n"             \
    "    name: { type: string, optional: true }\n    below: { type: float, from: deep.er, optional: true }\n"          \
    "    gone: { type: int, default: 3 }\n"                                                                            \
    "limits: { event: 130 }\n"                                                                                         \
    "streams:\n"                                                                                                       \
    "  - { name: s, where: " where ", key: [id, name], window: { tumbling: 10s, allowed_lateness: 3s },"               \
    " select: { n: count(), top: max(below), total: sum(gone) } }\n"

static void rows_of(const char *yaml, const char *next, const char *format, const char *const *expected)
{
    struct twins t;
    struct buf line = {0};
    begin(&t, yaml, "more,id,t,v,on,name,deep.er,last");
    for (int n = 0; n < ROWS; n++) {
        add_row(&t, &line, format, n);
        feed_row(&t, line.data ? line.data : "", line.len, n > ROWS / 2);
        if (n == ROWS / 3) { /* what is open counts on as the old version says */
            feed_version(&t.rows, 2, next);
            feed_version(&t.objects, 2, next);
        }
        if (n % 500 == 0)
            same_so_far(&t);
    }
    for (; *expected; expected++) {
        if (!strstr(buf_cstr(&t.rows.out), *expected))
            fail_msg("no %s", *expected);
    }
    buf_free(&line);
    end(&t);
}

static const char *const all_reasons[] = {
    "dead missing-field", "dead wrong-type", "dead bad-time", "dead late", "dead ahead",
    "dead too-large",     "s 1000",          "trace",         NULL};

static void rows_are_the_objects_they_become(void **state)
{
    (void)state;
    rows_of(APP("unix_ms", WHERE), APP("unix_ms", "v > 1"), "unix_ms", all_reasons);
    rows_of(APP("unix", WHERE), APP("unix", "v > 1"), "unix", all_reasons);
    rows_of(APP(TEXT, WHERE), APP(TEXT, "v > 1"), "text", all_reasons);
}

static void no_body_is_made_of_a_row_like_one_before(void **state)
{
    (void)state;
    static const char first[] = "x,1,1000,2.5,true,a,1,y", second[] = "zz,22,1999,3,false,bcd,-7.25,",
                      broken[] = "x,1.5,1000,2.5,true,a,1,y";
    struct twins t;
    begin(&t, APP("unix_ms", WHERE), "more,id,t,v,on,name,deep.er,last");
    feed_row(&t, first, strlen(first), false);
    assert_int_not_equal(t.rows.engine->row_body.len, 0);
    buf_clear(&t.rows.engine->row_body);
    feed_row(&t, second, strlen(second), false);
    assert_int_equal(t.rows.engine->row_body.len, 0);
    feed_row(&t, broken, strlen(broken), false);
    assert_int_not_equal(t.rows.engine->row_body.len, 0);
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_the_objects_they_become),
        cmocka_unit_test(no_body_is_made_of_a_row_like_one_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
