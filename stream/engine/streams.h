/* The streams of an app as the engine needs them. */
#ifndef BELLTOWER_STREAM_ENGINE_STREAMS_H
#define BELLTOWER_STREAM_ENGINE_STREAMS_H

#include "stream/engine/state.h"

struct stream *streams_new(const struct app *app); /* app->stream_count of them, without keys */
void streams_free(struct stream *streams, size_t count);
/* Room for the values of any stream. */
struct value *streams_values(const struct app *app);
/* The device that a key of the stream belongs to, as bytes. false: the bytes are no key of the stream. strings, values:
 * room. */
bool stream_key_device(const struct stream *s, const struct app *app, const char *key, size_t len, struct value *values,
                       struct buf *strings, struct buf *device);

#endif
