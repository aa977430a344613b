#include "base/outbox.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define KEPT_BYTES 16384 /* an entry's room that is kept for the next message; a larger one is given back */

struct entry {
    struct outbox_message message; /* texts point into bytes */
    char *bytes;
    size_t cap, size;
    uint64_t tag; /* 0 = not sent */
    bool settled;
};

struct outbox {
    struct entry *ring;
    size_t cap;         /* a power of two */
    uint64_t low, next; /* sequences in [low, next) are kept */
    uint64_t unsent;    /* the first sequence not sent */
    uint64_t last_tag;
    size_t in_flight, in_flight_bytes, bytes;
};

struct outbox *outbox_new(void)
{
    struct outbox *o = mem_zero(1, sizeof *o);
    o->low = o->next = o->unsent = 1;
    o->cap = 64;
    o->ring = mem_zero(o->cap, sizeof *o->ring);
    return o;
}

void outbox_free(struct outbox **o)
{
    if (!*o)
        return;
    for (size_t i = 0; i < (*o)->cap; i++)
        free((*o)->ring[i].bytes);
    free((*o)->ring);
    free(*o);
    *o = NULL;
}

static struct entry *at(struct outbox *o, uint64_t sequence)
{
    return &o->ring[sequence & (o->cap - 1)];
}

static void grow(struct outbox *o)
{
    struct entry *old = o->ring;
    size_t old_cap = o->cap;
    o->cap *= 2;
    o->ring = mem_zero(o->cap, sizeof *o->ring);
    for (uint64_t s = o->low; s < o->next; s++)
        *at(o, s) = old[s & (old_cap - 1)];
    free(old);
}

/* Copies a text behind what is there; offsets stay valid because the room was made before. */
static const char *keep(struct entry *e, const char *text)
{
    if (!text)
        return NULL;
    size_t len = strlen(text) + 1;
    char *p = memcpy(e->bytes + e->size, text, len);
    e->size += len;
    return p;
}

static size_t room_for(const struct outbox_message *m)
{
    const char *const texts[] = {m->key, m->message_id, m->type, m->content_type};
    size_t room = m->len;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        room += texts[i] ? strlen(texts[i]) + 1 : 0;
    for (size_t i = 0; i < m->header_count; i++)
        room += m->headers[i].text ? strlen(m->headers[i].text) + 1 : 0;
    return room;
}

static void fill(struct entry *e, const struct outbox_message *m)
{
    size_t room = room_for(m);
    if (room > e->cap) {
        e->bytes = mem_resize(e->bytes, room, 1);
        e->cap = room;
    }
    e->size = 0;
    e->tag = 0;
    e->settled = false;
    e->message = *m;
    e->message.key = keep(e, m->key);
    e->message.message_id = keep(e, m->message_id);
    e->message.type = keep(e, m->type);
    e->message.content_type = keep(e, m->content_type);
    for (size_t i = 0; i < m->header_count; i++)
        e->message.headers[i].text = keep(e, m->headers[i].text);
    e->message.body = e->bytes + e->size;
    if (m->len)
        memcpy(e->bytes + e->size, m->body, m->len);
    e->size += m->len;
}

uint64_t outbox_add(struct outbox *o, const struct outbox_message *m)
{
    if (o->next - o->low == o->cap)
        grow(o);
    struct entry *e = at(o, o->next);
    fill(e, m);
    o->bytes += e->size;
    return o->next++;
}

const struct outbox_message *outbox_next(struct outbox *o)
{
    while (o->unsent < o->next && at(o, o->unsent)->settled)
        at(o, o->unsent++)->tag = o->last_tag;
    if (o->unsent == o->next)
        return NULL;
    struct entry *e = at(o, o->unsent++);
    e->tag = ++o->last_tag;
    o->in_flight++;
    o->in_flight_bytes += e->size;
    return &e->message;
}

static void drop(struct outbox *o, struct entry *e)
{
    o->bytes -= e->size;
    if (e->cap <= KEPT_BYTES)
        return;
    free(e->bytes);
    e->bytes = NULL;
    e->cap = 0;
}

static void drop_settled(struct outbox *o)
{
    while (o->low < o->next && at(o, o->low)->settled)
        drop(o, at(o, o->low++));
    if (o->unsent < o->low)
        o->unsent = o->low;
}

static void settle(struct outbox *o, struct entry *e)
{
    if (e->settled)
        return;
    e->settled = true;
    if (e->tag) {
        o->in_flight--;
        o->in_flight_bytes -= e->size;
    }
}

/* The first sent sequence whose tag is not below `tag` (tags rise with the sequence). */
static uint64_t find_tag(struct outbox *o, uint64_t tag)
{
    uint64_t lo = o->low, hi = o->unsent;
    while (lo < hi) {
        uint64_t mid = lo + (hi - lo) / 2;
        if (at(o, mid)->tag < tag)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

bool outbox_confirm(struct outbox *o, uint64_t tag, bool multiple, bool ack, bool *nacked)
{
    *nacked = !ack;
    if (tag == 0 || tag > o->last_tag)
        return false;
    if (!ack)
        return true;
    uint64_t end = find_tag(o, tag + 1);
    for (uint64_t s = multiple ? o->low : find_tag(o, tag); s < end; s++)
        settle(o, at(o, s));
    drop_settled(o);
    return true;
}

void outbox_unsend(struct outbox *o)
{
    for (uint64_t s = o->low; s < o->next; s++) {
        struct entry *e = at(o, s);
        e->tag = 0;
        if (e->message.kind == OUT_TICK)
            e->settled = true;
    }
    o->unsent = o->low;
    o->last_tag = 0;
    o->in_flight = o->in_flight_bytes = 0;
    drop_settled(o);
}

bool outbox_settle(struct outbox *o, enum outbox_kind kind, int64_t number)
{
    for (uint64_t s = o->low; s < o->next; s++) {
        struct entry *e = at(o, s);
        if (e->message.kind != kind || e->message.number != number || e->settled)
            continue;
        settle(o, e);
        drop_settled(o);
        return true;
    }
    return false;
}

uint64_t outbox_sequence(const struct outbox *o)
{
    return o->next - 1;
}

uint64_t outbox_settled(const struct outbox *o)
{
    return o->low - 1;
}

size_t outbox_unsent(const struct outbox *o)
{
    return (size_t)(o->next - o->unsent);
}

size_t outbox_in_flight(const struct outbox *o)
{
    return o->in_flight;
}

size_t outbox_in_flight_bytes(const struct outbox *o)
{
    return o->in_flight_bytes;
}

size_t outbox_bytes(const struct outbox *o)
{
    return o->bytes;
}

size_t outbox_room(const struct outbox *o)
{
    size_t room = 0;
    for (size_t i = 0; i < o->cap; i++)
        room += o->ring[i].cap;
    return room;
}

size_t outbox_count(const struct outbox *o)
{
    return (size_t)(o->next - o->low);
}
