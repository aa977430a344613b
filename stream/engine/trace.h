/* What became of each event, for whoever asks (sink->trace); to be called only if somebody does. */
#ifndef BELLTOWER_STREAM_ENGINE_TRACE_H
#define BELLTOWER_STREAM_ENGINE_TRACE_H

#include "stream/engine/count.h"

/* Of the event of e->source, whose fields the stream's version reads as slots. */
void trace_verdict(struct engine *e, const struct stream *s, const struct value *slots, int64_t t, enum verdict v);
/* The event that e->decoder converted is not judged now: it is of a repeated message, or ahead. Each present stream
 * says whether it would take it. */
void trace_unjudged(struct engine *e, int64_t t, enum trace_kind kind);

#endif
