/* Expressions: compiled and typed when the app file is loaded, evaluated per event (where, arguments of aggregates) or
 * per result (select over aggregates, a trigger's when). Grammar and rules: docs/expressions.md. PURE.
 *
 * Names resolve to slots. The caller of expr_compile says which names exist; the caller of expr_eval passes the slots'
 * values. */
#ifndef BELLTOWER_TENANTS_APP_EXPR_H
#define BELLTOWER_TENANTS_APP_EXPR_H

#include "base/err.h"
#include "base/mem.h"
#include "base/value.h"

enum agg_kind {
    AGG_COUNT, /* arg NULL: count(); else count(x) */
    AGG_COUNT_IF,
    AGG_SUM,
    AGG_MIN,
    AGG_MAX,
    AGG_AVG,
    AGG_STDDEV,
    AGG_FIRST,
    AGG_LAST,
    AGG_DISTINCT
};

struct expr; /* immutable once compiled; lives in the arena it was compiled into */

struct agg {
    enum agg_kind kind;
    const struct expr *arg;         /* NULL only for count() */
    enum value_type arg_type, type; /* of the argument's non-null values; of the outcome's */
};

struct expr_name {
    const char *name;
    enum value_type type;
};

/* What the text may use. Without aggregates (aggs NULL) names[i] becomes slot i.
 * In an aggregate context (aggs != NULL) the text is over aggregates: calls of aggregate functions are collected into
 * *aggs (equal ones once); their arguments are over `names`, names[i] in slot i. Outside of them only the keys may be
 * used: names[keys[k]] becomes slot k, the aggregate (*aggs)[j] slot key_count + j. */
struct expr_context {
    const struct expr_name *names;
    size_t name_count;
    const size_t *keys; /* only in an aggregate context */
    size_t key_count;
    struct agg **aggs; /* NULL: aggregates are a mistake here. Else grown (array in the arena) */
    size_t *agg_count;
};

/* A mistake in the text: byte positions from its start; texts live in the arena. */
struct expr_mistake {
    size_t at, len;
    const char *message, *expected, *suggestion; /* expected, suggestion may be NULL */
    bool unknown_name;                           /* it is a name that does not exist */
    bool no_key;                                 /* it is a name that exists, but not outside of an aggregate */
};

/* NULL with *mistake filled on failure. want: VALUE_BOOL etc. demands that type, VALUE_NULL any. A text of type "null"
 * only is a mistake. */
const struct expr *expr_compile(const char *text, size_t len, const struct expr_context *context, enum value_type want,
                                struct arena *arena, struct expr_mistake *mistake) MUSTCHECK;

enum value_type expr_type(const struct expr *e);
/* Bit i set in used[i / 64] for each slot that e reads (arguments of aggregates are e's own business, see struct agg).
 */
void expr_used_slots(const struct expr *e, uint64_t *used);
/* Equal in meaning by construction: the same tree over the same slots. */
bool expr_equal(const struct expr *a, const struct expr *b);

/* Strings in the outcome point into slots, e, or scratch (lower, upper; reset by the caller when it likes). Never
 * fails: see design, "Expressions", for what gives null. Allocates only for lower and upper. */
struct value expr_eval(const struct expr *e, const struct value *slots, struct arena *scratch);

/* The expression is just slot number *slot (a bare name). */
bool expr_is_slot(const struct expr *e, size_t *slot);

#endif
