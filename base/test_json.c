#include "base/json.h"
#include "base/mem.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* A copy of exactly these bytes on the heap, so that the sanitizer sees a read beyond them. */
static char *exact(const char *text, size_t len)
{
    char *copy = malloc(len ? len : 1);
    memcpy(copy, text, len);
    return copy;
}

static bool valid(const char *text, size_t len)
{
    const char *error = NULL;
    char *copy = exact(text, len);
    bool good = json_valid(copy, len, &error);
    assert_int_equal(good, error == NULL);
    free(copy);
    return good;
}

#define TEXT(s)                                                                                                        \
    {                                                                                                                  \
        s, sizeof(s) - 1                                                                                               \
    }
struct text {
    const char *p;
    size_t len;
};

static const struct text accepted[] = {
    TEXT("{}"),
    TEXT("[]"),
    TEXT(" [ ] "),
    TEXT("\r\n\t {}\n"),
    TEXT("null"),
    TEXT("true"),
    TEXT("false"),
    TEXT("\"\""),
    TEXT("0"),
    TEXT("-0"),
    TEXT("-1"),
    TEXT("1.5"),
    TEXT("1e3"),
    TEXT("1E+3"),
    TEXT("1e-3"),
    TEXT("0e1"),
    TEXT("-0.0e+00"),
    TEXT("123456789012345678901234567890"),
    TEXT("1e400"),
    TEXT("[1,2 , 3]"),
    TEXT("[[],[[]],{}]"),
    TEXT("{\"a\":1}"),
    TEXT("{\"a\":1,\"a\":2}"),
    TEXT("{\"\":0}"),
    TEXT("{\"a\":{\"b\":[1,{\"c\":null}]}}"),
    TEXT("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"),
    TEXT("\"\\u0000\\u0061\\uFFFF\""),
    TEXT("\"\\uD834\\uDD1E\""),
    TEXT("\"\x7f\""),
    TEXT("\"\xC2\x80 \xDF\xBF \xE0\xA0\x80 \xED\x9F\xBF \xEE\x80\x80 \xEF\xBF\xBF \xF0\x90\x80\x80 \xF4\x8F\xBF\xBF\""),
    TEXT("{\"long enough for eight bytes at a time\":\"and once more \xE2\x82\xAC behind it all\"}"),
};

static const struct text refused[] = {
    TEXT(""),
    TEXT(" "),
    TEXT("\xEF\xBB\xBF{}"),
    TEXT("\0"),
    TEXT("{}\0"),
    TEXT("["),
    TEXT("]"),
    TEXT("{"),
    TEXT("}"),
    TEXT("[}"),
    TEXT("{]"),
    TEXT("[1,]"),
    TEXT("[,1]"),
    TEXT("[1 2]"),
    TEXT("[1,,2]"),
    TEXT("[,]"),
    TEXT("[1]]"),
    TEXT("[1}"),
    TEXT("[[1]"),
    TEXT("{}}"),
    TEXT("{}{}"),
    TEXT("{} 1"),
    TEXT("{\"a\"}"),
    TEXT("{\"a\":}"),
    TEXT("{\"a\":1,}"),
    TEXT("{,\"a\":1}"),
    TEXT("{\"a\" 1}"),
    TEXT("{\"a\":1 \"b\":2}"),
    TEXT("{\"a\":1]"),
    TEXT("{\"a\":[1}"),
    TEXT("{a:1}"),
    TEXT("{'a':1}"),
    TEXT("{1:1}"),
    TEXT("{null:1}"),
    TEXT("{\"a\":1/*c*/}"),
    TEXT("{\"a\"::1}"),
    TEXT("{:1}"),
    TEXT("nul"),
    TEXT("nulll"),
    TEXT("True"),
    TEXT("TRUE"),
    TEXT("truefalse"),
    TEXT("NaN"),
    TEXT("Infinity"),
    TEXT("-Infinity"),
    TEXT("inf"),
    TEXT("+1"),
    TEXT("-"),
    TEXT("--1"),
    TEXT("- 1"),
    TEXT("01"),
    TEXT("-01"),
    TEXT("00"),
    TEXT("1."),
    TEXT(".1"),
    TEXT("-.1"),
    TEXT("1.e1"),
    TEXT("1e"),
    TEXT("1e+"),
    TEXT("1e1.5"),
    TEXT("1.2.3"),
    TEXT("0x10"),
    TEXT("1a"),
    TEXT("1_000"),
    TEXT("\xEF\xBC\x91"),
    TEXT("\""),
    TEXT("\"a"),
    TEXT("\"a\\"),
    TEXT("\"a\\\""),
    TEXT("\"\\x41\""),
    TEXT("\"\\\0\""),
    TEXT("\"\\a\""),
    TEXT("\"\\'\""),
    TEXT("\"\\u\""),
    TEXT("\"\\u00\""),
    TEXT("\"\\u00G0\""),
    TEXT("\"\\u 041\""),
    TEXT("\"\\U0041\""),
    TEXT("\"\\uD834\""),
    TEXT("\"\\uD834x\""),
    TEXT("\"\\uD834\\n\""),
    TEXT("\"\\uD834\\u0041\""),
    TEXT("\"\\uD834\\uD834\""),
    TEXT("\"\\uDD1E\""),
    TEXT("\"\n\""),
    TEXT("\"\t\""),
    TEXT("\"\0\""),
    TEXT("\"\x1f\""),
    TEXT("\"\x80\""),
    TEXT("\"\xC0\x80\""),
    TEXT("\"\xC1\xBF\""),
    TEXT("\"\xC3\""),
    TEXT("\"\xC3(\""),
    TEXT("\"\xE0\x80\x80\""),
    TEXT("\"\xE0\x9F\xBF\""),
    TEXT("\"\xE2\x82\""),
    TEXT("\"\xE2\x82(\""),
    TEXT("\"\xED\xA0\x80\""),
    TEXT("\"\xED\xBF\xBF\""),
    TEXT("\"\xF0\x80\x80\x80\""),
    TEXT("\"\xF0\x8F\xBF\xBF\""),
    TEXT("\"\xF4\x90\x80\x80\""),
    TEXT("\"\xF5\x80\x80\x80\""),
    TEXT("\"\xFF\""),
    TEXT("\"eight plain bytes then a bad one \xFF\""),
    TEXT("\"eight plain bytes then a control \x01 sign\""),
    TEXT("{\"\xFF\":1}"),
    TEXT("{\"\\q\":1}"),
    TEXT("[1\f]"),
    TEXT("[\v1]"),
    TEXT("\xC2\xA0[]"),
};

static void accepts_what_is_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(accepted); i++) {
        if (!valid(accepted[i].p, accepted[i].len))
            fail_msg("refused: %s", accepted[i].p);
    }
}

static void refuses_what_is_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        if (valid(refused[i].p, refused[i].len))
            fail_msg("accepted: %s", refused[i].p);
    }
}

static void refuses_every_beginning_of_a_document(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":[1.5e3,true,null,\"x\\u00e9\xC3\xA9\"],\"b\":{\"c\":false}}";
    assert_true(valid(text, sizeof text - 1));
    for (size_t len = 0; len < sizeof text - 1; len++)
        assert_false(valid(text, len));
}

static void refuses_what_is_nested_too_deep(void **state)
{
    (void)state;
    char text[2 * (JSON_MAX_DEPTH + 1)];
    for (size_t depth = JSON_MAX_DEPTH - 1; depth <= JSON_MAX_DEPTH + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        assert_int_equal(valid(text, 2 * depth), depth <= JSON_MAX_DEPTH);
    }
    /* levels that were entered count with those that are skipped */
    memset(text, '[', JSON_MAX_DEPTH + 1);
    memset(text + JSON_MAX_DEPTH + 1, ']', JSON_MAX_DEPTH + 1);
    struct json j = json_begin(text, sizeof text);
    bool first = true;
    const char *from;
    assert_true(json_enter(&j, '['));
    assert_true(json_next(&j, &first, NULL, NULL));
    assert_false(json_skip(&j, &from));
    assert_non_null(j.error);
}

static void names_the_place_of_a_fault(void **state)
{
    (void)state;
    static const char text[] = "{\"a\": tru, \"b\": 1}";
    struct json j = json_begin(text, strlen(text));
    const char *from;
    assert_false(json_skip(&j, &from));
    assert_non_null(j.error);
    assert_int_equal(j.at - text, 6);
}

static void reads_ints_without_loss(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"-0.0e5", true, 0},
        {"0e999999999999999999999", true, 0},
        {"121", true, 121},
        {"121.0", true, 121},
        {"121.000000000000000000000000", true, 121},
        {"1e3", true, 1000},
        {"1.5e1", true, 15},
        {"1.5", false, 0},
        {"15e-1", false, 0},
        {"150e-1", true, 15},
        {"0.0001e4", true, 1},
        {"10000000000000000000000000e-25", true, 1},
        {"9007199254740993", true, INT64_C(9007199254740993)},
        {"9223372036854775807", true, INT64_MAX},
        {"9223372036854775807.0", true, INT64_MAX},
        {"922337203685477580.7e1", true, INT64_MAX},
        {"9223372036854775808", false, 0},
        {"-9223372036854775808", true, INT64_MIN},
        {"-9223372036854775809", false, 0},
        {"9223372036854775807.5", false, 0},
        {"18446744073709551616", false, 0},
        {"99999999999999999999", false, 0},
        {"1e18", true, INT64_C(1000000000000000000)},
        {"9e18", true, INT64_C(9000000000000000000)},
        {"1e19", false, 0},
        {"1e400", false, 0},
        {"1e-400", false, 0},
        {"1e99999999999999999999999999", false, 0},
        {"1e-99999999999999999999999999", false, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t v = 0;
        bool good = json_int(cases[i].text, strlen(cases[i].text), &v);
        if (good != cases[i].good || v != cases[i].value)
            fail_msg("%s: %d %lld", cases[i].text, good, (long long)v);
    }
}

static void check_float(const char *text)
{
    double want = strtod(text, NULL), got = 0;
    bool good = json_float(text, strlen(text), &got);
    if (good != !!isfinite(want) || (good && memcmp(&want, &got, sizeof want) != 0))
        fail_msg("%s: %d %.17g, not %.17g", text, good, got, want);
}

static void reads_floats_correctly_rounded(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0",
        "-0.0",
        "0.1",
        "-1.5",
        "3.14159",
        "1e22",
        "1e23",
        "123456789012345678",
        "9007199254740993",
        "9007199254740992.5",
        "0.000001",
        "1e308",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "1.8e308",
        "1e400",
        "-1e400",
        "1e-400",
        "5e-324",
        "2.4703282292062327208e-324",
        "2.4703282292062328e-324",
        "2.2250738585072011e-308",
        "2.2250738585072014e-308",
        "100000000000000000000000000000000000000000e-10",
        "0.00000000000000000000000000000000000000001e20",
        "123.456e-7",
        "1e99999999999999999999999999",
        "1e-99999999999999999999999999",
    };
    for (size_t i = 0; i < COUNT(texts); i++)
        check_float(texts[i]);
}

static void rounds_floats_by_their_last_digit(void **state)
{
    (void)state;
    /* 1 + 2^-53 is the middle between two doubles; one digit far behind decides */
    char text[2000] = "1.00000000000000011102230246251565404236316680908203125";
    size_t len = strlen(text);
    check_float(text);
    memset(text + len, '0', 1500);
    text[len + 1500] = 0;
    check_float(text);
    text[len + 1499] = '1';
    check_float(text);
}

static void reads_random_floats_as_strtod(void **state)
{
    (void)state;
    uint64_t seed = 42;
    for (int i = 0; i < 20000; i++) {
        char text[64];
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        double f;
        memcpy(&f, &seed, sizeof f);
        if (!isfinite(f))
            continue;
        snprintf(text, sizeof text, "%.*g", 1 + (int)(seed >> 7 & 31) % 21, f);
        check_float(text);
    }
}

static void writes_floats_that_read_back(void **state)
{
    (void)state;
    static const struct {
        double f;
        const char *text;
    } cases[] = {
        {0, "0.0"},
        {-0.0, "-0.0"},
        {1, "1.0"},
        {0.1, "0.1"},
        {1e21, "1e+21"},
        {999999, "999999.0"},
        {5e-324, "5e-324"},
        {1e15, "1e+15"},
        {123456.75, "123456.75"},
        {0.1 + 0.2, "0.30000000000000004"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {NAN, "null"},
        {INFINITY, "null"},
    };
    struct buf b = {0};
    for (size_t i = 0; i < COUNT(cases); i++) {
        buf_clear(&b);
        json_w_float(&b, cases[i].f);
        assert_string_equal(buf_cstr(&b), cases[i].text);
        assert_true(json_valid(b.data, b.len, NULL));
    }
    buf_free(&b);
}

static void unescapes_strings(void **state)
{
    (void)state;
    static const char text[] = " \"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC\\uD834\\uDD1E\\u0000z\"";
    static const char want[] = "a\"\\/\b\f\n\r\tA\xC3\xA9\xE2\x82\xAC\xF0\x9D\x84\x9E\0z";
    struct json j = json_begin(text, sizeof text - 1);
    const char *raw;
    size_t raw_len;
    bool escaped;
    assert_true(json_string(&j, &raw, &raw_len, &escaped));
    assert_true(escaped);
    assert_ptr_equal(j.at, j.end);
    char out[sizeof text];
    assert_int_equal(json_unescape(raw, raw_len, out), sizeof want - 1);
    assert_memory_equal(out, want, sizeof want - 1);
}

static void compares_names_with_escapes(void **state)
{
    (void)state;
    assert_true(json_name_is("\"abc\"", 5, "abc"));
    assert_false(json_name_is("\"abc\"", 5, "ab"));
    assert_false(json_name_is("\"Abc\"", 5, "abc"));
    assert_true(json_name_is("\"\\u0061bc\"", 10, "abc"));
    assert_false(json_name_is("\"\\u0062bc\"", 10, "abc"));
    assert_true(json_name_is("\"\"", 2, ""));
}

static void iterates_over_members(void **state)
{
    (void)state;
    static const char text[] = "[ 1 , {\"a\" : \"x\" , \"b\":[ ]} , null ]";
    struct json j = json_begin(text, sizeof text - 1);
    bool first = true;
    const char *name, *token;
    size_t len;
    assert_true(json_enter(&j, '['));
    assert_true(json_next(&j, &first, NULL, NULL));
    assert_int_equal(json_peek(&j), JSON_NUMBER);
    assert_true(json_number(&j, &token, &len));
    assert_int_equal(len, 1);
    assert_true(json_next(&j, &first, NULL, NULL));
    assert_int_equal(json_peek(&j), JSON_OBJECT);
    bool inner = true, escaped;
    assert_true(json_enter(&j, '{'));
    assert_true(json_next(&j, &inner, &name, &len));
    assert_memory_equal(name, "\"a\"", 3);
    assert_true(json_string(&j, &token, &len, &escaped));
    assert_int_equal(len, 1);
    assert_true(json_next(&j, &inner, &name, &len));
    assert_true(json_skip(&j, &token));
    assert_false(json_next(&j, &inner, &name, &len));
    assert_null(j.error);
    assert_true(json_next(&j, &first, NULL, NULL));
    assert_int_equal(json_peek(&j), JSON_NULL);
    assert_true(json_skip(&j, &token));
    assert_false(json_next(&j, &first, NULL, NULL));
    assert_null(j.error);
    assert_ptr_equal(j.at, j.end);
}

static void finds_the_last_of_a_repeated_name(void **state)
{
    (void)state;
    static const char text[] =
        " {\"n\":1,\"s\":\"a\",\"n\":[2],\"n\":3, \"s\":\"\\u0062c\",\"b\":true,\"o\":{\"n\":9},\"z\":null} ";
    size_t len = sizeof text - 1;
    int64_t n = 0;
    bool b = false;
    struct buf s = {0};
    const char *value;
    size_t value_len;
    assert_true(json_get_int(text, len, "n", &n));
    assert_int_equal(n, 3);
    assert_true(json_get_string(text, len, "s", &s));
    assert_string_equal(buf_cstr(&s), "bc");
    assert_true(json_get_bool(text, len, "b", &b));
    assert_true(b);
    assert_int_equal(json_find(text, len, "z", &value, &value_len), JSON_NULL);
    assert_int_equal(json_find(text, len, "o", &value, &value_len), JSON_OBJECT);
    assert_int_equal(value_len, 7);
    assert_int_equal(json_find(text, len, "x", &value, &value_len), JSON_END);
    assert_false(json_get_int(text, len, "s", &n));
    assert_false(json_get_bool(text, len, "n", &b));
    assert_int_equal(json_find("{\"a\":1} x", 9, "a", &value, &value_len), JSON_END);
    assert_int_equal(json_find("{\"a\":1", 6, "a", &value, &value_len), JSON_END);
    assert_int_equal(json_find("[\"a\"]", 5, "a", &value, &value_len), JSON_END);
    buf_free(&s);
}

static void writes_documents(void **state)
{
    (void)state;
    struct buf b = {0};
    json_w_open(&b, '{');
    json_w_name(&b, "a\"b");
    json_w_open(&b, '[');
    json_w_int(&b, INT64_MIN);
    json_w_int(&b, 0);
    json_w_uint(&b, UINT64_MAX);
    json_w_bool(&b, true);
    json_w_bool(&b, false);
    json_w_str(&b, NULL);
    json_w_open(&b, '{');
    json_w_close(&b, '}');
    json_w_close(&b, ']');
    json_w_name(&b, "s");
    json_w_string(&b, "\x01\n\xFF\xC3\xA9{\0\x7f", 8);
    json_w_name(&b, "v");
    json_w_value(&b, &(struct value){.type = VALUE_STRING, .len = 1, .s = "["});
    json_w_name(&b, "r");
    json_w_raw(&b, "[1]", 3);
    json_w_close(&b, '}');
    assert_string_equal(buf_cstr(&b), "{\"a\\\"b\":[-9223372036854775808,0,18446744073709551615,true,false,null,{}],"
                                      "\"s\":\"\\u0001\\n\xEF\xBF\xBD\xC3\xA9{\\u0000\x7f\",\"v\":\"[\",\"r\":[1]}");
    assert_true(json_valid(b.data, b.len, NULL));
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_is_json),
        cmocka_unit_test(refuses_what_is_not),
        cmocka_unit_test(refuses_every_beginning_of_a_document),
        cmocka_unit_test(refuses_what_is_nested_too_deep),
        cmocka_unit_test(names_the_place_of_a_fault),
        cmocka_unit_test(reads_ints_without_loss),
        cmocka_unit_test(reads_floats_correctly_rounded),
        cmocka_unit_test(rounds_floats_by_their_last_digit),
        cmocka_unit_test(reads_random_floats_as_strtod),
        cmocka_unit_test(writes_floats_that_read_back),
        cmocka_unit_test(unescapes_strings),
        cmocka_unit_test(compares_names_with_escapes),
        cmocka_unit_test(iterates_over_members),
        cmocka_unit_test(finds_the_last_of_a_repeated_name),
        cmocka_unit_test(writes_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
