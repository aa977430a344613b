#include "stream/engine/watermark.h"
#include "stream/engine/publish.h"
#include "stream/engine/roll.h"
#include "stream/engine/timeline.h"

#include <stdlib.h>
#include <string.h>

/* ---- what the next events cannot reach without a look at the windows ---- */

void device_note(const struct stream *s, struct device *d, int64_t pane_start)
{
    const struct timeline *line = timeline_of(s, d);
    int64_t first = window_first_end(s->app, pane_start);
    if (line->closed_to != BEFORE && first <= line->closed_to)
        first = window_end_after(s->app, line->closed_to);
    int64_t gone = last_end_of(s, line, pane_start) + s->app->lateness;
    d->next_close = first < d->next_close ? first : d->next_close;
    d->next_gone = gone < d->next_gone ? gone : d->next_gone;
}

void device_refresh(struct engine *e, struct device *d)
{
    d->next_close = d->next_gone = NEVER;
    for (size_t i = 0; i < e->stream_count; i++) {
        const struct stream *s = e->streams[i];
        const struct timeline *line = timeline_of(s, d);
        if (!line->count)
            continue;
        int64_t close = next_open_end(s, line, line->closed_to, NEVER);
        int64_t gone = last_end_of(s, line, line->buckets[line->first].start) + s->app->lateness;
        d->next_close = close < d->next_close ? close : d->next_close;
        d->next_gone = gone < d->next_gone ? gone : d->next_gone;
    }
}

/* ---- closing, in the one order: by end, then stream, then key ---- */

struct closing_scope {
    struct device **devices;
    size_t count;
    const bool *ended; /* NULL: up to the devices' targets; else all windows of these streams */
};

struct next_close {
    int64_t end;           /* NEVER: nothing closes */
    struct stream *stream; /* NULL then */
};

static void earlier(struct next_close *best, int64_t end, struct stream *s)
{
    if (end < best->end || (end == best->end && end != NEVER && s->rank < best->stream->rank))
        *best = (struct next_close){end, s};
}

/* A correction whose window goes as time moves is due with what closes. */
static bool is_due(const struct closing_scope *scope, const struct dirty *d)
{
    const struct device *device = d->key->device;
    if (scope->ended)
        return scope->ended[d->stream->index];
    return d->record->end <= gone_to(d->stream, timeline_of(d->stream, device), device->target);
}

static struct next_close find_next(struct engine *e, const struct closing_scope *scope)
{
    struct next_close best = {NEVER, NULL};
    for (size_t i = 0; i < scope->count; i++) {
        const struct device *d = scope->devices[i];
        if (!scope->ended && d->next_close > d->target)
            continue;
        for (size_t k = 0; k < e->stream_count; k++) {
            const struct timeline *line = &d->lines[k];
            int64_t limit = scope->ended ? NEVER - 1 : d->target;
            if (line->count && (!scope->ended || scope->ended[k]))
                earlier(&best, next_open_end(e->streams[k], line, line->closed_to, limit), e->streams[k]);
        }
    }
    for (size_t i = 0; i < e->dirty_count; i++) {
        if (is_due(scope, &e->dirty[i]))
            earlier(&best, e->dirty[i].record->end, e->dirty[i].stream);
    }
    return best;
}

static void collect_dirty(struct engine *e, const struct closing_scope *scope, struct next_close next)
{
    size_t kept = 0;
    for (size_t i = 0; i < e->dirty_count; i++) {
        struct dirty *d = &e->dirty[i];
        if (d->stream == next.stream && d->record->end == next.end && is_due(scope, d))
            closing_add(e, d->key, d->record);
        else
            e->dirty[kept++] = *d;
    }
    e->dirty_count = kept;
}

static void collect(struct engine *e, const struct closing_scope *scope, struct next_close next)
{
    struct stream *s = next.stream;
    e->closing_count = 0;
    e->mark++;
    for (size_t i = 0; i < scope->count; i++) {
        struct device *d = scope->devices[i];
        struct timeline *line = timeline_of(s, d);
        if (next.end <= line->closed_to || next.end <= floor_of(s, line) || next.end > line->until ||
            (!scope->ended && next.end > d->target))
            continue;
        if (s->overlaps)
            roll_collect(e, s, line, next.end);
        else
            collect_open(e, s, line, next.end);
        line->closed_to = next.end;
    }
    collect_dirty(e, scope, next);
    closing_sort(e);
}

static void close_windows(struct engine *e, const struct closing_scope *scope)
{
    for (;;) {
        struct next_close next = find_next(e, scope);
        if (next.end == NEVER)
            return;
        collect(e, scope, next);
        for (size_t i = 0; i < e->closing_count; i++)
            publish_window(e, next.stream, e->closing[i].key, e->closing[i].record, next.end);
    }
}

/* ---- moving ---- */

static void drop_gone(struct engine *e, struct device *d)
{
    for (size_t i = 0; i < e->stream_count; i++) {
        struct stream *s = e->streams[i];
        struct timeline *line = timeline_of(s, d);
        int64_t gone = gone_to(s, line, d->watermark);
        while (line->count && last_end_of(s, line, line->buckets[line->first].start) <= gone)
            bucket_drop_first(e, s, line, gone);
    }
}

static void arrive(struct engine *e, struct device *d)
{
    d->watermark = d->target;
    for (size_t i = 0; i < e->stream_count; i++)
        d->lines[i].closed_to = d->watermark;
    if (d->watermark >= d->next_gone)
        drop_gone(e, d);
    if (d->watermark >= d->next_gone || d->watermark >= d->next_close)
        device_refresh(e, d);
}

void watermarks_move(struct engine *e, struct device **devices, size_t count)
{
    struct closing_scope scope = {.devices = devices, .count = count};
    bool any = e->dirty_count > 0;
    for (size_t i = 0; i < count && !any; i++)
        any = devices[i]->next_close <= devices[i]->target;
    if (any)
        close_windows(e, &scope);
    for (size_t i = 0; i < count; i++)
        arrive(e, devices[i]);
}

bool device_sees(struct engine *e, struct device *d, int64_t t)
{
    e->highest = t > e->highest ? t : e->highest;
    d->highest = t > d->highest ? t : d->highest;
    int64_t w = d->highest - e->app->time.out_of_orderness;
    d->target = w > d->watermark ? w : d->watermark;
    return d->target > d->watermark;
}

struct device **devices_all(const struct engine *e, size_t *count)
{
    *count = e->devices.count;
    return (struct device **)(void *)table_sorted(&e->devices);
}

void streams_close(struct engine *e, const bool *ended)
{
    struct closing_scope scope = {.ended = ended};
    scope.devices = devices_all(e, &scope.count);
    close_windows(e, &scope);
    free(scope.devices);
}

/* ---- corrections ---- */

static int by_end_stream_key(const void *a, const void *b)
{
    const struct dirty *x = a, *y = b;
    if (x->record->end != y->record->end)
        return x->record->end < y->record->end ? -1 : 1;
    if (x->stream != y->stream)
        return x->stream->rank < y->stream->rank ? -1 : 1;
    return ident_compare(&x->key->ident, &y->key->ident);
}

void publish_corrections(struct engine *e)
{
    if (!e->dirty_count)
        return;
    qsort(e->dirty, e->dirty_count, sizeof *e->dirty, by_end_stream_key);
    for (size_t i = 0; i < e->dirty_count; i++)
        publish_window(e, e->dirty[i].stream, e->dirty[i].key, e->dirty[i].record, e->dirty[i].record->end);
    e->dirty_count = 0;
}
