#include "stream/engine/members.h"
#include "stream/engine/body.h"
#include "stream/engine/count.h"
#include "stream/engine/events.h"

#include <stdlib.h>

#define KEPT 4096 /* room for so many is kept for the next body */
#define LINE 64

void members_free(struct members *m)
{
    free(m->list);
    free(m->slots);
    free(m->seen);
    buf_free(&m->keys);
    *m = (struct members){0};
}

void members_end(struct engine *e)
{
    if (e->members.capacity > KEPT)
        members_free(&e->members);
}

void members_begin(struct engine *e)
{
    struct members *m = &e->members;
    if (m->fields != e->app->field_count || m->streams != e->app->stream_count)
        members_free(m);
    m->fields = e->app->field_count;
    m->streams = e->app->stream_count;
    m->count = 0;
}

/* ---- reading ---- */

static struct value *slots_of(const struct members *m, size_t i)
{
    return &m->slots[i * m->fields];
}

/* Room for one more; it is none yet. */
static struct member *next(struct members *m)
{
    if (m->count == m->capacity) {
        m->capacity = m->capacity ? m->capacity * 2 : MEMBERS_GROUP;
        m->list = mem_resize(m->list, m->capacity, sizeof *m->list);
        m->slots = mem_resize(m->slots, m->capacity * m->fields, sizeof *m->slots);
    }
    return &m->list[m->count];
}

bool members_predict(struct engine *e, struct json *j)
{
    struct members *m = &e->members;
    struct member *n = next(m);
    const char *from = j->at;
    if (!decoder_predict(&e->decoder, j, slots_of(m, m->count), &n->time))
        return false;
    n->from = from;
    n->len = (size_t)(j->at - from);
    n->type = JSON_OBJECT;
    n->decoded = true;
    m->count++;
    return true;
}

bool members_read(struct engine *e, struct json *j)
{
    struct member *n = next(&e->members);
    *n = (struct member){.type = json_peek(j)};
    if (!e->only_traced && members_predict(e, j))
        return true;
    n->from = j->at;
    if (!json_skip(j, &n->from))
        return false;
    n->len = (size_t)(j->at - n->from);
    e->members.count++;
    return true;
}

/* ---- a group ---- */

static void see(struct engine *e, size_t from, size_t to)
{
    struct members *m = &e->members;
    struct seen *seen = m->seen;
    buf_clear(&m->keys);
    for (size_t i = from; i < to; i++, seen += m->streams) {
        for (size_t k = 0; m->list[i].decoded && k < m->streams; k++) {
            seen[k] = stream_see(e, e->streams[k], slots_of(m, i), &m->keys);
            if (seen[k].accepted)
                table_prefetch(&e->streams[k]->keys, seen[k].hash);
        }
    }
    if (e->scratch.head)
        arena_free(&e->scratch);
}

static struct key_row *guess(const struct members *m, const struct stream *s, size_t i, size_t k)
{
    const struct seen *seen = &m->seen[i * m->streams + k];
    return seen->accepted ? table_guess(&s->keys, seen->hash) : NULL;
}

/* Of one stream: what its keys' slots point to, and what that points to. */
static void fetch(const struct members *m, const struct stream *s, size_t from, size_t to, size_t k)
{
    struct key_row *keys[MEMBERS_GROUP];
    for (size_t i = from; i < to; i++) {
        keys[i - from] = m->list[i].decoded ? guess(m, s, i - from, k) : NULL;
        if (keys[i - from]) {
            __builtin_prefetch(keys[i - from]);
            __builtin_prefetch((char *)keys[i - from] + LINE);
        }
    }
    for (size_t i = 0; i < to - from; i++) {
        if (keys[i] && keys[i]->panes) {
            __builtin_prefetch(keys[i]->panes, 1);
            __builtin_prefetch((char *)keys[i]->panes + LINE, 1);
        }
    }
}

static void look_ahead(struct engine *e, size_t from, size_t to)
{
    struct members *m = &e->members;
    if (!m->seen)
        m->seen = mem_zero(MEMBERS_GROUP * m->streams, sizeof *m->seen);
    see(e, from, to);
    for (size_t k = 0; k < m->streams; k++) {
        if (e->streams[k]->keys.count)
            fetch(m, e->streams[k], from, to, k);
    }
}

/* ---- taking ---- */

static void take_decoded(struct engine *e, size_t i, const struct seen *seen)
{
    struct value *own = e->decoder.slots;
    e->decoder.slots = slots_of(&e->members, i);
    event_decoded(e, e->members.list[i].time, seen);
    e->decoder.slots = own;
    e->source.index++;
}

static void take(struct engine *e, size_t i, const struct seen *seen)
{
    const struct member *n = &e->members.list[i];
    e->source.body = (struct bytes){n->from, n->len};
    if (n->decoded && n->len <= (size_t)e->app->limits.event_bytes)
        take_decoded(e, i, seen);
    else
        body_take_unread(e, n->type);
}

void members_take(struct engine *e)
{
    const struct members *m = &e->members;
    const bool ahead = e->far && m->count > 1;
    for (size_t from = 0, to; from < m->count; from = to) {
        to = from + MEMBERS_GROUP < m->count ? from + MEMBERS_GROUP : m->count;
        if (ahead)
            look_ahead(e, from, to);
        for (size_t i = from; i < to; i++)
            take(e, i, ahead ? &m->seen[(i - from) * m->streams] : NULL);
    }
}
