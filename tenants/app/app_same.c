/* Whether a stream of a new version of an app is the stream of the old one, so that its open windows go on. */
#include "tenants/app/app.h"
#include "tenants/app/expr_ops.h"

#include <string.h>

struct pair {
    const struct app *a, *b;
};

static bool same_text(const char *x, const char *y)
{
    return x && y ? !strcmp(x, y) : x == y;
}

bool app_field_same(const struct app_field *x, const struct app_field *y)
{
    if (strcmp(x->name, y->name) != 0 || x->type != y->type || x->optional != y->optional || x->path_len != y->path_len)
        return false;
    for (size_t i = 0; i < x->path_len; i++)
        if (strcmp(x->path[i], y->path[i]) != 0)
            return false;
    return x->has_default == y->has_default &&
           (!x->has_default || value_compare(&x->default_value, &y->default_value) == 0);
}

/* Fields may stand in another order in the file. */
static bool same_slot(const void *context, size_t x, size_t y)
{
    const struct pair *apps = context;
    return app_field_same(&apps->a->fields[x], &apps->b->fields[y]);
}

static bool same_expr(const struct pair *apps, const struct expr *x, const struct expr *y)
{
    return x && y ? expr_same(x, y, same_slot, apps) : x == y;
}

static bool same_keys(const struct pair *apps, const struct app_query *x, const struct app_query *y)
{
    if (x->key_count != y->key_count)
        return false;
    for (size_t i = 0; i < x->key_count; i++)
        if (!same_slot(apps, x->keys[i], y->keys[i]))
            return false;
    return true;
}

static bool same_aggregates(const struct pair *apps, const struct app_query *x, const struct app_query *y)
{
    if (x->agg_count != y->agg_count)
        return false;
    for (size_t i = 0; i < x->agg_count; i++)
        if (x->aggs[i].kind != y->aggs[i].kind || !same_expr(apps, x->aggs[i].arg, y->aggs[i].arg))
            return false;
    return true;
}

/* Columns are over keys and aggregates, which are the same by number. */
static bool same_columns(const struct app_query *x, const struct app_query *y)
{
    if (x->column_count != y->column_count)
        return false;
    for (size_t i = 0; i < x->column_count; i++)
        if (!same_text(x->columns[i].name, y->columns[i].name) || !expr_equal(x->columns[i].expr, y->columns[i].expr))
            return false;
    return true;
}

bool app_uses_distinct(const struct app_query *q)
{
    for (size_t i = 0; i < q->agg_count; i++)
        if (q->aggs[i].kind == AGG_DISTINCT)
            return true;
    return false;
}

bool app_stream_same(const struct app *a, const struct app_stream *sa, const struct app *b, const struct app_stream *sb)
{
    const struct pair apps = {a, b};
    const struct app_query *x = &sa->query, *y = &sb->query;
    return same_text(sa->name, sb->name) && sa->size == sb->size && sa->every == sb->every &&
           sa->lateness == sb->lateness && same_expr(&apps, x->where, y->where) && same_keys(&apps, x, y) &&
           same_aggregates(&apps, x, y) && same_columns(x, y) &&
           (!app_uses_distinct(x) || a->limits.distinct == b->limits.distinct);
}

bool app_devices_same(const struct app *a, const struct app *b)
{
    if (a->watermark_per_count != b->watermark_per_count)
        return false;
    for (size_t i = 0; i < a->watermark_per_count; i++)
        if (!app_field_same(&a->fields[a->watermark_per[i]], &b->fields[b->watermark_per[i]]))
            return false;
    return true;
}
