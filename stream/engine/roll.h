/* The roll of a timeline whose windows overlap: the keys that may have a window yet to close, in their order, so that
 * closing a window neither walks over all its panes nor sorts its keys again. It is no state: it can be made again of
 * the panes at any time. */
#ifndef BELLTOWER_STREAM_ENGINE_ROLL_H
#define BELLTOWER_STREAM_ENGINE_ROLL_H

#include "stream/engine/state.h"

/* A key that has a new pane comes on the roll, if it is not there. */
static inline bool roll_lacks(const struct stream *s, const struct key_row *key)
{
    return s->overlaps && !key->rolled;
}
void roll_add(struct timeline *line, struct key_row *key);
/* As collect_open (timeline.h), in the order of keys. Windows of one timeline come by rising ends, unless roll_break
 * was called in between. */
void roll_collect(struct engine *e, const struct stream *s, struct timeline *line, int64_t end);
/* The panes are not what they were: it is made again when it is needed. */
static inline void roll_break(struct timeline *line)
{
    line->roll.broken = true;
}

#endif
