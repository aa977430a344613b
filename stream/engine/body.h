/* From a message's body to the events in it. */
#ifndef BELLTOWER_STREAM_ENGINE_BODY_H
#define BELLTOWER_STREAM_ENGINE_BODY_H

#include "stream/engine/state.h"

/* e->source is the whole message: takes each value in it, or dead-letters what is none. */
void body_take(struct engine *e, struct bytes body);
/* e->source is one whole value of this type that was only checked: takes or dead-letters it. */
void body_take_unread(struct engine *e, enum json_type type);
/* e->source is a row of CSV: takes the event that it is if it looks like one before. false: nothing but the decoder's
 * slots has changed, and its body is to be taken. */
bool row_take(struct engine *e, const struct csv *row);
/* The bytes of e->source: those of a row are made now, and once. */
struct bytes source_body(struct engine *e);

#endif
