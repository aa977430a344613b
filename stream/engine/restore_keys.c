#include "stream/engine/restore_keys.h"
#include "stream/engine/streams.h"
#include "stream/engine/timeline.h"
#include "stream/engine/watermark.h"

/* What version 2 gives as a difference to what comes before it. */
struct reader {
    struct cursor *c;
    struct engine *e;
    struct stream *s;
    uint32_t format;
    struct buf key; /* the key's bytes */
    int64_t grain;  /* of the pane before, in grains */
    int64_t window; /* of the record before: where its window starts, in steps of `every` */
};

/* ---- panes ---- */

struct pane_head {
    int64_t start, bound;
    uint64_t first, last;
};

/* a + b for a number that may be a liar's. */
static int64_t plus(struct cursor *c, int64_t a, int64_t b)
{
    int64_t sum = 0;
    c->bad |= __builtin_add_overflow(a, b, &sum);
    return sum;
}

static int64_t times(struct cursor *c, int64_t a, int64_t b)
{
    int64_t product = 0;
    c->bad |= __builtin_mul_overflow(a, b, &product);
    return product;
}

static struct pane_head head_1(struct reader *r)
{
    struct pane_head h = {.start = get_i64(r->c)};
    h.bound = time_checked(r->c, get_i64(r->c));
    h.first = get_u64(r->c);
    h.last = get_u64(r->c);
    return h;
}

static struct pane_head head_2(struct reader *r)
{
    struct cursor *c = r->c;
    struct pane_head h = {.bound = BEFORE};
    uint64_t step = get_short(c);
    r->grain = plus(c, r->grain, unfolded(step >> 1));
    h.start = times(c, r->grain, r->s->grain);
    if (step & 1)
        h.bound = time_checked(c, get_short_signed(c));
    uint64_t behind = get_short(c), before = get_short(c);
    c->bad |= (step & 1 && h.bound == BEFORE) || behind > r->e->last_offset || before > r->e->last_offset - behind;
    h.last = c->bad ? 0 : r->e->last_offset - behind;
    h.first = c->bad ? 0 : h.last - before;
    return h;
}

static void get_pane(struct reader *r, struct key_row *key)
{
    struct cursor *c = r->c;
    struct pane_head h = r->format == 1 ? head_1(r) : head_2(r);
    struct row_context context = row_context_of(r->e, r->s);
    context.format = r->format;
    if (c->bad || h.first > h.last || !r->e->has_last || h.last > r->e->last_offset || h.start < 0 ||
        h.start > TIME_MAX_MS || h.start != multiple_below(h.start, r->s->grain)) {
        c->bad = true;
        return;
    }
    for (const struct pane *p = key->panes; p; p = p->next_in_key) /* time may have been set back twice */
        c->bad |= p->start == h.start && p->bound == h.bound && h.bound == BEFORE;
    if (c->bad)
        return;
    struct pane *p = pane_new(r->e, r->s, key, h.start, h.bound);
    p->first_offset = h.first;
    p->last_offset = h.last;
    row_load(&r->s->layout, pane_row(p), c, &context);
}

/* ---- records ---- */

static void get_fired(struct reader *r, struct window_record *w)
{
    size_t len, want = (r->s->trigger_count + 7) / 8;
    const char *fired = r->format == 1 ? get_bytes(r->c, &len) : get_some(r->c, want, &len);
    r->c->bad |= len != want;
    if (!r->c->bad)
        memcpy(w->fired, fired, len);
}

static int64_t record_end(struct reader *r)
{
    const struct app_stream *s = r->s->app;
    if (r->format == 1)
        return get_i64(r->c);
    r->window = plus(r->c, r->window, get_short_signed(r->c));
    return plus(r->c, times(r->c, r->window, s->every), s->size);
}

static void get_record(struct reader *r, struct key_row *key)
{
    struct cursor *c = r->c;
    const struct app_stream *s = r->s->app;
    int64_t end = record_end(r);
    if (c->bad || end < -TIME_BOUND || end > TIME_BOUND || multiple_below(end - s->size, s->every) != end - s->size ||
        record_find(key, end)) {
        c->bad = true;
        return;
    }
    struct window_record *w = record_new(r->e, r->s, key, end);
    uint64_t revision, closed;
    if (r->format == 1) {
        revision = get_u32(c);
        closed = get_u8(c);
    } else {
        revision = get_short(c);
        closed = revision & 1;
        revision >>= 1;
    }
    c->bad |= closed > 1 || revision > UINT32_MAX;
    w->revision = (uint32_t)revision;
    w->closed = closed == 1;
    r->s->closed_records += w->closed;
    get_fired(r, w);
}

/* ---- keys ---- */

/* In version 2 without what it begins with like the key before it. */
static void get_key_bytes(struct reader *r)
{
    size_t len;
    uint64_t shared = r->format == 1 ? 0 : get_short(r->c);
    const char *bytes = r->format == 1 ? get_bytes(r->c, &len) : get_short_bytes(r->c, &len);
    r->c->bad |= shared > r->key.len;
    if (r->c->bad)
        return;
    r->key.len = (size_t)shared;
    buf_add(&r->key, bytes, len);
}

static struct key_row *get_key_row(struct reader *r)
{
    struct engine *e = r->e;
    get_key_bytes(r);
    if (r->c->bad)
        return NULL;
    const char *bytes = r->key.len ? r->key.data : "";
    uint64_t hash = table_hash(bytes, r->key.len);
    if (table_find(&r->s->keys, hash, bytes, r->key.len) ||
        !stream_key_device(r->s, bytes, r->key.len, e->values, &e->strings, &e->ident_bytes))
        return NULL;
    struct device *d = device_find(e, e->ident_bytes.data, e->ident_bytes.len);
    return d ? key_new(e, r->s, hash, bytes, r->key.len, d) : NULL;
}

static uint32_t count(struct reader *r, size_t least_1, size_t least_2)
{
    return r->format == 1 ? get_count(r->c, least_1) : get_short_count(r->c, least_2);
}

static void get_key(struct reader *r)
{
    struct cursor *c = r->c;
    struct key_row *key = get_key_row(r);
    if (!key) {
        c->bad = true;
        return;
    }
    uint32_t panes = count(r, 4 * 8, 3);
    c->bad |= !panes;
    for (; panes && !c->bad; panes--)
        get_pane(r, key);
    if (c->bad)
        return;
    r->window = multiple_below(key->panes->start, r->s->app->every) / r->s->app->every;
    for (uint32_t n = count(r, 8 + 4 + 1 + 4, 2); n && !c->bad; n--)
        get_record(r, key);
}

void restore_keys(struct cursor *c, struct engine *e, struct stream *s, uint32_t format)
{
    struct reader r = {.c = c, .e = e, .s = s, .format = format};
    for (uint32_t n = count(&r, 4 + 4 + 4, 7); n && !c->bad; n--)
        get_key(&r);
    buf_free(&r.key);
}
