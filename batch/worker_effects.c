/* Effects of the core, carried out. */
#include "batch/worker.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STORE_OPEN_MS 30000

static int open_store(struct worker *w, struct err *err)
{
    if (w->store)
        return 0;
    return coredms_open(w->start.settings.coredms, w->start.tenant, COREDMS_WRITES_BATCH | COREDMS_BEGUN, &w->store,
                        err);
}

static void blocking(struct worker *w, const char *what)
{
    worker_blocking(&w->start, what, w->store ? coredms_block_ms(w->store) : STORE_OPEN_MS);
}

/* Carries out one call of the store as an answer of the kind given; the call may fill in more of *e. */
typedef int store_call(struct worker *w, const struct batch_effect *effect, struct batch_event *e, struct err *err);

static void answer(struct worker *w, const struct batch_effect *effect, enum batch_event_kind kind, const char *what,
                   store_call *call)
{
    struct err err;
    struct batch_event e = {.kind = kind, .op = effect->op};
    blocking(w, what);
    if (open_store(w, &err) < 0 || call(w, effect, &e, &err) < 0) {
        log_warn("%s: %s", what, err.text);
        e.err = &err;
    }
    blocking(w, NULL);
    worker_step(w, &e);
}

/* ---- loading ---- */

static int load_app(struct worker *w, struct app **app, uint32_t *version, struct err *err)
{
    char *text;
    size_t len;
    struct app_diags diags;
    if (registry_get_app(w->store, w->start.tenant, 0, &text, &len, version, err) < 0)
        return -1;
    *app = app_load(text, len, w->start.tenant, &diags);
    if (!*app)
        err_set(err, ERR_INVALID, "version %u of the app has a mistake: line %u: %s", *version, diags.list[0].line,
                diags.list[0].message);
    app_diags_free(&diags);
    free(text);
    return *app ? 0 : -1;
}

/* The newest period of each scheduled job that is in the store. */
static int load_anchors(struct worker *w, const struct app *app, struct batch_anchor *anchors, struct err *err)
{
    for (size_t i = 0; i < app->job_count; i++) {
        anchors[i] = (struct batch_anchor){.job = app->jobs[i].name, .last_to = INT64_MIN};
        if (run_last_scheduled(w->store, app->jobs[i].name, &anchors[i].last_to, err) < 0 && err->code != ERR_NOT_FOUND)
            return -1;
    }
    return 0;
}

static int load_app_with_anchors(struct worker *w, struct batch_event *e, struct batch_anchor **anchors,
                                 struct err *err)
{
    if (load_app(w, &e->loaded.app, &e->loaded.version, err) < 0)
        return -1;
    *anchors = mem_zero(e->loaded.app->job_count + 1, sizeof **anchors);
    e->loaded.anchors = *anchors;
    e->loaded.anchor_count = e->loaded.app->job_count;
    if (load_anchors(w, e->loaded.app, *anchors, err) == 0)
        return 0;
    app_free(&e->loaded.app);
    return -1;
}

static int load_all(struct worker *w, struct batch_event *e, struct batch_anchor **anchors, struct err *err)
{
    if (open_store(w, err) < 0 || history_raise(w->store, w->start.generation, &e->loaded.source, err) < 0 ||
        run_pending(w->store, &e->loaded.pending, &e->loaded.pending_count, err) < 0)
        return -1;
    return load_app_with_anchors(w, e, anchors, err);
}

static void free_pending(struct batch_event *e)
{
    for (size_t i = 0; i < e->loaded.pending_count; i++)
        run_row_free(&e->loaded.pending[i]);
    free(e->loaded.pending);
}

static void do_load(struct worker *w, const struct batch_effect *effect, bool all)
{
    struct err err;
    struct batch_anchor *anchors = NULL;
    struct batch_event e = {.kind = all ? BATCH_LOADED : BATCH_APP, .op = effect->op};
    blocking(w, "loading from the store");
    if ((all ? load_all(w, &e, &anchors, &err) : load_app_with_anchors(w, &e, &anchors, &err)) < 0) {
        log_warn("cannot load from the store: %s", err.text);
        e.err = &err;
    } else {
        log_info("app version %u", e.loaded.version);
    }
    blocking(w, NULL);
    worker_step(w, &e);
    free_pending(&e);
    free(anchors);
}

/* ---- the broker ---- */

static int consume_both(struct worker *w, int64_t offset, struct err *err)
{
    enum link_from from = offset < 0 ? LINK_FIRST : LINK_OFFSET;
    if (link_consume(w->pair.consumer, w->queue_results, from, offset < 0 ? 0 : offset, WORKER_PREFETCH, err) < 0)
        return -1;
    return link_consume(w->pair.consumer, w->queue_triggers, LINK_NOT_A_STREAM, 0, WORKER_TRIGGER_PREFETCH, err);
}

static void do_connect(struct worker *w, const struct batch_effect *effect)
{
    char lock[NAME_SIZE], name[NAME_SIZE];
    struct err err;
    struct batch_event e = {.kind = BATCH_CONNECTED, .op = effect->op};
    struct link_handler handler = worker_handler(w);
    name_queue(lock, LOCK_BATCH, w->start.tenant);
    snprintf(name, sizeof name, "belltower-batch %s", w->start.tenant);
    int status =
        pair_open(&w->pair, &w->start.runtime, &w->start.settings, &w->start.credentials, name, lock, &handler, &err);
    if (status == 0)
        status = consume_both(w, effect->offset, &err);
    if (status < 0) {
        log_warn("%s", err.text);
        e.err = &err;
    } else {
        log_info("connected to the broker");
    }
    worker_step(w, &e);
}

static void do_ack(struct worker *w, const struct batch_effect *effect)
{
    struct err err;
    if (w->pair.consumer && link_ack(w->pair.consumer, effect->tag, effect->multiple, &err) < 0)
        worker_lost(w, &err);
}

static void do_send(struct worker *w)
{
    const struct outbox_message *m;
    struct err err;
    while (w->pair.publisher && (m = batch_core_send(w->core))) {
        if (pair_send(&w->pair, m, w->start.user, clock_wall_ms(), &err) < 0) {
            worker_lost(w, &err);
            return;
        }
    }
}

/* ---- the store ---- */

static int withdraw(struct worker *w, const struct batch_effect *effect, struct err *err)
{
    size_t count;
    if (!effect->withdraw)
        return 0;
    if (history_withdraw(w->store, effect->withdraw_from, &effect->source, &count, err) < 0)
        return -1;
    log_info("the rewind has come to its end: %zu results that were not given again are withdrawn", count);
    return 0;
}

static int call_store(struct worker *w, const struct batch_effect *effect, struct batch_event *e, struct err *err)
{
    (void)e;
    if (withdraw(w, effect, err) < 0)
        return -1;
    return history_put(w->store, effect->rows, effect->row_count, &effect->source, err);
}

static int call_update(struct worker *w, const struct batch_effect *effect, struct batch_event *e, struct err *err)
{
    (void)e;
    return run_update(w->store, effect->run, effect->epoch, effect->report, effect->report_len, err);
}

static int call_expire(struct worker *w, const struct batch_effect *effect, struct batch_event *e, struct err *err)
{
    return history_expire(w->store, effect->before_ms, BATCH_EXPIRE_ROWS, &e->expired, err);
}

/* complete_to of a stream and the number of its last result, from the info of the stream worker's checkpoint. */
static void read_info(const struct checkpoint_head *head, const char *stream, struct batch_event *e)
{
    const char *streams, *one;
    size_t len, one_len, info_len = head->info ? strlen(head->info) : 0;
    checkpoint_info_int(head, "result_number", &e->prepared.result_number);
    if (json_find(head->info, info_len, "streams", &streams, &len) == JSON_OBJECT &&
        json_find(streams, len, stream, &one, &one_len) == JSON_OBJECT)
        json_get_int(one, one_len, "complete_to", &e->prepared.complete_to);
}

static int call_prepare(struct worker *w, const struct batch_effect *effect, struct batch_event *e, struct err *err)
{
    const struct app *app = batch_core_app(w->core);
    struct checkpoint_head head;
    e->prepared.latest = e->prepared.complete_to = INT64_MIN;
    e->prepared.result_number = -1;
    size_t i = 0;
    while (i < app->job_count && strcmp(app->jobs[i].name, effect->run->job) != 0)
        i++;
    if (i == app->job_count) /* the core says what that means */
        return 0;
    const char *stream = app->streams[app->jobs[i].stream].name;
    if (history_latest(w->store, stream, &e->prepared.latest, err) < 0 && err->code != ERR_NOT_FOUND)
        return -1;
    if (checkpoint_head(w->store, &head, err) < 0)
        return err->code == ERR_NOT_FOUND ? 0 : -1;
    if (head.generation == w->start.generation)
        read_info(&head, stream, e);
    checkpoint_head_free(&head);
    return 0;
}

static int list_runs(struct worker *w, struct run_row **rows, size_t *count, struct err *err)
{
    return open_store(w, err) < 0 ? -1 : run_pending(w->store, rows, count, err);
}

static int list(struct worker *w, struct batch_event *e, struct err *err)
{
    struct checkpoint_head head;
    if (list_runs(w, &e->loaded.pending, &e->loaded.pending_count, err) < 0)
        return -1;
    if (checkpoint_head(w->store, &head, err) < 0)
        return err->code == ERR_NOT_FOUND ? 0 : -1;
    if (head.generation == w->start.generation)
        checkpoint_info_int(&head, "result_number", &e->loaded.given);
    checkpoint_head_free(&head);
    return 0;
}

static void do_list(struct worker *w, const struct batch_effect *effect)
{
    struct err err;
    struct batch_event e = {.kind = BATCH_LISTED, .op = effect->op};
    blocking(w, "listing runs");
    if (list(w, &e, &err) < 0) {
        log_warn("listing runs: %s", err.text);
        e.err = &err;
    }
    blocking(w, NULL);
    worker_step(w, &e);
    free_pending(&e);
}

static int insert(struct worker *w, const struct run_row *run, bool *fresh, struct run_row *known, struct err *err)
{
    if (open_store(w, err) < 0 || run_insert(w->store, run, fresh, err) < 0)
        return -1;
    return *fresh ? 0 : run_get(w->store, run->id, known, err);
}

static void do_insert(struct worker *w, const struct batch_effect *effect)
{
    struct err err;
    struct run_row known = {0};
    struct batch_event e = {.kind = BATCH_INSERTED, .op = effect->op};
    blocking(w, "storing a run");
    if (insert(w, effect->run, &e.inserted.fresh, &known, &err) < 0) {
        log_warn("storing a run: %s", err.text);
        e.err = &err;
    }
    blocking(w, NULL);
    e.inserted.known = &known;
    worker_step(w, &e);
    run_row_free(&known);
}

static void do_fetch(struct worker *w, const struct batch_effect *effect)
{
    struct err err;
    char *report = NULL;
    struct batch_event e = {.kind = BATCH_QUERIED, .op = effect->op};
    blocking(w, "reading a report");
    if (open_store(w, &err) < 0 || run_report(w->store, effect->run->id, &report, &e.queried.len, &err) < 0)
        e.err = &err;
    blocking(w, NULL);
    e.queried.report = report;
    worker_step(w, &e);
    free(report);
}

static void do_query(struct worker *w, const struct batch_effect *effect)
{
    struct err err;
    if (runner_start(&w->runner, effect->run, effect->op, &err) == 0)
        return;
    struct batch_event e = {.kind = BATCH_QUERIED, .op = effect->op, .err = &err};
    worker_step(w, &e);
}

static void do_exit(struct worker *w, const struct batch_effect *effect)
{
    w->exiting = true;
    w->exit_code = effect->code;
    page_set_state(w->start.runtime.page, PAGE_DRAINING, effect->words);
    if (effect->code != EXIT_DONE)
        log_error("%s", effect->words);
}

static void carry_out(struct worker *w, const struct batch_effect *effect)
{
    switch (effect->kind) {
    case BATCH_LOAD:
        do_load(w, effect, true);
        break;
    case BATCH_LOAD_APP:
        do_load(w, effect, false);
        break;
    case BATCH_CONNECT:
        do_connect(w, effect);
        break;
    case BATCH_DISCONNECT:
        pair_close(&w->pair, &w->start.runtime);
        break;
    case BATCH_ACK:
        do_ack(w, effect);
        break;
    case BATCH_SEND:
        do_send(w);
        break;
    case BATCH_STORE:
        answer(w, effect, BATCH_STORED, "storing results", call_store);
        break;
    case BATCH_INSERT:
        do_insert(w, effect);
        break;
    case BATCH_PREPARE:
        answer(w, effect, BATCH_PREPARED, "preparing a run", call_prepare);
        break;
    case BATCH_UPDATE:
        answer(w, effect, BATCH_UPDATED, "storing a run", call_update);
        worker_page(w); /* at once: a call may wait for the report */
        break;
    case BATCH_QUERY:
        do_query(w, effect);
        break;
    case BATCH_FETCH:
        do_fetch(w, effect);
        break;
    case BATCH_CANCEL:
        runner_cancel(&w->runner);
        break;
    case BATCH_LIST:
        do_list(w, effect);
        break;
    case BATCH_EXPIRE:
        answer(w, effect, BATCH_EXPIRED, "removing old history", call_expire);
        break;
    case BATCH_EXIT:
        do_exit(w, effect);
        break;
    }
}

void worker_effects(struct worker *w)
{
    struct batch_effect effect;
    while (!w->exiting && batch_core_effect(w->core, &effect))
        carry_out(w, &effect);
}
