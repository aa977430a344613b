#include "stream/engine/roll.h"
#include "stream/engine/sums.h"
#include "stream/engine/timeline.h"

#include <stdlib.h>

void roll_add(struct timeline *line, struct key_row *key)
{
    struct roll *r = &line->roll;
    if (r->count == r->capacity) {
        r->capacity = r->capacity ? r->capacity * 2 : 4;
        r->keys = mem_resize(r->keys, r->capacity, sizeof(struct key_row *));
    }
    r->keys[r->count++] = key;
    key->rolled = true;
}

/* Of all panes there are. */
static void make(struct engine *e, struct timeline *line)
{
    line->roll.count = line->roll.sorted = 0;
    line->roll.broken = false;
    e->mark++;
    for (uint32_t b = line->first; b < line->first + line->count; b++) {
        for (struct pane *p = line->buckets[b].panes; p; p = p->next_in_bucket) {
            if (p->key->mark == e->mark)
                continue;
            p->key->mark = e->mark;
            roll_add(line, p->key);
        }
    }
}

static int by_key(const void *a, const void *b)
{
    const struct key_row *x = *(struct key_row *const *)a, *y = *(struct key_row *const *)b;
    return ident_compare(&x->ident, &y->ident);
}

/* Those that are new go where they belong, from the end on. */
static void sort(struct roll *r)
{
    uint32_t fresh = r->count - r->sorted, old = r->sorted, at = r->count;
    if (!fresh)
        return;
    qsort(r->keys + old, fresh, sizeof(struct key_row *), by_key);
    struct key_row **sorted = mem_alloc(fresh * sizeof(struct key_row *));
    memcpy(sorted, r->keys + old, fresh * sizeof(struct key_row *));
    while (fresh) {
        bool last = !old || ident_compare(&r->keys[old - 1]->ident, &sorted[fresh - 1]->ident) < 0;
        r->keys[--at] = last ? sorted[--fresh] : r->keys[--old];
    }
    free(sorted);
    r->sorted = r->count;
}

/* Whether the key has a pane in the window. */
static bool has_pane(const struct stream *s, const struct key_row *key, int64_t end)
{
    const struct pane *youngest = sums_youngest(key, end);
    return (youngest && youngest->start >= end - s->app->size) || pane_in(s, key->panes, end);
}

void roll_collect(struct engine *e, const struct stream *s, struct timeline *line, int64_t end)
{
    struct roll *r = &line->roll;
    int64_t next_start = end + s->app->every - s->app->size;
    uint32_t kept = 0;
    if (r->broken)
        make(e, line);
    sort(r);
    for (uint32_t i = 0; i < r->count; i++) {
        struct key_row *key = r->keys[i];
        if (has_pane(s, key, end) && window_is_open(s, key, end))
            closing_add(e, key, key->records ? record_find(key, end) : NULL);
        key->rolled = key->panes->start >= next_start;
        if (key->rolled)
            r->keys[kept++] = key;
    }
    r->count = r->sorted = kept;
}
