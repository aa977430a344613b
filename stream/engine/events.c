#include "stream/engine/events.h"
#include "stream/engine/key.h"
#include "stream/engine/publish.h"
#include "stream/engine/timeline.h"
#include "stream/engine/watermark.h"

#include <string.h>

/* ---- one stream ---- */

enum verdict { REJECTED, COUNTED, COUNTED_LATE, GONE, TOO_MANY_KEYS };

static void make_dirty(struct engine *e, struct stream *s, struct key_row *key, struct window_record *r)
{
    if (r->dirty)
        return;
    r->dirty = true;
    if (e->dirty_count == e->dirty_capacity) {
        e->dirty_capacity = e->dirty_capacity ? e->dirty_capacity * 2 : 64;
        e->dirty = mem_resize(e->dirty, e->dirty_capacity, sizeof *e->dirty);
    }
    e->dirty[e->dirty_count++] = (struct dirty){s, key, r};
}

/* The record of a closed window that counts one more event. made: this event made the pane, so it may have made the
 * window. */
static struct window_record *late_record(struct engine *e, struct stream *s, struct key_row *key, int64_t end,
                                         bool made)
{
    struct window_record *r = record_find(key, end);
    if (r)
        return r;
    r = record_new(e, s, key, end);
    const struct pane *first = pane_in(s, key->panes, end);
    r->fresh = made && first && !pane_in(s, first->next_in_key, end);
    return r;
}

/* Every window of the event that has closed and is not gone has one late event more. */
static bool count_late(struct engine *e, struct stream *s, struct key_row *key, int64_t t, bool made)
{
    const struct timeline *line = timeline_of(s, key->device);
    int64_t end = window_first_end(s->app, t), last = window_last_end(s->app, t), w = line->closed_to;
    int64_t gone = gone_to(s, line, w);
    bool late = false;
    if (end > w && !s->closed_records)
        return false;
    if (gone != BEFORE && end <= gone)
        end = window_end_after(s->app, gone);
    for (; end <= last && (end <= w || s->closed_records); end += s->app->every) {
        struct window_record *r = end <= w ? late_record(e, s, key, end, made) : record_find(key, end);
        if (end > w && !(r && r->closed))
            continue;
        r->revision++;
        make_dirty(e, s, key, r);
        late = true;
    }
    return late;
}

static enum verdict stream_count(struct engine *e, struct stream *s, struct device *d, int64_t t)
{
    const struct app_query *q = &s->app->query;
    const struct value *slots = e->decoder.slots;
    struct buf *bytes = &e->key_bytes;
    if (window_last_end(s->app, t) <= gone_to(s, timeline_of(s, d), d->watermark))
        return GONE;
    buf_clear(bytes);
    for (size_t i = 0; i < q->key_count; i++)
        key_put(bytes, &slots[q->keys[i]]);
    uint64_t hash = table_hash(bytes->data, bytes->len);
    struct key_row *key = table_find(&s->keys, hash, bytes->data, bytes->len);
    if (!key && s->keys.count >= (uint64_t)e->app->limits.keys)
        return TOO_MANY_KEYS;
    if (!key)
        key = key_new(e, s, hash, bytes->data, bytes->len, d);
    int64_t start = multiple_below(t, s->grain);
    bool made;
    struct pane *p = pane_of(e, s, key, start, &made);
    if (made)
        device_note(s, d, start);
    pane_spans(p, e->source.offset);
    struct row_context c = row_context_of(e);
    row_add(&s->layout, p->row, slots, &c, &e->scratch);
    return count_late(e, s, key, t, made) ? COUNTED_LATE : COUNTED;
}

static bool accepts(struct engine *e, const struct stream *s)
{
    const struct expr *where = s->app->query.where;
    if (!where)
        return true;
    struct value v = expr_eval(where, e->decoder.slots, &e->scratch);
    return v.type == VALUE_BOOL && v.b;
}

/* ---- all streams ---- */

static void count_in_streams(struct engine *e, struct device *d, int64_t t)
{
    unsigned verdicts = 0;
    e->event_sequence++;
    for (size_t i = 0; i < e->app->stream_count; i++) {
        if (accepts(e, &e->streams[i]))
            verdicts |= 1u << stream_count(e, &e->streams[i], d, t);
    }
    if (e->scratch.head)
        arena_free(&e->scratch);
    e->counters.filtered += !verdicts;
    e->counters.counted += (verdicts & (1u << COUNTED | 1u << COUNTED_LATE)) != 0;
    e->counters.late_counted += (verdicts & 1u << COUNTED_LATE) != 0;
    if (verdicts & 1u << TOO_MANY_KEYS)
        publish_dead(e, DEAD_TOO_MANY_KEYS, "a stream has its %lld keys; this event would be one more",
                     (long long)e->app->limits.keys);
    else if (verdicts == 1u << GONE)
        publish_dead(e, DEAD_LATE, "all its windows are gone: it is %lld ms behind the watermark",
                     (long long)(d->watermark - t));
}

/* An event that is not ahead: time moves on, windows close, then it is counted. */
static void event_admit(struct engine *e, struct device *d, int64_t t)
{
    d->highest_event = t > d->highest_event ? t : d->highest_event;
    if (device_sees(e, d, t))
        watermarks_move(e, &d, 1);
    count_in_streams(e, d, t);
}

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
    return device_of(e, b->data, b->len);
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
    e->source = (struct source){h->offset, h->received, h->index, {h->bytes, h->len}};
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
        return; /* it was one when it was held */
    if (decoder_convert(&e->decoder, &t, &reason, &e->detail))
        event_admit(e, device_of_event(e), t);
    else /* the engine was rebased since */
        publish_dead(e, reason, "%s", buf_cstr(&e->detail));
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
    held_append(e, e->source.offset, e->source.received, e->source.index, e->source.body);
    if (e->held_messages >= HELD_MESSAGES)
        held_admit_all(e);
}

static bool is_ahead(const struct engine *e, int64_t t)
{
    int64_t ahead = e->app->time.ahead;
    return ahead != APP_OFF && e->highest != BEFORE && t > e->highest + ahead;
}

void event_take(struct engine *e)
{
    enum dead_reason reason;
    int64_t t;
    if (!decoder_convert(&e->decoder, &t, &reason, &e->detail)) {
        publish_dead(e, reason, "%s", buf_cstr(&e->detail));
        return;
    }
    struct device *d = device_of_event(e);
    e->counters.events++;
    d->heard = true;
    d->last_offset = e->source.offset;
    d->last_received = e->source.received;
    if (is_ahead(e, t)) {
        hold(e);
        return;
    }
    held_reject(e);
    event_admit(e, d, t);
}
