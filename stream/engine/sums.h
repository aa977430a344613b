/* Windows that overlap share panes; what they share is merged once, not once for each of them. A key remembers the
 * panes of the window that was published last in two parts: the older ones as sums from the youngest of them down to
 * each (a later window needs one that reaches less far down), the younger ones as one sum (a later window adds to it).
 * When a window begins behind the older part, all its panes become the older part. So a result costs a few merges,
 * however many panes its window has.
 *
 * It is no state: it is dropped when a pane in it changes, and a result is the same to the bit without it. That holds
 * only where merging is associative (struct row_layout), so other streams have none. */
#ifndef BELLTOWER_STREAM_ENGINE_SUMS_H
#define BELLTOWER_STREAM_ENGINE_SUMS_H

#include "stream/engine/state.h"

struct sum {                            /* its row is behind it */
    int64_t start;                      /* of the oldest pane in it */
    uint64_t first_offset, last_offset; /* of the events in it */
};

struct sums {
    struct pane *youngest;    /* in it */
    int64_t to;               /* panes that start earlier are in it */
    int64_t split;            /* panes that start earlier are the older part */
    uint32_t older, capacity; /* sums of the older part that are left; for how many there is memory */
    bool younger;             /* there is a younger part */
};

/* What the panes of a key say of a window: a row that lives until one of them changes, and in *offsets of which events.
 * NULL: the panes are to be walked over, as they are few or cannot be summed like this, or a later window was asked for
 * already. room: an empty row; the caller releases it. */
const void *sums_row(struct engine *e, struct stream *s, struct key_row *key, int64_t end, void *room,
                     struct sum *offsets);
void sums_drop(struct engine *e, const struct stream *s, struct key_row *key); /* no-op if there are none */

/* The youngest pane that is in the sums and starts before `end`; NULL: not known. */
static inline const struct pane *sums_youngest(const struct key_row *key, int64_t end)
{
    return key->sums && key->sums->to <= end ? key->sums->youngest : NULL;
}

/* A pane that starts there was made or changed. */
static inline void sums_changed(struct engine *e, const struct stream *s, struct key_row *key, int64_t start)
{
    if (key->sums && start < key->sums->to)
        sums_drop(e, s, key);
}

#endif
