#include "stream/engine/olds.h"
#include "stream/engine/body.h"
#include "stream/engine/count.h"
#include "stream/engine/streams.h"
#include "stream/engine/timeline.h"
#include "stream/engine/trace.h"
#include "stream/engine/watermark.h"

#include <stdlib.h>

/* ---- counting ---- */

/* Whether one of the windows that hold t is the stream's, and not gone. */
static bool has_window(const struct stream *s, const struct device *d, int64_t t)
{
    const struct timeline *line = timeline_of(s, d);
    int64_t end = window_first_end(s->app, t), gone = gone_to(s, line, d->watermark);
    if (gone != BEFORE && end <= gone)
        end = window_end_after(s->app, gone);
    return end <= last_end_of(s, line, t);
}

/* The event's fields as that version has them; its time is the present version's. */
static bool reads(struct engine *e, struct old_version *v)
{
    if (v->read_sequence != e->event_sequence) {
        const struct bytes body = source_body(e);
        v->read_sequence = e->event_sequence;
        v->readable = decoder_fields(&v->decoder, body.p, body.len, &e->detail);
    }
    return v->readable;
}

unsigned olds_judge(struct engine *e, struct device *d, int64_t t)
{
    unsigned verdicts = 0;
    for (size_t i = e->app->stream_count; i < e->stream_count; i++) {
        struct stream *s = e->streams[i];
        if (!has_window(s, d, t) || !reads(e, s->old))
            continue;
        enum verdict v = stream_judge(e, s, s->old->decoder.slots, d, t);
        verdicts |= 1u << v;
        if (s->shown != NO_STREAM)
            e->streams[s->shown]->judged = e->event_sequence;
        if (e->sink->trace)
            trace_verdict(e, s, s->old->decoder.slots, t, v);
    }
    return verdicts;
}

/* ---- forgetting ---- */

void old_version_free(struct old_version *v)
{
    decoder_free(&v->decoder);
    app_free(&v->app);
    free(v);
}

static bool is_over(const struct stream *s)
{
    return s->old && !s->keys.count;
}

static void lines_sweep(struct engine *e, struct device *d)
{
    size_t kept = 0;
    for (size_t i = 0; i < e->stream_count; i++) {
        if (is_over(e->streams[i]))
            timeline_free(&d->lines[i]);
        else
            d->lines[kept++] = d->lines[i];
    }
}

static void streams_sweep(struct engine *e)
{
    size_t kept = 0;
    for (size_t i = 0; i < e->stream_count; i++) {
        if (is_over(e->streams[i]))
            stream_free(e->streams[i]);
        else
            e->streams[kept++] = e->streams[i];
    }
    e->stream_count = kept;
}

static bool has_stream(const struct engine *e, const struct old_version *v)
{
    size_t i = e->app->stream_count;
    while (i < e->stream_count && e->streams[i]->old != v)
        i++;
    return i < e->stream_count;
}

static void versions_sweep(struct engine *e)
{
    size_t kept = 0;
    for (size_t i = 0; i < e->old_count; i++) {
        if (has_stream(e, e->olds[i]))
            e->olds[kept++] = e->olds[i];
        else
            old_version_free(e->olds[i]);
    }
    e->old_count = kept;
}

void olds_sweep(struct engine *e)
{
    struct device *d;
    bool any = false;
    for (size_t i = e->app->stream_count; i < e->stream_count && !any; i++)
        any = is_over(e->streams[i]);
    if (!any)
        return;
    for (size_t at = 0; (d = table_next(&e->devices, &at));)
        lines_sweep(e, d);
    streams_sweep(e);
    versions_sweep(e);
    streams_arrange(e);
}

void olds_end_first(struct engine *e)
{
    bool *ended = mem_zero(e->stream_count, sizeof *ended);
    for (size_t i = e->app->stream_count; i < e->stream_count; i++)
        ended[i] = e->streams[i]->old == e->olds[0];
    streams_close(e, ended);
    for (size_t i = e->app->stream_count; i < e->stream_count; i++) {
        if (ended[i])
            stream_drop(e, e->streams[i]);
    }
    free(ended);
    olds_sweep(e);
}
