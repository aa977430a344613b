#include "stream/engine/watermark.h"

#include <stdlib.h>
#include <string.h>

struct device *device_find(const struct engine *e, const void *bytes, size_t len)
{
    return table_find(&e->devices, table_hash(bytes, len), bytes, len);
}

size_t device_size(const struct device *d)
{
    return sizeof *d + d->ident.len;
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
    d->ident = (struct ident){hash, (char *)(d + 1), len};
    d->highest = d->highest_event = d->watermark = d->target = BEFORE;
    d->next_close = d->next_gone = NEVER;
    d->last_received = BEFORE;
    d->lines = mem_zero(e->app->stream_count, sizeof *d->lines);
    for (size_t i = 0; i < e->app->stream_count; i++)
        d->lines[i].closed_to = d->lines[i].floor = BEFORE;
    table_add(&e->devices, &d->ident);
    return d;
}

void devices_free_lines(struct engine *e)
{
    struct device *d;
    for (size_t at = 0; (d = table_next(&e->devices, &at));) {
        for (size_t i = 0; i < e->app->stream_count; i++)
            free(d->lines[i].buckets);
        free(d->lines);
    }
}

/* ---- what versions ended ---- */

static void floor_ident(const char *stream, const struct device *d, struct buf *b)
{
    buf_add(b, stream, strlen(stream) + (d ? 1 : 0));
    if (d)
        buf_add(b, d->ident.bytes, d->ident.len);
}

int64_t floor_find(const struct engine *e, const char *stream, const struct device *d)
{
    struct buf b = {0};
    floor_ident(stream, d, &b);
    const struct floor *f = table_find(&e->floors, table_hash(b.data, b.len), b.data, b.len);
    buf_free(&b);
    return f ? f->end : BEFORE;
}

void floor_put(struct engine *e, const char *ident, size_t len, int64_t end)
{
    uint64_t hash = table_hash(ident, len);
    struct floor *f = table_find(&e->floors, hash, ident, len);
    if (!f) {
        f = slab_alloc(&e->slab, sizeof *f + len);
        memcpy(f + 1, ident, len);
        f->ident = (struct ident){hash, (char *)(f + 1), len};
        f->end = BEFORE;
        table_add(&e->floors, &f->ident);
    }
    f->end = end > f->end ? end : f->end;
}

void floor_raise(struct engine *e, const char *stream, const struct device *d, int64_t end)
{
    struct buf b = {0};
    floor_ident(stream, d, &b);
    floor_put(e, b.data, b.len, end);
    buf_free(&b);
}
