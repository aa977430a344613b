/* Any text over columns of all types, with and without aggregates. What compiles must evaluate to its type, and equal
 * itself. */
#include "tenants/app/expr.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct expr_name names[] = {{"i", VALUE_INT}, {"f", VALUE_FLOAT}, {"s", VALUE_STRING}, {"b", VALUE_BOOL}};
static const size_t keys[] = {0, 2};

static void check(const struct expr *e, const struct value *slots, struct arena *arena)
{
    struct value v = expr_eval(e, slots, arena);
    if (v.type != VALUE_NULL && v.type != expr_type(e))
        abort();
    if (v.type == VALUE_FLOAT && !isfinite(v.f))
        abort();
    if (!expr_equal(e, e))
        abort();
}

static void check_plain(const char *text, size_t size)
{
    static const struct value slots[2][4] = {{{.type = VALUE_INT, .i = INT64_MIN},
                                              {.type = VALUE_FLOAT, .f = -1.5e308},
                                              {.type = VALUE_STRING, .len = 3, .s = "aBc"},
                                              {.type = VALUE_BOOL, .b = true}},
                                             {{.type = VALUE_NULL}}};
    const struct expr_context context = {.names = names, .name_count = 4};
    struct arena arena = {0};
    struct expr_mistake m;
    const struct expr *e = expr_compile(text, size, &context, VALUE_NULL, &arena, &m);
    if (e) {
        check(e, slots[0], &arena);
        check(e, slots[1], &arena);
    } else if (!m.message || m.at > size || m.len == 0) {
        abort();
    }
    arena_free(&arena);
}

static void check_aggregates(const char *text, size_t size)
{
    struct arena arena = {0};
    struct agg *aggs = NULL;
    size_t count = 0;
    const struct expr_context context = {names, 4, keys, 2, &aggs, &count};
    struct expr_mistake m;
    const struct expr *e = expr_compile(text, size, &context, VALUE_NULL, &arena, &m);
    if (e) {
        struct value *slots = mem_zero(2 + count, sizeof *slots);
        check(e, slots, &arena);
        free(slots);
    }
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_plain((const char *)data, size);
    check_aggregates((const char *)data, size);
    return 0;
}
