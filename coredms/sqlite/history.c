/* Results and how far they are stored: batch.db. */
#include "coredms/sqlite/store.h"
#include "coredms/paging.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static const struct source no_source = {.offset = -1};

static int find_source(struct connection *c, struct source *source, struct err *err)
{
    sqlite3_stmt *stmt;
    int found = sql_first(c, "SELECT epoch, generation, offset, number, stored_ms FROM source", NULL, 0, &stmt, err);
    if (found <= 0)
        return found;
    *source = (struct source){.epoch = (uint64_t)sqlite3_column_int64(stmt, 0),
                              .generation = (uint64_t)sqlite3_column_int64(stmt, 1),
                              .offset = sqlite3_column_int64(stmt, 2),
                              .number = sqlite3_column_int64(stmt, 3),
                              .stored_ms = sqlite3_column_int64(stmt, 4)};
    sqlite3_reset(stmt);
    return 1;
}

struct raising {
    uint64_t generation;
    struct source source;
};

static int raise_epoch(struct connection *c, void *context, struct err *err)
{
    struct raising *r = context;
    struct source now = no_source;
    int found = find_source(c, &now, err);
    if (found < 0)
        return -1;
    if (found && now.generation > r->generation)
        return err_set(err, ERR_FENCED, "history: belongs to generation %llu, this worker to %llu",
                       (unsigned long long)now.generation, (unsigned long long)r->generation);
    uint64_t epoch = now.epoch + 1;
    if (now.generation < r->generation)
        now = no_source;
    now.generation = r->generation;
    now.epoch = epoch;
    r->source = now;
    return sql_run(c,
                   "INSERT OR REPLACE INTO source(one, epoch, generation, offset, number, stored_ms)"
                   " VALUES(1, ?, ?, ?, ?, ?)",
                   ARGS(arg_int((int64_t)epoch), arg_int((int64_t)now.generation), arg_int(now.offset),
                        arg_int(now.number), arg_int(now.stored_ms)),
                   err);
}

int sqlite_history_raise(struct coredms *db, uint64_t generation, struct source *source, struct err *err)
{
    struct connection *c;
    struct raising r = {.generation = generation};
    if (store_connection(store_of(db), DB_BATCH, &c, err) < 0 || sql_transaction(c, raise_epoch, &r, err) < 0)
        return -1;
    *source = r.source;
    return 0;
}

int sqlite_history_source(struct coredms *db, struct source *source, struct err *err)
{
    struct connection *c;
    struct source found = no_source;
    if (store_connection(store_of(db), DB_BATCH, &c, err) < 0 || (c && find_source(c, &found, err) < 0))
        return -1;
    *source = found;
    return 0;
}

/* ---- storing ---- */

struct storing {
    const struct result_row *rows;
    size_t count;
    const struct source *source;
};

static int put_source(struct connection *c, const struct source *s, struct err *err)
{
    if (sql_run(c, "UPDATE source SET offset = ?, number = ?, stored_ms = ? WHERE epoch = ? AND generation = ?",
                ARGS(arg_int(s->offset), arg_int(s->number), arg_int(s->stored_ms), arg_int((int64_t)s->epoch),
                     arg_int((int64_t)s->generation)),
                err) < 0)
        return -1;
    if (sqlite3_changes(c->db) == 0)
        return err_set(err, ERR_FENCED, "history: epoch %llu has been replaced", (unsigned long long)s->epoch);
    return 0;
}

static int put_row(struct connection *c, const struct result_row *r, struct err *err)
{
    return sql_run(c,
                   "INSERT INTO results(stream, window_start, key, window_end, generation, revision, number, body,"
                   " first_offset, last_offset, withdrawn) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                   " ON CONFLICT(stream, window_start, key) DO UPDATE SET"
                   " window_end = excluded.window_end, generation = excluded.generation, revision = excluded.revision,"
                   " number = excluded.number, body = excluded.body, first_offset = excluded.first_offset,"
                   " last_offset = excluded.last_offset, withdrawn = excluded.withdrawn"
                   " WHERE (excluded.generation, excluded.revision, excluded.number)"
                   " > (results.generation, results.revision, results.number)",
                   ARGS(arg_text(r->stream), arg_int(r->window_start), arg_text(r->key), arg_int(r->window_end),
                        arg_int((int64_t)r->generation), arg_int(r->revision), arg_int(r->number),
                        arg_bytes(r->body, r->body_len), arg_int(r->first_offset), arg_int(r->last_offset),
                        arg_int(r->withdrawn)),
                   err);
}

/* NO_RESULT: the stream has rows, but none that is not withdrawn. */
#define NO_RESULT INT64_MIN

static int put_latest(struct connection *c, const char *stream, int64_t end, struct err *err)
{
    return sql_run(c,
                   "INSERT INTO streams(stream, latest_end) VALUES(?, ?) ON CONFLICT(stream) DO UPDATE"
                   " SET latest_end = excluded.latest_end WHERE excluded.latest_end > latest_end",
                   ARGS(arg_text(stream), arg_int(end)), err);
}

static int put(struct connection *c, void *context, struct err *err)
{
    const struct storing *s = context;
    int64_t latest = NO_RESULT;
    if (put_source(c, s->source, err) < 0)
        return -1;
    for (size_t i = 0; i < s->count; i++) {
        const struct result_row *r = &s->rows[i];
        bool last_of_stream = i + 1 == s->count || strcmp(s->rows[i + 1].stream, r->stream) != 0;
        if (put_row(c, r, err) < 0)
            return -1;
        /* what did not replace an equal or higher row, perhaps a withdrawn one, says nothing new */
        if (sqlite3_changes(c->db) > 0 && !r->withdrawn && r->window_end > latest)
            latest = r->window_end;
        if (last_of_stream && put_latest(c, r->stream, latest, err) < 0)
            return -1;
        if (last_of_stream)
            latest = NO_RESULT;
    }
    return 0;
}

int sqlite_history_put(struct coredms *db, const struct result_row *rows, size_t count, const struct source *source,
                       struct err *err)
{
    struct connection *c;
    struct storing s = {rows, count, source};
    return store_connection(store_of(db), DB_BATCH, &c, err) < 0 ? -1 : sql_transaction(c, put, &s, err);
}

/* ---- withdrawing ---- */

struct withdrawing {
    int64_t from;
    const struct source *source;
    size_t count;
};

static int check_source(struct connection *c, const struct source *s, struct err *err)
{
    int64_t ours;
    if (sql_int(c, "SELECT count(*) FROM source WHERE epoch = ? AND generation = ?",
                ARGS(arg_int((int64_t)s->epoch), arg_int((int64_t)s->generation)), 0, &ours, err) < 0)
        return -1;
    return ours ? 0 : err_set(err, ERR_FENCED, "history: epoch %llu has been replaced", (unsigned long long)s->epoch);
}

static int withdraw(struct connection *c, void *context, struct err *err)
{
    struct withdrawing *w = context;
    if (check_source(c, w->source, err) < 0 ||
        sql_run(c, "UPDATE results SET withdrawn = 1 WHERE generation < ? AND window_start >= ? AND withdrawn = 0",
                ARGS(arg_int((int64_t)w->source->generation), arg_int(w->from)), err) < 0)
        return -1;
    w->count = (size_t)sqlite3_changes(c->db);
    if (w->count == 0)
        return 0;
    return sql_run(c,
                   "UPDATE streams SET latest_end = coalesce((SELECT max(window_end) FROM results r"
                   " WHERE r.stream = streams.stream AND r.withdrawn = 0), ?)",
                   ARGS(arg_int(NO_RESULT)), err);
}

int sqlite_history_withdraw(struct coredms *db, int64_t from_ms, const struct source *source, size_t *count,
                            struct err *err)
{
    struct connection *c;
    struct withdrawing w = {from_ms, source, 0};
    if (store_connection(store_of(db), DB_BATCH, &c, err) < 0 || sql_transaction(c, withdraw, &w, err) < 0)
        return -1;
    *count = w.count;
    return 0;
}

int sqlite_history_latest(struct coredms *db, const char *stream, int64_t *window_end, struct err *err)
{
    struct connection *c;
    int64_t latest;
    if (store_existing(store_of(db), DB_BATCH, "results", &c, err) < 0 ||
        sql_int(c, "SELECT latest_end FROM streams WHERE stream = ?", ARGS(arg_text(stream)), NO_RESULT, &latest, err) <
            0)
        return -1;
    if (latest == NO_RESULT)
        return err_set(err, ERR_NOT_FOUND, "stream %s: has no results", stream);
    *window_end = latest;
    return 0;
}

int sqlite_history_next_stream(struct coredms *db, const char *after, char **stream, struct err *err)
{
    struct connection *c;
    sqlite3_stmt *stmt;
    if (store_existing(store_of(db), DB_BATCH, "results", &c, err) < 0)
        return -1;
    int found = sql_first(c, "SELECT stream FROM streams WHERE stream > ? AND latest_end > ? ORDER BY stream LIMIT 1",
                          ARGS(arg_text(after), arg_int(NO_RESULT)), &stmt, err);
    if (found <= 0)
        return found < 0 ? -1 : err_set(err, ERR_NOT_FOUND, "no stream with results behind \"%s\"", after);
    *stream = sql_text(stmt, 0);
    sqlite3_reset(stmt);
    return 0;
}

/* ---- querying, page by page ---- */

struct querying {
    struct connection *c;
    sqlite3_stmt *stmt;
};

#define ROW_COLUMNS                                                                                                    \
    "generation, revision, number, key, window_start, window_end, body, first_offset, last_offset, withdrawn, stream"

static char *query_sql(const struct history_filter *f)
{
    struct buf sql = {0};
    buf_add_str(&sql, "SELECT " ROW_COLUMNS " FROM results WHERE window_start < ? AND ");
    buf_add_str(&sql, f->stream ? "stream = ? AND (window_start, key) > (?, ?)"
                                : "window_start >= ? AND (stream, window_start, key) > (?, ?, ?)");
    if (!f->withdrawn)
        buf_add_str(&sql, " AND withdrawn = 0");
    for (size_t i = 0; i < f->filter_count; i++)
        buf_add_str(&sql, " AND bt_value(body, ?, ?) IS ?");
    buf_add_str(&sql, " ORDER BY stream, window_start, key LIMIT ?");
    buf_cstr(&sql);
    return sql.data;
}

static const char *kept_text(sqlite3_stmt *stmt, int column, struct result_page *page, size_t *len)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    *len = (size_t)sqlite3_column_bytes(stmt, column);
    return arena_strndup(&page->arena, text ? text : "", *len);
}

static void read_row(sqlite3_stmt *stmt, struct result_page *page)
{
    size_t ignored;
    struct result_row *r = &page->rows[page->count++];
    *r = (struct result_row){.generation = (uint64_t)sqlite3_column_int64(stmt, 0),
                             .revision = (uint32_t)sqlite3_column_int64(stmt, 1),
                             .number = sqlite3_column_int64(stmt, 2),
                             .window_start = sqlite3_column_int64(stmt, 4),
                             .window_end = sqlite3_column_int64(stmt, 5),
                             .first_offset = sqlite3_column_int64(stmt, 7),
                             .last_offset = sqlite3_column_int64(stmt, 8),
                             .withdrawn = sqlite3_column_int(stmt, 9) != 0};
    r->key = kept_text(stmt, 3, page, &ignored);
    r->body = kept_text(stmt, 6, page, &r->body_len);
    r->stream = kept_text(stmt, 10, page, &ignored);
}

/* Behind p's place: no key is below the empty text, and none is empty. */
static size_t place_args(const struct paging *p, struct arg *args)
{
    const struct history_filter *f = p->filter;
    size_t n = 0;
    args[n++] = arg_int(f->to);
    if (!f->stream) {
        args[n++] = arg_int(f->from);
        args[n++] = arg_text(p->key ? p->stream : "");
        args[n++] = arg_int(p->key ? p->start : INT64_MIN);
        args[n++] = arg_text(p->key ? p->key : "");
        return n;
    }
    bool inside = p->key && p->start >= f->from;
    args[n++] = arg_text(f->stream);
    args[n++] = arg_int(inside ? p->start : f->from);
    args[n++] = arg_text(inside ? p->key : "");
    return n;
}

static int read_page(const struct paging *p, size_t limit, struct result_page *page, struct err *err)
{
    const struct querying *q = p->store;
    const struct history_filter *f = p->filter;
    struct arg *args = mem_zero(6 + 3 * f->filter_count, sizeof *args);
    size_t n = place_args(p, args);
    for (size_t i = 0; i < f->filter_count; i++) {
        args[n++] = arg_text(f->names[i].name);
        args[n++] = arg_int(f->names[i].type);
        args[n++] = arg_value(&f->values[i]);
    }
    args[n++] = arg_int((int64_t)limit);
    int more = sql_bind(q->c, q->stmt, args, n, err) < 0 ? -1 : sql_step(q->c, q->stmt, err);
    for (; more > 0; more = sql_step(q->c, q->stmt, err))
        read_row(q->stmt, page);
    free(args);
    return more;
}

static int query(struct connection *c, struct paging *p, size_t limit, char **next, history_each *each, void *context,
                 struct err *err)
{
    struct querying q = {.c = c};
    char *sql = query_sql(p->filter);
    int code = sqlite3_prepare_v3(c->db, sql, -1, 0, &q.stmt, NULL);
    free(sql);
    if (code != SQLITE_OK)
        return sql_fail(c, code, err);
    p->store = &q;
    int status = paging_query(p, limit, next, each, context, err);
    sqlite3_finalize(q.stmt);
    return status;
}

int sqlite_history_query(struct coredms *db, const struct history_filter *filter, size_t limit, const char *cursor,
                         char **next, history_each *each, void *context, struct err *err)
{
    struct connection *c;
    struct paging p = {.filter = filter, .read = read_page};
    if (store_connection(store_of(db), DB_BATCH, &c, err) < 0 || paging_begin(&p, cursor, err) < 0)
        return -1;
    if (next)
        *next = NULL;
    int status = c ? query(c, &p, limit, next, each, context, err) : 0;
    paging_end(&p);
    return status;
}
