#include "stream/engine/sequences.h"

#include <string.h>

#define WORDS (PRODUCER_BITS / 64)

/* ---- <producer>:<sequence> ---- */

static bool is_name(const char *s, size_t len)
{
    static const char others[] = "._-";
    for (size_t i = 0; i < len; i++) {
        char c = s[i], lower = (char)(c | 0x20);
        if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') && !(c && strchr(others, c)))
            return false;
    }
    return len >= 1 && len <= 64;
}

/* Decimal without leading zeros, below 2^63. */
static bool read_sequence(const char *s, size_t len, uint64_t *sequence)
{
    uint64_t v = 0;
    if (!len || len > 19 || (len > 1 && s[0] == '0'))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(s[i] - '0');
    }
    *sequence = v;
    return v <= INT64_MAX;
}

static bool split_id(struct bytes id, size_t *name_len, uint64_t *sequence)
{
    const char *colon = id.len ? memchr(id.p, ':', id.len) : NULL;
    if (!colon)
        return false;
    *name_len = (size_t)(colon - id.p);
    return is_name(id.p, *name_len) && read_sequence(colon + 1, id.len - *name_len - 1, sequence);
}

/* ---- producers in the order in which they were heard of ---- */

static void unlink_producer(struct engine *e, struct producer *p)
{
    if (p->older)
        p->older->newer = p->newer;
    else
        e->oldest = p->newer;
    if (p->newer)
        p->newer->older = p->older;
    else
        e->newest = p->older;
    p->older = p->newer = NULL;
}

static void link_newest(struct engine *e, struct producer *p)
{
    p->older = e->newest;
    if (e->newest)
        e->newest->newer = p;
    else
        e->oldest = p;
    e->newest = p;
}

struct producer *producer_new(struct engine *e, const char *name, size_t len)
{
    struct producer *p = slab_alloc(&e->slab, sizeof *p + len);
    memcpy(p + 1, name, len);
    p->ident = (struct ident){(char *)(p + 1), len};
    table_add(&e->producers, table_hash(name, len), &p->ident);
    link_newest(e, p);
    return p;
}

void producers_trim(struct engine *e, size_t most)
{
    while (e->producers.count > most) {
        struct producer *p = e->oldest;
        unlink_producer(e, p);
        table_remove(&e->producers, &p->ident);
        slab_free(&e->slab, p, sizeof *p + p->ident.len);
    }
}

/* ---- the highest and the bits below it ---- */

static void shift_up(uint64_t *seen, uint64_t by)
{
    size_t words = by / 64, bits = by % 64;
    for (size_t i = WORDS; i-- > 0;) {
        uint64_t high = i >= words ? seen[i - words] : 0, low = i > words ? seen[i - words - 1] : 0;
        seen[i] = bits ? high << bits | low >> (64 - bits) : high;
    }
}

static void raise(struct producer *p, uint64_t sequence)
{
    uint64_t by = sequence - p->highest;
    if (by >= PRODUCER_BITS)
        memset(p->seen, 0, sizeof p->seen);
    else
        shift_up(p->seen, by);
    if (by <= PRODUCER_BITS)
        p->seen[(by - 1) / 64] |= UINT64_C(1) << ((by - 1) % 64);
    p->highest = sequence;
}

static bool note(struct producer *p, uint64_t sequence)
{
    if (sequence > p->highest) {
        raise(p, sequence);
        return false;
    }
    uint64_t below = p->highest - sequence;
    if (below == 0 || below > PRODUCER_BITS)
        return true;
    uint64_t *word = &p->seen[(below - 1) / 64], bit = UINT64_C(1) << ((below - 1) % 64);
    bool seen = *word & bit;
    *word |= bit;
    return seen;
}

bool sequence_seen(struct engine *e, struct bytes message_id)
{
    size_t len;
    uint64_t sequence;
    if (!split_id(message_id, &len, &sequence))
        return false;
    struct producer *p = table_find(&e->producers, table_hash(message_id.p, len), message_id.p, len);
    if (p) {
        unlink_producer(e, p);
        link_newest(e, p);
        return note(p, sequence);
    }
    p = producer_new(e, message_id.p, len);
    p->highest = sequence;
    producers_trim(e, (size_t)e->app->limits.producers);
    return false;
}
