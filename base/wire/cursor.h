/* Typed bytes for formats on disk and between processes: little-endian, lengths before bytes. PURE. A reader never
 * trusts its input: each get checks the bounds; once one failed, all later ones fail too and give zeros, so a caller
 * may check once at the end. */
#ifndef BELLTOWER_WIRE_CURSOR_H
#define BELLTOWER_WIRE_CURSOR_H

#include "base/buf.h"
#include "base/value.h"

void put_u8(struct buf *b, uint8_t v);
void put_u32(struct buf *b, uint32_t v);
void put_u64(struct buf *b, uint64_t v);
void put_i64(struct buf *b, int64_t v);
void put_f64(struct buf *b, double v);
void put_bytes(struct buf *b, const void *p, size_t len); /* u32 length, then the bytes */
void put_value(struct buf *b, const struct value *v);
/* Short where numbers are small: seven bits a byte, the lowest first, all bytes but the last with the highest bit set.
 * A signed number is folded before: 2n if it is not negative, else -2n - 1. */
static inline uint64_t folded(int64_t v)
{
    return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
}
static inline int64_t unfolded(uint64_t v)
{
    return (int64_t)(v >> 1 ^ (v & 1 ? UINT64_MAX : 0));
}
void put_short(struct buf *b, uint64_t v);
void put_short_signed(struct buf *b, int64_t v);
void put_short_bytes(struct buf *b, const void *p, size_t len); /* short length, then the bytes */
void put_short_value(struct buf *b, const struct value *v);     /* as put_value, an int or a string short */

struct cursor {
    const unsigned char *at, *end;
    bool bad;
};
static inline struct cursor cursor_of(const void *p, size_t len)
{
    return (struct cursor){.at = p, .end = (const unsigned char *)p + len};
}
uint8_t get_u8(struct cursor *c);
uint32_t get_u32(struct cursor *c);
uint64_t get_u64(struct cursor *c);
int64_t get_i64(struct cursor *c);
double get_f64(struct cursor *c);
const char *get_bytes(struct cursor *c, size_t *len);               /* borrowed from the input; never NULL */
const char *get_some(struct cursor *c, uint64_t want, size_t *len); /* so many bytes, as get_bytes */
struct value get_value(struct cursor *c); /* strings borrowed; an unknown type or a non-finite float is bad */
/* Of each number the one shortest form; anything else is bad. */
uint64_t get_short(struct cursor *c);
int64_t get_short_signed(struct cursor *c);
const char *get_short_bytes(struct cursor *c, size_t *len); /* as get_bytes */
struct value get_short_value(struct cursor *c);             /* as get_value */
/* A count of things that take at least min_size bytes each: bad if the rest cannot hold them, so that nobody allocates
 * by a liar's number. */
uint32_t get_count(struct cursor *c, size_t min_size);
uint32_t get_short_count(struct cursor *c, size_t min_size);
static inline bool cursor_done(const struct cursor *c) /* all read, nothing bad, nothing left */
{
    return !c->bad && c->at == c->end;
}

#endif
