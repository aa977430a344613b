#include "coredms/contract.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

/* Groups as JSON arrays, one a line. */
struct groups {
    struct buf text;
    size_t count, stop_after;
};

static bool take(void *context, const struct value *values, size_t count)
{
    struct groups *g = context;
    json_w_open(&g->text, '[');
    for (size_t i = 0; i < count; i++)
        json_w_value(&g->text, &values[i]);
    json_w_close(&g->text, ']');
    buf_add_char(&g->text, '\n');
    return ++g->count != g->stop_after;
}

static int64_t soon(void)
{
    return clock_mono_ms() + 60000;
}

static void assert_groups(struct test *t, const struct history_group *group, const char *wanted)
{
    struct groups g = {0};
    OK(history_group(t->db, group, soon(), take, &g, &t->err));
    assert_string_equal(buf_cstr(&g.text), wanted);
    buf_free(&g.text);
}

static const struct history_filter everything = {.stream = "a", .from = 0, .to = INT64_MAX};

static void put_bodies(struct test *t, const char *const *bodies, size_t count)
{
    struct source s = contract_raise(t);
    struct result_row *rows = mem_zero(count, sizeof *rows);
    char(*keys)[32] = mem_zero(count, sizeof *keys);
    for (size_t i = 0; i < count; i++) {
        snprintf(keys[i], sizeof *keys, "[%zu]", i);
        rows[i] = contract_result("a", keys[i], (int64_t)i * 300000, bodies[i]);
    }
    contract_put(t, &s, rows, count);
    free(keys);
    free(rows);
}

static const struct history_agg all_of_n[] = {
    {AGG_COUNT, NULL, VALUE_NULL}, {AGG_COUNT, "n", VALUE_INT}, {AGG_SUM, "n", VALUE_INT},
    {AGG_MIN, "n", VALUE_INT},     {AGG_MAX, "n", VALUE_INT},   {AGG_AVG, "n", VALUE_INT},
};
static const struct expr_name by_k[] = {{"k", VALUE_INT}};

static void test_ints(void **state)
{
    struct test *t = *state;
    static const char *const bodies[] = {
        "{\"k\":2,\"n\":1}",        "{\"k\":10,\"n\":5}",   "{\"k\":2,\"n\":-4}", "{\"k\":2,\"n\":null}",
        "{\"n\":9007199254740993}", "{\"k\":null,\"n\":0}", "{\"k\":-1}",         "{\"k\":\"2\",\"n\":\"7\"}",
    };
    const struct history_group g = {
        .filter = everything, .by = by_k, .by_count = 1, .aggs = all_of_n, .agg_count = COUNT(all_of_n)};
    put_bodies(t, bodies, COUNT(bodies));
    assert_groups(t, &g,
                  "[null,3,2,9007199254740993,0,9007199254740993,4503599627370496.0]\n"
                  "[-1,1,0,0,null,null,null]\n"
                  "[2,3,2,-3,-4,1,-1.5]\n"
                  "[10,1,1,5,5,5,5.0]\n");
}

static void test_int_sums_at_the_edge(void **state)
{
    struct test *t = *state;
    static const char *const bodies[] = {
        "{\"k\":1,\"n\":9223372036854775807}",  "{\"k\":1,\"n\":1}",
        "{\"k\":2,\"n\":9223372036854775807}",  "{\"k\":2,\"n\":9223372036854775807}",
        "{\"k\":2,\"n\":-9223372036854775808}", "{\"k\":2,\"n\":-9223372036854775807}",
        "{\"k\":3,\"n\":-9223372036854775808}", "{\"k\":3,\"n\":-1}",
        "{\"k\":4,\"n\":9223372036854775806}",  "{\"k\":4,\"n\":1}",
        "{\"k\":5,\"n\":-9223372036854775807}", "{\"k\":5,\"n\":-1}",
        "{\"k\":6,\"n\":4611686018427387905}",  "{\"k\":6,\"n\":4611686018427387904}",
        "{\"k\":7,\"n\":9007199254740993}",     "{\"k\":7,\"n\":2}",
    };
    static const struct history_agg sum[] = {{AGG_SUM, "n", VALUE_INT}};
    const struct history_group g = {.filter = everything, .by = by_k, .by_count = 1, .aggs = sum, .agg_count = 1};
    put_bodies(t, bodies, COUNT(bodies));
    assert_groups(t, &g,
                  "[1,null]\n[2,-1]\n[3,null]\n[4,9223372036854775807]\n[5,-9223372036854775808]\n[6,null]\n"
                  "[7,9007199254740995]\n");
}

static void test_floats(void **state)
{
    struct test *t = *state;
    static const char *const bodies[] = {
        "{\"k\":1,\"n\":0.25}",
        "{\"k\":1,\"n\":3}",
        "{\"k\":1,\"n\":-1.5}",
        "{\"k\":2,\"n\":true}",
        "{\"k\":2}",
        "{\"k\":3,\"n\":1.5e308}",
        "{\"k\":3,\"n\":1.5e308}",
        "{\"k\":4,\"n\":5e-324}",
        "{\"k\":4,\"n\":0.0}",
    };
    static const struct history_agg aggs[] = {
        {AGG_COUNT, "n", VALUE_FLOAT}, {AGG_SUM, "n", VALUE_FLOAT}, {AGG_MIN, "n", VALUE_FLOAT},
        {AGG_MAX, "n", VALUE_FLOAT},   {AGG_AVG, "n", VALUE_FLOAT},
    };
    const struct history_group g = {.filter = everything, .by = by_k, .by_count = 1, .aggs = aggs, .agg_count = 5};
    put_bodies(t, bodies, COUNT(bodies));
    assert_groups(t, &g,
                  "[1,3,1.75,-1.5,3.0,0.5833333333333334]\n"
                  "[2,0,0.0,null,null,null]\n"
                  "[3,2,null,1.5e+308,1.5e+308,null]\n"
                  "[4,2,5e-324,0.0,5e-324,0.0]\n");
}

static void test_strings_and_bools(void **state)
{
    struct test *t = *state;
    static const char *const bodies[] = {
        "{\"s\":\"b\",\"b\":true,\"x\":\"\\u0000z\"}",
        "{\"s\":\"\",\"b\":false,\"x\":\"y\"}",
        "{\"s\":\"\\u00e4\",\"b\":true,\"x\":\"A\"}",
        "{\"s\":\"b\",\"b\":true,\"x\":\"\\u0000y\"}",
        "{\"b\":null,\"s\":\"b\"}",
        "{\"b\":1,\"s\":\"B\",\"x\":5}",
        "{\"s\":\"b\\u0000\",\"b\":false,\"x\":\"\"}",
    };
    static const struct expr_name by[] = {{"b", VALUE_BOOL}, {"s", VALUE_STRING}};
    static const struct history_agg aggs[] = {
        {AGG_COUNT, NULL, VALUE_NULL}, {AGG_MIN, "x", VALUE_STRING}, {AGG_MAX, "x", VALUE_STRING}};
    const struct history_group g = {.filter = everything, .by = by, .by_count = 2, .aggs = aggs, .agg_count = 3};
    put_bodies(t, bodies, COUNT(bodies));
    assert_groups(t, &g,
                  "[null,\"B\",1,null,null]\n"
                  "[null,\"b\",1,null,null]\n"
                  "[false,\"\",1,\"y\",\"y\"]\n"
                  "[false,\"b\\u0000\",1,\"\",\"\"]\n"
                  "[true,\"b\",2,\"\\u0000y\",\"\\u0000z\"]\n"
                  "[true,\"\xc3\xa4\",1,\"A\",\"A\"]\n");
}

static void test_no_groups(void **state)
{
    struct test *t = *state;
    static const char *const bodies[] = {"{\"n\":1}", "{\"n\":2}"};
    struct history_group g = {.filter = everything, .aggs = all_of_n, .agg_count = COUNT(all_of_n)};
    assert_groups(t, &g, "");
    put_bodies(t, bodies, COUNT(bodies));
    assert_groups(t, &g, "[2,2,3,1,2,1.5]\n");
    g.filter.from = 1;
    g.filter.to = 300000;
    assert_groups(t, &g, "");
    g.filter.to = 300001;
    assert_groups(t, &g, "[1,1,2,2,2,2.0]\n");
}

static void test_groups_without_aggregates(void **state)
{
    struct test *t = *state;
    static const char *const bodies[] = {"{\"k\":3}", "{\"k\":1}", "{\"k\":3}"};
    struct history_group g = {.filter = everything, .by = by_k, .by_count = 1};
    put_bodies(t, bodies, COUNT(bodies));
    assert_groups(t, &g, "[1]\n[3]\n");
}

static void test_buckets(void **state)
{
    struct test *t = *state;
    static const char *const bodies[] = {"{\"k\":1}", "{\"k\":2}", "{\"k\":1}", "{\"k\":1}", "{\"k\":1}"};
    static const struct history_agg count[] = {{AGG_COUNT, NULL, VALUE_NULL}};
    struct history_group g = {
        .filter = everything, .by = by_k, .by_count = 1, .aggs = count, .agg_count = 1, .bucket_ms = 600000};
    put_bodies(t, bodies, COUNT(bodies)); /* starts 0, 300000, ... 1200000 */
    assert_groups(t, &g, "[0,1,1]\n[0,2,1]\n[600000,1,2]\n[1200000,1,1]\n");
    g.by_count = 0;
    assert_groups(t, &g, "[0,2]\n[600000,2]\n[1200000,1]\n");
}

static void test_filtered_groups(void **state)
{
    struct test *t = *state;
    static const char *const bodies[] = {"{\"k\":1,\"s\":\"x\",\"n\":1}", "{\"k\":1,\"s\":\"y\",\"n\":2}",
                                         "{\"k\":2,\"s\":\"x\",\"n\":4}", "{\"k\":2,\"n\":8}"};
    static const struct expr_name names[] = {{"s", VALUE_STRING}};
    struct value value = {.type = VALUE_STRING, .s = "x", .len = 1};
    static const struct history_agg sum[] = {{AGG_SUM, "n", VALUE_INT}};
    struct history_group g = {.filter = everything, .by = by_k, .by_count = 1, .aggs = sum, .agg_count = 1};
    g.filter.names = names;
    g.filter.values = &value;
    g.filter.filter_count = 1;
    put_bodies(t, bodies, COUNT(bodies));
    assert_groups(t, &g, "[1,1]\n[2,4]\n");
    value.type = VALUE_NULL;
    assert_groups(t, &g, "[2,8]\n");
}

static void test_only_the_highest_revision_counts(void **state)
{
    struct test *t = *state;
    struct source s = contract_raise(t);
    static const struct history_agg sum[] = {{AGG_SUM, "n", VALUE_INT}};
    const struct history_group g = {.filter = everything, .aggs = sum, .agg_count = 1};
    struct result_row rows[] = {contract_result("a", "[1]", 0, "{\"n\":1}"),
                                contract_result("a", "[1]", 0, "{\"n\":5}")};
    rows[1].revision = 1;
    contract_put(t, &s, rows, 2);
    contract_put(t, &s, rows, 1);
    assert_groups(t, &g, "[5]\n");
}

static void test_stops_and_limits(void **state)
{
    struct test *t = *state;
    static const char *const bodies[] = {"{\"k\":1}", "{\"k\":2}", "{\"k\":3}"};
    const struct history_group g = {.filter = everything, .by = by_k, .by_count = 1};
    struct groups two = {.stop_after = 2};
    put_bodies(t, bodies, COUNT(bodies));
    OK(history_group(t->db, &g, soon(), take, &two, &t->err));
    assert_int_equal(two.count, 2);
    FAILS(ERR_TIMEOUT, history_group(t->db, &g, clock_mono_ms(), take, &two, &t->err));
    assert_int_equal(two.count, 2);
    assert_groups(t, &g, "[1]\n[2]\n[3]\n");
    buf_free(&two.text);
}

static void test_what_no_store_computes(void **state)
{
    struct test *t = *state;
    static const struct history_agg bad[] = {{AGG_DISTINCT, "n", VALUE_INT}, {AGG_SUM, "n", VALUE_STRING},
                                             {AGG_AVG, "n", VALUE_BOOL},     {AGG_SUM, NULL, VALUE_INT},
                                             {AGG_MAX, "a.b", VALUE_INT},    {AGG_STDDEV, "n", VALUE_INT}};
    struct expr_name by = {"$k", VALUE_INT};
    struct history_group g = {.filter = everything, .agg_count = 1};
    for (size_t i = 0; i < COUNT(bad); i++) {
        g.aggs = &bad[i];
        FAILS(ERR_INVALID, history_group(t->db, &g, soon(), take, NULL, &t->err));
    }
    g.agg_count = 0;
    g.by = &by;
    g.by_count = 1;
    FAILS(ERR_INVALID, history_group(t->db, &g, soon(), take, NULL, &t->err));
}

int contract_group(const char *group)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(test_ints),
        CONTRACT_TEST(test_int_sums_at_the_edge),
        CONTRACT_TEST(test_floats),
        CONTRACT_TEST(test_strings_and_bools),
        CONTRACT_TEST(test_no_groups),
        CONTRACT_TEST(test_groups_without_aggregates),
        CONTRACT_TEST(test_buckets),
        CONTRACT_TEST(test_filtered_groups),
        CONTRACT_TEST(test_only_the_highest_revision_counts),
        CONTRACT_TEST(test_stops_and_limits),
        CONTRACT_TEST(test_what_no_store_computes),
    };
    return cmocka_run_group_tests_name(group, tests, NULL, NULL);
}
