/* Runs and their reports (batch.db), and the API's requests for runs (registry.db). */
#include "coredms/sqlite/store.h"

#include "base/mem.h"

#include <stdlib.h>

#define MARKS "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"

/* ---- rows ---- */

void run_args(const struct run_row *r, struct arg args[RUN_COLUMN_COUNT])
{
    const struct arg all[RUN_COLUMN_COUNT] = {arg_text(r->id),
                                              arg_text(r->job),
                                              arg_int(r->cause),
                                              arg_int(r->state),
                                              arg_int((int64_t)r->generation),
                                              arg_int(r->version),
                                              arg_int(r->from),
                                              arg_int(r->to),
                                              arg_int(r->after_number),
                                              arg_int(r->wait_until_ms),
                                              arg_int(r->created_ms),
                                              arg_int(r->started_ms),
                                              arg_int(r->ended_ms),
                                              arg_int(r->complete),
                                              arg_int(r->published),
                                              arg_int(r->row_count),
                                              arg_text(r->request),
                                              arg_text(r->error)};
    for (size_t i = 0; i < RUN_COLUMN_COUNT; i++)
        args[i] = all[i];
}

void run_read(sqlite3_stmt *stmt, int first, struct run_row *row)
{
    int i = first;
    *row = (struct run_row){0};
    row->id = sql_text(stmt, i++);
    row->job = sql_text(stmt, i++);
    row->cause = (enum run_cause)sqlite3_column_int(stmt, i++);
    row->state = (enum run_state)sqlite3_column_int(stmt, i++);
    row->generation = (uint64_t)sqlite3_column_int64(stmt, i++);
    row->version = (uint32_t)sqlite3_column_int64(stmt, i++);
    row->from = sqlite3_column_int64(stmt, i++);
    row->to = sqlite3_column_int64(stmt, i++);
    row->after_number = sqlite3_column_int64(stmt, i++);
    row->wait_until_ms = sqlite3_column_int64(stmt, i++);
    row->created_ms = sqlite3_column_int64(stmt, i++);
    row->started_ms = sqlite3_column_int64(stmt, i++);
    row->ended_ms = sqlite3_column_int64(stmt, i++);
    row->complete = sqlite3_column_int(stmt, i++) != 0;
    row->published = sqlite3_column_int(stmt, i++) != 0;
    row->row_count = sqlite3_column_int64(stmt, i++);
    row->request = sql_text(stmt, i++);
    row->error = sql_text(stmt, i++);
}

struct run_row *run_rows_add(struct run_rows *list)
{
    if (list->count == list->cap)
        list->rows = mem_resize(list->rows, list->cap = list->cap ? 2 * list->cap : 16, sizeof *list->rows);
    list->rows[list->count] = (struct run_row){0};
    return &list->rows[list->count++];
}

void run_rows_free(struct run_rows *list)
{
    for (size_t i = 0; i < list->count; i++)
        run_row_free(&list->rows[i]);
    free(list->rows);
    *list = (struct run_rows){0};
}

/* Hands the list over. */
static void give_rows(struct run_rows *list, struct run_row **rows, size_t *count)
{
    *rows = list->rows ? list->rows : mem_alloc(0);
    *count = list->count;
}

static int no_run(const char *id, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "run %s: not found", id);
}

/* ---- inserting and updating ---- */

struct inserting {
    const struct run_row *row;
    bool inserted;
};

static int insert(struct connection *c, void *context, struct err *err)
{
    struct inserting *in = context;
    const struct run_row *r = in->row;
    struct arg args[RUN_COLUMN_COUNT];
    run_args(r, args);
    if (sql_run(c, "INSERT INTO runs(" RUN_COLUMNS ") VALUES(" MARKS ") ON CONFLICT DO NOTHING", args, RUN_COLUMN_COUNT,
                err) < 0)
        return -1;
    in->inserted = sqlite3_changes(c->db) > 0;
    if (r->cause != RUN_ON_SCHEDULE)
        return 0;
    return sql_run(c,
                   "INSERT INTO schedules(job, latest_to) VALUES(?, ?) ON CONFLICT(job) DO UPDATE"
                   " SET latest_to = excluded.latest_to WHERE excluded.latest_to > latest_to",
                   ARGS(arg_text(r->job), arg_int(r->to)), err);
}

int sqlite_run_insert(struct coredms *db, const struct run_row *row, bool *inserted, struct err *err)
{
    struct connection *c;
    struct inserting in = {.row = row};
    if (store_connection(store_of(db), DB_BATCH, &c, err) < 0 || sql_transaction(c, insert, &in, err) < 0)
        return -1;
    *inserted = in.inserted;
    return 0;
}

struct updating {
    const struct run_row *row;
    uint64_t epoch;
    const char *report; /* NULL: stays */
    size_t report_len;
};

static int update(struct connection *c, void *context, struct err *err)
{
    const struct updating *u = context;
    struct arg args[RUN_COLUMN_COUNT + 1];
    int64_t epoch;
    if (sql_int(c, "SELECT epoch FROM source", NULL, 0, 0, &epoch, err) < 0)
        return -1;
    if ((uint64_t)epoch != u->epoch)
        return err_set(err, ERR_FENCED, "run %s: epoch %llu has been replaced", u->row->id,
                       (unsigned long long)u->epoch);
    run_args(u->row, args);
    args[RUN_COLUMN_COUNT] = args[0];
    if (sql_run(c, "UPDATE runs SET (" RUN_COLUMNS ") = (" MARKS ") WHERE id = ?", args, RUN_COLUMN_COUNT + 1, err) < 0)
        return -1;
    if (sqlite3_changes(c->db) == 0)
        return no_run(u->row->id, err);
    if (!u->report)
        return 0;
    return sql_run(c, "INSERT OR REPLACE INTO reports(id, body) VALUES(?, ?)",
                   ARGS(arg_text(u->row->id), arg_blob(u->report, u->report_len)), err);
}

int sqlite_run_update(struct coredms *db, const struct run_row *row, uint64_t epoch, const char *report,
                      size_t report_len, struct err *err)
{
    struct connection *c;
    struct updating u = {row, epoch, report, report_len};
    if (store_connection(store_of(db), DB_BATCH, &c, err) < 0)
        return -1;
    bool made_again = !report && (row->state == RUN_RUNNING || row->state == RUN_DONE);
    return made_again ? sql_transaction_unsynced(c, update, &u, err) : sql_transaction(c, update, &u, err);
}

/* ---- reading ---- */

int sqlite_run_get(struct coredms *db, const char *id, struct run_row *row, struct err *err)
{
    struct connection *c;
    sqlite3_stmt *stmt;
    if (store_connection(store_of(db), DB_BATCH, &c, err) < 0)
        return -1;
    if (!c)
        return no_run(id, err);
    int found = sql_first(c, "SELECT " RUN_COLUMNS " FROM runs WHERE id = ?", ARGS(arg_text(id)), &stmt, err);
    if (found <= 0)
        return found < 0 ? -1 : no_run(id, err);
    run_read(stmt, 0, row);
    sqlite3_reset(stmt);
    return 0;
}

int sqlite_run_report(struct coredms *db, const char *id, char **report, size_t *len, struct err *err)
{
    struct connection *c;
    sqlite3_stmt *stmt;
    int found = 0;
    if (store_connection(store_of(db), DB_BATCH, &c, err) < 0)
        return -1;
    if (c)
        found = sql_first(c, "SELECT body FROM reports WHERE id = ?", ARGS(arg_text(id)), &stmt, err);
    if (found < 0)
        return -1;
    if (found == 0)
        return err_set(err, ERR_NOT_FOUND, "report of run %s: not found", id);
    const void *bytes = sqlite3_column_blob(stmt, 0);
    *len = (size_t)sqlite3_column_bytes(stmt, 0);
    *report = mem_strndup(bytes, *len);
    sqlite3_reset(stmt);
    return 0;
}

/* Rows of a statement whose RUN_COLUMNS begin at `first`; a column before them is the tenant. */
static int collect(struct connection *c, const char *sql, const struct arg *args, size_t count, int first,
                   struct run_rows *list, struct err *err)
{
    sqlite3_stmt *stmt;
    int more = sql_first(c, sql, args, count, &stmt, err);
    for (; more > 0; more = sql_step(c, stmt, err)) {
        struct run_row *row = run_rows_add(list);
        run_read(stmt, first, row);
        if (first > 0)
            row->tenant = sql_text(stmt, 0);
    }
    if (more < 0)
        run_rows_free(list);
    return more;
}

struct listing {
    const char *job;
    int cause, state;
    size_t limit;
    int64_t created; /* rows before (created, id) */
    char *id;        /* NULL = from the newest */
};

/* Each filter that is set has its own text, so that each finds its index. */
static int list_runs(struct connection *c, const struct listing *l, struct run_rows *list, struct err *err)
{
    struct arg args[6];
    size_t n = 0;
    struct buf sql = {0};
    buf_add_str(&sql, "SELECT " RUN_COLUMNS " FROM runs WHERE 1");
    if (l->job)
        buf_add_str(&sql, " AND job = ?"), args[n++] = arg_text(l->job);
    if (l->cause >= 0)
        buf_add_str(&sql, " AND +cause = ?"), args[n++] = arg_int(l->cause);
    if (l->state >= 0)
        buf_add_str(&sql, " AND +state = ?"), args[n++] = arg_int(l->state);
    if (l->id)
        buf_add_str(&sql, " AND (created_ms, id) < (?, ?)"), args[n++] = arg_int(l->created),
                                                             args[n++] = arg_text(l->id);
    buf_add_str(&sql, " ORDER BY created_ms DESC, id DESC LIMIT ?");
    args[n++] = arg_int((int64_t)l->limit);
    sqlite3_stmt *stmt;
    int code = sqlite3_prepare_v3(c->db, buf_cstr(&sql), -1, 0, &stmt, NULL);
    buf_free(&sql);
    if (code != SQLITE_OK)
        return sql_fail(c, code, err);
    int more = sql_bind(c, stmt, args, n, err) < 0 ? -1 : sql_step(c, stmt, err);
    for (; more > 0; more = sql_step(c, stmt, err))
        run_read(stmt, 0, run_rows_add(list));
    sqlite3_finalize(stmt);
    return more;
}

int sqlite_run_list(struct coredms *db, const char *job, int cause, int state, size_t limit, const char *cursor,
                    struct run_row **rows, size_t *count, char **next, struct err *err)
{
    struct connection *c;
    struct run_rows list = {0};
    struct listing l = {job, cause, state, limit + 1, 0, NULL};
    if (store_connection(store_of(db), DB_BATCH, &c, err) < 0 ||
        (cursor && coredms_cursor_parse(cursor, &l.created, &l.id, err) < 0))
        return -1;
    int status = c && limit ? list_runs(c, &l, &list, err) : 0;
    free(l.id);
    if (status < 0) {
        run_rows_free(&list);
        return -1;
    }
    bool more = list.count > limit;
    if (more)
        run_row_free(&list.rows[--list.count]);
    if (next)
        *next = more ? coredms_cursor_text(list.rows[limit - 1].created_ms, list.rows[limit - 1].id) : NULL;
    give_rows(&list, rows, count);
    return 0;
}

int sqlite_run_pending(struct coredms *db, struct run_row **rows, size_t *count, struct err *err)
{
    struct connection *c;
    struct run_rows list = {0};
    if (store_connection(store_of(db), DB_BATCH, &c, err) < 0)
        return -1;
    if (c && collect(c,
                     "SELECT " RUN_COLUMNS " FROM runs WHERE state IN (?, ?) OR (state = ? AND published = 0)"
                     " ORDER BY created_ms, id",
                     ARGS(arg_int(RUN_QUEUED), arg_int(RUN_RUNNING), arg_int(RUN_DONE)), 0, &list, err) < 0)
        return -1;
    give_rows(&list, rows, count);
    return 0;
}

int sqlite_run_last_scheduled(struct coredms *db, const char *job, int64_t *to, struct err *err)
{
    struct connection *c;
    int64_t latest;
    if (store_existing(store_of(db), DB_BATCH, "runs", &c, err) < 0 ||
        sql_int(c, "SELECT latest_to FROM schedules WHERE job = ?", ARGS(arg_text(job)), INT64_MIN, &latest, err) < 0)
        return -1;
    if (latest == INT64_MIN)
        return err_set(err, ERR_NOT_FOUND, "job %s: no schedule of it has had a run", job);
    *to = latest;
    return 0;
}

/* ---- requests ---- */

struct request {
    const char *tenant, *id;
    const struct run_row *row;
};

static int insert_request(struct connection *c, void *context, struct err *err)
{
    const struct request *r = context;
    struct arg args[1 + RUN_COLUMN_COUNT] = {arg_text(r->tenant)};
    run_args(r->row, args + 1);
    if (sql_run(c, "INSERT INTO requests(tenant, " RUN_COLUMNS ") VALUES(?, " MARKS ") ON CONFLICT DO NOTHING", args,
                1 + RUN_COLUMN_COUNT, err) < 0)
        return -1;
    if (sqlite3_changes(c->db) == 0)
        return err_set(err, ERR_EXISTS, "request %s of tenant %s: exists", r->row->id, r->tenant);
    return 0;
}

int sqlite_request_add(struct coredms *db, const char *tenant, const struct run_row *row, struct err *err)
{
    struct connection *c;
    struct request r = {tenant, row->id, row};
    return store_connection(store_of(db), DB_REGISTRY, &c, err) < 0 ? -1 : sql_transaction(c, insert_request, &r, err);
}

static int find_requests(struct coredms *db, const char *tenant, const char *id, struct run_rows *list, struct err *err)
{
    struct connection *c;
    if (store_connection(store_of(db), DB_REGISTRY, &c, err) < 0)
        return -1;
    return !c ? 0
              : collect(c,
                        "SELECT tenant, " RUN_COLUMNS " FROM requests WHERE (?1 IS NULL OR tenant = ?1)"
                        " AND (?2 IS NULL OR id = ?2) ORDER BY created_ms, tenant, id",
                        ARGS(arg_text(tenant), arg_text(id)), 1, list, err);
}

int sqlite_request_get(struct coredms *db, const char *tenant, const char *id, struct run_row *row, struct err *err)
{
    struct run_rows list = {0};
    if (find_requests(db, tenant, id, &list, err) < 0)
        return -1;
    if (list.count == 0)
        return err_set(err, ERR_NOT_FOUND, "request %s of tenant %s: not found", id, tenant);
    *row = list.rows[0];
    free(list.rows);
    return 0;
}

int sqlite_request_list(struct coredms *db, const char *tenant, struct run_row **rows, size_t *count, struct err *err)
{
    struct run_rows list = {0};
    if (find_requests(db, tenant, NULL, &list, err) < 0)
        return -1;
    give_rows(&list, rows, count);
    return 0;
}

static int delete_request(struct connection *c, void *context, struct err *err)
{
    const struct request *r = context;
    return sql_run(c, "DELETE FROM requests WHERE tenant = ? AND id = ?", ARGS(arg_text(r->tenant), arg_text(r->id)),
                   err);
}

int sqlite_request_drop(struct coredms *db, const char *tenant, const char *id, struct err *err)
{
    struct connection *c;
    struct request r = {tenant, id, NULL};
    return store_connection(store_of(db), DB_REGISTRY, &c, err) < 0
               ? -1
               : sql_transaction_unsynced(c, delete_request, &r, err);
}
