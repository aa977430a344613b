/* The streams of an app as the engine needs them. */
#ifndef BELLTOWER_STREAM_ENGINE_STREAMS_H
#define BELLTOWER_STREAM_ENGINE_STREAMS_H

#include "stream/engine/state.h"

/* The stream at `place` of an app, without keys; of the present version, shown as itself. */
struct stream *stream_new(const struct app *app, size_t place);
void stream_free(struct stream *s); /* its keys are the slab's */
/* All of the present app, for an engine that has none. */
void streams_begin(struct engine *e);
/* After streams came or went: index, shown and rank of all, room for values. */
void streams_arrange(struct engine *e);
/* The device that a key of the stream belongs to, as bytes. false: the bytes are no key of the stream. strings, values:
 * room. */
bool stream_key_device(const struct stream *s, const char *key, size_t len, struct value *values, struct buf *strings,
                       struct buf *device);

#endif
