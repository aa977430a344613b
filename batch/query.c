#include "batch/query_private.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "batch/period.h"
#include "batch/report.h"

#include <stdlib.h>
#include <string.h>

bool query_may_go_on(struct query_rows *rows)
{
    struct query *q = rows->q;
    if (rows->failed)
        return false;
    if (atomic_load(q->cancel))
        err_set(rows->err, ERR_CONFLICT, "cancelled");
    else if (clock_mono_ms() > q->deadline_mono_ms)
        err_set(rows->err, ERR_TIMEOUT, "the run took longer than its limit");
    else
        return true;
    rows->failed = true;
    return false;
}

static const struct app_stream *source_of(const struct query *q)
{
    return &q->app->streams[q->job->stream];
}

bool query_add_row(struct query_rows *rows, const struct value *keys, const struct value *aggs)
{
    const struct app_query *query = &rows->q->job->query;
    struct value *slots = rows->slots;
    memcpy(slots, keys, query->key_count * sizeof *slots);
    memcpy(slots + query->key_count, aggs, query->agg_count * sizeof *slots);
    json_w_open(rows->out, '{');
    for (size_t i = 0; i < query->key_count; i++) {
        json_w_name(rows->out, source_of(rows->q)->result_names[query->keys[i]].name);
        json_w_value(rows->out, &keys[i]);
    }
    json_w_name(rows->out, "time_period");
    json_w_str(rows->out, rows->time_period);
    for (size_t i = 0; i < query->column_count; i++) {
        struct value v = expr_eval(query->columns[i].expr, slots, &rows->scratch);
        json_w_name(rows->out, query->columns[i].name);
        json_w_value(rows->out, &v);
    }
    json_w_close(rows->out, '}');
    arena_free(&rows->scratch);
    rows->q->run->row_count++;
    if (rows->out->len <= REPORT_MAX)
        return query_may_go_on(rows);
    err_set(rows->err, ERR_TOO_LARGE,
            "the report would be larger than %d MiB: group by fewer fields or take a shorter range",
            REPORT_MAX / 1024 / 1024);
    rows->failed = true;
    return false;
}

struct history_filter query_filter(const struct query *q)
{
    return (struct history_filter){.stream = source_of(q)->name, .from = q->run->from, .to = q->run->to};
}

/* ---- pushed down ---- */

static bool take_group(void *context, const struct value *values, size_t count)
{
    struct query_rows *rows = context;
    (void)count;
    return query_add_row(rows, values, values + rows->q->job->query.key_count);
}

static int pushed_down(struct query_rows *rows, struct err *err)
{
    const struct query *q = rows->q;
    const struct app_query *query = &q->job->query;
    const struct expr_name *names = source_of(q)->result_names;
    struct expr_name *by = mem_zero(query->key_count, sizeof *by);
    struct history_agg *aggs = mem_zero(query->agg_count, sizeof *aggs);
    for (size_t i = 0; i < query->key_count; i++)
        by[i] = names[query->keys[i]];
    for (size_t i = 0; i < query->agg_count; i++) {
        size_t slot;
        aggs[i].kind = query->aggs[i].kind;
        if (query->aggs[i].arg && expr_is_slot(query->aggs[i].arg, &slot)) {
            aggs[i].column = names[slot].name;
            aggs[i].type = names[slot].type;
        }
    }
    const struct history_group group = {
        .filter = query_filter(q), .by = by, .by_count = query->key_count, .aggs = aggs, .agg_count = query->agg_count};
    int status = history_group(q->store, &group, q->deadline_mono_ms, take_group, rows, err);
    free(by);
    free(aggs);
    return status;
}

static int write_rows(struct query_rows *rows, struct err *err)
{
    struct err own = {0};
    const struct app_query *query = &rows->q->job->query;
    rows->err = &own;
    rows->slots = mem_zero(query->key_count + query->agg_count + 1, sizeof *rows->slots);
    json_w_open(rows->out, '[');
    int status = rows->q->job->pushdown ? pushed_down(rows, err) : query_scan(rows, err);
    json_w_close(rows->out, ']');
    free(rows->slots);
    if (rows->failed)
        *err = own;
    return rows->failed ? -1 : status;
}

int query_report(struct query *q, struct buf *out, struct err *err)
{
    struct zone *zone;
    struct buf period = {0}, rows_text = {0};
    if (zone_load(q->job->timezone, &zone, err) < 0)
        return -1;
    period_label(q->job, zone, (struct period){q->run->from, q->run->to}, &period);
    zone_free(&zone);
    struct query_rows rows = {.q = q, .time_period = buf_cstr(&period), .out = &rows_text};
    q->run->row_count = 0;
    int status = write_rows(&rows, err);
    if (status == 0)
        report_write(out, q->app->tenant, q->run, rows.time_period, rows_text.data, rows_text.len);
    buf_free(&period);
    buf_free(&rows_text);
    return status;
}
