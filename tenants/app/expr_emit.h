/* Inside of expressions: a program under construction. */
#ifndef BELLTOWER_TENANTS_APP_EXPR_EMIT_H
#define BELLTOWER_TENANTS_APP_EXPR_EMIT_H

#include "tenants/app/expr_ops.h"

struct emitter {
    struct arena *arena;
    struct expr_ins *code;
    size_t count, cap;
    size_t depth; /* values on the stack when the code so far has run */
};

/* False if the stack would grow too deep; then nothing is added. OP_NONE adds nothing. */
bool emit_slot(struct emitter *e, size_t slot);
bool emit_const(struct emitter *e, struct value v);
void emit_op(struct emitter *e, enum expr_op op);
void emit_in(struct emitter *e, const struct value *values, size_t count);
const struct expr *emit_finish(struct emitter *e, enum value_type type);

#endif
