#include "tenants/app/expr.h"
#include "base/buf.h"
#include "base/json.h"
#include "tenants/app/expr_ops.h"
#include "tenants/app/nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* The columns of all tests, with one set of values. */
static const struct expr_name names[] = {
    {"i", VALUE_INT},   {"j", VALUE_INT},     {"f", VALUE_FLOAT},   {"s", VALUE_STRING},
    {"b", VALUE_BOOL},  {"ni", VALUE_INT},    {"nf", VALUE_FLOAT},  {"ns", VALUE_STRING},
    {"nb", VALUE_BOOL}, {"max_i", VALUE_INT}, {"min_i", VALUE_INT}, {"station_id", VALUE_INT},
};

static const struct value slots[] = {
    {.type = VALUE_INT, .i = 7},
    {.type = VALUE_INT, .i = -2},
    {.type = VALUE_FLOAT, .f = 2.5},
    {.type = VALUE_STRING,
     .len = 6,
     .s = "p\xc3\xa4"
          "Iv\xc3"
          "\xa4"},
    {.type = VALUE_BOOL, .b = true},
    {.type = VALUE_NULL},
    {.type = VALUE_NULL},
    {.type = VALUE_NULL},
    {.type = VALUE_NULL},
    {.type = VALUE_INT, .i = INT64_MAX},
    {.type = VALUE_INT, .i = INT64_MIN},
    {.type = VALUE_INT, .i = 1},
};

static const struct expr_context plain = {.names = names, .name_count = COUNT(names)};

/* The outcome as JSON, so that its type shows: 1 is int, 1.0 float. */
static void assert_gives(const char *text, const char *json)
{
    struct arena arena = {0}, scratch = {0};
    struct expr_mistake m = {0};
    struct buf out = {0};
    const struct expr *e = expr_compile(text, strlen(text), &plain, VALUE_NULL, &arena, &m);
    if (!e)
        fail_msg("%s: %s", text, m.message);
    struct value v = expr_eval(e, slots, &scratch);
    assert_true(v.type == VALUE_NULL || v.type == expr_type(e));
    json_w_value(&out, &v);
    if (strcmp(buf_cstr(&out), json) != 0)
        fail_msg("%s gives %s, expected %s", text, buf_cstr(&out), json);
    buf_free(&out);
    arena_free(&scratch);
    arena_free(&arena);
}

static const struct {
    const char *text, *json;
} value_cases[] = {
    /* literals */
    {"1", "1"},
    {"-1", "-1"},
    {"- 1", "-1"},
    {"--1", "1"},
    {"1.5", "1.5"},
    {"1e3", "1000.0"},
    {"true", "true"},
    {"'a'", "\"a\""},
    {"\"it's\"", "\"it's\""},
    {"'it\\'s'", "\"it's\""},
    {"'\\u00e4\\n\\\\'", "\"\xc3\xa4\\n\\\\\""},
    {"9223372036854775807", "9223372036854775807"},
    {"-9223372036854775808", "-9223372036854775808"},
    {"''", "\"\""},
    /* arithmetic */
    {"1 + 2 * 3", "7"},
    {"(1 + 2) * 3", "9"},
    {"7 - 2 - 1", "4"},
    {"8 / 2 / 2", "2.0"},
    {"7 / 2", "3.5"},
    {"i + f", "9.5"},
    {"f + i", "9.5"},
    {"1 - -1", "2"},
    {"-i % 4", "-3"},
    {"i % -4", "3"},
    {"i % 0", "null"},
    {"i / 0", "null"},
    {"0.0 / 0", "null"},
    {"f % 0", "null"},
    {"5.5 % 2", "1.5"},
    {"-5.5 % 2", "-1.5"},
    {"max_i + 1", "null"},
    {"min_i - 1", "null"},
    {"max_i * 2", "null"},
    {"-min_i", "null"},
    {"min_i % -1", "0"},
    {"1e308 * 10", "null"},
    {"ni + 1", "null"},
    {"1 + nf", "null"},
    {"i + null", "null"},
    {"-ni", "null"},
    {"-(f)", "-2.5"},
    {"2 * -3", "-6"},
    {"i - 1", "6"},
    {"i -1", "6"},
    {"max_i + 1.0", "9.223372036854776e+18"},
    /* comparisons */
    {"i == 7", "true"},
    {"i != 7", "false"},
    {"i < 7.5", "true"},
    {"f >= 2.5", "true"},
    {"i > 7", "false"},
    {"ni != 3", "false"},
    {"ni == 3", "false"},
    {"ni < 3", "false"},
    {"ni == ni", "false"},
    {"nf >= 0", "false"},
    {"ns != 'a'", "false"},
    {"nb != true", "false"},
    {"b == true", "true"},
    {"b != true", "false"},
    {"'a' < 'b'", "true"},
    {"'a' < 'ab'", "true"},
    {"'Z' < 'a'", "true"},
    {"'\xc3\xa4' > 'z'", "true"},
    {"s == 's'", "false"},
    {"'' == ''", "true"},
    {"max_i == 9223372036854775806", "false"},
    {"max_i == 9223372036854775806.0", "true"},
    /* logic */
    {"b and i > 1", "true"},
    {"nb and true", "false"},
    {"nb or true", "true"},
    {"not nb", "true"},
    {"not b", "false"},
    {"not b or b", "true"},
    {"not (b or b)", "false"},
    {"true or true and false", "true"},
    {"not i == 7", "false"},
    {"not not b", "true"},
    {"nb", "null"},
    {"null or b", "true"},
    /* null, in */
    {"ni is null", "true"},
    {"i is null", "false"},
    {"ni is not null", "false"},
    {"i is not null", "true"},
    {"i + ni is null", "true"},
    {"null is null", "true"},
    {"i in [1, 7]", "true"},
    {"i in [1, 7.0]", "true"},
    {"i in [1]", "false"},
    {"j in [-2, -3]", "true"},
    {"f in [2.5]", "true"},
    {"s in ['a', \"b\"]", "false"},
    {"ni in [1]", "false"},
    {"not i in [1]", "true"},
    {"not ni in [1]", "true"},
    {"b in [true]", "true"},
    {"i + 1 in [8]", "true"},
    {"max_i in [9223372036854775806]", "false"},
    {"i > 1 and not i in [1, 2]", "true"},
    /* functions */
    {"abs(j)", "2"},
    {"abs(-2.5)", "2.5"},
    {"abs(min_i)", "null"},
    {"abs(ni)", "null"},
    {"floor(2.7)", "2.0"},
    {"floor(-2.2)", "-3.0"},
    {"ceil(2.1)", "3.0"},
    {"round(2.5)", "3.0"},
    {"round(-2.5)", "-3.0"},
    {"round(0.4)", "0.0"},
    {"round(i)", "7"},
    {"floor(i)", "7"},
    {"length('p\xc3\xa4iv\xc3\xa4')", "5"},
    {"length('')", "0"},
    {"length(ns)", "null"},
    {"lower('\xc3\x84"
     "BC')",
     "\"\xc3\x84"
     "bc\""},
    {"upper('\xc3\xa4"
     "bc')",
     "\"\xc3\xa4"
     "BC\""},
    {"upper(ns)", "null"},
    {"upper('')", "\"\""},
    {"starts_with('abc', 'ab')", "true"},
    {"starts_with('abc', 'b')", "false"},
    {"starts_with('a', 'ab')", "false"},
    {"ends_with('abc', 'bc')", "true"},
    {"ends_with('abc', 'b')", "false"},
    {"contains('abc', 'b')", "true"},
    {"contains('', '')", "true"},
    {"contains('abc', 'x')", "false"},
    {"starts_with(ns, 'a')", "false"},
    {"not starts_with(ns, 'a')", "true"},
    {"coalesce(ni, 3)", "3"},
    {"coalesce(i, 3)", "7"},
    {"coalesce(ni, ni)", "null"},
    {"coalesce(ni, 1.5)", "1.5"},
    {"coalesce(i, 1.5)", "7.0"},
    {"coalesce(nf, i)", "7.0"},
    {"coalesce(null, ns, 'x')", "\"x\""},
    {"coalesce(ni, nf, 1)", "1.0"},
    {"coalesce(nb, false)", "false"},
};

static void values_and_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(value_cases); i++)
        assert_gives(value_cases[i].text, value_cases[i].json);
}

static void assert_wrong(const char *text, const struct expr_context *context, enum value_type want, size_t at,
                         size_t len, const char *says, const char *suggestion)
{
    struct arena arena = {0};
    struct expr_mistake m = {0};
    if (expr_compile(text, strlen(text), context, want, &arena, &m))
        fail_msg("%s was taken", text);
    if (!strstr(m.message, says) || m.at != at || m.len != len)
        fail_msg("%s: \"%s\" at %zu, %zu bytes; expected \"%s\" at %zu, %zu bytes", text, m.message, m.at, m.len, says,
                 at, len);
    if (!m.suggestion != !suggestion || (suggestion && strcmp(m.suggestion, suggestion) != 0))
        fail_msg("%s: suggests %s", text, m.suggestion ? m.suggestion : "nothing");
    arena_free(&arena);
}

static const struct {
    const char *text;
    size_t at, len;
    const char *says, *suggestion;
} mistake_cases[] = {
    {"", 0, 1, "empty", NULL},
    {"   ", 0, 1, "empty", NULL},
    {"null", 0, 4, "always null", NULL},
    {"i = 7", 2, 1, "no operator", "=="},
    {"i === 7", 2, 3, "no operator", "=="},
    {"b && b", 2, 2, "no operator", "and"},
    {"b || b", 2, 2, "no operator", "or"},
    {"!b", 0, 1, "no operator", "not"},
    {"i <> 7", 2, 2, "no operator", "!="},
    {"i == null", 0, 9, "never true", "is null"},
    {"i != null", 0, 9, "never true", "is not null"},
    {"null < i", 0, 8, "never true", NULL},
    {"statoin_id > 1", 0, 10, "unknown name", "station_id"},
    {"Station-id > 1", 0, 7, "unknown name", NULL},
    {"stationid > 1", 0, 9, "unknown name", "station_id"},
    {"b AND b", 2, 3, "unexpected `AND`", "and"},
    {"True", 0, 4, "unknown name", "true"},
    {"i > ", 4, 1, "ends too early", NULL},
    {"i > )", 4, 1, "unexpected `)`", NULL},
    {"(i > 1", 6, 1, "ends too early", NULL},
    {"i > 1)", 5, 1, "unexpected `)`", NULL},
    {"1 < i < 3", 6, 1, "unexpected `<`", NULL},
    {"i == 1 is null", 7, 2, "unexpected `is`", NULL},
    {"i not in [1]", 2, 3, "unexpected `not`", NULL},
    {"i in 1", 5, 1, "unexpected `1`", NULL},
    {"i in []", 6, 1, "unexpected `]`", NULL},
    {"i in [1,]", 8, 1, "unexpected `]`", NULL},
    {"i in [j]", 6, 1, "unexpected `j`", NULL},
    {"i in [null]", 6, 4, "never in a list", NULL},
    {"i in ['a']", 6, 3, "cannot compare int with string", NULL},
    {"i is 3", 5, 1, "unexpected `3`", NULL},
    {"s > 3", 0, 5, "cannot compare string with int", NULL},
    {"b == 1", 0, 6, "cannot compare bool with int", NULL},
    {"b < b", 0, 5, "no order", NULL},
    {"s + s", 0, 1, "needs numbers, not string", NULL},
    {"1 + s", 4, 1, "needs numbers, not string", NULL},
    {"-s", 1, 1, "needs a number, not string", NULL},
    {"i and b", 0, 1, "needs bool, not int", NULL},
    {"b or (i + 1)", 5, 7, "needs bool, not int", NULL},
    {"not i", 4, 1, "needs bool, not int", NULL},
    {"b == not b", 5, 3, "unexpected `not`", NULL},
    {"012", 0, 3, "cannot begin with 0", NULL},
    {"1.", 0, 2, "bad number", NULL},
    {"1e", 0, 2, "bad number", NULL},
    {"12x", 0, 3, "bad number", NULL},
    {"1e400", 0, 5, "out of range", NULL},
    {"9223372036854775808", 0, 19, "out of range", NULL},
    {"-9223372036854775809", 0, 20, "out of range", NULL},
    {"'abc", 0, 4, "unterminated", NULL},
    {"'\\x'", 1, 2, "bad escape", NULL},
    {"'\\u12'", 1, 2, "bad escape", NULL},
    {"'\\ud800'", 1, 6, "surrogate", NULL},
    {"i # 3", 2, 1, "unexpected `#`", NULL},
    {"i \xe2\x89\xa4 3", 2, 3, "unexpected `\xe2\x89\xa4`", NULL},
    {"i > \xff", 0, 1, "UTF-8", NULL},
    {"+1", 0, 1, "unexpected `+`", NULL},
    {"sqrt(i)", 0, 4, "unknown function", NULL},
    {"start_with(s, 'a')", 0, 10, "unknown function", "starts_with"},
    {"abs(s)", 4, 1, "needs a number, not string", NULL},
    {"abs()", 4, 1, "needs another argument", NULL},
    {"abs(i, i)", 5, 1, "unexpected `,`", NULL},
    {"length(i)", 7, 1, "needs a string, not int", NULL},
    {"contains(s)", 10, 1, "needs another argument", NULL},
    {"contains(s, i)", 12, 1, "needs a string, not int", NULL},
    {"coalesce(i)", 10, 1, "needs another argument", NULL},
    {"coalesce(i, s)", 12, 1, "coalesce() of int and string", NULL},
    {"count()", 0, 5, "is an aggregate", NULL},
    {"i i", 2, 1, "unexpected `i`", NULL},
};

static void mistakes_are_placed_and_explained(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(mistake_cases); i++)
        assert_wrong(mistake_cases[i].text, &plain, VALUE_NULL, mistake_cases[i].at, mistake_cases[i].len,
                     mistake_cases[i].says, mistake_cases[i].suggestion);
}

static void the_wanted_type_is_demanded(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct expr_mistake m;
    assert_wrong("i + 1", &plain, VALUE_BOOL, 0, 5, "this is int, not bool", NULL);
    assert_wrong("s", &plain, VALUE_FLOAT, 0, 1, "this is string, not float", NULL);
    const struct expr *e = expr_compile("i + 1", 5, &plain, VALUE_FLOAT, &arena, &m);
    assert_non_null(e);
    assert_int_equal(expr_type(e), VALUE_FLOAT);
    assert_true(expr_eval(e, slots, &arena).f == 8.0);
    arena_free(&arena);
}

/* ---- aggregates ---- */

static const size_t keys[] = {11, 3}; /* station_id, s */

static void aggregates_become_slots_behind_the_keys(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct expr_mistake m = {0};
    struct agg *aggs = NULL;
    size_t count = 0, slot;
    const struct expr_context context = {names, COUNT(names), keys, COUNT(keys), &aggs, &count};
    static const struct {
        const char *text;
        enum value_type type;
        size_t count; /* aggregates so far */
    } cases[] = {
        {"count()", VALUE_INT, 1},
        {"max(f) - min(f)", VALUE_FLOAT, 3},
        {"max(f)", VALUE_FLOAT, 3},
        {"count( )", VALUE_INT, 3},
        {"count(ni)", VALUE_INT, 4},
        {"count_if(i > 3 and b)", VALUE_INT, 5},
        {"sum(i)", VALUE_INT, 6},
        {"sum( i )", VALUE_INT, 6},
        {"sum(i + f)", VALUE_FLOAT, 7},
        {"avg(i)", VALUE_FLOAT, 8},
        {"stddev(f)", VALUE_FLOAT, 9},
        {"first(s)", VALUE_STRING, 10},
        {"last(b)", VALUE_BOOL, 11},
        {"distinct(s)", VALUE_INT, 12},
        {"min(s)", VALUE_STRING, 13},
        {"station_id * 2", VALUE_INT, 13},
        {"coalesce(sum(i), 0) / count()", VALUE_FLOAT, 13},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct expr *e = expr_compile(cases[i].text, strlen(cases[i].text), &context, VALUE_NULL, &arena, &m);
        if (!e)
            fail_msg("%s: %s", cases[i].text, m.message);
        assert_int_equal(expr_type(e), cases[i].type);
        if (count != cases[i].count)
            fail_msg("%s: %zu aggregates", cases[i].text, count);
    }
    assert_int_equal(aggs[0].kind, AGG_COUNT);
    assert_null(aggs[0].arg);
    assert_int_equal(aggs[1].kind, AGG_MAX);
    assert_true(expr_is_slot(aggs[1].arg, &slot));
    assert_int_equal(slot, 2); /* arguments are over the source's columns */
    const struct expr *e = expr_compile("max(f) - min(f) + station_id", 28, &context, VALUE_NULL, &arena, &m);
    const struct value outer[] = {slots[11],
                                  slots[3],
                                  {.type = VALUE_INT, .i = 9},
                                  {.type = VALUE_FLOAT, .f = 10},
                                  {.type = VALUE_FLOAT, .f = 4}};
    assert_true(expr_eval(e, outer, &arena).f == 7.0);
    uint64_t used[1] = {0};
    expr_used_slots(e, used);
    assert_int_equal(used[0], 1 | 1 << 3 | 1 << 4);
    arena_free(&arena);
}

static void mistakes_with_aggregates(void **state)
{
    (void)state;
    struct agg *aggs = NULL;
    size_t count = 0;
    const struct expr_context context = {names, COUNT(names), keys, COUNT(keys), &aggs, &count};
    static const struct {
        const char *text;
        size_t at, len;
        const char *says, *suggestion;
    } cases[] = {
        {"max(min(f))", 4, 3, "cannot hold another", NULL},
        {"f + 1", 0, 1, "is not part of the key", NULL},
        {"max(f) > f", 9, 1, "is not part of the key", NULL},
        {"cuont()", 0, 5, "unknown function", "count"},
        {"sum(s)", 4, 1, "sum() of string", NULL},
        {"sum(null)", 4, 4, "sum() of null", NULL},
        {"avg(b)", 4, 1, "avg() of bool", NULL},
        {"max(b)", 4, 1, "max() of bool", NULL},
        {"count_if(i)", 9, 1, "count_if() of int", NULL},
        {"count_if()", 9, 1, "needs another argument", NULL},
        {"sum()", 4, 1, "needs another argument", NULL},
        {"sum(i, j)", 5, 1, "unexpected `,`", NULL},
        {"sum(ii)", 4, 2, "unknown name", "i"},
    };
    for (size_t i = 0; i < COUNT(cases); i++, aggs = NULL, count = 0)
        assert_wrong(cases[i].text, &context, VALUE_NULL, cases[i].at, cases[i].len, cases[i].says,
                     cases[i].suggestion);
}

/* ---- limits, equality ---- */

static const struct expr *compile(const char *text, struct arena *arena)
{
    struct expr_mistake m;
    return expr_compile(text, strlen(text), &plain, VALUE_NULL, arena, &m);
}

/* false: it is no expression. */
static bool same_in_fewer_steps(const char *text, size_t *saved)
{
    struct arena arena = {0}, scratch = {0};
    const struct expr *e = compile(text, &arena);
    if (e) {
        struct expr unfused = *e;
        unfused.fused = e->code;
        const struct value v = expr_eval(e, slots, &scratch), w = expr_eval(&unfused, slots, &scratch);
        if (v.type != w.type || (v.type != VALUE_NULL && value_compare(&v, &w) != 0))
            fail_msg("%s", text);
        size_t n = 0;
        while (e->fused[n].fn)
            n++;
        *saved = e->count - n;
    }
    arena_free(&scratch);
    arena_free(&arena);
    return e != NULL;
}

static void fewer_steps_say_the_same(void **state)
{
    (void)state;
    static const char *const operands[] = {"i",  "j",  "f", "s",   "b",   "ni",   "nf",
                                           "ns", "nb", "7", "2.5", "'a'", "true", "i + 1"};
    static const char *const forms[][3] = {
        {"", " == ", ""},          {"", " != ", ""},        {"", " < ", ""},
        {"", " <= ", ""},          {"", " > ", ""},         {"", " >= ", ""},
        {"", " and ", ""},         {"", " or ", ""},        {"starts_with(", ", ", ")"},
        {"ends_with(", ", ", ")"}, {"contains(", ", ", ")"}};
    struct buf part = {0}, text = {0};
    size_t saved, good = 0;
    for (size_t n = 0; n < COUNT(forms) * COUNT(operands) * COUNT(operands); n++) {
        const char *one = operands[n % COUNT(operands)], *other = operands[n / COUNT(operands) % COUNT(operands)];
        const char *const *form = forms[n / COUNT(operands) / COUNT(operands)];
        buf_clear(&part);
        buf_clear(&text);
        buf_printf(&part, "%s%s%s%s%s", form[0], one, form[1], other, form[2]);
        buf_printf(&text, "b and %s or nb or (b and not (%s)) and b", buf_cstr(&part), buf_cstr(&part));
        good += same_in_fewer_steps(buf_cstr(&part), &saved);
        (void)same_in_fewer_steps(buf_cstr(&text), &saved);
    }
    assert_true(good > 300);
    buf_free(&part);
    buf_free(&text);
    assert_true(same_in_fewer_steps("f > nf and b", &saved));
    assert_int_equal(saved, 3);
    assert_true(same_in_fewer_steps("s == 'a' or i < 5", &saved));
    assert_int_equal(saved, 4);
}

static void depth_and_length_are_capped(void **state)
{
    (void)state;
    struct arena arena = {0};
    static const char *const open[] = {"(", "not ", "-", "abs(", "1+(", "b or (", "1 + 2 * ("};
    static const char *const inner[] = {"i", "b", "i", "i", "i", "b", "i"};
    static const char *const close[] = {")", "", "", ")", ")", ")", ")"};
    for (size_t i = 0; i < COUNT(open); i++)
        for (size_t n = 10; n <= 400; n += 390) {
            struct buf text = {0};
            for (size_t k = 0; k < n; k++)
                buf_add_str(&text, open[i]);
            buf_add_str(&text, inner[i]);
            for (size_t k = 0; k < n; k++)
                buf_add_str(&text, close[i]);
            bool taken = compile(buf_cstr(&text), &arena) != NULL;
            if (taken != (n == 10))
                fail_msg("%zu x \"%s\" was %s", n, open[i], taken ? "taken" : "refused");
            buf_free(&text);
        }
    struct buf chain = {0};
    buf_add_str(&chain, "1");
    while (chain.len < 4000)
        buf_add_str(&chain, "+1");
    const struct expr *e = compile(buf_cstr(&chain), &arena);
    assert_non_null(e);
    assert_int_equal(expr_eval(e, NULL, &arena).i, (int64_t)(chain.len + 1) / 2);
    while (chain.len < 5000)
        buf_add_str(&chain, "+1");
    assert_null(compile(buf_cstr(&chain), &arena));
    buf_free(&chain);
    arena_free(&arena);
}

static void equal_means_the_same_tree(void **state)
{
    (void)state;
    struct arena arena = {0};
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        {"i>3", " ( i > 3 ) ", true},        {"i > 3", "i > 4", false},       {"i > 3", "j > 3", false},
        {"i > 3", "i > 3.0", false},         {"i + 1", "1 + i", false},       {"s == 'a'", "s == \"a\"", true},
        {"i in [1,2]", "i in [1, 2]", true}, {"i in [1]", "i in [2]", false}, {"i", "i", true},
        {"i + j * i", "(i + j) * i", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        if (expr_equal(compile(cases[i].a, &arena), compile(cases[i].b, &arena)) != cases[i].equal)
            fail_msg("%s, %s", cases[i].a, cases[i].b);
    size_t slot;
    assert_true(expr_is_slot(compile("(j)", &arena), &slot));
    assert_int_equal(slot, 1);
    assert_false(expr_is_slot(compile("-j", &arena), &slot));
    assert_false(expr_is_slot(compile("1", &arena), &slot));
    arena_free(&arena);
}

static void nearest_names(void **state)
{
    (void)state;
    static const char *const offered[] = {"tumbling", "sliding", "every", "allowed_lateness", "key"};
    static const struct {
        const char *word, *best;
    } cases[] = {{"tumblng", "tumbling"},
                 {"TUMBLING", "tumbling"},
                 {"allowed-latness", "allowed_lateness"},
                 {"evrey", "every"},
                 {"kye", "key"},
                 {"keys", "key"},
                 {"x", NULL},
                 {"window", NULL},
                 {"", NULL},
                 {"ky", "key"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct nearest n = nearest_begin(cases[i].word, strlen(cases[i].word));
        for (size_t j = 0; j < COUNT(offered); j++)
            nearest_offer(&n, offered[j]);
        if (!n.best != !cases[i].best || (n.best && strcmp(n.best, cases[i].best) != 0))
            fail_msg("%s: %s", cases[i].word, n.best ? n.best : "nothing");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_rules),
        cmocka_unit_test(mistakes_are_placed_and_explained),
        cmocka_unit_test(the_wanted_type_is_demanded),
        cmocka_unit_test(aggregates_become_slots_behind_the_keys),
        cmocka_unit_test(mistakes_with_aggregates),
        cmocka_unit_test(fewer_steps_say_the_same),
        cmocka_unit_test(depth_and_length_are_capped),
        cmocka_unit_test(equal_means_the_same_tree),
        cmocka_unit_test(nearest_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
