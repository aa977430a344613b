#include "stream/engine/value_set.h"
#include "base/hash.h"

#include <string.h>

struct value value_copy(const struct value *v, struct slab *slab)
{
    struct value copy = *v;
    if (v->type == VALUE_STRING) {
        char *s = slab_alloc(slab, v->len);
        if (v->len)
            memcpy(s, v->s, v->len);
        copy.s = s;
    }
    return copy;
}

void value_release(struct value *v, struct slab *slab)
{
    if (v->type == VALUE_STRING)
        slab_free(slab, (void *)(uintptr_t)v->s, v->len);
    *v = (struct value){0};
}

static uint64_t hash_of(const struct value *v)
{
    double f;
    switch (v->type) {
    case VALUE_STRING:
        return hash_quick(v->s, v->len, 0);
    case VALUE_FLOAT:
        f = v->f + 0.0; /* -0 is 0 */
        return hash_quick(&f, sizeof f, 0);
    case VALUE_BOOL:
        return v->b;
    default:
        return hash_quick(&v->i, sizeof v->i, 0);
    }
}

/* The slot that holds v, or the free one where it belongs. */
static struct value *slot_of(const struct value_set *s, const struct value *v)
{
    uint32_t mask = s->capacity - 1;
    uint32_t at = (uint32_t)hash_of(v) & mask;
    while (s->slots[at].type != VALUE_NULL && value_compare(&s->slots[at], v) != 0)
        at = (at + 1) & mask;
    return &s->slots[at];
}

static void grow(struct value_set *s, struct slab *slab)
{
    struct value_set bigger = {.capacity = s->capacity ? s->capacity * 2 : 8, .count = s->count};
    bigger.slots = slab_alloc(slab, bigger.capacity * sizeof *bigger.slots);
    for (uint32_t i = 0; i < s->capacity; i++) {
        if (s->slots[i].type != VALUE_NULL)
            *slot_of(&bigger, &s->slots[i]) = s->slots[i];
    }
    slab_free(slab, s->slots, s->capacity * sizeof *s->slots);
    *s = bigger;
}

void value_set_add(struct value_set *s, const struct value *v, struct slab *slab)
{
    if (s->count * 4 >= s->capacity * 3)
        grow(s, slab);
    struct value *slot = slot_of(s, v);
    if (slot->type != VALUE_NULL)
        return;
    *slot = value_copy(v, slab);
    s->count++;
}

void value_set_release(struct value_set *s, struct slab *slab)
{
    for (uint32_t i = 0; i < s->capacity; i++)
        value_release(&s->slots[i], slab);
    slab_free(slab, s->slots, s->capacity * sizeof *s->slots);
    *s = (struct value_set){0};
}
