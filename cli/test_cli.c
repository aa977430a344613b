/* The simulator, options and tables. */
#include "cli/options.h"
#include "cli/simulator.h"
#include "cli/table.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/time_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct simulation options = {.start_ms = INT64_C(1767225600000),
                                          .duration_ms = 6 * 3600000,
                                          .stations = 5,
                                          .per_hour = 60,
                                          .seed = 7,
                                          .storms = 1,
                                          .csv = true};

static void simulate(const struct simulation *o, struct buf *out)
{
    struct simulator *s = simulator_new(o);
    simulator_header(s, out);
    while (simulator_line(s, out))
        ;
    simulator_free(&s);
}

/* The bytes of a seed are a promise: examples, tests and measurements rely on them. */
static void a_seed_gives_the_same_bytes_for_ever(void **state)
{
    (void)state;
    struct buf out = {0};
    char hex[33];
    simulate(&options, &out);
    hash_fnv128_hex(out.data, out.len, hex);
    assert_string_equal(hex, "9b0928edad023ae9235a7107d9f1be9d");
    buf_free(&out);
}

static size_t count_lines(const struct buf *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->len; i++)
        n += b->data[i] == '\n';
    return n;
}

static void lines_are_as_many_as_asked_for(void **state)
{
    (void)state;
    struct simulation o = options;
    struct buf out = {0};
    o.storms = 0;
    simulate(&o, &out);
    assert_int_equal(count_lines(&out), 1 + 5 * simulator_sensors() * 6 * 60);
    buf_clear(&out);
    o.duplicates = 1000;
    simulate(&o, &out);
    assert_int_equal(count_lines(&out), 1 + 2 * 5 * simulator_sensors() * 6 * 60);
    buf_free(&out);
}

/* event_time of a CSV line, in ms */
static int64_t time_of(const char *line)
{
    struct time_format f;
    struct err err;
    int64_t ms;
    for (int i = 0; i < 3; i++)
        line = strchr(line, ',') + 1;
    static const char pattern[] = "%Y-%m-%d %H:%M:%S UTC";
    assert_int_equal(time_format_compile(pattern, sizeof pattern - 1, &f, &err), 0);
    assert_true(time_format_parse(&f, line, 23, &ms));
    return ms;
}

static int64_t worst_disorder(const struct simulation *o)
{
    struct buf out = {0};
    int64_t highest = 0, worst = 0;
    simulate(o, &out);
    const char *p = strchr(buf_cstr(&out), '\n') + 1;
    for (; *p; p = strchr(p, '\n') + 1) {
        int64_t t = time_of(p);
        highest = t > highest ? t : highest;
        worst = highest - t > worst ? highest - t : worst;
    }
    buf_free(&out);
    return worst;
}

static void disorder_is_bounded_by_what_was_asked_for(void **state)
{
    (void)state;
    struct simulation o = options;
    assert_int_equal(worst_disorder(&o), 0);
    o.disorder_ms = 20000;
    int64_t worst = worst_disorder(&o);
    assert_true(worst > 10000 && worst <= 20000);
}

static void a_storm_raises_alarms(void **state)
{
    (void)state;
    struct simulator *s = simulator_new(&options);
    int64_t from, to;
    unsigned hit = 0;
    simulator_storm(s, 0, &from, &to);
    for (uint32_t station = 1; station <= options.stations; station++)
        hit += simulator_in_storm(s, 0, station);
    assert_true(hit > 0);
    assert_true(from >= options.start_ms && to <= options.start_ms + options.duration_ms);
    simulator_free(&s);
}

static void options_are_taken_and_mistakes_named(void **state)
{
    (void)state;
    bool flag = false;
    const char *text = NULL;
    int64_t number = 5, duration = 0, time = 0;
    const struct option table[] = {{"flag", OPTION_FLAG, &flag, NULL, ""},
                                   {"o", OPTION_TEXT, &text, "F", ""},
                                   {"number", OPTION_NUMBER, &number, "N", ""},
                                   {"for", OPTION_DURATION, &duration, "T", ""},
                                   {"at", OPTION_TIME, &time, "T", ""}};
    char *argv[] = {"verb",  "a",    "--flag",     "-o", "json", "--number=12", "--for",
                    "1h30m", "--at", "2026-01-01", "-",  "--",   "--b",         NULL};
    int argc = 13;
    struct err err;
    assert_int_equal(options_parse(&argc, argv, table, 5, &err), 0);
    assert_int_equal(argc, 4);
    assert_string_equal(argv[1], "a");
    assert_string_equal(argv[2], "-");
    assert_string_equal(argv[3], "--b");
    assert_true(flag);
    assert_string_equal(text, "json");
    assert_int_equal(number, 12);
    assert_int_equal(duration, 5400000);
    assert_int_equal(time, INT64_C(1767225600000));
    static const char *const bad[] = {"--nothing", "--number=x",     "--number=-1", "--flag=1",
                                      "--for=5",   "--at=yesterday", "--number"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *one[] = {"verb", (char *)(uintptr_t)bad[i], NULL};
        argc = 2;
        assert_int_equal(options_parse(&argc, one, table, 5, &err), -1);
    }
    char *near[] = {"verb", "--numbr=3", NULL};
    argc = 2;
    assert_int_equal(options_parse(&argc, near, table, 5, &err), -1);
    assert_non_null(strstr(err.text, "did you mean --number?"));
}

static char *print(enum table_format format, const char *rows, const struct table_column *columns, size_t count)
{
    char *text = NULL;
    size_t len;
    struct err err;
    FILE *f = open_memstream(&text, &len);
    assert_int_equal(table_print(f, format, rows, strlen(rows), columns, count, &err), 0);
    fclose(f);
    return text;
}

static void tables_for_people_and_programs(void **state)
{
    (void)state;
    static const char rows[] =
        "[{\"a\":1,\"b\":\"x, \\\"y\\\"\"},{\"a\":-12.5,\"b\":null,\"c\":{\"d\":true}},{\"a\":3,\"b\":\"\\u001b[2J\"}]";
    static const struct table_column columns[] = {{"a", "number"}, {"c.d", "deep"}};
    char *text = print(TABLE_CSV, rows, NULL, 0);
    assert_string_equal(text, "a,b\n1,\"x, \"\"y\"\"\"\n-12.5,\n3,\\x1b[2J\n");
    free(text);
    text = print(TABLE_TABLE, rows, columns, 2);
    assert_string_equal(text, "number  deep\n1       \n-12.5   true\n3       \n");
    free(text);
    text = print(TABLE_JSON, "[{\"a\":1}, {\"a\":2}]", NULL, 0);
    assert_string_equal(text, "{\"a\":1}\n{\"a\":2}\n");
    free(text);
    text = print(TABLE_TABLE, "[]", NULL, 0);
    assert_string_equal(text, "");
    free(text);
}

static void what_is_cut_shows_that_it_is(void **state)
{
    (void)state;
    struct buf rows = {0};
    static const struct table_column columns[] = {{"a", NULL}, {"b", NULL}};
    char cell[101];
    memset(cell, 'x', 100);
    cell[100] = 0;
    buf_printf(&rows, "[{\"a\":\"%s\",\"b\":\"%s\"}]", cell, cell);
    char *text = print(TABLE_TABLE, buf_cstr(&rows), columns, 2);
    const char *row = strchr(text, '\n') + 1;
    assert_int_equal(strspn(row, "x"), 59);
    assert_memory_equal(row + 59, "\u2026  ", 5);
    assert_int_equal(strspn(row + 64, "x"), 100); /* the last column has room */
    free(text);
    buf_free(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_gives_the_same_bytes_for_ever),
        cmocka_unit_test(lines_are_as_many_as_asked_for),
        cmocka_unit_test(disorder_is_bounded_by_what_was_asked_for),
        cmocka_unit_test(a_storm_raises_alarms),
        cmocka_unit_test(options_are_taken_and_mistakes_named),
        cmocka_unit_test(tables_for_people_and_programs),
        cmocka_unit_test(what_is_cut_shows_that_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
