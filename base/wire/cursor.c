#include "base/wire/cursor.h"

#include <math.h>
#include <string.h>

static void put_le(struct buf *b, uint64_t v, size_t size)
{
    char *p = buf_reserve(b, size);
    for (size_t i = 0; i < size; i++)
        p[i] = (char)(v >> (8 * i));
    b->len += size;
}

void put_u8(struct buf *b, uint8_t v)
{
    put_le(b, v, 1);
}

void put_u32(struct buf *b, uint32_t v)
{
    put_le(b, v, 4);
}

void put_u64(struct buf *b, uint64_t v)
{
    put_le(b, v, 8);
}

void put_i64(struct buf *b, int64_t v)
{
    put_le(b, (uint64_t)v, 8);
}

void put_f64(struct buf *b, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, 8);
    put_le(b, bits, 8);
}

void put_bytes(struct buf *b, const void *p, size_t len)
{
    put_u32(b, (uint32_t)len);
    buf_add(b, p, len);
}

void put_value(struct buf *b, const struct value *v)
{
    put_u8(b, (uint8_t)v->type);
    switch (v->type) {
    case VALUE_NULL:
        break;
    case VALUE_BOOL:
        put_u8(b, v->b);
        break;
    case VALUE_INT:
        put_i64(b, v->i);
        break;
    case VALUE_FLOAT:
        put_f64(b, v->f);
        break;
    case VALUE_STRING:
        put_bytes(b, v->s, v->len);
        break;
    }
}

void put_short(struct buf *b, uint64_t v)
{
    char *p = buf_reserve(b, 10);
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        p[n++] = (char)(v | 0x80);
    p[n++] = (char)v;
    b->len += n;
}

void put_short_signed(struct buf *b, int64_t v)
{
    put_short(b, folded(v));
}

void put_short_bytes(struct buf *b, const void *p, size_t len)
{
    put_short(b, len);
    buf_add(b, p, len);
}

void put_short_value(struct buf *b, const struct value *v)
{
    if (v->type != VALUE_INT && v->type != VALUE_STRING) {
        put_value(b, v);
        return;
    }
    put_u8(b, (uint8_t)v->type);
    if (v->type == VALUE_INT)
        put_short_signed(b, v->i);
    else
        put_short_bytes(b, v->s, v->len);
}

static uint64_t get_le(struct cursor *c, size_t size)
{
    if (c->bad || (size_t)(c->end - c->at) < size) {
        c->bad = true;
        return 0;
    }
    uint64_t v = 0;
    for (size_t i = 0; i < size; i++)
        v |= (uint64_t)c->at[i] << (8 * i);
    c->at += size;
    return v;
}

uint8_t get_u8(struct cursor *c)
{
    return (uint8_t)get_le(c, 1);
}

uint32_t get_u32(struct cursor *c)
{
    return (uint32_t)get_le(c, 4);
}

uint64_t get_u64(struct cursor *c)
{
    return get_le(c, 8);
}

int64_t get_i64(struct cursor *c)
{
    return (int64_t)get_le(c, 8);
}

double get_f64(struct cursor *c)
{
    uint64_t bits = get_le(c, 8);
    double v;
    memcpy(&v, &bits, 8);
    return v;
}

const char *get_some(struct cursor *c, uint64_t want, size_t *len)
{
    if (c->bad || (uint64_t)(c->end - c->at) < want) {
        c->bad = true;
        *len = 0;
        return "";
    }
    const char *p = (const char *)c->at;
    *len = (size_t)want;
    c->at += *len;
    return p;
}

const char *get_bytes(struct cursor *c, size_t *len)
{
    return get_some(c, get_u32(c), len);
}

uint64_t get_short(struct cursor *c)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = get_u8(c);
        v |= (uint64_t)(byte & 0x7F) << shift;
        if (byte & 0x80)
            continue;
        c->bad |= (shift && !byte) || (shift == 63 && byte > 1);
        return c->bad ? 0 : v;
    }
    c->bad = true;
    return 0;
}

int64_t get_short_signed(struct cursor *c)
{
    return unfolded(get_short(c));
}

const char *get_short_bytes(struct cursor *c, size_t *len)
{
    return get_some(c, get_short(c), len);
}

struct value get_value(struct cursor *c)
{
    struct value v = {.type = (enum value_type)get_u8(c)};
    size_t len = 0;
    switch (v.type) {
    case VALUE_NULL:
        return v;
    case VALUE_BOOL:
        v.b = get_u8(c) != 0;
        return v;
    case VALUE_INT:
        v.i = get_i64(c);
        return v;
    case VALUE_FLOAT:
        v.f = get_f64(c);
        c->bad |= !isfinite(v.f);
        return v;
    case VALUE_STRING:
        v.s = get_bytes(c, &len);
        v.len = (uint32_t)len;
        return v;
    }
    c->bad = true;
    return (struct value){0};
}

struct value get_short_value(struct cursor *c)
{
    size_t len = 0;
    uint8_t type = c->bad || c->at == c->end ? VALUE_NULL : *c->at;
    if (type != VALUE_INT && type != VALUE_STRING)
        return get_value(c);
    struct value v = {.type = (enum value_type)get_u8(c)};
    if (type == VALUE_INT) {
        v.i = get_short_signed(c);
    } else {
        v.s = get_short_bytes(c, &len);
        c->bad |= len > UINT32_MAX;
        v.len = (uint32_t)len;
    }
    return v;
}

static uint32_t count_of(struct cursor *c, uint64_t n, size_t min_size)
{
    if (c->bad || n > UINT32_MAX || (size_t)(c->end - c->at) / (min_size ? min_size : 1) < n) {
        c->bad = true;
        return 0;
    }
    return (uint32_t)n;
}

uint32_t get_count(struct cursor *c, size_t min_size)
{
    return count_of(c, get_u32(c), min_size);
}

uint32_t get_short_count(struct cursor *c, size_t min_size)
{
    return count_of(c, get_short(c), min_size);
}
