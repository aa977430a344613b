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
                   "INSERT INTO results(stream, window_start, key, window_end, generation, revision, number, body)"
                   " VALUES(?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(stream, window_start, key) DO UPDATE SET"
                   " window_end = excluded.window_end, generation = excluded.generation, revision = excluded.revision,"
                   " number = excluded.number, body = excluded.body"
                   " WHERE (excluded.generation, excluded.revision, excluded.number)"
                   " > (results.generation, results.revision, results.number)",
                   ARGS(arg_text(r->stream), arg_int(r->window_start), arg_text(r->key), arg_int(r->window_end),
                        arg_int((int64_t)r->generation), arg_int(r->revision), arg_int(r->number),
                        arg_bytes(r->body, r->body_len)),
                   err);
}

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
    int64_t latest = INT64_MIN;
    if (put_source(c, s->source, err) < 0)
        return -1;
    for (size_t i = 0; i < s->count; i++) {
        const struct result_row *r = &s->rows[i];
        bool last_of_stream = i + 1 == s->count || strcmp(s->rows[i + 1].stream, r->stream) != 0;
        latest = r->window_end > latest ? r->window_end : latest;
        if (put_row(c, r, err) < 0 || (last_of_stream && put_latest(c, r->stream, latest, err) < 0))
            return -1;
        if (last_of_stream)
            latest = INT64_MIN;
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

int sqlite_history_latest(struct coredms *db, const char *stream, int64_t *window_end, struct err *err)
{
    struct connection *c;
    int64_t latest;
    if (store_existing(store_of(db), DB_BATCH, "results", &c, err) < 0 ||
        sql_int(c, "SELECT latest_end FROM streams WHERE stream = ?", ARGS(arg_text(stream)), INT64_MIN, &latest, err) <
            0)
        return -1;
    if (latest == INT64_MIN)
        return err_set(err, ERR_NOT_FOUND, "stream %s: has no results", stream);
    *window_end = latest;
    return 0;
}

/* ---- querying, page by page ---- */

struct querying {
    struct connection *c;
    sqlite3_stmt *stmt;
};

static char *query_sql(const struct history_filter *f)
{
    struct buf sql = {0};
    buf_add_str(&sql, "SELECT generation, revision, number, key, window_start, window_end, body FROM results"
                      " WHERE stream = ? AND window_start < ? AND (window_start, key) > (?, ?)");
    for (size_t i = 0; i < f->filter_count; i++)
        buf_add_str(&sql, " AND bt_value(body, ?, ?) IS ?");
    buf_add_str(&sql, " ORDER BY window_start, key LIMIT ?");
    buf_cstr(&sql);
    return sql.data;
}

static void read_row(sqlite3_stmt *stmt, const char *stream, struct result_page *page)
{
    size_t body_len = (size_t)sqlite3_column_bytes(stmt, 6);
    const char *body = (const char *)sqlite3_column_text(stmt, 6);
    const char *key = (const char *)sqlite3_column_text(stmt, 3);
    page->rows[page->count++] =
        (struct result_row){.generation = (uint64_t)sqlite3_column_int64(stmt, 0),
                            .revision = (uint32_t)sqlite3_column_int64(stmt, 1),
                            .number = sqlite3_column_int64(stmt, 2),
                            .stream = stream,
                            .key = arena_strndup(&page->arena, key, (size_t)sqlite3_column_bytes(stmt, 3)),
                            .window_start = sqlite3_column_int64(stmt, 4),
                            .window_end = sqlite3_column_int64(stmt, 5),
                            .body = arena_strndup(&page->arena, body, body_len),
                            .body_len = body_len};
}

static int read_page(const struct paging *p, size_t limit, struct result_page *page, struct err *err)
{
    const struct querying *q = p->store;
    const struct history_filter *f = p->filter;
    size_t n = 0;
    int more = 0;
    struct arg *args = mem_zero(5 + 3 * f->filter_count, sizeof *args);
    args[n++] = arg_text(f->stream);
    args[n++] = arg_int(f->to);
    args[n++] = arg_int(p->start);
    args[n++] = arg_text(p->key);
    for (size_t i = 0; i < f->filter_count; i++) {
        args[n++] = arg_text(f->names[i].name);
        args[n++] = arg_int(f->names[i].type);
        args[n++] = arg_value(&f->values[i]);
    }
    args[n++] = arg_int((int64_t)limit);
    more = sql_bind(q->c, q->stmt, args, n, err) < 0 ? -1 : sql_step(q->c, q->stmt, err);
    for (; more > 0; more = sql_step(q->c, q->stmt, err))
        read_row(q->stmt, f->stream, page);
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
    struct paging p = {.filter = filter, .start = filter->from, .read = read_page};
    if (store_connection(store_of(db), DB_BATCH, &c, err) < 0 ||
        (cursor && coredms_cursor_parse(cursor, &p.start, &p.key, err) < 0))
        return -1;
    if (p.start < filter->from || !p.key) { /* no key is below the empty text, and none is empty */
        free(p.key);
        p.start = filter->from;
        p.key = mem_strdup("");
    }
    if (next)
        *next = NULL;
    int status = c ? query(c, &p, limit, next, each, context, err) : 0;
    free(p.key);
    return status;
}
