/* Allocation that ends the process when memory is out (exit code EXIT_OOM of base/wire/contract.h), so that callers
 * need no check. */
#ifndef BELLTOWER_BASE_MEM_H
#define BELLTOWER_BASE_MEM_H

#include <stddef.h>

#define MEM_EXIT_OOM 71 /* "out of memory" in the contract's list of exit codes */

void *mem_alloc(size_t size);              /* uninitialised; size 0 gives a valid pointer */
void *mem_zero(size_t count, size_t size); /* zeroed; overflow of the product ends the process */
void *mem_resize(void *p, size_t count, size_t size);
/* Uninitialised, for what is large and read here and there: in huge pages where the kernel has them. free() it. size: a
 * multiple of MEM_HUGE. */
#define MEM_HUGE ((size_t)2 << 20)
void *mem_huge(size_t size);
void mem_free(void *p);                       /* free(); NULL is fine */
char *mem_strdup(const char *s);              /* NULL gives NULL */
char *mem_strndup(const char *s, size_t len); /* copies len bytes and adds NUL */
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Arena: many small allocations freed at once. Zero-initialised is empty. */
struct arena {
    struct arena_block *head;
};
void *arena_alloc(struct arena *a, size_t size); /* zeroed, aligned to 16 */
char *arena_strndup(struct arena *a, const char *s, size_t len);
void arena_free(struct arena *a); /* no-op on empty */

#endif
