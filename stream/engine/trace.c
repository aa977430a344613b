#include "stream/engine/trace.h"
#include "stream/engine/body.h"
#include "stream/engine/key.h"

#include <stdlib.h>

static void give(struct engine *e, const struct stream *s, const struct value *slots, int64_t t, enum trace_kind kind)
{
    const struct app_query *q = &s->app->query;
    struct value *key = mem_zero(q->key_count, sizeof *key);
    for (size_t i = 0; i < q->key_count; i++)
        key[i] = slots[q->keys[i]];
    key_text(key, q->key_count, &e->key_text);
    struct engine_trace out = {.kind = kind,
                               .offset = e->source.offset,
                               .index = e->source.index,
                               .time = t,
                               .stream = s->shown,
                               .stream_name = s->app->name,
                               .key = {e->key_text.data, e->key_text.len},
                               .first_end = window_first_end(s->app, t),
                               .last_end = window_last_end(s->app, t),
                               .size = s->app->size,
                               .app = s->of,
                               .values = slots,
                               .body = source_body(e)};
    e->sink->trace(e->sink->context, &out);
    free(key);
}

void trace_verdict(struct engine *e, const struct stream *s, const struct value *slots, int64_t t, enum verdict v)
{
    static const enum trace_kind kinds[] = {
        [VERDICT_REJECTED] = TRACE_FILTERED,           [VERDICT_COUNTED] = TRACE_COUNTED,
        [VERDICT_LATE] = TRACE_COUNTED_LATE,           [VERDICT_GONE] = TRACE_LATE,
        [VERDICT_TOO_MANY_KEYS] = TRACE_TOO_MANY_KEYS,
    };
    give(e, s, slots, t, kinds[v]);
}

void trace_unjudged(struct engine *e, int64_t t, enum trace_kind kind)
{
    const struct value *slots = e->decoder.slots;
    for (size_t i = 0; i < e->app->stream_count; i++) {
        const struct stream *s = e->streams[i];
        give(e, s, slots, t, stream_accepts(e, s, slots) ? kind : TRACE_FILTERED);
    }
    arena_free(&e->scratch);
}
