/* Grouping of results, done by the server.
 *
 * Sums of ints are exact on any server, however it treats an overflow: each int is split into high * 2^32 + low, the
 * halves are summed (up to 2^31 rows of them fit 64 bits), and put together here in 128 bits. */
#include "coredms/mongodb/store.h"

#include "base/clock.h"
#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HALF INT64_C(4294967296)

struct name {
    char text[24];
};

static struct name numbered(const char *letter, size_t i)
{
    struct name n;
    snprintf(n.text, sizeof n.text, "%s%zu", letter, i);
    return n;
}

static void put_expression(bson_t *doc, const char *name, bson_t *expression)
{
    put_doc(doc, name, expression);
    bson_destroy(expression);
}

static bool splits(const struct history_agg *agg)
{
    return agg->type == VALUE_INT && (agg->kind == AGG_SUM || agg->kind == AGG_AVG);
}

/* ---- the stages ---- */

static bson_t *match_stage(const struct store *s, const struct history_filter *filter)
{
    bson_t *selector = BCON_NEW("tenant", BCON_UTF8(s->base.tenant));
    struct history_filter standing = *filter;
    standing.withdrawn = false;
    add_filter(selector, &standing);
    return wrap("$match", selector);
}

/* The start of the bucket, as a number of ms; floored also before 1970. */
static bson_t *bucket_expression(int64_t bucket)
{
    return BCON_NEW("$subtract", "[", "{", "$toLong", "$window_start", "}", "{", "$mod", "[", "{", "$add", "[", "{",
                    "$mod", "[", "{", "$toLong", "$window_start", "}", BCON_INT64(bucket), "]", "}", BCON_INT64(bucket),
                    "]", "}", BCON_INT64(bucket), "]", "}", "]");
}

/* Columns as declared: b the bucket, k0 ... the groups', a0 ... the aggregates'. */
static bson_t *columns_stage(const struct history_group *g)
{
    bson_t *fields = BCON_NEW("_id", BCON_INT32(0));
    if (g->bucket_ms > 0)
        put_expression(fields, "b", bucket_expression(g->bucket_ms));
    for (size_t i = 0; i < g->by_count; i++)
        put_expression(fields, numbered("k", i).text, column_expression(g->by[i].name, g->by[i].type));
    for (size_t i = 0; i < g->agg_count; i++)
        if (g->aggs[i].column)
            put_expression(fields, numbered("a", i).text, column_expression(g->aggs[i].column, g->aggs[i].type));
    put_expression(fields, "one", BCON_NEW("$literal", BCON_INT64(1)));
    return wrap("$project", fields);
}

/* Adds a0l, the low half of a0; a second stage, so that the high one can be computed from it. */
static bson_t *halves_stage(const struct history_group *g, const char *suffix)
{
    bson_t *fields = bson_new();
    for (size_t i = 0; i < g->agg_count; i++) {
        if (!splits(&g->aggs[i]))
            continue;
        char out[32], column[32], low[32];
        snprintf(out, sizeof out, "a%zu%s", i, suffix);
        snprintf(column, sizeof column, "$a%zu", i);
        snprintf(low, sizeof low, "$a%zul", i);
        if (*suffix == 'l')
            put_expression(fields, out, BCON_NEW("$mod", "[", BCON_UTF8(column), BCON_INT64(HALF), "]"));
        else /* a multiple of 2^32 below 2^63: exact as a double */
            put_expression(fields, out,
                           BCON_NEW("$toLong", "{", "$divide", "[", "{", "$subtract", "[", BCON_UTF8(column),
                                    BCON_UTF8(low), "]", "}", BCON_INT64(HALF), "]", "}"));
    }
    if (!bson_empty(fields))
        return wrap("$addFields", fields);
    bson_destroy(fields);
    return NULL;
}

static void add_accumulator(bson_t *fields, const char *letter, size_t i, const char *operator, const char * input,
                            size_t input_number, const char *input_suffix)
{
    char path[48];
    snprintf(path, sizeof path, "$%s%zu%s", input, input_number, input_suffix);
    put_expression(fields, numbered(letter, i).text, BCON_NEW(operator, BCON_UTF8(path)));
}

/* How many values are not null. */
static bson_t *count_of(size_t i)
{
    char path[32];
    snprintf(path, sizeof path, "$a%zu", i);
    return BCON_NEW("$sum", "{", "$cond", "[", "{", "$eq", "[", BCON_UTF8(path), BCON_NULL, "]", "}", BCON_INT64(0),
                    BCON_INT64(1), "]", "}");
}

/* r0 ... the outcome or the sum (of the low halves), h0 ... the sum of the high halves, n0 ... the count. */
static void add_accumulators(bson_t *fields, const struct history_agg *agg, size_t i)
{
    if (agg->kind == AGG_COUNT && !agg->column)
        put_expression(fields, numbered("n", i).text, BCON_NEW("$sum", "$one"));
    else if (agg->kind == AGG_COUNT || agg->kind == AGG_AVG)
        put_expression(fields, numbered("n", i).text, count_of(i));
    if (agg->kind == AGG_MIN || agg->kind == AGG_MAX)
        add_accumulator(fields, "r", i, agg->kind == AGG_MIN ? "$min" : "$max", "a", i, "");
    if (agg->kind != AGG_SUM && agg->kind != AGG_AVG)
        return;
    add_accumulator(fields, "r", i, "$sum", "a", i, splits(agg) ? "l" : "");
    if (splits(agg))
        add_accumulator(fields, "h", i, "$sum", "a", i, "h");
}

static bson_t *group_stage(const struct history_group *g)
{
    bson_t *fields = bson_new(), id = BSON_INITIALIZER;
    if (g->bucket_ms > 0)
        put_text(&id, "b", "$b");
    for (size_t i = 0; i < g->by_count; i++) {
        char path[32];
        snprintf(path, sizeof path, "$k%zu", i);
        put_text(&id, numbered("k", i).text, path);
    }
    if (bson_empty(&id))
        bson_append_null(fields, "_id", -1);
    else
        put_doc(fields, "_id", &id);
    bson_destroy(&id);
    for (size_t i = 0; i < g->agg_count; i++)
        add_accumulators(fields, &g->aggs[i], i);
    return wrap("$group", fields);
}

static bson_t *sort_stage(const struct history_group *g)
{
    bson_t *order = bson_new();
    if (g->bucket_ms > 0)
        bson_append_int32(order, "_id.b", -1, 1);
    for (size_t i = 0; i < g->by_count; i++) {
        char path[32];
        snprintf(path, sizeof path, "_id.k%zu", i);
        bson_append_int32(order, path, -1, 1);
    }
    if (!bson_empty(order))
        return wrap("$sort", order);
    bson_destroy(order);
    return NULL;
}

static bson_t *pipeline_of(const struct store *s, const struct history_group *g)
{
    bson_t *const stages[] = {match_stage(s, &g->filter), columns_stage(g), halves_stage(g, "l"),
                              halves_stage(g, "h"),       group_stage(g),   sort_stage(g)};
    bson_t *list = bson_new();
    uint32_t n = 0;
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        char key[16];
        const char *index;
        if (!stages[i])
            continue;
        bson_uint32_to_string(n++, &index, key, sizeof key);
        put_doc(list, index, stages[i]);
        bson_destroy(stages[i]);
    }
    return list;
}

/* ---- the answer ---- */

static const struct value null_value = {.type = VALUE_NULL};

static struct value float_value(double f)
{
    return isfinite(f) ? (struct value){.type = VALUE_FLOAT, .f = f} : null_value;
}

static struct value read_value(const bson_t *doc, const char *name, enum value_type type)
{
    bson_iter_t it;
    struct value v = {.type = type};
    if (!bson_iter_init_find(&it, doc, name))
        return null_value;
    if (type == VALUE_BOOL && BSON_ITER_HOLDS_BOOL(&it))
        v.b = bson_iter_bool(&it);
    else if (type == VALUE_STRING && BSON_ITER_HOLDS_UTF8(&it))
        v.s = bson_iter_utf8(&it, &v.len);
    else if (type == VALUE_INT && BSON_ITER_HOLDS_NUMBER(&it))
        v.i = bson_iter_as_int64(&it);
    else if (type == VALUE_FLOAT && BSON_ITER_HOLDS_DOUBLE(&it))
        v = float_value(bson_iter_double(&it));
    else if (type == VALUE_FLOAT && BSON_ITER_HOLDS_NUMBER(&it))
        v.f = (double)bson_iter_as_int64(&it);
    else
        return null_value;
    return v;
}

static struct value sum_value(const bson_t *doc, const struct history_agg *agg, size_t i, double *as_float)
{
    if (!splits(agg)) {
        struct value sum = read_value(doc, numbered("r", i).text, VALUE_FLOAT);
        *as_float = sum.type == VALUE_FLOAT ? sum.f : INFINITY;
        return sum;
    }
    __int128 total = (__int128)get_int(doc, numbered("h", i).text, 0) * HALF + get_int(doc, numbered("r", i).text, 0);
    *as_float = (double)total;
    return total >= INT64_MIN && total <= INT64_MAX ? (struct value){.type = VALUE_INT, .i = (int64_t)total}
                                                    : null_value;
}

static struct value agg_value(const bson_t *doc, const struct history_agg *agg, size_t i)
{
    double total;
    int64_t count = get_int(doc, numbered("n", i).text, 0);
    switch (agg->kind) {
    case AGG_COUNT:
        return (struct value){.type = VALUE_INT, .i = count};
    case AGG_SUM:
        return sum_value(doc, agg, i, &total);
    case AGG_AVG:
        sum_value(doc, agg, i, &total);
        return count ? float_value(total / (double)count) : null_value;
    default:
        return read_value(doc, numbered("r", i).text, agg->type);
    }
}

static size_t read_values(const bson_t *doc, const struct history_group *g, struct value *values)
{
    bson_t id = BSON_INITIALIZER;
    bson_iter_t it;
    const uint8_t *bytes;
    uint32_t len;
    size_t n = 0;
    if (bson_iter_init_find(&it, doc, "_id") && BSON_ITER_HOLDS_DOCUMENT(&it)) {
        bson_iter_document(&it, &len, &bytes);
        bson_init_static(&id, bytes, len); /* strings stay those of doc */
    }
    if (g->bucket_ms > 0)
        values[n++] = read_value(&id, "b", VALUE_INT);
    for (size_t i = 0; i < g->by_count; i++)
        values[n++] = read_value(&id, numbered("k", i).text, g->by[i].type);
    for (size_t i = 0; i < g->agg_count; i++)
        values[n++] = agg_value(doc, &g->aggs[i], i);
    return n;
}

/* ---- running ---- */

struct running {
    const struct history_group *group;
    int64_t deadline;
    group_each *each;
    void *context;
};

static int too_late(struct err *err)
{
    return err_set(err, ERR_TIMEOUT, "history: the time for grouping is over");
}

static int read_groups(mongoc_cursor_t *cursor, const struct running *r, struct err *err)
{
    const bson_t *doc;
    bson_error_t error;
    struct value *values = mem_zero(1 + r->group->by_count + r->group->agg_count, sizeof *values);
    bool more = true;
    int status = 0;
    while (more && status == 0 && mongoc_cursor_next(cursor, &doc)) {
        if (clock_mono_ms() >= r->deadline)
            status = too_late(err);
        else
            more = r->each(r->context, values, read_values(doc, r->group, values));
    }
    free(values);
    if (status == 0 && mongoc_cursor_error(cursor, &error))
        status = clock_mono_ms() >= r->deadline ? too_late(err) : mongo_fail(&error, false, err);
    return status;
}

int mongodb_history_group(struct coredms *db, const struct history_group *group, int64_t deadline_mono_ms,
                          group_each *each, void *context, struct err *err)
{
    struct store *s = store_of(db);
    const struct running r = {group, deadline_mono_ms, each, context};
    if (store_ready(s, err) < 0)
        return -1;
    int64_t left = deadline_mono_ms - clock_mono_ms();
    if (left <= 0)
        return too_late(err);
    mongoc_client_t *client = mongo_patient_client(s, left);
    if (!client)
        return err_set(err, ERR_INTERNAL, "MongoDB: no second connection can be made");
    mongoc_collection_t *results =
        mongoc_client_get_collection(client, mongoc_uri_get_database(s->uri), mongo_collection_names[IN_RESULTS]);
    bson_t *pipeline = pipeline_of(s, group);
    bson_t *opts =
        BCON_NEW("maxTimeMS", BCON_INT64(left < INT32_MAX ? left : INT32_MAX), "allowDiskUse", BCON_BOOL(true));
    mongoc_cursor_t *cursor = mongoc_collection_aggregate(results, MONGOC_QUERY_NONE, pipeline, opts, NULL);
    int status = read_groups(cursor, &r, err);
    mongoc_cursor_destroy(cursor);
    bson_destroy(opts);
    bson_destroy(pipeline);
    mongoc_collection_destroy(results);
    mongoc_client_destroy(client);
    return status;
}
