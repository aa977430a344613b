#include "base/duration.h"
#include "tenants/app/build.h"

#include <string.h>

#define MAX_PANES 10000 /* of one window: the grain of time is the greatest common divisor of its size and step */

/* ---- windows ---- */

static int64_t grain_of(int64_t size, int64_t step)
{
    while (step) {
        int64_t rest = size % step;
        size = step;
        step = rest;
    }
    return size;
}

static void check_sliding(struct builder *b, struct app_stream *s, struct node *every)
{
    int64_t size = s->size, step = s->every;
    if (step > size) {
        complain(b->diags, every, "at most the window's size", NULL,
                 "longer than the window: events between two windows would count nowhere");
    } else if (size / grain_of(size, step) > MAX_PANES) {
        complain(b->diags, every, NULL, NULL, "too fine: a window would consist of more than %d pieces of %lldms",
                 MAX_PANES, (long long)grain_of(size, step));
    }
    if (every->bad)
        s->size = s->every = 0; /* nothing follows from them */
}

/* Then what seems to be missing is most likely there, misspelt and reported. */
static bool has_unknown_key(const struct node *mapping)
{
    const struct node *n = mapping->first;
    while (n && !n->bad)
        n = n->next;
    return n != NULL;
}

static void build_window(struct builder *b, struct node *window, struct app_stream *s)
{
    struct node *tumbling = node_child(window, "tumbling"), *sliding = node_child(window, "sliding"),
                *every = node_child(window, "every");
    s->lateness = build_number(window, "allowed_lateness", 0);
    if (!window || window->kind != NODE_MAPPING || window->bad)
        return;
    if (tumbling && sliding)
        complain_key(b->diags, sliding, "one of the two", NULL,
                     "beside `tumbling`: a window is either tumbling or sliding");
    else if (tumbling && every)
        complain_key(b->diags, every, NULL, NULL, "only sliding windows have `every`; tumbling ones follow each other");
    else if (sliding && !every)
        complain_key(b->diags, sliding, "{ sliding: 10m, every: 1m }", NULL, "needs `every` beside it");
    else if (!tumbling && !sliding && !has_unknown_key(window))
        complain_key(b->diags, window, "{ tumbling: 5m } or { sliding: 10m, every: 1m }", NULL, "says no size");
    s->size = build_number(window, tumbling ? "tumbling" : "sliding", 0);
    s->every = tumbling ? s->size : build_number(window, "every", 0);
    if (!tumbling && sliding && every && s->size && s->every)
        check_sliding(b, s, every);
}

/* ---- streams ---- */

static bool has_key(const struct app_query *q, size_t field)
{
    for (size_t i = 0; i < q->key_count; i++)
        if (q->keys[i] == field)
            return true;
    return false;
}

static void check_watermark(struct builder *b, const struct app_stream *s, struct node *key)
{
    if (!key || key->kind != NODE_SEQUENCE || key->bad)
        return;
    for (const struct node *n = key->first; n; n = n->next)
        if (n->bad)
            return;
    for (size_t i = 0; i < b->app->watermark_per_count; i++) {
        const char *name = b->fields.names[b->app->watermark_per[i]].name;
        if (!has_key(&s->query, b->app->watermark_per[i]))
            complain(
                b->diags, key, NULL, NULL,
                "lacks `%s`: with `watermark_per` each device has its own time, so its fields must be in every key",
                name);
    }
}

static void build_stream(struct builder *b, struct node *n, struct app_stream *s, struct scope *result)
{
    struct node *key = node_child(n, "key");
    const struct query_nodes nodes = {.where = build_get(n, "where"),
                                      .keys = key,
                                      .keys_required = true,
                                      .select = node_child(n, "select"),
                                      .reserved_keys = build_result_reserved,
                                      .reserved = build_result_reserved};
    s->name = build_text(b, build_get(n, "name"));
    s->where_text = build_text(b, nodes.where);
    build_window(b, node_child(n, "window"), s);
    build_query(b, &nodes, &b->fields, &s->query, result);
    check_watermark(b, s, key);
    s->result_names = result->names;
    s->result_name_count = result->count;
}

void build_streams(struct builder *b)
{
    struct node *n;
    size_t count = build_list(b->root, "streams", &n);
    struct app_stream *list = arena_alloc(b->arena, count * sizeof *list);
    b->results = arena_alloc(b->arena, count * sizeof *b->results);
    build_check_unique(b, "streams", "stream");
    for (size_t i = 0; i < count; i++, n = n->next)
        build_stream(b, n, &list[i], &b->results[i]);
    b->app->streams = list;
    b->app->stream_count = count;
}

/* ---- triggers ---- */

static void check_cooldown(struct builder *b, const struct app_trigger *t, const struct node *cooldown)
{
    const struct app_stream *s = &b->app->streams[t->stream];
    char step[48];
    if (!cooldown || t->cooldown == 0 || s->every == 0 || t->cooldown > s->every)
        return;
    duration_text(s->every, step);
    warn_of(b->diags, cooldown, "%.40s is %s than the %s (%s): it has no effect", cooldown->text,
            t->cooldown < s->every ? "shorter" : "not longer", s->every == s->size ? "window" : "window's `every`",
            step);
}

static void build_trigger(struct builder *b, struct node *n, struct app_trigger *t)
{
    struct node *on = build_get(n, "on"), *run = build_get(n, "run"), *when = build_get(n, "when");
    size_t stream = on ? build_find(b, on, "streams", "stream") : SIZE_MAX;
    size_t job = run ? build_find(b, run, "jobs", "job") : SIZE_MAX;
    t->name = build_text(b, build_get(n, "name"));
    t->when_text = build_text(b, when);
    t->cooldown = build_number(n, "cooldown", 0);
    t->job = job == SIZE_MAX ? 0 : job;
    if (stream == SIZE_MAX)
        return;
    t->stream = stream;
    t->when = build_expr(b, when, &b->results[stream], VALUE_BOOL);
    check_cooldown(b, t, build_get(n, "cooldown"));
}

void build_triggers(struct builder *b)
{
    struct node *n;
    size_t count = build_list(b->root, "triggers", &n);
    struct app_trigger *list = arena_alloc(b->arena, count * sizeof *list);
    build_check_unique(b, "triggers", "trigger");
    for (size_t i = 0; i < count; i++, n = n->next)
        build_trigger(b, n, &list[i]);
    b->app->triggers = list;
    b->app->trigger_count = count;
}
