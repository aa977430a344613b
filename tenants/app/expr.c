#include "tenants/app/expr_parse.h"
#include "base/json.h"
#include "tenants/app/nearest.h"

#include <string.h>

/* ---- names ---- */

static bool name_is(const struct parser *p, struct token t, const char *name)
{
    return strlen(name) == t.len && memcmp(name, p->lexer->text + t.at, t.len) == 0;
}

static bool in_aggregate_context(const struct parser *p)
{
    return p->context->aggs != NULL;
}

/* How many names can be used here, and the i-th of them. */
static size_t visible_count(const struct parser *p)
{
    return in_aggregate_context(p) ? p->context->key_count : p->context->name_count;
}

static const struct expr_name *visible(const struct parser *p, size_t i)
{
    return &p->context->names[in_aggregate_context(p) ? p->context->keys[i] : i];
}

static bool is_source_column(const struct parser *p, struct token t)
{
    for (size_t i = 0; i < p->context->name_count; i++)
        if (name_is(p, t, p->context->names[i].name))
            return true;
    return false;
}

static bool no_key(struct parser *p, struct token t)
{
    int shown = t.len < 64 ? (int)t.len : 64;
    (void)lexer_mistake(p->lexer, t.at, t.len, "a column of the key, or an aggregate such as max(x)", NULL,
                        "`%.*s` is not part of the key, so it has many values here", shown, p->lexer->text + t.at);
    p->lexer->mistake->no_key = true;
    return false;
}

static bool unknown_name(struct parser *p, struct token t)
{
    static const char *const words[] = {"true", "false", "null", "not"};
    const char *name = p->lexer->text + t.at;
    struct nearest near = nearest_begin(name, t.len);
    for (size_t i = 0; i < visible_count(p); i++)
        nearest_offer(&near, visible(p, i)->name);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        nearest_offer(&near, words[i]);
    (void)lexer_mistake(p->lexer, t.at, t.len, "a name that can be used here", near.best, "unknown name `%.*s`",
                        t.len < 64 ? (int)t.len : 64, name);
    p->lexer->mistake->unknown_name = true;
    return false;
}

bool parse_name(struct parser *p, struct token t, struct operand *out)
{
    for (size_t i = 0; i < visible_count(p); i++) {
        if (!name_is(p, t, visible(p, i)->name))
            continue;
        *out = (struct operand){.type = visible(p, i)->type, .at = t.at, .end = t.at + t.len};
        return emit_slot(&p->emit, i) || parse_too_deep(p);
    }
    return in_aggregate_context(p) && is_source_column(p, t) ? no_key(p, t) : unknown_name(p, t);
}

/* ---- functions ---- */

enum function_class { OF_NUMBER, OF_STRING, OF_TWO_STRINGS, OF_ANY };

static const struct function {
    const char *name;
    enum function_class class;
    enum value_type type; /* of the outcome; VALUE_NULL: as the argument */
    enum expr_op of_int, op;
} functions[] = {
    {"abs", OF_NUMBER, VALUE_NULL, OP_ABS_I, OP_ABS_F},
    {"floor", OF_NUMBER, VALUE_NULL, OP_NONE, OP_FLOOR_F},
    {"ceil", OF_NUMBER, VALUE_NULL, OP_NONE, OP_CEIL_F},
    {"round", OF_NUMBER, VALUE_NULL, OP_NONE, OP_ROUND_F},
    {"length", OF_STRING, VALUE_INT, OP_NONE, OP_LENGTH},
    {"lower", OF_STRING, VALUE_STRING, OP_NONE, OP_LOWER},
    {"upper", OF_STRING, VALUE_STRING, OP_NONE, OP_UPPER},
    {"starts_with", OF_TWO_STRINGS, VALUE_BOOL, OP_NONE, OP_STARTS_WITH},
    {"ends_with", OF_TWO_STRINGS, VALUE_BOOL, OP_NONE, OP_ENDS_WITH},
    {"contains", OF_TWO_STRINGS, VALUE_BOOL, OP_NONE, OP_CONTAINS},
    {"coalesce", OF_ANY, VALUE_NULL, OP_NONE, OP_COALESCE},
};
#define FUNCTION_COUNT (sizeof functions / sizeof *functions)

static bool parse_argument(struct parser *p, const char *function, struct operand *out)
{
    if (p->lexer->token.kind == TOKEN_CLOSE)
        return lexer_mistake(p->lexer, p->lexer->token.at, 1, NULL, NULL, "%s() needs another argument here", function);
    return parse_expression(p, out);
}

static bool next_argument(struct parser *p, const char *function, struct operand *out)
{
    if (p->lexer->token.kind == TOKEN_CLOSE)
        return lexer_mistake(p->lexer, p->lexer->token.at, 1, NULL, NULL, "%s() needs another argument here", function);
    return parse_expect(p, TOKEN_COMMA, "`,` or an operator") && parse_argument(p, function, out);
}

static bool check_string(struct parser *p, const char *function, const struct operand *o)
{
    if (o->type == VALUE_STRING || o->type == VALUE_NULL)
        return true;
    return operand_mistake(p, o, "string", "%s() needs a string, not %s", function, value_type_name(o->type));
}

static bool call_of_number(struct parser *p, const struct function *f, struct operand *out)
{
    if (!parse_argument(p, f->name, out))
        return false;
    if (!is_number_type(out->type))
        return operand_mistake(p, out, "int or float", "%s() needs a number, not %s", f->name,
                               value_type_name(out->type));
    emit_op(&p->emit, out->type == VALUE_FLOAT ? f->op : f->of_int);
    return true;
}

static bool call_of_string(struct parser *p, const struct function *f, struct operand *out)
{
    if (!parse_argument(p, f->name, out) || !check_string(p, f->name, out))
        return false;
    emit_op(&p->emit, f->op);
    return true;
}

static bool call_of_two_strings(struct parser *p, const struct function *f, struct operand *out)
{
    struct operand second = {0};
    if (!parse_argument(p, f->name, out) || !check_string(p, f->name, out))
        return false;
    if (!next_argument(p, f->name, &second) || !check_string(p, f->name, &second))
        return false;
    emit_op(&p->emit, f->op);
    return true;
}

static bool call_of_any(struct parser *p, const struct function *f, struct operand *out)
{
    if (!parse_argument(p, f->name, out))
        return false;
    do {
        struct operand next = {0};
        if (!next_argument(p, f->name, &next))
            return false;
        if (!unify(p, out, &next, &out->type))
            return operand_mistake(p, &next, "one type for all arguments", "%s() of %s and %s", f->name,
                                   value_type_name(out->type), value_type_name(next.type));
        emit_op(&p->emit, f->op);
    } while (p->lexer->token.kind == TOKEN_COMMA);
    return true;
}

static bool parse_function(struct parser *p, const struct function *f, struct operand *out)
{
    static bool (*const calls[])(struct parser *, const struct function *, struct operand *) = {
        [OF_NUMBER] = call_of_number,
        [OF_STRING] = call_of_string,
        [OF_TWO_STRINGS] = call_of_two_strings,
        [OF_ANY] = call_of_any,
    };
    if (!calls[f->class](p, f, out))
        return false;
    if (f->type != VALUE_NULL)
        out->type = f->type;
    return true;
}

/* ---- aggregates ---- */

#define TYPE_BIT(type)  (1u << (type))
#define NUMBERS         (TYPE_BIT(VALUE_INT) | TYPE_BIT(VALUE_FLOAT))
#define NUMBERS_STRINGS (NUMBERS | TYPE_BIT(VALUE_STRING))
#define ANY_TYPE        (NUMBERS_STRINGS | TYPE_BIT(VALUE_BOOL))

static const struct aggregate {
    const char *name;
    enum agg_kind kind;
    unsigned takes; /* types of the argument */
    const char *expected;
    enum value_type type; /* VALUE_NULL: as the argument */
} aggregates[] = {
    {"count", AGG_COUNT, ANY_TYPE, "any value", VALUE_INT},
    {"count_if", AGG_COUNT_IF, TYPE_BIT(VALUE_BOOL), "bool, e.g. a comparison", VALUE_INT},
    {"sum", AGG_SUM, NUMBERS, "int or float", VALUE_NULL},
    {"min", AGG_MIN, NUMBERS_STRINGS, "int, float or string", VALUE_NULL},
    {"max", AGG_MAX, NUMBERS_STRINGS, "int, float or string", VALUE_NULL},
    {"avg", AGG_AVG, NUMBERS, "int or float", VALUE_FLOAT},
    {"stddev", AGG_STDDEV, NUMBERS, "int or float", VALUE_FLOAT},
    {"first", AGG_FIRST, ANY_TYPE, "any value", VALUE_NULL},
    {"last", AGG_LAST, ANY_TYPE, "any value", VALUE_NULL},
    {"distinct", AGG_DISTINCT, ANY_TYPE, "any value", VALUE_INT},
};
#define AGGREGATE_COUNT (sizeof aggregates / sizeof *aggregates)

static bool same_aggregate(const struct agg *a, const struct agg *b)
{
    if (a->kind != b->kind || !a->arg != !b->arg)
        return false;
    return !a->arg || expr_equal(a->arg, b->arg);
}

/* The aggregate's number; equal ones are computed once. */
static size_t collect(const struct parser *p, const struct agg *agg)
{
    struct agg **list = p->context->aggs;
    size_t *count = p->context->agg_count;
    for (size_t i = 0; i < *count; i++)
        if (same_aggregate(&(*list)[i], agg))
            return i;
    struct agg *grown = arena_alloc(p->lexer->arena, (*count + 1) * sizeof *grown);
    if (*count)
        memcpy(grown, *list, *count * sizeof *grown);
    grown[*count] = *agg;
    *list = grown;
    return (*count)++;
}

/* The argument is a program of its own, over all the source's columns. */
static bool parse_aggregate_argument(struct parser *p, const struct aggregate *a, struct agg *agg)
{
    const struct expr_context inner_context = {.names = p->context->names, .name_count = p->context->name_count};
    struct parser inner = {.lexer = p->lexer,
                           .context = &inner_context,
                           .emit = {.arena = p->lexer->arena},
                           .in_aggregate = true,
                           .nesting = p->nesting};
    struct operand o = {0};
    if (!parse_argument(&inner, a->name, &o))
        return false;
    if (!(a->takes & TYPE_BIT(o.type)))
        return operand_mistake(p, &o, a->expected, "%s() of %s", a->name, value_type_name(o.type));
    agg->arg = emit_finish(&inner.emit, o.type);
    agg->arg_type = o.type;
    agg->type = a->type == VALUE_NULL ? o.type : a->type;
    return true;
}

static bool parse_aggregate(struct parser *p, const struct aggregate *a, struct token name, struct operand *out)
{
    if (p->in_aggregate)
        return lexer_mistake(p->lexer, name.at, name.len, NULL, NULL, "an aggregate cannot hold another one");
    if (!in_aggregate_context(p))
        return lexer_mistake(p->lexer, name.at, name.len, NULL, NULL,
                             "%s() is an aggregate: it can be used in `select` only", a->name);
    struct agg agg = {.kind = a->kind, .type = VALUE_INT};
    bool bare_count = a->kind == AGG_COUNT && p->lexer->token.kind == TOKEN_CLOSE;
    if (!bare_count && !parse_aggregate_argument(p, a, &agg))
        return false;
    out->type = agg.type;
    return emit_slot(&p->emit, p->context->key_count + collect(p, &agg)) || parse_too_deep(p);
}

/* ---- calls ---- */

static bool unknown_function(struct parser *p, struct token t)
{
    struct nearest near = nearest_begin(p->lexer->text + t.at, t.len);
    for (size_t i = 0; in_aggregate_context(p) && i < AGGREGATE_COUNT; i++)
        nearest_offer(&near, aggregates[i].name);
    for (size_t i = 0; i < FUNCTION_COUNT; i++)
        nearest_offer(&near, functions[i].name);
    return lexer_mistake(p->lexer, t.at, t.len,
                         in_aggregate_context(p)
                             ? "an aggregate (count, count_if, sum, min, max, avg, stddev, first, last, "
                               "distinct) or a function (abs, floor, ceil, round, length, lower, upper, "
                               "starts_with, ends_with, contains, coalesce)"
                             : "one of abs, floor, ceil, round, length, lower, upper, starts_with, "
                               "ends_with, contains, coalesce",
                         near.best, "unknown function `%.*s`", t.len < 64 ? (int)t.len : 64, p->lexer->text + t.at);
}

static bool parse_body(struct parser *p, struct token name, struct operand *out)
{
    for (size_t i = 0; i < AGGREGATE_COUNT; i++)
        if (name_is(p, name, aggregates[i].name))
            return parse_aggregate(p, &aggregates[i], name, out);
    for (size_t i = 0; i < FUNCTION_COUNT; i++)
        if (name_is(p, name, functions[i].name))
            return parse_function(p, &functions[i], out);
    return unknown_function(p, name);
}

bool parse_call(struct parser *p, struct token name, struct operand *out)
{
    if (!parse_nest(p) || !lexer_next(p->lexer) || !parse_body(p, name, out))
        return false;
    p->nesting--;
    size_t end = p->lexer->token.at + p->lexer->token.len;
    if (!parse_expect(p, TOKEN_CLOSE, "`)`"))
        return false;
    out->at = name.at;
    out->end = end;
    return true;
}

/* ---- whole texts ---- */

static bool check_wanted(struct parser *p, struct operand *o, enum value_type want)
{
    struct operand whole = {.at = 0, .end = p->lexer->len};
    if (o->type == VALUE_NULL)
        return operand_mistake(p, &whole, NULL, "this is always null");
    if (want == VALUE_FLOAT && o->type == VALUE_INT) {
        emit_op(&p->emit, OP_TO_FLOAT);
        o->type = VALUE_FLOAT;
    }
    if (want == VALUE_NULL || want == o->type)
        return true;
    return operand_mistake(p, &whole, want == VALUE_BOOL ? "bool, e.g. a comparison" : value_type_name(want),
                           "this is %s, not %s", value_type_name(o->type), value_type_name(want));
}

static bool compile(struct parser *p, enum value_type want, struct operand *o)
{
    if (p->lexer->len > EXPR_MAX_BYTES)
        return lexer_mistake(p->lexer, 0, 1, NULL, NULL, "longer than %d bytes", EXPR_MAX_BYTES);
    if (!utf8_valid(p->lexer->text, p->lexer->len))
        return lexer_mistake(p->lexer, 0, 1, NULL, NULL, "not valid UTF-8");
    if (!lexer_next(p->lexer))
        return false;
    if (p->lexer->token.kind == TOKEN_END)
        return lexer_mistake(p->lexer, 0, 1, "an expression", NULL, "empty");
    if (!parse_expression(p, o))
        return false;
    return p->lexer->token.kind == TOKEN_END ? check_wanted(p, o, want) : parse_unexpected(p, "an operator or the end");
}

const struct expr *expr_compile(const char *text, size_t len, const struct expr_context *context, enum value_type want,
                                struct arena *arena, struct expr_mistake *mistake)
{
    struct lexer lexer = {.text = text, .len = len, .arena = arena, .mistake = mistake};
    struct parser parser = {.lexer = &lexer, .context = context, .emit = {.arena = arena}};
    struct operand whole = {0};
    return compile(&parser, want, &whole) ? emit_finish(&parser.emit, whole.type) : NULL;
}
