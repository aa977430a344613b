#include "base/slab.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The sanitizer watches what is free within a block as it does with malloc. */
#if defined(__SANITIZE_ADDRESS__)
#define POISONED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISONED 1
#endif
#endif
#ifdef POISONED
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

/* Of a slab that has as many small blocks, further ones are huge: at most a third of its memory is not used. */
#define BLOCK_BYTES  (64 * 1024)
#define SMALL_BLOCKS 64

struct slab_block {
    struct slab_block *next;
    size_t size; /* of bytes */
    _Alignas(16) char bytes[];
};

struct slab_large {
    struct slab_large *next, *prev;
    _Alignas(16) char bytes[];
};

static size_t class_of(size_t size)
{
    return size ? (size + SLAB_UNIT - 1) / SLAB_UNIT : 1;
}

static void *alloc_large(struct slab *s, size_t size)
{
    struct slab_large *l = mem_alloc(sizeof *l + size);
    l->prev = NULL;
    l->next = s->large;
    if (s->large)
        s->large->prev = l;
    s->large = l;
    return memset(l->bytes, 0, size);
}

static void free_large(struct slab *s, void *p)
{
    struct slab_large *l = (struct slab_large *)((char *)p - offsetof(struct slab_large, bytes));
    if (l->prev)
        l->prev->next = l->next;
    else
        s->large = l->next;
    if (l->next)
        l->next->prev = l->prev;
    free(l);
}

static void add_block(struct slab *s)
{
    bool huge = s->block_count++ >= SMALL_BLOCKS;
    size_t size = huge ? MEM_HUGE : sizeof(struct slab_block) + BLOCK_BYTES;
    struct slab_block *b = huge ? mem_huge(size) : mem_alloc(size);
    b->next = s->blocks;
    s->blocks = b;
    s->at = b->bytes;
    s->end = (char *)b + size;
    b->size = (size_t)(s->end - s->at);
    ASAN_POISON_MEMORY_REGION(b->bytes, b->size);
}

static void *alloc_fresh(struct slab *s, size_t bytes)
{
    if ((size_t)(s->end - s->at) < bytes)
        add_block(s);
    void *p = s->at;
    s->at += bytes;
    return p;
}

void *slab_alloc(struct slab *s, size_t size)
{
    size_t class = class_of(size), bytes = class * SLAB_UNIT;
    if (class >= SLAB_CLASSES)
        return alloc_large(s, size);
    void *p = s->unused[class];
    if (p) {
        ASAN_UNPOISON_MEMORY_REGION(p, bytes);
        memcpy(&s->unused[class], p, sizeof(void *));
    } else {
        p = alloc_fresh(s, bytes);
        ASAN_UNPOISON_MEMORY_REGION(p, bytes);
    }
    return memset(p, 0, bytes);
}

void slab_free(struct slab *s, void *p, size_t size)
{
    size_t class = class_of(size);
    if (!p)
        return;
    if (class >= SLAB_CLASSES) {
        free_large(s, p);
        return;
    }
    memcpy(p, &s->unused[class], sizeof(void *));
    s->unused[class] = p;
    ASAN_POISON_MEMORY_REGION(p, class * SLAB_UNIT);
}

void slab_free_all(struct slab *s)
{
    while (s->blocks) {
        struct slab_block *b = s->blocks;
        s->blocks = b->next;
        ASAN_UNPOISON_MEMORY_REGION(b->bytes, b->size);
        free(b);
    }
    while (s->large) {
        struct slab_large *l = s->large;
        s->large = l->next;
        free(l);
    }
    *s = (struct slab){0};
}
