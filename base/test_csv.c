#include "base/csv.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct csv_type types[] = {
    {"station_id", VALUE_INT}, {"value", VALUE_FLOAT},   {"isActive", VALUE_BOOL},
    {"name", VALUE_STRING},    {"device.id", VALUE_INT}, {"device.kind", VALUE_STRING},
};

static struct csv *begin(const char *header)
{
    struct csv *csv = NULL;
    struct err err;
    if (csv_begin(header, strlen(header), types, sizeof types / sizeof *types, &csv, &err) < 0)
        fail_msg("%s", err.text);
    return csv;
}

/* The row's bytes come from memory that ends with them. */
static int row_of(struct csv *csv, const char *line, struct buf *out, struct err *err)
{
    size_t len = strlen(line);
    char *copy = malloc(len ? len : 1);
    memcpy(copy, line, len);
    int rc = csv_row(csv, copy, len, out, err);
    free(copy);
    return rc;
}

static void expect(const char *header, const char *line, const char *want)
{
    struct csv *csv = begin(header);
    struct buf out = {0};
    struct err err;
    if (row_of(csv, line, &out, &err) < 0)
        fail_msg("%s: %s", line, err.text);
    assert_string_equal(buf_cstr(&out), want);
    csv_free(&csv);
    buf_free(&out);
}

static void converts_cells_by_type(void **state)
{
    (void)state;
    const char *header = "station_id,value,isActive,name,other";
    expect(header, "1,2.5,true,x,7",
           "{\"station_id\":1,\"value\":2.5,\"isActive\":true,\"name\":\"x\",\"other\":\"7\"}");
    expect(header, "-1,1e3,FALSE,12,\r\n",
           "{\"station_id\":-1,\"value\":1e3,\"isActive\":false,\"name\":\"12\",\"other\":null}");
    expect(header, ",\"\",,,", "{\"station_id\":null,\"value\":null,\"isActive\":null,\"name\":null,\"other\":null}");
    expect(header, "01,NaN,1,a b, c",
           "{\"station_id\":\"01\",\"value\":\"NaN\",\"isActive\":\"1\",\"name\":\"a b\",\"other\":\" c\"}");
    expect("value", "\"1.5\"", "{\"value\":1.5}");
    expect("value", " 1.5", "{\"value\":\" 1.5\"}");
    expect("\xEF\xBB\xBFvalue\r\n", "3", "{\"value\":3}");
}

static void reads_quotes(void **state)
{
    (void)state;
    expect("name,value", "\"a,\"\"b\"\"\",1", "{\"name\":\"a,\\\"b\\\"\",\"value\":1}");
    expect("\"na\"\"me\",value", "x,1", "{\"na\\\"me\":\"x\",\"value\":1}");
}

static void nests_paths(void **state)
{
    (void)state;
    expect("device.id,name,device.kind,a.b", "7,n,k,v",
           "{\"device\":{\"id\":7,\"kind\":\"k\"},\"name\":\"n\",\"a.b\":\"v\"}");
}

static void refuses_bad_headers(void **state)
{
    (void)state;
    static const char *const headers[] = {"", "a,,b", "a,a", "a,\"b", "a,\"b\"c", "a,b\"c", "a,\xFF"};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct csv *csv = NULL;
        struct err err;
        assert_int_equal(csv_begin(headers[i], strlen(headers[i]), types, 2, &csv, &err), -1);
        assert_int_equal(err.code, ERR_INVALID);
        assert_null(csv);
    }
    char many[2 * CSV_MAX_COLUMNS + 2];
    struct csv *csv = NULL;
    struct err err;
    memset(many, ',', sizeof many);
    assert_int_equal(csv_begin(many, sizeof many, NULL, 0, &csv, &err), -1);
}

static void tells_at_once_what_would_spoil_every_row(void **state)
{
    (void)state;
    static const char *const headers[][2] = {{"station_id,name\r1,a\r2,b\r", "CR alone"},
                                             {"station_id\r1", "CR alone"},
                                             {"station_id;name", "semicolons"},
                                             {"station_id\tname\r\n", "tabs"}};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct csv *csv = NULL;
        struct err err;
        assert_int_equal(csv_begin(headers[i][0], strlen(headers[i][0]), types, 2, &csv, &err), -1);
        assert_int_equal(err.code, ERR_INVALID);
        assert_non_null(strstr(err.text, headers[i][1]));
        assert_non_null(strstr(err.text, "expected"));
        assert_null(csv);
    }
    struct csv *one = begin("station_id\r\n"); /* a single column is a file, too */
    csv_free(&one);
}

static void refuses_bad_rows_and_goes_on(void **state)
{
    (void)state;
    struct csv *csv = begin("station_id,name");
    struct buf out = {0};
    struct err err;
    static const char *const rows[] = {"1",
                                       "1,2,3",
                                       "1,\"a",
                                       "1,\"a\"b",
                                       "1,a\"b",
                                       "1,\xC3(",
                                       "1,\"a\"\"",
                                       "1,"
                                       "a,"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (row_of(csv, rows[i], &out, &err) == 0)
            fail_msg("accepted: %s", rows[i]);
        assert_int_equal(err.code, ERR_INVALID);
        assert_int_equal(out.len, 0);
    }
    assert_int_equal(row_of(csv, "", &out, &err), 0);
    assert_int_equal(row_of(csv, "\r\n", &out, &err), 0);
    assert_int_equal(out.len, 0);
    assert_int_equal(row_of(csv, "2,b", &out, &err), 0);
    assert_string_equal(buf_cstr(&out), "{\"station_id\":2,\"name\":\"b\"}");
    csv_free(&csv);
    buf_free(&out);
}

static void names_the_cell_that_does_not_fit(void **state)
{
    (void)state;
    static const struct csv_type three_types[] = {{"n", VALUE_INT}, {"f", VALUE_FLOAT}, {"b", VALUE_BOOL}};
    static const struct {
        const char *line, *misfit; /* NULL: all fit */
    } cases[] = {
        {"1,2.5,true,x", NULL}, {",,,", NULL},      {"1e3,-0.5,FALSE,", NULL}, {"1.5,1,true,", "n"},
        {"1,nan,true,", "f"},   {"1,1e400,,", "f"}, {"1,1,yes,", "b"},         {"99999999999999999999,1,,", "n"}};
    struct csv *csv;
    struct err err;
    struct buf out = {0};
    assert_int_equal(csv_begin("n,f,b,s", 7, three_types, 3, &csv, &err), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum value_type type;
        buf_clear(&out);
        assert_int_equal(csv_row(csv, cases[i].line, strlen(cases[i].line), &out, &err), 0);
        const char *misfit = csv_misfit(csv, &type);
        if (cases[i].misfit)
            assert_string_equal(misfit, cases[i].misfit);
        else
            assert_null(misfit);
    }
    buf_free(&out);
    csv_free(&csv);
}

/* A line whose cells are all in quotes is read cell by cell, one that is plain is not: the same comes of both. */
static void expect_as_quoted(struct csv *csv, const char *line)
{
    struct buf quoted = {0}, plain_out = {0}, quoted_out = {0};
    struct err err;
    enum value_type type;
    buf_add_char(&quoted, '"');
    for (const char *s = line; *s; s++)
        buf_add_str(&quoted, *s == ',' ? "\",\"" : (char[]){*s, 0});
    buf_add_char(&quoted, '"');
    assert_int_equal(row_of(csv, line, &plain_out, &err), 0);
    const char *misfit = csv_misfit(csv, &type);
    assert_int_equal(row_of(csv, buf_cstr(&quoted), &quoted_out, &err), 0);
    assert_ptr_equal(misfit, csv_misfit(csv, &type));
    assert_string_equal(buf_cstr(&plain_out), buf_cstr(&quoted_out));
    buf_free(&quoted);
    buf_free(&plain_out);
    buf_free(&quoted_out);
}

static void plain_lines_are_read_as_all_others(void **state)
{
    (void)state;
    static const char *const cells[] = {"",
                                        "0",
                                        "-0",
                                        "01",
                                        "-",
                                        "1.5",
                                        "1.",
                                        ".5",
                                        "-12.50",
                                        "1e3",
                                        "1E-2",
                                        "+1",
                                        "1x",
                                        "true",
                                        "TRUE",
                                        "True",
                                        "false",
                                        "null",
                                        "a b",
                                        "{}",
                                        "\t",
                                        "\xC3\xA9",
                                        "\x7F",
                                        "a\\b",
                                        "12345678901234567890",
                                        "123456789012345678",
                                        "123456789012345",
                                        "1234567890.1234567",
                                        "121.0",
                                        "1e400",
                                        "nan",
                                        "2026-01-01 00:00:00 UTC",
                                        "a text that is longer than what is copied at once"};
    struct csv *csv = begin("device.kind,station_id,name,value,isActive,device.id,other");
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        for (int column = 0; column < 7; column++) {
            struct buf line = {0};
            for (int c = 0; c < 7; c++)
                buf_printf(&line, "%s%s", c ? "," : "", c == column ? cells[i] : "7");
            expect_as_quoted(csv, buf_cstr(&line));
            buf_free(&line);
        }
    }
    csv_free(&csv);
}

static void writes_cells(void **state)
{
    (void)state;
    struct buf out = {0};
    csv_w_cell(&out, "plain", 5);
    csv_w_cell(&out, ";", 1);
    csv_w_cell(&out, "a,\"b\"\n", 6);
    assert_string_equal(buf_cstr(&out), "plain;\"a,\"\"b\"\"\n\"");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(converts_cells_by_type),
        cmocka_unit_test(reads_quotes),
        cmocka_unit_test(nests_paths),
        cmocka_unit_test(refuses_bad_headers),
        cmocka_unit_test(tells_at_once_what_would_spoil_every_row),
        cmocka_unit_test(refuses_bad_rows_and_goes_on),
        cmocka_unit_test(names_the_cell_that_does_not_fit),
        cmocka_unit_test(plain_lines_are_read_as_all_others),
        cmocka_unit_test(writes_cells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
