/* An allocator of many small things of few sizes, without system calls or headers per thing: what was freed is used
 * again by its size. Freed as a whole with its owner. Zero-initialised is empty. */
#ifndef BELLTOWER_BASE_SLAB_H
#define BELLTOWER_BASE_SLAB_H

#include <stddef.h>

#define SLAB_UNIT    16
#define SLAB_CLASSES 65 /* up to 1024 bytes; larger things are the system's */

struct slab {
    void *unused[SLAB_CLASSES];
    struct slab_block *blocks;
    struct slab_large *large;
    char *at, *end;
    size_t block_count;
};

void *slab_alloc(struct slab *s, size_t size);        /* zeroed, aligned to 16; never NULL */
void slab_free(struct slab *s, void *p, size_t size); /* the size it was allocated with; no-op on NULL */
void slab_free_all(struct slab *s);

#endif
