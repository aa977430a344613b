/* Jobs: list, and run on demand. */
#include "api/apps.h"
#include "api/handlers/runs.h"
#include "api/handlers/shared.h"
#include "api/keeper.h"
#include "api/operations.h"
#include "api/router.h"
#include "api/routes.h"
#include "api/stores.h"
#include "api/supervision.h"
#include "api/waits.h"

#include "base/clock.h"
#include "base/duration.h"
#include "base/json.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MAX_MS 60000
#define POLL_MS     25 /* between looks if no report wakes it, and longer the longer it waits */
#define POLL_MAX_MS 250
#define KEY_MAX     100

/* ---- list ---- */

static void put_duration(struct buf *b, const char *name, int64_t ms)
{
    char text[48];
    if (ms == APP_OFF)
        put_text(b, name, NULL);
    else {
        duration_text(ms, text);
        put_text(b, name, text);
    }
}

static void write_job(struct buf *b, const struct app *app, const struct app_job *j)
{
    static const char *const periods[] = {NULL, "hour", "day", "week", "month"};
    json_w_open(b, '{');
    put_text(b, "job", j->name);
    put_text(b, "from", app->streams[j->stream].name);
    put_duration(b, "range", j->range);
    put_text(b, "period", periods[j->period]);
    put_text(b, "schedule", j->schedule);
    put_text(b, "timezone", j->timezone);
    json_w_name(b, "triggers");
    json_w_open(b, '[');
    for (size_t i = 0; i < app->trigger_count; i++)
        if (&app->jobs[app->triggers[i].job] == j)
            json_w_str(b, app->triggers[i].name);
    json_w_close(b, ']');
    json_w_close(b, '}');
}

static const struct app *take_app(struct request *r, struct coredms *db)
{
    const struct app *app;
    struct err err;
    if (apps_take(r->api->apps, db, &r->tenant, &app, &err) == 0)
        return app;
    problem_err(r, &err);
    return NULL;
}

void handle_jobs_list(struct request *r)
{
    struct coredms *db = take_store(r, false);
    const struct app *app = db ? take_app(r, db) : NULL;
    give_store(r, db);
    if (!app)
        return;
    json_w_open(&r->body, '{');
    json_w_name(&r->body, "jobs");
    json_w_open(&r->body, '[');
    for (size_t i = 0; i < app->job_count; i++)
        write_job(&r->body, app, &app->jobs[i]);
    json_w_close(&r->body, ']');
    json_w_close(&r->body, '}');
    answer_json(r, 200);
    apps_give(r->api->apps, app);
}

/* ---- what is asked for ---- */

struct demand {
    int64_t range, from, to, until; /* -1 = not given */
    int64_t wait;
};

/* A member of the body, else of the query; NULL: neither. free() */
static char *member_text(struct request *r, const struct buf *body, const char *name, struct err *err)
{
    struct buf text = {0};
    const char *value;
    size_t len;
    enum json_type type = json_find(body->data, body->len, name, &value, &len);
    bool found = type == JSON_STRING && json_get_string(body->data, body->len, name, &text);
    if (type != JSON_STRING && type != JSON_END && type != JSON_NULL)
        err_set(err, ERR_INVALID, "%s: must be a string", name);
    else if (!found)
        found = request_query(r, name, &text);
    char *copy = found ? mem_strndup(text.data, text.len) : NULL;
    buf_free(&text);
    return copy;
}

static int read_times(struct request *r, const struct buf *body, struct demand *d, struct err *err)
{
    struct {
        const char *name;
        int64_t *ms;
        bool duration;
    } members[] = {
        {"range", &d->range, true}, {"from", &d->from, false}, {"to", &d->to, false}, {"until", &d->until, false}};
    int status = 0;
    err->code = ERR_NONE;
    for (size_t i = 0; i < 4 && status == 0; i++) {
        char *text = member_text(r, body, members[i].name, err);
        *members[i].ms = -1;
        if (err->code)
            status = -1;
        else if (text && members[i].duration)
            status = duration_parse(text, strlen(text), members[i].ms, err);
        else if (text)
            status = parse_time(members[i].name, text, strlen(text), members[i].ms, err);
        free(text);
    }
    return status;
}

static int read_wait(struct request *r, struct demand *d, struct err *err)
{
    struct buf text = {0};
    int status = 0;
    d->wait = 0;
    if (request_query(r, "wait", &text))
        status = duration_parse(text.data, text.len, &d->wait, err);
    if (status < 0)
        err_prefix(err, "?wait");
    if (d->wait > WAIT_MAX_MS)
        d->wait = WAIT_MAX_MS;
    buf_free(&text);
    return status;
}

static const char *nonsense(const struct demand *d)
{
    if ((d->from < 0) != (d->to < 0))
        return "`from` and `to` go together";
    if (d->from >= 0 && d->range >= 0)
        return "either `range`, or `from` and `to`";
    if (d->from >= 0 && d->until >= 0)
        return "`until` goes with `range`, not with `from` and `to`";
    if (d->from >= 0 && d->from >= d->to)
        return "`from` must be before `to`";
    if (d->range == 0)
        return "`range` must be longer than 0";
    return NULL;
}

static void put_if(struct buf *b, const char *name, int64_t value)
{
    if (value >= 0)
        put_number(b, name, value);
}

/* The message for the batch worker; also what tells whether the same is asked for again. */
static char *request_text(const char *tenant, const char *id, const char *job, const struct demand *d)
{
    struct buf b = {0};
    json_w_open(&b, '{');
    put_text(&b, "tenant_id", tenant);
    put_text(&b, "id", id);
    put_text(&b, "job", job);
    put_if(&b, "range_ms", d->range);
    put_if(&b, "from_ms", d->from);
    put_if(&b, "to_ms", d->to);
    put_if(&b, "until_ms", d->until);
    json_w_close(&b, '}');
    char *text = mem_strndup(b.data, b.len);
    buf_free(&b);
    return text;
}

/* ---- waiting ---- */

/* Its batch worker has left for good: the run is made once an operator has done what the worker's last words say. */
static bool answer_parked(struct request *r, const struct run_row *row)
{
    struct worker_view view;
    supervision_view(r->api->supervision, r->tenant.tenant, ROLE_BATCH, &view, NULL);
    if (!view.known || (strcmp(view.state, "parked") != 0 && strcmp(view.state, "failing") != 0))
        return false;
    problem(r, PROBLEM_UNAVAILABLE,
            "run %s is kept, and not made before the batch worker of %s works again; it is %s: %s", row->id,
            r->tenant.tenant, view.state, view.obituary);
    return true;
}

static void answer_run(struct request *r, const struct run_row *row, bool requested)
{
    buf_clear(&r->body);
    run_write(&r->body, r->tenant.tenant, row, requested);
    answer_header(r, "Location", "/v1/tenants/%s/runs/%s", r->tenant.tenant, row->id);
    answer_json(r, 202);
}

static void answer_outcome(struct request *r, struct coredms *db, const struct run_row *row, bool requested)
{
    if (row->state == RUN_DONE)
        run_answer_report(r, db, row);
    else if (run_ended(row) && !requested)
        problem(r, PROBLEM_UNPROCESSABLE, "run %s %s: %s", row->id, run_state_name(row->state),
                row->error ? row->error : "");
    else
        answer_run(r, row, requested);
}

/* Looks until the run has ended or the time is over; then answers what there is. */
static void wait_and_answer(struct request *r, const char *id, int64_t wait_ms)
{
    int64_t until = clock_mono_ms() + wait_ms;
    for (int pause = POLL_MS;; pause = pause < POLL_MAX_MS ? pause * 5 / 4 : pause) {
        struct err err;
        struct run_row row;
        bool requested;
        int64_t reports = supervision_reports(r->api->supervision, r->tenant.tenant);
        struct coredms *db = take_store(r, true);
        if (!db)
            return;
        int status = run_find(db, r->tenant.tenant, id, &row, &requested, &err);
        bool over = clock_mono_ms() >= until || atomic_load(&r->api->draining);
        bool answers = status < 0 || over || (run_ended(&row) && !requested);
        if (status < 0)
            problem_err(r, &err);
        else if ((requested || !run_ended(&row)) && answer_parked(r, &row))
            answers = true;
        else if (answers && wait_ms > 0)
            answer_outcome(r, db, &row, requested);
        else if (answers)
            answer_run(r, &row, requested);
        if (status == 0)
            run_row_free(&row);
        give_store(r, db);
        if (answers)
            return;
        supervision_await_report(r->api->supervision, r->tenant.tenant, reports, pause);
    }
}

/* Where too many wait already, the run is answered at once, to be looked at later. */
static void answer_started(struct request *r, const char *id, int64_t wait_ms)
{
    bool waits = wait_ms > 0 && waits_begin(r->api->waits, r->tenant.tenant);
    if (wait_ms > 0 && !waits)
        answer_header(r, "Retry-After", "2");
    wait_and_answer(r, id, waits ? wait_ms : 0);
    if (waits)
        waits_end(r->api->waits, r->tenant.tenant);
}

/* ---- start ---- */

/* 1: the run is there already, asked for in the same way; 0: it is not. */
static int find_same(struct request *r, struct coredms *db, const char *id, const char *job, const char *text,
                     struct err *err)
{
    struct run_row row;
    bool requested;
    if (run_find(db, r->tenant.tenant, id, &row, &requested, err) < 0)
        return err->code == ERR_NOT_FOUND ? 0 : -1;
    bool same = strcmp(row.job, job) == 0 && row.request && strcmp(row.request, text) == 0;
    run_row_free(&row);
    return same ? 1 : err_set(err, ERR_CONFLICT, "Idempotency-Key: run %s was asked for in another way", id);
}

static int start(struct request *r, struct coredms *db, const char *id, const char *job, const char *text,
                 struct err *err)
{
    int same = find_same(r, db, id, job, text, err);
    if (same != 0)
        return same < 0 ? -1 : 0;
    const struct run_row row = {.id = (char *)(uintptr_t)id,
                                .job = (char *)(uintptr_t)job,
                                .cause = RUN_ON_DEMAND,
                                .state = RUN_QUEUED,
                                .generation = r->tenant.generation,
                                .version = r->tenant.version,
                                .from = -1,
                                .to = -1,
                                .created_ms = clock_wall_ms(),
                                .request = (char *)(uintptr_t)text};
    if (request_add(db, r->tenant.tenant, &row, err) < 0)
        return err->code == ERR_EXISTS ? 0 : -1; /* the same call at the same time */
    struct err later;
    if (operation_publish_request(r->api, r->tenant.tenant, &row, &later) < 0) /* the keeper goes on */
        log_warn("run %s of %s is published later: %s", id, r->tenant.tenant, later.text);
    else
        keeper_request_published(r->api->keeper, r->tenant.tenant, id);
    return 0;
}

static bool key_ok(const char *key)
{
    size_t len = strlen(key);
    return len > 0 && len <= KEY_MAX && run_id_ok(key, len) && !strchr(key, ':');
}

static void make_id(const char *key, char out[KEY_MAX + 1])
{
    unsigned char bytes[12];
    if (key) {
        snprintf(out, KEY_MAX + 1, "%s", key);
        return;
    }
    random_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static bool job_exists(struct request *r, const char *job)
{
    struct coredms *db = take_store(r, false);
    const struct app *app = db ? take_app(r, db) : NULL;
    give_store(r, db);
    if (!app)
        return false;
    bool exists = app_find_job(app, job) != NULL;
    if (!exists)
        problem(r, PROBLEM_NOT_FOUND, "the app of %s has no job %s", r->tenant.tenant, job);
    apps_give(r->api->apps, app);
    return exists;
}

static bool read_demand(struct request *r, struct demand *d)
{
    static const char *const members[] = {"range", "from", "to", "until", NULL};
    struct buf body = {0};
    struct err err;
    bool ok = read_object(r, members, &body);
    if (ok && (read_times(r, &body, d, &err) < 0 || read_wait(r, d, &err) < 0)) {
        problem_err(r, &err);
        ok = false;
    }
    const char *why = ok ? nonsense(d) : NULL;
    if (why) {
        problem(r, PROBLEM_UNPROCESSABLE, "%s", why);
        ok = false;
    }
    buf_free(&body);
    return ok;
}

void handle_runs_start(struct request *r)
{
    const char *job = request_parameter(r, 1), *key = request_header(r, "Idempotency-Key");
    char id[KEY_MAX + 1];
    struct demand d;
    struct err err;
    if (!tenant_is_there(r) || !job_exists(r, job))
        return;
    if (key && !key_ok(key)) {
        problem(r, PROBLEM_INVALID_REQUEST, "Idempotency-Key: 1 to %d characters of A-Z a-z 0-9 . _ - ~ +", KEY_MAX);
        return;
    }
    if (!read_demand(r, &d))
        return;
    if (r->tenant.state == TENANT_PAUSED) {
        problem(r, PROBLEM_CONFLICT, "tenant %s is paused: resume it first", r->tenant.tenant);
        return;
    }
    make_id(key, id);
    struct coredms *db = take_store(r, true);
    if (!db)
        return;
    char *text = request_text(r->tenant.tenant, id, job, &d);
    int status = start(r, db, id, job, text, &err);
    give_store(r, db);
    free(text);
    if (status < 0)
        problem_err(r, &err);
    else
        answer_started(r, id, d.wait);
}
