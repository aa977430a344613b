#include "api/waits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void a_tenant_has_its_share(void **state)
{
    struct waits *w = waits_new();
    (void)state;
    for (int i = 0; i < WAITS_PER_TENANT; i++)
        assert_true(waits_begin(w, "acme"));
    assert_false(waits_begin(w, "acme"));
    assert_true(waits_begin(w, "other"));
    waits_end(w, "acme");
    assert_true(waits_begin(w, "acme"));
    assert_false(waits_begin(w, "acme"));
    waits_free(&w);
}

static void all_have_an_end(void **state)
{
    struct waits *w = waits_new();
    char name[16];
    (void)state;
    for (int i = 0; i < WAITS_MAX; i++) {
        snprintf(name, sizeof name, "t%d", i);
        assert_true(waits_begin(w, name));
    }
    assert_false(waits_begin(w, "one-more"));
    waits_end(w, "t7");
    assert_true(waits_begin(w, "one-more"));
    assert_false(waits_begin(w, "t7"));
    for (int i = 0; i < WAITS_MAX; i++) {
        snprintf(name, sizeof name, "t%d", i);
        if (i != 7)
            waits_end(w, name);
    }
    waits_end(w, "one-more");
    assert_true(waits_begin(w, "t7"));
    waits_free(&w);
    assert_null(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_tenant_has_its_share), cmocka_unit_test(all_have_an_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
