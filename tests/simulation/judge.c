/* The verdict on results, dead letters and triggers: what an undisturbed engine says of the log. */
#include "tests/simulation/private.h"

#include "base/mem.h"
#include "base/wire/control.h"
#include "stream/begin.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void accuse(struct world *w, const char *fmt, ...)
{
    va_list ap;
    if (!w->v->well)
        return;
    w->v->well = false;
    va_start(ap, fmt);
    vsnprintf(w->v->why, sizeof w->v->why, fmt, ap);
    va_end(ap);
}

/* ---- the undisturbed engine ---- */

static char *copy_part(char **to, const char *from, size_t len)
{
    char *p = *to;
    memcpy(p, from, len);
    p[len] = 0;
    *to += len + 1;
    return p;
}

static struct expected_result *add_expected(struct expected *x)
{
    if (x->result_count == x->result_cap) {
        x->result_cap = x->result_cap ? x->result_cap * 2 : 64;
        x->results = mem_resize(x->results, x->result_cap, sizeof *x->results);
    }
    return &x->results[x->result_count++];
}

static void take_result(void *context, const struct engine_result *r)
{
    struct expected *x = context;
    struct expected_result *e = add_expected(x);
    *e = (struct expected_result){0};
    size_t name = strlen(r->stream_name), id = strlen(r->message_id);
    char *p = e->block = mem_alloc(name + id + r->key.len + r->body.len + 4);
    e->id = copy_part(&p, r->message_id, id);
    e->row = (struct result_row){.generation = x->generation,
                                 .revision = r->revision,
                                 .number = (int64_t)r->number,
                                 .stream = copy_part(&p, r->stream_name, name),
                                 .key = copy_part(&p, r->key.p, r->key.len),
                                 .window_start = r->window_start,
                                 .window_end = r->window_end,
                                 .body = copy_part(&p, r->body.p, r->body.len),
                                 .body_len = r->body.len};
}

static void take_rewound(void *context, uint64_t number, int64_t from)
{
    struct expected *x = context;
    char body[100];
    int len = snprintf(body, sizeof body, "{\"generation\":%" PRIu64 ",\"from\":%" PRId64 "}", x->generation, from);
    struct expected_result *e = add_expected(x);
    *e = (struct expected_result){.rewound = true, .block = mem_strndup(body, (size_t)len)};
    e->row = (struct result_row){.generation = x->generation,
                                 .number = (int64_t)number,
                                 .window_start = from,
                                 .body = e->block,
                                 .body_len = (size_t)len};
}

static void take_trigger(void *context, const struct engine_trigger *t)
{
    const struct entry e = {.body = t->body.p, .len = t->body.len, .id = t->id, .number = (int64_t)t->result_number};
    list_add(&((struct expected *)context)->triggers, &e);
}

static void take_dead(void *context, const struct engine_dead *d)
{
    char id[64];
    const struct entry e = {.body = d->body.p, .len = d->body.len, .id = id, .number = (int64_t)d->number};
    snprintf(id, sizeof id, "%" PRIu64 ":%" PRIu32, d->offset, d->index);
    list_add(&((struct expected *)context)->dead, &e);
}

static void feed(const struct world *w, struct engine *engine, size_t at, const struct engine_sink *sink)
{
    const struct entry *e = &w->log.at[at];
    const char *body = e->honest ? e->honest : e->body;
    const struct engine_message m = {.offset = at,
                                     .received_ms = START_WALL,
                                     .body = {body, e->honest ? strlen(body) : e->len},
                                     .message_id = {e->id, e->id ? strlen(e->id) : 0},
                                     .type = {e->type, e->type ? strlen(e->type) : 0},
                                     .user_id = {e->user, e->user ? strlen(e->user) : 0}};
    if (e->state == ENTRY_GONE)
        return;
    if (w->poison.done && (int64_t)at == w->poison.offset)
        engine_set_aside(engine, &m, sink);
    else
        engine_message(engine, &m, sink);
}

static const struct kept *base_of(const struct world *w)
{
    for (size_t i = 0; i < w->store.kept_count; i++)
        if (w->store.kept[i].number == w->rewind.base_number)
            return &w->store.kept[i];
    return NULL;
}

/* The state of the first generation when the base of the rewind was kept. */
static void state_of_base(const struct world *w, const struct kept *base, struct buf *state)
{
    struct expected nothing = {.generation = 1};
    const struct engine_sink sink = {
        .context = &nothing, .result = take_result, .trigger = take_trigger, .dead = take_dead};
    struct engine *engine = engine_new(apps_load(&w->versions[0]), 1, 1);
    for (int64_t i = 0; i <= base->head.offset; i++)
        feed(w, engine, (size_t)i, &sink);
    engine_snapshot(engine, state);
    engine_free(&engine);
    expected_free(&nothing);
}

static struct engine *rewound_engine(const struct world *w, size_t *at, int64_t *to_offset)
{
    const struct app_version *v = &w->versions[w->rewind.version - 1];
    const struct kept *base = w->rewind.base_number ? base_of(w) : NULL;
    struct buf state = {0};
    struct err err;
    struct engine *engine = NULL;
    struct beginning b = {.tenant = TENANT,
                          .generation = w->rewind.generation,
                          .app_text = {v->text.data, v->text.len},
                          .rewind = &w->rewind,
                          .begins = true};
    if (base) {
        state_of_base(w, base, &state);
        b.state = (struct bytes){state.data, state.len};
        *at = (size_t)(base->head.offset + 1);
    }
    if (begin_engine(&b, &engine, to_offset, &err) < 0)
        abort();
    buf_free(&state);
    return engine;
}

void expected_make(const struct world *w, uint64_t generation, struct expected *x)
{
    const struct engine_sink sink = {
        .context = x, .result = take_result, .trigger = take_trigger, .dead = take_dead, .rewound = take_rewound};
    size_t at = 0;
    int64_t to_offset = -1;
    *x = (struct expected){.generation = generation};
    struct engine *engine =
        generation == 1 ? engine_new(apps_load(&w->versions[0]), 1, 1) : rewound_engine(w, &at, &to_offset);
    for (; at < w->log.count; at++) {
        begin_pass(engine, &to_offset, (int64_t)at);
        feed(w, engine, at, &sink);
    }
    engine_free(&engine);
}

void expected_free(struct expected *x)
{
    for (size_t i = 0; i < x->result_count; i++)
        free(x->results[i].block);
    free(x->results);
    list_clear(&x->dead);
    list_clear(&x->triggers);
}

/* ---- queues: of each generation the very same sequence, nothing lost, nothing twice, nothing out of order; one that a
 * rewind has ended may be cut short ---- */

/* The next message of a queue that is no marker and no forgery. */
const struct entry *next_ours(const struct list *queue, size_t *at)
{
    while (*at < queue->count) {
        const struct entry *e = &queue->at[(*at)++];
        if (entry_is_from(e, WORKER_USER) && (!e->type || strcmp(e->type, CONTROL_REWOUND) == 0))
            return e;
    }
    return NULL;
}

struct item {
    const char *id, *body;
    size_t len;
};
typedef bool item_of(const struct expected *x, size_t i, struct item *item);

static bool result_item(const struct expected *x, size_t i, struct item *item)
{
    if (i >= x->result_count)
        return false;
    const struct expected_result *r = &x->results[i];
    *item = (struct item){r->rewound ? "the end of a rewind" : r->id, r->row.body, r->row.body_len};
    return true;
}

static bool dead_item(const struct expected *x, size_t i, struct item *item)
{
    if (i >= x->dead.count)
        return false;
    *item = (struct item){x->dead.at[i].id, x->dead.at[i].body, x->dead.at[i].len};
    return true;
}

static const char *name_of(const struct entry *e)
{
    return e->id ? e->id : "the end of a rewind";
}

static void compare_queue(struct world *w, const char *what, const struct list *queue,
                          const struct expected x[GENERATIONS], item_of *of)
{
    size_t at = 0, next[GENERATIONS] = {0};
    const struct entry *e;
    struct item item;
    while ((e = next_ours(queue, &at))) {
        size_t g = (size_t)e->generation - 1;
        bool there = g < w->generation && of(&x[g], next[g], &item);
        if (!there || strcmp(item.id, name_of(e)) != 0 || item.len != e->len ||
            memcmp(item.body, e->body, item.len) != 0) {
            accuse(w, "%s: message %zu of generation %zu is %s, not %s", what, g < w->generation ? next[g] + 1 : 0,
                   g + 1, name_of(e), there ? item.id : "none");
            return;
        }
        next[g]++;
    }
    if (of(&x[w->generation - 1], next[w->generation - 1], &item))
        accuse(w, "%s: message %zu, %s, is missing", what, next[w->generation - 1] + 1, item.id);
}

/* Triggers may come again (their ids make that harmless), but none may be missing or foreign. */
static void compare_triggers(struct world *w, const struct expected x[GENERATIONS])
{
    size_t at = 0;
    const struct entry *e;
    const struct list *expected = &x[w->generation - 1].triggers;
    for (size_t i = 0; i < expected->count; i++)
        if (!list_find(&w->triggers, expected->at[i].id))
            accuse(w, "trigger %s is missing", expected->at[i].id);
    while ((e = next_ours(&w->triggers, &at))) {
        bool known = false;
        for (size_t g = 0; g < w->generation && !known; g++)
            known = list_find(&x[g].triggers, e->id) != NULL;
        if (!known)
            accuse(w, "trigger %s is foreign", e->id);
    }
}

/* ---- the store: of each window the highest (generation, revision, number), unless withdrawn, and nothing else ---- */

static void replay_row(struct replay *r, const struct result_row *row)
{
    size_t i = 0;
    while (i < r->count && !row_is_same_window(r->rows[i], row))
        i++;
    if (i < r->count && !row_is_above(row, r->rows[i]))
        return;
    r->rows[i] = row;
    r->withdrawn[i] = false;
    r->count += i == r->count;
}

static void replay_rewound(struct replay *r, const struct result_row *rewound)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->rows[i]->generation < rewound->generation && r->rows[i]->window_start >= rewound->window_start)
            r->withdrawn[i] = true;
}

static void replay_entry(struct replay *r, const struct expected x[GENERATIONS], const struct entry *e)
{
    const struct expected *of = &x[e->generation - 1];
    if (!of->results || (size_t)e->number > of->result_count)
        return;
    const struct expected_result *result = &of->results[e->number - 1];
    if (result->rewound)
        replay_rewound(r, &result->row);
    else
        replay_row(r, &result->row);
}

/* What the batch worker of a generation has stored: its own results, and those of lower ones before them. */
static void replay_generation(struct replay *r, const struct world *w, const struct expected x[GENERATIONS],
                              int64_t generation, int64_t up_to)
{
    size_t at = 0;
    bool begun = false;
    const struct entry *e;
    while ((e = next_ours(&w->results, &at)) && (int64_t)at - 1 <= up_to) {
        begun = begun || e->generation == generation;
        if (e->generation == generation || (e->generation < generation && !begun && e->id))
            replay_entry(r, x, e);
    }
}

void replay_make(const struct world *w, const struct expected x[GENERATIONS], const int64_t up_to[GENERATIONS],
                 struct replay *r)
{
    *r = (struct replay){.rows = mem_alloc((w->results.count + 1) * sizeof *r->rows),
                         .withdrawn = mem_zero(w->results.count + 1, sizeof *r->withdrawn)};
    for (size_t g = 0; g < GENERATIONS; g++)
        replay_generation(r, w, x, (int64_t)g + 1, up_to[g]);
}

void replay_withdraw(struct replay *r, const struct world *w, const struct expected x[GENERATIONS])
{
    size_t at = 0;
    const struct entry *e;
    while ((e = next_ours(&w->results, &at)))
        if (!e->id)
            replay_entry(r, x, e);
}

void replay_free(struct replay *r)
{
    free(r->rows);
    free(r->withdrawn);
}

static const struct result_row *find_stored(const struct store *s, const struct result_row *window)
{
    for (size_t i = 0; i < s->result_count; i++)
        if (!s->results[i].row.withdrawn && row_is_same_window(&s->results[i].row, window))
            return &s->results[i].row;
    return NULL;
}

static bool row_equal(const struct result_row *a, const struct result_row *b)
{
    return a->generation == b->generation && a->revision == b->revision && a->number == b->number &&
           a->window_end == b->window_end && a->body_len == b->body_len && memcmp(a->body, b->body, a->body_len) == 0;
}

static void compare_stored(struct world *w, const struct expected x[GENERATIONS])
{
    struct replay r;
    size_t expected = 0, stored = 0;
    const int64_t all[GENERATIONS] = {w->store.stored_to[0], INT64_MAX};
    replay_make(w, x, all, &r);
    for (size_t i = 0; i < r.count; i++) {
        const struct result_row *row = r.rows[i], *got = find_stored(&w->store, row);
        expected += !r.withdrawn[i];
        if (r.withdrawn[i] ? got != NULL : !got || !row_equal(got, row))
            accuse(w,
                   "of stream %s, key %s, window %" PRId64 " there must be stored%s number %" PRId64
                   " of generation %" PRIu64 ", revision %u, but it is %" PRId64,
                   row->stream, row->key, row->window_start, r.withdrawn[i] ? " as withdrawn" : "", row->number,
                   row->generation, row->revision, got ? got->number : -1);
    }
    for (size_t i = 0; i < w->store.result_count; i++)
        stored += !w->store.results[i].row.withdrawn;
    if (stored != expected)
        accuse(w, "%zu results are stored, not %zu", stored, expected);
    replay_free(&r);
}

void judge(struct world *w)
{
    struct expected x[GENERATIONS] = {0};
    for (uint64_t g = 1; g <= w->generation; g++)
        expected_make(w, g, &x[g - 1]);
    w->v->results = (unsigned)x[w->generation - 1].result_count;
    w->v->runs = (unsigned)w->store.run_count;
    compare_queue(w, "results", &w->results, x, result_item);
    compare_queue(w, "dead letters", &w->dead, x, dead_item);
    compare_triggers(w, x);
    if (w->v->well) { /* else the queue is no measure */
        compare_stored(w, x);
        judge_runs(w, x);
    }
    for (size_t g = 0; g < GENERATIONS; g++)
        expected_free(&x[g]);
}
