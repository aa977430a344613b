/* From a decoded event to the panes of the streams that count it. */
#ifndef BELLTOWER_STREAM_ENGINE_EVENTS_H
#define BELLTOWER_STREAM_ENGINE_EVENTS_H

#include "stream/engine/state.h"

/* e->source is an object, scanned by the decoder: converts, judges and counts it, or dead-letters it. */
void event_take(struct engine *e);
/* e->source is an event that is in the decoder's slots: judges and counts it. seen: as in count_in_streams. */
void event_decoded(struct engine *e, int64_t t, const struct seen *seen);
/* The same of a message that is a repeat: it is only traced. */
void event_repeat(struct engine *e);
/* Dead-letters all that is held back; no-op if nothing is. */
void held_reject(struct engine *e);
void held_free(struct engine *e, struct held *h);
void held_append(struct engine *e, uint64_t offset, int64_t received, uint32_t index, struct bytes body);

#endif
