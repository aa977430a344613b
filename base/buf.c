#include "base/buf.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_free(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

char *buf_reserve(struct buf *b, size_t more)
{
    if (b->cap - b->len < more || !b->data) { /* never NULL */
        size_t cap = b->cap ? b->cap : 256;
        while (cap - b->len < more)
            cap *= 2;
        b->data = mem_resize(b->data, cap, 1);
        b->cap = cap;
    }
    return b->data + b->len;
}

void buf_add(struct buf *b, const void *p, size_t len)
{
    if (!len)
        return;
    memcpy(buf_reserve(b, len), p, len);
    b->len += len;
}

void buf_add_char(struct buf *b, char c)
{
    *buf_reserve(b, 1) = c;
    b->len++;
}

void buf_add_str(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_add_uint(struct buf *b, uint64_t i)
{
    char text[20];
    size_t at = sizeof text;
    do
        text[--at] = (char)('0' + i % 10);
    while (i /= 10);
    buf_add(b, text + at, sizeof text - at);
}

void buf_add_int(struct buf *b, int64_t i)
{
    if (i < 0)
        buf_add_char(b, '-');
    buf_add_uint(b, i < 0 ? -(uint64_t)i : (uint64_t)i);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    char *p = buf_reserve(b, 64);
    int n = vsnprintf(p, b->cap - b->len, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n >= b->cap - b->len) {
        p = buf_reserve(b, (size_t)n + 1);
        n = vsnprintf(p, (size_t)n + 1, fmt, again);
    }
    va_end(again);
    if (n > 0)
        b->len += (size_t)n;
}

const char *buf_cstr(struct buf *b)
{
    *buf_reserve(b, 1) = 0;
    return b->data;
}
