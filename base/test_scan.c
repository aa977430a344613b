/* Each way of scanning gives what looking at one byte after another gives. */
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

static void eight_digits_and_their_value(void **state)
{
    (void)state;
    uint64_t random = 7;
    char text[16];
    for (int i = 0; i < 200000; i++) {
        uint64_t n = next(&random) % 100000000;
        snprintf(text, sizeof text, "%08llu", (unsigned long long)n);
        assert_true(scan_eight_digits(text));
        assert_int_equal(scan_eight_value(text), n);
    }
    for (int at = 0; at < 8; at++)
        for (int byte = 0; byte < 256; byte++) {
            memcpy(text, "00000000", 8);
            text[at] = (char)byte;
            assert_int_equal(scan_eight_digits(text), byte >= '0' && byte <= '9');
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_at_every_place),
        cmocka_unit_test(texts_are_the_same_if_all_bytes_are),
        cmocka_unit_test(eight_digits_and_their_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
