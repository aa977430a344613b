/* Grouping of results, done by SQLite. Names of columns are bound, never pasted. */
#include "coredms/sqlite/store.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>

#define STEPS_BETWEEN_CHECKS 20000 /* of SQLite's machine: some ms */

struct grouping {
    const struct history_group *group;
    struct buf sql;
    struct arg *args;
    size_t arg_count;
    size_t column_count;
};

static void add_arg(struct grouping *g, struct arg a)
{
    g->args[g->arg_count++] = a;
}

static void add_column(struct grouping *g)
{
    buf_add_str(&g->sql, g->column_count++ ? ", " : "SELECT ");
}

static void add_value(struct grouping *g, const char *name, enum value_type type)
{
    buf_add_str(&g->sql, "bt_value(body, ?, ?)");
    add_arg(g, arg_text(name));
    add_arg(g, arg_int(type));
}

static void add_agg(struct grouping *g, const struct history_agg *agg)
{
    static const char *const functions[] = {
        [AGG_COUNT] = "count(", [AGG_SUM] = "bt_sum(", [AGG_MIN] = "min(", [AGG_MAX] = "max(", [AGG_AVG] = "bt_avg("};
    add_column(g);
    buf_add_str(&g->sql, functions[agg->kind]);
    if (agg->column)
        add_value(g, agg->column, agg->type);
    else
        buf_add_str(&g->sql, "*");
    if (agg->kind == AGG_SUM || agg->kind == AGG_AVG) {
        buf_add_str(&g->sql, ", ?");
        add_arg(g, arg_int(agg->type));
    }
    buf_add_str(&g->sql, ")");
}

static void add_groups(struct grouping *g)
{
    const struct history_group *h = g->group;
    if (h->bucket_ms > 0) {
        add_column(g);
        buf_add_str(&g->sql, "window_start - ((window_start % ?) + ?) % ?");
        for (int i = 0; i < 3; i++)
            add_arg(g, arg_int(h->bucket_ms));
    }
    for (size_t i = 0; i < h->by_count; i++) {
        add_column(g);
        add_value(g, h->by[i].name, h->by[i].type);
    }
}

static void add_list(struct grouping *g, const char *what, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_printf(&g->sql, "%s%zu", i ? ", " : what, i + 1);
}

static void add_filter(struct grouping *g, const struct history_filter *f)
{
    buf_add_str(&g->sql, " FROM results WHERE stream = ? AND window_start >= ? AND window_start < ?"
                         " AND withdrawn = 0");
    add_arg(g, arg_text(f->stream));
    add_arg(g, arg_int(f->from));
    add_arg(g, arg_int(f->to));
    for (size_t i = 0; i < f->filter_count; i++) {
        buf_add_str(&g->sql, " AND ");
        add_value(g, f->names[i].name, f->names[i].type);
        buf_add_str(&g->sql, " IS ?");
        add_arg(g, arg_value(&f->values[i]));
    }
}

static void build(struct grouping *g)
{
    const struct history_group *h = g->group;
    size_t groups = h->by_count + (h->bucket_ms > 0);
    g->args = mem_zero(6 + 2 * h->by_count + 3 * h->agg_count + 3 * h->filter.filter_count, sizeof *g->args);
    add_groups(g);
    for (size_t i = 0; i < h->agg_count; i++)
        add_agg(g, &h->aggs[i]);
    if (g->column_count == 0)
        buf_add_str(&g->sql, "SELECT 1");
    add_filter(g, &h->filter);
    add_list(g, " GROUP BY ", groups);
    buf_add_str(&g->sql, " HAVING count(*) > 0");
    add_list(g, " ORDER BY ", groups);
    buf_cstr(&g->sql);
}

/* ---- reading ---- */

static struct value read_value(sqlite3_stmt *stmt, int column, enum value_type type)
{
    struct value v = {.type = type};
    if (sqlite3_column_type(stmt, column) == SQLITE_NULL)
        return (struct value){.type = VALUE_NULL};
    switch (type) {
    case VALUE_BOOL:
        v.b = sqlite3_column_int(stmt, column) != 0;
        break;
    case VALUE_INT:
        v.i = sqlite3_column_int64(stmt, column);
        break;
    case VALUE_FLOAT:
        v.f = sqlite3_column_double(stmt, column);
        break;
    case VALUE_STRING:
        v.s = (const char *)sqlite3_column_text(stmt, column);
        v.len = (uint32_t)sqlite3_column_bytes(stmt, column);
        break;
    default:
        break;
    }
    return v;
}

static void read_values(sqlite3_stmt *stmt, const struct history_group *h, struct value *values)
{
    int n = 0;
    if (h->bucket_ms > 0) {
        values[n] = read_value(stmt, n, VALUE_INT);
        n++;
    }
    for (size_t i = 0; i < h->by_count; i++, n++)
        values[n] = read_value(stmt, n, h->by[i].type);
    for (size_t i = 0; i < h->agg_count; i++, n++)
        values[n] = read_value(stmt, n, coredms_agg_type(&h->aggs[i]));
}

static int past_deadline(void *context)
{
    return clock_mono_ms() >= *(const int64_t *)context;
}

static int run(struct connection *c, struct grouping *g, sqlite3_stmt *stmt, group_each *each, void *context,
               struct err *err)
{
    struct value *values = mem_zero(g->column_count, sizeof *values);
    int more = sql_bind(c, stmt, g->args, g->arg_count, err) < 0 ? -1 : sql_step(c, stmt, err);
    while (more > 0) {
        read_values(stmt, g->group, values);
        if (!each(context, values, g->column_count))
            break;
        more = sql_step(c, stmt, err);
    }
    free(values);
    return more < 0 ? -1 : 0;
}

static int prepare_and_run(struct connection *c, struct grouping *g, group_each *each, void *context, struct err *err)
{
    sqlite3_stmt *stmt;
    int code = sqlite3_prepare_v3(c->db, g->sql.data, (int)g->sql.len, 0, &stmt, NULL);
    if (code != SQLITE_OK)
        return sql_fail(c, code, err);
    int status = run(c, g, stmt, each, context, err);
    sqlite3_finalize(stmt);
    return status;
}

int sqlite_history_group(struct coredms *db, const struct history_group *group, int64_t deadline_mono_ms,
                         group_each *each, void *context, struct err *err)
{
    struct connection *c;
    struct grouping g = {.group = group};
    if (store_connection(store_of(db), DB_BATCH, &c, err) < 0)
        return -1;
    if (!c)
        return 0;
    if (past_deadline(&deadline_mono_ms))
        return err_set(err, ERR_TIMEOUT, "history: the time for grouping is over");
    build(&g);
    sqlite3_progress_handler(c->db, STEPS_BETWEEN_CHECKS, past_deadline, &deadline_mono_ms);
    int status = prepare_and_run(c, &g, each, context, err);
    sqlite3_progress_handler(c->db, 0, NULL, NULL);
    buf_free(&g.sql);
    free(g.args);
    return status;
}
