/* Withdrawn results, and listings of all streams. */
#include "coredms/contract.h"

#include "base/clock.h"
#include "base/mem.h"

#include <inttypes.h>

static bool see(void *context, const struct result_row *row)
{
    buf_printf(context, "%s%s%s@%" PRId64 "/%" PRIu64 " ", row->withdrawn ? "-" : "", row->stream, row->key,
               row->window_start, row->generation);
    return true;
}

static void assert_lists(struct test *t, const struct history_filter *f, const char *wanted)
{
    struct buf text = {0};
    OK(history_query(t->db, f, 1000, NULL, NULL, see, &text, &t->err));
    assert_string_equal(buf_cstr(&text), wanted);
    buf_free(&text);
}

static const struct history_filter standing = {.to = INT64_MAX}, withdrawn_too = {.to = INT64_MAX, .withdrawn = true};

static struct result_row row_of(uint64_t generation, const char *stream, const char *key, int64_t start)
{
    struct result_row row = contract_result(stream, key, start, "{\"n\":1}");
    row.generation = generation;
    return row;
}

/* Two streams of generation 1, as a rewind to 300000 finds them; *s is generation 2's. */
static void begin_rewound(struct test *t, struct source *s)
{
    const struct result_row rows[] = {row_of(1, "a", "[1]", 0), row_of(1, "a", "[1]", 300000),
                                      row_of(1, "a", "[2]", 600000), row_of(1, "b", "[1]", 300000)};
    *s = contract_raise(t);
    contract_put(t, s, rows, COUNT(rows));
    OK(history_raise(t->db, 2, s, &t->err));
}

static void test_withdrawn_results_are_left_out(void **state)
{
    struct test *t = *state;
    struct source s, before, after;
    size_t count = 99;
    begin_rewound(t, &s);
    const struct result_row again = row_of(2, "a", "[1]", 300000);
    contract_put(t, &s, &again, 1);
    OK(history_source(t->db, &before, &t->err));
    s.number = 77;
    OK(history_withdraw(t->db, 300000, &s, &count, &t->err));
    assert_int_equal(count, 2);
    OK(history_source(t->db, &after, &t->err));
    assert_int_equal(after.number, before.number);
    assert_lists(t, &standing, "a[1]@0/1 a[1]@300000/2 ");
    assert_lists(t, &withdrawn_too, "a[1]@0/1 a[1]@300000/2 -a[2]@600000/1 -b[1]@300000/1 ");
    OK(history_withdraw(t->db, 300000, &s, &count, &t->err));
    assert_int_equal(count, 0);
}

static void test_latest_leaves_them_out(void **state)
{
    struct test *t = *state;
    struct source s;
    int64_t end;
    size_t count;
    begin_rewound(t, &s);
    OK(history_withdraw(t->db, 300000, &s, &count, &t->err));
    OK(history_latest(t->db, "a", &end, &t->err));
    assert_int_equal(end, 300000);
    FAILS(ERR_NOT_FOUND, history_latest(t->db, "b", &end, &t->err));
    const struct result_row late = row_of(1, "a", "[2]", 600000); /* read again from the queue: changes nothing */
    contract_put(t, &s, &late, 1);
    OK(history_latest(t->db, "a", &end, &t->err));
    assert_int_equal(end, 300000);
    const struct result_row new = row_of(2, "b", "[9]", 100);
    contract_put(t, &s, &new, 1);
    OK(history_latest(t->db, "b", &end, &t->err));
    assert_int_equal(end, 300100);
}

static bool add_count(void *context, const struct value *values, size_t count)
{
    assert_int_equal(count, 1);
    *(int64_t *)context += values[0].i;
    return true;
}

static void test_groups_leave_them_out(void **state)
{
    struct test *t = *state;
    struct source s;
    size_t count;
    int64_t rows = 0;
    const struct history_agg agg = {.kind = AGG_COUNT};
    const struct history_group group = {
        .filter = {.stream = "a", .to = INT64_MAX, .withdrawn = true}, .aggs = &agg, .agg_count = 1};
    begin_rewound(t, &s);
    OK(history_withdraw(t->db, 600000, &s, &count, &t->err));
    OK(history_group(t->db, &group, clock_mono_ms() + 10000, add_count, &rows, &t->err));
    assert_int_equal(rows, 2);
}

static void test_a_higher_generation_brings_back(void **state)
{
    struct test *t = *state;
    struct source s;
    size_t count;
    begin_rewound(t, &s);
    OK(history_withdraw(t->db, 0, &s, &count, &t->err));
    assert_int_equal(count, 4);
    assert_lists(t, &standing, "");
    const struct result_row rows[] = {row_of(1, "a", "[1]", 0), row_of(2, "a", "[1]", 300000)};
    contract_put(t, &s, rows, COUNT(rows));
    assert_lists(t, &standing, "a[1]@300000/2 ");
}

static void test_withdrawing_is_fenced(void **state)
{
    struct test *t = *state;
    struct source old, s;
    size_t count = 99;
    begin_rewound(t, &old);
    OK(history_raise(t->db, 2, &s, &t->err));
    FAILS(ERR_FENCED, history_withdraw(t->db, 0, &old, &count, &t->err));
    s.generation = 3;
    FAILS(ERR_FENCED, history_withdraw(t->db, 0, &s, &count, &t->err));
    assert_int_equal(count, 99);
    assert_lists(t, &standing, "a[1]@0/1 a[1]@300000/1 a[2]@600000/1 b[1]@300000/1 ");
}

static void test_a_withdrawn_row_is_stored_so(void **state)
{
    struct test *t = *state;
    struct source s = contract_raise(t);
    struct result_row rows[] = {row_of(1, "a", "[1]", 300000), row_of(1, "a", "[1]", 0)};
    int64_t end;
    size_t gone;
    rows[0].withdrawn = true;
    contract_put(t, &s, rows, 2);
    assert_lists(t, &standing, "a[1]@0/1 ");
    assert_lists(t, &withdrawn_too, "a[1]@0/1 -a[1]@300000/1 ");
    OK(history_latest(t->db, "a", &end, &t->err));
    assert_int_equal(end, 300000);
    OK(history_expire(t->db, 10000000, 10, &gone, &t->err));
    assert_int_equal(gone, 2);
    assert_lists(t, &withdrawn_too, "");
}

static bool see_offsets(void *context, const struct result_row *row)
{
    buf_printf(context, "%" PRId64 "-%" PRId64 " ", row->first_offset, row->last_offset);
    return true;
}

static void test_offsets(void **state)
{
    struct test *t = *state;
    struct source s = contract_raise(t);
    struct buf text = {0};
    struct result_row row = row_of(1, "a", "[1]", 0), corrected = row, unknown = row_of(1, "a", "[2]", 0);
    row.first_offset = 5, row.last_offset = 9;
    corrected.revision = 1, corrected.first_offset = 5, corrected.last_offset = INT64_MAX;
    unknown.first_offset = unknown.last_offset = -1;
    contract_put(t, &s, &row, 1);
    contract_put(t, &s, &unknown, 1);
    contract_put(t, &s, &corrected, 1);
    contract_put(t, &s, &row, 1);
    OK(history_query(t->db, &standing, 10, NULL, NULL, see_offsets, &text, &t->err));
    assert_string_equal(buf_cstr(&text), "5-9223372036854775807 -1--1 ");
    buf_free(&text);
}

/* All pages of `size` rows, as one text. */
static void list_paged(struct test *t, const struct history_filter *f, size_t size, struct buf *text)
{
    char *cursor = NULL, *next = NULL;
    for (int pages = 0; pages == 0 || cursor; pages++) {
        assert_true(pages < 100);
        OK(history_query(t->db, f, size, cursor, &next, see, text, &t->err));
        free(cursor);
        cursor = next;
    }
}

static void test_all_streams_in_pages(void **state)
{
    struct test *t = *state;
    struct source s = contract_raise(t);
    const struct result_row rows[] = {
        row_of(1, "b", "[2]", 0),  row_of(1, "b", "[1]", 600000),       row_of(1, "a b", "[1]", 300000),
        row_of(1, "ab", "[1]", 0), row_of(1, "\xc3\xa4", "[1]", 0),     row_of(1, "a", "[10]", 300000),
        row_of(1, "a", "[9]", 0),  row_of(1, "a", "[\"x y\"]", 300000), row_of(1, "b", "[1]", 0),
    };
    static const char wanted[] =
        "a[9]@0/1 a[\"x y\"]@300000/1 a[10]@300000/1 a b[1]@300000/1 ab[1]@0/1 b[1]@0/1 b[2]@0/1 "
        "b[1]@600000/1 \xc3\xa4[1]@0/1 ";
    contract_put(t, &s, rows, COUNT(rows));
    for (size_t size = 1; size <= COUNT(rows) + 1; size++) {
        struct buf text = {0};
        list_paged(t, &standing, size, &text);
        assert_string_equal(buf_cstr(&text), wanted);
        buf_free(&text);
    }
    struct history_filter some = {.from = 1, .to = 600000};
    struct buf text = {0};
    list_paged(t, &some, 1, &text);
    assert_string_equal(buf_cstr(&text), "a[\"x y\"]@300000/1 a[10]@300000/1 a b[1]@300000/1 ");
    buf_free(&text);
}

static void test_bad_cursors_of_all_streams(void **state)
{
    struct test *t = *state;
    struct buf text = {0};
    static const char *const bad[] = {"",               /* nothing */
                                      "zz",             /* no hex */
                                      "302061",         /* "0 a": of one stream */
                                      "302031",         /* "0 1": no stream */
                                      "30203320616263", /* "0 3 abc": no key */
                                      "30203920616263", /* "0 9 abc": too short */
                                      "30203120c3a45b", /* half a character for a stream */
                                      "30202d3120616263"};
    for (size_t i = 0; i < COUNT(bad); i++)
        FAILS(ERR_INVALID, history_query(t->db, &standing, 1, bad[i], NULL, see, &text, &t->err));
    OK(history_query(t->db, &standing, 1, "302031206162", NULL, see, &text, &t->err)); /* "0 1 ab" */
    buf_free(&text);
}

int contract_withdrawn(const char *group)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(test_withdrawn_results_are_left_out),
        CONTRACT_TEST(test_latest_leaves_them_out),
        CONTRACT_TEST(test_groups_leave_them_out),
        CONTRACT_TEST(test_a_higher_generation_brings_back),
        CONTRACT_TEST(test_withdrawing_is_fenced),
        CONTRACT_TEST(test_a_withdrawn_row_is_stored_so),
        CONTRACT_TEST(test_offsets),
        CONTRACT_TEST(test_all_streams_in_pages),
        CONTRACT_TEST(test_bad_cursors_of_all_streams),
    };
    return cmocka_run_group_tests_name(group, tests, NULL, NULL);
}
