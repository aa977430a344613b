/* A set of values, none null: what distinct() has seen. Memory comes from a slab. Zero-initialised is empty. PURE. */
#ifndef BELLTOWER_STREAM_ENGINE_VALUE_SET_H
#define BELLTOWER_STREAM_ENGINE_VALUE_SET_H

#include "base/slab.h"
#include "base/value.h"

struct value_set {
    struct value *slots; /* VALUE_NULL: free */
    uint32_t capacity, count;
};

void value_set_add(struct value_set *s, const struct value *v, struct slab *slab); /* copies strings */
void value_set_release(struct value_set *s, struct slab *slab);                    /* leaves it empty */

/* Copies of values whose strings the slab owns. */
struct value value_copy(const struct value *v, struct slab *slab);
void value_release(struct value *v, struct slab *slab); /* leaves null */

#endif
