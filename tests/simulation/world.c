#include "tests/simulation/world.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/wire/control.h"
#include "base/wire/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TENANT      "acme"
#define WORKERS     2
#define FAULT_STEPS 4000
#define PEACE_STEPS 60000
#define START_WALL  INT64_C(1767225600000)

static const char app_text[] = "tenant: acme\n"
                               "events:\n"
                               "  time: { field: t, format: unix, out_of_orderness: 3s, idle_after: 20s }\n"
                               "  fields: { k: int, v: int }\n"
                               "streams:\n"
                               "  - name: s\n"
                               "    where: v >= 0\n"
                               "    key: [k]\n"
                               "    window: { tumbling: 10s, allowed_lateness: 5s }\n"
                               "    select: { n: count(), total: sum(v) }\n"
                               "  - name: wide\n"
                               "    key: []\n"
                               "    window: { sliding: 20s, every: 10s }\n"
                               "    select: { n: count() }\n"
                               "triggers:\n"
                               "  - { name: many, on: s, when: n >= 3, run: j }\n"
                               "jobs:\n"
                               "  - { name: j, from: s, range: 1m, by: [k], select: { n: sum(n) } }\n";

struct entry { /* of the log, or of a queue */
    char *body, *id, *type, *user;
    size_t len;
    int64_t number, wall_ms;
    int kind;     /* enum outbox_kind */
    char *honest; /* of a tick that sabotage has changed: what it said; NULL = nothing was changed */
};

struct list {
    struct entry *at;
    size_t count, cap;
};

struct worker {
    struct stream_core *core; /* NULL: dead */
    bool frozen;              /* it is stopped, and may wake later */
    bool connected, lock;
    struct list transit;       /* sent on this connection; the broker has not looked at it yet */
    uint64_t taken, confirmed; /* tags */
    uint64_t waiting_tail;     /* op; 0 = none */
    int64_t position;          /* of its consumer in the log; -1 = does not consume */
    uint64_t delivered;        /* delivery tags */
    uint64_t save_op;
};

struct world {
    uint64_t random;
    enum sabotage sabotage;
    int64_t mono, wall;
    struct list log, results, dead, triggers;
    size_t to_produce;
    int64_t event_time;
    struct { /* the store */
        uint64_t epoch;
        bool there;
        struct stream_head head;
        struct buf state;
    } store;
    struct worker workers[WORKERS];
    bool faults;
    struct verdict *v;
};

/* ---- chance ---- */

static uint64_t next_random(struct world *w)
{
    w->random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = w->random;
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t below(struct world *w, uint64_t n)
{
    return next_random(w) % n;
}

static bool one_in(struct world *w, uint64_t n)
{
    return below(w, n) == 0;
}

static bool fault(struct world *w, uint64_t one_of)
{
    return w->faults && one_in(w, one_of);
}

/* ---- lists ---- */

static struct entry *append(struct list *l)
{
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->at = mem_resize(l->at, l->cap, sizeof *l->at);
    }
    struct entry *e = &l->at[l->count++];
    *e = (struct entry){0};
    return e;
}

static void copy_entry(struct list *to, const struct entry *from)
{
    struct entry *e = append(to);
    *e = *from;
    e->body = mem_strndup(from->body, from->len);
    e->id = mem_strdup(from->id);
    e->type = mem_strdup(from->type);
    e->user = mem_strdup(from->user);
    e->honest = mem_strdup(from->honest);
}

static void clear_list(struct list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->at[i].body);
        free(l->at[i].id);
        free(l->at[i].type);
        free(l->at[i].user);
        free(l->at[i].honest);
    }
    free(l->at);
    *l = (struct list){0};
}

/* ---- the producer ---- */

static void produce(struct world *w)
{
    char body[100];
    if (w->to_produce == 0)
        return;
    w->to_produce--;
    w->event_time += (int64_t)below(w, 5);
    int64_t t = w->event_time - (one_in(w, 4) ? (int64_t)below(w, 12) : 0);
    int len = one_in(w, 15) ? snprintf(body, sizeof body, "{\"broken\":")
                            : snprintf(body, sizeof body, "{\"t\":%" PRId64 ",\"k\":%d,\"v\":%d}", t, (int)below(w, 3),
                                       (int)below(w, 9) - 2);
    struct entry *e = append(&w->log);
    e->body = mem_strndup(body, (size_t)len);
    e->len = (size_t)len;
    if (one_in(w, 3))
        e->id = mem_printf("p:%zu", w->log.count - below(w, 3));
}

/* ---- the broker ---- */

static struct list *queue_of(struct world *w, int kind)
{
    switch (kind) {
    case OUT_RESULT:
        return &w->results;
    case OUT_DEAD:
        return &w->dead;
    case OUT_TRIGGER:
        return &w->triggers;
    default:
        return &w->log;
    }
}

static void blind(struct entry *e, const struct world *w)
{
    char body[100];
    int64_t highest;
    if (w->sabotage != SABOTAGE_BLIND_TICK || e->kind != OUT_TICK ||
        !json_get_int(e->body, e->len, "highest", &highest))
        return;
    int64_t last = (int64_t)w->log.count - 1;
    while (last >= 0 && w->log.at[last].type)
        last--;
    e->honest = e->body;
    e->len = (size_t)snprintf(body, sizeof body, "{\"offset\":%" PRId64 ",\"highest\":%" PRId64 "}", last, highest);
    e->body = mem_strndup(body, e->len);
}

/* The broker takes the next message of a connection. */
static void take_one(struct world *w, struct worker *k)
{
    if (k->transit.count <= k->taken - k->confirmed && k->transit.count == 0)
        return;
    if (k->taken >= k->transit.count)
        return;
    struct entry *e = &k->transit.at[k->taken++];
    blind(e, w);
    e->wall_ms = w->wall;
    copy_entry(queue_of(w, e->kind), e);
}

static void step(struct world *w, struct worker *k, struct stream_event *e)
{
    e->mono_ms = w->mono;
    e->wall_ms = w->wall;
    stream_core_step(k->core, e);
}

static void confirm_some(struct world *w, struct worker *k)
{
    uint64_t limit = w->sabotage == SABOTAGE_CONFIRM_EARLY ? k->transit.count : k->taken;
    if (k->confirmed >= limit)
        return;
    struct stream_event e = {.kind = STREAM_CONFIRM};
    uint64_t more = 1 + below(w, limit - k->confirmed);
    e.confirm.tag = k->confirmed += more;
    e.confirm.multiple = true;
    e.confirm.ack = true;
    step(w, k, &e);
}

/* A connection ends: of what was on its way the broker takes some, the rest is lost; then the lock is free. */
static void close_connection(struct world *w, struct worker *k)
{
    size_t more = k->transit.count > k->taken ? below(w, k->transit.count - k->taken + 1) : 0;
    while (more-- > 0)
        take_one(w, k);
    clear_list(&k->transit);
    k->connected = k->lock = false;
    k->taken = k->confirmed = k->delivered = k->waiting_tail = 0;
    k->position = -1;
}

static void lose_connection(struct world *w, struct worker *k)
{
    struct err err;
    struct stream_event e = {.kind = STREAM_LOST, .err = &err};
    if (!k->connected)
        return;
    w->v->losses++;
    close_connection(w, k);
    err_set(&err, ERR_UNAVAILABLE, "lost");
    step(w, k, &e);
}

static bool lock_is_free(const struct world *w, const struct worker *k)
{
    for (int i = 0; i < WORKERS; i++)
        if (&w->workers[i] != k && w->workers[i].lock)
            return w->sabotage == SABOTAGE_NO_EPOCH;
    return true;
}

static void do_connect(struct world *w, struct worker *k, const struct stream_effect *effect)
{
    struct err err;
    struct stream_event e = {.kind = STREAM_CONNECTED, .op = effect->op};
    if (fault(w, 5) || !lock_is_free(w, k))
        e.err = (err_set(&err, ERR_UNAVAILABLE, "no broker, or the lock is taken"), &err);
    else
        k->connected = k->lock = true;
    step(w, k, &e);
}

static void do_read_tail(struct world *w, struct worker *k, const struct stream_effect *effect)
{
    struct list *queue = strcmp(effect->exchange, EXCHANGE_RESULTS) == 0 ? &w->results : &w->dead;
    int64_t *numbers = mem_zero(queue->count + 1, sizeof *numbers);
    struct err err;
    struct stream_event e = {.kind = STREAM_TAIL_READ, .op = effect->op};
    for (size_t i = 0; i < queue->count; i++)
        if (queue->at[i].wall_ms >= effect->since_ms)
            numbers[e.tail.count++] = queue->at[i].number;
    e.tail.numbers = numbers;
    if (!k->connected || fault(w, 20))
        e.err = (err_set(&err, ERR_UNAVAILABLE, "the tail could not be read"), &err);
    step(w, k, &e);
    free(numbers);
}

static void deliver(struct world *w, struct worker *k)
{
    uint64_t chunk = 1 + below(w, 6);
    while (chunk-- > 0 && k->core && k->position >= 0 && k->position < (int64_t)w->log.count) {
        const struct entry *m = &w->log.at[k->position];
        struct stream_event e = {.kind = STREAM_DELIVERY};
        e.delivery.tag = ++k->delivered;
        e.delivery.message = (struct engine_message){.offset = (uint64_t)k->position,
                                                     .body = {m->body, m->len},
                                                     .message_id = {m->id, m->id ? strlen(m->id) : 0},
                                                     .type = {m->type, m->type ? strlen(m->type) : 0},
                                                     .user_id = {m->user, m->user ? strlen(m->user) : 0}};
        k->position++;
        step(w, k, &e);
    }
}

/* ---- the store ---- */

static void do_load(struct world *w, struct worker *k, const struct stream_effect *effect)
{
    struct err err;
    struct buf copy = {0};
    struct stream_event e = {.kind = STREAM_LOADED, .op = effect->op};
    if (fault(w, 8)) {
        e.err = (err_set(&err, ERR_UNAVAILABLE, "the store is away"), &err);
        w->v->store_faults++;
    }
    e.loaded.epoch = ++w->store.epoch; /* raised before it is read, also when the answer is lost */
    e.loaded.head = w->store.there ? w->store.head : (struct stream_head){.offset = -1};
    buf_add(&copy, w->store.state.data, w->store.state.len);
    if (w->store.there)
        e.loaded.state = (struct bytes){copy.data, copy.len};
    e.loaded.app_text = (struct bytes){app_text, sizeof app_text - 1};
    step(w, k, &e);
    buf_free(&copy);
}

static void write_store(struct world *w, const struct stream_effect *e, bool whole)
{
    w->store.head = e->save.head;
    if (!e->save.state.p || !whole)
        return;
    w->store.there = true;
    buf_clear(&w->store.state);
    buf_add(&w->store.state, e->save.state.p, e->save.state.len);
}

static void do_save(struct world *w, struct worker *k, const struct stream_effect *effect)
{
    struct err err;
    struct stream_event e = {.kind = STREAM_SAVED, .op = effect->op};
    bool fenced = effect->save.epoch != w->store.epoch && w->sabotage != SABOTAGE_NO_EPOCH;
    bool refused = fault(w, 12), unknown = !refused && fault(w, 12);
    if (fenced)
        e.err = (err_set(&err, ERR_FENCED, "another epoch"), &err);
    else if (refused)
        e.err = (err_set(&err, ERR_FULL, "disk full"), &err);
    if (!fenced && refused && w->sabotage == SABOTAGE_OFFSET_APART && w->store.there)
        write_store(w, effect, false);
    if (!fenced && !refused)
        write_store(w, effect, true);
    if (unknown && !fenced)
        e.err = (err_set(&err, ERR_UNKNOWN, "it may have happened"), &err);
    w->v->store_faults += refused + unknown;
    step(w, k, &e);
}

/* ---- workers ---- */

static void die(struct world *w, struct worker *k)
{
    if (!k->core)
        return;
    close_connection(w, k);
    stream_core_free(&k->core);
    k->frozen = false;
}

static void begin_worker(struct world *w, struct worker *k)
{
    const struct stream_options o = {.tenant = TENANT,
                                     .generation = 1,
                                     .checkpoint_interval_ms = 1000,
                                     .retention_results_ms = INT64_C(604800000),
                                     .prefetch = 10};
    struct stream_event e = {.kind = STREAM_START};
    *k = (struct worker){.core = stream_core_new(&o), .position = -1};
    step(w, k, &e);
}

static void do_send(struct world *w, struct worker *k)
{
    const struct outbox_message *m;
    while (k->connected && (m = stream_core_send(k->core))) {
        struct entry *e = append(&k->transit);
        e->body = mem_strndup(m->body, m->len);
        e->len = m->len;
        e->id = mem_strdup(m->message_id);
        e->type = mem_strdup(m->type);
        e->user = mem_strdup("belltower-worker-" TENANT);
        e->number = m->number;
        e->kind = (int)m->kind;
        if (fault(w, 200))
            return;
    }
}

static void do_exit(struct world *w, struct worker *k, const struct stream_effect *effect)
{
    if (effect->code == EXIT_STOPPED && w->v->well) {
        w->v->well = false;
        snprintf(w->v->why, sizeof w->v->why, "a worker stopped: %s", effect->words);
    }
    die(w, k);
}

static void carry_out(struct world *w, struct worker *k, const struct stream_effect *e)
{
    switch (e->kind) {
    case STREAM_LOAD:
        do_load(w, k, e);
        break;
    case STREAM_CONNECT:
        do_connect(w, k, e);
        break;
    case STREAM_DISCONNECT:
        close_connection(w, k);
        break;
    case STREAM_READ_TAIL:
        do_read_tail(w, k, e);
        break;
    case STREAM_CONSUME:
        k->position = k->connected ? (e->offset < 0 ? 0 : e->offset) : -1;
        break;
    case STREAM_ACK:
        break;
    case STREAM_SEND:
        do_send(w, k);
        break;
    case STREAM_SAVE:
        do_save(w, k, e);
        break;
    case STREAM_ASK_STORED: {
        struct stream_event answer = {.kind = STREAM_STORED, .op = e->op};
        answer.stored.generation = 1;
        answer.stored.number = INT64_MAX;
        step(w, k, &answer);
        break;
    }
    case STREAM_EXIT:
        do_exit(w, k, e);
        break;
    }
}

/* Effects of a step belong together only until the next outside call: between any two it may die. */
static void effects(struct world *w, struct worker *k)
{
    struct stream_effect e;
    while (k->core && stream_core_effect(k->core, &e)) {
        if (fault(w, 150)) {
            w->v->crashes++;
            die(w, k);
            return;
        }
        carry_out(w, k, &e);
    }
}

/* ---- time and fate ---- */

static void timers(struct world *w, struct worker *k)
{
    struct stream_event e = {.kind = STREAM_TIMER};
    if (w->mono < stream_core_wake(k->core))
        return;
    deliver(w, k); /* as the worker does: what has arrived comes before what is due */
    if (k->core)
        step(w, k, &e);
}

static void let_time_pass(struct world *w)
{
    int64_t ms = one_in(w, 20) ? (int64_t)below(w, 40000) : (int64_t)below(w, 700);
    w->mono += ms;
    w->wall += ms;
    if (fault(w, 300))
        w->wall +=
            (int64_t)below(w, 20000) - 10000; /* within what clocks may differ by: the tail is read from 60 s before */
}

/* A stopped worker goes on: what its socket says comes first. */
static void wake(struct world *w, struct worker *k)
{
    struct err err;
    struct stream_event e = {.kind = STREAM_LOST, .err = &err};
    k->frozen = false;
    if (k->connected)
        return;
    err_set(&err, ERR_UNAVAILABLE, "closed while it was stopped");
    step(w, k, &e);
}

static void fate(struct world *w)
{
    struct worker *k = &w->workers[0], *other = &w->workers[1];
    if (k->core && fault(w, 120)) {
        w->v->crashes++;
        die(w, k);
    }
    if (k->core && fault(w, 90))
        lose_connection(w, k);
    if (k->core && !other->core && fault(w, 200)) { /* it is stopped; another takes over; it may wake */
        w->v->zombies++;
        struct worker swap = *k;
        *k = (struct worker){.position = -1};
        *other = swap;
        other->frozen = true;
    }
    if (other->core && other->frozen && other->connected && one_in(w, 60)) /* the broker misses its heartbeats */
        close_connection(w, other);
    if (other->core && other->frozen && one_in(w, 90))
        wake(w, other);
    if (other->core && !w->faults)
        die(w, other);
    if (!k->core && one_in(w, 4))
        begin_worker(w, k);
}

static void live(struct world *w, struct worker *k)
{
    if (!k->core || k->frozen)
        return;
    switch (below(w, 5)) {
    case 0:
        deliver(w, k);
        break;
    case 1:
        take_one(w, k);
        break;
    case 2:
        confirm_some(w, k);
        break;
    default:
        timers(w, k);
    }
    effects(w, k);
}

static bool peaceful(const struct world *w)
{
    const struct worker *k = &w->workers[0];
    struct stream_status s;
    if (w->to_produce || !k->core || k->position < (int64_t)w->log.count || k->taken < k->transit.count ||
        k->confirmed < k->taken)
        return false;
    stream_core_status(k->core, &s);
    struct engine_info info;
    if (!stream_core_engine(k->core))
        return false;
    engine_info(stream_core_engine(k->core), &info);
    return s.unconfirmed == 0 && engine_tick_at(stream_core_engine(k->core)) == INT64_MAX &&
           s.offset == (int64_t)w->log.count - 1;
}

/* ---- the verdict ---- */

struct expected {
    struct list results, dead, triggers;
};

static void keep(struct list *l, const char *id, const void *body, size_t len)
{
    struct entry *e = append(l);
    e->id = mem_strdup(id);
    e->body = mem_strndup(body, len);
    e->len = len;
}

static void take_result(void *context, const struct engine_result *r)
{
    keep(&((struct expected *)context)->results, r->message_id, r->body.p, r->body.len);
}

static void take_trigger(void *context, const struct engine_trigger *t)
{
    keep(&((struct expected *)context)->triggers, t->id, t->body.p, t->body.len);
}

static void take_dead(void *context, const struct engine_dead *d)
{
    char id[64];
    snprintf(id, sizeof id, "%" PRIu64 ":%" PRIu32, d->offset, d->index);
    keep(&((struct expected *)context)->dead, id, d->body.p, d->body.len);
}

static void undisturbed(const struct world *w, struct expected *x)
{
    struct app_diags diags;
    struct app *app = app_load(app_text, sizeof app_text - 1, TENANT, &diags);
    app_diags_free(&diags);
    struct engine *engine = engine_new(app, 1, 1);
    const struct engine_sink sink = {.context = x, .result = take_result, .trigger = take_trigger, .dead = take_dead};
    for (size_t i = 0; i < w->log.count; i++) {
        const struct entry *e = &w->log.at[i];
        const char *body = e->honest ? e->honest : e->body;
        const struct engine_message m = {.offset = i,
                                         .received_ms = START_WALL,
                                         .body = {body, e->honest ? strlen(body) : e->len},
                                         .message_id = {e->id, e->id ? strlen(e->id) : 0},
                                         .type = {e->type, e->type ? strlen(e->type) : 0},
                                         .user_id = {e->user, e->user ? strlen(e->user) : 0}};
        engine_message(engine, &m, &sink);
    }
    engine_free(&engine);
}

static void accuse(struct verdict *v, const char *what, const struct list *expected, const struct list *got, size_t at)
{
    if (!v->well)
        return;
    v->well = false;
    snprintf(v->why, sizeof v->why, "%s: %zu expected, %zu in the queue; the first difference at %zu: %s, not %s", what,
             expected->count, got->count, at, at < expected->count ? expected->at[at].id : "nothing",
             at < got->count ? got->at[at].id : "nothing");
}

/* The very same sequence: nothing lost, nothing twice, nothing out of order. */
static void compare(struct verdict *v, const char *what, const struct list *expected, const struct list *got)
{
    for (size_t i = 0; i < expected->count || i < got->count; i++) {
        bool same = i < expected->count && i < got->count && strcmp(expected->at[i].id, got->at[i].id) == 0 &&
                    expected->at[i].len == got->at[i].len &&
                    memcmp(expected->at[i].body, got->at[i].body, got->at[i].len) == 0;
        if (same)
            continue;
        accuse(v, what, expected, got, i);
        return;
    }
}

/* Triggers may come again (their ids make that harmless), but none may be missing or foreign. */
static void compare_triggers(struct verdict *v, const struct list *expected, const struct list *got)
{
    for (size_t i = 0; i < expected->count; i++) {
        bool there = false;
        for (size_t j = 0; j < got->count && !there; j++)
            there = strcmp(expected->at[i].id, got->at[j].id) == 0;
        if (!there)
            accuse(v, "triggers (missing)", expected, got, i);
    }
    for (size_t j = 0; j < got->count; j++) {
        bool known = false;
        for (size_t i = 0; i < expected->count && !known; i++)
            known = strcmp(expected->at[i].id, got->at[j].id) == 0;
        if (!known)
            accuse(v, "triggers (foreign)", expected, got, j);
    }
}

static void judge(struct world *w)
{
    struct expected x = {0};
    undisturbed(w, &x);
    w->v->results = (unsigned)x.results.count;
    compare(w->v, "results", &x.results, &w->results);
    compare(w->v, "dead letters", &x.dead, &w->dead);
    compare_triggers(w->v, &x.triggers, &w->triggers);
    clear_list(&x.results);
    clear_list(&x.dead);
    clear_list(&x.triggers);
}

const char *sabotage_name(enum sabotage s)
{
    static const char *const names[] = {"none", "confirm-early", "offset-apart", "no-epoch", "blind-tick"};
    return names[s];
}

static void turn(struct world *w)
{
    let_time_pass(w);
    if (one_in(w, 3))
        produce(w);
    fate(w);
    for (int i = 0; i < WORKERS; i++)
        live(w, &w->workers[i]);
    w->v->steps++;
}

void world_run(uint64_t seed, enum sabotage sabotage, struct verdict *v)
{
    struct world w = {.random = seed * UINT64_C(0xbf58476d1ce4e5b9) + 1,
                      .sabotage = sabotage,
                      .mono = 1000,
                      .wall = START_WALL,
                      .v = v,
                      .faults = true};
    *v = (struct verdict){.well = true};
    w.to_produce = 20 + below(&w, 60);
    w.event_time = 1000;
    w.workers[0].position = w.workers[1].position = -1;
    for (unsigned i = 0; i < FAULT_STEPS && v->well && (w.to_produce || i < 300); i++)
        turn(&w);
    w.faults = false;
    for (unsigned i = 0; i < PEACE_STEPS && v->well && !peaceful(&w); i++)
        turn(&w);
    if (v->well && !peaceful(&w)) {
        v->well = false;
        snprintf(v->why, sizeof v->why, "it does not come to rest: %zu messages in the log, read up to %" PRId64,
                 w.log.count, w.workers[0].position);
    }
    if (v->well)
        judge(&w);
    for (int i = 0; i < WORKERS; i++)
        die(&w, &w.workers[i]);
    clear_list(&w.log);
    clear_list(&w.results);
    clear_list(&w.dead);
    clear_list(&w.triggers);
    buf_free(&w.store.state);
}
