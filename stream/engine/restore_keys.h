/* The keys of a stream out of a snapshot, which are most of it. */
#ifndef BELLTOWER_STREAM_ENGINE_RESTORE_KEYS_H
#define BELLTOWER_STREAM_ENGINE_RESTORE_KEYS_H

#include "base/wire/cursor.h"
#include "stream/engine/state.h"

/* No time that the engine can reach is further out: 1000 years of window around 1970 to 9999. */
#define TIME_BOUND (INT64_C(1) << 50)

/* t, or BEFORE with the cursor marked bad if it is out of bounds. */
static inline int64_t time_checked(struct cursor *c, int64_t t)
{
    bool good = t == BEFORE || (t >= -TIME_BOUND && t <= TIME_BOUND);
    c->bad |= !good;
    return good ? t : BEFORE;
}

/* All keys of a stream of which the rest is restored, from a snapshot of that version of the format. What makes no
 * sense marks the cursor bad. */
void restore_keys(struct cursor *c, struct engine *e, struct stream *s, uint32_t format);

#endif
