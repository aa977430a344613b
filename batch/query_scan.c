/* Groups computed in the worker, for aggregates that the stores do not push down, with the very cells that streams use;
 * so both stores agree. */
#include "batch/query_private.h"

#include "base/mem.h"
#include "stream/engine/aggregates.h"

#include <stdlib.h>
#include <string.h>

#define GROUPS_MAX 1000000

struct group {
    struct value *keys; /* strings are copies in the arena */
    void *row;
};

struct scan {
    struct query_rows *rows;
    const struct app_stream *stream;
    const struct app_query *query;
    struct row_layout layout;
    struct row_context context;
    struct slab slab;
    struct arena arena, scratch;
    struct group *groups; /* sorted by key */
    size_t count, cap;
    struct value *slots; /* the columns of one result */
    struct buf *texts;   /* scratch of each column */
};

static int compare_keys(const struct scan *s, const struct value *keys, const struct value *slots)
{
    for (size_t i = 0; i < s->query->key_count; i++) {
        int d = value_compare(&keys[i], &slots[s->query->keys[i]]);
        if (d)
            return d;
    }
    return 0;
}

static size_t place(const struct scan *s)
{
    size_t lo = 0, hi = s->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (compare_keys(s, s->groups[mid].keys, s->slots) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct value *copy_keys(struct scan *s)
{
    struct value *keys = arena_alloc(&s->arena, (s->query->key_count + 1) * sizeof *keys);
    for (size_t i = 0; i < s->query->key_count; i++) {
        keys[i] = s->slots[s->query->keys[i]];
        if (keys[i].type == VALUE_STRING)
            keys[i].s = arena_strndup(&s->arena, keys[i].s, keys[i].len);
    }
    return keys;
}

static struct group *find_group(struct scan *s)
{
    size_t at = place(s);
    if (at < s->count && compare_keys(s, s->groups[at].keys, s->slots) == 0)
        return &s->groups[at];
    if (s->count == GROUPS_MAX)
        return NULL;
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 256;
        s->groups = mem_resize(s->groups, s->cap, sizeof *s->groups);
    }
    memmove(s->groups + at + 1, s->groups + at, (s->count - at) * sizeof *s->groups);
    s->groups[at] = (struct group){.keys = copy_keys(s), .row = arena_alloc(&s->arena, s->layout.size)};
    s->count++;
    return &s->groups[at];
}

static bool accepted(struct scan *s)
{
    if (!s->query->where)
        return true;
    struct value v = expr_eval(s->query->where, s->slots, &s->scratch);
    return v.type == VALUE_BOOL && v.b;
}

static bool take_result(void *context, const struct result_row *row)
{
    struct scan *s = context;
    for (size_t i = 0; i < s->stream->result_name_count; i++) {
        const struct expr_name *n = &s->stream->result_names[i];
        s->slots[i] = coredms_column(row->body, row->body_len, n->name, n->type, &s->texts[i]);
    }
    if (accepted(s)) {
        struct group *g = find_group(s);
        s->context.sequence = (uint64_t)row->number;
        if (g) {
            row_add(&s->layout, g->row, s->slots, &s->context, &s->scratch);
        } else {
            err_set(s->rows->err, ERR_TOO_LARGE, "more than %d groups: group by fewer fields", GROUPS_MAX);
            s->rows->failed = true;
        }
    }
    arena_free(&s->scratch);
    return query_may_go_on(s->rows);
}

static void write_groups(struct scan *s)
{
    struct value *aggs = mem_zero(s->query->agg_count + 1, sizeof *aggs);
    for (size_t i = 0; i < s->count; i++) {
        row_results(&s->layout, s->groups[i].row, &s->context, aggs);
        if (!query_add_row(s->rows, s->groups[i].keys, aggs))
            break;
    }
    free(aggs);
}

static void release(struct scan *s)
{
    for (size_t i = 0; i < s->count; i++)
        row_release(&s->layout, s->groups[i].row, &s->context);
    for (size_t i = 0; i < s->stream->result_name_count; i++)
        buf_free(&s->texts[i]);
    row_layout_free(&s->layout);
    slab_free_all(&s->slab);
    arena_free(&s->arena);
    arena_free(&s->scratch);
    free(s->groups);
    free(s->slots);
    free(s->texts);
}

int query_scan(struct query_rows *rows, struct err *err)
{
    const struct query *q = rows->q;
    struct scan s = {.rows = rows, .stream = &q->app->streams[q->job->stream], .query = &q->job->query};
    const struct history_filter filter = query_filter(q);
    char *next = NULL;
    row_layout_init(&s.layout, s.query->aggs, s.query->agg_count);
    s.context = (struct row_context){.slab = &s.slab, .distinct_limit = q->app->limits.distinct};
    s.slots = mem_zero(s.stream->result_name_count + 1, sizeof *s.slots);
    s.texts = mem_zero(s.stream->result_name_count + 1, sizeof *s.texts);
    int status = history_query(q->store, &filter, SIZE_MAX, NULL, &next, take_result, &s, err);
    free(next);
    if (status == 0 && !rows->failed)
        write_groups(&s);
    release(&s);
    return status;
}
