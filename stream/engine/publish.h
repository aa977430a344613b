/* Results, triggers and dead letters on their way out. */
#ifndef BELLTOWER_STREAM_ENGINE_PUBLISH_H
#define BELLTOWER_STREAM_ENGINE_PUBLISH_H

#include "stream/engine/state.h"

/* Publishes what the panes of a key say of the window that ends at `end`: triggers, then the result. record may be
 * NULL. */
void publish_window(struct engine *e, struct stream *s, struct key_row *key, struct window_record *record, int64_t end);

/* This generation has read again what had been read when the rewind was asked for. Takes the next number. */
void publish_rewound(struct engine *e);

/* Dead-letters e->source. */
void publish_dead(struct engine *e, enum dead_reason reason, const char *fmt, ...) PRINTF(3, 4);

#endif
