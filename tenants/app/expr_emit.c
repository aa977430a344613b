#include "tenants/app/expr_emit.h"

#include <string.h>

static void add(struct emitter *e, struct expr_ins ins)
{
    if (e->count == e->cap) {
        size_t cap = e->cap ? e->cap * 2 : 8;
        struct expr_ins *code = arena_alloc(e->arena, cap * sizeof *code);
        if (e->count)
            memcpy(code, e->code, e->count * sizeof *code);
        e->code = code;
        e->cap = cap;
    }
    e->code[e->count++] = ins;
}

static bool push(struct emitter *e, struct expr_ins ins)
{
    if (e->depth == EXPR_MAX_STACK)
        return false;
    e->depth++;
    add(e, ins);
    return true;
}

bool emit_slot(struct emitter *e, size_t slot)
{
    return push(e, (struct expr_ins){.fn = expr_op_table[OP_SLOT], .slot = (uint32_t)slot});
}

bool emit_const(struct emitter *e, struct value v)
{
    struct value *kept = arena_alloc(e->arena, sizeof *kept);
    *kept = v;
    return push(e, (struct expr_ins){.fn = expr_op_table[OP_CONST], .count = 1, .values = kept});
}

void emit_in(struct emitter *e, const struct value *values, size_t count)
{
    add(e, (struct expr_ins){.fn = expr_op_table[OP_IN], .count = (uint32_t)count, .values = values});
}

static bool takes_two(enum expr_op op)
{
    return op == OP_AND || op == OP_OR || op == OP_COALESCE || (op >= OP_ADD_I && op <= OP_GE_S) ||
           (op >= OP_STARTS_WITH && op <= OP_CONTAINS);
}

void emit_op(struct emitter *e, enum expr_op op)
{
    if (op == OP_NONE)
        return;
    add(e, (struct expr_ins){.fn = expr_op_table[op]});
    e->depth -= takes_two(op);
}

const struct expr *emit_finish(struct emitter *e, enum value_type type)
{
    struct expr *made = arena_alloc(e->arena, sizeof *made);
    made->type = type;
    made->count = e->count;
    add(e, (struct expr_ins){0});
    made->code = e->code;
    struct expr_ins *fused = arena_alloc(e->arena, e->count * sizeof *fused);
    expr_fuse(made->code, fused);
    made->fused = fused;
    return made;
}
