#include "api/metrics_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static void names_follow_the_conventions(void **state)
{
    (void)state;
    for (int i = 0; i < METRIC_FAMILY_COUNT; i++) {
        const struct family *f = &families[i];
        assert_int_equal(strncmp(f->name, "belltower_", 10), 0);
        assert_int_equal(strspn(f->name, "abcdefghijklmnopqrstuvwxyz_"), strlen(f->name));
        assert_int_equal(ends_with(f->name, "_total"), strcmp(f->type, "counter") == 0);
        assert_true(*f->help && *f->by);
    }
    for (int i = 0; i < METRIC_COUNT; i++)
        assert_int_equal(ends_with(metrics[i].name, "_total"), metrics[i].kind == COUNTER);
}

static void no_family_is_there_twice(void **state)
{
    const char *names[METRIC_COUNT + METRIC_FAMILY_COUNT];
    size_t count = 0;
    (void)state;
    for (int i = 0; i < METRIC_COUNT; i++)
        names[count++] = metrics[i].name;
    for (int i = 0; i < METRIC_FAMILY_COUNT; i++)
        names[count++] = families[i].name;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(names[i], names[k]);
}

static void values_of_labels_are_escaped(void **state)
{
    struct buf out = {0};
    (void)state;
    buf_add_str(&out, "x{");
    metrics_label(&out, "a", "back\\slash \"quote\" line\nfeed {,} \xc3\xa4");
    metrics_label(&out, "b", "");
    metrics_label(&out, "c", "{");
    assert_string_equal(buf_cstr(&out), "x{a=\"back\\\\slash \\\"quote\\\" line\\nfeed {,} \xc3\xa4\",b=\"\",c=\"{\"");
    buf_free(&out);
}

static void headers_and_the_page_of_the_docs(void **state)
{
    struct buf out = {0};
    (void)state;
    slot_header(&out, M_EVENTS);
    family_header(&out, F_API_REQUESTS);
    assert_string_equal(buf_cstr(&out),
                        "# HELP belltower_events_read_total events decoded\n"
                        "# TYPE belltower_events_read_total counter\n"
                        "# HELP belltower_api_request_duration_seconds how long the API took to answer\n"
                        "# TYPE belltower_api_request_duration_seconds histogram\n");
    buf_clear(&out);
    metrics_markdown(&out);
    assert_non_null(strstr(buf_cstr(&out), "| `belltower_events_read_total` | counter | `tenant` | stream | "));
    assert_non_null(strstr(buf_cstr(&out), "| `belltower_job_runs_total` | counter | `tenant`, `job`, `result` | "));
    assert_non_null(strstr(buf_cstr(&out), "| `belltower_unrouted_messages` | gauge |  | API | "));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_follow_the_conventions),
        cmocka_unit_test(no_family_is_there_twice),
        cmocka_unit_test(values_of_labels_are_escaped),
        cmocka_unit_test(headers_and_the_page_of_the_docs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
