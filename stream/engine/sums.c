#include "stream/engine/sums.h"
#include "stream/engine/timeline.h"

/* With fewer panes in a window a walk is as quick. */
#define SUMS_WORTH 4

#define ALIGNED(size) (((size) + SLAB_UNIT - 1) / SLAB_UNIT * SLAB_UNIT)

/* ---- where they lie: behind struct sums first the younger part, then the older ones, the youngest first ---- */

static size_t sum_size(const struct stream *s)
{
    return ALIGNED(sizeof(struct sum)) + s->layout.size;
}

static size_t sums_size(const struct stream *s, uint32_t capacity)
{
    return ALIGNED(sizeof(struct sums)) + (1 + (size_t)capacity) * sum_size(s);
}

static struct sum *sum_at(const struct stream *s, struct sums *m, uint32_t i)
{
    return (struct sum *)(void *)((char *)m + ALIGNED(sizeof *m) + i * sum_size(s));
}

static void *sum_row(struct sum *m)
{
    return (char *)m + ALIGNED(sizeof *m);
}

static void sum_clear(const struct stream *s, struct sum *m, const struct row_context *c)
{
    row_release(&s->layout, sum_row(m), c);
    memset(sum_row(m), 0, s->layout.size);
}

void sums_drop(struct engine *e, const struct stream *s, struct key_row *key)
{
    struct row_context c = row_context_of(e, s);
    struct sums *m = key->sums;
    if (!m)
        return;
    for (uint32_t i = 0; s->layout.owns && i <= m->capacity; i++)
        row_release(&s->layout, sum_row(sum_at(s, m, i)), &c);
    slab_free(&e->slab, m, sums_size(s, m->capacity));
    key->sums = NULL;
}

/* ---- the older part ---- */

static void span(struct sum *m, uint64_t first, uint64_t last)
{
    m->first_offset = first < m->first_offset ? first : m->first_offset;
    m->last_offset = last > m->last_offset ? last : m->last_offset;
}

/* A sum of the one before it, if there is one, and of an older pane. */
static void sum_up(const struct stream *s, struct sum *m, struct sum *before, struct pane *p,
                   const struct row_context *c)
{
    sum_clear(s, m, c);
    *m = (struct sum){p->start, p->first_offset, p->last_offset};
    if (before) {
        span(m, before->first_offset, before->last_offset);
        row_merge(&s->layout, sum_row(m), sum_row(before), c);
    }
    row_merge(&s->layout, sum_row(m), pane_row(p), c);
}

/* How many panes of the key are in the window; 0 if one of them may be in some of its windows only. */
static uint32_t count_panes(const struct stream *s, const struct pane *p, int64_t end)
{
    uint32_t n = 0;
    for (; p && p->start >= end - s->app->size; p = p->next_in_key, n++) {
        if (p->bound != BEFORE)
            return 0;
    }
    return n;
}

/* Memory for so many, as much as before if that will do. */
static struct sums *sums_room(struct engine *e, const struct stream *s, struct key_row *key, uint32_t count)
{
    if (!key->sums || key->sums->capacity < count) {
        sums_drop(e, s, key);
        key->sums = slab_alloc(&e->slab, sums_size(s, count));
        key->sums->capacity = count;
    }
    return key->sums;
}

/* Of all panes of the window. false: they are not worth it. */
static bool sums_make(struct engine *e, const struct stream *s, struct key_row *key, int64_t end)
{
    struct row_context c = row_context_of(e, s);
    struct pane *p = key->panes;
    while (p && p->start >= end)
        p = p->next_in_key;
    uint32_t count = count_panes(s, p, end);
    if (count < SUMS_WORTH) {
        sums_drop(e, s, key);
        return false;
    }
    struct sums *m = sums_room(e, s, key, count);
    *m = (struct sums){.youngest = p, .to = end, .split = end, .older = count, .capacity = m->capacity};
    for (uint32_t i = 1; p && i <= count; i++, p = p->next_in_key)
        sum_up(s, sum_at(s, m, i), i > 1 ? sum_at(s, m, i - 1) : NULL, p, &c);
    return true;
}

/* ---- the younger part ---- */

/* false: there is a pane that may be in some of its windows only. */
static bool sums_extend(struct engine *e, const struct stream *s, struct sums *m, int64_t end)
{
    struct row_context c = row_context_of(e, s);
    struct sum *younger = sum_at(s, m, 0);
    for (struct pane *p; (p = m->youngest->before_in_key) && p->start < end; m->youngest = p) {
        if (p->bound != BEFORE)
            return false;
        if (m->younger) {
            span(younger, p->first_offset, p->last_offset);
            row_merge_younger(&s->layout, sum_row(younger), pane_row(p), &c);
        } else {
            sum_up(s, younger, NULL, p, &c);
            m->younger = true;
        }
    }
    m->to = end;
    return true;
}

/* ---- both ---- */

/* Brings the key's sums to the window that ends at `end`. false: there are none that hold it. */
static bool sums_reach(struct engine *e, const struct stream *s, struct key_row *key, int64_t end)
{
    int64_t start = end - s->app->size;
    if (!key->sums || key->sums->split < start)
        return sums_make(e, s, key, end);
    if (!sums_extend(e, s, key->sums, end)) {
        sums_drop(e, s, key);
        return false;
    }
    while (key->sums->older && sum_at(s, key->sums, key->sums->older)->start < start)
        key->sums->older--;
    return true;
}

const void *sums_row(struct engine *e, struct stream *s, struct key_row *key, int64_t end, void *room,
                     struct sum *offsets)
{
    if (!s->overlaps || !s->layout.associative || (key->sums && end < key->sums->to) || !sums_reach(e, s, key, end))
        return NULL;
    struct sums *m = key->sums;
    struct sum *younger = m->younger ? sum_at(s, m, 0) : NULL, *older = m->older ? sum_at(s, m, m->older) : NULL;
    if (!younger && !older)
        return NULL;
    *offsets = younger ? *younger : *older;
    if (!younger || !older)
        return sum_row(younger ? younger : older);
    struct row_context c = row_context_of(e, s);
    span(offsets, older->first_offset, older->last_offset);
    row_merge(&s->layout, room, sum_row(younger), &c);
    row_merge(&s->layout, room, sum_row(older), &c);
    return room;
}
