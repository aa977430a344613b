#include "stream/engine/count.h"
#include "stream/engine/key.h"
#include "stream/engine/olds.h"
#include "stream/engine/publish.h"
#include "stream/engine/sums.h"
#include "stream/engine/timeline.h"
#include "stream/engine/trace.h"
#include "stream/engine/watermark.h"

/* ---- one stream ---- */

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
    int64_t end = window_first_end(s->app, t), w = line->closed_to;
    bool late = false;
    if (end > w && !s->closed_records)
        return false;
    int64_t gone = gone_to(s, line, w), last = last_end_of(s, line, t);
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

static inline const char *key_bytes(const struct seen *seen, const struct buf *keys)
{
    return seen->key_len ? keys->data + seen->key : NULL;
}

/* The key of an event, appended to keys. */
static inline struct seen key_see(const struct stream *s, const struct value *slots, struct buf *keys)
{
    const struct app_query *q = &s->app->query;
    const size_t at = keys->len;
    for (size_t i = 0; i < q->key_count; i++)
        key_put(keys, &slots[q->keys[i]]);
    struct seen seen = {.key = at, .key_len = (uint32_t)(keys->len - at), .accepted = true};
    seen.hash = table_hash(key_bytes(&seen, keys), seen.key_len);
    return seen;
}

/* seen, keys: its key, if that was seen before; else NULL. */
static inline enum verdict stream_count(struct engine *e, struct stream *s, const struct value *slots, struct device *d,
                                        int64_t t, const struct seen *seen, const struct buf *keys)
{
    struct seen now;
    if (window_last_end(s->app, t) <= gone_to(s, timeline_of(s, d), d->watermark))
        return VERDICT_GONE;
    if (!seen) {
        buf_clear(&e->key_bytes);
        now = key_see(s, slots, &e->key_bytes);
        seen = &now;
        keys = &e->key_bytes;
    }
    const char *bytes = key_bytes(seen, keys);
    struct key_row *key = table_find(&s->keys, seen->hash, bytes, seen->key_len);
    if (!key && s->keys.count >= (uint64_t)e->app->limits.keys)
        return VERDICT_TOO_MANY_KEYS;
    if (!key)
        key = key_new(e, s, seen->hash, bytes, seen->key_len, d);
    int64_t start = multiple_below(t, s->grain);
    bool made;
    struct pane *p = pane_of(e, s, key, start, &made);
    if (made)
        device_note(s, d, start);
    pane_spans(p, e->source.offset);
    struct row_context c = row_context_of(e, s);
    row_add(&s->layout, pane_row(p), slots, &c, &e->scratch);
    sums_changed(e, s, key, start);
    return count_late(e, s, key, t, made) ? VERDICT_LATE : VERDICT_COUNTED;
}

bool stream_accepts(struct engine *e, const struct stream *s, const struct value *slots)
{
    const struct expr *where = s->app->query.where;
    if (!where)
        return true;
    struct value v = expr_eval(where, slots, &e->scratch);
    return v.type == VALUE_BOOL && v.b;
}

struct seen stream_see(struct engine *e, const struct stream *s, const struct value *slots, struct buf *keys)
{
    return stream_accepts(e, s, slots) ? key_see(s, slots, keys) : (struct seen){.accepted = false};
}

enum verdict stream_judge(struct engine *e, struct stream *s, const struct value *slots, struct device *d, int64_t t)
{
    return stream_accepts(e, s, slots) ? stream_count(e, s, slots, d, t, NULL, NULL) : VERDICT_REJECTED;
}

static enum verdict judge_seen(struct engine *e, struct stream *s, struct device *d, int64_t t, const struct seen *seen)
{
    return seen->accepted ? stream_count(e, s, e->decoder.slots, d, t, seen, &e->members.keys) : VERDICT_REJECTED;
}

/* ---- all streams ---- */

static void dead_letter(struct engine *e, unsigned verdicts, const struct device *d, int64_t t)
{
    if (verdicts & 1u << VERDICT_TOO_MANY_KEYS)
        publish_dead(e, DEAD_TOO_MANY_KEYS, "a stream has its %lld keys; this event would be one more",
                     (long long)e->app->limits.keys);
    else if (verdicts == 1u << VERDICT_GONE && t < d->watermark)
        publish_dead(e, DEAD_LATE, "all its windows are gone: it is %lld ms behind the watermark",
                     (long long)(d->watermark - t));
    else if (verdicts == 1u << VERDICT_GONE)
        publish_dead(e, DEAD_LATE, "its windows begin before those of this version of the app");
}

void count_in_streams(struct engine *e, struct device *d, int64_t t, const struct seen *seen)
{
    unsigned verdicts = 0;
    const struct value *slots = e->decoder.slots;
    const bool traced = e->sink->trace != NULL, olds = e->old_count > 0;
    const size_t count = e->app->stream_count;
    e->event_sequence++;
    if (olds)
        verdicts = olds_judge(e, d, t);
    for (size_t i = 0; i < count; i++) {
        struct stream *s = e->streams[i];
        if (olds && s->judged == e->event_sequence)
            continue;
        enum verdict v = seen ? judge_seen(e, s, d, t, &seen[i]) : stream_judge(e, s, slots, d, t);
        verdicts |= 1u << v;
        if (traced)
            trace_verdict(e, s, slots, t, v);
    }
    if (e->scratch.head)
        arena_free(&e->scratch);
    verdicts &= ~(1u << VERDICT_REJECTED);
    e->counters.filtered += !verdicts;
    e->counters.counted += (verdicts & (1u << VERDICT_COUNTED | 1u << VERDICT_LATE)) != 0;
    e->counters.late_counted += (verdicts & 1u << VERDICT_LATE) != 0;
    dead_letter(e, verdicts, d, t);
}
