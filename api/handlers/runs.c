/* Runs and their reports: list, show, report, triggers. */
#include "api/handlers/runs.h"
#include "api/handlers/csv_rows.h"
#include "api/handlers/shared.h"
#include "api/routes.h"

#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000

int run_find(struct coredms *db, const char *tenant, const char *id, struct run_row *row, bool *requested,
             struct err *err)
{
    *requested = false;
    if (run_get(db, id, row, err) == 0)
        return 0;
    if (err->code != ERR_NOT_FOUND)
        return -1;
    *requested = true;
    if (request_get(db, tenant, id, row, err) == 0)
        return 0;
    /* It may have gone from the requests into the store in between. */
    *requested = false;
    return err->code == ERR_NOT_FOUND ? run_get(db, id, row, err) : -1;
}

static void put_request_text(struct buf *out, const struct run_row *row, const char *name)
{
    struct buf text = {0};
    if (row->request && json_get_string(row->request, strlen(row->request), name, &text))
        put_text(out, name, buf_cstr(&text));
    buf_free(&text);
}

void run_write(struct buf *out, const char *tenant, const struct run_row *row, bool requested)
{
    json_w_open(out, '{');
    put_text(out, "run", row->id);
    put_text(out, "job", row->job);
    put_text(out, "cause", run_cause_name(row->cause));
    if (row->cause == RUN_ON_TRIGGER)
        put_request_text(out, row, "trigger");
    put_text(out, "state", requested ? "requested" : run_state_name(row->state));
    put_time(out, "from", row->from < 0 ? 0 : row->from);
    put_time(out, "to", row->to < 0 ? 0 : row->to);
    put_bool(out, "complete", row->complete);
    put_number(out, "rows", row->row_count);
    put_number(out, "version", row->version);
    put_time(out, "created", row->created_ms);
    put_time(out, "started", row->started_ms);
    put_time(out, "ended", row->ended_ms);
    put_bool(out, "published", row->published && row->state == RUN_DONE);
    put_text(out, "error", row->error);
    json_w_name(out, "report");
    if (row->state == RUN_DONE)
        buf_printf(out, "\"/v1/tenants/%s/runs/%s/report\"", tenant, row->id);
    else
        json_w_null(out);
    json_w_close(out, '}');
}

/* ---- list ---- */

struct listing {
    char *job, *cursor;
    int cause, state; /* -1 = all */
    bool only_requested, no_requested;
    size_t limit;
};

static char *query_text(const struct request *r, const char *name)
{
    struct buf text = {0};
    char *copy = request_query(r, name, &text) ? mem_strndup(text.data, text.len) : NULL;
    buf_free(&text);
    return copy;
}

static int query_name(const struct request *r, const char *name, const char *(*names)(int), int count, int *value,
                      struct err *err)
{
    char *text = query_text(r, name);
    *value = -1;
    if (!text)
        return 0;
    for (int i = 0; i < count; i++)
        if (strcmp(names(i), text) == 0)
            *value = i;
    int status = *value >= 0 ? 0 : err_set(err, ERR_INVALID, "?%s: \"%.40s\" is none", name, text);
    free(text);
    return status;
}

static const char *state_or_requested(int state)
{
    return state < RUN_STATE_COUNT ? run_state_name(state) : "requested";
}

static int read_listing(const struct request *r, struct listing *l, struct err *err)
{
    *l = (struct listing){.job = query_text(r, "job"), .cursor = query_text(r, "cursor"), .cause = -1, .state = -1};
    if (request_limit(r, LIMIT_DEFAULT, LIMIT_MAX, &l->limit, err) < 0 ||
        query_name(r, "cause", run_cause_name, RUN_ON_SCHEDULE + 1, &l->cause, err) < 0 ||
        query_name(r, "state", state_or_requested, RUN_STATE_COUNT + 1, &l->state, err) < 0)
        return -1;
    l->only_requested = l->state == RUN_STATE_COUNT;
    l->no_requested = l->cursor || (l->state >= 0 && !l->only_requested) || (l->cause > RUN_ON_DEMAND);
    return 0;
}

static void free_listing(struct listing *l)
{
    free(l->job);
    free(l->cursor);
}

/* Requests that the batch store lacks come first: they are the newest of all that is not done. */
static int write_requests(struct coredms *db, const char *tenant, const struct listing *l, size_t *written,
                          struct buf *out, struct err *err)
{
    struct run_row *rows, stored;
    size_t count;
    if (request_list(db, tenant, &rows, &count, err) < 0)
        return -1;
    for (size_t i = count; i-- > 0;) {
        bool wanted = *written < l->limit && (!l->job || strcmp(l->job, rows[i].job) == 0);
        bool there = wanted && run_get(db, rows[i].id, &stored, err) == 0;
        if (there)
            run_row_free(&stored);
        if (wanted && !there) {
            run_write(out, tenant, &rows[i], true);
            (*written)++;
        }
        run_row_free(&rows[i]);
    }
    free(rows);
    return 0;
}

typedef void write_one(struct buf *out, const char *tenant, const struct run_row *row);

static void write_run(struct buf *out, const char *tenant, const struct run_row *row)
{
    run_write(out, tenant, row, false);
}

static int write_stored(struct coredms *db, const char *tenant, const struct listing *l, size_t limit, write_one *write,
                        struct buf *out, char **next, struct err *err)
{
    struct run_row *rows;
    size_t count;
    if (run_list(db, l->job, l->cause, l->state, limit, l->cursor, &rows, &count, next, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        write(out, tenant, &rows[i]);
        run_row_free(&rows[i]);
    }
    free(rows);
    return 0;
}

static int list(struct request *r, struct coredms *db, const struct listing *l, const char *member, write_one *write,
                struct err *err)
{
    char *next = NULL;
    size_t written = 0;
    struct buf *b = &r->body;
    const char *tenant = r->tenant.tenant;
    json_w_open(b, '{');
    json_w_name(b, member);
    json_w_open(b, '[');
    if (!l->no_requested && write_requests(db, tenant, l, &written, b, err) < 0)
        return -1;
    if (!l->only_requested && written < l->limit &&
        write_stored(db, tenant, l, l->limit - written, write, b, &next, err) < 0)
        return -1;
    json_w_close(b, ']');
    put_text(b, "next", next);
    json_w_close(b, '}');
    free(next);
    answer_json(r, 200);
    return 0;
}

void handle_runs_list(struct request *r)
{
    struct err err;
    struct listing l;
    struct coredms *db = NULL;
    if (read_listing(r, &l, &err) < 0)
        problem_err(r, &err);
    else if ((db = take_store(r, true)) && list(r, db, &l, "runs", write_run, &err) < 0)
        problem_err(r, &err);
    give_store(r, db);
    free_listing(&l);
}

/* ---- triggers: the runs that they started, seen from the other side ---- */

static void write_trigger(struct buf *out, const char *tenant, const struct run_row *row)
{
    const char *result;
    size_t len, request_len = row->request ? strlen(row->request) : 0;
    struct buf end = {0};
    (void)tenant;
    json_w_open(out, '{');
    put_text(out, "id", row->id);
    put_request_text(out, row, "trigger");
    put_text(out, "job", row->job);
    put_time(out, "fired_at", row->created_ms);
    bool there = json_find(row->request ? row->request : "", request_len, "result", &result, &len) == JSON_OBJECT;
    put_text(out, "window_end", there && json_get_string(result, len, "window_end", &end) ? buf_cstr(&end) : NULL);
    put_text(out, "run", row->id);
    put_text(out, "state", run_state_name(row->state));
    json_w_name(out, "result");
    if (there)
        json_w_raw(out, result, len);
    else
        json_w_null(out);
    json_w_close(out, '}');
    buf_free(&end);
}

void handle_triggers_list(struct request *r)
{
    struct err err;
    struct listing l;
    struct coredms *db = NULL;
    if (read_listing(r, &l, &err) < 0) {
        problem_err(r, &err);
        free_listing(&l);
        return;
    }
    l.cause = RUN_ON_TRIGGER;
    l.no_requested = true;
    if ((db = take_store(r, true)) && list(r, db, &l, "triggers", write_trigger, &err) < 0)
        problem_err(r, &err);
    give_store(r, db);
    free_listing(&l);
}

/* ---- one ---- */

void handle_run_show(struct request *r)
{
    struct err err;
    struct run_row row;
    bool requested;
    struct coredms *db = take_store(r, true);
    if (!db)
        return;
    if (run_find(db, r->tenant.tenant, request_parameter(r, 1), &row, &requested, &err) < 0) {
        problem_err(r, &err);
    } else {
        run_write(&r->body, r->tenant.tenant, &row, requested);
        answer_json(r, 200);
        run_row_free(&row);
    }
    give_store(r, db);
}

/* ---- reports ---- */

static void report_as_csv(struct buf *out, const char *report, size_t len)
{
    struct csv_columns columns = {0};
    const char *rows, *from;
    size_t rows_len;
    bool first = true;
    if (json_find(report, len, "rows", &rows, &rows_len) != JSON_ARRAY)
        return;
    struct json j = json_begin(rows, rows_len);
    json_enter(&j, '[');
    while (json_next(&j, &first, NULL, NULL) && json_skip(&j, &from)) {
        size_t row_len = (size_t)(j.at - from);
        if (columns.count == 0) {
            csv_columns_of(&columns, from, row_len);
            csv_header_write(out, &columns);
        }
        csv_row_write(out, &columns, from, row_len);
    }
    csv_columns_free(&columns);
}

void run_answer_report(struct request *r, struct coredms *db, const struct run_row *row)
{
    struct err err;
    char *report;
    size_t len;
    if (run_report(db, row->id, &report, &len, &err) < 0) {
        problem_err(r, &err);
        return;
    }
    buf_clear(&r->body);
    if (request_wants_csv(r)) {
        report_as_csv(&r->body, report, len);
        answer(r, 200, "text/csv; charset=utf-8; header=present");
    } else {
        buf_add(&r->body, report, len);
        answer_json(r, 200);
    }
    free(report);
}

void handle_run_report(struct request *r)
{
    struct err err;
    struct run_row row;
    bool requested;
    struct coredms *db = take_store(r, true);
    if (!db)
        return;
    if (run_find(db, r->tenant.tenant, request_parameter(r, 1), &row, &requested, &err) < 0) {
        problem_err(r, &err);
        give_store(r, db);
        return;
    }
    if (row.state == RUN_DONE)
        run_answer_report(r, db, &row);
    else if (run_ended(&row))
        problem(r, PROBLEM_NOT_FOUND, "the run %s, so it has no report: %s", run_state_name(row.state),
                row.error ? row.error : "");
    else
        problem(r, PROBLEM_CONFLICT, "the run is %s: its report is not there yet",
                requested ? "requested" : run_state_name(row.state));
    run_row_free(&row);
    give_store(r, db);
}
