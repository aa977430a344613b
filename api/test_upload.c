#include "api/upload.h"

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char app_text[] = "tenant: acme\n"
                               "events:\n"
                               "  time: { field: t, format: unix }\n"
                               "  fields: { station: int, level: { type: float, default: 0 }, site: { type: string, "
                               "from: place.site, optional: true } }\n"
                               "streams:\n"
                               "  - { name: s, key: [station], window: { tumbling: 1m }, select: { n: count() } }\n"
                               "limits: { event: 1000, message: 2000 }\n";

struct fixture {
    struct app *app;
    struct upload u;
    struct buf sent; /* "number:lines:body" of each message, one behind the other */
    struct err err;
    int fail_at; /* the message that is refused; -1 = none */
};

static int collect(void *context, uint64_t number, const struct buf *body, uint64_t lines, struct err *err)
{
    struct fixture *f = context;
    if (f->fail_at-- == 0)
        return err_set(err, ERR_UNAVAILABLE, "no");
    buf_printf(&f->sent, "%llu:%llu:", (unsigned long long)number, (unsigned long long)lines);
    buf_add(&f->sent, body->data, body->len);
    return 0;
}

static void begin(struct fixture *f, enum upload_format format, bool numbered)
{
    struct app_diags diags;
    memset(f, 0, sizeof *f);
    f->fail_at = -1;
    f->app = app_load(app_text, sizeof app_text - 1, NULL, &diags);
    if (!f->app)
        fail_msg("line %u: %s", diags.list[0].line, diags.list[0].message);
    app_diags_free(&diags);
    f->u = (struct upload){.app = f->app, .format = format, .numbered = numbered, .send = collect, .context = f};
    upload_begin(&f->u);
}

static void end(struct fixture *f)
{
    upload_free(&f->u);
    app_free(&f->app);
    buf_free(&f->sent);
}

static int whole(struct fixture *f, const char *text)
{
    if (upload_add(&f->u, text, strlen(text), &f->err) < 0)
        return -1;
    return upload_end(&f->u, &f->err);
}

static void expect(struct fixture *f, uint64_t accepted, uint64_t rejected, const char *sent)
{
    assert_int_equal(f->u.accepted, accepted);
    assert_int_equal(f->u.rejected, rejected);
    assert_string_equal(buf_cstr(&f->sent), sent);
}

static void judges_lines(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f, UPLOAD_NDJSON, false);
    assert_int_equal(whole(&f, "{\"a\":1}\n\n  \nx\n[1]\n{\"a\":NaN}\r\n{\"b\":2}\r\n{\"c\":3}"), 0);
    expect(&f, 3, 3, "0:3:{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n");
    assert_int_equal(f.u.errors[0].line, 4);
    assert_string_equal(f.u.errors[0].reason, "not-json");
    assert_int_equal(f.u.errors[1].line, 5);
    assert_string_equal(f.u.errors[1].reason, "wrong-type");
    assert_int_equal(f.u.errors[2].line, 6);
    end(&f);
}

static void judges_rows(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f, UPLOAD_CSV, false);
    assert_int_equal(
        whole(&f,
              "t,station,level,place.site,extra\n1.5,1,2,north,x\n1,2,,,\n1,2,3\n1,x,3,,\nnoon,1,1,,\n1,1,1e999,,\n"),
        0);
    expect(&f, 2, 4,
           "0:2:{\"t\":1.5,\"station\":1,\"level\":2,\"place\":{\"site\":\"north\"},\"extra\":\"x\"}\n"
           "{\"t\":1,\"station\":2,\"level\":null,\"place\":{\"site\":null},\"extra\":null}\n");
    static const char *const reasons[] = {"not-csv", "wrong-type", "wrong-type", "wrong-type"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(f.u.errors[i].line, 4 + i);
        assert_string_equal(f.u.errors[i].reason, reasons[i]);
    }
    end(&f);
}

static void refuses_csv_without_a_header(void **state)
{
    static const char *const texts[] = {"", "a,a\n", "a,,b\n", "\"x\n"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct fixture f;
        begin(&f, UPLOAD_CSV, false);
        assert_int_equal(whole(&f, texts[i]), -1);
        assert_int_equal(f.err.code, ERR_INVALID);
        expect(&f, 0, 0, "");
        end(&f);
    }
}

static void takes_documents_of_all_shapes(void **state)
{
    static const struct {
        const char *text, *sent;
        uint64_t accepted, rejected;
    } cases[] = {{"{\"a\":1}", "0:1:{\"a\":1}\n", 1, 0},
                 {" {\n\"a\":1\n} ", "0:1:{\n\"a\":1\n}\n", 1, 0},
                 {"[{\"a\":1},{\"b\":2}]\n", "0:2:{\"a\":1}\n{\"b\":2}\n", 2, 0},
                 {"{\"a\":1}\n{\"b\":2}", "0:2:{\"a\":1}\n{\"b\":2}\n", 2, 0},
                 {"[1,{\"a\":1},[]]", "0:1:{\"a\":1}\n", 1, 2},
                 {"[]", "", 0, 0},
                 {"5", "", 0, 1}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;
        begin(&f, UPLOAD_JSON, false);
        assert_int_equal(whole(&f, cases[i].text), 0);
        expect(&f, cases[i].accepted, cases[i].rejected, cases[i].sent);
        end(&f);
    }
}

static void sends_nothing_of_a_document_that_is_none(void **state)
{
    static const char *const texts[] = {
        "", " \n", "{", "[{\"a\":1}", "[{\"a\":1},]", "[{\"a\":1}] x", "{\"a\":1}}", "{\"a\":1} x", "[1 2]", "nul"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct fixture f;
        begin(&f, UPLOAD_JSON, false);
        assert_int_equal(whole(&f, texts[i]), -1);
        assert_int_equal(f.err.code, ERR_INVALID);
        expect(&f, 0, 0, "");
        end(&f);
    }
}

static void names_the_line_of_a_fault(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f, UPLOAD_JSON, false);
    assert_int_equal(whole(&f, "[\n{\"a\":1},\n{\"a\":}\n]"), -1);
    assert_non_null(strstr(f.err.text, "line 3"));
    end(&f);
    begin(&f, UPLOAD_JSON, false);
    assert_int_equal(whole(&f, "[\n{\"a\":1},\n5\n]"), 0);
    assert_int_equal(f.u.errors[0].line, 3);
    end(&f);
}

/* 1200 rows, given in bites of `step` bytes. */
static void feed(struct fixture *f, size_t step)
{
    struct buf text = {0};
    buf_add_str(&text, "station,t\n");
    for (int i = 0; i < 1200; i++)
        buf_printf(&text, i % 100 == 7 ? "broken\n" : "%d,%d\n", i, i);
    for (size_t at = 0; at < text.len; at += step)
        assert_int_equal(upload_add(&f->u, text.data + at, text.len - at < step ? text.len - at : step, &f->err), 0);
    assert_int_equal(upload_end(&f->u, &f->err), 0);
    buf_free(&text);
}

static void cuts_by_bytes_however_they_come(void **state)
{
    struct fixture a, b;
    (void)state;
    begin(&a, UPLOAD_CSV, false);
    a.app->limits.message_bytes = 1 << 20;
    feed(&a, 1 << 20);
    assert_int_equal(a.u.accepted, 1188);
    assert_int_equal(a.u.rejected, 12);
    assert_memory_equal(a.sent.data, "0:494:", 6); /* the header and five broken rows are lines of the piece */
    for (size_t step = 1; step < 2000; step = step * 3 + 1) {
        begin(&b, UPLOAD_CSV, true);
        b.app->limits.message_bytes = 1 << 20;
        feed(&b, step);
        assert_int_equal(a.sent.len, b.sent.len);
        assert_memory_equal(a.sent.data, b.sent.data, a.sent.len);
        end(&b);
    }
    end(&a);
}

static char *object_of(size_t bytes)
{
    char *p = malloc(bytes + 1);
    memset(p, 'x', bytes);
    memcpy(p, "{\"s\":\"", 6);
    memcpy(p + bytes - 2, "\"}", 3);
    return p;
}

static void keeps_the_limits_of_the_app(void **state)
{
    struct fixture f;
    char *fits = object_of(1000), *large = object_of(1001);
    (void)state;
    for (int numbered = 0; numbered < 2; numbered++) {
        begin(&f, UPLOAD_NDJSON, numbered);
        char *text = malloc(8000);
        sprintf(text, "%s\n%s\n%s\n{}\n", fits, large, fits);
        assert_int_equal(whole(&f, text), 0);
        assert_int_equal(f.u.errors[0].line, 2);
        assert_string_equal(f.u.errors[0].reason, "too-large");
        /* The third makes the message too large: a new one if its number is no sequence, else it is refused. */
        assert_int_equal(f.u.accepted, numbered ? 2 : 3);
        assert_int_equal(f.u.rejected, numbered ? 2 : 1);
        assert_memory_equal(f.sent.data, numbered ? "0:2:" : "0:1:", 4);
        free(text);
        end(&f);
    }
    free(fits);
    free(large);
}

static void bounds_what_it_keeps(void **state)
{
    struct fixture f;
    char *bytes = calloc(1, 1 << 20);
    int status = 0, n = 0;
    (void)state;
    begin(&f, UPLOAD_NDJSON, false);
    memset(bytes, 'x', 1 << 20);
    while ((status = upload_add(&f.u, bytes, 1 << 20, &f.err)) == 0 && n < 100)
        n++;
    assert_int_equal(status, -1);
    assert_int_equal(f.err.code, ERR_TOO_LARGE);
    assert_true(n <= 16);
    end(&f);
    begin(&f, UPLOAD_JSON, false);
    for (n = 0; upload_add(&f.u, bytes, 1 << 20, &f.err) == 0 && n < 100;)
        n++;
    assert_int_equal(n, 16);
    assert_int_equal(f.err.code, ERR_TOO_LARGE);
    end(&f);
    begin(&f, UPLOAD_NDJSON, false);
    for (n = 0; n < 1000; n++)
        assert_int_equal(upload_add(&f.u, "x\n", 2, &f.err), 0);
    assert_int_equal(upload_end(&f.u, &f.err), 0);
    assert_int_equal(f.u.rejected, 1000);
    assert_int_equal(f.u.error_count, UPLOAD_ERRORS_MAX);
    end(&f);
    free(bytes);
}

static void stops_when_it_cannot_send(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f, UPLOAD_NDJSON, false);
    f.fail_at = 1;
    for (int i = 0; i < 500; i++)
        assert_int_equal(upload_add(&f.u, "{}\n", 3, &f.err), 0);
    for (int i = 0; i < 499; i++)
        assert_int_equal(upload_add(&f.u, "{}\n", 3, &f.err), 0);
    assert_int_equal(upload_add(&f.u, "{}\n", 3, &f.err), -1);
    assert_int_equal(f.err.code, ERR_UNAVAILABLE);
    assert_int_equal(f.u.accepted, 500);
    end(&f);
}

static void knows_the_types(void **state)
{
    enum upload_format format;
    (void)state;
    assert_true(upload_format_of("text/csv", &format) && format == UPLOAD_CSV);
    assert_true(upload_format_of("application/json", &format) && format == UPLOAD_JSON);
    assert_true(upload_format_of("application/x-ndjson", &format) && format == UPLOAD_NDJSON);
    assert_false(upload_format_of("text/plain", &format));
    assert_false(upload_format_of("", &format));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_lines),
        cmocka_unit_test(judges_rows),
        cmocka_unit_test(refuses_csv_without_a_header),
        cmocka_unit_test(takes_documents_of_all_shapes),
        cmocka_unit_test(sends_nothing_of_a_document_that_is_none),
        cmocka_unit_test(names_the_line_of_a_fault),
        cmocka_unit_test(cuts_by_bytes_however_they_come),
        cmocka_unit_test(keeps_the_limits_of_the_app),
        cmocka_unit_test(bounds_what_it_keeps),
        cmocka_unit_test(stops_when_it_cannot_send),
        cmocka_unit_test(knows_the_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
