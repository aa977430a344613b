#include "base/duration.h"
#include "tenants/app/build.h"

#include <stdlib.h>

#define HOUR INT64_C(3600000)
#define DAY  (24 * HOUR)

/* What a report says of itself beside its columns. */
static const char *const reserved_keys[] = {"time_period", NULL};
static const char *const reserved_columns[] = {"time_period", "tenant_id", "job", "run", NULL};

/* ---- over which time ---- */

static void check_time(struct builder *b, struct node *n)
{
    struct node *range = node_child(n, "range"), *period = node_child(n, "period");
    if (range && period)
        complain_key(b->diags, period, "one of the two", NULL, "beside `range`: a job looks at a range or at a period");
    else if (!range && !period)
        complain_key(b->diags, n, "`range: 12h`, or `period: day` (hour, week, month)", NULL,
                     "says no `range` and no `period`");
}

static void build_schedule(struct builder *b, const struct node *n, struct app_job *j)
{
    static const int64_t from_ms = INT64_C(1767225600000); /* 2026: any year will do */
    struct node *schedule = build_get(n, "schedule");
    struct zone *utc = NULL;
    struct err err;
    if (!schedule || cron_parse(schedule->text, schedule->len, &j->cron, &err) < 0 || zone_load("UTC", &utc, &err) < 0)
        return;
    j->schedule = build_text(b, schedule);
    if (cron_next(&j->cron, utc, from_ms) == INT64_MAX)
        complain(b->diags, schedule, NULL, NULL, "never due: there is no such day");
    zone_free(&utc);
}

/* Windows are counted from 1970 in UTC; warns where a job's time cuts through one. */
static void check_division(struct builder *b, const struct node *n, const struct app_job *j, const struct app_stream *s)
{
    const struct node *range = build_get(n, "range"), *period = build_get(n, "period");
    int64_t unit = j->period == APP_PERIOD_HOUR ? HOUR : DAY; /* weeks and months begin with days */
    char size[48];
    duration_text(s->size, size);
    if (s->size && range && j->range % s->size)
        warn_of(b->diags, range, "%.40s is no multiple of the window (%s): the first results reach back beyond it",
                range->text, size);
    if (s->size && period && unit % s->size)
        warn_of(b->diags, period, "%.40s is not divided by the window (%s): results at its ends belong to two of them",
                period->text, size);
}

static bool in_step(const struct zone *z, int64_t size)
{
    static const int64_t winter = INT64_C(1767225600000), summer = INT64_C(1782864000000);
    return zone_offset(z, winter) * INT64_C(1000) % size == 0 && zone_offset(z, summer) * INT64_C(1000) % size == 0;
}

static void check_zone(struct builder *b, const struct node *n, const struct app_job *j, const struct app_stream *s)
{
    const struct node *timezone = build_get(n, "timezone");
    struct zone *z = NULL;
    struct err err;
    char size[48];
    bool divides = s->size && DAY % s->size == 0; /* else the period is warned of */
    if (!timezone || j->period == APP_PERIOD_NONE || !divides || zone_load(timezone->text, &z, &err) < 0)
        return;
    duration_text(s->size, size);
    if (!in_step(z, s->size))
        warn_of(b->diags, timezone,
                "%.64s is not in step with windows of %s, which are counted in UTC: results at the ends of a %s belong "
                "to two of them",
                timezone->text, size, build_get(n, "period")->text);
    zone_free(&z);
}

/* ---- what ---- */

static bool counts_twice(enum agg_kind kind)
{
    return kind == AGG_COUNT || kind == AGG_COUNT_IF || kind == AGG_SUM;
}

/* Slots of an outer expression: the keys, then the aggregates. */
static const struct agg *counting_aggregate(const struct app_query *q, const struct expr *e)
{
    size_t slots = q->key_count + q->agg_count;
    uint64_t *used = mem_zero(slots / 64 + 1, sizeof *used);
    const struct agg *found = NULL;
    expr_used_slots(e, used);
    for (size_t i = q->key_count; i < slots && !found; i++)
        if (used[i / 64] >> i % 64 & 1 && counts_twice(q->aggs[i - q->key_count].kind))
            found = &q->aggs[i - q->key_count];
    free(used);
    return found;
}

static void check_overlap(struct builder *b, const struct node *n, const struct app_job *j, const struct app_stream *s)
{
    struct node *select = node_child(n, "select"), *column = select ? select->first : NULL;
    if (!s->every || s->every == s->size)
        return;
    for (size_t i = 0; i < j->query.column_count && column; i++, column = column->next) {
        const struct expr *e = j->query.columns[i].expr;
        const struct agg *agg = e ? counting_aggregate(&j->query, e) : NULL;
        if (agg)
            complain(b->diags, column, "min, max or avg, or a stream with a tumbling window", NULL,
                     "%s over the sliding windows of `%s` would count each event %lld times",
                     agg->kind == AGG_SUM ? "sum" : "count", s->name ? s->name : "", (long long)(s->size / s->every));
    }
}

/* The store can group by itself. */
static bool can_push_down(const struct app_query *q)
{
    static const bool pushed[] = {[AGG_COUNT] = true, [AGG_SUM] = true, [AGG_MIN] = true,
                                  [AGG_MAX] = true,   [AGG_AVG] = true, [AGG_DISTINCT] = false};
    size_t slot;
    if (q->where)
        return false;
    for (size_t i = 0; i < q->agg_count; i++)
        if (!pushed[q->aggs[i].kind] || (q->aggs[i].arg && !expr_is_slot(q->aggs[i].arg, &slot)))
            return false;
    return true;
}

static void build_of_stream(struct builder *b, struct node *n, struct app_job *j)
{
    const struct app_stream *s = &b->app->streams[j->stream];
    const struct query_nodes nodes = {.where = build_get(n, "where"),
                                      .keys = node_child(n, "by"),
                                      .select = node_child(n, "select"),
                                      .reserved_keys = reserved_keys,
                                      .reserved = reserved_columns};
    struct scope report = {0};
    build_query(b, &nodes, &b->results[j->stream], &j->query, &report);
    check_overlap(b, n, j, s);
    check_division(b, n, j, s);
    check_zone(b, n, j, s);
    j->pushdown = can_push_down(&j->query);
}

static void build_job(struct builder *b, struct node *n, struct app_job *j)
{
    const struct node *period = build_get(n, "period");
    struct node *from = build_get(n, "from");
    size_t stream = from ? build_find(b, from, "streams", "stream") : SIZE_MAX;
    j->name = build_text(b, build_get(n, "name"));
    j->range = build_number(n, "range", APP_OFF);
    j->period = period ? (enum app_period)(period->number + 1) : APP_PERIOD_NONE;
    j->timezone = build_text(b, build_get(n, "timezone"));
    j->wait = build_number(n, "wait", 600000);
    j->limit = build_number(n, "limit", APP_OFF);
    build_schedule(b, n, j);
    check_time(b, n);
    if (stream == SIZE_MAX)
        return;
    j->stream = stream;
    build_of_stream(b, n, j);
}

void build_jobs(struct builder *b)
{
    struct node *n;
    size_t count = build_list(b->root, "jobs", &n);
    struct app_job *list = arena_alloc(b->arena, count * sizeof *list);
    build_check_unique(b, "jobs", "job");
    for (size_t i = 0; i < count; i++, n = n->next)
        build_job(b, n, &list[i]);
    b->app->jobs = list;
    b->app->job_count = count;
}
