/* An event that is let in: what each stream makes of it. */
#ifndef BELLTOWER_STREAM_ENGINE_COUNT_H
#define BELLTOWER_STREAM_ENGINE_COUNT_H

#include "stream/engine/state.h"

enum verdict {
    VERDICT_REJECTED, /* by `where` */
    VERDICT_COUNTED,
    VERDICT_LATE, /* counted in a window that had closed */
    VERDICT_GONE,
    VERDICT_TOO_MANY_KEYS
};

/* Whether `where` holds. */
bool stream_accepts(struct engine *e, const struct stream *s, const struct value *slots);
/* What the stream says of an event by itself; its key is appended to keys. Changes no state. */
struct seen stream_see(struct engine *e, const struct stream *s, const struct value *slots, struct buf *keys);
/* Counts the event in one stream. slots: its fields as the stream's version reads them. */
enum verdict stream_judge(struct engine *e, struct stream *s, const struct value *slots, struct device *d, int64_t t);
/* Counts the event that is in e->decoder's slots in all streams, or dead-letters it. seen: what the present streams
 * said of it before (keys: e->members.keys), or NULL. */
void count_in_streams(struct engine *e, struct device *d, int64_t t, const struct seen *seen);

#endif
