/* Inside of expressions: the operations of the stack machine that compiled expressions run on. */
#ifndef BELLTOWER_TENANTS_APP_EXPR_OPS_H
#define BELLTOWER_TENANTS_APP_EXPR_OPS_H

#include "tenants/app/expr.h"

#define EXPR_MAX_STACK 64

/* The letter behind an operation's name is the type of its operands: I int, F float, B bool, S string. What an
 * operation makes of null is part of it. */
enum expr_op {
    OP_SLOT,  /* push slot */
    OP_CONST, /* push values[0] */
    OP_TO_FLOAT,
    OP_TO_FLOAT_BELOW, /* the value under the top */
    OP_NOT,
    OP_AND,
    OP_OR,
    OP_IS_NULL,
    OP_IS_NOT_NULL,
    OP_IN, /* values[0..count) */
    OP_COALESCE,
    OP_NEGATE_I,
    OP_NEGATE_F,
    OP_ADD_I,
    OP_ADD_F,
    OP_SUBTRACT_I,
    OP_SUBTRACT_F,
    OP_MULTIPLY_I,
    OP_MULTIPLY_F,
    OP_DIVIDE_F,
    OP_REMAINDER_I,
    OP_REMAINDER_F,
    OP_EQ_I,
    OP_EQ_F,
    OP_EQ_S,
    OP_EQ_B,
    OP_NE_I,
    OP_NE_F,
    OP_NE_S,
    OP_NE_B,
    OP_LT_I,
    OP_LT_F,
    OP_LT_S,
    OP_LE_I,
    OP_LE_F,
    OP_LE_S,
    OP_GT_I,
    OP_GT_F,
    OP_GT_S,
    OP_GE_I,
    OP_GE_F,
    OP_GE_S,
    OP_ABS_I,
    OP_ABS_F,
    OP_FLOOR_F,
    OP_CEIL_F,
    OP_ROUND_F,
    OP_LENGTH,
    OP_LOWER,
    OP_UPPER,
    OP_STARTS_WITH,
    OP_ENDS_WITH,
    OP_CONTAINS,
    OP_NONE /* nothing to do, or not possible */
};

struct expr_run {
    const struct value *slots;
    struct arena *scratch;
};

struct expr_ins;
/* top: behind the last value on the stack; returns the new one. */
typedef struct value *expr_op_fn(struct value *top, const struct expr_ins *ins, const struct expr_run *run);
extern expr_op_fn *const expr_op_table[OP_NONE];

struct expr_ins {
    expr_op_fn *fn; /* NULL ends a program */
    uint32_t slot, count;
    const struct value *values;
};

struct expr {
    enum value_type type;
    size_t count; /* instructions, without the end */
    const struct expr_ins *code;
    const struct expr_ins *fused; /* the same in fewer steps: what is run */
};

/* The program with its end, with what compares slots and constants, or joins a slot by and, or, in one step. Room in
 * `fused` for as many instructions. */
void expr_fuse(const struct expr_ins *code, struct expr_ins *fused);

/* As expr_equal, but slots are the same if same_slot says so (two files may have their fields in another order). */
typedef bool expr_same_slot(const void *context, size_t a, size_t b);
bool expr_same(const struct expr *a, const struct expr *b, expr_same_slot *same_slot, const void *context);

#endif
