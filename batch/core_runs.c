/* The life of runs. Each run waits for at most one answer at a time (run->op); every change of its row goes to the
 * store before the next step. */
#include "batch/core_private.h"

#include "base/json.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void run_free(struct run *r)
{
    run_row_free(&r->row);
    free(r->report);
    free(r);
}

void runs_free(struct batch_core *c)
{
    for (size_t i = 0; i < c->run_count; i++)
        run_free(c->runs[i]);
    free(c->runs);
    c->runs = NULL;
    c->run_count = 0;
}

static void drop(struct batch_core *c, struct run *r)
{
    size_t i = 0;
    while (c->runs[i] != r)
        i++;
    memmove(c->runs + i, c->runs + i + 1, (c->run_count - i - 1) * sizeof *c->runs);
    c->run_count--;
    run_free(r);
}

static enum run_step step_of_stored(const struct run_row *row)
{
    if (row->state == RUN_DONE)
        return STEP_FETCHING;
    return STEP_WAITING;
}

static struct run *find_run(const struct batch_core *c, const char *id)
{
    for (size_t i = 0; i < c->run_count; i++)
        if (strcmp(c->runs[i]->row.id, id) == 0)
            return c->runs[i];
    return NULL;
}

bool runs_has(const struct batch_core *c, const char *id)
{
    return find_run(c, id) != NULL;
}

void runs_add(struct batch_core *c, const struct run_row *row, uint64_t trigger_tag, bool stored)
{
    if (c->run_count == c->run_cap) {
        c->run_cap = c->run_cap ? c->run_cap * 2 : 32;
        c->runs = mem_resize(c->runs, c->run_cap, sizeof *c->runs);
    }
    struct run *r = mem_zero(1, sizeof *r);
    run_row_copy(&r->row, row);
    r->trigger_tag = trigger_tag;
    r->step = stored ? step_of_stored(row) : STEP_INSERTING;
    c->runs[c->run_count++] = r;
}

void runs_adopt(struct batch_core *c, const struct run_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!runs_has(c, rows[i].id))
            runs_add(c, &rows[i], 0, true);
}

/* ---- a trigger message ---- */

static char *copy_string(const struct batch_delivery *d, const char *name)
{
    struct buf b = {0};
    char *s = json_get_string(d->body.p, d->body.len, name, &b) ? mem_strndup(b.data, b.len) : NULL;
    buf_free(&b);
    return s;
}

static void acknowledge_trigger(struct batch_core *c, uint64_t tag)
{
    if (c->state == CORE_RUNNING)
        batch_add_effect(c, BATCH_ACK)->tag = tag;
    c->trigger_low = UINT64_MAX;
    for (size_t i = 0; i < c->run_count; i++)
        if (c->runs[i]->trigger_tag && c->runs[i]->trigger_tag != tag && c->runs[i]->trigger_tag < c->trigger_low)
            c->trigger_low = c->runs[i]->trigger_tag;
    ingest_acknowledge(c);
}

static bool trigger_row(struct batch_core *c, const struct batch_delivery *d, struct run_row *row)
{
    char *trigger = copy_string(d, "trigger");
    *row = (struct run_row){.id = copy_string(d, "id"),
                            .job = copy_string(d, "job"),
                            .cause = trigger ? RUN_ON_TRIGGER : RUN_ON_DEMAND,
                            .generation = c->options.generation,
                            .from = -1,
                            .to = -1,
                            .created_ms = c->wall_ms,
                            .request = mem_strndup(d->body.p, d->body.len)};
    if (trigger && d->generation == (int64_t)c->options.generation && d->number > 0)
        row->after_number = d->number;
    free(trigger);
    return row->id && *row->id && row->job && json_valid(d->body.p, d->body.len, &(const char *){NULL});
}

/* A trigger that came again while its run is led here: acknowledged with the run's insertion, or at once. */
static void trigger_again(struct batch_core *c, struct run *r, uint64_t tag)
{
    if (r->step == STEP_INSERTING && !r->trigger_tag)
        r->trigger_tag = tag;
    else
        acknowledge_trigger(c, tag);
}

void runs_trigger(struct batch_core *c, const struct batch_delivery *d)
{
    struct run_row row;
    bool usable = d->trusted && trigger_row(c, d, &row);
    struct run *known = usable ? find_run(c, row.id) : NULL;
    if (!usable)
        c->status.forged++;
    if (known)
        trigger_again(c, known, d->tag);
    else if (usable)
        runs_add(c, &row, d->tag, false);
    else
        acknowledge_trigger(c, d->tag); /* never a poison loop: it is counted and gone */
    if (d->trusted)
        run_row_free(&row);
}

/* ---- steps ---- */

static void wait_for(struct run *r, struct batch_effect *e, enum run_step step)
{
    e->run = &r->row;
    r->op = e->op;
    r->step = step;
}

static struct batch_job_count *job_count(struct batch_core *c, const char *job)
{
    for (size_t i = 0; i < c->job_count; i++)
        if (strcmp(c->jobs[i].name, job) == 0)
            return &c->jobs[i].count;
    if (c->job_count == JOB_COUNTS)
        return &c->jobs[0].count;
    snprintf(c->jobs[c->job_count].name, sizeof c->jobs[0].name, "%s", job);
    return &c->jobs[c->job_count++].count;
}

static void update(struct batch_core *c, struct run *r, enum run_step step)
{
    struct batch_effect *e = batch_add_effect(c, BATCH_UPDATE);
    if (step == STEP_STORING) {
        e->report = r->report;
        e->report_len = r->report_len;
    }
    wait_for(r, e, step);
}

static void end_badly(struct batch_core *c, struct run *r, enum run_state state, const char *why)
{
    free(r->row.error);
    r->row.error = mem_strdup(why);
    r->row.state = state;
    r->row.ended_ms = c->wall_ms;
    r->row.published = true; /* there is nothing to publish */
    update(c, r, STEP_ENDING);
}

static bool query_runs(const struct batch_core *c)
{
    for (size_t i = 0; i < c->run_count; i++)
        if (c->runs[i]->step >= STEP_PREPARING && c->runs[i]->step <= STEP_QUERYING)
            return true;
    return false;
}

bool runs_busy(const struct batch_core *c)
{
    for (size_t i = 0; i < c->run_count; i++)
        if (c->runs[i]->op)
            return true;
    return false;
}

/* Whether a run may be prepared: the results it needs are stored. Numbers of a generation that a rewind has ended say
 * nothing about this one. */
static bool ready(const struct batch_core *c, const struct run *r)
{
    bool stored = r->row.generation != c->options.generation || r->row.after_number <= c->source.number;
    return stored && c->mono_ms >= r->look_at;
}

static int64_t member(const struct run_row *row, const char *name, int64_t fallback)
{
    int64_t value;
    return row->request && json_get_int(row->request, strlen(row->request), name, &value) ? value : fallback;
}

/* The end that an on-demand or triggered run is counted back from; INT64_MIN = there is none. */
static int64_t end_of_run(const struct run_row *row, int64_t latest)
{
    const char *result;
    size_t len;
    struct buf text = {0};
    if (row->cause != RUN_ON_TRIGGER)
        return member(row, "until_ms", latest);
    bool ok = json_find(row->request, strlen(row->request), "result", &result, &len) == JSON_OBJECT &&
              json_get_string(result, len, "window_end", &text) && time_parse_rfc3339(text.data, text.len, &latest);
    buf_free(&text);
    return ok ? latest : INT64_MIN;
}

static bool fix_range(struct batch_core *c, struct run *r, size_t job, int64_t latest)
{
    const struct app_job *j = &c->app->jobs[job];
    int64_t range = member(&r->row, "range_ms", APP_OFF), from = member(&r->row, "from_ms", -1);
    struct period p = {from, member(&r->row, "to_ms", -1)};
    if (from < 0) {
        int64_t end = end_of_run(&r->row, latest);
        if (end == INT64_MIN)
            return false;
        p = range != APP_OFF ? (struct period){end - range, end} : period_at(j, c->zones[job], end);
    }
    r->row.from = p.from < 0 ? 0 : p.from;
    r->row.to = p.to;
    return true;
}

static bool complete(const struct batch_core *c, const struct run *r, size_t job, const struct batch_event *e)
{
    const struct app_stream *s = &c->app->streams[c->app->jobs[job].stream];
    return e->prepared.complete_to >= period_last_window_end(s, r->row.to) && e->prepared.result_number >= 0 &&
           e->prepared.result_number <= c->source.number;
}

static void on_prepared(struct batch_core *c, struct run *r, const struct batch_event *e)
{
    size_t job;
    r->step = STEP_WAITING;
    if (e->err) {
        r->look_at = c->mono_ms + STORE_RETRY_MS;
        return;
    }
    if (!schedule_job(c, r->row.job, &job)) {
        char why[200];
        snprintf(why, sizeof why, "version %u of the app has no job of this name", c->version);
        end_badly(c, r, RUN_FAILED, why);
        return;
    }
    if (r->row.from < 0 && !fix_range(c, r, job, e->prepared.latest)) {
        end_badly(c, r, RUN_FAILED,
                  "no result of this stream is stored yet, so there is no time to count back from: give `until`, or "
                  "`from` and `to`");
        return;
    }
    r->row.complete = complete(c, r, job, e);
    if (!r->row.complete && c->wall_ms < r->row.wait_until_ms) {
        r->look_at = c->mono_ms + PREPARE_EVERY_MS;
        return;
    }
    r->row.version = c->version;
    r->row.state = RUN_RUNNING;
    r->row.started_ms = c->wall_ms;
    update(c, r, STEP_TAKING);
}

static void publish(struct batch_core *c, struct run *r)
{
    struct buf body = {0};
    char key[160];
    snprintf(key, sizeof key, "%s.%s", c->tenant, r->row.job);
    report_message(&body, c->tenant, &r->row, r->report, r->report_len);
    struct outbox_message m = {.kind = OUT_REPORT,
                               .exchange = EXCHANGE_REPORTS,
                               .key = key,
                               .message_id = r->row.id,
                               .content_type = "application/json",
                               .body = body.data,
                               .len = body.len};
    m.headers[m.header_count++] = (struct outbox_header){.name = HEADER_EPOCH, .number = (int64_t)c->source.epoch};
    m.headers[m.header_count++] =
        (struct outbox_header){.name = HEADER_GENERATION, .number = (int64_t)c->options.generation};
    r->sequence = outbox_add(c->outbox, &m);
    r->step = STEP_PUBLISHING;
    buf_free(&body);
}

/* The store or the disk is away, which is no fault of the run. */
static bool is_passing(const struct err *err)
{
    return err->code == ERR_UNAVAILABLE || err->code == ERR_FULL;
}

static void on_queried(struct batch_core *c, struct run *r, const struct batch_event *e)
{
    c->status.run_ms = c->wall_ms - r->row.started_ms;
    if (e->err && c->cancelled) {
        r->step = STEP_WAITING; /* after the next start */
        return;
    }
    if (e->err && is_passing(e->err)) { /* nothing was computed: it is taken again */
        r->step = STEP_WAITING;
        r->look_at = c->mono_ms + STORE_RETRY_MS;
        return;
    }
    if (e->err) {
        end_badly(c, r, RUN_FAILED, e->err->text);
        return;
    }
    r->report = mem_strndup(e->queried.report, e->queried.len);
    r->report_len = e->queried.len;
    r->row.row_count = e->queried.row_count;
    r->row.state = RUN_DONE;
    r->row.ended_ms = c->wall_ms;
    update(c, r, STEP_STORING);
}

static void on_fetched(struct batch_core *c, struct run *r, const struct batch_event *e)
{
    if (e->err && e->err->code == ERR_NOT_FOUND) {
        end_badly(c, r, RUN_FAILED, "its report is not in the store");
        return;
    }
    if (e->err) {
        r->look_at = c->mono_ms + STORE_RETRY_MS;
        return;
    }
    r->report = mem_strndup(e->queried.report, e->queried.len);
    r->report_len = e->queried.len;
    publish(c, r);
}

static void on_updated(struct batch_core *c, struct run *r, const struct batch_event *e)
{
    enum run_step next[] = {[STEP_TAKING] = STEP_QUERYING, [STEP_STORING] = STEP_PUBLISHING};
    if (e->err) {
        if (e->err->code == ERR_FENCED)
            batch_exit(c, EXIT_SUPERSEDED, e->err->text);
        r->look_at = c->mono_ms + STORE_RETRY_MS; /* runs_step stores it again */
        return;
    }
    if (r->step == STEP_MARKING || r->step == STEP_ENDING) {
        struct batch_job_count *n = job_count(c, r->row.job);
        n->done += r->row.state == RUN_DONE;
        n->failed += r->row.state == RUN_FAILED;
        c->status.runs_failed += r->row.state == RUN_FAILED;
        c->status.reports += r->row.state == RUN_DONE;
        drop(c, r);
        return;
    }
    if (next[r->step] == STEP_PUBLISHING) {
        c->status.runs_done++;
        publish(c, r);
        return;
    }
    wait_for(r, batch_add_effect(c, BATCH_QUERY), STEP_QUERYING);
}

static bool is_unfinished(const struct run_row *row)
{
    return row->state == RUN_QUEUED || row->state == RUN_RUNNING || (row->state == RUN_DONE && !row->published);
}

/* The id is in the store: its trigger came again, or an insertion happened although its outcome was unknown, or a
 * worker that was replaced meanwhile did it. Whoever it was, a run that is not finished goes on here. */
static void adopt(struct batch_core *c, struct run *r, const struct run_row *known)
{
    if (!is_unfinished(known)) {
        drop(c, r);
        return;
    }
    run_row_free(&r->row);
    run_row_copy(&r->row, known);
    r->step = step_of_stored(known);
}

static void on_inserted(struct batch_core *c, struct run *r, const struct batch_event *e)
{
    if (e->err) {
        r->look_at = c->mono_ms + STORE_RETRY_MS;
        return;
    }
    if (r->trigger_tag)
        acknowledge_trigger(c, r->trigger_tag);
    r->trigger_tag = 0;
    if (!e->inserted.fresh) {
        adopt(c, r, e->inserted.known);
        return;
    }
    r->step = STEP_WAITING;
    if (r->row.state != RUN_SKIPPED)
        return;
    c->status.runs_skipped++;
    job_count(c, r->row.job)->skipped++;
    drop(c, r);
}

void runs_answer(struct batch_core *c, const struct batch_event *e)
{
    struct run *r = NULL;
    for (size_t i = 0; i < c->run_count && !r; i++)
        if (c->runs[i]->op == e->op)
            r = c->runs[i];
    if (!r)
        return;
    r->op = 0;
    if (e->kind == BATCH_INSERTED)
        on_inserted(c, r, e);
    else if (e->kind == BATCH_PREPARED)
        on_prepared(c, r, e);
    else if (e->kind == BATCH_UPDATED)
        on_updated(c, r, e);
    else if (r->step == STEP_FETCHING)
        on_fetched(c, r, e);
    else
        on_queried(c, r, e);
}

/* Periods of a job go into the store in their order: the newest there tells a restart where to go on. */
static bool is_its_turn(const struct batch_core *c, const struct run *r)
{
    for (size_t i = 0; r->row.cause == RUN_ON_SCHEDULE && c->runs[i] != r; i++)
        if (c->runs[i]->step == STEP_INSERTING && c->runs[i]->row.cause == RUN_ON_SCHEDULE &&
            strcmp(c->runs[i]->row.job, r->row.job) == 0)
            return false;
    return true;
}

static void step_one(struct batch_core *c, struct run *r)
{
    if (r->op || c->mono_ms < r->look_at)
        return;
    switch (r->step) {
    case STEP_INSERTING:
        if (is_its_turn(c, r))
            wait_for(r, batch_add_effect(c, BATCH_INSERT), STEP_INSERTING);
        break;
    case STEP_WAITING:
        if (!query_runs(c) && ready(c, r))
            wait_for(r, batch_add_effect(c, BATCH_PREPARE), STEP_PREPARING);
        break;
    case STEP_FETCHING:
        wait_for(r, batch_add_effect(c, BATCH_FETCH), STEP_FETCHING);
        break;
    case STEP_PUBLISHING:
        if (outbox_settled(c->outbox) >= r->sequence) {
            r->row.published = true;
            update(c, r, STEP_MARKING);
        }
        break;
    default: /* an update that failed is repeated */
        update(c, r, r->step);
    }
}

void runs_step(struct batch_core *c)
{
    for (size_t i = 0; i < c->run_count && c->state != CORE_EXITED; i++)
        step_one(c, c->runs[i]);
}

/* A run whose trigger was not acknowledged comes again with the next connection; its id makes that harmless. */
void runs_lost_connection(struct batch_core *c)
{
    for (size_t i = 0; i < c->run_count; i++)
        c->runs[i]->trigger_tag = 0;
}

int64_t runs_wake(const struct batch_core *c)
{
    int64_t at = INT64_MAX;
    for (size_t i = 0; i < c->run_count; i++) {
        const struct run *r = c->runs[i];
        bool timed = !r->op && r->look_at > c->mono_ms;
        if (timed && r->look_at < at)
            at = r->look_at;
    }
    return at;
}
