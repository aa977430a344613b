/* The parts of try and check: data files as messages, an app's own tests. */
#include "base/csv.h"
#include "cli/advice.h"
#include "cli/app_tests.h"
#include "cli/lines.h"
#include "cli/try.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char yaml[] =
    "tenant: acme\nevents:\n  time: { field: t, format: unix_ms }\n"
    "  fields: { id: int, v: { type: float, optional: true } }\nstreams:\n"
    "  - { name: s, key: [id], window: { tumbling: 10s }, select: { n: count(), top: max(v) } }\n";

static struct app *load(const char *text)
{
    struct app_diags diags = {0};
    struct app *app = app_load(text, strlen(text), NULL, &diags);
    if (!app)
        fail_msg("%s", diags.list[0].message);
    app_diags_free(&diags);
    return app;
}

static void write_file(char *path, const char *text, size_t len)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    close(fd);
}

/* ---- lines ---- */

static void show_line(void *context, const struct line *line)
{
    buf_printf(context, "%llu %llu ", (unsigned long long)line->offset, (unsigned long long)line->number);
    if (line->row)
        csv_write(line->row, context);
    else
        buf_add(context, line->raw.p, line->raw.len);
    buf_add_char(context, '|');
}

static void show_bad(void *context, const struct line *line, const char *why)
{
    assert_true(*why != 0);
    buf_printf(context, "%llu %llu BAD %.*s|", (unsigned long long)line->offset, (unsigned long long)line->number,
               (int)line->raw.len, line->raw.p);
}

static void expect_lines(enum lines_format format, const char *data, const char *want)
{
    char path[] = "/tmp/belltower-lines-XXXXXX";
    struct app *app = load(yaml);
    struct buf out = {0};
    struct lines_sink sink = {&out, show_line, show_bad};
    struct lines_end end;
    struct err err;
    write_file(path, data, strlen(data));
    if (lines_read(path, format, app, &sink, &end, &err) < 0)
        buf_printf(&out, "error %s", err_code_name(err.code));
    unlink(path);
    assert_string_equal(buf_cstr(&out), want);
    buf_free(&out);
    app_free(&app);
}

static void lines_of_ndjson_are_messages_as_they_are(void **state)
{
    (void)state;
    expect_lines(LINES_GUESS, "{\"a\":1}\r\n\n x\n[2]", "0 1 {\"a\":1}\r|1 2 |2 3  x|3 4 [2]|");
    expect_lines(LINES_GUESS, "", "");
    expect_lines(LINES_NDJSON, "id,t\n", "0 1 id,t|");
}

static void lines_of_csv_become_objects(void **state)
{
    (void)state;
    expect_lines(LINES_GUESS, "\nid,t,v\r\n1,5,2.5\r\n\n2,6\n3,7,\n",
                 "0 3 {\"id\":1,\"t\":5,\"v\":2.5}|1 4 |2 5 BAD 2,6|3 6 {\"id\":3,\"t\":7,\"v\":null}|");
    expect_lines(LINES_CSV, "{\"id\",t\n", "error invalid");
    expect_lines(LINES_GUESS, "a,a\n1,2\n", "error invalid");
}

static void a_line_without_end_is_refused(void **state)
{
    (void)state;
    size_t len = 17 * 1024 * 1024;
    char *data = malloc(len + 1);
    memset(data, 'x', len);
    data[len] = 0;
    data[0] = '{';
    expect_lines(LINES_GUESS, data, "error too-large");
    free(data);
}

/* ---- an app's own tests ---- */

static void compares_what_is_expected_with_what_came(void **state)
{
    (void)state;
    static const struct {
        const char *expected, *got;
        bool fits;
    } cases[] = {
        {"{}", "{\"n\":1}", true},
        {"{\"n\":1}", "{\"m\":2,\"n\":1}", true},
        {"{\"n\":1.0}", "{\"n\":1}", true},
        {"{\"n\":0.3}", "{\"n\":0.30000000000000004}", true},
        {"{\"n\":0.3}", "{\"n\":0.300001}", false},
        {"{\"n\":9007199254740993}", "{\"n\":9007199254740992}", false},
        {"{\"n\":\"1\"}", "{\"n\":1}", false},
        {"{\"n\":null}", "{\"n\":null}", true},
        {"{\"n\":null}", "{\"m\":1}", false},
        {"{\"s\":\"\\u0061\"}", "{\"s\":\"a\"}", true},
        {"{\"s\":\"a\"}", "{\"s\":\"b\"}", false},
        {"{\"b\":true}", "{\"b\":false}", false},
    };
    struct buf why = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool fits =
            app_tests_fits(cases[i].expected, strlen(cases[i].expected), cases[i].got, strlen(cases[i].got), &why);
        if (fits != cases[i].fits)
            fail_msg("%s and %s", cases[i].expected, cases[i].got);
        assert_int_equal(why.len > 0, !fits);
    }
    buf_free(&why);
}

static void show_outcome(void *context, const struct app_test_outcome *o)
{
    buf_printf(context, "%s: %s\n", o->test->name, o->passed ? "passed" : o->failure);
}

static void expect_tests(const char *tests, const char *want)
{
    struct buf text = {0}, out = {0};
    buf_printf(&text, "%stests:\n%s", yaml, tests);
    struct app *app = load(buf_cstr(&text));
    size_t failed = app_tests_run(app, text.data, text.len, "/nowhere/app.yaml", show_outcome, &out);
    assert_string_equal(buf_cstr(&out), want);
    assert_int_equal(failed != 0, strstr(want, ": passed") == NULL);
    app_free(&app);
    buf_free(&text);
    buf_free(&out);
}

static void runs_the_tests_of_an_app(void **state)
{
    (void)state;
#define EVENTS "    events: [ { t: 1, id: 1 }, { t: 2, id: 1, v: 2 }, { t: 2, id: x } ]\n"
    expect_tests("  - name: a\n" EVENTS
                 "    results: [ { id: 1, n: 2, top: 2, window_start: \"1970-01-01T00:00:00Z\" } ]\n",
                 "a: passed\n");
    expect_tests("  - name: b\n" EVENTS "    results: [ { id: 1, n: 3 } ]\n",
                 "b: result 1: n: expected 3, got 2 (1 set aside, the first as wrong-type: field `id` must be an int, "
                 "not \"x\")\n");
    expect_tests("  - name: c\n    events: [ { t: 1, id: 1 } ]\n    results: [ { id: 1 }, { id: 2 } ]\n",
                 "c: result 2 is missing: expected {\"id\":2}\n");
    expect_tests("  - name: d\n    events: [ { t: 1, id: 1 } ]\n    results: []\n",
                 "d: result 1: not expected: {\"id\":1,\"n\":1,\"top\":null,\"tenant_id\":\"acme\",\"stream\":\"s\","
                 "\"window_start\":\"1970-01-01T00:00:00Z\",\"window_end\":\"1970-01-01T00:00:10Z\",\"revision\":0}\n");
    expect_tests("  - name: e\n    file: none.csv\n    results: []\n",
                 "e: cannot read /nowhere/none.csv: No such file or directory\n");
}

static void every_reason_comes_with_advice(void **state)
{
    (void)state;
    for (int r = 0; r < DEAD_REASON_COUNT; r++)
        assert_true(*advice_for(dead_reason_name((enum dead_reason)r)) != 0);
    assert_true(*advice_for("not-csv") != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_ndjson_are_messages_as_they_are),
        cmocka_unit_test(lines_of_csv_become_objects),
        cmocka_unit_test(a_line_without_end_is_refused),
        cmocka_unit_test(compares_what_is_expected_with_what_came),
        cmocka_unit_test(runs_the_tests_of_an_app),
        cmocka_unit_test(every_reason_comes_with_advice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
