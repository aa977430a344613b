/* The engine out of bytes that are not trusted: whatever makes no sense marks the cursor bad. */
#include "base/wire/cursor.h"
#include "stream/engine/cooldowns.h"
#include "stream/engine/events.h"
#include "stream/engine/olds.h"
#include "stream/engine/restore_keys.h"
#include "stream/engine/sequences.h"
#include "stream/engine/snapshot_format.h"
#include "stream/engine/streams.h"
#include "stream/engine/timeline.h"
#include "stream/engine/watermark.h"

#include <stdlib.h>
#include <string.h>

static bool get_flag(struct cursor *c)
{
    uint8_t v = get_u8(c);
    c->bad |= v > 1;
    return v == 1;
}

static int64_t get_time(struct cursor *c)
{
    return time_checked(c, get_i64(c));
}

static void get_counters(struct cursor *c, struct engine_counters *n)
{
    uint64_t *all[] = {&n->messages, &n->events,    &n->counted,  &n->filtered, &n->late_counted, &n->repeats,
                       &n->results,  &n->corrected, &n->triggers, &n->ticks,    &n->ticks_ignored};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        *all[i] = get_u64(c);
    c->bad |= get_u32(c) != DEAD_REASON_COUNT;
    for (size_t i = 0; i < DEAD_REASON_COUNT; i++)
        n->dead[i] = get_u64(c);
}

/* Not known yet after a rewind to an offset: NEVER. */
static int64_t get_from(struct cursor *c)
{
    struct cursor before = *c;
    if (get_i64(&before) != NEVER)
        return get_time(c);
    return get_i64(c);
}

static void get_scalars(struct cursor *c, struct engine *e)
{
    e->from = get_from(c);
    e->highest = get_time(c);
    e->event_sequence = get_u64(c);
    e->result_number = get_u64(c);
    e->dead_number = get_u64(c);
    e->has_last = get_flag(c);
    e->last_offset = get_u64(c);
    e->last_received = get_time(c);
    e->has_control = get_flag(c);
    e->control_offset = get_u64(c);
    e->control_received = get_time(c);
    c->bad |= e->has_last != (e->last_received != BEFORE) || e->has_control != (e->control_received != BEFORE);
    get_counters(c, &e->counters);
}

/* ---- older versions, memories ---- */

static struct app *load_app(struct cursor *c)
{
    size_t len;
    struct app_diags diags = {0};
    const char *text = get_bytes(c, &len);
    struct app *app = c->bad ? NULL : app_load(text, len, NULL, &diags);
    app_diags_free(&diags);
    c->bad |= !app;
    return app;
}

static void get_old_stream(struct cursor *c, struct engine *e, struct old_version *v)
{
    uint32_t place = get_u32(c), count = get_u32(c);
    const struct stream *before = e->streams[e->stream_count - 1];
    if (c->bad || place >= v->app->stream_count || (before->old == v && place <= before->place)) {
        c->bad = true;
        return;
    }
    struct stream *s = stream_new(v->app, place);
    s->old = v;
    e->streams = mem_resize(e->streams, e->stream_count + 1, sizeof(struct stream *));
    e->streams[e->stream_count++] = s;
    c->bad |= count != s->trigger_count;
    for (size_t i = 0; i < s->trigger_count && !c->bad; i++)
        s->gone[i] = get_flag(c);
}

static void get_old(struct cursor *c, struct engine *e)
{
    uint32_t version = get_u32(c), before = e->old_count ? e->olds[e->old_count - 1]->version : 0;
    struct app *app = load_app(c);
    if (!app)
        return;
    struct old_version *v = mem_zero(1, sizeof *v);
    v->app = app;
    v->version = version;
    decoder_init(&v->decoder, app);
    e->olds = mem_resize(e->olds, e->old_count + 1, sizeof(struct old_version *));
    e->olds[e->old_count++] = v;
    c->bad |= (e->old_count > 1 && version <= before) || version >= e->version || !app_devices_same(app, e->app) ||
              strcmp(app->tenant, e->app->tenant) != 0;
    uint32_t n = get_count(c, 2 * 4);
    c->bad |= !n;
    for (; n && !c->bad; n--)
        get_old_stream(c, e, v);
}

static void get_olds(struct cursor *c, struct engine *e)
{
    uint32_t n = get_count(c, 4 + 4 + 4);
    c->bad |= n > OLD_VERSIONS_MAX;
    for (; n && !c->bad; n--)
        get_old(c, e);
    streams_arrange(e);
}

static void get_memory(struct cursor *c, struct engine *e)
{
    size_t len;
    const char *name = get_bytes(c, &len);
    int64_t cooldown = get_i64(c);
    c->bad |= !len || memchr(name, 0, len) || cooldown <= 0 || cooldown > TIME_BOUND;
    if (!c->bad)
        memories_add(e, name, len, cooldown);
}

static void get_memories(struct cursor *c, struct engine *e)
{
    memories_free(e);
    for (uint32_t n = get_count(c, 4 + 8); n && !c->bad; n--)
        get_memory(c, e);
    c->bad |= !memories_bind(e) || !memories_ordered(e);
}

/* ---- devices ---- */

static void get_line(struct cursor *c, const struct stream *s, struct device *d)
{
    struct timeline *line = timeline_of(s, d);
    line->ended = get_time(c);
    line->begin = get_time(c);
    line->floor = floor_made(s, line->ended, line->begin);
    line->closed_to = d->watermark;
    if (!s->old)
        return;
    line->until = get_time(c);
    c->bad |= line->until != BEFORE &&
              multiple_below(line->until - s->app->size, s->app->every) != line->until - s->app->size;
}

static void get_device(struct cursor *c, struct engine *e)
{
    size_t len;
    const char *bytes = get_bytes(c, &len);
    if (c->bad || device_find(e, bytes, len) || (!e->app->watermark_per_count && len)) {
        c->bad = true;
        return;
    }
    struct device *d = device_of(e, bytes, len);
    d->highest = get_time(c);
    d->highest_event = get_time(c);
    d->watermark = d->target = get_time(c);
    d->heard = get_flag(c);
    d->last_offset = get_u64(c);
    d->last_received = get_time(c);
    c->bad |= d->heard != (d->last_received != BEFORE);
    for (size_t i = 0; i < e->stream_count; i++)
        get_line(c, e->streams[i], d);
    if (!e->app->watermark_per_count)
        e->only = d;
}

static void get_devices(struct cursor *c, struct engine *e)
{
    for (uint32_t n = get_count(c, 4 + 3 * 8 + 1 + 2 * 8); n && !c->bad; n--)
        get_device(c, e);
}

/* ---- streams ---- */

static void get_streams(struct cursor *c, struct engine *e, uint32_t format)
{
    for (size_t i = 0; i < e->stream_count && !c->bad; i++) {
        struct stream *s = e->streams[i];
        s->ended = get_time(c);
        s->begin = get_time(c);
        s->whole_from = get_time(c);
        s->floor = floor_made(s, s->ended, s->begin);
        s->closed = get_u64(c);
        restore_keys(c, e, s, format);
        c->bad |= s->old && !s->keys.count;
    }
}

/* Just those without windows. */
static void get_idle(struct cursor *c, struct engine *e)
{
    struct device *d;
    size_t len;
    for (uint32_t n = get_count(c, 4); n && !c->bad; n--) {
        const char *bytes = get_bytes(c, &len);
        d = c->bad ? NULL : device_find(e, bytes, len);
        c->bad |= !d || d->idle || !e->app->watermark_per_count;
        if (!c->bad)
            idle_add(e, d);
    }
    for (size_t at = 0; (d = table_next(&e->devices, &at));)
        c->bad |= e->app->watermark_per_count && d->idle != !d->panes;
}

/* ---- the rest ---- */

static void get_producer(struct cursor *c, struct engine *e)
{
    size_t len;
    const char *name = get_bytes(c, &len);
    if (c->bad || table_find(&e->producers, table_hash(name, len), name, len)) {
        c->bad = true;
        return;
    }
    struct producer *p = producer_new(e, name, len);
    p->highest = get_u64(c);
    for (size_t i = 0; i < PRODUCER_BITS / 64; i++)
        p->seen[i] = get_u64(c);
}

static void get_producers(struct cursor *c, struct engine *e)
{
    for (uint32_t n = get_count(c, 4 + 8 + PRODUCER_BITS / 8); n && !c->bad; n--)
        get_producer(c, e);
}

static void get_held(struct cursor *c, struct engine *e)
{
    for (uint32_t n = get_count(c, 8 + 8 + 4 + 4); n && !c->bad; n--) {
        size_t len;
        uint64_t offset = get_u64(c);
        int64_t received = get_time(c);
        uint32_t index = get_u32(c);
        const char *bytes = get_bytes(c, &len);
        c->bad |= !json_valid(bytes, len, NULL) || bytes[0] != '{';
        if (!c->bad)
            held_append(e, offset, received, index, (struct bytes){bytes, len});
    }
}

static void get_cooldown(struct cursor *c, struct engine *e)
{
    size_t len, device_len;
    uint32_t memory = get_u32(c);
    const char *key = get_bytes(c, &len), *device = get_bytes(c, &device_len);
    int64_t end = get_time(c);
    struct device *d = c->bad ? NULL : device_find(e, device, device_len);
    if (!d || memory >= e->memory_count || end == BEFORE) {
        c->bad = true;
        return;
    }
    cooldown_put(e, memory, &(struct ident){.bytes = key, .len = len}, d, end);
}

static void get_cooldowns(struct cursor *c, struct engine *e)
{
    for (uint32_t n = get_count(c, 4 + 4 + 4 + 8); n && !c->bad; n--)
        get_cooldown(c, e);
}

static void get_state(struct cursor *c, struct engine *e, uint32_t format)
{
    get_scalars(c, e);
    get_olds(c, e);
    get_memories(c, e);
    get_devices(c, e);
    get_streams(c, e, format);
    get_idle(c, e);
    get_producers(c, e);
    get_held(c, e);
    get_cooldowns(c, e);
}

static int check_head(struct cursor *c, uint32_t *version, struct err *err)
{
    size_t left = (size_t)(c->end - c->at);
    if (left < SNAPSHOT_HEAD || memcmp(c->at, SNAPSHOT_MAGIC, SNAPSHOT_MAGIC_LEN) != 0)
        return err_set(err, ERR_INVALID, "no engine snapshot");
    c->at += SNAPSHOT_MAGIC_LEN;
    *version = get_u32(c);
    uint32_t crc = get_u32(c);
    if (*version < 1 || *version > SNAPSHOT_VERSION)
        return err_set(err, ERR_INVALID, "engine snapshot: version %u is not known here", *version);
    if (get_u64(c) != left - SNAPSHOT_HEAD || hash_crc32c(0, c->at, left - SNAPSHOT_HEAD) != crc)
        return err_set(err, ERR_INVALID, "engine snapshot: damaged");
    return 0;
}

int engine_restore(const void *bytes, size_t len, struct engine **engine, struct err *err)
{
    struct cursor c = cursor_of(bytes, len);
    uint32_t format = 0;
    if (check_head(&c, &format, err) < 0)
        return -1;
    struct app *app = load_app(&c);
    if (!app)
        return err_set(err, ERR_INVALID, "engine snapshot: its app does not load");
    uint32_t version = get_u32(&c);
    uint64_t generation = get_u64(&c);
    struct engine *e = engine_new(app, version, generation);
    struct device *d;
    get_state(&c, e, format);
    if (!cursor_done(&c)) {
        engine_free(&e);
        return err_set(err, ERR_INVALID, "engine snapshot: makes no sense");
    }
    for (size_t at = 0; (d = table_next(&e->devices, &at));)
        device_refresh(e, d);
    *engine = e;
    return 0;
}
