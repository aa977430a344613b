/* A file's lines into messages: what is refused, and what is said of a file that is of no use. */
#include "cli/send.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char yaml[] =
    "tenant: acme\nevents:\n  time: { field: t, format: unix_ms }\n"
    "  fields: { id: int, where: { type: string, from: at.room }, v: { type: float, optional: true } }\nstreams:\n"
    "  - { name: s, key: [id], window: { tumbling: 10s }, select: { n: count() } }\n";

/* Converts the text as one piece and judges it; the error's text, "" if all is well. */
static const char *convert(struct send_source *s, const char *text)
{
    static struct err err;
    struct app_diags diags;
    struct app *app = app_load(yaml, strlen(yaml), NULL, &diags);
    const struct piece piece = {.p = text, .len = strlen(text), .number = 1, .line = 1};
    app_diags_free(&diags);
    assert_non_null(app);
    s->app = app;
    int status = send_convert(s, &piece, &err);
    if (status == 0)
        status = send_source_judge(s, &err);
    send_source_free(s);
    s->app = NULL;
    app_free(&app);
    assert_true(status == 0 || err.code == ERR_INVALID);
    return status < 0 ? err.text : "";
}

#define CSV(text)    convert(&(struct send_source){.csv = true}, text)
#define NDJSON(text) convert(&(struct send_source){.guessed = true}, text)

static void a_file_that_fits_is_sent(void **state)
{
    (void)state;
    assert_string_equal(CSV("t,id,at.room,more\n1,2,x,y\n"), "");
    assert_string_equal(NDJSON("{\"t\":1,\"id\":2,\"at\":{\"room\":\"x\"}}\n"), "");
    assert_string_equal(NDJSON("[{\"t\":1}]\n"), "");
    assert_string_equal(NDJSON("{\"t\":1}\n{\"t\":1,\"id\":2,\"at\":{\"room\":\"x\"}}\n"), "");
}

static void nothing_to_send_is_no_success(void **state)
{
    (void)state;
    assert_non_null(strstr(CSV(""), "the file holds no event"));
    assert_non_null(strstr(NDJSON("\n"), "the file holds no event"));
    assert_non_null(strstr(CSV("t,id,at.room\n"), "no row stands behind the header"));
    assert_non_null(strstr(CSV("t,id,at.room\n1,2\n"), "none of 1 rows can be read, the first: line 2"));
}

static void missing_columns_are_named_before_anything_is_sent(void **state)
{
    (void)state;
    struct send_source s = {.csv = true};
    const char *text = convert(&s, "t,station,room\n1,2,x\n");
    assert_non_null(strstr(text, "needs the columns `id`, `at.room`, and it has t,station,room"));
    assert_int_equal(s.rows, 0);
    assert_non_null(strstr(CSV("a;b,\n"), "the first line must be a header row, with commas"));
}

static void events_that_lack_fields_are_no_success(void **state)
{
    (void)state;
    assert_non_null(strstr(NDJSON("{\"t\":1,\"at\":1}\n{\"a\":1}\n"),
                           "none of the 2 events has what the app needs; the "
                           "first lacks `id`, `at.room`"));
}

static void another_format_is_not_sent_as_ndjson(void **state)
{
    (void)state;
    struct send_source given = {.guessed = false};
    assert_non_null(strstr(NDJSON("# an app\ntenant: acme\n"), "line 1 is no JSON object"));
    assert_non_null(strstr(NDJSON("\n{\n"), "line 2 is no JSON object"));
    convert(&given, "# as it is\n");
    assert_int_equal(given.rows, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_fits_is_sent),
        cmocka_unit_test(nothing_to_send_is_no_success),
        cmocka_unit_test(missing_columns_are_named_before_anything_is_sent),
        cmocka_unit_test(events_that_lack_fields_are_no_success),
        cmocka_unit_test(another_format_is_not_sent_as_ndjson),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
