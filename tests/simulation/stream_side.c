/* The stream worker's effects, carried out in the world. */
#include "tests/simulation/private.h"

#include "base/mem.h"
#include "base/wire/control.h"
#include "base/wire/names.h"

#include <stdlib.h>
#include <string.h>

static int64_t offset_of(const struct worker *k)
{
    struct stream_status s;
    stream_core_status(k->stream, &s);
    return s.offset;
}

static void step(struct world *w, struct worker *k, struct stream_event *e)
{
    int64_t poison = w->poison.offset;
    bool deadly = poison >= 0 && !k->warned && w->log.at[poison].state == ENTRY_READY && offset_of(k) < poison;
    e->mono_ms = w->mono;
    e->wall_ms = w->wall;
    stream_core_step(k->stream, e);
    k->doomed = k->doomed || (deadly && offset_of(k) >= poison);
}

static void begin(struct world *w, struct worker *k)
{
    k->alone = w->poison.deaths >= 2 && !w->poison.done;
    const struct stream_options o = {.tenant = TENANT,
                                     .generation = k->generation,
                                     .checkpoint_interval_ms = 1000,
                                     .retention_results_ms = w->retention,
                                     .retention_events_ms = INT64_C(604800000),
                                     .alone = k->alone ? w->poison.offset : -1,
                                     .skip = w->skip,
                                     .prefetch = PREFETCH};
    struct stream_event e = {.kind = STREAM_START};
    k->stream = stream_core_new(&o);
    step(w, k, &e);
}

static void end(struct worker *k)
{
    stream_core_free(&k->stream);
}

static void tell(struct world *w, struct worker *k, const struct word *word)
{
    static const enum stream_event_kind kinds[] = {
        [WORD_LOST] = STREAM_LOST,       [WORD_CONFIRM] = STREAM_CONFIRM, [WORD_RETURNED] = STREAM_RETURNED,
        [WORD_BLOCKED] = STREAM_BLOCKED, [WORD_TIMER] = STREAM_TIMER,     [WORD_DRAIN] = STREAM_DRAIN};
    struct stream_event e = {.kind = kinds[word->kind], .err = word->err};
    if (word->kind == WORD_CONFIRM) {
        e.confirm.tag = word->tag;
        e.confirm.multiple = word->multiple;
        e.confirm.ack = word->ack;
    } else if (word->kind == WORD_RETURNED) {
        e.returned.exchange = word->exchange;
        e.returned.key = TENANT;
    } else if (word->kind == WORD_BLOCKED) {
        e.blocked.flag = word->flag;
        e.blocked.reason = "low on memory";
    }
    step(w, k, &e);
}

static struct bytes bytes_of(const char *text)
{
    return (struct bytes){text, text ? strlen(text) : 0};
}

/* How long a message waited before a worker saw it for the first time. */
static void note_delay(struct world *w, int64_t position, int64_t published)
{
    if (position <= w->seen)
        return;
    w->seen = position;
    if (w->wall - published > w->longest_delay)
        w->longest_delay = w->wall - published;
}

static void deliver(struct world *w, struct worker *k)
{
    struct link *l = &k->link;
    for (uint64_t chunk = 1 + below(w, 6); chunk > 0 && broker_may_deliver(l) && !k->doomed; chunk--) {
        while (l->position < (int64_t)w->log.count && w->log.at[l->position].state != ENTRY_READY)
            l->position++;
        if (l->position >= (int64_t)w->log.count)
            return;
        const struct entry *m = &w->log.at[l->position];
        struct stream_event e = {.kind = STREAM_DELIVERY};
        e.delivery.message = (struct engine_message){.offset = (uint64_t)l->position,
                                                     .body = {m->body, m->len},
                                                     .message_id = bytes_of(m->id),
                                                     .type = bytes_of(m->type),
                                                     .user_id = bytes_of(m->user)};
        e.delivery.tag = broker_delivered(l);
        note_delay(w, l->position - 1, m->wall_ms);
        step(w, k, &e);
    }
}

/* ---- the broker ---- */

static void do_connect(struct world *w, struct worker *k, uint64_t op)
{
    struct err err;
    struct stream_event e = {.kind = STREAM_CONNECTED, .op = op};
    if (!broker_connect(w, k))
        e.err = (err_set(&err, ERR_UNAVAILABLE, "no broker, or the lock is taken"), &err);
    step(w, k, &e);
}

static void leave_marker(struct world *w, struct list *queue)
{
    const struct entry marker = {.body = "{}",
                                 .len = 2,
                                 .id = "start",
                                 .type = CONTROL_START,
                                 .user = WORKER_USER,
                                 .number = -1,
                                 .generation = -1,
                                 .wall_ms = w->wall};
    list_add(queue, &marker);
}

static void do_read_tail(struct world *w, struct worker *k, uint64_t op, const char *exchange, int64_t since_ms)
{
    struct list *queue = strcmp(exchange, EXCHANGE_RESULTS) == 0 ? &w->results : &w->dead;
    int64_t *numbers = mem_alloc((queue->count + 1) * sizeof *numbers);
    struct err err;
    struct stream_event e = {.kind = STREAM_TAIL_READ, .op = op};
    bool blind = w->sabotage == SABOTAGE_BLIND_TAIL;
    for (size_t i = 0; i < queue->count && !blind; i++) {
        const struct entry *m = &queue->at[i];
        if (m->wall_ms >= since_ms && m->number > 0 && m->generation == (int64_t)k->generation &&
            entry_is_from(m, WORKER_USER))
            numbers[e.tail.count++] = m->number;
    }
    e.tail.numbers = numbers;
    if (!k->link.open || fault(w, FAULT_TAIL))
        e.err = (err_set(&err, ERR_UNAVAILABLE, "the tail could not be read"), &err);
    leave_marker(w, queue);
    step(w, k, &e);
    free(numbers);
}

static void do_consume(struct worker *k, int64_t offset)
{
    if (k->link.open)
        k->link.position = offset < 0 ? 0 : offset;
}

/* ---- the store ---- */

static struct bytes text_of_version(const struct world *w, uint32_t version)
{
    const struct buf *text = &w->versions[version - 1].text;
    return (struct bytes){text->data, text->len};
}

/* What a rewind begins with: a kept checkpoint, or the beginning of the log. */
static void load_base(const struct world *w, struct stream_event *e, struct buf *state)
{
    const struct rewind_row *r = &w->rewind;
    e->loaded.begins = true;
    e->loaded.app_text = text_of_version(w, r->version);
    e->loaded.head = (struct stream_head){.offset = -1};
    for (size_t i = 0; i < w->store.kept_count && r->base_number; i++) {
        const struct kept *kept = &w->store.kept[i];
        if (kept->number != r->base_number)
            continue;
        e->loaded.head = kept->head;
        buf_add(state, kept->state.data, kept->state.len);
        e->loaded.state = (struct bytes){state->data, state->len};
    }
    e->loaded.head.saved_ms = r->at_ms;
}

static enum err_code set_aside(struct world *w, struct worker *k)
{
    const struct skip_row row = {.generation = k->generation,
                                 .from = w->poison.offset,
                                 .to = w->poison.offset,
                                 .reason = SKIP_POISON,
                                 .at_ms = w->wall};
    enum err_code code = w->poison.wanted ? store_skip(w, &row) : ERR_NONE;
    if (w->poison.wanted && code == ERR_NONE) {
        w->poison.wanted = false;
        w->poison.done = true;
    }
    k->warned = w->poison.done;
    return code;
}

static void load_state(const struct world *w, const struct worker *k, struct stream_event *e, struct buf *state)
{
    const struct store *s = &w->store;
    bool rewound = w->rewind.generation == k->generation;
    e->loaded.epoch = s->epoch;
    e->loaded.head = s->head;
    e->loaded.skips = s->skips;
    e->loaded.skip_count = s->skip_count;
    e->loaded.log_generation = 1;
    e->loaded.kept_ms = INT64_MIN;
    for (size_t i = 0; i < s->kept_count; i++)
        if (s->kept[i].generation == k->generation)
            e->loaded.kept_ms = s->kept[i].head.saved_ms;
    e->loaded.rewind = rewound ? &w->rewind : NULL;
    if (s->there) {
        buf_add(state, s->state.data, s->state.len);
        e->loaded.state = (struct bytes){state->data, state->len};
    } else if (rewound) {
        load_base(w, e, state);
    } else {
        e->loaded.app_text = text_of_version(w, 1);
    }
}

static void do_load(struct world *w, struct worker *k, uint64_t op)
{
    struct err err;
    struct buf state = {0};
    struct stream_event e = {.kind = STREAM_LOADED, .op = op};
    if (!store_raise_checkpoint(&w->store, k->generation)) /* raised before it is read, also when the answer is lost */
        e.err = (err_set(&err, ERR_FENCED, "a higher generation is there"), &err);
    else if (store_is_unreadable(w) || set_aside(w, k) != ERR_NONE)
        e.err = (err_set(&err, ERR_UNAVAILABLE, "the store is away"), &err);
    else
        load_state(w, k, &e, &state);
    step(w, k, &e);
    buf_free(&state);
}

static enum err_code change(struct world *w, struct worker *k, const struct stream_effect *e)
{
    switch (e->kind) {
    case STREAM_SAVE:
        return store_save(w, k, e);
    case STREAM_CHECK:
        return store_check(w, k, e->save.epoch);
    case STREAM_KEEP:
        return store_keep(w, k, e->save.epoch);
    case STREAM_SKIP:
        return store_skip(w, &e->skip);
    default:
        return ERR_NONE;
    }
}

static void answer_with(struct world *w, struct worker *k, enum stream_event_kind kind, const struct late *l)
{
    struct err err;
    enum err_code code = l->is_open ? change(w, k, &l->open) : l->code;
    struct stream_event e = {.kind = kind, .op = l->op};
    if (code != ERR_NONE)
        e.err = (err_set(&err, code, "%s", err_code_name(code)), &err);
    step(w, k, &e);
}

static void do_ask_stored(struct world *w, struct worker *k, uint64_t op)
{
    struct err err;
    struct stream_event e = {.kind = STREAM_STORED, .op = op};
    e.stored.generation = w->store.source.generation;
    e.stored.number = w->store.source.number;
    if (store_is_unreadable(w))
        e.err = (err_set(&err, ERR_UNAVAILABLE, "the store is away"), &err);
    step(w, k, &e);
}

/* ---- effects ---- */

static void answer(struct world *w, struct worker *k, struct late *l)
{
    switch ((enum stream_effect_kind)l->kind) {
    case STREAM_LOAD:
        do_load(w, k, l->op);
        break;
    case STREAM_CONNECT:
        do_connect(w, k, l->op);
        break;
    case STREAM_READ_TAIL:
        do_read_tail(w, k, l->op, l->exchange, l->offset);
        break;
    case STREAM_SAVE:
        answer_with(w, k, STREAM_SAVED, l);
        break;
    case STREAM_CHECK:
        answer_with(w, k, STREAM_CHECKED, l);
        break;
    case STREAM_KEEP:
        answer_with(w, k, STREAM_KEPT, l);
        break;
    case STREAM_SKIP:
        answer_with(w, k, STREAM_SKIPPED, l);
        break;
    case STREAM_ASK_STORED:
        do_ask_stored(w, k, l->op);
        break;
    default:
        break;
    }
}

/* What is answered: now, or later. What is to change in the store then changes now, or shortly before the answer. */
static void ask(struct world *w, struct worker *k, const struct stream_effect *e)
{
    struct late now = {.kind = (int)e->kind, .op = e->op};
    struct late *l = life_postpone(w, k, (int)e->kind, e->op);
    bool later = l && one_in(w, 2);
    if (!l)
        l = &now;
    l->exchange = e->exchange;
    l->offset = e->since_ms;
    l->open = *e;
    l->is_open = later;
    if (!later)
        l->code = change(w, k, e);
    note(w, k, "  %s%s", l->code ? err_code_name(l->code) : "", l == &now ? "" : ", to be answered later");
    if (l == &now)
        answer(w, k, &now);
}

static const char *const effect_names[] = {
    [STREAM_LOAD] = "load",      [STREAM_CONNECT] = "connect", [STREAM_DISCONNECT] = "disconnect",
    [STREAM_READ_TAIL] = "tail", [STREAM_CONSUME] = "consume", [STREAM_ACK] = "ack",
    [STREAM_SEND] = "send",      [STREAM_SAVE] = "save",       [STREAM_ASK_STORED] = "ask stored",
    [STREAM_KEEP] = "keep",      [STREAM_CHECK] = "check",     [STREAM_SKIP] = "skip",
    [STREAM_EXIT] = "exit"};

static bool act(struct world *w, struct worker *k)
{
    struct stream_effect e;
    if (!stream_core_effect(k->stream, &e))
        return false;
    note(w, k, "%s", effect_names[e.kind]);
    switch (e.kind) {
    case STREAM_LOAD:
    case STREAM_CONNECT:
    case STREAM_READ_TAIL:
    case STREAM_SAVE:
    case STREAM_CHECK:
    case STREAM_KEEP:
    case STREAM_SKIP:
    case STREAM_ASK_STORED:
        ask(w, k, &e);
        break;
    case STREAM_DISCONNECT:
        broker_close(w, k);
        break;
    case STREAM_CONSUME:
        do_consume(k, e.offset);
        break;
    case STREAM_ACK:
        broker_ack(w, k, e.tag, true);
        break;
    case STREAM_SEND:
        broker_send(w, k);
        break;
    case STREAM_EXIT:
        life_exit(w, k, e.code, e.words);
        break;
    }
    return true;
}

static const struct outbox_message *next_to_send(struct worker *k)
{
    return stream_core_send(k->stream);
}

static int64_t wake(const struct worker *k)
{
    return stream_core_wake(k->stream);
}

const struct side stream_side = {.name = "stream",
                                 .unlocked = SABOTAGE_NO_EPOCH,
                                 .begin = begin,
                                 .end = end,
                                 .tell = tell,
                                 .deliver = deliver,
                                 .act = act,
                                 .answer = answer,
                                 .send = next_to_send,
                                 .wake = wake};
