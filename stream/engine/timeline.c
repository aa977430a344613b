#include "stream/engine/timeline.h"
#include "stream/engine/roll.h"
#include "stream/engine/sums.h"

#include <stdlib.h>
#include <string.h>

/* ---- buckets ---- */

uint32_t bucket_from(const struct timeline *line, int64_t t)
{
    uint32_t low = line->first, high = line->first + line->count;
    if (low < high && line->buckets[high - 1].start < t)
        return high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (line->buckets[middle].start < t)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Room for one more bucket at the end: what went from the front first, then more memory. */
static void bucket_room(struct timeline *line)
{
    if (line->first + line->count < line->capacity)
        return;
    if (line->first > line->capacity / 2) {
        memmove(line->buckets, line->buckets + line->first, line->count * sizeof *line->buckets);
        line->first = 0;
        return;
    }
    line->capacity = line->capacity ? line->capacity * 2 : 4;
    line->buckets = mem_resize(line->buckets, line->capacity, sizeof *line->buckets);
}

static struct bucket *bucket_of(struct timeline *line, int64_t start)
{
    uint32_t at = bucket_from(line, start);
    if (at < line->first + line->count && line->buckets[at].start == start)
        return &line->buckets[at];
    uint32_t place = at - line->first;
    bucket_room(line);
    at = line->first + place;
    memmove(&line->buckets[at + 1], &line->buckets[at], (line->count - place) * sizeof *line->buckets);
    line->buckets[at] = (struct bucket){.start = start};
    line->count++;
    return &line->buckets[at];
}

void timeline_free(struct timeline *line)
{
    free(line->buckets);
    free(line->roll.keys);
}

/* ---- keys, panes, records ---- */

static size_t key_size(const struct key_row *key)
{
    return sizeof *key + key->ident.len;
}

struct key_row *key_new(struct engine *e, struct stream *s, uint64_t hash, const void *bytes, size_t len,
                        struct device *d)
{
    struct key_row *key = slab_alloc(&e->slab, sizeof *key + len);
    char *copy = (char *)(key + 1);
    if (len)
        memcpy(copy, bytes, len);
    key->ident = (struct ident){copy, len};
    key->device = d;
    table_add(&s->keys, hash, &key->ident);
    e->far |= s->keys.capacity >= FAR_SLOTS;
    return key;
}

static size_t pane_size(const struct stream *s)
{
    return sizeof(struct pane) + s->layout.size;
}

struct pane *pane_new(struct engine *e, struct stream *s, struct key_row *key, int64_t start, int64_t bound)
{
    struct pane *p = slab_alloc(&e->slab, pane_size(s)), **link = &key->panes;
    struct pane *before = NULL;
    struct timeline *line = timeline_of(s, key->device);
    struct bucket *b = bucket_of(line, start);
    key->device->panes++;
    p->key = key;
    p->start = start;
    p->bound = bound;
    while (*link && ((*link)->start > start || ((*link)->start == start && (*link)->bound <= bound))) {
        before = *link;
        link = &before->next_in_key;
    }
    p->before_in_key = before;
    p->next_in_key = *link;
    if (*link)
        (*link)->before_in_key = p;
    *link = p;
    p->next_in_bucket = b->panes;
    b->panes = p;
    if (roll_lacks(s, key))
        roll_add(line, key);
    return p;
}

struct pane *pane_of(struct engine *e, struct stream *s, struct key_row *key, int64_t start, bool *made)
{
    *made = false;
    for (struct pane *p = key->panes; p && p->start >= start; p = p->next_in_key) {
        if (p->start == start && p->bound == BEFORE)
            return p;
    }
    *made = true;
    struct pane *p = pane_new(e, s, key, start, BEFORE);
    p->first_offset = p->last_offset = e->source.offset;
    return p;
}

static void pane_free(struct engine *e, const struct stream *s, struct pane *p)
{
    struct row_context c = row_context_of(e, s);
    p->key->device->panes--;
    row_release(&s->layout, pane_row(p), &c);
    slab_free(&e->slab, p, pane_size(s));
}

size_t record_size(const struct stream *s)
{
    return offsetof(struct window_record, fired) + (s->trigger_count + 7) / 8;
}

struct window_record *record_find(const struct key_row *key, int64_t end)
{
    struct window_record *r = key->records;
    while (r && r->end != end)
        r = r->next;
    return r;
}

struct window_record *record_new(struct engine *e, const struct stream *s, struct key_row *key, int64_t end)
{
    struct window_record *r = slab_alloc(&e->slab, record_size(s));
    r->end = end;
    r->next = key->records;
    key->records = r;
    return r;
}

void records_prune(struct engine *e, struct stream *s, struct key_row *key, int64_t gone)
{
    struct window_record **link = &key->records;
    while (*link) {
        struct window_record *r = *link;
        if (r->end > gone) {
            link = &r->next;
            continue;
        }
        *link = r->next;
        s->closed_records -= r->closed;
        slab_free(&e->slab, r, record_size(s));
    }
}

static void key_free(struct engine *e, struct stream *s, struct key_row *key)
{
    records_prune(e, s, key, NEVER);
    sums_drop(e, s, key);
    if (key->rolled)
        roll_break(timeline_of(s, key->device));
    table_remove(&s->keys, &key->ident);
    slab_free(&e->slab, key, key_size(key));
}

static void pane_unlink(struct pane *p)
{
    if (p->before_in_key)
        p->before_in_key->next_in_key = p->next_in_key;
    else
        p->key->panes = p->next_in_key;
    if (p->next_in_key)
        p->next_in_key->before_in_key = p->before_in_key;
}

void bucket_drop_first(struct engine *e, struct stream *s, struct timeline *line, int64_t gone)
{
    struct pane *p = line->buckets[line->first].panes;
    line->first++;
    line->count--;
    while (p) {
        struct pane *next = p->next_in_bucket;
        struct key_row *key = p->key;
        if (key->sums && key->sums->youngest == p)
            sums_drop(e, s, key);
        pane_unlink(p);
        pane_free(e, s, p);
        if (!key->panes)
            key_free(e, s, key);
        else if (key->records)
            records_prune(e, s, key, gone);
        p = next;
    }
}

/* Of one bucket. */
static void bucket_drop_foreign(struct engine *e, struct stream *s, const struct timeline *line, struct bucket *b)
{
    int64_t first = window_first_end(s->app, b->start), last = last_end_of(s, line, b->start);
    for (struct pane **link = &b->panes, *p; (p = *link);) {
        struct key_row *key = p->key;
        if (last >= first && last > p->bound) {
            link = &p->next_in_bucket;
            continue;
        }
        *link = p->next_in_bucket;
        sums_drop(e, s, key);
        pane_unlink(p);
        pane_free(e, s, p);
        if (!key->panes)
            key_free(e, s, key);
    }
}

void panes_drop_foreign(struct engine *e, struct stream *s, struct timeline *line)
{
    uint32_t kept = line->first;
    for (uint32_t b = line->first; b < line->first + line->count; b++) {
        bucket_drop_foreign(e, s, line, &line->buckets[b]);
        if (line->buckets[b].panes)
            line->buckets[kept++] = line->buckets[b];
    }
    line->count = kept - line->first;
}

void stream_drop(struct engine *e, struct stream *s)
{
    struct device *d;
    for (size_t at = 0; (d = table_next(&e->devices, &at));) {
        struct timeline *line = timeline_of(s, d);
        while (line->count)
            bucket_drop_first(e, s, line, NEVER);
    }
}

/* ---- windows ---- */

static bool open_for_any(const struct stream *s, const struct timeline *line, int64_t end)
{
    uint32_t last = line->first + line->count;
    for (uint32_t b = bucket_from(line, end - s->app->size); b < last && line->buckets[b].start < end; b++) {
        for (const struct pane *p = line->buckets[b].panes; p; p = p->next_in_bucket) {
            if (p->bound < end && window_is_open(s, p->key, end))
                return true;
        }
    }
    return false;
}

/* The end of the earliest window after `after` that has a pane; NEVER if there is none. */
static int64_t next_end(const struct stream *s, const struct timeline *line, int64_t after)
{
    uint32_t b = line->first;
    if (after != BEFORE) /* panes whose last window ends above: */
        b = bucket_from(line, multiple_below(after - s->app->size, s->app->every) + s->app->every);
    if (b >= line->first + line->count)
        return NEVER;
    int64_t first = window_first_end(s->app, line->buckets[b].start);
    int64_t next = after == BEFORE ? first : window_end_after(s->app, after);
    return first > next ? first : next;
}

int64_t next_open_end(const struct stream *s, const struct timeline *line, int64_t after, int64_t limit)
{
    int64_t floor = floor_of(s, line);
    limit = limit < line->until ? limit : line->until;
    int64_t end = next_end(s, line, after > floor ? after : floor);
    while (end <= limit && end != NEVER && !open_for_any(s, line, end))
        end = next_end(s, line, end);
    return end <= limit ? end : NEVER;
}

int64_t last_kept_end(const struct stream *s, const struct timeline *line)
{
    return line->count ? last_end_of(s, line, line->buckets[line->first + line->count - 1].start) : BEFORE;
}

int64_t last_open_end(const struct stream *s, const struct timeline *line)
{
    int64_t last = last_kept_end(s, line), end;
    if (last <= line->closed_to || last <= floor_of(s, line))
        return BEFORE;
    if (open_for_any(s, line, last))
        return last;
    last = BEFORE; /* time was set back: some are closed above the watermark */
    for (int64_t after = line->closed_to; (end = next_open_end(s, line, after, NEVER)) != NEVER; after = end)
        last = end;
    return last;
}

void closing_add(struct engine *e, struct key_row *key, struct window_record *record)
{
    if (e->closing_count == e->closing_capacity) {
        e->closing_capacity = e->closing_capacity ? e->closing_capacity * 2 : 64;
        e->closing = mem_resize(e->closing, e->closing_capacity, sizeof *e->closing);
    }
    e->closing[e->closing_count++] = (struct closing){key, record};
}

void collect_open(struct engine *e, const struct stream *s, const struct timeline *line, int64_t end)
{
    uint32_t last = line->first + line->count;
    for (uint32_t b = bucket_from(line, end - s->app->size); b < last && line->buckets[b].start < end; b++) {
        for (struct pane *p = line->buckets[b].panes; p; p = p->next_in_bucket) {
            if (p->key->mark == e->mark || p->bound >= end || !window_is_open(s, p->key, end))
                continue;
            p->key->mark = e->mark;
            closing_add(e, p->key, p->key->records ? record_find(p->key, end) : NULL);
        }
    }
}

static int by_key(const void *a, const void *b)
{
    const struct closing *x = a, *y = b;
    return ident_compare(&x->key->ident, &y->key->ident);
}

void closing_sort(struct engine *e)
{
    size_t i = 1;
    while (i < e->closing_count && by_key(&e->closing[i - 1], &e->closing[i]) < 0)
        i++;
    if (i < e->closing_count)
        qsort(e->closing, e->closing_count, sizeof *e->closing, by_key);
}
