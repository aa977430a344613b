#include "stream/engine/table.h"
#include "base/mem.h"

#include <stdlib.h>

static void put(struct table *t, struct table_slot slot)
{
    size_t mask = t->capacity - 1, at = slot.hash & mask;
    while (t->slots[at].item)
        at = (at + 1) & mask;
    t->slots[at] = slot;
}

static struct table_slot *slots_new(size_t count)
{
    size_t size = count * sizeof(struct table_slot);
    return size < MEM_HUGE ? mem_zero(count, sizeof(struct table_slot)) : memset(mem_huge(size), 0, size);
}

static void grow(struct table *t)
{
    struct table bigger = {.capacity = t->capacity ? t->capacity * 2 : 16, .count = t->count};
    bigger.slots = slots_new(bigger.capacity);
    for (size_t i = 0; i < t->capacity; i++) {
        if (t->slots[i].item)
            put(&bigger, t->slots[i]);
    }
    free(t->slots);
    *t = bigger;
}

void table_add(struct table *t, uint64_t hash, struct ident *item)
{
    if (t->count * 3 >= t->capacity * 2)
        grow(t);
    put(t, (struct table_slot){hash, item});
    t->count++;
}

/* Moves what comes behind into the gap, as far as it may go, so that no search stops too early. */
static void close_gap(struct table *t, size_t gap)
{
    size_t mask = t->capacity - 1;
    for (size_t at = (gap + 1) & mask; t->slots[at].item; at = (at + 1) & mask) {
        size_t home = t->slots[at].hash & mask;
        if (((at - home) & mask) < ((at - gap) & mask))
            continue;
        t->slots[gap] = t->slots[at];
        gap = at;
    }
    t->slots[gap] = (struct table_slot){0};
}

void table_remove(struct table *t, const struct ident *item)
{
    size_t mask = t->capacity - 1, at = table_hash(item->bytes, item->len) & mask;
    while (t->slots[at].item != item)
        at = (at + 1) & mask;
    close_gap(t, at);
    t->count--;
}

void table_free(struct table *t)
{
    free(t->slots);
    *t = (struct table){0};
}

int ident_compare(const struct ident *a, const struct ident *b)
{
    size_t min = a->len < b->len ? a->len : b->len;
    int d = min ? memcmp(a->bytes, b->bytes, min) : 0;
    return d ? d : (a->len > b->len) - (a->len < b->len);
}

static int by_bytes(const void *a, const void *b)
{
    return ident_compare(*(struct ident *const *)a, *(struct ident *const *)b);
}

struct ident **table_sorted(const struct table *t)
{
    struct ident **items = mem_alloc(t->count * sizeof *items), *item;
    size_t n = 0;
    for (size_t at = 0; (item = table_next(t, &at));)
        items[n++] = item;
    qsort(items, n, sizeof *items, by_bytes);
    return items;
}
