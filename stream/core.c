/* The states of the stream worker. */
#include "stream/core_private.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct stream_core *stream_core_new(const struct stream_options *o)
{
    struct stream_core *c = mem_zero(1, sizeof *c);
    c->options = *o;
    snprintf(c->tenant, sizeof c->tenant, "%s", o->tenant);
    c->options.tenant = c->tenant;
    name_user_worker(c->worker_user, c->tenant);
    name_exchange_in(c->in_exchange, c->tenant);
    c->outbox = outbox_new();
    c->offset = c->to_offset = -1;
    c->status.lost.to = -1;
    c->retry_ms = RETRY_FIRST_MS;
    return c;
}

static void free_held(struct stream_core *c)
{
    for (size_t i = 0; i < c->held_count; i++)
        free(c->held[i].block);
    c->held_count = c->held_bytes = 0;
}

void stream_core_free(struct stream_core **core)
{
    struct stream_core *c = *core;
    if (!c)
        return;
    free_held(c);
    free(c->held);
    left_out_free(&c->left_out);
    free(c->effects.list);
    buf_free(&c->snapshot);
    buf_free(&c->info);
    buf_free(&c->scratch);
    number_set_free(&c->known_results);
    number_set_free(&c->known_dead);
    engine_free(&c->engine);
    outbox_free(&c->outbox);
    free(c);
    *core = NULL;
}

/* ---- effects ---- */

struct stream_effect *core_effect(struct stream_core *c, enum stream_effect_kind kind)
{
    struct effect_queue *q = &c->effects;
    if (q->head == q->count)
        q->head = q->count = 0;
    if (q->count == q->cap) {
        q->cap = q->cap ? q->cap * 2 : 16;
        q->list = mem_resize(q->list, q->cap, sizeof *q->list);
    }
    struct stream_effect *e = &q->list[q->count++];
    *e = (struct stream_effect){.kind = kind, .op = ++c->next_op};
    return e;
}

bool stream_core_effect(struct stream_core *c, struct stream_effect *effect)
{
    if (c->effects.head == c->effects.count)
        return false;
    *effect = c->effects.list[c->effects.head++];
    return true;
}

/* An effect whose answer the present state waits for. */
static struct stream_effect *ask(struct stream_core *c, enum stream_effect_kind kind, enum core_state state)
{
    struct stream_effect *e = core_effect(c, kind);
    c->waiting_op = e->op;
    c->state = state;
    return e;
}

void core_say(struct stream_core *c, const char *words)
{
    snprintf(c->words, sizeof c->words, "%.*s", (int)sizeof c->words - 1, words);
}

void core_exit(struct stream_core *c, enum child_exit code, const char *words)
{
    if (c->state == CORE_EXITED)
        return;
    c->state = CORE_EXITED;
    core_say(c, words);
    struct stream_effect *e = core_effect(c, STREAM_EXIT);
    e->code = code;
    e->words = c->words;
}

/* ---- starting, retrying ---- */

static void load(struct stream_core *c)
{
    ask(c, STREAM_LOAD, CORE_LOADING);
}

static void connect_now(struct stream_core *c)
{
    ask(c, STREAM_CONNECT, CORE_CONNECTING);
}

static void retry_later(struct stream_core *c, enum core_state state, const char *words)
{
    c->state = state;
    c->retry_at = c->mono_ms + c->retry_ms;
    c->retry_ms = c->retry_ms * 2 < RETRY_MAX_MS ? c->retry_ms * 2 : RETRY_MAX_MS;
    core_say(c, words);
}

void core_reconnect(struct stream_core *c, const struct err *err)
{
    free_held(c);
    outbox_unsend(c->outbox);
    c->unacked = 0;
    c->blocked = c->tick_pending = false;
    if (c->status.connected && c->mono_ms - c->connected_at >= STEADY_MS)
        c->retry_ms = RETRY_FIRST_MS;
    c->status.connected = false;
    c->status.reconnects++;
    core_say(c, err->text);
    core_effect(c, STREAM_DISCONNECT)->words = c->words;
    if (err->code == ERR_DENIED)
        c->retry_ms = RETRY_MAX_MS;
    if (c->state != CORE_DRAINING)
        retry_later(c, CORE_CONNECT_WAIT, err->text);
}

/* A message that the client library cannot take apart (a malformed header table) would be met again with each
 * connection: after some tries it is passed over. It is in no state of the engine, so a replay passes over it too. */
static void note_unreadable(struct stream_core *c)
{
    if (c->unreadable_after != c->offset)
        c->unreadable_tries = 0;
    c->unreadable_after = c->offset;
    if (++c->unreadable_tries < UNREADABLE_TRIES)
        return;
    c->unreadable_tries = 0;
    c->skipped++;
    c->status.unreadable++;
    c->status.unreadable_offset = c->offset + c->skipped;
}

static void on_lost(struct stream_core *c, const struct stream_event *e)
{
    if (!c->engine) /* still loading: there is no connection that could be lost */
        return;
    if (e->err->code == ERR_INVALID && c->state == CORE_RUNNING && c->held_count == 0)
        note_unreadable(c);
    c->waiting_op = 0;
    core_reconnect(c, e->err);
}

static void on_start(struct stream_core *c, const struct stream_event *e)
{
    c->quiet_base = e->wall_ms - e->mono_ms;
    c->ask_stored_at = e->mono_ms;
    load(c);
}

static void load_failed(struct stream_core *c, const struct err *err)
{
    switch (err->code) {
    case ERR_FENCED:
        core_exit(c, EXIT_SUPERSEDED, err->text);
        return;
    case ERR_INVALID:
    case ERR_DAMAGED:
    case ERR_NOT_FOUND:
        core_exit(c, EXIT_STOPPED, err->text);
        return;
    default:
        retry_later(c, CORE_LOAD_WAIT, err->text);
    }
}

static void on_loaded(struct stream_core *c, const struct stream_event *e)
{
    struct err err = {0};
    if (e->err) {
        load_failed(c, e->err);
        return;
    }
    const struct beginning b = {.tenant = c->tenant,
                                .generation = c->options.generation,
                                .state = e->loaded.state,
                                .app_text = e->loaded.app_text,
                                .rewind = e->loaded.rewind,
                                .begins = e->loaded.begins};
    if (begin_engine(&b, &c->engine, &c->to_offset, &err) < 0) {
        core_exit(c, e->loaded.state.p ? EXIT_STOPPED : EXIT_CONFIG, err.text);
        return;
    }
    left_out_take(&c->left_out, e->loaded.skips, e->loaded.skip_count, e->loaded.log_generation);
    c->dirty = e->loaded.begins;
    c->kept_day = e->loaded.kept_ms == INT64_MIN ? -1 : e->loaded.kept_ms / DAY_MS;
    c->restored = e->loaded.restored;
    c->epoch = e->loaded.epoch;
    c->offset = e->loaded.head.offset;
    c->hash = e->loaded.head.hash;
    c->tail_base_ms = e->loaded.head.saved_ms;
    c->tail_since_ms = c->tail_base_ms - TAIL_MARGIN_MS;
    c->status.epoch = (int64_t)c->epoch;
    c->retry_ms = RETRY_FIRST_MS;
    core_sample_at_load(c, e->loaded.head.saved_ms);
    connect_now(c);
}

static void on_connected(struct stream_core *c, const struct stream_event *e)
{
    if (e->err) {
        core_reconnect(c, e->err);
        return;
    }
    ask(c, STREAM_CHECK, CORE_CHECKING)->save.epoch = c->epoch;
}

static void on_checked(struct stream_core *c, const struct stream_event *e)
{
    if (e->err && e->err->code == ERR_FENCED) {
        core_exit(c, EXIT_SUPERSEDED, e->err->text);
        return;
    }
    if (e->err) {
        core_reconnect(c, e->err);
        return;
    }
    struct stream_effect *tail = ask(c, STREAM_READ_TAIL, CORE_TAIL_RESULTS);
    tail->exchange = EXCHANGE_RESULTS;
    tail->since_ms = c->tail_since_ms;
}

/* What is in the queue already is not published again: the engine gives the same numbers in a replay. */
static void settle_published(struct stream_core *c, enum outbox_kind kind, const struct stream_event *e)
{
    struct number_set *known = kind == OUT_RESULT ? &c->known_results : &c->known_dead;
    struct engine_info info;
    engine_info(c->engine, &info);
    uint64_t given = kind == OUT_RESULT ? info.result_number : info.dead_number;
    for (size_t i = 0; i < e->tail.count; i++) {
        if (outbox_settle(c->outbox, kind, e->tail.numbers[i]))
            c->status.already_published++;
        if ((uint64_t)e->tail.numbers[i] > given)
            number_set_add(known, e->tail.numbers[i]);
    }
}

static void attach(struct stream_core *c)
{
    struct stream_effect *e = core_effect(c, STREAM_CONSUME);
    e->offset = c->skipped ? c->offset + 1 + c->skipped : c->offset;
    c->state = c->offset < 0 || c->skipped ? CORE_RUNNING : CORE_ATTACHING;
    c->attach_by = c->mono_ms + ATTACH_LIMIT_MS;
    c->last_delivery = c->mono_ms;
    c->next_checkpoint = c->mono_ms + c->options.checkpoint_interval_ms;
    c->status.connected = true;
    c->connected_at = c->mono_ms;
    core_say(c, "");
    core_effect(c, STREAM_SEND);
}

static void on_tail(struct stream_core *c, const struct stream_event *e)
{
    if (e->err) {
        core_reconnect(c, e->err);
        return;
    }
    if (c->state == CORE_TAIL_DEAD) {
        settle_published(c, OUT_DEAD, e);
        attach(c);
        return;
    }
    settle_published(c, OUT_RESULT, e);
    struct stream_effect *tail = ask(c, STREAM_READ_TAIL, CORE_TAIL_DEAD);
    tail->exchange = EXCHANGE_DEAD;
    tail->since_ms = c->tail_since_ms;
}

/* ---- reading ---- */

bool core_holds(const struct stream_core *c)
{
    return c->blocked || c->hold_unstored || c->skipping || c->mono_ms < c->skip_retry_at ||
           outbox_bytes(c->outbox) > OUTBOX_HOLD_BYTES;
}

/* What is held waits for something else than more of the log. */
bool stream_core_full(const struct stream_core *c)
{
    return c->held_bytes > OUTBOX_HOLD_BYTES || outbox_bytes(c->outbox) > OUTBOX_HOLD_BYTES;
}

static char *copy_bytes(struct bytes *b, char *to)
{
    if (!b->p)
        return to;
    memcpy(to, b->p, b->len);
    b->p = to;
    return to + b->len;
}

static void hold(struct stream_core *c, const struct stream_event *e)
{
    if (c->held_count == c->held_cap) {
        c->held_cap = c->held_cap ? c->held_cap * 2 : 64;
        c->held = mem_resize(c->held, c->held_cap, sizeof *c->held);
    }
    struct held_delivery *h = &c->held[c->held_count++];
    h->message = e->delivery.message;
    h->tag = e->delivery.tag;
    struct engine_message *m = &h->message;
    c->held_bytes += m->body.len;
    h->block = mem_alloc(m->body.len + m->message_id.len + m->type.len + m->user_id.len);
    copy_bytes(&m->user_id, copy_bytes(&m->type, copy_bytes(&m->message_id, copy_bytes(&m->body, h->block))));
}

static void acknowledge(struct stream_core *c, uint64_t tag)
{
    c->unacked++;
    if (c->unacked * 2 < c->options.prefetch)
        return;
    core_effect(c, STREAM_ACK)->tag = tag;
    c->unacked = 0;
}

static void read_message(struct stream_core *c, const struct engine_message *m)
{
    int64_t offset = (int64_t)m->offset;
    if (c->options.in_message)
        atomic_store_explicit(c->options.in_message, offset, memory_order_relaxed);
    begin_pass(c->engine, &c->to_offset, offset);
    switch (left_out_how(&c->left_out, offset)) {
    case LEFT_OUT_NOT:
        core_read(c, m);
        break;
    case LEFT_OUT_SET_ASIDE:
        core_set_aside(c, m);
        break;
    case LEFT_OUT_SILENTLY:
        break;
    }
    c->offset = offset;
    c->skipped = 0;
    c->hash = hash_message(m->body.p, m->body.len);
    c->dirty = true;
    if (c->options.in_message)
        atomic_store_explicit(c->options.in_message, -1, memory_order_relaxed);
}

/* false: it must be held. */
static bool read_delivery(struct stream_core *c, const struct engine_message *m, uint64_t tag)
{
    enum guard guard = core_guard(c, m);
    if (guard == GUARD_HOLD)
        return false;
    if (guard == GUARD_READ)
        read_message(c, m);
    acknowledge(c, tag);
    return true;
}

static void read_held(struct stream_core *c)
{
    size_t done = 0;
    if (!c->held_count)
        return;
    while (done < c->held_count && !core_holds(c) && read_delivery(c, &c->held[done].message, c->held[done].tag)) {
        c->held_bytes -= c->held[done].message.body.len;
        free(c->held[done++].block);
    }
    memmove(c->held, c->held + done, (c->held_count - done) * sizeof *c->held);
    c->held_count -= done;
}

static bool reading(const struct stream_core *c)
{
    return c->state == CORE_RUNNING || c->state == CORE_ATTACHING;
}

static void on_delivery(struct stream_core *c, const struct stream_event *e)
{
    if (!reading(c))
        return;
    c->last_delivery = c->mono_ms;
    c->tick_pending = false;
    if (core_holds(c) || c->held_count || !read_delivery(c, &e->delivery.message, e->delivery.tag))
        hold(c, e);
}

/* ---- the broker's words ---- */

static void on_confirm(struct stream_core *c, const struct stream_event *e)
{
    bool nacked;
    struct err err;
    if (!c->status.connected) /* still read from the connection that was given up: nothing of it counts */
        return;
    if (!outbox_confirm(c->outbox, e->confirm.tag, e->confirm.multiple, e->confirm.ack, &nacked)) {
        err_set(&err, ERR_UNAVAILABLE, "broker: a confirm for a message never sent");
        core_reconnect(c, &err);
    } else if (nacked) {
        err_set(&err, ERR_UNAVAILABLE, "broker: it refused a message (nack)");
        core_reconnect(c, &err);
    }
}

static void on_returned(struct stream_core *c, const struct stream_event *e)
{
    struct err err;
    if (!c->status.connected)
        return;
    err_set(&err, ERR_UNAVAILABLE, "broker: no queue takes %s of exchange %s: are the tenant's broker objects there?",
            e->returned.key, e->returned.exchange);
    core_reconnect(c, &err);
}

static void on_blocked(struct stream_core *c, const struct stream_event *e)
{
    c->blocked = e->blocked.flag;
    char words[PAGE_WORDS];
    snprintf(words, sizeof words, "the broker blocks publishers: %s", e->blocked.reason);
    core_say(c, c->blocked ? words : "");
}

/* ---- time ---- */

int64_t core_quiet_now(const struct stream_core *c)
{
    return c->quiet_base + c->mono_ms;
}

bool core_at_end(const struct stream_core *c)
{
    return c->state == CORE_RUNNING && c->held_count == 0 && !stream_core_full(c) &&
           c->mono_ms - c->last_delivery >= SETTLE_MS;
}

static void on_timer(struct stream_core *c)
{
    struct err err;
    if (c->state == CORE_LOAD_WAIT && c->mono_ms >= c->retry_at)
        load(c);
    else if (c->state == CORE_CONNECT_WAIT && c->mono_ms >= c->retry_at)
        connect_now(c);
    else if (c->state == CORE_ATTACHING && c->mono_ms >= c->attach_by && !c->held_count) {
        core_beyond_tail(c);
    } else if (c->state == CORE_DRAINING && c->mono_ms >= c->drain_by) {
        err_set(&err, ERR_TIMEOUT, "drained without a last checkpoint: not all was confirmed in time");
        core_exit(c, EXIT_DONE, err.text);
    }
    if (c->state == CORE_RUNNING)
        core_tick(c);
}

static void on_drain(struct stream_core *c)
{
    if (c->state == CORE_DRAINING || c->state == CORE_EXITED)
        return;
    if (!reading(c)) {
        core_exit(c, EXIT_DONE, "drained");
        return;
    }
    free_held(c);
    c->state = CORE_DRAINING;
    c->drain_by = c->mono_ms + DRAIN_LIMIT_MS;
    c->next_checkpoint = c->mono_ms;
}

/* ---- the step ---- */

static bool stale_answer(const struct stream_core *c, const struct stream_event *e)
{
    bool answers = e->kind == STREAM_LOADED || e->kind == STREAM_CONNECTED || e->kind == STREAM_CHECKED ||
                   e->kind == STREAM_TAIL_READ;
    return answers && e->op != c->waiting_op;
}

static void handle(struct stream_core *c, const struct stream_event *e)
{
    switch (e->kind) {
    case STREAM_START:
        on_start(c, e);
        break;
    case STREAM_LOADED:
        on_loaded(c, e);
        break;
    case STREAM_CONNECTED:
        on_connected(c, e);
        break;
    case STREAM_CHECKED:
        on_checked(c, e);
        break;
    case STREAM_LOST:
        on_lost(c, e);
        break;
    case STREAM_TAIL_READ:
        on_tail(c, e);
        break;
    case STREAM_DELIVERY:
        on_delivery(c, e);
        break;
    case STREAM_CONFIRM:
        on_confirm(c, e);
        break;
    case STREAM_RETURNED:
        on_returned(c, e);
        break;
    case STREAM_BLOCKED:
        on_blocked(c, e);
        break;
    case STREAM_SAVED:
        core_saved(c, e);
        break;
    case STREAM_KEPT:
        core_kept(c, e);
        break;
    case STREAM_SKIPPED:
        core_skipped(c, e);
        break;
    case STREAM_STORED:
        core_stored(c, e);
        break;
    case STREAM_TIMER:
        on_timer(c);
        break;
    case STREAM_DRAIN:
        on_drain(c);
        break;
    }
}

void stream_core_step(struct stream_core *c, const struct stream_event *e)
{
    c->mono_ms = e->mono_ms;
    c->wall_ms = e->wall_ms;
    if (stream_core_full(c)) /* the log may go on behind what is taken */
        c->last_delivery = c->mono_ms;
    if (c->state == CORE_EXITED || stale_answer(c, e))
        return;
    handle(c, e);
    if (reading(c)) /* while attaching too: reading may wait for just that */
        core_ask_stored(c);
    if (reading(c))
        read_held(c);
    if (c->state == CORE_RUNNING || c->state == CORE_DRAINING)
        core_checkpoint(c);
    if (outbox_unsent(c->outbox) && c->status.connected && c->state != CORE_EXITED)
        core_effect(c, STREAM_SEND);
}

const struct outbox_message *stream_core_send(struct stream_core *c)
{
    bool sending = reading(c) || c->state == CORE_DRAINING;
    if (!sending || c->blocked || !c->status.connected || outbox_in_flight(c->outbox) >= IN_FLIGHT_MAX ||
        outbox_in_flight_bytes(c->outbox) >= IN_FLIGHT_BYTES)
        return NULL;
    return outbox_next(c->outbox);
}
