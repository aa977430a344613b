/* As many things as make the table's memory huge pages: each is found, and none that was taken out. */
#include "stream/engine/table.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define THINGS 300000

struct thing {
    struct ident ident;
    uint64_t number;
};

static struct thing *find(const struct table *t, uint64_t number)
{
    return table_find(t, table_hash(&number, sizeof number), &number, sizeof number);
}

static void finds_what_is_in_it(void **state)
{
    (void)state;
    struct table t = {0};
    struct thing *things = mem_zero(THINGS, sizeof *things);
    for (uint64_t i = 0; i < THINGS; i++) {
        struct thing *x = &things[i];
        x->number = i * 3;
        x->ident = (struct ident){(const char *)&x->number, sizeof x->number};
        assert_null(find(&t, x->number));
        table_add(&t, table_hash(&x->number, sizeof x->number), &x->ident);
    }
    for (uint64_t i = 0; i < THINGS; i += 2)
        table_remove(&t, &things[i].ident);
    assert_int_equal(t.count, THINGS / 2);
    for (uint64_t i = 0; i < THINGS; i++) {
        assert_ptr_equal(find(&t, i * 3), i % 2 ? &things[i] : NULL);
        assert_null(find(&t, i * 3 + 1));
    }
    table_free(&t);
    free(things);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds_what_is_in_it)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
