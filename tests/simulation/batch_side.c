/* The batch worker's effects, carried out in the world. */
#include "tests/simulation/private.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/wire/control.h"
#include "base/wire/names.h"

#include <stdlib.h>
#include <string.h>

static void step(struct world *w, struct worker *k, struct batch_event *e)
{
    e->mono_ms = w->mono;
    e->wall_ms = w->wall;
    batch_core_step(k->batch, e);
}

static void begin(struct world *w, struct worker *k)
{
    const struct batch_options o = {.tenant = TENANT, .generation = k->generation, .prefetch = PREFETCH};
    struct batch_event e = {.kind = BATCH_START};
    k->batch = batch_core_new(&o);
    step(w, k, &e);
}

static void end(struct worker *k)
{
    batch_core_free(&k->batch);
}

static void tell(struct world *w, struct worker *k, const struct word *word)
{
    static const enum batch_event_kind kinds[] = {
        [WORD_LOST] = BATCH_LOST,       [WORD_CONFIRM] = BATCH_CONFIRM, [WORD_RETURNED] = BATCH_RETURNED,
        [WORD_BLOCKED] = BATCH_BLOCKED, [WORD_TIMER] = BATCH_TIMER,     [WORD_DRAIN] = BATCH_DRAIN,
        [WORD_RELOAD] = BATCH_RELOAD};
    struct batch_event e = {.kind = kinds[word->kind], .err = word->err};
    if (word->kind == WORD_CONFIRM) {
        e.confirm.tag = word->tag;
        e.confirm.multiple = word->multiple;
        e.confirm.ack = word->ack;
    } else if (word->kind == WORD_BLOCKED) {
        e.blocked.flag = word->flag;
        e.blocked.reason = "low on memory";
    }
    step(w, k, &e);
}

/* ---- deliveries ---- */

static struct batch_text text_of(const char *text)
{
    return (struct batch_text){text, text ? strlen(text) : 0};
}

static void deliver_entry(struct world *w, struct worker *k, const struct entry *m, struct batch_delivery d)
{
    struct batch_event e = {.kind = BATCH_DELIVERY};
    d.trusted = entry_is_from(m, WORKER_USER) || (d.trigger && entry_is_from(m, USER_API));
    d.marker = m->type && strcmp(m->type, CONTROL_START) == 0;
    d.rewound = m->type && strcmp(m->type, CONTROL_REWOUND) == 0;
    d.first_offset = d.last_offset = -1;
    d.number = m->number;
    d.generation = m->generation;
    d.key = text_of(m->key);
    d.message_id = text_of(m->id);
    d.body = (struct batch_text){m->body, m->len};
    e.delivery = d;
    step(w, k, &e);
}

static void deliver_result(struct world *w, struct worker *k)
{
    struct link *l = &k->link;
    if (!broker_may_deliver(l) || l->position >= (int64_t)w->results.count)
        return;
    struct batch_delivery d = {.offset = l->position};
    d.tag = broker_delivered(l);
    deliver_entry(w, k, &w->results.at[d.offset], d);
}

static struct entry *next_trigger(struct world *w, uint64_t session)
{
    size_t out = 0;
    for (size_t i = 0; i < w->triggers.count && out < TRIGGERS_OUT; i++) {
        struct entry *e = &w->triggers.at[i];
        if (e->state == ENTRY_READY)
            return e;
        out += e->state == ENTRY_OUT && e->holder == session;
    }
    return NULL;
}

static void deliver_trigger(struct world *w, struct worker *k)
{
    struct entry *e = k->link.position >= 0 ? next_trigger(w, k->link.session) : NULL;
    if (!e)
        return;
    e->state = w->sabotage == SABOTAGE_TRIGGER_EARLY ? ENTRY_GONE : ENTRY_OUT;
    e->holder = k->link.session;
    e->tag = ++k->link.delivered;
    note(w, k, "is given trigger %s", e->id ? e->id : "of nobody");
    deliver_entry(w, k, e, (struct batch_delivery){.trigger = true, .tag = e->tag, .offset = -1});
}

static void deliver(struct world *w, struct worker *k)
{
    for (uint64_t chunk = 1 + below(w, 6); chunk > 0; chunk--) {
        if (one_in(w, 4))
            deliver_trigger(w, k);
        else
            deliver_result(w, k);
    }
}

/* ---- loading ---- */

static void add_app(struct world *w, struct batch_event *e, struct batch_anchor *anchors)
{
    e->loaded.version = (uint32_t)w->version_count;
    e->loaded.app = apps_load(&w->versions[w->version_count - 1]);
    e->loaded.anchors = anchors;
    e->loaded.anchor_count = e->loaded.app->job_count;
    for (size_t i = 0; i < e->loaded.anchor_count; i++) {
        anchors[i].job = e->loaded.app->jobs[i].name;
        anchors[i].last_to = store_last_scheduled(&w->store, anchors[i].job);
    }
}

static void add_pending(struct world *w, struct batch_event *e)
{
    struct store *s = &w->store;
    e->loaded.pending = mem_alloc((s->run_count + 1) * sizeof *e->loaded.pending);
    for (size_t i = 0; i < s->run_count; i++)
        if (run_is_pending(&s->runs[i].row))
            e->loaded.pending[e->loaded.pending_count++] = s->runs[i].row;
}

static void do_load(struct world *w, struct worker *k, uint64_t op, bool all)
{
    struct err err;
    struct batch_anchor anchors[8];
    struct batch_event e = {.kind = all ? BATCH_LOADED : BATCH_APP, .op = op};
    if (all &&
        !store_raise_history(&w->store, k->generation)) { /* raised before it is read, also when the answer is lost */
        e.err = (err_set(&err, ERR_FENCED, "a higher generation is there"), &err);
    } else if (store_is_unreadable(w)) {
        e.err = (err_set(&err, ERR_UNAVAILABLE, "the store is away"), &err);
    } else {
        add_app(w, &e, anchors);
    }
    if (all && !e.err) {
        e.loaded.source = w->store.source;
        add_pending(w, &e);
    }
    step(w, k, &e);
    free(e.loaded.pending);
}

static void do_list(struct world *w, struct worker *k, uint64_t op)
{
    struct err err;
    struct batch_event e = {.kind = BATCH_LISTED, .op = op};
    if (store_is_unreadable(w))
        e.err = (err_set(&err, ERR_UNAVAILABLE, "the store is away"), &err);
    else
        add_pending(w, &e);
    step(w, k, &e);
    free(e.loaded.pending);
}

/* ---- answers ---- */

static void do_connect(struct world *w, struct worker *k, const struct late *l)
{
    struct err err;
    struct batch_event e = {.kind = BATCH_CONNECTED, .op = l->op};
    if (broker_connect(w, k))
        k->link.position = l->offset < 0 ? 0 : l->offset;
    else
        e.err = (err_set(&err, ERR_UNAVAILABLE, "no broker, or the lock is taken"), &err);
    step(w, k, &e);
}

static void answer_with(struct world *w, struct worker *k, enum batch_event_kind kind, const struct late *l)
{
    struct err err;
    struct batch_event e = {.kind = kind, .op = l->op};
    if (l->code != ERR_NONE)
        e.err = (err_set(&err, l->code, "%s", err_code_name(l->code)), &err);
    if (kind == BATCH_INSERTED && !e.err) {
        e.inserted.fresh = l->inserted;
        e.inserted.known = &l->run;
    }
    step(w, k, &e);
}

static void read_info(const struct buf *info, const char *stream, struct batch_event *e)
{
    const char *streams, *one;
    size_t len, one_len;
    json_get_int(info->data, info->len, "result_number", &e->prepared.result_number);
    if (json_find(info->data, info->len, "streams", &streams, &len) == JSON_OBJECT &&
        json_find(streams, len, stream, &one, &one_len) == JSON_OBJECT)
        json_get_int(one, one_len, "complete_to", &e->prepared.complete_to);
}

static void do_prepare(struct world *w, struct worker *k, const struct late *l)
{
    struct err err;
    struct batch_event e = {.kind = BATCH_PREPARED, .op = l->op};
    const struct app *app = batch_core_app(k->batch);
    const char *stream = app->streams[app->jobs[0].stream].name;
    e.prepared.latest = store_latest(&w->store, stream);
    e.prepared.complete_to = INT64_MIN;
    e.prepared.result_number = -1;
    if (w->store.generation == k->generation)
        read_info(&w->store.info, stream, &e);
    if (store_is_unreadable(w))
        e.err = (err_set(&err, ERR_UNAVAILABLE, "the store is away"), &err);
    step(w, k, &e);
}

static void do_query(struct world *w, struct worker *k, struct late *l)
{
    struct err err;
    struct buf report = {0};
    struct batch_event e = {.kind = BATCH_QUERIED, .op = l->op};
    if (l->cancelled) {
        e.err = (err_set(&err, ERR_CONFLICT, "cancelled"), &err);
    } else if (store_is_unreadable(w)) {
        e.err = (err_set(&err, ERR_UNAVAILABLE, "the store is away"), &err);
    } else {
        store_query(&w->store, &w->versions[l->run.version - 1], &l->run, &report);
        e.queried.report = report.data;
        e.queried.len = report.len;
        e.queried.row_count = l->run.row_count;
    }
    step(w, k, &e);
    buf_free(&report);
}

static void do_fetch(struct world *w, struct worker *k, const struct late *l)
{
    struct err err;
    struct batch_event e = {.kind = BATCH_QUERIED, .op = l->op};
    const struct stored_run *r = store_run(&w->store, l->run.id);
    if (store_is_unreadable(w))
        e.err = (err_set(&err, ERR_UNAVAILABLE, "the store is away"), &err);
    else if (!r || !r->report)
        e.err = (err_set(&err, ERR_NOT_FOUND, "no report"), &err);
    else
        e.queried.report = r->report;
    e.queried.len = r ? r->len : 0;
    step(w, k, &e);
}

static void answer(struct world *w, struct worker *k, struct late *l)
{
    switch ((enum batch_effect_kind)l->kind) {
    case BATCH_LOAD:
    case BATCH_LOAD_APP:
        do_load(w, k, l->op, l->kind == BATCH_LOAD);
        break;
    case BATCH_LIST:
        do_list(w, k, l->op);
        break;
    case BATCH_CONNECT:
        do_connect(w, k, l);
        break;
    case BATCH_STORE:
        answer_with(w, k, BATCH_STORED, l);
        break;
    case BATCH_INSERT:
        answer_with(w, k, BATCH_INSERTED, l);
        break;
    case BATCH_UPDATE:
        answer_with(w, k, BATCH_UPDATED, l);
        break;
    case BATCH_EXPIRE:
        answer_with(w, k, BATCH_EXPIRED, l);
        break;
    case BATCH_PREPARE:
        do_prepare(w, k, l);
        break;
    case BATCH_QUERY:
        do_query(w, k, l);
        break;
    case BATCH_FETCH:
        do_fetch(w, k, l);
        break;
    default:
        break;
    }
}

/* ---- effects ---- */

/* The change happens now, whenever it is answered. */
static void change(struct world *w, const struct batch_effect *e, struct late *l)
{
    l->offset = e->offset;
    if (e->kind == BATCH_STORE)
        l->code = store_put(w, e);
    else if (e->kind == BATCH_INSERT)
        l->code = store_insert(w, e->run, &l->inserted, &l->run);
    else if (e->kind == BATCH_UPDATE)
        l->code = store_update(w, e);
    else if (e->run)
        run_row_copy(&l->run, e->run);
}

static void ask(struct world *w, struct worker *k, const struct batch_effect *e)
{
    struct late now = {.kind = (int)e->kind, .op = e->op};
    struct late *l = life_postpone(w, k, (int)e->kind, e->op);
    bool later = l != NULL;
    l = later ? l : &now;
    change(w, e, l);
    note(w, k, "  %s%s", l->code ? err_code_name(l->code) : "", later ? ", to be answered later" : "");
    if (later)
        return;
    answer(w, k, &now);
    run_row_free(&now.run);
}

static void cancel_query(struct worker *k)
{
    for (size_t i = 0; i < k->late_count; i++)
        if (k->late[i].kind == BATCH_QUERY)
            k->late[i].cancelled = true;
}

static const char *const effect_names[] = {[BATCH_LOAD] = "load",       [BATCH_LOAD_APP] = "load app",
                                           [BATCH_CONNECT] = "connect", [BATCH_DISCONNECT] = "disconnect",
                                           [BATCH_ACK] = "ack",         [BATCH_SEND] = "send",
                                           [BATCH_STORE] = "store",     [BATCH_INSERT] = "insert",
                                           [BATCH_PREPARE] = "prepare", [BATCH_UPDATE] = "update",
                                           [BATCH_QUERY] = "query",     [BATCH_FETCH] = "fetch",
                                           [BATCH_CANCEL] = "cancel",   [BATCH_EXPIRE] = "expire",
                                           [BATCH_LIST] = "list",       [BATCH_EXIT] = "exit"};

static bool act(struct world *w, struct worker *k)
{
    struct batch_effect e;
    if (!batch_core_effect(k->batch, &e))
        return false;
    note(w, k, "%s %s", effect_names[e.kind], e.run ? e.run->id : "");
    switch (e.kind) {
    case BATCH_DISCONNECT:
        broker_close(w, k);
        break;
    case BATCH_ACK:
        broker_ack(w, k, e.tag, e.multiple);
        break;
    case BATCH_SEND:
        broker_send(w, k);
        break;
    case BATCH_CANCEL:
        cancel_query(k);
        break;
    case BATCH_EXIT:
        life_exit(w, k, e.code, e.words);
        break;
    default:
        ask(w, k, &e);
    }
    return true;
}

static const struct outbox_message *next_to_send(struct worker *k)
{
    return batch_core_send(k->batch);
}

static int64_t wake(const struct worker *k)
{
    return batch_core_wake(k->batch);
}

const struct side batch_side = {.name = "batch",
                                .unlocked = SABOTAGE_NO_BATCH_EPOCH,
                                .begin = begin,
                                .end = end,
                                .tell = tell,
                                .deliver = deliver,
                                .act = act,
                                .answer = answer,
                                .send = next_to_send,
                                .wake = wake};
