/* Short numbers: each has one form, and nothing else is one. */
#include "base/wire/cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t numbers[] = {
    0, 1, 0x7F, 0x80, 0x3FFF, 0x4000, UINT32_MAX, (uint64_t)INT64_MAX - 1, INT64_MAX, UINT64_C(1) << 63, UINT64_MAX};

#define COUNT (sizeof numbers / sizeof *numbers)

static void come_back_and_are_cut_nowhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        struct buf b = {0};
        put_short(&b, numbers[i]);
        assert_true(b.len == 1 ? numbers[i] < 0x80 : b.len == 10 || numbers[i] >> (7 * b.len) == 0);
        for (size_t len = 0; len <= b.len; len++) {
            struct cursor c = cursor_of(b.data, len);
            assert_int_equal(get_short(&c), len == b.len ? numbers[i] : 0);
            assert_int_equal(cursor_done(&c), len == b.len);
        }
        assert_int_equal(folded(unfolded(numbers[i])), numbers[i]);
        buf_free(&b);
    }
    assert_int_equal(folded(-1), 1);
    assert_int_equal(folded(1), 2);
    assert_int_equal(folded(INT64_MIN), UINT64_MAX);
}

static void values_come_back(void **state)
{
    (void)state;
    const struct value values[] = {{.type = VALUE_NULL},
                                   {.type = VALUE_BOOL, .b = true},
                                   {.type = VALUE_INT, .i = -3},
                                   {.type = VALUE_INT, .i = INT64_MIN},
                                   {.type = VALUE_FLOAT, .f = 0.1},
                                   {.type = VALUE_STRING, .len = 2, .s = "ab"}};
    struct buf b = {0};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        put_short_value(&b, &values[i]);
    struct cursor c = cursor_of(b.data, b.len);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct value v = get_short_value(&c);
        assert_int_equal(v.type, values[i].type);
        assert_int_equal(value_compare(&v, &values[i]), 0);
    }
    assert_true(cursor_done(&c));
    buf_free(&b);
}

static void refuses_what_is_no_short_number(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "\x80",
        "\x80\x80",                                 /* no end */
        "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", /* 65 bits */
        "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x81\x01",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct cursor c = cursor_of(texts[i], strlen(texts[i]));
        assert_int_equal(get_short(&c), 0);
        assert_true(c.bad);
    }
    struct cursor c = cursor_of("\x81\x00", 2); /* 1 in more bytes than it needs */
    assert_int_equal(get_short(&c), 0);
    assert_true(c.bad);
    c = cursor_of("\x05\x01\x01", 3); /* five things in two bytes */
    assert_int_equal(get_short_count(&c, 1), 0);
    assert_true(c.bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(come_back_and_are_cut_nowhere),
        cmocka_unit_test(values_come_back),
        cmocka_unit_test(refuses_what_is_no_short_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
