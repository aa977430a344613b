/* CRC-32C against the values of RFC 3720, B.4, and both ways of computing it against each other. */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_known_values(void **state)
{
    unsigned char bytes[32];
    (void)state;
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(hash_crc32c(0, bytes, sizeof bytes), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(hash_crc32c(0, bytes, sizeof bytes), 0x62a8ab43);
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    assert_int_equal(hash_crc32c(0, bytes, sizeof bytes), 0x46dd794e);
    assert_int_equal(hash_crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(hash_crc32c(0, NULL, 0), 0);
}

static void test_both_ways_and_in_pieces(void **state)
{
    unsigned char bytes[257];
    (void)state;
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 167 + (i >> 3));
    for (size_t from = 0; from < 9; from++)
        for (size_t to = from; to <= sizeof bytes; to++) {
            uint32_t whole = hash_crc32c(0, bytes + from, to - from);
            size_t middle = from + (to - from) / 3;
            assert_int_equal(hash_crc32c_portable(0, bytes + from, to - from), whole);
            assert_int_equal(hash_crc32c(hash_crc32c(0, bytes + from, middle - from), bytes + middle, to - middle),
                             whole);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_known_values),
                                       cmocka_unit_test(test_both_ways_and_in_pieces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
