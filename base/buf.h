/* A growable byte buffer. Zero-initialised is empty; keeps its memory when cleared, so a steady state allocates
 * nothing. data is not NUL-terminated unless buf_cstr made it so. */
#ifndef BELLTOWER_BASE_BUF_H
#define BELLTOWER_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data;
    size_t len, cap;
};

void buf_free(struct buf *b); /* leaves it empty and usable */
static inline void buf_clear(struct buf *b)
{
    b->len = 0;
}
/* Room for more bytes behind len; returns where they begin. Pointers into data die. */
char *buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *p, size_t len);
void buf_add_char(struct buf *b, char c);
void buf_add_str(struct buf *b, const char *s);
void buf_add_uint(struct buf *b, uint64_t i); /* decimal */
void buf_add_int(struct buf *b, int64_t i);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Ends data with a NUL that len does not count; the string dies with the next change. */
const char *buf_cstr(struct buf *b);

#endif
