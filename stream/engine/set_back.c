/* Time set back: the only way in which watermarks fall (design, "Time" rule 7). */
#include "stream/engine/cooldowns.h"
#include "stream/engine/roll.h"
#include "stream/engine/sums.h"
#include "stream/engine/timeline.h"
#include "stream/engine/watermark.h"

#include <stdlib.h>
#include <string.h>

/* ---- windows ---- */

/* A window that has closed and is kept stays closed although the watermark falls below its end. */
static void keep_closed(struct engine *e, struct stream *s, struct key_row *key, int64_t gone, int64_t closed)
{
    for (struct pane *p = key->panes; p; p = p->next_in_key) {
        int64_t end = window_first_end(s->app, p->start);
        int64_t last = last_end_of(s, timeline_of(s, key->device), p->start);
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
    sums_drop(e, s, key);
}

/* Both the watermark and the floor fall to `to`, if they are above. */
static void fall_stream(struct engine *e, struct stream *s, struct device *d, int64_t to)
{
    struct timeline *line = timeline_of(s, d);
    if (d->target == d->watermark && floor_of(s, line) <= to)
        return;
    roll_break(line);
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

/* ---- which windows are whose, when time is set back ---- */

/* The latest end of a window of the stream that holds a pane of the bucket and starts up to `to`; BEFORE if none does.
 */
static int64_t last_end_starting(const struct stream *s, const struct timeline *line, const struct bucket *b,
                                 int64_t to, int64_t gone)
{
    int64_t end = multiple_below(b->start < to ? b->start : to, s->app->every) + s->app->size;
    end = end < line->until ? end : line->until;
    if (end <= gone || end < window_first_end(s->app, b->start))
        return BEFORE;
    for (const struct pane *p = b->panes; p; p = p->next_in_bucket) {
        if (p->bound < end)
            return end;
    }
    return BEFORE;
}

/* An older version keeps what started up to the time that is now the highest; the rest is of a time that never was. */
static void fall_until(struct engine *e, struct stream *s, struct device *d, int64_t highest)
{
    struct timeline *line = timeline_of(s, d);
    int64_t until = BEFORE, gone = gone_to(s, line, d->watermark);
    for (uint32_t b = line->first; b < line->first + line->count; b++) {
        int64_t end = last_end_starting(s, line, &line->buckets[b], highest, gone);
        until = end > until ? end : until;
    }
    line->until = until;
    panes_drop_foreign(e, s, line);
}

/* What older versions of the stream still hold on to. */
static int64_t last_until(const struct engine *e, const struct stream *s, const struct device *d)
{
    int64_t until = BEFORE;
    for (size_t i = e->app->stream_count; i < e->stream_count; i++) {
        const struct stream *old = e->streams[i];
        if (old != s && (!s->old || old->index < s->index) && strcmp(old->app->name, s->app->name) == 0)
            until = d->lines[i].until > until ? d->lines[i].until : until;
    }
    return until;
}

static int64_t lower(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void fall_begin(struct engine *e, const struct stream *s, struct device *d, int64_t w)
{
    struct timeline *line = timeline_of(s, d);
    if (line->begin > w) {
        int64_t until = last_until(e, s, d);
        line->begin = lower(line->begin, until > w ? until : w);
    }
    line->ended = lower(line->ended, w);
    line->floor = floor_made(s, line->ended, line->begin);
}

static void fall_device(struct engine *e, struct device *d, int64_t highest)
{
    int64_t w = highest - e->app->time.out_of_orderness;
    for (size_t i = 0; i < e->stream_count; i++)
        fall_stream(e, e->streams[i], d, w);
    for (size_t i = e->app->stream_count; i < e->stream_count; i++)
        fall_until(e, e->streams[i], d, highest);
    for (size_t i = 0; i < e->stream_count; i++)
        fall_begin(e, e->streams[i], d, w);
    d->highest = lower(d->highest, highest);
    d->highest_event = lower(d->highest_event, highest);
    d->watermark = d->target;
    for (size_t i = 0; i < e->stream_count; i++)
        d->lines[i].closed_to = d->watermark;
}

static bool device_falls(const struct engine *e, const struct cooldown *c)
{
    (void)e;
    return c->device->target < c->device->watermark;
}

void watermarks_fall(struct engine *e, int64_t highest)
{
    int64_t w = highest - e->app->time.out_of_orderness;
    size_t count;
    struct device **devices = devices_all(e, &count);
    for (size_t i = 0; i < count; i++)
        devices[i]->target = lower(devices[i]->watermark, w);
    cooldowns_forget(e, device_falls);
    for (size_t i = 0; i < count; i++)
        fall_device(e, devices[i], highest);
    for (size_t i = 0; i < e->stream_count; i++) {
        struct stream *s = e->streams[i];
        s->ended = lower(s->ended, w);
        s->begin = lower(s->begin, w);
        s->floor = floor_made(s, s->ended, s->begin);
    }
    e->highest = lower(e->highest, highest);
    for (size_t i = 0; i < count; i++)
        device_refresh(e, devices[i]);
    free(devices);
    devices_settle(e);
}
