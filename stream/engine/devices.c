#include "stream/engine/cooldowns.h"
#include "stream/engine/timeline.h"
#include "stream/engine/watermark.h"

#include <stdlib.h>
#include <string.h>

struct device *device_find(const struct engine *e, const void *bytes, size_t len)
{
    return table_find(&e->devices, table_hash(bytes, len), bytes, len);
}

static size_t device_size(const struct device *d)
{
    return sizeof *d + d->ident.len;
}

/* An older version had no windows on a device that is new. */
static struct timeline line_new(const struct stream *s)
{
    return (struct timeline){
        .closed_to = BEFORE, .ended = BEFORE, .begin = BEFORE, .floor = BEFORE, .until = s->old ? BEFORE : NEVER};
}

struct device *device_of(struct engine *e, const void *bytes, size_t len)
{
    uint64_t hash = table_hash(bytes, len);
    struct device *d = table_find(&e->devices, hash, bytes, len);
    if (d)
        return d;
    d = slab_alloc(&e->slab, sizeof *d + len);
    if (len)
        memcpy(d + 1, bytes, len);
    d->ident = (struct ident){(char *)(d + 1), len};
    d->highest = d->highest_event = d->watermark = d->target = BEFORE;
    d->next_close = d->next_gone = NEVER;
    d->last_received = BEFORE;
    d->lines = mem_zero(e->stream_count, sizeof *d->lines);
    for (size_t i = 0; i < e->stream_count; i++)
        d->lines[i] = line_new(e->streams[i]);
    table_add(&e->devices, hash, &d->ident);
    return d;
}

void devices_free_lines(struct engine *e)
{
    struct device *d;
    for (size_t at = 0; (d = table_next(&e->devices, &at));) {
        for (size_t i = 0; i < e->stream_count; i++)
            timeline_free(&d->lines[i]);
        free(d->lines);
    }
}

/* ---- without windows ---- */

void idle_add(struct engine *e, struct device *d)
{
    d->idle = true;
    d->idle_before = e->idle_last;
    if (e->idle_last)
        e->idle_last->idle_behind = d;
    else
        e->idle_first = d;
    e->idle_last = d;
}

static void idle_remove(struct engine *e, struct device *d)
{
    if (d->idle_before)
        d->idle_before->idle_behind = d->idle_behind;
    else
        e->idle_first = d->idle_behind;
    if (d->idle_behind)
        d->idle_behind->idle_before = d->idle_before;
    else
        e->idle_last = d->idle_before;
    d->idle_before = d->idle_behind = NULL;
    d->idle = false;
}

void device_settle(struct engine *e, struct device *d)
{
    if (d->idle && d->panes)
        idle_remove(e, d);
    else if (!d->idle && !d->panes && e->app->watermark_per_count)
        idle_add(e, d);
}

void devices_settle(struct engine *e)
{
    size_t count;
    if (!e->app->watermark_per_count)
        return;
    struct device **devices = devices_all(e, &count);
    for (size_t i = 0; i < count; i++)
        device_settle(e, devices[i]);
    free(devices);
}

void device_forget(struct engine *e, struct device *d)
{
    if (d->idle)
        idle_remove(e, d);
    cooldowns_forget_device(e, d);
    for (size_t i = 0; i < e->stream_count; i++)
        timeline_free(&d->lines[i]);
    free(d->lines);
    table_remove(&e->devices, &d->ident);
    slab_free(&e->slab, d, device_size(d));
}

struct device *device_heard(struct engine *e, const void *bytes, size_t len)
{
    struct device *d = device_find(e, bytes, len);
    if (d && d->idle)
        idle_remove(e, d);
    if (d)
        return d;
    while (e->devices.count >= (uint64_t)e->app->limits.devices && e->idle_first)
        device_forget(e, e->idle_first);
    return e->devices.count < (uint64_t)e->app->limits.devices ? device_of(e, bytes, len) : NULL;
}
