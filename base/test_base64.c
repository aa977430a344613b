#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void encodes_and_decodes(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xff\xfe\xfd", "//79"},
    };
    struct buf b = {0};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        buf_clear(&b);
        base64_encode(pairs[i][0], strlen(pairs[i][0]), &b);
        assert_string_equal(buf_cstr(&b), pairs[i][1]);
        buf_clear(&b);
        assert_true(base64_decode(pairs[i][1], strlen(pairs[i][1]), &b));
        assert_string_equal(buf_cstr(&b), pairs[i][0]);
    }
    buf_free(&b);
}

static void refuses_what_is_not_base64(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "Z", "Zg", "Zg=", "Zg==Zg==", "Zh==", "Zm9=", "Z===", "====", "Zm 9v", "Zm9v\n", "Z=9v", "Zm-_"};
    struct buf b = {0};
    buf_add_str(&b, "x");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (base64_decode(texts[i], strlen(texts[i]), &b))
            fail_msg("accepted: %s", texts[i]);
        assert_int_equal(b.len, 1);
    }
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_and_decodes),
        cmocka_unit_test(refuses_what_is_not_base64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
