/* From a message's body to the events in it. */
#ifndef BELLTOWER_STREAM_ENGINE_BODY_H
#define BELLTOWER_STREAM_ENGINE_BODY_H

#include "stream/engine/state.h"

/* e->source is the whole message: takes each value in it, or dead-letters what is none. */
void body_take(struct engine *e, struct bytes body);
void members_free(struct members *m);

#endif
