#include "stream/engine/watermark.h"
#include "stream/engine/publish.h"
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
    int64_t gone = window_last_end(s->app, pane_start) + s->app->lateness;
    d->next_close = first < d->next_close ? first : d->next_close;
    d->next_gone = gone < d->next_gone ? gone : d->next_gone;
}

void device_refresh(struct engine *e, struct device *d)
{
    d->next_close = d->next_gone = NEVER;
    for (size_t i = 0; i < e->app->stream_count; i++) {
        const struct stream *s = &e->streams[i];
        const struct timeline *line = timeline_of(s, d);
        if (!line->count)
            continue;
        int64_t close = next_open_end(s, line, line->closed_to, NEVER);
        int64_t gone = window_last_end(s->app, line->buckets[line->first].start) + s->app->lateness;
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
    int64_t end;
    size_t stream;
};

static void earlier(struct next_close *best, int64_t end, size_t stream)
{
    if (end < best->end || (end == best->end && end != NEVER && stream < best->stream))
        *best = (struct next_close){end, stream};
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
    struct next_close best = {NEVER, 0};
    for (size_t i = 0; i < scope->count; i++) {
        const struct device *d = scope->devices[i];
        if (!scope->ended && d->next_close > d->target)
            continue;
        for (size_t k = 0; k < e->app->stream_count; k++) {
            const struct timeline *line = &d->lines[k];
            if (line->count && (!scope->ended || scope->ended[k]))
                earlier(&best,
                        next_open_end(&e->streams[k], line, line->closed_to, scope->ended ? NEVER - 1 : d->target), k);
        }
    }
    for (size_t i = 0; i < e->dirty_count; i++) {
        if (is_due(scope, &e->dirty[i]))
            earlier(&best, e->dirty[i].record->end, e->dirty[i].stream->index);
    }
    return best;
}

static void collect_dirty(struct engine *e, const struct closing_scope *scope, struct next_close next)
{
    size_t kept = 0;
    for (size_t i = 0; i < e->dirty_count; i++) {
        struct dirty *d = &e->dirty[i];
        if (d->stream->index == next.stream && d->record->end == next.end && is_due(scope, d))
            closing_add(e, d->key, d->record);
        else
            e->dirty[kept++] = *d;
    }
    e->dirty_count = kept;
}

static void collect(struct engine *e, const struct closing_scope *scope, struct next_close next)
{
    struct stream *s = &e->streams[next.stream];
    e->closing_count = 0;
    e->mark++;
    for (size_t i = 0; i < scope->count; i++) {
        struct device *d = scope->devices[i];
        struct timeline *line = timeline_of(s, d);
        if (next.end <= line->closed_to || next.end <= floor_of(s, line) || (!scope->ended && next.end > d->target))
            continue;
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
        struct stream *s = &e->streams[next.stream];
        for (size_t i = 0; i < e->closing_count; i++)
            publish_window(e, s, e->closing[i].key, e->closing[i].record, next.end);
    }
}

/* ---- moving ---- */

static void drop_gone(struct engine *e, struct device *d)
{
    for (size_t i = 0; i < e->app->stream_count; i++) {
        struct stream *s = &e->streams[i];
        struct timeline *line = timeline_of(s, d);
        int64_t gone = gone_to(s, line, d->watermark);
        while (line->count && window_last_end(s->app, line->buckets[line->first].start) <= gone)
            bucket_drop_first(e, s, line, gone);
    }
}

static void arrive(struct engine *e, struct device *d)
{
    d->watermark = d->target;
    for (size_t i = 0; i < e->app->stream_count; i++)
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
        return x->stream->index < y->stream->index ? -1 : 1;
    return ident_compare(&x->key->ident, &y->key->ident);
}

void publish_corrections(struct engine *e)
{
    if (e->dirty_count)
        qsort(e->dirty, e->dirty_count, sizeof *e->dirty, by_end_stream_key);
    for (size_t i = 0; i < e->dirty_count; i++)
        publish_window(e, e->dirty[i].stream, e->dirty[i].key, e->dirty[i].record, e->dirty[i].record->end);
    e->dirty_count = 0;
}

/* ---- time set back ---- */

/* A window that has closed and is kept stays closed although the watermark falls below its end. */
static void keep_closed(struct engine *e, struct stream *s, struct key_row *key, int64_t gone, int64_t closed)
{
    for (struct pane *p = key->panes; p; p = p->next_in_key) {
        int64_t end = window_first_end(s->app, p->start), last = window_last_end(s->app, p->start);
        if (gone != BEFORE && end <= gone)
            end = window_end_after(s->app, gone);
        for (; end <= last && end <= closed; end += s->app->every) {
            if (p->bound >= end)
                continue;
            struct window_record *r = record_find(key, end);
            r = r ? r : record_new(e, s, key, end);
            s->closed_records += !r->closed;
            r->closed = true;
        }
    }
}

/* A window that is gone begins anew: what was counted before is not in it. */
static void bind_panes(const struct stream *s, struct key_row *key, int64_t gone)
{
    for (struct pane *p = key->panes; p; p = p->next_in_key) {
        if (gone >= window_first_end(s->app, p->start) && gone > p->bound)
            p->bound = gone;
    }
}

static void fall_key(struct engine *e, struct stream *s, struct key_row *key, int64_t gone)
{
    records_prune(e, s, key, gone);
    if (key->device->target < key->device->watermark)
        keep_closed(e, s, key, gone, key->device->watermark);
    bind_panes(s, key, gone);
}

/* Both the watermark and what versions ended fall to `to`, if they are above. */
static void fall_stream(struct engine *e, struct stream *s, struct device *d, int64_t to)
{
    struct timeline *line = timeline_of(s, d);
    if (d->target == d->watermark && floor_of(s, line) <= to)
        return;
    e->mark++;
    for (uint32_t b = line->first; b < line->first + line->count; b++) {
        for (struct pane *p = line->buckets[b].panes; p; p = p->next_in_bucket) {
            if (p->key->mark == e->mark)
                continue;
            p->key->mark = e->mark;
            fall_key(e, s, p->key, gone_to(s, line, d->watermark));
        }
    }
}

static bool device_falls(const struct engine *e, const struct cooldown *c)
{
    (void)e;
    return c->device->target < c->device->watermark;
}

static int64_t lower(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void fall_device(struct engine *e, struct device *d, int64_t highest)
{
    int64_t w = highest - e->app->time.out_of_orderness;
    for (size_t i = 0; i < e->app->stream_count; i++)
        fall_stream(e, &e->streams[i], d, w);
    d->highest = lower(d->highest, highest);
    d->highest_event = lower(d->highest_event, highest);
    d->watermark = d->target;
    for (size_t i = 0; i < e->app->stream_count; i++) {
        d->lines[i].closed_to = d->watermark;
        d->lines[i].floor = lower(d->lines[i].floor, w);
    }
}

void watermarks_fall(struct engine *e, int64_t highest)
{
    int64_t w = highest - e->app->time.out_of_orderness;
    size_t count;
    struct device **devices = devices_all(e, &count);
    struct floor *f;
    for (size_t i = 0; i < count; i++)
        devices[i]->target = lower(devices[i]->watermark, w);
    cooldowns_forget(e, device_falls);
    for (size_t i = 0; i < count; i++)
        fall_device(e, devices[i], highest);
    for (size_t at = 0; (f = table_next(&e->floors, &at));)
        f->end = lower(f->end, w);
    for (size_t i = 0; i < e->app->stream_count; i++)
        e->streams[i].floor = lower(e->streams[i].floor, w);
    e->highest = lower(e->highest, highest);
    for (size_t i = 0; i < count; i++)
        device_refresh(e, devices[i]);
    free(devices);
}
