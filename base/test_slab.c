/* Pieces of all sizes, of as many that the blocks are huge ones. */
#include "base/slab.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PIECES 120000 /* of 24 to 1040 bytes: 64 MB */

static size_t size_of(size_t i)
{
    return 24 + i % 128 * 8;
}

static size_t *piece(struct slab *s, size_t i)
{
    size_t *p = slab_alloc(s, size_of(i));
    assert_int_equal((uintptr_t)p % SLAB_UNIT, 0);
    for (size_t k = 0; k < size_of(i) / sizeof *p; k++)
        assert_int_equal(p[k], 0);
    p[0] = p[size_of(i) / sizeof *p - 1] = i;
    return p;
}

static void pieces_are_zeroed_and_apart(void **state)
{
    (void)state;
    struct slab s = {0};
    size_t **all = mem_zero(PIECES, sizeof(size_t *));
    for (size_t i = 0; i < PIECES; i++)
        all[i] = piece(&s, i);
    assert_true(s.block_count > 70 && s.block_count < 110); /* small ones and then huge ones */
    for (size_t i = 0; i < PIECES; i += 2)
        slab_free(&s, all[i], size_of(i));
    size_t blocks = s.block_count;
    for (size_t i = 0; i < PIECES; i += 2)
        all[i] = piece(&s, i);
    assert_int_equal(s.block_count, blocks); /* what was freed is used again */
    for (size_t i = 0; i < PIECES; i++) {
        assert_int_equal(all[i][0], i);
        assert_int_equal(all[i][size_of(i) / sizeof(size_t) - 1], i);
    }
    free(all);
    slab_free_all(&s);
    assert_int_equal(s.block_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pieces_are_zeroed_and_apart)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
