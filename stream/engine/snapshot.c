/* The engine's state as bytes: docs/formats.md, "Engine snapshot". Sorted wherever memory has no order, so that equal
 * states give equal bytes. */
#include "base/wire/cursor.h"
#include "stream/engine/cooldowns.h"
#include "stream/engine/snapshot_format.h"
#include "stream/engine/timeline.h"
#include "stream/engine/watermark.h"

#include <stdlib.h>
#include <string.h>

static void put_flag(struct buf *b, bool v)
{
    put_u8(b, v);
}

static void put_counters(struct buf *b, const struct engine_counters *c)
{
    const uint64_t all[] = {c->messages, c->events,    c->counted,  c->filtered, c->late_counted, c->repeats,
                            c->results,  c->corrected, c->triggers, c->ticks,    c->ticks_ignored};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        put_u64(b, all[i]);
    put_u32(b, DEAD_REASON_COUNT);
    for (size_t i = 0; i < DEAD_REASON_COUNT; i++)
        put_u64(b, c->dead[i]);
}

static void put_head(struct buf *b, const struct engine *e)
{
    put_bytes(b, e->app->text, e->app->text_len);
    put_u32(b, e->version);
    put_u64(b, e->generation);
    put_i64(b, e->from);
    put_i64(b, e->highest);
    put_u64(b, e->event_sequence);
    put_u64(b, e->result_number);
    put_u64(b, e->dead_number);
    put_flag(b, e->has_last);
    put_u64(b, e->last_offset);
    put_i64(b, e->last_received);
    put_flag(b, e->has_control);
    put_u64(b, e->control_offset);
    put_i64(b, e->control_received);
    put_counters(b, &e->counters);
}

/* ---- older versions, memories ---- */

static void put_flags(struct buf *b, const bool *flags, size_t count)
{
    put_u32(b, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        put_flag(b, flags[i]);
}

static void put_old(struct buf *b, const struct engine *e, const struct old_version *v)
{
    uint32_t count = 0;
    put_u32(b, v->version);
    put_bytes(b, v->app->text, v->app->text_len);
    for (size_t i = e->app->stream_count; i < e->stream_count; i++)
        count += e->streams[i]->old == v;
    put_u32(b, count);
    for (size_t i = e->app->stream_count; i < e->stream_count; i++) {
        const struct stream *s = e->streams[i];
        if (s->old != v)
            continue;
        put_u32(b, (uint32_t)s->place);
        put_flags(b, s->gone, s->trigger_count);
    }
}

static void put_olds(struct buf *b, const struct engine *e)
{
    put_u32(b, (uint32_t)e->old_count);
    for (size_t i = 0; i < e->old_count; i++)
        put_old(b, e, e->olds[i]);
}

static void put_memories(struct buf *b, const struct engine *e)
{
    put_u32(b, (uint32_t)e->memory_count);
    for (size_t i = 0; i < e->memory_count; i++) {
        put_bytes(b, e->memories[i].name, strlen(e->memories[i].name));
        put_i64(b, e->memories[i].cooldown);
    }
}

/* ---- devices ---- */

static void put_device(struct buf *b, const struct engine *e, const struct device *d)
{
    put_bytes(b, d->ident.bytes, d->ident.len);
    put_i64(b, d->highest);
    put_i64(b, d->highest_event);
    put_i64(b, d->watermark);
    put_flag(b, d->heard);
    put_u64(b, d->last_offset);
    put_i64(b, d->last_received);
    for (size_t i = 0; i < e->stream_count; i++) {
        put_i64(b, d->lines[i].ended);
        put_i64(b, d->lines[i].begin);
        if (e->streams[i]->old)
            put_i64(b, d->lines[i].until);
    }
}

static void put_devices(struct buf *b, const struct engine *e)
{
    size_t count;
    struct device **devices = devices_all(e, &count);
    put_u32(b, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        put_device(b, e, devices[i]);
    free(devices);
}

/* ---- keys ---- */

/* What comes before, which the next is given as a difference to. */
struct writer {
    struct buf *b;
    const struct engine *e;
    const struct stream *s;
    const struct ident *key; /* NULL: none yet */
    int64_t grain;           /* of the pane before, in grains */
};

/* Where it starts, as grains from the pane before; the lowest bit: whether it has a bound. */
static void put_start(struct writer *w, const struct pane *p)
{
    int64_t grain = p->start / w->s->grain;
    put_short(w->b, folded(grain - w->grain) << 1 | (p->bound != BEFORE));
    w->grain = grain;
}

static void put_panes(struct writer *w, const struct key_row *key)
{
    uint32_t count = 0;
    for (const struct pane *p = key->panes; p; p = p->next_in_key)
        count++;
    put_short(w->b, count);
    for (struct pane *p = key->panes; p; p = p->next_in_key) {
        put_start(w, p);
        if (p->bound != BEFORE)
            put_short_signed(w->b, p->bound);
        put_short(w->b, w->e->last_offset - p->last_offset);
        put_short(w->b, p->last_offset - p->first_offset);
        row_save(&w->s->layout, pane_row(p), w->b);
    }
}

static int by_end(const void *a, const void *b)
{
    const struct window_record *x = *(const struct window_record *const *)a,
                               *y = *(const struct window_record *const *)b;
    return (x->end > y->end) - (x->end < y->end);
}

/* before: where the window of the record before it starts, in steps of `every`. */
static int64_t put_record(struct writer *w, const struct window_record *r, int64_t before)
{
    int64_t window = (r->end - w->s->app->size) / w->s->app->every;
    put_short_signed(w->b, window - before);
    put_short(w->b, (uint64_t)r->revision << 1 | r->closed);
    buf_add(w->b, r->fired, (w->s->trigger_count + 7) / 8);
    return window;
}

/* Records of windows that are gone wait to be freed; they are no part of the state. */
static void put_records(struct writer *w, const struct key_row *key)
{
    int64_t gone = gone_to(w->s, timeline_of(w->s, key->device), key->device->watermark);
    int64_t window = multiple_below(key->panes->start, w->s->app->every) / w->s->app->every;
    const struct window_record **sorted;
    uint32_t count = 0, n = 0;
    for (const struct window_record *r = key->records; r; r = r->next)
        count += r->end > gone;
    put_short(w->b, count);
    if (!count)
        return;
    sorted = mem_alloc(count * sizeof(struct window_record *));
    for (const struct window_record *r = key->records; r; r = r->next) {
        if (r->end > gone)
            sorted[n++] = r;
    }
    qsort(sorted, count, sizeof *sorted, by_end);
    for (uint32_t i = 0; i < count; i++)
        window = put_record(w, sorted[i], window);
    free(sorted);
}

/* How many bytes it has at its beginning like the key before it, then the rest. */
static void put_key(struct writer *w, const struct ident *key)
{
    size_t shared = 0, most = w->key ? w->key->len : 0;
    most = most < key->len ? most : key->len;
    while (shared < most && key->bytes[shared] == w->key->bytes[shared])
        shared++;
    put_short(w->b, shared);
    put_short_bytes(w->b, key->bytes + shared, key->len - shared);
    w->key = key;
}

static void put_stream(struct buf *b, const struct engine *e, const struct stream *s)
{
    struct writer w = {.b = b, .e = e, .s = s};
    struct ident **keys = table_sorted(&s->keys);
    put_i64(b, s->ended);
    put_i64(b, s->begin);
    put_i64(b, s->whole_from);
    put_u64(b, s->closed);
    put_short(b, s->keys.count);
    for (size_t k = 0; k < s->keys.count; k++) {
        const struct key_row *key = (const struct key_row *)keys[k];
        put_key(&w, &key->ident);
        put_panes(&w, key);
        put_records(&w, key);
    }
    free(keys);
}

static void put_idle(struct buf *b, const struct engine *e)
{
    uint32_t count = 0;
    for (const struct device *d = e->idle_first; d; d = d->idle_behind)
        count++;
    put_u32(b, count);
    for (const struct device *d = e->idle_first; d; d = d->idle_behind)
        put_bytes(b, d->ident.bytes, d->ident.len);
}

static void put_streams(struct buf *b, const struct engine *e)
{
    for (size_t i = 0; i < e->stream_count; i++)
        put_stream(b, e, e->streams[i]);
}

/* ---- the rest ---- */

static void put_producers(struct buf *b, const struct engine *e)
{
    put_u32(b, (uint32_t)e->producers.count);
    for (const struct producer *p = e->oldest; p; p = p->newer) {
        put_bytes(b, p->ident.bytes, p->ident.len);
        put_u64(b, p->highest);
        for (size_t i = 0; i < PRODUCER_BITS / 64; i++)
            put_u64(b, p->seen[i]);
    }
}

static void put_held(struct buf *b, const struct engine *e)
{
    put_u32(b, (uint32_t)e->held_count);
    for (const struct held *h = e->held_first; h; h = h->next) {
        put_u64(b, h->offset);
        put_i64(b, h->received);
        put_u32(b, h->index);
        put_bytes(b, h->bytes, h->len);
    }
}

static void put_cooldowns(struct buf *b, const struct engine *e)
{
    struct ident **all = table_sorted(&e->cooldowns);
    uint32_t count = 0;
    for (size_t i = 0; i < e->cooldowns.count; i++)
        count += !cooldown_expired(e, (const struct cooldown *)all[i]);
    put_u32(b, count);
    for (size_t i = 0; i < e->cooldowns.count; i++) {
        const struct cooldown *c = (const struct cooldown *)all[i];
        if (cooldown_expired(e, c))
            continue;
        put_u32(b, (uint32_t)c->memory);
        put_bytes(b, cooldown_key(c).p, cooldown_key(c).len);
        put_bytes(b, c->device->ident.bytes, c->device->ident.len);
        put_i64(b, c->end);
    }
    free(all);
}

void engine_snapshot(const struct engine *e, struct buf *out)
{
    struct buf b = {0};
    put_head(&b, e);
    put_olds(&b, e);
    put_memories(&b, e);
    put_devices(&b, e);
    put_streams(&b, e);
    put_idle(&b, e);
    put_producers(&b, e);
    put_held(&b, e);
    put_cooldowns(&b, e);
    buf_add(out, SNAPSHOT_MAGIC, SNAPSHOT_MAGIC_LEN);
    put_u32(out, SNAPSHOT_VERSION);
    put_u32(out, hash_crc32c(0, b.data, b.len));
    put_u64(out, b.len);
    buf_add(out, b.data, b.len);
    buf_free(&b);
}
