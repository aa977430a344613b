/* Runs, their reports, and the API's requests for runs. A report is written in parts under a name of its own; the run's
 * document, which names it, is changed after that. */
#include "coredms/mongodb/store.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static int no_run(const char *id, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "run %s: not found", id);
}

/* ---- rows ---- */

/* "run" is the id; _id has the tenant before it. */
static void put_run(bson_t *doc, const struct run_row *r)
{
    put_text(doc, "run", r->id);
    put_text(doc, "job", r->job);
    put_int(doc, "cause", r->cause);
    put_int(doc, "state", r->state);
    put_int(doc, "generation", r->generation);
    put_int(doc, "version", r->version);
    put_time(doc, "from", r->from);
    put_time(doc, "to", r->to);
    put_int(doc, "after_number", r->after_number);
    put_time(doc, "wait_until", r->wait_until_ms);
    put_time(doc, "created", r->created_ms);
    put_time(doc, "started", r->started_ms);
    put_time(doc, "ended", r->ended_ms);
    put_flag(doc, "complete", r->complete);
    put_flag(doc, "published", r->published);
    put_int(doc, "row_count", r->row_count);
    put_text(doc, "request", r->request);
    put_text(doc, "error", r->error);
}

static void read_run(const bson_t *doc, struct run_row *row)
{
    *row = (struct run_row){.id = get_text(doc, "run"),
                            .job = get_text(doc, "job"),
                            .cause = (enum run_cause)get_int(doc, "cause", 0),
                            .state = (enum run_state)get_int(doc, "state", 0),
                            .generation = (uint64_t)get_int(doc, "generation", 0),
                            .version = (uint32_t)get_int(doc, "version", 0),
                            .from = get_int(doc, "from", -1),
                            .to = get_int(doc, "to", -1),
                            .after_number = get_int(doc, "after_number", 0),
                            .wait_until_ms = get_int(doc, "wait_until", 0),
                            .created_ms = get_int(doc, "created", 0),
                            .started_ms = get_int(doc, "started", 0),
                            .ended_ms = get_int(doc, "ended", 0),
                            .complete = get_flag(doc, "complete"),
                            .published = get_flag(doc, "published"),
                            .row_count = get_int(doc, "row_count", 0),
                            .request = get_text(doc, "request"),
                            .error = get_text(doc, "error")};
}

struct run_rows {
    struct run_row *rows;
    size_t count, cap;
    bool with_tenant;
};

static bool add_run(void *context, const bson_t *doc)
{
    struct run_rows *list = context;
    if (list->count == list->cap)
        list->rows = mem_resize(list->rows, list->cap = list->cap ? 2 * list->cap : 16, sizeof *list->rows);
    struct run_row *row = &list->rows[list->count++];
    read_run(doc, row);
    if (list->with_tenant)
        row->tenant = get_text(doc, "tenant");
    return true;
}

/* selector and opts are destroyed; on failure nothing is left in the list. */
static int collect(struct store *s, enum collection in, bson_t *selector, bson_t *opts, struct run_rows *list,
                   struct err *err)
{
    int status = mongo_find(s, in, selector, opts, add_run, list, err);
    if (status == 0)
        return 0;
    for (size_t i = 0; i < list->count; i++)
        run_row_free(&list->rows[i]);
    free(list->rows);
    return -1;
}

static void give_rows(struct run_rows *list, struct run_row **rows, size_t *count)
{
    *rows = list->rows ? list->rows : mem_alloc(0);
    *count = list->count;
}

/* {_id, tenant} of a run or request. */
static bson_t *run_selector(const char *tenant, const char *run)
{
    char *id = id_of(tenant, run);
    bson_t *selector = doc_id(tenant, id);
    free(id);
    return selector;
}

/* ---- inserting ---- */

/* Outlives the run, so that a period whose run has expired is not run again. */
static int note_schedule(struct store *s, const struct run_row *row, struct err *err)
{
    bson_t *change =
        BCON_NEW("$max", "{", "latest_to", BCON_DATE_TIME(row->to), "}", "$set", "{", "job", BCON_UTF8(row->job), "}");
    int matched = mongo_upsert_one(s, IN_SCHEDULES, run_selector(s->base.tenant, row->job), change, err);
    return matched < 0 ? -1 : 0;
}

int mongodb_run_insert(struct coredms *db, const struct run_row *row, bool *inserted, struct err *err)
{
    struct store *s = store_of(db);
    if (store_ready(s, err) < 0)
        return -1;
    bson_t *doc = run_selector(s->base.tenant, row->id);
    put_run(doc, row);
    put_int(doc, "epoch", 0);
    int status = mongo_insert(s, IN_RUNS, doc, err);
    if (status < 0 && err->code != ERR_EXISTS)
        return -1;
    if (row->cause == RUN_ON_SCHEDULE && note_schedule(s, row, err) < 0)
        return -1;
    *inserted = status == 0;
    return 0;
}

/* ---- updating ---- */

static int check_epoch(struct store *s, uint64_t epoch, const char *run, struct err *err)
{
    struct source source;
    if (mongodb_history_source(&s->base, &source, err) < 0)
        return -1;
    return source.epoch == epoch
               ? 0
               : err_set(err, ERR_FENCED, "run %s: epoch %llu has been replaced", run, (unsigned long long)epoch);
}

static int put_report(struct store *s, const struct run_row *row, const char *name, const char *report, size_t len,
                      struct err *err)
{
    bson_t *fields = bson_new();
    char *id = id_of(s->base.tenant, row->id), *prefix = mem_printf("%s|%s", id, name);
    put_text(fields, "tenant", s->base.tenant);
    put_text(fields, "run", row->id);
    put_text(fields, "report", name);
    int status = parts_put(s, &(struct parts){IN_REPORTS, fields, prefix}, report, len, err);
    bson_destroy(fields);
    free(prefix);
    free(id);
    return status;
}

/* Parts of a run's report: those of that name, or all others. Failing to delete them leaves them until the run goes. */
static void delete_report(struct store *s, const char *run, const char *name, bool others)
{
    struct err ignored;
    bson_t *selector = BCON_NEW("tenant", BCON_UTF8(s->base.tenant), "run", BCON_UTF8(run));
    if (others)
        BCON_APPEND(selector, "report", "{", "$ne", BCON_UTF8(name), "}");
    else
        put_text(selector, "report", name);
    if (mongo_delete_many(s, IN_REPORTS, selector, &ignored) < 0)
        return;
}

static bson_t *run_change(const struct run_row *row, uint64_t epoch, const char *report_name, size_t report_len)
{
    bson_t *set = bson_new();
    put_run(set, row);
    put_int(set, "epoch", epoch);
    if (report_name) {
        put_text(set, "report", report_name);
        put_int(set, "report_bytes", report_len);
    }
    return wrap("$set", set);
}

static int replace_run(struct store *s, const struct run_row *row, uint64_t epoch, bson_t *change, struct err *err)
{
    bson_t *selector = run_selector(s->base.tenant, row->id), *doc;
    BCON_APPEND(selector, "epoch", "{", "$lte", BCON_INT64((int64_t)epoch), "}");
    int matched = mongo_update_one(s, IN_RUNS, selector, change, err);
    if (matched != 0)
        return matched < 0 ? -1 : 0;
    int found = mongo_find_one(s, IN_RUNS, run_selector(s->base.tenant, row->id), NULL, &doc, err);
    bson_destroy(doc);
    if (found <= 0)
        return found < 0 ? -1 : no_run(row->id, err);
    return err_set(err, ERR_FENCED, "run %s: epoch %llu has been replaced", row->id, (unsigned long long)epoch);
}

int mongodb_run_update(struct coredms *db, const struct run_row *row, uint64_t epoch, const char *report,
                       size_t report_len, struct err *err)
{
    struct store *s = store_of(db);
    bson_oid_t oid;
    char name[25];
    if (store_ready(s, err) < 0 || check_epoch(s, epoch, row->id, err) < 0)
        return -1;
    bson_oid_init(&oid, NULL);
    bson_oid_to_string(&oid, name);
    if (report && put_report(s, row, name, report, report_len, err) < 0)
        return -1;
    int status = replace_run(s, row, epoch, run_change(row, epoch, report ? name : NULL, report_len), err);
    if (report && (status == 0 || err->code != ERR_UNKNOWN)) /* else it may be the one that the run names */
        delete_report(s, row->id, name, status == 0);
    return status;
}

/* ---- reading ---- */

int mongodb_run_get(struct coredms *db, const char *id, struct run_row *row, struct err *err)
{
    struct store *s = store_of(db);
    bson_t *doc;
    if (store_ready(s, err) < 0)
        return -1;
    int found = mongo_find_one(s, IN_RUNS, run_selector(s->base.tenant, id), NULL, &doc, err);
    if (found <= 0)
        return found < 0 ? -1 : no_run(id, err);
    read_run(doc, row);
    bson_destroy(doc);
    return 0;
}

/* The report that the run's document names now. */
static int read_report(struct store *s, const char *id, struct buf *out, struct err *err)
{
    bson_t *doc;
    int found = mongo_find_one(s, IN_RUNS, run_selector(s->base.tenant, id), NULL, &doc, err);
    if (found < 0)
        return -1;
    char *name = found ? get_text(doc, "report") : NULL;
    size_t len = found ? (size_t)get_int(doc, "report_bytes", 0) : 0;
    bson_destroy(doc);
    if (!name)
        return err_set(err, ERR_NOT_FOUND, "report of run %s: not found", id);
    bson_t *selector = BCON_NEW("tenant", BCON_UTF8(s->base.tenant), "run", BCON_UTF8(id), "report", BCON_UTF8(name));
    buf_clear(out);
    int status = parts_get(s, IN_REPORTS, selector, parts_count(len), out, err);
    free(name);
    return status;
}

int mongodb_run_report(struct coredms *db, const char *id, char **report, size_t *len, struct err *err)
{
    struct store *s = store_of(db);
    struct buf out = {0};
    if (store_ready(s, err) < 0)
        return -1;
    int status = read_report(s, id, &out, err);
    if (status < 0 && err->code == ERR_NOT_FOUND)
        status = read_report(s, id, &out, err); /* it may have been replaced between the two steps */
    if (status == 0) {
        *len = out.len;
        *report = mem_strndup(out.data, out.len);
    }
    buf_free(&out);
    return status;
}

/* ---- listing ---- */

static bson_t *list_selector(const struct store *s, const char *job, int cause, int state)
{
    bson_t *selector = BCON_NEW("tenant", BCON_UTF8(s->base.tenant));
    if (job)
        put_text(selector, "job", job);
    if (cause >= 0)
        put_int(selector, "cause", cause);
    if (state >= 0)
        put_int(selector, "state", state);
    return selector;
}

static int add_position(bson_t *selector, const char *cursor, struct err *err)
{
    int64_t created;
    char *id;
    if (coredms_cursor_parse(cursor, &created, &id, err) < 0)
        return -1;
    BCON_APPEND(selector, "$or", "[", "{", "created", "{", "$lt", BCON_DATE_TIME(created), "}", "}", "{", "created",
                BCON_DATE_TIME(created), "run", "{", "$lt", BCON_UTF8(id), "}", "}", "]");
    free(id);
    return 0;
}

int mongodb_run_list(struct coredms *db, const char *job, int cause, int state, size_t limit, const char *cursor,
                     struct run_row **rows, size_t *count, char **next, struct err *err)
{
    struct store *s = store_of(db);
    struct run_rows list = {0};
    if (store_ready(s, err) < 0)
        return -1;
    bson_t *selector = list_selector(s, job, cause, state);
    if (cursor && add_position(selector, cursor, err) < 0) {
        bson_destroy(selector);
        return -1;
    }
    bson_t *opts = BCON_NEW("sort", "{", "created", BCON_INT32(-1), "run", BCON_INT32(-1), "}", "limit",
                            BCON_INT64((int64_t)limit + 1));
    if (collect(s, IN_RUNS, selector, opts, &list, err) < 0)
        return -1;
    bool more = limit > 0 && list.count > limit;
    while (list.count > limit)
        run_row_free(&list.rows[--list.count]);
    if (next)
        *next = more ? coredms_cursor_text(list.rows[limit - 1].created_ms, list.rows[limit - 1].id) : NULL;
    give_rows(&list, rows, count);
    return 0;
}

bson_t *pending_runs(const struct store *s)
{
    return BCON_NEW("tenant", BCON_UTF8(s->base.tenant), "$or", "[", "{", "state", "{", "$in", "[",
                    BCON_INT64(RUN_QUEUED), BCON_INT64(RUN_RUNNING), "]", "}", "}", "{", "state", BCON_INT64(RUN_DONE),
                    "published", BCON_BOOL(false), "}", "]");
}

int mongodb_run_pending(struct coredms *db, struct run_row **rows, size_t *count, struct err *err)
{
    struct store *s = store_of(db);
    struct run_rows list = {0};
    if (store_ready(s, err) < 0)
        return -1;
    bson_t *opts = BCON_NEW("sort", "{", "created", BCON_INT32(1), "run", BCON_INT32(1), "}");
    if (collect(s, IN_RUNS, pending_runs(s), opts, &list, err) < 0)
        return -1;
    give_rows(&list, rows, count);
    return 0;
}

int mongodb_run_last_scheduled(struct coredms *db, const char *job, int64_t *to, struct err *err)
{
    struct store *s = store_of(db);
    bson_t *doc;
    if (store_ready(s, err) < 0)
        return -1;
    int found = mongo_find_one(s, IN_SCHEDULES, run_selector(s->base.tenant, job), NULL, &doc, err);
    if (found <= 0)
        return found < 0 ? -1 : err_set(err, ERR_NOT_FOUND, "job %s: no schedule of it has had a run", job);
    *to = get_int(doc, "latest_to", 0);
    bson_destroy(doc);
    return 0;
}

/* ---- requests ---- */

int mongodb_request_add(struct coredms *db, const char *tenant, const struct run_row *row, struct err *err)
{
    struct store *s = store_of(db);
    if (store_ready(s, err) < 0)
        return -1;
    bson_t *doc = run_selector(tenant, row->id);
    put_run(doc, row);
    if (mongo_insert(s, IN_REQUESTS, doc, err) == 0)
        return 0;
    return err->code != ERR_EXISTS ? -1 : err_set(err, ERR_EXISTS, "request %s of tenant %s: exists", row->id, tenant);
}

int mongodb_request_get(struct coredms *db, const char *tenant, const char *id, struct run_row *row, struct err *err)
{
    struct store *s = store_of(db);
    bson_t *doc;
    if (store_ready(s, err) < 0)
        return -1;
    int found = mongo_find_one(s, IN_REQUESTS, run_selector(tenant, id), NULL, &doc, err);
    if (found <= 0)
        return found < 0 ? -1 : err_set(err, ERR_NOT_FOUND, "request %s of tenant %s: not found", id, tenant);
    read_run(doc, row);
    row->tenant = get_text(doc, "tenant");
    bson_destroy(doc);
    return 0;
}

int mongodb_request_list(struct coredms *db, const char *tenant, struct run_row **rows, size_t *count, struct err *err)
{
    struct store *s = store_of(db);
    struct run_rows list = {.with_tenant = true};
    if (store_ready(s, err) < 0)
        return -1;
    bson_t *selector = bson_new();
    if (tenant)
        put_text(selector, "tenant", tenant);
    bson_t *opts = BCON_NEW("sort", "{", "created", BCON_INT32(1), "tenant", BCON_INT32(1), "run", BCON_INT32(1), "}");
    if (collect(s, IN_REQUESTS, selector, opts, &list, err) < 0)
        return -1;
    give_rows(&list, rows, count);
    return 0;
}

int mongodb_request_drop(struct coredms *db, const char *tenant, const char *id, struct err *err)
{
    struct store *s = store_of(db);
    return store_ready(s, err) < 0 ? -1 : mongo_delete_many(s, IN_REQUESTS, run_selector(tenant, id), err);
}
