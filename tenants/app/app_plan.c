#include "tenants/app/app_plan.h"
#include "tenants/app/expr_ops.h"

#include <stdlib.h>
#include <string.h>

const char *app_plan_kind_name(enum app_plan_kind kind)
{
    static const char *const names[] = {"unchanged", "changed", "added", "removed"};
    return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : "?";
}

const char *app_difference_name(enum app_difference difference)
{
    static const char *const names[APP_DIFF_COUNT] = {
        [APP_DIFF_WATERMARK_PER] = "watermark_per",
        [APP_DIFF_TIME] = "time",
        [APP_DIFF_OUT_OF_ORDERNESS] = "out_of_orderness",
        [APP_DIFF_IDLE_AFTER] = "idle_after",
        [APP_DIFF_AHEAD] = "ahead",
        [APP_DIFF_FIELDS] = "fields",
        [APP_DIFF_FROM] = "from",
        [APP_DIFF_ON] = "on",
        [APP_DIFF_WHERE] = "where",
        [APP_DIFF_WHEN] = "when",
        [APP_DIFF_KEY] = "key",
        [APP_DIFF_WINDOW] = "window",
        [APP_DIFF_BY] = "by",
        [APP_DIFF_SELECT] = "select",
        [APP_DIFF_COOLDOWN] = "cooldown",
        [APP_DIFF_RUN] = "run",
        [APP_DIFF_RANGE] = "range",
        [APP_DIFF_PERIOD] = "period",
        [APP_DIFF_SCHEDULE] = "schedule",
        [APP_DIFF_TIMEZONE] = "timezone",
        [APP_DIFF_WAIT] = "wait",
        [APP_DIFF_LIMIT] = "limit",
        [APP_DIFF_LIMITS] = "limits",
        [APP_DIFF_KEEP] = "keep",
        [APP_DIFF_TITLE] = "title",
        [APP_DIFF_TESTS] = "tests",
    };
    return (unsigned)difference < APP_DIFF_COUNT ? names[difference] : "?";
}

static uint32_t bit_if(bool differs, enum app_difference difference)
{
    return (uint32_t)differs << difference;
}

static bool same_text(const char *x, const char *y)
{
    return x && y ? !strcmp(x, y) : x == y;
}

/* ---- queries: columns are the same by name, whatever their place and type ---- */

struct source {                      /* what a query reads */
    const struct app_field *fields;  /* of events, or */
    const struct expr_name *columns; /* of results */
};

struct sources {
    struct source a, b;
};

static const char *column_name(const struct source *s, size_t i)
{
    return s->fields ? s->fields[i].name : s->columns[i].name;
}

static bool same_name(const void *context, size_t x, size_t y)
{
    const struct sources *s = context;
    return !strcmp(column_name(&s->a, x), column_name(&s->b, y));
}

static bool same_expr(const struct sources *s, const struct expr *x, const struct expr *y)
{
    return x && y ? expr_same(x, y, same_name, s) : x == y;
}

static bool same_keys(const struct sources *s, const struct app_query *x, const struct app_query *y)
{
    if (x->key_count != y->key_count)
        return false;
    for (size_t i = 0; i < x->key_count; i++)
        if (!same_name(s, x->keys[i], y->keys[i]))
            return false;
    return true;
}

/* As written, or as meant. */
static bool same_select(const struct sources *s, const struct app_query *x, const struct app_query *y)
{
    bool text = true, meaning = x->agg_count == y->agg_count;
    if (x->column_count != y->column_count)
        return false;
    for (size_t i = 0; i < x->column_count; i++) {
        if (strcmp(x->columns[i].name, y->columns[i].name) != 0)
            return false;
        text = text && !strcmp(x->columns[i].text, y->columns[i].text);
        meaning = meaning && expr_equal(x->columns[i].expr, y->columns[i].expr);
    }
    for (size_t i = 0; meaning && i < x->agg_count; i++)
        meaning = x->aggs[i].kind == y->aggs[i].kind && same_expr(s, x->aggs[i].arg, y->aggs[i].arg);
    return text || meaning;
}

/* ---- streams ---- */

static const struct app_field *field_named(const struct app *app, const char *name)
{
    for (size_t i = 0; i < app->field_count; i++)
        if (!strcmp(app->fields[i].name, name))
            return &app->fields[i];
    return NULL;
}

static bool field_changes(const struct app *from, const struct app *to, size_t field)
{
    const struct app_field *now = field_named(to, from->fields[field].name);
    return now && !app_field_same(&from->fields[field], now);
}

#define SLOT_WORDS 4 /* an app has up to 256 fields */

/* How a field that the stream uses is read. */
static bool used_fields_change(const struct app *from, const struct app_query *q, const struct app *to)
{
    uint64_t used[SLOT_WORDS] = {0};
    bool changes = false;
    if (q->where)
        expr_used_slots(q->where, used);
    for (size_t i = 0; i < q->agg_count; i++)
        if (q->aggs[i].arg)
            expr_used_slots(q->aggs[i].arg, used);
    for (size_t i = 0; i < q->key_count; i++)
        used[q->keys[i] / 64] |= UINT64_C(1) << (q->keys[i] % 64);
    for (size_t i = 0; i < from->field_count; i++)
        changes = changes || ((used[i / 64] >> (i % 64) & 1) && field_changes(from, to, i));
    return changes;
}

static uint32_t stream_differs(const struct app *from, size_t i, const struct app *to, size_t k)
{
    const struct app_stream *a = &from->streams[i], *b = &to->streams[k];
    const struct sources s = {{.fields = from->fields}, {.fields = to->fields}};
    uint32_t devices = bit_if(!app_devices_same(from, to), APP_DIFF_WATERMARK_PER);
    if (app_stream_same(from, a, to, b))
        return devices;
    bool where = same_text(a->where_text, b->where_text) || same_expr(&s, a->query.where, b->query.where);
    return devices | bit_if(!where, APP_DIFF_WHERE) | bit_if(!same_keys(&s, &a->query, &b->query), APP_DIFF_KEY) |
           bit_if(a->size != b->size || a->every != b->every || a->lateness != b->lateness, APP_DIFF_WINDOW) |
           bit_if(!same_select(&s, &a->query, &b->query), APP_DIFF_SELECT) |
           bit_if(used_fields_change(from, &a->query, to), APP_DIFF_FIELDS) |
           bit_if(app_uses_distinct(&a->query) && from->limits.distinct != to->limits.distinct, APP_DIFF_LIMITS);
}

/* ---- triggers and jobs ---- */

static struct sources results_of(const struct app_stream *a, const struct app_stream *b)
{
    return (struct sources){{.columns = a->result_names}, {.columns = b->result_names}};
}

static uint32_t trigger_differs(const struct app *from, size_t i, const struct app *to, size_t k)
{
    const struct app_trigger *a = &from->triggers[i], *b = &to->triggers[k];
    const struct app_stream *x = &from->streams[a->stream], *y = &to->streams[b->stream];
    const struct sources s = results_of(x, y);
    return bit_if(strcmp(x->name, y->name) != 0, APP_DIFF_ON) |
           bit_if(!same_text(a->when_text, b->when_text) && !same_expr(&s, a->when, b->when), APP_DIFF_WHEN) |
           bit_if(a->cooldown != b->cooldown, APP_DIFF_COOLDOWN) |
           bit_if(strcmp(from->jobs[a->job].name, to->jobs[b->job].name) != 0, APP_DIFF_RUN);
}

static uint32_t job_differs(const struct app *from, size_t i, const struct app *to, size_t k)
{
    const struct app_job *a = &from->jobs[i], *b = &to->jobs[k];
    const struct app_stream *x = &from->streams[a->stream], *y = &to->streams[b->stream];
    const struct sources s = results_of(x, y);
    return bit_if(strcmp(x->name, y->name) != 0, APP_DIFF_FROM) | bit_if(a->range != b->range, APP_DIFF_RANGE) |
           bit_if(a->period != b->period, APP_DIFF_PERIOD) |
           bit_if(!same_text(a->schedule, b->schedule), APP_DIFF_SCHEDULE) |
           bit_if(!same_text(a->timezone, b->timezone), APP_DIFF_TIMEZONE) | bit_if(a->wait != b->wait, APP_DIFF_WAIT) |
           bit_if(a->limit != b->limit, APP_DIFF_LIMIT) | bit_if(!same_keys(&s, &a->query, &b->query), APP_DIFF_BY) |
           bit_if(!same_expr(&s, a->query.where, b->query.where), APP_DIFF_WHERE) |
           bit_if(!same_select(&s, &a->query, &b->query), APP_DIFF_SELECT);
}

/* ---- lists of named things ---- */

struct part {
    size_t (*count)(const struct app *app);
    const char *(*name)(const struct app *app, size_t i);
    uint32_t (*differs)(const struct app *from, size_t i, const struct app *to, size_t k);
};

#define PART(things, thing_count, differs)                                                                             \
    static size_t count_##things(const struct app *app)                                                                \
    {                                                                                                                  \
        return app->thing_count;                                                                                       \
    }                                                                                                                  \
    static const char *name_##things(const struct app *app, size_t i)                                                  \
    {                                                                                                                  \
        return app->things[i].name;                                                                                    \
    }                                                                                                                  \
    static const struct part part_##things = {count_##things, name_##things, differs};

PART(streams, stream_count, stream_differs)
PART(triggers, trigger_count, trigger_differs)
PART(jobs, job_count, job_differs)

static size_t place_of(const struct part *part, const struct app *app, const char *name)
{
    for (size_t i = 0; i < part->count(app); i++)
        if (!strcmp(part->name(app, i), name))
            return i;
    return SIZE_MAX;
}

static struct app_plan_list compare(const struct part *part, const struct app *from, const struct app *to)
{
    struct app_plan_list list = {.items = mem_zero(part->count(from) + part->count(to), sizeof *list.items)};
    for (size_t k = 0; k < part->count(to); k++) {
        struct app_plan_item *item = &list.items[list.count++];
        *item = (struct app_plan_item){.kind = APP_ADDED, .name = part->name(to, k), .to = k};
        item->from = place_of(part, from, item->name);
        if (item->from == SIZE_MAX)
            continue;
        item->differs = part->differs(from, item->from, to, k);
        item->kind = item->differs ? APP_CHANGED : APP_UNCHANGED;
    }
    for (size_t i = 0; i < part->count(from); i++) {
        const char *name = part->name(from, i);
        if (place_of(part, to, name) == SIZE_MAX)
            list.items[list.count++] = (struct app_plan_item){APP_REMOVED, name, i, SIZE_MAX, 0};
    }
    return list;
}

/* ---- the rest of the app ---- */

static bool time_same(const struct app_time *x, const struct app_time *y)
{
    bool same = x->path_len == y->path_len && !strcmp(x->format_text, y->format_text);
    for (size_t i = 0; same && i < x->path_len; i++)
        same = !strcmp(x->path[i], y->path[i]);
    return same;
}

static bool fields_same(const struct app *from, const struct app *to)
{
    bool same = from->field_count == to->field_count;
    for (size_t i = 0; same && i < from->field_count; i++) {
        const struct app_field *now = field_named(to, from->fields[i].name);
        same = now && app_field_same(&from->fields[i], now);
    }
    return same;
}

static bool limits_same(const struct app_limits *x, const struct app_limits *y)
{
    return x->event_bytes == y->event_bytes && x->message_bytes == y->message_bytes && x->keys == y->keys &&
           x->devices == y->devices && x->producers == y->producers && x->distinct == y->distinct;
}

static bool test_same(const struct app_test *x, const struct app_test *y)
{
    bool same = same_text(x->name, y->name) && same_text(x->file, y->file) && x->event_count == y->event_count &&
                x->result_count == y->result_count;
    for (size_t i = 0; same && i < x->event_count; i++)
        same = !strcmp(x->events[i], y->events[i]);
    for (size_t i = 0; same && i < x->result_count; i++)
        same = !strcmp(x->results[i], y->results[i]);
    return same;
}

static bool tests_same(const struct app *from, const struct app *to)
{
    bool same = from->test_count == to->test_count;
    for (size_t i = 0; same && i < from->test_count; i++)
        same = test_same(&from->tests[i], &to->tests[i]);
    return same;
}

static uint32_t settings_differ(const struct app *from, const struct app *to)
{
    const struct app_time *x = &from->time, *y = &to->time;
    return bit_if(!app_devices_same(from, to), APP_DIFF_WATERMARK_PER) | bit_if(!time_same(x, y), APP_DIFF_TIME) |
           bit_if(x->out_of_orderness != y->out_of_orderness, APP_DIFF_OUT_OF_ORDERNESS) |
           bit_if(x->idle_after != y->idle_after, APP_DIFF_IDLE_AFTER) | bit_if(x->ahead != y->ahead, APP_DIFF_AHEAD) |
           bit_if(!fields_same(from, to), APP_DIFF_FIELDS) |
           bit_if(!limits_same(&from->limits, &to->limits), APP_DIFF_LIMITS) |
           bit_if(from->keep != to->keep, APP_DIFF_KEEP) | bit_if(!same_text(from->title, to->title), APP_DIFF_TITLE) |
           bit_if(!tests_same(from, to), APP_DIFF_TESTS);
}

void app_plan(const struct app *from, const struct app *to, struct app_plan *plan)
{
    *plan = (struct app_plan){.streams = compare(&part_streams, from, to),
                              .triggers = compare(&part_triggers, from, to),
                              .jobs = compare(&part_jobs, from, to),
                              .differs = settings_differ(from, to)};
}

void app_plan_free(struct app_plan *plan)
{
    free(plan->streams.items);
    free(plan->triggers.items);
    free(plan->jobs.items);
    *plan = (struct app_plan){0};
}
