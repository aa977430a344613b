#include "coredms/contract.h"

#include "base/mem.h"

#include <inttypes.h>

/* What a query gave: one line per row, "key@start/generation.revision". */
struct seen {
    struct buf text;
    size_t count, stop_after;
};

static bool see(void *context, const struct result_row *row)
{
    struct seen *s = context;
    buf_printf(&s->text, "%s@%" PRId64 "/%" PRIu64 ".%u ", row->key, row->window_start, row->generation, row->revision);
    return ++s->count != s->stop_after;
}

static struct history_filter all(const char *stream)
{
    return (struct history_filter){.stream = stream, .from = 0, .to = INT64_MAX};
}

static void assert_query(struct test *t, struct coredms *db, const struct history_filter *f, const char *wanted)
{
    struct seen s = {0};
    char *next = (char *)"untouched";
    OK(history_query(db, f, 1000, NULL, &next, see, &s, &t->err));
    assert_null(next);
    assert_string_equal(buf_cstr(&s.text), wanted);
    buf_free(&s.text);
}

static void test_source(void **state)
{
    struct test *t = *state;
    struct source s, found;
    OK(history_source(t->db, &found, &t->err));
    assert_int_equal(found.epoch, 0);
    assert_int_equal(found.offset, -1);
    assert_int_equal(found.number, 0);
    OK(history_raise(t->db, 4, &s, &t->err));
    assert_int_equal(s.epoch, 1);
    assert_int_equal(s.generation, 4);
    assert_int_equal(s.offset, -1);
    s.offset = 12;
    s.number = 7;
    s.stored_ms = 1700000000000;
    OK(history_put(t->db, NULL, 0, &s, &t->err));
    OK(history_raise(t->db, 4, &found, &t->err));
    assert_int_equal(found.epoch, 2);
    assert_int_equal(found.offset, 12);
    assert_int_equal(found.number, 7);
    assert_int_equal(found.stored_ms, 1700000000000);
    FAILS(ERR_FENCED, history_raise(t->db, 3, &found, &t->err));
    OK(history_raise(t->db, 5, &found, &t->err));
    assert_int_equal(found.epoch, 3);
    assert_int_equal(found.generation, 5);
    assert_int_equal(found.offset, -1);
    assert_int_equal(found.number, 0);
    OK(history_source(t->db, &s, &t->err));
    assert_int_equal(s.epoch, 3);
    assert_int_equal(s.generation, 5);
    assert_int_equal(s.offset, -1);
}

static void test_order(void **state)
{
    struct test *t = *state;
    struct source s = contract_raise(t);
    const struct result_row rows[] = {
        contract_result("a", "[2]", 600000, "{}"),     contract_result("a", "[10]", 600000, "{}"),
        contract_result("a", "[1]", 300000, "{}"),     contract_result("b", "[1]", 300000, "{}"),
        contract_result("a", "[1]", 600000, "{}"),     contract_result("a", "[\"\xc3\xa4\"]", 600000, "{}"),
        contract_result("a", "[\"z\"]", 600000, "{}"),
    };
    contract_put(t, &s, rows, COUNT(rows));
    struct history_filter f = all("a");
    assert_query(t, t->db, &f,
                 "[1]@300000/1.0 [\"z\"]@600000/1.0 [\"\xc3\xa4\"]@600000/1.0 [10]@600000/1.0 [1]@600000/1.0 "
                 "[2]@600000/1.0 ");
    f.to = 600000;
    assert_query(t, t->db, &f, "[1]@300000/1.0 ");
    f.from = 300001;
    assert_query(t, t->db, &f, "");
    f = all("b");
    assert_query(t, t->db, &f, "[1]@300000/1.0 ");
    f = all("c");
    assert_query(t, t->db, &f, "");
}

static bool see_whole(void *context, const struct result_row *row)
{
    const struct result_row *wanted = context;
    assert_string_equal(row->stream, wanted->stream);
    assert_string_equal(row->key, wanted->key);
    assert_int_equal(row->generation, wanted->generation);
    assert_int_equal(row->revision, wanted->revision);
    assert_int_equal(row->number, wanted->number);
    assert_int_equal(row->window_start, wanted->window_start);
    assert_int_equal(row->window_end, wanted->window_end);
    assert_int_equal(row->body_len, wanted->body_len);
    assert_memory_equal(row->body, wanted->body, wanted->body_len);
    return true;
}

static void test_a_row_comes_back_whole(void **state)
{
    struct test *t = *state;
    struct source s = contract_raise(t);
    struct history_filter f = all("alarms");
    struct result_row row = contract_result(
        "alarms", "[1,\"a\\u0000b|c$d.e\"]", 1700000100000,
        "{\"i\":9223372036854775807, \"n\":-9223372036854775808,\"f\":0.1,\"s\":\"\\u0000\\ud83d\\ude00 $x.y\","
        "\"b\":true,\"z\":null,\"i\":1,\"deep\":{\"$set\":[1]}}");
    row.generation = 3;
    row.revision = UINT32_MAX;
    row.number = INT64_MAX;
    row.window_end = 1700000400000;
    contract_put(t, &s, &row, 1);
    OK(history_query(t->db, &f, 10, NULL, NULL, see_whole, &row, &t->err));
}

static void test_the_highest_revision_stays(void **state)
{
    struct test *t = *state;
    struct source s = contract_raise(t);
    struct history_filter f = all("a");
    static const struct {
        uint64_t generation;
        uint32_t revision;
        const char *then;
    } steps[] = {
        {1, 1, "[1]@0/1.1 "}, {1, 0, "[1]@0/1.1 "}, {1, 1, "[1]@0/1.1 "}, {1, 7, "[1]@0/1.7 "},
        {2, 0, "[1]@0/2.0 "}, {1, 9, "[1]@0/2.0 "}, {2, 1, "[1]@0/2.1 "},
    };
    for (size_t i = 0; i < COUNT(steps); i++) {
        char body[32];
        snprintf(body, sizeof body, "{\"step\":%zu}", i);
        struct result_row row = contract_result("a", "[1]", 0, body);
        row.generation = steps[i].generation;
        row.revision = steps[i].revision;
        contract_put(t, &s, &row, 1);
        assert_query(t, t->db, &f, steps[i].then);
    }
    struct result_row last = contract_result("a", "[1]", 0, "{\"step\":6}");
    last.generation = 2;
    last.revision = 1;
    OK(history_query(t->db, &f, 10, NULL, NULL, see_whole, &last, &t->err));
}

static void test_a_batch_may_repeat_a_key(void **state)
{
    struct test *t = *state;
    struct source s = contract_raise(t);
    struct history_filter f = all("a");
    struct result_row rows[5];
    static const uint32_t revisions[] = {1, 3, 2, 0, 3};
    for (size_t i = 0; i < COUNT(rows); i++) {
        rows[i] = contract_result("a", "[1]", 0, i == 4 ? "{\"late\":1}" : "{}");
        rows[i].revision = revisions[i];
    }
    contract_put(t, &s, rows, COUNT(rows));
    assert_query(t, t->db, &f, "[1]@0/1.3 ");
    OK(history_query(t->db, &f, 10, NULL, NULL, see_whole, &rows[1], &t->err));
    contract_put(t, &s, rows, COUNT(rows)); /* all once more */
    assert_query(t, t->db, &f, "[1]@0/1.3 ");
}

/* After `events/time` a window that was gone begins anew, at revision 0: what the log says last holds. */
static void test_of_equal_revisions_the_later_number_stays(void **state)
{
    struct test *t = *state;
    struct source s = contract_raise(t);
    struct history_filter f = all("a");
    struct result_row rows[2] = {contract_result("a", "[1]", 0, "{\"n\":1}"),
                                 contract_result("a", "[1]", 0, "{\"n\":2}")};
    rows[0].number = 10;
    rows[1].number = 20;
    contract_put(t, &s, rows, 1);
    contract_put(t, &s, &rows[1], 1);
    OK(history_query(t->db, &f, 10, NULL, NULL, see_whole, &rows[1], &t->err));
    contract_put(t, &s, rows, 1); /* a replay of the first */
    OK(history_query(t->db, &f, 10, NULL, NULL, see_whole, &rows[1], &t->err));
    struct result_row both[2] = {contract_result("a", "[2]", 0, "{\"n\":2}"),
                                 contract_result("a", "[2]", 0, "{\"n\":1}")};
    both[0].number = 20;
    both[1].number = 10;
    contract_put(t, &s, both, 2);
    assert_query(t, t->db, &f, "[1]@0/1.0 [2]@0/1.0 ");
}

static void test_the_fence(void **state)
{
    struct test *t = *state;
    struct coredms *newer = contract_open(t, "acme", COREDMS_WRITES_BATCH);
    struct source old = contract_raise(t), fresh, now;
    struct history_filter f = all("a");
    const struct result_row first = contract_result("a", "[1]", 0, "{}");
    contract_put(t, &old, &first, 1);
    OK(history_raise(newer, 1, &fresh, &t->err));
    assert_int_equal(fresh.epoch, old.epoch + 1);
    assert_int_equal(fresh.number, old.number);
    old.number++;
    FAILS(ERR_FENCED, history_put(t->db, &first, 1, &old, &t->err));
    OK(history_source(t->db, &now, &t->err));
    assert_int_equal(now.epoch, fresh.epoch);
    assert_int_equal(now.number, fresh.number);
    assert_query(t, newer, &f, "[1]@0/1.0 ");
    coredms_close(&newer);
}

static void test_bad_rows_change_nothing(void **state)
{
    struct test *t = *state;
    struct source s = contract_raise(t), now;
    struct history_filter f = all("a");
    struct result_row rows[2] = {contract_result("a", "[1]", 0, "{}"), contract_result("a", "[2]", 0, "{\"a\":}")};
    FAILS(ERR_INVALID, history_put(t->db, rows, 2, &s, &t->err));
    rows[1] = contract_result("a", "", 0, "{}");
    FAILS(ERR_INVALID, history_put(t->db, rows, 2, &s, &t->err));
    rows[1] = contract_result("a", "[\"\xff\"]", 0, "{}");
    FAILS(ERR_INVALID, history_put(t->db, rows, 2, &s, &t->err));
    rows[1] = contract_result("a", "[2]", 0, "{}");
    rows[1].generation = 1ull << 31;
    FAILS(ERR_INVALID, history_put(t->db, rows, 2, &s, &t->err));
    rows[1] = contract_result("", "[1]", 0, "{}");
    FAILS(ERR_INVALID, history_put(t->db, rows, 2, &s, &t->err));
    assert_query(t, t->db, &f, "");
    OK(history_source(t->db, &now, &t->err));
    assert_int_equal(now.number, 0);
}

static void put_many(struct test *t, size_t count)
{
    struct source s = contract_raise(t);
    struct result_row *rows = mem_zero(count, sizeof *rows);
    char(*keys)[32] = mem_zero(count, sizeof *keys);
    for (size_t i = 0; i < count; i++) {
        snprintf(keys[i], sizeof *keys, "[%zu]", 1000 + i % 700);
        rows[i] = contract_result("a", keys[i], (int64_t)(i / 700) * 300000, "{\"k\":1}");
    }
    contract_put(t, &s, rows, count);
    free(keys);
    free(rows);
}

/* The pages of this size, put together, are the whole; returns how many there were. */
static size_t count_pages(struct test *t, size_t limit, size_t total)
{
    struct seen whole = {0}, pages = {0};
    struct history_filter f = all("a");
    char *cursor = NULL, *next;
    size_t n = 0;
    OK(history_query(t->db, &f, total + 1, NULL, NULL, see, &whole, &t->err));
    assert_int_equal(whole.count, total);
    do {
        size_t before = pages.count;
        OK(history_query(t->db, &f, limit, cursor, &next, see, &pages, &t->err));
        assert_int_equal(pages.count - before, limit < total - before ? limit : total - before);
        free(cursor);
        cursor = next;
        n++;
    } while (cursor);
    assert_string_equal(buf_cstr(&pages.text), buf_cstr(&whole.text));
    buf_free(&pages.text);
    buf_free(&whole.text);
    return n;
}

static void test_pages(void **state)
{
    struct test *t = *state;
    put_many(t, 1400);
    assert_int_equal(count_pages(t, 1400, 1400), 1);
    assert_int_equal(count_pages(t, 700, 1400), 2);
    assert_int_equal(count_pages(t, 499, 1400), 3);
    assert_int_equal(count_pages(t, 501, 1400), 3);
    assert_int_equal(count_pages(t, 1399, 1400), 2);
}

static void test_an_early_stop(void **state)
{
    struct test *t = *state;
    struct seen s = {.stop_after = 3};
    struct history_filter f = all("a");
    char *next = (char *)"untouched";
    put_many(t, 10);
    OK(history_query(t->db, &f, 5, NULL, &next, see, &s, &t->err));
    assert_null(next);
    assert_int_equal(s.count, 3);
    buf_free(&s.text);
}

static void test_bad_cursors(void **state)
{
    struct test *t = *state;
    struct history_filter f = all("a");
    static const char *const bad[] = {"",
                                      "zz",
                                      "3",
                                      "30",
                                      "00",
                                      "3020ff",
                                      "312e352061",
                                      "2061",
                                      "3a3a",
                                      "2d2061",
                                      "3939393939393939393939393939393939393939392061"};
    for (size_t i = 0; i < COUNT(bad); i++)
        FAILS(ERR_INVALID, history_query(t->db, &f, 5, bad[i], NULL, see, NULL, &t->err));
}

static void test_filters(void **state)
{
    struct test *t = *state;
    struct source s = contract_raise(t);
    const struct result_row rows[] = {
        contract_result("a", "[1]", 0, "{\"i\":9007199254740993,\"s\":\"x\",\"b\":true,\"f\":0.1,\"n\":1}"),
        contract_result("a", "[2]", 0, "{\"i\":9007199254740992,\"s\":\"x\\u0000\",\"b\":false,\"f\":1.0,\"n\":null}"),
        contract_result("a", "[3]", 0, "{\"i\":1,\"s\":\"\\ud83d\\ude00\",\"b\":1,\"f\":1}"),
        contract_result("a", "[4]", 0, "{\"i\":true,\"s\":1,\"b\":\"true\",\"f\":\"0.1\",\"n\":1}"),
    };
    static const struct {
        struct expr_name name;
        struct value value;
        const char *wanted;
    } cases[] = {
        {{"i", VALUE_INT}, {.type = VALUE_INT, .i = 9007199254740993}, "[1]@0/1.0 "},
        {{"i", VALUE_INT}, {.type = VALUE_INT, .i = 9007199254740992}, "[2]@0/1.0 "},
        {{"i", VALUE_INT}, {.type = VALUE_INT, .i = 1}, "[3]@0/1.0 "},
        {{"i", VALUE_INT}, {.type = VALUE_NULL}, "[4]@0/1.0 "},
        {{"s", VALUE_STRING}, {.type = VALUE_STRING, .s = "x", .len = 1}, "[1]@0/1.0 "},
        {{"s", VALUE_STRING}, {.type = VALUE_STRING, .s = "x\0", .len = 2}, "[2]@0/1.0 "},
        {{"s", VALUE_STRING}, {.type = VALUE_STRING, .s = "\xf0\x9f\x98\x80", .len = 4}, "[3]@0/1.0 "},
        {{"s", VALUE_STRING}, {.type = VALUE_STRING, .s = "1", .len = 1}, ""},
        {{"b", VALUE_BOOL}, {.type = VALUE_BOOL, .b = true}, "[1]@0/1.0 "},
        {{"b", VALUE_BOOL}, {.type = VALUE_BOOL, .b = false}, "[2]@0/1.0 "},
        {{"b", VALUE_BOOL}, {.type = VALUE_NULL}, "[3]@0/1.0 [4]@0/1.0 "},
        {{"f", VALUE_FLOAT}, {.type = VALUE_FLOAT, .f = 0.1}, "[1]@0/1.0 "},
        {{"f", VALUE_FLOAT}, {.type = VALUE_FLOAT, .f = 1}, "[2]@0/1.0 [3]@0/1.0 "},
        {{"f", VALUE_INT}, {.type = VALUE_INT, .i = 1}, "[2]@0/1.0 [3]@0/1.0 "},
        {{"n", VALUE_INT}, {.type = VALUE_NULL}, "[2]@0/1.0 [3]@0/1.0 "},
        {{"missing", VALUE_INT}, {.type = VALUE_INT, .i = 1}, ""},
    };
    contract_put(t, &s, rows, COUNT(rows));
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct history_filter f = all("a");
        f.names = &cases[i].name;
        f.values = &cases[i].value;
        f.filter_count = 1;
        assert_query(t, t->db, &f, cases[i].wanted);
    }
    const struct expr_name both[] = {cases[2].name, cases[10].name};
    const struct value values[] = {cases[2].value, cases[10].value};
    struct history_filter f = all("a");
    f.names = both;
    f.values = values;
    f.filter_count = 2;
    assert_query(t, t->db, &f, "[3]@0/1.0 ");
}

static void test_bad_columns(void **state)
{
    struct test *t = *state;
    static const char *const bad[] = {"", "a.b", "$where", "a\"b", "a'); DROP TABLE results; --", "1a", "a b"};
    struct value v = {.type = VALUE_INT, .i = 1};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct expr_name name = {bad[i], VALUE_INT};
        struct history_filter f = {.stream = "a", .to = 1, .names = &name, .values = &v, .filter_count = 1};
        FAILS(ERR_INVALID, history_query(t->db, &f, 5, NULL, NULL, see, NULL, &t->err));
    }
}

static void test_latest(void **state)
{
    struct test *t = *state;
    int64_t end = 5;
    FAILS(ERR_NOT_FOUND, history_latest(t->db, "a", &end, &t->err));
    struct source s = contract_raise(t);
    const struct result_row rows[] = {contract_result("a", "[1]", 900000, "{}"), contract_result("b", "[1]", 100, "{}"),
                                      contract_result("a", "[1]", 300000, "{}")};
    contract_put(t, &s, rows, COUNT(rows));
    OK(history_latest(t->db, "a", &end, &t->err));
    assert_int_equal(end, 1200000);
    OK(history_latest(t->db, "b", &end, &t->err));
    assert_int_equal(end, 300100);
    FAILS(ERR_NOT_FOUND, history_latest(t->db, "c", &end, &t->err));
    assert_int_equal(end, 300100);
}

static void test_expire(void **state)
{
    struct test *t = *state;
    struct history_filter a = all("a"), b = all("b");
    size_t gone = 99;
    int64_t end;
    struct source s = contract_raise(t);
    const struct result_row rows[] = {contract_result("a", "[1]", 0, "{}"), contract_result("a", "[2]", 0, "{}"),
                                      contract_result("a", "[1]", 300000, "{}"), contract_result("b", "[1]", 0, "{}")};
    contract_put(t, &s, rows, COUNT(rows));
    OK(history_expire(t->db, 300000, 100, &gone, &t->err));
    assert_int_equal(gone, 0);
    OK(history_expire(t->db, 300001, 1, &gone, &t->err));
    assert_int_equal(gone, 1);
    OK(history_expire(t->db, 300001, 100, &gone, &t->err));
    assert_int_equal(gone, 2);
    OK(history_expire(t->db, 300001, 100, &gone, &t->err));
    assert_int_equal(gone, 0);
    assert_query(t, t->db, &a, "[1]@300000/1.0 ");
    assert_query(t, t->db, &b, "");
    OK(history_latest(t->db, "a", &end, &t->err));
    assert_int_equal(end, 600000);
    FAILS(ERR_NOT_FOUND, history_latest(t->db, "b", &end, &t->err));
}

static void test_readers(void **state)
{
    struct test *t = *state;
    struct coredms *early = contract_open(t, "beta", 0), *writer;
    struct history_filter f = all("a");
    struct source s;
    const struct result_row row = contract_result("a", "[1]", 0, "{}");
    assert_query(t, early, &f, "");
    writer = contract_open(t, "beta", COREDMS_WRITES_BATCH);
    assert_query(t, early, &f, "");
    OK(history_raise(writer, 1, &s, &t->err));
    OK(history_put(writer, &row, 1, &s, &t->err));
    assert_query(t, early, &f, "[1]@0/1.0 ");
    assert_query(t, t->db, &f, ""); /* the other tenant's */
    OK(coredms_ping(early, &t->err));
    coredms_close(&writer);
    assert_query(t, early, &f, "[1]@0/1.0 ");
    OK(coredms_purge(t->db, "beta", &t->err));
    assert_query(t, early, &f, "");
    OK(history_source(early, &s, &t->err));
    assert_int_equal(s.offset, -1);
    coredms_close(&early);
}

static void test_streams_that_have_results(void **state)
{
    struct test *t = *state;
    struct source s = contract_raise(t);
    char *stream;
    FAILS(ERR_NOT_FOUND, history_next_stream(t->db, NULL, &stream, &t->err));
    const struct result_row rows[] = {contract_result("b", "[1]", 0, "{}"), contract_result("a", "[1]", 0, "{}"),
                                      contract_result("b", "[2]", 0, "{}")};
    contract_put(t, &s, rows, COUNT(rows));
    OK(history_next_stream(t->db, NULL, &stream, &t->err));
    assert_string_equal(stream, "a");
    free(stream);
    OK(history_next_stream(t->db, "a", &stream, &t->err));
    assert_string_equal(stream, "b");
    free(stream);
    FAILS(ERR_NOT_FOUND, history_next_stream(t->db, "b", &stream, &t->err));
}

int contract_history(const char *group)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(test_source),
        CONTRACT_TEST(test_order),
        CONTRACT_TEST(test_a_row_comes_back_whole),
        CONTRACT_TEST(test_the_highest_revision_stays),
        CONTRACT_TEST(test_of_equal_revisions_the_later_number_stays),
        CONTRACT_TEST(test_a_batch_may_repeat_a_key),
        CONTRACT_TEST(test_the_fence),
        CONTRACT_TEST(test_bad_rows_change_nothing),
        CONTRACT_TEST(test_pages),
        CONTRACT_TEST(test_an_early_stop),
        CONTRACT_TEST(test_bad_cursors),
        CONTRACT_TEST(test_filters),
        CONTRACT_TEST(test_bad_columns),
        CONTRACT_TEST(test_streams_that_have_results),
        CONTRACT_TEST(test_latest),
        CONTRACT_TEST(test_expire),
        CONTRACT_TEST(test_readers),
    };
    return cmocka_run_group_tests_name(group, tests, NULL, NULL);
}
