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
    d->ident = (struct ident){hash, (char *)(d + 1), len};
    d->highest = d->highest_event = d->watermark = d->target = BEFORE;
    d->next_close = d->next_gone = NEVER;
    d->last_received = BEFORE;
    d->lines = mem_zero(e->stream_count, sizeof *d->lines);
    for (size_t i = 0; i < e->stream_count; i++)
        d->lines[i] = line_new(e->streams[i]);
    table_add(&e->devices, &d->ident);
    return d;
}

void devices_free_lines(struct engine *e)
{
    struct device *d;
    for (size_t at = 0; (d = table_next(&e->devices, &at));) {
        for (size_t i = 0; i < e->stream_count; i++)
            free(d->lines[i].buckets);
        free(d->lines);
    }
}
