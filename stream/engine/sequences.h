/* Producers' sequences: which messages were seen before (design.md, "Decoding" 4). */
#ifndef BELLTOWER_STREAM_ENGINE_SEQUENCES_H
#define BELLTOWER_STREAM_ENGINE_SEQUENCES_H

#include "stream/engine/state.h"

/* Takes note of a message's id. true: it is a repeat. An id that is no `<producer>:<sequence>` never is. */
bool sequence_seen(struct engine *e, struct bytes message_id);
/* The newest of all (restore). */
struct producer *producer_new(struct engine *e, const char *name, size_t len);
/* Forgets the longest unheard of beyond `most`. */
void producers_trim(struct engine *e, size_t most);

#endif
