/* Results and how far they are stored. A batch of results is written first, the source after it: a batch that comes
 * again writes the same, so it makes no difference where a writer stopped. */
#include "coredms/mongodb/store.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static void read_source(const bson_t *doc, struct source *source)
{
    *source = (struct source){.epoch = (uint64_t)get_int(doc, "epoch", 0),
                              .generation = (uint64_t)get_int(doc, "generation", 0),
                              .offset = get_int(doc, "offset", -1),
                              .number = get_int(doc, "number", 0),
                              .stored_ms = get_int(doc, "stored", 0)};
}

/* ---- raising ---- */

static bson_t *new_source_fields(uint64_t generation)
{
    bson_t *set = bson_new();
    put_int(set, "generation", generation);
    put_int(set, "offset", -1);
    put_int(set, "number", 0);
    put_time(set, "stored", 0);
    return set;
}

static int find_source(struct store *s, struct source *source, struct err *err)
{
    bson_t *doc;
    int found = mongo_find_one(s, IN_SOURCES, doc_id(s->base.tenant, s->base.tenant), NULL, &doc, err);
    if (found > 0) {
        read_source(doc, source);
        bson_destroy(doc);
    }
    return found;
}

/* Runs that are under way are taken over: an update by a worker of a lower epoch, which looked at the source before we
 * raised it, no longer finds them. */
static int take_runs_over(struct store *s, uint64_t epoch, struct err *err)
{
    bson_t *selector = pending_runs(s);
    BCON_APPEND(selector, "epoch", "{", "$lt", BCON_INT64((int64_t)epoch), "}");
    bson_t *change = BCON_NEW("$set", "{", "epoch", BCON_INT64((int64_t)epoch), "}");
    return mongo_update_many(s, IN_RUNS, selector, change, err) < 0 ? -1 : 0;
}

int mongodb_history_raise(struct coredms *db, uint64_t generation, struct source *source, struct err *err)
{
    struct store *s = store_of(db);
    struct source raised;
    bson_t *doc;
    if (store_ready(s, err) < 0)
        return -1;
    bson_t *fresh = new_source_fields(generation);
    int status = mongo_raise(s, &(struct raising){IN_SOURCES, generation, fresh, "history"}, &doc, err);
    bson_destroy(fresh);
    if (status < 0)
        return -1;
    read_source(doc, &raised);
    bson_destroy(doc);
    if (take_runs_over(s, raised.epoch, err) < 0)
        return -1;
    *source = raised;
    return 0;
}

int mongodb_history_source(struct coredms *db, struct source *source, struct err *err)
{
    struct store *s = store_of(db);
    struct source found = {.offset = -1};
    if (store_ready(s, err) < 0 || find_source(s, &found, err) < 0)
        return -1;
    *source = found;
    return 0;
}

/* ---- storing ---- */

/* free() */
static char *result_id(const struct store *s, const struct result_row *r)
{
    char *stream = id_escape(r->stream);
    char *id = mem_printf("%s|%s|%lld|%s", s->base.tenant, stream, (long long)r->window_start, r->key);
    free(stream);
    return id;
}

#define RANK_SIZE 48

/* (generation, revision, number) as one text that sorts as they do, so that a filter on it is one comparison. */
static const char *rank_of(const struct result_row *r, char out[RANK_SIZE])
{
    snprintf(out, RANK_SIZE, "%016" PRIx64 "%08" PRIx32 "%016" PRIx64, r->generation, r->revision, (uint64_t)r->number);
    return out;
}

static int compare_ranks(const struct result_row *a, const struct result_row *b)
{
    char x[RANK_SIZE], y[RANK_SIZE];
    return strcmp(rank_of(a, x), rank_of(b, y));
}

struct operation {
    char *id;
    const struct result_row *row;
};

static int compare_operations(const void *a, const void *b)
{
    const struct operation *x = a, *y = b;
    int d = strcmp(x->id, y->id);
    if (d)
        return d;
    d = compare_ranks(y->row, x->row);
    if (d)
        return d;
    return (x->row > y->row) - (x->row < y->row); /* the first of equals */
}

/* One operation for each key, the highest of those given: a bulk must not name a key twice. */
static struct operation *plan(const struct store *s, const struct result_row *rows, size_t count, size_t *planned)
{
    struct operation *ops = mem_zero(count, sizeof *ops);
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        ops[i] = (struct operation){result_id(s, &rows[i]), &rows[i]};
    qsort(ops, count, sizeof *ops, compare_operations);
    for (size_t i = 0; i < count; i++) {
        if (n > 0 && strcmp(ops[n - 1].id, ops[i].id) == 0)
            free(ops[i].id);
        else
            ops[n++] = ops[i];
    }
    *planned = n;
    return ops;
}

static bson_t *result_selector(const struct store *s, const struct operation *op)
{
    bson_t *selector = doc_id(s->base.tenant, op->id);
    char rank[RANK_SIZE];
    BCON_APPEND(selector, "rank", "{", "$lt", BCON_UTF8(rank_of(op->row, rank)), "}");
    return selector;
}

static bson_t *result_fields(const struct result_row *r)
{
    char rank[RANK_SIZE];
    bson_t *set = bson_new(), columns = BSON_INITIALIZER;
    put_text(set, "stream", r->stream);
    put_time(set, "window_start", r->window_start);
    put_time(set, "window_end", r->window_end);
    put_text(set, "key", r->key);
    put_int(set, "generation", r->generation);
    put_int(set, "revision", r->revision);
    put_text(set, "rank", rank_of(r, rank));
    put_int(set, "number", r->number);
    columns_of_body(r->body, r->body_len, &columns);
    put_doc(set, "v", &columns);
    bson_destroy(&columns);
    bson_append_utf8(set, "body", -1, r->body, (int)r->body_len);
    put_int(set, "first_offset", r->first_offset);
    put_int(set, "last_offset", r->last_offset);
    put_flag(set, "withdrawn", r->withdrawn);
    return set;
}

static bool add_operation(mongoc_bulk_operation_t *bulk, const struct store *s, const struct operation *op, bool upsert,
                          bson_error_t *error)
{
    bson_t *selector = result_selector(s, op), *change = wrap("$set", result_fields(op->row));
    bson_t *opts = BCON_NEW("upsert", BCON_BOOL(upsert));
    bool good = mongoc_bulk_operation_update_one_with_opts(bulk, selector, change, opts, error);
    bson_destroy(opts);
    bson_destroy(change);
    bson_destroy(selector);
    return good;
}

/* Moves the operations whose key was taken to the front; returns how many, -1 if anything else went wrong. */
static int64_t find_taken(const bson_t *reply, struct operation *ops, size_t count, struct err *err)
{
    bson_iter_t it, list, one;
    int64_t taken = 0;
    bool marks[PAGE_ROWS] = {false};
    if (!bson_iter_init_find(&it, reply, "writeErrors") || !bson_iter_recurse(&it, &list))
        return 0;
    while (bson_iter_next(&list)) {
        int64_t index = -1, code = 0;
        if (bson_iter_recurse(&list, &one) && bson_iter_find(&one, "index"))
            index = bson_iter_as_int64(&one);
        if (bson_iter_recurse(&list, &one) && bson_iter_find(&one, "code"))
            code = bson_iter_as_int64(&one);
        if (code != 11000 || index < 0 || (size_t)index >= count) {
            bson_error_t error = {.domain = MONGOC_ERROR_SERVER, .code = (uint32_t)code};
            strcpy(error.message, "a result was refused");
            return mongo_fail(&error, true, err);
        }
        marks[index] = true;
    }
    for (size_t i = 0; i < count; i++) {
        if (!marks[i])
            continue;
        struct operation swap = ops[taken];
        ops[taken++] = ops[i];
        ops[i] = swap;
    }
    return taken;
}

static bool has_concern_errors(const bson_t *reply)
{
    bson_iter_t it, list;
    return bson_iter_init_find(&it, reply, "writeConcernErrors") && bson_iter_recurse(&it, &list) &&
           bson_iter_next(&list);
}

/* Returns how many keys were taken by a result that the filter did not match: a newer one, or one that came at the same
 * moment. */
static int64_t execute(mongoc_bulk_operation_t *bulk, struct operation *ops, size_t count, struct err *err)
{
    bson_t reply;
    bson_error_t error;
    bool good = mongoc_bulk_operation_execute(bulk, &reply, &error) != 0;
    int64_t taken = find_taken(&reply, ops, count, err);
    if (taken >= 0 && has_concern_errors(&reply))
        taken = err_set(err, ERR_UNKNOWN, "MongoDB: the results were not confirmed by a majority in time");
    else if (taken >= 0 && !good && (taken == 0 || error.domain != MONGOC_ERROR_SERVER))
        taken = mongo_fail(&error, true, err);
    bson_destroy(&reply);
    return taken;
}

static int64_t put_some(struct store *s, struct operation *ops, size_t count, bool upsert, struct err *err)
{
    bson_error_t error;
    int64_t taken = 0;
    bool good = true;
    bson_t *opts = BCON_NEW("ordered", BCON_BOOL(false));
    mongoc_bulk_operation_t *bulk = mongoc_collection_create_bulk_operation_with_opts(s->collections[IN_RESULTS], opts);
    for (size_t i = 0; i < count && good; i++)
        good = add_operation(bulk, s, &ops[i], upsert, &error);
    taken = good ? execute(bulk, ops, count, err) : mongo_fail(&error, false, err);
    mongoc_bulk_operation_destroy(bulk);
    bson_destroy(opts);
    return taken;
}

static int put_results(struct store *s, struct operation *ops, size_t count, struct err *err)
{
    for (size_t at = 0; at < count; at += PAGE_ROWS) {
        size_t n = count - at < PAGE_ROWS ? count - at : PAGE_ROWS;
        int64_t taken = put_some(s, ops + at, n, true, err);
        /* Once more without insertion: what is still not matched then is newer. */
        if (taken > 0)
            taken = put_some(s, ops + at, (size_t)taken, false, err);
        if (taken < 0)
            return -1;
    }
    return 0;
}

static int put_source(struct store *s, const struct source *source, struct err *err)
{
    bson_t *selector = doc_id(s->base.tenant, s->base.tenant), *set = bson_new();
    put_int(selector, "epoch", source->epoch);
    put_int(selector, "generation", source->generation);
    put_int(set, "offset", source->offset);
    put_int(set, "number", source->number);
    put_time(set, "stored", source->stored_ms);
    int matched = mongo_update_one(s, IN_SOURCES, selector, wrap("$set", set), err);
    if (matched == 0)
        return err_set(err, ERR_FENCED, "history: epoch %llu has been replaced", (unsigned long long)source->epoch);
    return matched < 0 ? -1 : 0;
}

int mongodb_history_put(struct coredms *db, const struct result_row *rows, size_t count, const struct source *source,
                        struct err *err)
{
    struct store *s = store_of(db);
    size_t planned;
    if (store_ready(s, err) < 0)
        return -1;
    struct operation *ops = plan(s, rows, count, &planned);
    int status = put_results(s, ops, planned, err);
    for (size_t i = 0; i < planned; i++)
        free(ops[i].id);
    free(ops);
    return status < 0 ? -1 : put_source(s, source, err);
}

/* ---- withdrawing ---- */

static int check_source(struct store *s, const struct source *source, struct err *err)
{
    bson_t *selector = doc_id(s->base.tenant, s->base.tenant), *doc;
    put_int(selector, "epoch", source->epoch);
    put_int(selector, "generation", source->generation);
    int found = mongo_find_one(s, IN_SOURCES, selector, NULL, &doc, err);
    bson_destroy(doc);
    if (found == 0)
        return err_set(err, ERR_FENCED, "history: epoch %llu has been replaced", (unsigned long long)source->epoch);
    return found < 0 ? -1 : 0;
}

/* A worker that was replaced after it had looked withdraws what its successor withdraws too: it had read all that its
 * generation gave. */
int mongodb_history_withdraw(struct coredms *db, int64_t from_ms, const struct source *source, size_t *count,
                             struct err *err)
{
    struct store *s = store_of(db);
    if (store_ready(s, err) < 0 || check_source(s, source, err) < 0)
        return -1;
    bson_t *selector =
        BCON_NEW("tenant", BCON_UTF8(s->base.tenant), "generation", "{", "$lt", BCON_INT64((int64_t)source->generation),
                 "}", "withdrawn", "{", "$ne", BCON_BOOL(true), "}");
    add_range(selector, from_ms, INT64_MAX);
    bson_t *change = BCON_NEW("$set", "{", "withdrawn", BCON_BOOL(true), "}");
    int64_t matched = mongo_update_many(s, IN_RESULTS, selector, change, err);
    if (matched < 0)
        return -1;
    *count = (size_t)matched;
    return 0;
}

int mongodb_history_latest(struct coredms *db, const char *stream, int64_t *window_end, struct err *err)
{
    struct store *s = store_of(db);
    bson_t *doc;
    if (store_ready(s, err) < 0)
        return -1;
    bson_t *selector = BCON_NEW("tenant", BCON_UTF8(s->base.tenant), "stream", BCON_UTF8(stream), "withdrawn", "{",
                                "$ne", BCON_BOOL(true), "}");
    bson_t *opts =
        BCON_NEW("sort", "{", "window_end", BCON_INT32(-1), "}", "projection", "{", "window_end", BCON_INT32(1), "}");
    int found = mongo_find_one(s, IN_RESULTS, selector, opts, &doc, err);
    if (found <= 0)
        return found < 0 ? -1 : err_set(err, ERR_NOT_FOUND, "stream %s: has no results", stream);
    *window_end = get_int(doc, "window_end", 0);
    bson_destroy(doc);
    return 0;
}

int mongodb_history_next_stream(struct coredms *db, const char *after, char **stream, struct err *err)
{
    struct store *s = store_of(db);
    bson_t *doc;
    if (store_ready(s, err) < 0)
        return -1;
    bson_t *selector = BCON_NEW("tenant", BCON_UTF8(s->base.tenant), "stream", "{", "$gt", BCON_UTF8(after), "}",
                                "withdrawn", "{", "$ne", BCON_BOOL(true), "}");
    bson_t *opts = BCON_NEW("sort", "{", "stream", BCON_INT32(1), "}", "projection", "{", "stream", BCON_INT32(1), "}");
    int found = mongo_find_one(s, IN_RESULTS, selector, opts, &doc, err);
    if (found <= 0)
        return found < 0 ? -1 : err_set(err, ERR_NOT_FOUND, "no stream with results behind \"%s\"", after);
    *stream = get_text(doc, "stream");
    bson_destroy(doc);
    return 0;
}
