#include "broker/confirms.h"
#include "base/mem.h"

#include <stdlib.h>

void confirms_reset(struct confirms *c)
{
    c->low = c->next = 1;
    c->in_flight = c->bytes = 0;
}

void confirms_free(struct confirms *c)
{
    free(c->ring);
    *c = (struct confirms){0};
}

static struct confirm_slot *slot(struct confirms *c, uint64_t tag)
{
    return &c->ring[tag & (c->cap - 1)];
}

static void grow(struct confirms *c)
{
    struct confirms old = *c;
    c->cap = old.cap ? old.cap * 2 : 1024;
    c->ring = mem_zero(c->cap, sizeof *c->ring);
    for (uint64_t tag = old.low; tag < old.next; tag++)
        *slot(c, tag) = *slot(&old, tag);
    free(old.ring);
}

void confirms_published(struct confirms *c, uint64_t tag, size_t bytes)
{
    if (c->low == 0)
        confirms_reset(c);
    if (c->next - c->low == c->cap)
        grow(c);
    *slot(c, tag) = (struct confirm_slot){.bytes = (uint32_t)bytes};
    c->next = tag + 1;
    c->in_flight++;
    c->bytes += bytes;
}

static void mark(struct confirms *c, uint64_t tag)
{
    struct confirm_slot *s = slot(c, tag);
    if (s->done)
        return;
    s->done = true;
    c->in_flight--;
    c->bytes -= s->bytes;
}

bool confirms_take(struct confirms *c, uint64_t tag, bool multiple)
{
    if (tag >= c->next || tag == 0)
        return false;
    for (uint64_t t = multiple ? c->low : tag; t <= tag; t++)
        if (t >= c->low)
            mark(c, t);
    while (c->low < c->next && slot(c, c->low)->done)
        c->low++;
    return true;
}
