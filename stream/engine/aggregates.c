#include "stream/engine/aggregates.h"
#include "stream/engine/value_set.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What one kind of aggregate over one type of argument does with its cell. Values that come in are never null. */
struct agg_ops {
    size_t size;
    void (*add)(void *cell, const struct value *v, const struct row_context *c);
    void (*merge)(void *cell, const void *other, const struct row_context *c);
    struct value (*result)(const void *cell, const struct row_context *c);
    void (*save)(const void *cell, struct buf *out);
    void (*load)(void *cell, enum value_type type, struct cursor *in,
                 const struct row_context *c);                /* type: of its values */
    void (*release)(void *cell, const struct row_context *c); /* NULL: owns nothing */
    /* merge(other, cell) into cell; NULL: merging is not associative */
    void (*merge_younger)(void *cell, const void *other, const struct row_context *c);
};

static const struct value null_value = {.type = VALUE_NULL};

static struct value int_value(int64_t i)
{
    return (struct value){.type = VALUE_INT, .i = i};
}

static struct value float_value(double f)
{
    return isfinite(f) ? (struct value){.type = VALUE_FLOAT, .f = f} : null_value;
}

static double as_float(const struct value *v)
{
    return v->type == VALUE_INT ? (double)v->i : v->f;
}

static uint64_t load_uint(struct cursor *in, const struct row_context *c)
{
    return c->format == 1 ? get_u64(in) : get_short(in);
}

/* A number of events; no log has as many as would make sums of such numbers overflow. */
static int64_t load_n(struct cursor *in, const struct row_context *c)
{
    uint64_t n = load_uint(in, c);
    in->bad |= n > INT64_MAX / 4;
    return in->bad ? 0 : (int64_t)n;
}

static struct value load_value(struct cursor *in, const struct row_context *c)
{
    return c->format == 1 ? get_value(in) : get_short_value(in);
}

/* ---- count, count_if ---- */

struct count_cell {
    int64_t n;
};

static void count_add(void *cell, const struct value *v, const struct row_context *c)
{
    (void)v;
    (void)c;
    ((struct count_cell *)cell)->n++;
}

static void count_if_add(void *cell, const struct value *v, const struct row_context *c)
{
    (void)c;
    ((struct count_cell *)cell)->n += v->type == VALUE_BOOL && v->b;
}

static void count_merge(void *cell, const void *other, const struct row_context *c)
{
    (void)c;
    ((struct count_cell *)cell)->n += ((const struct count_cell *)other)->n;
}

static struct value count_result(const void *cell, const struct row_context *c)
{
    (void)c;
    return int_value(((const struct count_cell *)cell)->n);
}

static void count_save(const void *cell, struct buf *out)
{
    put_short(out, (uint64_t)((const struct count_cell *)cell)->n);
}

static void count_load(void *cell, enum value_type type, struct cursor *in, const struct row_context *c)
{
    (void)type;
    ((struct count_cell *)cell)->n = load_n(in, c);
}

/* ---- sums of ints: 128 bits, so that the order in which panes add up never decides over an overflow ---- */

struct int_sum_cell {
    __int128 sum;
    int64_t n;
};

static void int_sum_add(void *cell, const struct value *v, const struct row_context *c)
{
    (void)c;
    struct int_sum_cell *s = cell;
    s->sum += v->i;
    s->n++;
}

static void int_sum_merge(void *cell, const void *other, const struct row_context *c)
{
    (void)c;
    struct int_sum_cell *s = cell;
    const struct int_sum_cell *o = other;
    s->sum += o->sum;
    s->n += o->n;
}

static struct value int_sum_result(const void *cell, const struct row_context *c)
{
    (void)c;
    __int128 sum = ((const struct int_sum_cell *)cell)->sum;
    return sum < INT64_MIN || sum > INT64_MAX ? null_value : int_value((int64_t)sum);
}

static struct value int_avg_result(const void *cell, const struct row_context *c)
{
    (void)c;
    const struct int_sum_cell *s = cell;
    return s->n ? float_value((double)s->sum / (double)s->n) : null_value;
}

static void int_sum_save(const void *cell, struct buf *out)
{
    const struct int_sum_cell *s = cell;
    unsigned __int128 bits = (unsigned __int128)s->sum << 1 ^ (s->sum < 0 ? ~(unsigned __int128)0 : 0);
    put_short(out, (uint64_t)bits);
    put_short(out, (uint64_t)(bits >> 64));
    put_short(out, (uint64_t)s->n);
}

static void int_sum_load(void *cell, enum value_type type, struct cursor *in, const struct row_context *c)
{
    (void)type;
    struct int_sum_cell *s = cell;
    unsigned __int128 low = load_uint(in, c), bits = (unsigned __int128)load_uint(in, c) << 64 | low;
    s->sum = (__int128)(c->format == 1 ? bits : bits >> 1 ^ (bits & 1 ? ~(unsigned __int128)0 : 0));
    s->n = load_n(in, c);
    __int128 most = ((__int128)INT64_MAX + 1) * s->n;
    in->bad |= s->sum > most || s->sum < -most;
}

/* ---- sums of floats, with what rounding lost kept aside (Neumaier) ---- */

struct float_sum_cell {
    double sum, lost;
    int64_t n;
};

static void compensated_add(struct float_sum_cell *s, double x)
{
    double t = s->sum + x;
    s->lost += fabs(s->sum) >= fabs(x) ? (s->sum - t) + x : (x - t) + s->sum;
    s->sum = t;
}

static void float_sum_add(void *cell, const struct value *v, const struct row_context *c)
{
    (void)c;
    struct float_sum_cell *s = cell;
    compensated_add(s, as_float(v));
    s->n++;
}

static void float_sum_merge(void *cell, const void *other, const struct row_context *c)
{
    (void)c;
    struct float_sum_cell *s = cell;
    const struct float_sum_cell *o = other;
    compensated_add(s, o->sum);
    s->lost += o->lost;
    s->n += o->n;
}

static double float_total(const struct float_sum_cell *s)
{
    return isfinite(s->sum) ? s->sum + s->lost : s->sum;
}

static struct value float_sum_result(const void *cell, const struct row_context *c)
{
    (void)c;
    return float_value(float_total(cell));
}

static struct value float_avg_result(const void *cell, const struct row_context *c)
{
    (void)c;
    const struct float_sum_cell *s = cell;
    return s->n ? float_value(float_total(s) / (double)s->n) : null_value;
}

static void float_sum_save(const void *cell, struct buf *out)
{
    const struct float_sum_cell *s = cell;
    put_f64(out, s->sum);
    put_f64(out, s->lost);
    put_short(out, (uint64_t)s->n);
}

static void float_sum_load(void *cell, enum value_type type, struct cursor *in, const struct row_context *c)
{
    (void)type;
    struct float_sum_cell *s = cell;
    s->sum = get_f64(in);
    s->lost = get_f64(in);
    s->n = load_n(in, c);
}

/* ---- stddev of the population: count, mean and squared distances (Welford; Chan for merging) ---- */

struct stddev_cell {
    int64_t n;
    double mean, squares;
};

static void stddev_add(void *cell, const struct value *v, const struct row_context *c)
{
    (void)c;
    struct stddev_cell *s = cell;
    double x = as_float(v), delta = x - s->mean;
    s->n++;
    s->mean += delta / (double)s->n;
    s->squares += delta * (x - s->mean);
}

static void stddev_merge(void *cell, const void *other, const struct row_context *c)
{
    (void)c;
    struct stddev_cell *s = cell;
    const struct stddev_cell *o = other;
    if (!o->n)
        return;
    double a = (double)s->n, b = (double)o->n, delta = o->mean - s->mean;
    s->mean += delta * (b / (a + b));
    s->squares += o->squares + delta * delta * (a * b / (a + b));
    s->n += o->n;
}

static struct value stddev_result(const void *cell, const struct row_context *c)
{
    (void)c;
    const struct stddev_cell *s = cell;
    return s->n ? float_value(sqrt(s->squares / (double)s->n)) : null_value;
}

static void stddev_save(const void *cell, struct buf *out)
{
    const struct stddev_cell *s = cell;
    put_short(out, (uint64_t)s->n);
    put_f64(out, s->mean);
    put_f64(out, s->squares);
}

static void stddev_load(void *cell, enum value_type type, struct cursor *in, const struct row_context *c)
{
    (void)type;
    struct stddev_cell *s = cell;
    s->n = load_n(in, c);
    s->mean = get_f64(in);
    s->squares = get_f64(in);
}

/* ---- min, max ---- */

static void replace(struct value *cell, const struct value *v, const struct row_context *c)
{
    struct value copy = value_copy(v, c->slab);
    value_release(cell, c->slab);
    *cell = copy;
}

static void min_add(void *cell, const struct value *v, const struct row_context *c)
{
    struct value *m = cell;
    if (v->type != VALUE_NULL && (m->type == VALUE_NULL || value_compare(v, m) < 0))
        replace(m, v, c);
}

static void max_add(void *cell, const struct value *v, const struct row_context *c)
{
    struct value *m = cell;
    if (v->type != VALUE_NULL && (m->type == VALUE_NULL || value_compare(v, m) > 0))
        replace(m, v, c);
}

static void min_merge(void *cell, const void *other, const struct row_context *c)
{
    min_add(cell, other, c);
}

static void max_merge(void *cell, const void *other, const struct row_context *c)
{
    max_add(cell, other, c);
}

static void min_merge_younger(void *cell, const void *other, const struct row_context *c)
{
    const struct value *m = cell, *v = other;
    if (v->type != VALUE_NULL && (m->type == VALUE_NULL || value_compare(v, m) <= 0))
        replace(cell, v, c);
}

static void max_merge_younger(void *cell, const void *other, const struct row_context *c)
{
    const struct value *m = cell, *v = other;
    if (v->type != VALUE_NULL && (m->type == VALUE_NULL || value_compare(v, m) >= 0))
        replace(cell, v, c);
}

static struct value value_result(const void *cell, const struct row_context *c)
{
    (void)c;
    return *(const struct value *)cell;
}

static void value_save(const void *cell, struct buf *out)
{
    put_short_value(out, cell);
}

static void value_load(void *cell, enum value_type type, struct cursor *in, const struct row_context *c)
{
    struct value v = load_value(in, c);
    in->bad |= v.type != VALUE_NULL && v.type != type;
    if (!in->bad)
        *(struct value *)cell = value_copy(&v, c->slab);
}

static void release_value(void *cell, const struct row_context *c)
{
    value_release(cell, c->slab);
}

/* ---- first, last, in log order ---- */

struct ordered_cell {
    struct value v;
    uint64_t sequence; /* 0: none yet */
};

static void ordered_set(struct ordered_cell *o, const struct value *v, uint64_t sequence, const struct row_context *c)
{
    replace(&o->v, v, c);
    o->sequence = sequence;
}

static void first_add(void *cell, const struct value *v, const struct row_context *c)
{
    struct ordered_cell *o = cell;
    if (!o->sequence)
        ordered_set(o, v, c->sequence, c);
}

static void last_add(void *cell, const struct value *v, const struct row_context *c)
{
    ordered_set(cell, v, c->sequence, c);
}

static void first_merge(void *cell, const void *other, const struct row_context *c)
{
    struct ordered_cell *o = cell;
    const struct ordered_cell *n = other;
    if (n->sequence && (!o->sequence || n->sequence < o->sequence))
        ordered_set(o, &n->v, n->sequence, c);
}

static void last_merge(void *cell, const void *other, const struct row_context *c)
{
    struct ordered_cell *o = cell;
    const struct ordered_cell *n = other;
    if (n->sequence > o->sequence)
        ordered_set(o, &n->v, n->sequence, c);
}

static void ordered_save(const void *cell, struct buf *out)
{
    const struct ordered_cell *o = cell;
    put_short(out, o->sequence);
    put_short_value(out, &o->v);
}

static void ordered_load(void *cell, enum value_type type, struct cursor *in, const struct row_context *c)
{
    struct ordered_cell *o = cell;
    o->sequence = load_uint(in, c);
    value_load(&o->v, type, in, c);
    in->bad |= !o->sequence != (o->v.type == VALUE_NULL);
}

/* ---- distinct ---- */

static void distinct_add(void *cell, const struct value *v, const struct row_context *c)
{
    struct value_set *s = cell;
    if (s->count < c->distinct_limit)
        value_set_add(s, v, c->slab);
}

static void distinct_merge(void *cell, const void *other, const struct row_context *c)
{
    const struct value_set *o = other;
    for (uint32_t i = 0; i < o->capacity; i++) {
        if (o->slots[i].type != VALUE_NULL)
            distinct_add(cell, &o->slots[i], c);
    }
}

static struct value distinct_result(const void *cell, const struct row_context *c)
{
    (void)c;
    return int_value(((const struct value_set *)cell)->count);
}

static int by_value(const void *a, const void *b)
{
    return value_compare(a, b);
}

static void distinct_save(const void *cell, struct buf *out)
{
    const struct value_set *s = cell;
    struct value *sorted = mem_alloc(s->count * sizeof *sorted);
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->capacity; i++) {
        if (s->slots[i].type != VALUE_NULL)
            sorted[n++] = s->slots[i];
    }
    qsort(sorted, n, sizeof *sorted, by_value);
    put_short(out, n);
    for (uint32_t i = 0; i < n; i++)
        put_short_value(out, &sorted[i]);
    free(sorted);
}

static void distinct_load(void *cell, enum value_type type, struct cursor *in, const struct row_context *c)
{
    struct value_set *s = cell;
    uint32_t n = c->format == 1 ? get_count(in, 2) : get_short_count(in, 2);
    for (uint32_t i = 0; i < n && !in->bad; i++) {
        struct value v = load_value(in, c);
        in->bad |= v.type != type;
        if (!in->bad)
            value_set_add(s, &v, c->slab);
    }
    in->bad |= s->count != n;
}

static void distinct_release(void *cell, const struct row_context *c)
{
    value_set_release(cell, c->slab);
}

/* ---- the table ---- */

#define COUNT_OPS(add)                                                                                                 \
    {                                                                                                                  \
        sizeof(struct count_cell), add, count_merge, count_result, count_save, count_load, NULL, count_merge           \
    }
#define INT_SUM(result)                                                                                                \
    {                                                                                                                  \
        sizeof(struct int_sum_cell), int_sum_add, int_sum_merge, result, int_sum_save, int_sum_load, NULL,             \
            int_sum_merge                                                                                              \
    }
#define FLOAT_SUM(result)                                                                                              \
    {                                                                                                                  \
        sizeof(struct float_sum_cell), float_sum_add, float_sum_merge, result, float_sum_save, float_sum_load, NULL,   \
            NULL                                                                                                       \
    }
#define VALUE_OPS(add, merge)                                                                                          \
    {                                                                                                                  \
        sizeof(struct value), add, merge, value_result, value_save, value_load, release_value, merge##_younger         \
    }
#define ORDERED(add, merge)                                                                                            \
    {                                                                                                                  \
        sizeof(struct ordered_cell), add, merge, value_result, ordered_save, ordered_load, release_value, merge        \
    }

static const struct agg_ops kinds[] = {
    [AGG_COUNT] = COUNT_OPS(count_add),
    [AGG_COUNT_IF] = COUNT_OPS(count_if_add),
    [AGG_SUM] = FLOAT_SUM(float_sum_result),
    [AGG_MIN] = VALUE_OPS(min_add, min_merge),
    [AGG_MAX] = VALUE_OPS(max_add, max_merge),
    [AGG_AVG] = FLOAT_SUM(float_avg_result),
    [AGG_STDDEV] = {sizeof(struct stddev_cell), stddev_add, stddev_merge, stddev_result, stddev_save, stddev_load, NULL,
                    NULL},
    [AGG_FIRST] = ORDERED(first_add, first_merge),
    [AGG_LAST] = ORDERED(last_add, last_merge),
    [AGG_DISTINCT] = {sizeof(struct value_set), distinct_add, distinct_merge, distinct_result, distinct_save,
                      distinct_load, distinct_release, NULL},
};
static const struct agg_ops int_sum_ops = INT_SUM(int_sum_result), int_avg_ops = INT_SUM(int_avg_result);

static const struct agg_ops *ops_of(const struct agg *a)
{
    if (a->arg_type == VALUE_INT && a->kind == AGG_SUM)
        return &int_sum_ops;
    if (a->arg_type == VALUE_INT && a->kind == AGG_AVG)
        return &int_avg_ops;
    return &kinds[a->kind];
}

/* ---- rows ---- */

void row_layout_init(struct row_layout *l, const struct agg *aggs, size_t count)
{
    *l = (struct row_layout){.aggs = aggs, .count = count, .associative = true};
    l->ops = mem_zero(count, sizeof *l->ops);
    l->offsets = mem_zero(count, sizeof *l->offsets);
    for (size_t i = 0; i < count; i++) {
        l->ops[i] = ops_of(&aggs[i]);
        l->offsets[i] = l->size;
        l->associative = l->associative && l->ops[i]->merge_younger;
        l->owns = l->owns || l->ops[i]->release;
        l->size += (l->ops[i]->size + 15) & ~(size_t)15;
    }
}

void row_layout_free(struct row_layout *l)
{
    free(l->ops);
    free(l->offsets);
    *l = (struct row_layout){0};
}

static void *cell_of(const struct row_layout *l, void *row, size_t i)
{
    return (char *)row + l->offsets[i];
}

static const void *const_cell_of(const struct row_layout *l, const void *row, size_t i)
{
    return (const char *)row + l->offsets[i];
}

void row_add(const struct row_layout *l, void *row, const struct value *slots, const struct row_context *c,
             struct arena *scratch)
{
    static const struct value present = {.type = VALUE_BOOL, .b = true};
    for (size_t i = 0; i < l->count; i++) {
        const struct expr *arg = l->aggs[i].arg;
        struct value v = arg ? expr_eval(arg, slots, scratch) : present;
        if (v.type != VALUE_NULL)
            l->ops[i]->add(cell_of(l, row, i), &v, c);
    }
}

void row_merge(const struct row_layout *l, void *row, const void *other, const struct row_context *c)
{
    for (size_t i = 0; i < l->count; i++)
        l->ops[i]->merge(cell_of(l, row, i), const_cell_of(l, other, i), c);
}

void row_merge_younger(const struct row_layout *l, void *row, const void *other, const struct row_context *c)
{
    for (size_t i = 0; i < l->count; i++)
        l->ops[i]->merge_younger(cell_of(l, row, i), const_cell_of(l, other, i), c);
}

void row_results(const struct row_layout *l, const void *row, const struct row_context *c, struct value *values)
{
    for (size_t i = 0; i < l->count; i++)
        values[i] = l->ops[i]->result(const_cell_of(l, row, i), c);
}

void row_release(const struct row_layout *l, void *row, const struct row_context *c)
{
    for (size_t i = 0; i < l->count; i++) {
        if (l->ops[i]->release)
            l->ops[i]->release(cell_of(l, row, i), c);
    }
}

void row_save(const struct row_layout *l, const void *row, struct buf *out)
{
    for (size_t i = 0; i < l->count; i++)
        l->ops[i]->save(const_cell_of(l, row, i), out);
}

void row_load(const struct row_layout *l, void *row, struct cursor *in, const struct row_context *c)
{
    for (size_t i = 0; i < l->count && !in->bad; i++)
        l->ops[i]->load(cell_of(l, row, i), l->aggs[i].arg_type, in, c);
}
