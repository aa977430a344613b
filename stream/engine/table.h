/* A hash table of things that are known by bytes: keys, devices, producers. Each thing begins with its struct ident and
 * is owned by whoever put it in. Open addressing; zero-initialised is empty. PURE. */
#ifndef BELLTOWER_STREAM_ENGINE_TABLE_H
#define BELLTOWER_STREAM_ENGINE_TABLE_H

#include "base/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct ident {
    const char *bytes;
    size_t len;
};

struct table_slot {
    uint64_t hash;      /* table_hash of the item's bytes */
    struct ident *item; /* NULL: free */
};

struct table {
    struct table_slot *slots;
    size_t capacity, count;
};

static inline uint64_t table_hash(const void *bytes, size_t len)
{
    return hash_quick(bytes, len, 0);
}

/* The item, or NULL. */
static inline void *table_find(const struct table *t, uint64_t hash, const void *bytes, size_t len)
{
    if (!t->capacity)
        return NULL;
    size_t mask = t->capacity - 1;
    for (size_t at = hash & mask; t->slots[at].item; at = (at + 1) & mask) {
        const struct ident *i = t->slots[at].item;
        if (t->slots[at].hash == hash && i->len == len && (!len || memcmp(i->bytes, bytes, len) == 0))
            return t->slots[at].item;
    }
    return NULL;
}

/* Before an item is looked for: its slot's memory is asked for. */
static inline void table_prefetch(const struct table *t, uint64_t hash)
{
    if (t->capacity)
        __builtin_prefetch(&t->slots[hash & (t->capacity - 1)]);
}

/* What table_find will most likely give, without a look at it. */
static inline void *table_guess(const struct table *t, uint64_t hash)
{
    const size_t mask = t->capacity - 1;
    size_t at = hash & mask;
    while (t->slots[at].item && t->slots[at].hash != hash)
        at = (at + 1) & mask;
    return t->slots[at].item;
}

/* One that is not in it. hash: table_hash of its bytes. */
void table_add(struct table *t, uint64_t hash, struct ident *item);
void table_remove(struct table *t, const struct ident *item);
void table_free(struct table *t); /* not the items */

/* All items in the order of their bytes, in an array to free(). */
struct ident **table_sorted(const struct table *t);
int ident_compare(const struct ident *a, const struct ident *b);

/* for (size_t at = 0; (item = table_next(t, &at));) */
static inline void *table_next(const struct table *t, size_t *at)
{
    while (*at < t->capacity) {
        struct ident *item = t->slots[(*at)++].item;
        if (item)
            return item;
    }
    return NULL;
}

#endif
