/* Each way of scanning gives what looking at one byte after another gives. */
#include "base/json.h"
#include "base/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define LENGTHS 70

static uint64_t next(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    return *x ^= *x << 17;
}

static const char *one_by_one(const char *s, const char *end)
{
    while (s < end && (unsigned char)*s >= 0x20 && (unsigned char)*s < 0x80 && *s != '"' && *s != '\\')
        s++;
    return s;
}

/* The text ends where its memory ends, so that a read behind it is seen. */
static void check_plain(const char *text, size_t len)
{
    char *s = malloc(len ? len : 1);
    assert_non_null(s);
    const char *end = s + len;
    memcpy(s, text, len);
    assert_ptr_equal(scan_plain(s, end), one_by_one(s, end));
    assert_ptr_equal(scan_plain_bytes(s, end), one_by_one(s, end));
    free(s);
}

static void every_byte_at_every_place(void **state)
{
    (void)state;
    char text[LENGTHS];
    for (size_t len = 0; len < LENGTHS; len++) {
        memset(text, 'a', sizeof text);
        check_plain(text, len);
        for (size_t at = 0; at < len; at++)
            for (int byte = 0; byte < 256; byte++) {
                text[at] = (char)byte;
                check_plain(text, len);
                text[at] = 'a';
            }
    }
}

static void which_bytes_need_a_look(void **state)
{
    (void)state;
    char text[SCAN_SPECIAL];
    for (unsigned at = 0; at < SCAN_SPECIAL; at++)
        for (int byte = 0; byte < 256; byte++) {
            memset(text, 'a', sizeof text);
            text[at] = (char)byte;
            const unsigned want = (unsigned)(one_by_one(text + at, text + at + 1) == text + at) << at;
            assert_int_equal(scan_special_bits(text), want);
            assert_int_equal(scan_special_bits_bytes(text), want);
        }
}

static void texts_are_the_same_if_all_bytes_are(void **state)
{
    (void)state;
    char a[LENGTHS], b[LENGTHS];
    uint64_t random = 1;
    for (size_t len = 0; len < LENGTHS; len++) {
        for (size_t i = 0; i < len; i++)
            a[i] = b[i] = (char)next(&random);
        assert_true(scan_same(a, b, len));
        for (size_t at = 0; at < len; at++) {
            b[at] ^= (char)(1 << (next(&random) % 8));
            assert_false(scan_same(a, b, len));
            b[at] = a[at];
        }
    }
}

static void which_bytes_are_the_same(void **state)
{
    (void)state;
    uint64_t random = 9;
    for (int n = 0; n < 100000; n++) {
        char a[SCAN_SAME], b[SCAN_SAME];
        unsigned want = 0;
        for (unsigned i = 0; i < SCAN_SAME; i++) {
            a[i] = (char)(next(&random) % 256);
            b[i] = next(&random) % 2 ? a[i] : (char)(next(&random) % 256);
            want |= (unsigned)(a[i] == b[i]) << i;
        }
        assert_int_equal(scan_same_bits(a, b), want);
        assert_int_equal(scan_same_bits_bytes(a, b), want);
    }
}

static void eight_digits(void **state)
{
    (void)state;
    for (unsigned at = 0; at < 8; at++)
        for (uint64_t byte = 0; byte < 256; byte++) {
            const uint64_t nines = UINT64_C(0x0909090909090909) & ~(UINT64_C(0xFF) << 8 * at);
            assert_int_equal(scan_eight_digits(byte << 8 * at), byte < 10);
            assert_int_equal(scan_eight_digits(nines + (byte << 8 * at)), byte < 10);
        }
}

static void digits_and_their_value(void **state)
{
    (void)state;
    uint64_t random = 7;
    for (int n = 0; n < 100000; n++) {
        char text[17], digits[17];
        unsigned count = 1 + (unsigned)(next(&random) % 16), whole = 1 + (unsigned)(next(&random) % 14);
        for (int i = 0; i < 16; i++)
            text[i] = (char)(next(&random) % 3 ? '0' + next(&random) % 10 : next(&random) % 256);
        assert_int_equal(scan_digit_bits(text), scan_digit_bits_bytes(text));
        for (unsigned i = 0; i < 16; i++)
            text[i] = i < count ? (char)('0' + next(&random) % 10) : (char)(next(&random) % 256);
        snprintf(digits, sizeof digits, "%.*s", (int)count, text);
        assert_int_equal(scan_digits(text, count), strtoull(digits, NULL, 10));
        if (whole >= count || count > 8)
            continue;
        memmove(text + whole + 1, text + whole, 15 - whole);
        text[whole] = '.';
        assert_int_equal(scan_digits_around(text, whole, count), strtoull(digits, NULL, 10));
    }
}

/* A number that is read is the general way's to its last bit, unless it goes on behind it. From memory that ends with
 * the text. Returns whether the whole text was read as an int (1), as a float (2). */
static int check_number(const char *text, size_t len, const char *behind)
{
    size_t all = len + strlen(behind), token_len = 0;
    char *s = malloc(all ? all : 1);
    const char *end = s + all, *token = NULL;
    memcpy(s, text, len);
    memcpy(s + len, behind, all - len);
    int64_t i = 0, want_int;
    int64_t int_bytes = 0;
    double f = 0, bytes = 0, want;
    const char *int_end = scan_int(s, end, &i), *float_end = scan_float(s, end, &f);
    assert_ptr_equal(int_end, scan_int_bytes(s, end, &int_bytes));
    assert_int_equal(i, int_bytes);
    assert_ptr_equal(float_end, scan_float_bytes(s, end, &bytes));
    assert_true(!float_end || memcmp(&f, &bytes, sizeof f) == 0);
    struct json j = json_begin(s, len);
    bool number = json_number(&j, &token, &token_len) && token_len == len;
    bool whole_int = int_end == s + len, whole_float = float_end == s + len;
    assert_true(!whole_int || (number && json_int(s, len, &want_int) && i == want_int));
    assert_true(!whole_float || (number && json_float(s, len, &want) && memcmp(&f, &want, sizeof f) == 0));
    free(s);
    return whole_int + 2 * whole_float;
}

static void plain_numbers(void **state)
{
    (void)state;
    static const char *const behinds[] = {
        "", ",", "}", ",\"a\":1,\"b\":22222222222", " ", "x", "\"0000000000000000000"};
    static const struct {
        const char *number;
        int plain; /* as an int 1, as a float 2 */
    } cases[] = {
        {"0", 3},
        {"-0", 3},
        {"7", 3},
        {"-12", 3},
        {"1234567", 3},
        {"12345678", 3},
        {"123456789", 3},
        {"123456789012345", 3},
        {"1234567890123456", 1},
        {"-123456789012345678", 1},
        {"1234567890123456789", 0},
        {"01", 0},
        {"-00000001", 0},
        {"", 0},
        {"-", 0},
        {"+1", 0},
        {"1.5", 2},
        {"-0.25", 2},
        {"1234567.1234567", 2},
        {"0.12345678", 2},
        {"12345678.5", 2},
        {"0.00000001", 2},
        {"1.", 0},
        {".5", 0},
        {"-.5", 0},
        {"00.5", 0},
        {"1.5.", 0},
        {"1e5", 0},
        {"1.5E5", 0},
        {"1.12345678901234567", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t k = 0; k < sizeof behinds / sizeof *behinds; k++)
            assert_int_equal(check_number(cases[i].number, strlen(cases[i].number), behinds[k]), cases[i].plain);
}

static void numbers_by_chance(void **state)
{
    (void)state;
    static const char parts[] = "0123456789012345678900..-e";
    static const char *const behinds[] = {"", ",", ",\"abcdefghijklmnopqrstuvwxyz"};
    uint64_t random = 3;
    for (int n = 0; n < 300000; n++) {
        char text[24];
        size_t len = next(&random) % sizeof text;
        for (size_t i = 0; i < len; i++)
            text[i] = parts[next(&random) % (sizeof parts - 1)];
        (void)check_number(text, len, behinds[n % 3]);
    }
}

static void commas_of_plain_cells(void **state)
{
    (void)state;
    uint64_t random = 11;
    for (int n = 0; n < 100000; n++) {
        char *s = malloc(SCAN_CELLS); /* the sanitizer sees a read behind its end */
        uint64_t want = 0, commas = 0, bytes = 0;
        for (size_t i = 0; i < SCAN_CELLS; i++) {
            s[i] = next(&random) % 4 ? 'a' : next(&random) % 16 ? ',' : (char)(next(&random) % 256);
            want |= (uint64_t)(s[i] == ',') << i;
        }
        bool plain = one_by_one(s, s + SCAN_CELLS) == s + SCAN_CELLS;
        assert_int_equal(scan_cells(s, &commas), plain);
        assert_int_equal(commas, want);
        assert_int_equal(scan_cells_bytes(s, &bytes), plain);
        assert_int_equal(bytes, want);
        free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_at_every_place),
        cmocka_unit_test(which_bytes_need_a_look),
        cmocka_unit_test(texts_are_the_same_if_all_bytes_are),
        cmocka_unit_test(which_bytes_are_the_same),
        cmocka_unit_test(eight_digits),
        cmocka_unit_test(digits_and_their_value),
        cmocka_unit_test(plain_numbers),
        cmocka_unit_test(numbers_by_chance),
        cmocka_unit_test(commas_of_plain_cells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
