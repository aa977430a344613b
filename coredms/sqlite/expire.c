/* What is older than an app keeps goes, a bounded number of rows at a time. */
#include "coredms/sqlite/store.h"

#include "base/mem.h"

#include <stdlib.h>

struct expiry {
    int64_t before;
    size_t left, gone; /* rows that may still go; that went */
};

static void count_changes(struct connection *c, struct expiry *e)
{
    size_t n = (size_t)sqlite3_changes(c->db);
    e->gone += n;
    e->left -= n < e->left ? n : e->left;
}

/* A stream's old results are the first in its table, and none that begins at `before` or later is old: the search ends
 * within one window's length of it. */
static int expire_stream(struct connection *c, const char *stream, struct expiry *e, struct err *err)
{
    if (sql_run(
            c,
            "DELETE FROM results WHERE (stream, window_start, key) IN (SELECT stream, window_start, key FROM results"
            " WHERE stream = ?1 AND window_start < ?2 AND window_end < ?2 ORDER BY window_start, key LIMIT ?3)",
            ARGS(arg_text(stream), arg_int(e->before), arg_int((int64_t)e->left)), err) < 0)
        return -1;
    count_changes(c, e);
    return sql_run(c, "DELETE FROM streams WHERE stream = ?1 AND NOT EXISTS(SELECT 1 FROM results WHERE stream = ?1)",
                   ARGS(arg_text(stream)), err);
}

/* NULL-terminated; each and the list are the caller's to free. */
static int list_streams(struct connection *c, char ***list, struct err *err)
{
    sqlite3_stmt *stmt;
    size_t n = 0;
    char **names = mem_zero(1, sizeof *names);
    int more = sql_first(c, "SELECT stream FROM streams ORDER BY stream", NULL, 0, &stmt, err);
    for (; more > 0; more = sql_step(c, stmt, err)) {
        names = mem_resize(names, n + 2, sizeof *names);
        names[n++] = sql_text(stmt, 0);
        names[n] = NULL;
    }
    *list = names;
    return more;
}

static int expire_results(struct connection *c, struct expiry *e, struct err *err)
{
    char **streams;
    int status = list_streams(c, &streams, err);
    for (size_t i = 0; streams[i]; i++) {
        if (status == 0 && e->left > 0)
            status = expire_stream(c, streams[i], e, err);
        free(streams[i]);
    }
    free(streams);
    return status;
}

static int expire_runs(struct connection *c, struct expiry *e, struct err *err)
{
    if (e->left == 0)
        return 0;
    if (sql_run(c,
                "DELETE FROM runs WHERE id IN (SELECT id FROM runs WHERE created_ms < ?1 AND ended_ms > 0"
                " AND ended_ms < ?1 ORDER BY created_ms, id LIMIT ?2)",
                ARGS(arg_int(e->before), arg_int((int64_t)e->left)), err) < 0)
        return -1;
    count_changes(c, e);
    return sql_run(c, "DELETE FROM reports WHERE id NOT IN (SELECT id FROM runs)", NULL, 0, err);
}

static int expire(struct connection *c, void *context, struct err *err)
{
    return expire_results(c, context, err) < 0 ? -1 : expire_runs(c, context, err);
}

int sqlite_history_expire(struct coredms *db, int64_t before_ms, size_t limit, size_t *gone, struct err *err)
{
    struct connection *c;
    struct expiry e = {.before = before_ms, .left = limit};
    if (store_connection(store_of(db), DB_BATCH, &c, err) < 0 || sql_transaction(c, expire, &e, err) < 0)
        return -1;
    *gone = e.gone;
    return 0;
}
