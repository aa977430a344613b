/* The verdict on results, dead letters and triggers: what an undisturbed engine says of the log. */
#include "tests/simulation/private.h"

#include "base/mem.h"
#include "base/wire/control.h"

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

static void take_result(void *context, const struct engine_result *r)
{
    struct expected *x = context;
    if (x->result_count == x->result_cap) {
        x->result_cap = x->result_cap ? x->result_cap * 2 : 64;
        x->results = mem_resize(x->results, x->result_cap, sizeof *x->results);
    }
    struct expected_result *e = &x->results[x->result_count++];
    size_t name = strlen(r->stream_name), id = strlen(r->message_id);
    char *p = e->block = mem_alloc(name + id + r->key.len + r->body.len + 4);
    e->id = copy_part(&p, r->message_id, id);
    e->row = (struct result_row){.generation = 1,
                                 .revision = r->revision,
                                 .number = (int64_t)r->number,
                                 .stream = copy_part(&p, r->stream_name, name),
                                 .key = copy_part(&p, r->key.p, r->key.len),
                                 .window_start = r->window_start,
                                 .window_end = r->window_end,
                                 .body = copy_part(&p, r->body.p, r->body.len),
                                 .body_len = r->body.len};
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

static void undisturbed(const struct world *w, struct expected *x)
{
    struct engine *engine = engine_new(apps_load(&w->versions[0]), 1, 1);
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

static void expected_free(struct expected *x)
{
    for (size_t i = 0; i < x->result_count; i++)
        free(x->results[i].block);
    free(x->results);
    list_clear(&x->dead);
    list_clear(&x->triggers);
}

/* ---- queues: the very same sequence, nothing lost, nothing twice, nothing out of order ---- */

/* The next message of a queue that is no marker and no forgery. */
static const struct entry *next_ours(const struct list *queue, size_t *at)
{
    while (*at < queue->count) {
        const struct entry *e = &queue->at[(*at)++];
        if (!e->type && entry_is_from(e, WORKER_USER))
            return e;
    }
    return NULL;
}

static bool compare_one(struct world *w, const char *what, size_t i, const char *id, const char *body, size_t len,
                        const struct entry *got)
{
    bool same = got && strcmp(got->id, id) == 0 && got->len == len && memcmp(got->body, body, len) == 0;
    if (!same)
        accuse(w, "%s: number %zu is %s in the queue, not %s", what, i + 1, got ? got->id : "missing", id);
    return same;
}

static void compare_results(struct world *w, const struct expected *x)
{
    size_t at = 0;
    for (size_t i = 0; i < x->result_count; i++) {
        const struct expected_result *e = &x->results[i];
        if (!compare_one(w, "results", i, e->id, e->row.body, e->row.body_len, next_ours(&w->results, &at)))
            return;
    }
    const struct entry *more = next_ours(&w->results, &at);
    if (more)
        accuse(w, "results: %s is one too many", more->id);
}

static void compare_dead(struct world *w, const struct expected *x)
{
    size_t at = 0;
    for (size_t i = 0; i < x->dead.count; i++) {
        const struct entry *e = &x->dead.at[i];
        if (!compare_one(w, "dead letters", i, e->id, e->body, e->len, next_ours(&w->dead, &at)))
            return;
    }
    const struct entry *more = next_ours(&w->dead, &at);
    if (more)
        accuse(w, "dead letters: %s is one too many", more->id);
}

/* Triggers may come again (their ids make that harmless), but none may be missing or foreign. */
static void compare_triggers(struct world *w, const struct expected *x)
{
    size_t at = 0;
    const struct entry *e;
    for (size_t i = 0; i < x->triggers.count; i++)
        if (!list_find(&w->triggers, x->triggers.at[i].id))
            accuse(w, "trigger %s is missing", x->triggers.at[i].id);
    while ((e = next_ours(&w->triggers, &at)))
        if (!list_find(&x->triggers, e->id))
            accuse(w, "trigger %s is foreign", e->id);
}

/* ---- the store: of each window the highest (generation, revision, number), and nothing else ---- */

static const struct result_row *highest_of(const struct expected *x, const struct result_row *window)
{
    const struct result_row *highest = NULL;
    for (size_t i = 0; i < x->result_count; i++) {
        const struct result_row *r = &x->results[i].row;
        if (row_is_same_window(r, window) && (!highest || row_is_above(r, highest)))
            highest = r;
    }
    return highest;
}

static const struct result_row *find_stored(const struct store *s, const struct result_row *window)
{
    for (size_t i = 0; i < s->result_count; i++)
        if (row_is_same_window(&s->results[i].row, window))
            return &s->results[i].row;
    return NULL;
}

static bool row_equal(const struct result_row *a, const struct result_row *b)
{
    return a->generation == b->generation && a->revision == b->revision && a->number == b->number &&
           a->window_end == b->window_end && a->body_len == b->body_len && memcmp(a->body, b->body, a->body_len) == 0;
}

static void compare_stored(struct world *w, const struct expected *x)
{
    for (size_t i = 0; i < x->result_count; i++)
        if (!find_stored(&w->store, &x->results[i].row))
            accuse(w, "result %s is not stored", x->results[i].id);
    for (size_t i = 0; i < w->store.result_count; i++) {
        const struct result_row *got = &w->store.results[i].row, *highest = highest_of(x, got);
        if (!highest)
            accuse(w, "a stored result of %s, key %s, is foreign", got->stream, got->key);
        else if (!row_equal(got, highest))
            accuse(w,
                   "stored for %s, key %s, window %" PRId64 ": revision %u, number %" PRId64
                   ", not revision %u, number %" PRId64,
                   got->stream, got->key, got->window_start, got->revision, got->number, highest->revision,
                   highest->number);
    }
}

void judge(struct world *w)
{
    struct expected x = {0};
    undisturbed(w, &x);
    w->v->results = (unsigned)x.result_count;
    w->v->runs = (unsigned)w->store.run_count;
    compare_results(w, &x);
    compare_dead(w, &x);
    compare_triggers(w, &x);
    compare_stored(w, &x);
    judge_runs(w, &x);
    expected_free(&x);
}
