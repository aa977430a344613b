/* Keys, panes and records of windows in memory: made, found, freed. */
#ifndef BELLTOWER_STREAM_ENGINE_TIMELINE_H
#define BELLTOWER_STREAM_ENGINE_TIMELINE_H

#include "stream/engine/state.h"

static inline struct timeline *timeline_of(const struct stream *s, const struct device *d)
{
    return &d->lines[s->index];
}

/* Windows with an end up to here are not the stream's; `ended` and `begin` as in struct timeline. */
static inline int64_t floor_made(const struct stream *s, int64_t ended, int64_t begin)
{
    int64_t by_start = begin == BEFORE ? BEFORE : begin + s->app->size - 1;
    return ended > by_start ? ended : by_start;
}

static inline int64_t floor_of(const struct stream *s, const struct timeline *line)
{
    return line->floor > s->floor ? line->floor : s->floor;
}

/* The latest end of a window of the stream that holds t. */
static inline int64_t last_end_of(const struct stream *s, const struct timeline *line, int64_t t)
{
    int64_t last = window_last_end(s->app, t);
    return last < line->until ? last : line->until;
}

/* Windows with an end up to here are gone at the watermark w. */
static inline int64_t gone_to(const struct stream *s, const struct timeline *line, int64_t w)
{
    int64_t by_time = w == BEFORE ? BEFORE : w - s->app->lateness, floor = floor_of(s, line);
    return by_time > floor ? by_time : floor;
}

/* The first bucket (an index) that starts at or after t; line->first + line->count if there is none. */
uint32_t bucket_from(const struct timeline *line, int64_t t);

struct key_row *key_new(struct engine *e, struct stream *s, uint64_t hash, const void *bytes, size_t len,
                        struct device *d);
void timeline_free(struct timeline *line); /* not its panes, which are the slab's */
/* The pane of a key that begins at start and belongs to all its windows; *made if there was none: it then is of the
 * event of e->source. */
struct pane *pane_of(struct engine *e, struct stream *s, struct key_row *key, int64_t start, bool *made);
/* A new one with this bound (restore). */
struct pane *pane_new(struct engine *e, struct stream *s, struct key_row *key, int64_t start, int64_t bound);
/* Frees the oldest bucket with its panes, and the keys that have none left; records of windows with an end up to `gone`
 * too. */
void bucket_drop_first(struct engine *e, struct stream *s, struct timeline *line, int64_t gone);
/* Frees every key of a stream with all it has, on all devices. */
void stream_drop(struct engine *e, struct stream *s);
/* Frees the panes, and keys, that no window of an older version holds any more after its `until` fell. */
void panes_drop_foreign(struct engine *e, struct stream *s, struct timeline *line);

/* An event at this offset is added. What was held back comes later than its place in the log. */
static inline void pane_spans(struct pane *p, uint64_t offset)
{
    p->first_offset = offset < p->first_offset ? offset : p->first_offset;
    p->last_offset = offset > p->last_offset ? offset : p->last_offset;
}

struct window_record *record_find(const struct key_row *key, int64_t end);
struct window_record *record_new(struct engine *e, const struct stream *s, struct key_row *key, int64_t end);
void records_prune(struct engine *e, struct stream *s, struct key_row *key, int64_t gone);
size_t record_size(const struct stream *s);

/* The panes of a key that belong to the window that ends at `end`: for (p = pane_in(s, key->panes, end); p; p =
 * pane_in(s, p->next_in_key, end)) */
static inline struct pane *pane_in(const struct stream *s, struct pane *from, int64_t end)
{
    for (struct pane *p = from; p && p->start >= end - s->app->size; p = p->next_in_key) {
        if (p->start < end && p->bound < end)
            return p;
    }
    return NULL;
}

/* The end of the earliest window after `after` that is open for a key; NEVER if there is none up to `limit`. */
int64_t next_open_end(const struct stream *s, const struct timeline *line, int64_t after, int64_t limit);
/* The latest end of a window that is open for a key; BEFORE if none is. */
int64_t last_open_end(const struct stream *s, const struct timeline *line);
/* The end of the latest window of the stream that is open or kept; BEFORE if there is none. */
int64_t last_kept_end(const struct stream *s, const struct timeline *line);
/* Adds the keys for which the window is open to e->closing. */
void collect_open(struct engine *e, const struct stream *s, const struct timeline *line, int64_t end);
/* Whether the window has not been closed for that key when time was further. */
static inline bool window_is_open(const struct stream *s, const struct key_row *key, int64_t end)
{
    const struct window_record *r = s->closed_records ? record_find(key, end) : NULL;
    return !r || !r->closed;
}
void closing_add(struct engine *e, struct key_row *key, struct window_record *record);
void closing_sort(struct engine *e); /* by key */

#endif
