#include "stream/engine/events.h"
#include "stream/engine/body.h"
#include "stream/engine/count.h"
#include "stream/engine/key.h"
#include "stream/engine/publish.h"
#include "stream/engine/timeline.h"
#include "stream/engine/trace.h"
#include "stream/engine/watermark.h"

#include <string.h>

/* An event that is not ahead: time moves on, windows close, then it is counted. */
static void event_admit(struct engine *e, struct device *d, int64_t t, const struct seen *seen)
{
    d->highest_event = t > d->highest_event ? t : d->highest_event;
    if (device_sees(e, d, t))
        watermarks_move(e, &d, 1);
    count_in_streams(e, d, t, seen);
    device_settle(e, d);
}

/* NULL: there are too many. */
static struct device *device_of_event(struct engine *e)
{
    const struct app *app = e->app;
    struct buf *b = &e->ident_bytes;
    if (!app->watermark_per_count) {
        if (!e->only)
            e->only = device_of(e, "", 0);
        return e->only;
    }
    buf_clear(b);
    for (size_t i = 0; i < app->watermark_per_count; i++)
        key_put(b, &e->decoder.slots[app->watermark_per[i]]);
    return device_heard(e, b->data, b->len);
}

static void refuse_device(struct engine *e, int64_t t)
{
    if (e->sink->trace)
        trace_unjudged(e, t, TRACE_TOO_MANY_KEYS);
    publish_dead(e, DEAD_TOO_MANY_KEYS, "all %lld devices have windows; this event is of one more",
                 (long long)e->app->limits.devices);
}

/* ---- ahead ---- */

void held_append(struct engine *e, uint64_t offset, int64_t received, uint32_t index, struct bytes body)
{
    struct held *h = slab_alloc(&e->slab, sizeof *h + body.len);
    h->offset = offset;
    h->received = received;
    h->index = index;
    h->len = body.len;
    memcpy(h->bytes, body.p, body.len);
    e->held_messages += !e->held_last || e->held_last->offset != offset;
    if (e->held_last)
        e->held_last->next = h;
    else
        e->held_first = h;
    e->held_last = h;
    e->held_count++;
}

void held_free(struct engine *e, struct held *h)
{
    slab_free(&e->slab, h, sizeof *h + h->len);
}

static struct held *held_take_first(struct engine *e)
{
    struct held *h = e->held_first;
    e->held_first = h->next;
    if (!h->next)
        e->held_last = NULL;
    e->held_messages -= !h->next || h->next->offset != h->offset;
    e->held_count--;
    return h;
}

static void source_of_held(struct engine *e, const struct held *h)
{
    e->source = (struct source){h->offset, h->received, h->index, NULL, {h->bytes, h->len}};
}

static void held_reject_first(struct engine *e)
{
    struct source now = e->source;
    struct held *h = held_take_first(e);
    source_of_held(e, h);
    publish_dead(e, DEAD_AHEAD, "its time is further ahead of all others than `ahead` allows");
    held_free(e, h);
    e->source = now;
}

void held_reject(struct engine *e)
{
    while (e->held_first)
        held_reject_first(e);
}

static void admit_held(struct engine *e, const struct held *h)
{
    struct json j = json_begin(h->bytes, h->len);
    enum dead_reason reason;
    int64_t t;
    source_of_held(e, h);
    if (!decoder_scan(&e->decoder, &j))
        return;                                                   /* it was one when it was held */
    if (!decoder_convert(&e->decoder, &t, &reason, &e->detail)) { /* the engine was rebased since */
        publish_dead(e, reason, "%s", buf_cstr(&e->detail));
        return;
    }
    struct device *d = device_of_event(e);
    if (d)
        event_admit(e, d, t, NULL);
    else
        refuse_device(e, t);
}

/* Time has really jumped: all are let in, in order, and not judged again. */
static void held_admit_all(struct engine *e)
{
    struct source now = e->source;
    while (e->held_first) {
        struct held *h = held_take_first(e);
        admit_held(e, h);
        held_free(e, h);
    }
    e->source = now;
}

#define HELD_MAX      1000
#define HELD_MESSAGES 10

static void hold(struct engine *e)
{
    if (e->held_count == HELD_MAX)
        held_reject_first(e);
    held_append(e, e->source.offset, e->source.received, e->source.index, source_body(e));
    if (e->held_messages >= HELD_MESSAGES)
        held_admit_all(e);
}

static bool is_ahead(const struct engine *e, int64_t t)
{
    int64_t ahead = e->app->time.ahead;
    return ahead != APP_OFF && e->highest != BEFORE && t > e->highest + ahead;
}

void event_repeat(struct engine *e)
{
    enum dead_reason reason;
    int64_t t;
    if (decoder_convert(&e->decoder, &t, &reason, &e->detail))
        trace_unjudged(e, t, TRACE_REPEAT);
}

void event_take(struct engine *e)
{
    enum dead_reason reason;
    int64_t t;
    if (!decoder_convert(&e->decoder, &t, &reason, &e->detail)) {
        publish_dead(e, reason, "%s", buf_cstr(&e->detail));
        return;
    }
    decoder_learn(&e->decoder, e->source.body.p, e->source.body.len);
    event_decoded(e, t, NULL);
}

void event_decoded(struct engine *e, int64_t t, const struct seen *seen)
{
    struct device *d = device_of_event(e);
    e->counters.events++;
    if (!d) {
        refuse_device(e, t);
        return;
    }
    d->heard = true;
    d->last_offset = e->source.offset;
    d->last_received = e->source.received;
    if (is_ahead(e, t)) {
        if (e->sink->trace)
            trace_unjudged(e, t, TRACE_AHEAD);
        device_settle(e, d); /* what is let in may make it forgotten */
        hold(e);
        return;
    }
    if (e->held_first)
        held_reject(e);
    event_admit(e, d, t, seen);
}
