/* The states of the batch worker. */
#include "batch/core_private.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct batch_core *batch_core_new(const struct batch_options *o)
{
    struct batch_core *c = mem_zero(1, sizeof *c);
    c->options = *o;
    snprintf(c->tenant, sizeof c->tenant, "%s", o->tenant);
    c->options.tenant = c->tenant;
    c->outbox = outbox_new();
    c->retry_ms = RETRY_FIRST_MS;
    c->trigger_low = UINT64_MAX;
    c->store_rows = STORE_ROWS_MAX;
    return c;
}

void batch_core_free(struct batch_core **core)
{
    struct batch_core *c = *core;
    if (!c)
        return;
    runs_free(c);
    schedule_free(c);
    ingest_reset(c);
    app_free(&c->app);
    outbox_free(&c->outbox);
    free(c->kept);
    free(c->rows);
    free(c->effects);
    free(c);
    *core = NULL;
}

struct batch_effect *batch_add_effect(struct batch_core *c, enum batch_effect_kind kind)
{
    if (c->effect_head == c->effect_count)
        c->effect_head = c->effect_count = 0;
    if (c->effect_count == c->effect_cap) {
        c->effect_cap = c->effect_cap ? c->effect_cap * 2 : 16;
        c->effects = mem_resize(c->effects, c->effect_cap, sizeof *c->effects);
    }
    struct batch_effect *e = &c->effects[c->effect_count++];
    *e = (struct batch_effect){.kind = kind, .op = ++c->next_op, .epoch = c->source.epoch};
    return e;
}

bool batch_core_effect(struct batch_core *c, struct batch_effect *effect)
{
    if (c->effect_head == c->effect_count)
        return false;
    *effect = c->effects[c->effect_head++];
    return true;
}

void batch_say(struct batch_core *c, const char *words)
{
    snprintf(c->words, sizeof c->words, "%.*s", (int)sizeof c->words - 1, words);
}

void batch_exit(struct batch_core *c, enum child_exit code, const char *words)
{
    if (c->state == CORE_EXITED)
        return;
    c->state = CORE_EXITED;
    batch_say(c, words);
    struct batch_effect *e = batch_add_effect(c, BATCH_EXIT);
    e->code = code;
    e->words = c->words;
}

static void ask(struct batch_core *c, enum batch_effect_kind kind, enum core_state state)
{
    struct batch_effect *e = batch_add_effect(c, kind);
    e->offset = c->source.offset;
    c->waiting_op = e->op;
    c->state = state;
}

static void retry_later(struct batch_core *c, enum core_state state, const char *words)
{
    c->state = state;
    c->retry_at = c->mono_ms + c->retry_ms;
    c->retry_ms = c->retry_ms * 2 < RETRY_MAX_MS ? c->retry_ms * 2 : RETRY_MAX_MS;
    batch_say(c, words);
}

/* A STORE that nobody has taken yet: its rows are about to go, and come again. */
static void take_back_store(struct batch_core *c)
{
    size_t kept = c->effect_head;
    for (size_t i = c->effect_head; i < c->effect_count; i++)
        if (c->effects[i].kind != BATCH_STORE)
            c->effects[kept++] = c->effects[i];
    c->effect_count = kept;
}

static void reconnect(struct batch_core *c, const struct err *err)
{
    take_back_store(c);
    ingest_reset(c);
    outbox_unsend(c->outbox);
    runs_lost_connection(c);
    if (c->connected && c->mono_ms - c->connected_at >= STEADY_MS)
        c->retry_ms = RETRY_FIRST_MS;
    c->blocked = c->connected = false;
    c->status.reconnects++;
    batch_say(c, err->text);
    batch_add_effect(c, BATCH_DISCONNECT)->words = c->words;
    if (err->code == ERR_DENIED)
        c->retry_ms = RETRY_MAX_MS;
    if (c->state != CORE_DRAINING)
        retry_later(c, CORE_CONNECT_WAIT, err->text);
}

static void load_failed(struct batch_core *c, const struct err *err)
{
    switch (err->code) {
    case ERR_FENCED:
        batch_exit(c, EXIT_SUPERSEDED, err->text);
        return;
    case ERR_INVALID:
        batch_exit(c, EXIT_CONFIG, err->text);
        return;
    default:
        retry_later(c, CORE_LOAD_WAIT, err->text);
    }
}

static void on_loaded(struct batch_core *c, const struct batch_event *e)
{
    if (e->err) {
        load_failed(c, e->err);
        return;
    }
    c->source = e->loaded.source;
    c->read = (struct place){c->source.offset, c->source.number, 0};
    schedule_begin(c, e->loaded.app, e->loaded.version, e->loaded.anchors, e->loaded.anchor_count);
    for (size_t i = 0; i < e->loaded.pending_count; i++)
        runs_add(c, &e->loaded.pending[i], 0, true);
    c->retry_ms = RETRY_FIRST_MS;
    ask(c, BATCH_CONNECT, CORE_CONNECTING);
}

static void on_app(struct batch_core *c, const struct batch_event *e)
{
    c->loading_app = false;
    if (e->err) { /* the present app goes on; it is asked for again */
        batch_say(c, e->err->text);
        c->wanted_version = 1;
        c->reload_at = c->mono_ms + STORE_RETRY_MS;
        return;
    }
    schedule_begin(c, e->loaded.app, e->loaded.version, e->loaded.anchors, e->loaded.anchor_count);
    c->list_needed = true; /* the newest period in the store may be another worker's, which was replaced */
    c->list_at = c->mono_ms;
}

static void on_connected(struct batch_core *c, const struct batch_event *e)
{
    if (e->err) {
        reconnect(c, e->err);
        return;
    }
    c->state = CORE_RUNNING;
    c->connected = c->list_needed = true;
    c->list_at = c->result_at = c->connected_at = c->mono_ms;
    batch_say(c, "");
}

static void list_step(struct batch_core *c)
{
    if (!c->list_needed || c->listing || c->mono_ms < c->list_at)
        return;
    c->listing = true;
    c->list_needed = false;
    batch_add_effect(c, BATCH_LIST);
}

/* Results were published and do not come: their queue was made anew, and its offsets are lower. Numbers say what is
 * stored, so it is read from its first message; if that gives nothing either, again and again, they are lost. */
static void guard_results(struct batch_core *c, int64_t given)
{
    char words[PAGE_WORDS];
    struct err err;
    bool stalled =
        c->state == CORE_RUNNING && !c->storing && given > c->read.number && c->mono_ms - c->result_at >= LIST_EVERY_MS;
    if (!stalled)
        return;
    if (++c->stalls > STALLS_MAX) {
        snprintf(words, sizeof words,
                 "gap in the results: numbers %" PRId64 " to %" PRId64 " were published and are not in their queue",
                 c->read.number + 1, given);
        batch_exit(c, EXIT_STOPPED, words);
        return;
    }
    err_set(&err, ERR_UNAVAILABLE,
            "nothing comes behind offset %" PRId64
            " of the results queue, though results were published: it was made anew and is read from its first message",
            c->source.offset);
    c->source.offset = -1;
    reconnect(c, &err);
}

static void on_listed(struct batch_core *c, const struct batch_event *e)
{
    c->listing = false;
    c->list_needed = true;
    c->list_at = c->mono_ms + (e->err ? STORE_RETRY_MS : LIST_EVERY_MS);
    if (e->err)
        return;
    runs_adopt(c, e->loaded.pending, e->loaded.pending_count);
    guard_results(c, e->loaded.given);
}

static void on_confirm(struct batch_core *c, const struct batch_event *e)
{
    bool nacked;
    struct err err;
    if (!c->connected) /* still read from the connection that was given up: nothing of it counts */
        return;
    bool known = outbox_confirm(c->outbox, e->confirm.tag, e->confirm.multiple, e->confirm.ack, &nacked);
    if (known && !nacked)
        return;
    err_set(&err, ERR_UNAVAILABLE,
            known ? "broker: it refused a report (nack)" : "broker: a confirm for a message never sent");
    reconnect(c, &err);
}

static void on_returned(struct batch_core *c)
{
    struct err err;
    if (!c->connected)
        return;
    err_set(&err, ERR_UNAVAILABLE, "broker: no queue takes a report: are the tenant's broker objects there?");
    reconnect(c, &err);
}

static void on_blocked(struct batch_core *c, const struct batch_event *e)
{
    char words[PAGE_WORDS];
    c->blocked = e->blocked.flag;
    snprintf(words, sizeof words, "the broker blocks publishers: %s", e->blocked.reason);
    batch_say(c, c->blocked ? words : "");
}

static void on_timer(struct batch_core *c)
{
    if (c->state == CORE_LOAD_WAIT && c->mono_ms >= c->retry_at)
        ask(c, BATCH_LOAD, CORE_LOADING);
    else if (c->state == CORE_CONNECT_WAIT && c->mono_ms >= c->retry_at)
        ask(c, BATCH_CONNECT, CORE_CONNECTING);
}

static void on_drain(struct batch_core *c)
{
    if (c->state == CORE_DRAINING || c->state == CORE_EXITED)
        return;
    if (c->state != CORE_RUNNING) {
        batch_exit(c, EXIT_DONE, "drained");
        return;
    }
    c->state = CORE_DRAINING;
    c->drain_by = c->mono_ms + DRAIN_LIMIT_MS;
    batch_add_effect(c, BATCH_CANCEL);
    c->cancelled = true;
}

/* Stores what is kept, waits for what is under way, and leaves; what is not done goes on after the next start. */
static void drain_step(struct batch_core *c)
{
    bool done = !c->storing && c->kept_count == 0 && !runs_busy(c);
    if (done || c->mono_ms >= c->drain_by)
        batch_exit(c, EXIT_DONE, done ? "drained" : "drained; not all was stored in time");
}

static void expire_step(struct batch_core *c)
{
    if (c->expiring || c->mono_ms < c->expire_at)
        return;
    c->expiring = true;
    batch_add_effect(c, BATCH_EXPIRE)->before_ms = c->wall_ms - c->app->keep;
}

static void on_expired(struct batch_core *c, const struct batch_event *e)
{
    c->expiring = false;
    c->expire_at = c->mono_ms + (!e->err && e->expired == BATCH_EXPIRE_ROWS ? 0 : EXPIRE_EVERY_MS);
    if (!e->err)
        c->status.expired += (int64_t)e->expired;
}

static void reload_step(struct batch_core *c)
{
    if (!c->wanted_version || c->loading_app || c->mono_ms < c->reload_at)
        return;
    c->loading_app = true;
    c->wanted_version = 0; /* one that comes meanwhile is asked for after this one */
    batch_add_effect(c, BATCH_LOAD_APP);
}

static bool stale_answer(const struct batch_core *c, const struct batch_event *e)
{
    return (e->kind == BATCH_LOADED || e->kind == BATCH_CONNECTED) && e->op != c->waiting_op;
}

static void handle(struct batch_core *c, const struct batch_event *e)
{
    switch (e->kind) {
    case BATCH_START:
        ask(c, BATCH_LOAD, CORE_LOADING);
        break;
    case BATCH_LOADED:
        on_loaded(c, e);
        break;
    case BATCH_APP:
        on_app(c, e);
        break;
    case BATCH_CONNECTED:
        on_connected(c, e);
        break;
    case BATCH_LOST:
        c->waiting_op = 0;
        reconnect(c, e->err);
        break;
    case BATCH_DELIVERY:
        if (c->state == CORE_RUNNING)
            ingest_delivery(c, &e->delivery);
        break;
    case BATCH_CONFIRM:
        on_confirm(c, e);
        break;
    case BATCH_RETURNED:
        on_returned(c);
        break;
    case BATCH_BLOCKED:
        on_blocked(c, e);
        break;
    case BATCH_STORED:
        ingest_stored(c, e);
        break;
    case BATCH_INSERTED:
    case BATCH_PREPARED:
    case BATCH_UPDATED:
    case BATCH_QUERIED:
        runs_answer(c, e);
        break;
    case BATCH_LISTED:
        on_listed(c, e);
        break;
    case BATCH_EXPIRED:
        on_expired(c, e);
        break;
    case BATCH_TIMER:
        on_timer(c);
        break;
    case BATCH_RELOAD:
        c->wanted_version = 1;
        break;
    case BATCH_DRAIN:
        on_drain(c);
        break;
    }
}

/* An answer that nobody waits for any more: what the core would have taken goes. */
static void ignore(const struct batch_event *e)
{
    struct app *app = e->kind == BATCH_LOADED || e->kind == BATCH_APP ? e->loaded.app : NULL;
    app_free(&app);
}

void batch_core_step(struct batch_core *c, const struct batch_event *e)
{
    c->mono_ms = e->mono_ms;
    c->wall_ms = e->wall_ms;
    if (c->state == CORE_EXITED || stale_answer(c, e)) {
        ignore(e);
        return;
    }
    /* Whichever call of the store met it: trying again does not mend it. */
    if (e->kind != BATCH_LOST && e->err && e->err->code == ERR_DAMAGED) {
        batch_exit(c, EXIT_STOPPED, e->err->text);
        return;
    }
    handle(c, e);
    if (!c->app || c->state == CORE_EXITED)
        return;
    ingest_store(c);
    if (c->state == CORE_DRAINING) {
        drain_step(c);
        return;
    }
    reload_step(c);
    list_step(c);
    schedule_step(c);
    runs_step(c);
    expire_step(c);
    if (c->state == CORE_RUNNING && outbox_unsent(c->outbox))
        batch_add_effect(c, BATCH_SEND);
}

const struct outbox_message *batch_core_send(struct batch_core *c)
{
    bool ready = c->state == CORE_RUNNING && !c->blocked && outbox_in_flight_bytes(c->outbox) < REPORT_MESSAGE_MAX;
    return ready ? outbox_next(c->outbox) : NULL;
}

static int64_t earliest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t batch_core_wake(const struct batch_core *c)
{
    int64_t at = INT64_MAX;
    if (c->state == CORE_LOAD_WAIT || c->state == CORE_CONNECT_WAIT)
        at = c->retry_at;
    if (!c->app)
        return at;
    if (c->state == CORE_DRAINING)
        return earliest(c->drain_by, ingest_wake(c));
    at = earliest(at, earliest(ingest_wake(c), runs_wake(c)));
    at = earliest(at, c->schedule_at);
    if (c->wanted_version && !c->loading_app)
        at = earliest(at, c->reload_at);
    if (c->list_needed && !c->listing)
        at = earliest(at, c->list_at);
    return c->expiring ? at : earliest(at, c->expire_at);
}

static enum page_state page_state_of(const struct batch_core *c)
{
    switch (c->state) {
    case CORE_IDLE:
    case CORE_LOADING:
        return PAGE_STARTING;
    case CORE_RUNNING:
        return c->blocked || c->store_retry_at ? PAGE_PAUSED : PAGE_READY;
    case CORE_DRAINING:
    case CORE_EXITED:
        return PAGE_DRAINING;
    default:
        return c->words[0] ? PAGE_WAITING : PAGE_STARTING;
    }
}

void batch_core_status(const struct batch_core *c, struct batch_status *s)
{
    *s = c->status;
    s->state = page_state_of(c);
    snprintf(s->words, sizeof s->words, "%s", c->words);
    s->connected = c->connected;
    s->stored_number = c->source.number;
    s->runs_pending = (int64_t)c->run_count;
}

const struct app *batch_core_app(const struct batch_core *c)
{
    return c->app;
}

const struct batch_job_count *batch_core_job_count(const struct batch_core *c, const char *job)
{
    for (size_t i = 0; i < c->job_count; i++)
        if (strcmp(c->jobs[i].name, job) == 0)
            return &c->jobs[i].count;
    return NULL;
}
