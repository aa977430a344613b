#include "stream/engine/cooldowns.h"

#include <stdlib.h>
#include <string.h>

/* ---- memories ---- */

static int by_name(const void *a, const void *b)
{
    const struct memory *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->cooldown > y->cooldown) - (x->cooldown < y->cooldown);
}

/* memory_count if there is none. */
static size_t memory_find(const struct engine *e, const char *name, int64_t cooldown)
{
    size_t i = 0;
    while (i < e->memory_count && (e->memories[i].cooldown != cooldown || strcmp(e->memories[i].name, name) != 0))
        i++;
    return i;
}

void memories_add(struct engine *e, const char *name, size_t len, int64_t cooldown)
{
    e->memories = mem_resize(e->memories, e->memory_count + 1, sizeof *e->memories);
    e->memories[e->memory_count++] = (struct memory){mem_strndup(name, len), cooldown};
}

static const struct app_trigger *trigger_of(const struct stream *s, size_t i)
{
    return &s->of->triggers[s->triggers[i]];
}

static bool remembers(const struct stream *s, size_t i)
{
    return !s->gone[i] && trigger_of(s, i)->cooldown > 0;
}

static void collect_memories(struct engine *e)
{
    for (size_t i = 0; i < e->stream_count; i++) {
        const struct stream *s = e->streams[i];
        for (size_t k = 0; k < s->trigger_count; k++) {
            const struct app_trigger *t = trigger_of(s, k);
            if (remembers(s, k) && memory_find(e, t->name, t->cooldown) == e->memory_count)
                memories_add(e, t->name, strlen(t->name), t->cooldown);
        }
    }
    if (e->memory_count)
        qsort(e->memories, e->memory_count, sizeof *e->memories, by_name);
}

bool memories_bind(struct engine *e)
{
    bool all = true;
    for (size_t i = 0; i < e->stream_count; i++) {
        struct stream *s = e->streams[i];
        for (size_t k = 0; k < s->trigger_count; k++) {
            s->memories[k] = memory_find(e, trigger_of(s, k)->name, trigger_of(s, k)->cooldown);
            all = all && (!remembers(s, k) || s->memories[k] < e->memory_count);
        }
    }
    return all;
}

static void memories_release(struct memory *memories, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(memories[i].name);
    free(memories);
}

void memories_free(struct engine *e)
{
    memories_release(e->memories, e->memory_count);
    e->memories = NULL;
    e->memory_count = 0;
}

bool memories_ordered(const struct engine *e)
{
    for (size_t i = 1; i < e->memory_count; i++) {
        if (by_name(&e->memories[i - 1], &e->memories[i]) >= 0)
            return false;
    }
    return true;
}

static void link_device(struct cooldown *c)
{
    c->behind = c->device->cooldowns;
    if (c->behind)
        c->behind->before = c;
    c->device->cooldowns = c;
}

static void unlink_device(struct cooldown *c)
{
    if (c->before)
        c->before->behind = c->behind;
    else
        c->device->cooldowns = c->behind;
    if (c->behind)
        c->behind->before = c->before;
}

static void cooldown_free(struct engine *e, struct cooldown *c)
{
    unlink_device(c);
    slab_free(&e->slab, c, sizeof *c + c->ident.len);
}

void memories_arrange(struct engine *e)
{
    struct memory *before = e->memories;
    size_t count = e->memory_count;
    struct table cooldowns = e->cooldowns;
    struct cooldown *c;
    e->memories = NULL;
    e->memory_count = 0;
    e->cooldowns = (struct table){0};
    collect_memories(e);
    for (size_t at = 0; (c = table_next(&cooldowns, &at));) {
        size_t memory = memory_find(e, before[c->memory].name, before[c->memory].cooldown);
        struct ident key = {.bytes = cooldown_key(c).p, .len = cooldown_key(c).len};
        if (memory < e->memory_count)
            cooldown_put(e, memory, &key, c->device, c->end);
        cooldown_free(e, c);
    }
    table_free(&cooldowns);
    memories_release(before, count);
    (void)memories_bind(e);
}

/* ---- cooldowns ---- */

#define IDENT_HEAD 8

static void put_ident(struct buf *b, size_t memory, const struct ident *key, const struct device *d)
{
    uint32_t head[2] = {(uint32_t)memory, (uint32_t)key->len};
    buf_clear(b);
    buf_add(b, head, IDENT_HEAD);
    buf_add(b, key->bytes, key->len);
    buf_add(b, d->ident.bytes, d->ident.len);
}

struct bytes cooldown_key(const struct cooldown *c)
{
    return (struct bytes){c->ident.bytes + IDENT_HEAD, c->ident.len - IDENT_HEAD - c->device->ident.len};
}

static struct cooldown *cooldown_of(struct engine *e, size_t memory, const struct ident *key, const struct device *d)
{
    struct buf *b = &e->ident_bytes;
    put_ident(b, memory, key, d);
    return table_find(&e->cooldowns, table_hash(b->data, b->len), b->data, b->len);
}

bool cooldown_holds(struct engine *e, size_t memory, const struct key_row *key, int64_t end)
{
    const struct cooldown *c = cooldown_of(e, memory, &key->ident, key->device);
    return c && end < c->end + e->memories[memory].cooldown;
}

/* A stream that begins later opens no window that had ended by then, so those that live now decide. */
bool cooldown_expired(const struct engine *e, const struct cooldown *c)
{
    int64_t w = c->device->watermark;
    return w != BEFORE && w - e->lateness >= c->end + e->memories[c->memory].cooldown;
}

void cooldowns_forget(struct engine *e, bool (*which)(const struct engine *e, const struct cooldown *c))
{
    struct ident **all = table_sorted(&e->cooldowns);
    size_t count = e->cooldowns.count;
    for (size_t i = 0; i < count; i++) {
        struct cooldown *c = (struct cooldown *)all[i];
        if (!which(e, c))
            continue;
        table_remove(&e->cooldowns, &c->ident);
        cooldown_free(e, c);
    }
    free(all);
}

static void sweep(struct engine *e)
{
    cooldowns_forget(e, cooldown_expired);
    e->cooldown_sweep = e->cooldowns.count < 512 ? 1024 : e->cooldowns.count * 2;
}

void cooldown_put(struct engine *e, size_t memory, const struct ident *key, struct device *d, int64_t end)
{
    struct cooldown *c = cooldown_of(e, memory, key, d);
    if (c) {
        c->end = end > c->end ? end : c->end;
        return;
    }
    if (e->cooldowns.count >= e->cooldown_sweep)
        sweep(e);
    put_ident(&e->ident_bytes, memory, key, d);
    const struct buf *b = &e->ident_bytes;
    c = slab_alloc(&e->slab, sizeof *c + b->len);
    memcpy(c + 1, b->data, b->len);
    c->ident = (struct ident){(char *)(c + 1), b->len};
    c->device = d;
    c->memory = memory;
    c->end = end;
    table_add(&e->cooldowns, table_hash(b->data, b->len), &c->ident);
    link_device(c);
}

void cooldowns_forget_device(struct engine *e, struct device *d)
{
    while (d->cooldowns) {
        table_remove(&e->cooldowns, &d->cooldowns->ident);
        cooldown_free(e, d->cooldowns);
    }
}
