/* Inside of expressions: the parser, which checks types and emits the program as it reads. */
#ifndef BELLTOWER_TENANTS_APP_EXPR_PARSE_H
#define BELLTOWER_TENANTS_APP_EXPR_PARSE_H

#include "tenants/app/expr_emit.h"
#include "tenants/app/expr_lex.h"

#define EXPR_MAX_BYTES   4096
#define EXPR_MAX_NESTING 64

struct parser {
    struct lexer *lexer;
    const struct expr_context *context;
    struct emitter emit;
    bool in_aggregate; /* this is the argument of one */
    size_t nesting;
};

/* What has just been read and lies on top of the stack. */
struct operand {
    enum value_type type; /* VALUE_NULL: the word null, or an operation on nothing else */
    size_t at, end;       /* bytes of the text */
};

/* All of these: false with the lexer's mistake filled. */
bool parse_expression(struct parser *p, struct operand *out);
bool parse_call(struct parser *p, struct token name,
                struct operand *out); /* the present token is the ( behind the name */
bool parse_name(struct parser *p, struct token name, struct operand *out);
bool parse_expect(struct parser *p, enum token_kind kind, const char *spelled);
bool parse_unexpected(struct parser *p, const char *expected);
bool parse_nest(struct parser *p); /* one level deeper; the caller counts back */
bool parse_too_deep(struct parser *p);
bool operand_mistake(struct parser *p, const struct operand *o, const char *expected, const char *fmt, ...)
    PRINTF(4, 5);
bool is_number_type(enum value_type type);
/* Makes the two values on top of the stack one type (int with float: float; null takes any). False without a mistake if
 * they do not go together; *type is left. */
bool unify(struct parser *p, const struct operand *left, const struct operand *right, enum value_type *type);

#endif
