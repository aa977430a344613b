#include "tenants/app/expr_ops.h"

#include <math.h>
#include <string.h>

#define OP(name)                                                                                                       \
    static struct value *name(struct value *top, __attribute__((unused)) const struct expr_ins *ins,                   \
                              __attribute__((unused)) const struct expr_run *run)

static struct value null_value(void)
{
    return (struct value){.type = VALUE_NULL};
}

static struct value int_value(int64_t i)
{
    return (struct value){.type = VALUE_INT, .i = i};
}

static struct value bool_value(bool b)
{
    return (struct value){.type = VALUE_BOOL, .b = b};
}

static struct value float_value(double f)
{
    return isfinite(f) ? (struct value){.type = VALUE_FLOAT, .f = f} : null_value();
}

static bool is_null(const struct value *v)
{
    return v->type == VALUE_NULL;
}

static bool is_true(const struct value *v)
{
    return v->type == VALUE_BOOL && v->b;
}

OP(op_slot)
{
    *top = run->slots[ins->slot];
    return top + 1;
}

OP(op_const)
{
    *top = *ins->values;
    return top + 1;
}

static void to_float(struct value *v)
{
    if (v->type == VALUE_INT)
        *v = float_value((double)v->i);
}

OP(op_to_float)
{
    to_float(top - 1);
    return top;
}

OP(op_to_float_below)
{
    to_float(top - 2);
    return top;
}

OP(op_not)
{
    top[-1] = bool_value(!is_true(top - 1));
    return top;
}

OP(op_and)
{
    top[-2] = bool_value(is_true(top - 2) && is_true(top - 1));
    return top - 1;
}

OP(op_or)
{
    top[-2] = bool_value(is_true(top - 2) || is_true(top - 1));
    return top - 1;
}

OP(op_and_slot)
{
    top[-1] = bool_value(is_true(top - 1) && is_true(&run->slots[ins->slot]));
    return top;
}

OP(op_or_slot)
{
    top[-1] = bool_value(is_true(top - 1) || is_true(&run->slots[ins->slot]));
    return top;
}

OP(op_is_null)
{
    top[-1] = bool_value(is_null(top - 1));
    return top;
}

OP(op_is_not_null)
{
    top[-1] = bool_value(!is_null(top - 1));
    return top;
}

OP(op_in)
{
    bool found = false;
    for (uint32_t i = 0; i < ins->count && !found; i++)
        found = value_compare(top - 1, &ins->values[i]) == 0;
    top[-1] = bool_value(found);
    return top;
}

OP(op_coalesce)
{
    if (is_null(top - 2))
        top[-2] = top[-1];
    return top - 1;
}

/* ---- arithmetic: null in, null out ---- */

#define UNARY_OP(name, result)                                                                                         \
    OP(name)                                                                                                           \
    {                                                                                                                  \
        if (!is_null(top - 1))                                                                                         \
            top[-1] = result(top - 1);                                                                                 \
        return top;                                                                                                    \
    }

#define BINARY_OP(name, result)                                                                                        \
    OP(name)                                                                                                           \
    {                                                                                                                  \
        top[-2] = is_null(top - 2) || is_null(top - 1) ? null_value() : result(top - 2, top - 1);                      \
        return top - 1;                                                                                                \
    }

static struct value negate_int(const struct value *a)
{
    return a->i == INT64_MIN ? null_value() : int_value(-a->i);
}

static struct value negate_float(const struct value *a)
{
    return float_value(-a->f);
}

static struct value abs_int(const struct value *a)
{
    return a->i < 0 ? negate_int(a) : *a;
}

static struct value abs_float(const struct value *a)
{
    return float_value(fabs(a->f));
}

static struct value floor_float(const struct value *a)
{
    return float_value(floor(a->f));
}

static struct value ceil_float(const struct value *a)
{
    return float_value(ceil(a->f));
}

static struct value round_float(const struct value *a)
{
    return float_value(round(a->f));
}

static struct value add_int(const struct value *a, const struct value *b)
{
    int64_t r;
    return __builtin_add_overflow(a->i, b->i, &r) ? null_value() : int_value(r);
}

static struct value subtract_int(const struct value *a, const struct value *b)
{
    int64_t r;
    return __builtin_sub_overflow(a->i, b->i, &r) ? null_value() : int_value(r);
}

static struct value multiply_int(const struct value *a, const struct value *b)
{
    int64_t r;
    return __builtin_mul_overflow(a->i, b->i, &r) ? null_value() : int_value(r);
}

static struct value remainder_int(const struct value *a, const struct value *b)
{
    if (b->i == 0)
        return null_value();
    return int_value(b->i == -1 ? 0 : a->i % b->i); /* INT64_MIN % -1 traps */
}

static struct value add_float(const struct value *a, const struct value *b)
{
    return float_value(a->f + b->f);
}

static struct value subtract_float(const struct value *a, const struct value *b)
{
    return float_value(a->f - b->f);
}

static struct value multiply_float(const struct value *a, const struct value *b)
{
    return float_value(a->f * b->f);
}

static struct value divide_float(const struct value *a, const struct value *b)
{
    return b->f == 0 ? null_value() : float_value(a->f / b->f);
}

static struct value remainder_float(const struct value *a, const struct value *b)
{
    return b->f == 0 ? null_value() : float_value(fmod(a->f, b->f));
}

UNARY_OP(op_negate_i, negate_int)
UNARY_OP(op_negate_f, negate_float)
UNARY_OP(op_abs_i, abs_int)
UNARY_OP(op_abs_f, abs_float)
UNARY_OP(op_floor_f, floor_float)
UNARY_OP(op_ceil_f, ceil_float)
UNARY_OP(op_round_f, round_float)
BINARY_OP(op_add_i, add_int)
BINARY_OP(op_add_f, add_float)
BINARY_OP(op_subtract_i, subtract_int)
BINARY_OP(op_subtract_f, subtract_float)
BINARY_OP(op_multiply_i, multiply_int)
BINARY_OP(op_multiply_f, multiply_float)
BINARY_OP(op_divide_f, divide_float)
BINARY_OP(op_remainder_i, remainder_int)
BINARY_OP(op_remainder_f, remainder_float)

/* ---- comparisons: false with null ---- */

static int strings(const struct value *a, const struct value *b)
{
    return value_compare(a, b);
}

/* What name##_at compares is not on the stack: the slot, and values[0] or else slot number `count`. */
#define COMPARE_OP(name, test)                                                                                         \
    OP(name)                                                                                                           \
    {                                                                                                                  \
        const struct value *a = top - 2, *b = top - 1;                                                                 \
        top[-2] = bool_value(!is_null(a) && !is_null(b) && (test));                                                    \
        return top - 1;                                                                                                \
    }                                                                                                                  \
    OP(name##_at)                                                                                                      \
    {                                                                                                                  \
        const struct value *a = &run->slots[ins->slot], *b = ins->values ? ins->values : &run->slots[ins->count];      \
        *top = bool_value(!is_null(a) && !is_null(b) && (test));                                                       \
        return top + 1;                                                                                                \
    }

#define COMPARE_OPS(name, sign)                                                                                        \
    COMPARE_OP(name##_i, a->i sign b->i)                                                                               \
    COMPARE_OP(name##_f, a->f sign b->f)                                                                               \
    COMPARE_OP(name##_s, strings(a, b) sign 0)

COMPARE_OPS(op_eq, ==)
COMPARE_OPS(op_ne, !=)
COMPARE_OPS(op_lt, <)
COMPARE_OPS(op_le, <=)
COMPARE_OPS(op_gt, >)
COMPARE_OPS(op_ge, >=)
COMPARE_OP(op_eq_b, a->b == b->b)
COMPARE_OP(op_ne_b, a->b != b->b)

/* ---- strings ---- */

static struct value length_of(const struct value *a)
{
    int64_t n = 0;
    for (uint32_t i = 0; i < a->len; i++)
        n += ((unsigned char)a->s[i] & 0xc0) != 0x80;
    return int_value(n);
}

UNARY_OP(op_length, length_of)

static struct value with_case(const struct value *a, char from, char to, struct arena *scratch)
{
    char *s = arena_alloc(scratch, a->len);
    for (uint32_t i = 0; i < a->len; i++) {
        char c = a->s[i];
        s[i] = c >= from && c <= from + 25 ? (char)(c - from + to) : c;
    }
    return (struct value){.type = VALUE_STRING, .len = a->len, .s = s};
}

OP(op_lower)
{
    if (!is_null(top - 1))
        top[-1] = with_case(top - 1, 'A', 'a', run->scratch);
    return top;
}

OP(op_upper)
{
    if (!is_null(top - 1))
        top[-1] = with_case(top - 1, 'a', 'A', run->scratch);
    return top;
}

static bool starts_with(const struct value *s, const struct value *part)
{
    return !part->len || (part->len <= s->len && memcmp(s->s, part->s, part->len) == 0);
}

static bool ends_with(const struct value *s, const struct value *part)
{
    return !part->len || (part->len <= s->len && memcmp(s->s + (s->len - part->len), part->s, part->len) == 0);
}

static bool contains(const struct value *s, const struct value *part)
{
    return !part->len || (part->len <= s->len && memmem(s->s, s->len, part->s, part->len) != NULL);
}

COMPARE_OP(op_starts_with, starts_with(a, b))
COMPARE_OP(op_ends_with, ends_with(a, b))
COMPARE_OP(op_contains, contains(a, b))

expr_op_fn *const expr_op_table[OP_NONE] = {
    [OP_SLOT] = op_slot,
    [OP_CONST] = op_const,
    [OP_TO_FLOAT] = op_to_float,
    [OP_TO_FLOAT_BELOW] = op_to_float_below,
    [OP_NOT] = op_not,
    [OP_AND] = op_and,
    [OP_OR] = op_or,
    [OP_IS_NULL] = op_is_null,
    [OP_IS_NOT_NULL] = op_is_not_null,
    [OP_IN] = op_in,
    [OP_COALESCE] = op_coalesce,
    [OP_NEGATE_I] = op_negate_i,
    [OP_NEGATE_F] = op_negate_f,
    [OP_ADD_I] = op_add_i,
    [OP_ADD_F] = op_add_f,
    [OP_SUBTRACT_I] = op_subtract_i,
    [OP_SUBTRACT_F] = op_subtract_f,
    [OP_MULTIPLY_I] = op_multiply_i,
    [OP_MULTIPLY_F] = op_multiply_f,
    [OP_DIVIDE_F] = op_divide_f,
    [OP_REMAINDER_I] = op_remainder_i,
    [OP_REMAINDER_F] = op_remainder_f,
    [OP_EQ_I] = op_eq_i,
    [OP_EQ_F] = op_eq_f,
    [OP_EQ_S] = op_eq_s,
    [OP_EQ_B] = op_eq_b,
    [OP_NE_I] = op_ne_i,
    [OP_NE_F] = op_ne_f,
    [OP_NE_S] = op_ne_s,
    [OP_NE_B] = op_ne_b,
    [OP_LT_I] = op_lt_i,
    [OP_LT_F] = op_lt_f,
    [OP_LT_S] = op_lt_s,
    [OP_LE_I] = op_le_i,
    [OP_LE_F] = op_le_f,
    [OP_LE_S] = op_le_s,
    [OP_GT_I] = op_gt_i,
    [OP_GT_F] = op_gt_f,
    [OP_GT_S] = op_gt_s,
    [OP_GE_I] = op_ge_i,
    [OP_GE_F] = op_ge_f,
    [OP_GE_S] = op_ge_s,
    [OP_ABS_I] = op_abs_i,
    [OP_ABS_F] = op_abs_f,
    [OP_FLOOR_F] = op_floor_f,
    [OP_CEIL_F] = op_ceil_f,
    [OP_ROUND_F] = op_round_f,
    [OP_LENGTH] = op_length,
    [OP_LOWER] = op_lower,
    [OP_UPPER] = op_upper,
    [OP_STARTS_WITH] = op_starts_with,
    [OP_ENDS_WITH] = op_ends_with,
    [OP_CONTAINS] = op_contains,
};

/* ---- fewer steps ---- */

#define COMPARES_AT(name)                                                                                              \
    {name##_i, name##_i_at}, {name##_f, name##_f_at},                                                                  \
    {                                                                                                                  \
        name##_s, name##_s_at                                                                                          \
    }

static expr_op_fn *compare_at(expr_op_fn *fn)
{
    static expr_op_fn *const pairs[][2] = {COMPARES_AT(op_eq),
                                           COMPARES_AT(op_ne),
                                           COMPARES_AT(op_lt),
                                           COMPARES_AT(op_le),
                                           COMPARES_AT(op_gt),
                                           COMPARES_AT(op_ge),
                                           {op_eq_b, op_eq_b_at},
                                           {op_ne_b, op_ne_b_at},
                                           {op_starts_with, op_starts_with_at},
                                           {op_ends_with, op_ends_with_at},
                                           {op_contains, op_contains_at}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (pairs[i][0] == fn)
            return pairs[i][1];
    return NULL;
}

/* Of the `n` steps so far, and one more. Returns how many there are then. In postfix order a push just before an
 * operation is its operand. */
static size_t fuse_step(struct expr_ins *out, size_t n, const struct expr_ins *ins)
{
    struct expr_ins *last = n >= 1 ? &out[n - 1] : NULL, *below = n >= 2 ? &out[n - 2] : NULL;
    expr_op_fn *at = compare_at(ins->fn);
    if (at && below && below->fn == op_slot && (last->fn == op_slot || last->fn == op_const)) {
        *below = (struct expr_ins){.fn = at, .slot = below->slot, .count = last->slot, .values = last->values};
        return n - 1;
    }
    if ((ins->fn == op_and || ins->fn == op_or) && last && last->fn == op_slot) {
        last->fn = ins->fn == op_and ? op_and_slot : op_or_slot;
        return n;
    }
    out[n] = *ins;
    return n + 1;
}

void expr_fuse(const struct expr_ins *code, struct expr_ins *fused)
{
    size_t n = 0;
    for (; code->fn; code++)
        n = fuse_step(fused, n, code);
    fused[n] = (struct expr_ins){0};
}

struct value expr_eval(const struct expr *e, const struct value *slots, struct arena *scratch)
{
    struct value stack[EXPR_MAX_STACK], *top = stack;
    const struct expr_run run = {slots, scratch};
    for (const struct expr_ins *ins = e->fused; ins->fn; ins++)
        top = ins->fn(top, ins, &run);
    return stack[0];
}

enum value_type expr_type(const struct expr *e)
{
    return e->type;
}

void expr_used_slots(const struct expr *e, uint64_t *used)
{
    for (size_t i = 0; i < e->count; i++)
        if (e->code[i].fn == op_slot)
            used[e->code[i].slot / 64] |= UINT64_C(1) << e->code[i].slot % 64;
}

bool expr_is_slot(const struct expr *e, size_t *slot)
{
    if (e->count != 1 || e->code[0].fn != op_slot)
        return false;
    *slot = e->code[0].slot;
    return true;
}

static bool same_values(const struct expr_ins *a, const struct expr_ins *b)
{
    for (uint32_t i = 0; i < a->count; i++)
        if (a->values[i].type != b->values[i].type || value_compare(&a->values[i], &b->values[i]) != 0)
            return false;
    return true;
}

/* A program in postfix order is the tree, written flat. */
bool expr_same(const struct expr *a, const struct expr *b, expr_same_slot *same_slot, const void *context)
{
    if (a->type != b->type || a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct expr_ins *x = &a->code[i], *y = &b->code[i];
        if (x->fn != y->fn || x->count != y->count || !same_values(x, y))
            return false;
        if (x->fn == op_slot && !same_slot(context, x->slot, y->slot))
            return false;
    }
    return true;
}

static bool same_number(const void *context, size_t a, size_t b)
{
    (void)context;
    return a == b;
}

bool expr_equal(const struct expr *a, const struct expr *b)
{
    return expr_same(a, b, same_number, NULL);
}
