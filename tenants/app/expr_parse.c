#include "tenants/app/expr_parse.h"
#include "base/json.h"
#include "tenants/app/nearest.h"

#include <stdio.h>
#include <string.h>

enum { LEVEL_OR, LEVEL_AND, LEVEL_NOT, LEVEL_COMPARE, LEVEL_SUM, LEVEL_PRODUCT, LEVEL_UNARY };
enum operation_class { LOGIC, EQUALITY, ORDER, ARITHMETIC, DIVISION };

static const struct operation {
    enum token_kind token;
    const char *spelled;
    int level;
    enum operation_class class;
    enum expr_op of_int, of_float, of_string, of_bool;
} operations[] = {
    {TOKEN_OR, "or", LEVEL_OR, LOGIC, OP_NONE, OP_NONE, OP_NONE, OP_OR},
    {TOKEN_AND, "and", LEVEL_AND, LOGIC, OP_NONE, OP_NONE, OP_NONE, OP_AND},
    {TOKEN_EQ, "==", LEVEL_COMPARE, EQUALITY, OP_EQ_I, OP_EQ_F, OP_EQ_S, OP_EQ_B},
    {TOKEN_NE, "!=", LEVEL_COMPARE, EQUALITY, OP_NE_I, OP_NE_F, OP_NE_S, OP_NE_B},
    {TOKEN_LT, "<", LEVEL_COMPARE, ORDER, OP_LT_I, OP_LT_F, OP_LT_S, OP_NONE},
    {TOKEN_LE, "<=", LEVEL_COMPARE, ORDER, OP_LE_I, OP_LE_F, OP_LE_S, OP_NONE},
    {TOKEN_GT, ">", LEVEL_COMPARE, ORDER, OP_GT_I, OP_GT_F, OP_GT_S, OP_NONE},
    {TOKEN_GE, ">=", LEVEL_COMPARE, ORDER, OP_GE_I, OP_GE_F, OP_GE_S, OP_NONE},
    {TOKEN_PLUS, "+", LEVEL_SUM, ARITHMETIC, OP_ADD_I, OP_ADD_F, OP_NONE, OP_NONE},
    {TOKEN_MINUS, "-", LEVEL_SUM, ARITHMETIC, OP_SUBTRACT_I, OP_SUBTRACT_F, OP_NONE, OP_NONE},
    {TOKEN_STAR, "*", LEVEL_PRODUCT, ARITHMETIC, OP_MULTIPLY_I, OP_MULTIPLY_F, OP_NONE, OP_NONE},
    {TOKEN_SLASH, "/", LEVEL_PRODUCT, DIVISION, OP_NONE, OP_DIVIDE_F, OP_NONE, OP_NONE},
    {TOKEN_PERCENT, "%", LEVEL_PRODUCT, ARITHMETIC, OP_REMAINDER_I, OP_REMAINDER_F, OP_NONE, OP_NONE},
};

static const struct operation *find_operation(enum token_kind token, int level)
{
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        if (operations[i].token == token && operations[i].level == level)
            return &operations[i];
    return NULL;
}

static enum expr_op op_for(const struct operation *o, enum value_type type)
{
    switch (type) {
    case VALUE_NULL: /* null on both sides: the outcome is null whatever the types */
    case VALUE_INT:
        return o->of_int;
    case VALUE_FLOAT:
        return o->of_float;
    case VALUE_STRING:
        return o->of_string;
    case VALUE_BOOL:
        return o->of_bool;
    }
    return OP_NONE;
}

/* ---- mistakes ---- */

bool operand_mistake(struct parser *p, const struct operand *o, const char *expected, const char *fmt, ...)
{
    char text[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return lexer_mistake(p->lexer, o->at, o->end - o->at, expected, NULL, "%s", text);
}

bool parse_unexpected(struct parser *p, const char *expected)
{
    static const char *const words[] = {"and", "or", "not", "in", "is", "null", "true", "false"};
    const struct token *t = &p->lexer->token;
    if (t->kind == TOKEN_END)
        return lexer_mistake(p->lexer, t->at, 1, expected, NULL, "the expression ends too early");
    struct nearest near = nearest_begin(p->lexer->text + t->at, t->kind == TOKEN_NAME ? t->len : 0);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        nearest_offer(&near, words[i]);
    int shown = t->len < 40 ? (int)t->len : 40;
    return lexer_mistake(p->lexer, t->at, t->len, expected, near.best, "unexpected `%.*s`", shown,
                         p->lexer->text + t->at);
}

bool parse_expect(struct parser *p, enum token_kind kind, const char *spelled)
{
    return p->lexer->token.kind == kind ? lexer_next(p->lexer) : parse_unexpected(p, spelled);
}

bool parse_too_deep(struct parser *p)
{
    return lexer_mistake(p->lexer, p->lexer->token.at, p->lexer->token.len, NULL, NULL,
                         "nested too deeply; at most %d levels", EXPR_MAX_NESTING);
}

bool parse_nest(struct parser *p)
{
    return ++p->nesting <= EXPR_MAX_NESTING || parse_too_deep(p);
}

/* ---- types ---- */

bool is_number_type(enum value_type type)
{
    return type == VALUE_INT || type == VALUE_FLOAT || type == VALUE_NULL;
}

bool unify(struct parser *p, const struct operand *left, const struct operand *right, enum value_type *type)
{
    if (left->type == right->type || right->type == VALUE_NULL) {
        *type = left->type;
    } else if (left->type == VALUE_NULL) {
        *type = right->type;
    } else if (left->type == VALUE_INT && right->type == VALUE_FLOAT) {
        emit_op(&p->emit, OP_TO_FLOAT_BELOW);
        *type = VALUE_FLOAT;
    } else if (left->type == VALUE_FLOAT && right->type == VALUE_INT) {
        emit_op(&p->emit, OP_TO_FLOAT);
        *type = VALUE_FLOAT;
    } else {
        return false;
    }
    return true;
}

static bool check_number(struct parser *p, const struct operation *o, const struct operand *side)
{
    if (is_number_type(side->type))
        return true;
    return operand_mistake(p, side, "int or float", "`%s` needs numbers, not %s", o->spelled,
                           value_type_name(side->type));
}

static bool check_bool(struct parser *p, const char *spelled, const struct operand *side)
{
    if (side->type == VALUE_BOOL || side->type == VALUE_NULL)
        return true;
    return operand_mistake(p, side, "bool, e.g. a comparison", "`%s` needs bool, not %s", spelled,
                           value_type_name(side->type));
}

static bool apply_logic(struct parser *p, const struct operation *o, const struct operand *left,
                        const struct operand *right, struct operand *out)
{
    out->type = VALUE_BOOL;
    if (!check_bool(p, o->spelled, left) || !check_bool(p, o->spelled, right))
        return false;
    emit_op(&p->emit, o->of_bool);
    return true;
}

static bool apply_division(struct parser *p, const struct operation *o, const struct operand *left,
                           const struct operand *right, struct operand *out)
{
    out->type = VALUE_FLOAT;
    if (!check_number(p, o, left) || !check_number(p, o, right))
        return false;
    emit_op(&p->emit, left->type == VALUE_INT ? OP_TO_FLOAT_BELOW : OP_NONE);
    emit_op(&p->emit, right->type == VALUE_INT ? OP_TO_FLOAT : OP_NONE);
    emit_op(&p->emit, o->of_float);
    return true;
}

static bool apply_arithmetic(struct parser *p, const struct operation *o, const struct operand *left,
                             const struct operand *right, struct operand *out)
{
    if (!check_number(p, o, left) || !check_number(p, o, right) || !unify(p, left, right, &out->type))
        return false;
    emit_op(&p->emit, op_for(o, out->type));
    return true;
}

static bool apply_comparison(struct parser *p, const struct operation *o, const struct operand *left,
                             const struct operand *right, struct operand *out)
{
    enum value_type type;
    if (left->type == VALUE_NULL || right->type == VALUE_NULL) {
        const char *suggestion = o->token == TOKEN_EQ ? "is null" : o->token == TOKEN_NE ? "is not null" : NULL;
        size_t at = left->at;
        return lexer_mistake(p->lexer, at, right->end - at, "`x is null` or `x is not null`", suggestion,
                             "a comparison with null is never true");
    }
    if (!unify(p, left, right, &type)) {
        struct operand both = {.at = left->at, .end = right->end};
        return operand_mistake(p, &both, "two values of one type", "cannot compare %s with %s",
                               value_type_name(left->type), value_type_name(right->type));
    }
    if (op_for(o, type) == OP_NONE) {
        struct operand both = {.at = left->at, .end = right->end};
        return operand_mistake(p, &both, "`==` or `!=`", "bool values have no order");
    }
    emit_op(&p->emit, op_for(o, type));
    out->type = VALUE_BOOL;
    return true;
}

static bool apply(struct parser *p, const struct operation *o, const struct operand *left, const struct operand *right,
                  struct operand *out)
{
    static bool (*const appliers[])(struct parser *, const struct operation *, const struct operand *,
                                    const struct operand *, struct operand *) = {
        [LOGIC] = apply_logic,           [EQUALITY] = apply_comparison, [ORDER] = apply_comparison,
        [ARITHMETIC] = apply_arithmetic, [DIVISION] = apply_division,
    };
    struct operand made = {.at = left->at, .end = right->end};
    if (!appliers[o->class](p, o, left, right, &made))
        return false;
    *out = made;
    return true;
}

/* ---- primaries ---- */

static bool push_const(struct parser *p, struct value v, struct operand *out)
{
    const struct token *t = &p->lexer->token;
    *out = (struct operand){.type = v.type, .at = t->at, .end = t->at + t->len};
    return emit_const(&p->emit, v) ? lexer_next(p->lexer) : parse_too_deep(p);
}

static bool literal_value(const struct token *t, struct value *v)
{
    switch (t->kind) {
    case TOKEN_LITERAL:
        *v = t->value;
        return true;
    case TOKEN_TRUE:
    case TOKEN_FALSE:
        *v = (struct value){.type = VALUE_BOOL, .b = t->kind == TOKEN_TRUE};
        return true;
    case TOKEN_NULL:
        *v = (struct value){.type = VALUE_NULL};
        return true;
    default:
        return false;
    }
}

static bool parse_group(struct parser *p, struct operand *out)
{
    size_t at = p->lexer->token.at;
    if (!parse_nest(p) || !lexer_next(p->lexer) || !parse_expression(p, out))
        return false;
    size_t end = p->lexer->token.at + p->lexer->token.len;
    if (!parse_expect(p, TOKEN_CLOSE, "`)`"))
        return false;
    p->nesting--;
    out->at = at;
    out->end = end;
    return true;
}

static bool parse_primary(struct parser *p, struct operand *out)
{
    struct token t = p->lexer->token;
    struct value v;
    if (literal_value(&t, &v))
        return push_const(p, v, out);
    if (t.kind == TOKEN_OPEN)
        return parse_group(p, out);
    if (t.kind != TOKEN_NAME)
        return parse_unexpected(p, t.kind == TOKEN_NOT ? "a value; put `not ...` into parentheses" : "a value");
    if (!lexer_next(p->lexer))
        return false;
    return p->lexer->token.kind == TOKEN_OPEN ? parse_call(p, t, out) : parse_name(p, t, out);
}

static bool negative_number_follows(const struct lexer *l)
{
    return l->at < l->len && l->text[l->at] >= '0' && l->text[l->at] <= '9';
}

static bool parse_unary(struct parser *p, struct operand *out)
{
    size_t at = p->lexer->token.at;
    if (p->lexer->token.kind != TOKEN_MINUS)
        return parse_primary(p, out);
    if (negative_number_follows(p->lexer)) /* so that the least int can be written */
        return lexer_negative(p->lexer) && parse_primary(p, out);
    if (!parse_nest(p) || !lexer_next(p->lexer) || !parse_unary(p, out))
        return false;
    p->nesting--;
    if (!is_number_type(out->type))
        return operand_mistake(p, out, "int or float", "`-` needs a number, not %s", value_type_name(out->type));
    emit_op(&p->emit, out->type == VALUE_FLOAT ? OP_NEGATE_F : OP_NEGATE_I);
    out->at = at;
    return true;
}

/* ---- in, is ---- */

static bool types_go_together(enum value_type a, enum value_type b)
{
    bool numbers = (a == VALUE_INT || a == VALUE_FLOAT) && (b == VALUE_INT || b == VALUE_FLOAT);
    return a == b || numbers;
}

static bool parse_list_member(struct parser *p, const struct operand *left, struct value *v)
{
    if (p->lexer->token.kind == TOKEN_MINUS && negative_number_follows(p->lexer) && !lexer_negative(p->lexer))
        return false;
    struct token t = p->lexer->token;
    if (!literal_value(&t, v))
        return parse_unexpected(p, "a literal: a number, a string, true or false");
    struct operand o = {.type = v->type, .at = t.at, .end = t.at + t.len};
    if (v->type == VALUE_NULL)
        return lexer_mistake(p->lexer, t.at, t.len, "`or x is null` beside the list", NULL, "null is never in a list");
    if (!types_go_together(left->type, v->type))
        return operand_mistake(p, &o, value_type_name(left->type), "cannot compare %s with %s",
                               value_type_name(left->type), value_type_name(v->type));
    return lexer_next(p->lexer);
}

static bool parse_in(struct parser *p, const struct operand *left, struct operand *out)
{
    if (left->type == VALUE_NULL)
        return operand_mistake(p, left, "a field", "null is never in a list");
    if (!lexer_next(p->lexer) || !parse_expect(p, TOKEN_LIST_OPEN, "a list of literals, as in `x in [1, 2]`"))
        return false;
    /* each member takes two bytes at least */
    struct value *values = arena_alloc(p->lexer->arena, (p->lexer->len - p->lexer->token.at + 2) / 2 * sizeof *values);
    size_t count = 0;
    for (;;) {
        if (!parse_list_member(p, left, &values[count]))
            return false;
        count++;
        if (p->lexer->token.kind != TOKEN_COMMA)
            break;
        if (!lexer_next(p->lexer))
            return false;
    }
    size_t end = p->lexer->token.at + p->lexer->token.len;
    if (!parse_expect(p, TOKEN_LIST_CLOSE, "`,` or `]`"))
        return false;
    emit_in(&p->emit, values, count);
    *out = (struct operand){.type = VALUE_BOOL, .at = left->at, .end = end};
    return true;
}

static bool parse_is(struct parser *p, const struct operand *left, struct operand *out)
{
    if (!lexer_next(p->lexer))
        return false;
    bool negated = p->lexer->token.kind == TOKEN_NOT;
    if (negated && !lexer_next(p->lexer))
        return false;
    size_t end = p->lexer->token.at + p->lexer->token.len;
    if (!parse_expect(p, TOKEN_NULL, "`is null` or `is not null`"))
        return false;
    emit_op(&p->emit, negated ? OP_IS_NOT_NULL : OP_IS_NULL);
    *out = (struct operand){.type = VALUE_BOOL, .at = left->at, .end = end};
    return true;
}

/* ---- levels ---- */

static bool parse_sums(struct parser *p, int level, struct operand *out);

static bool parse_operand_of(struct parser *p, int level, struct operand *out)
{
    return level == LEVEL_PRODUCT ? parse_unary(p, out) : parse_sums(p, level + 1, out);
}

/* A chain of left-associative operators of one level, sums or products. */
static bool parse_sums(struct parser *p, int level, struct operand *out)
{
    if (!parse_operand_of(p, level, out))
        return false;
    const struct operation *o;
    while ((o = find_operation(p->lexer->token.kind, level))) {
        struct operand right;
        if (!lexer_next(p->lexer) || !parse_operand_of(p, level, &right) || !apply(p, o, out, &right, out))
            return false;
    }
    return true;
}

static bool is_comparison(enum token_kind kind)
{
    return find_operation(kind, LEVEL_COMPARE) || kind == TOKEN_IN || kind == TOKEN_IS;
}

static bool parse_comparison(struct parser *p, struct operand *out)
{
    if (!parse_sums(p, LEVEL_SUM, out))
        return false;
    enum token_kind kind = p->lexer->token.kind;
    const struct operation *o = find_operation(kind, LEVEL_COMPARE);
    struct operand right;
    bool ok = true;
    if (kind == TOKEN_NOT)
        return parse_unexpected(p, "an operator; write `not x in [...]`, with the `not` in front");
    if (kind == TOKEN_IN)
        ok = parse_in(p, out, out);
    else if (kind == TOKEN_IS)
        ok = parse_is(p, out, out);
    else if (o)
        ok = lexer_next(p->lexer) && parse_sums(p, LEVEL_SUM, &right) && apply(p, o, out, &right, out);
    if (ok && is_comparison(p->lexer->token.kind) && is_comparison(kind))
        return parse_unexpected(p, "`and`: comparisons do not chain; write `a < b and b < c`");
    return ok;
}

static bool parse_not(struct parser *p, struct operand *out)
{
    size_t at = p->lexer->token.at;
    if (p->lexer->token.kind != TOKEN_NOT)
        return parse_comparison(p, out);
    if (!parse_nest(p) || !lexer_next(p->lexer) || !parse_not(p, out) || !check_bool(p, "not", out))
        return false;
    p->nesting--;
    emit_op(&p->emit, OP_NOT);
    out->type = VALUE_BOOL;
    out->at = at;
    return true;
}

static bool parse_logic(struct parser *p, int level, struct operand *out);

static bool parse_operand_of_logic(struct parser *p, int level, struct operand *out)
{
    return level == LEVEL_OR ? parse_logic(p, LEVEL_AND, out) : parse_not(p, out);
}

static bool parse_logic(struct parser *p, int level, struct operand *out)
{
    const struct operation *o;
    if (!parse_operand_of_logic(p, level, out))
        return false;
    while ((o = find_operation(p->lexer->token.kind, level))) {
        struct operand right;
        if (!lexer_next(p->lexer) || !parse_operand_of_logic(p, level, &right) || !apply(p, o, out, &right, out))
            return false;
    }
    return true;
}

bool parse_expression(struct parser *p, struct operand *out)
{
    return parse_logic(p, LEVEL_OR, out);
}
