#include "stream/engine/control.h"
#include "stream/engine/events.h"
#include "stream/engine/publish.h"
#include "stream/engine/sequences.h"
#include "stream/engine/streams.h"
#include "stream/engine/timeline.h"
#include "stream/engine/watermark.h"

#include <stdlib.h>
#include <string.h>

#define ENDS SIZE_MAX

/* From one app to the next. */
struct change {
    const struct app *from, *to;
    bool same_devices;
    size_t *goes_on; /* per old stream: its index in the new app, or ENDS */
    bool *ends;      /* per old stream */
};

static bool same_devices(const struct app *a, const struct app *b)
{
    if (a->watermark_per_count != b->watermark_per_count)
        return false;
    for (size_t i = 0; i < a->watermark_per_count; i++) {
        if (strcmp(a->fields[a->watermark_per[i]].name, b->fields[b->watermark_per[i]].name) != 0)
            return false;
    }
    return true;
}

static bool uses_distinct(const struct app_query *q)
{
    for (size_t i = 0; i < q->agg_count; i++) {
        if (q->aggs[i].kind == AGG_DISTINCT)
            return true;
    }
    return false;
}

static size_t successor(const struct change *c, const struct app_stream *s)
{
    for (size_t i = 0; c->same_devices && i < c->to->stream_count; i++) {
        if (app_stream_same(c->from, s, c->to, &c->to->streams[i]) &&
            (!uses_distinct(&s->query) || c->from->limits.distinct == c->to->limits.distinct))
            return i;
    }
    return ENDS;
}

static void compare(struct change *c, const struct app *from, const struct app *to)
{
    *c = (struct change){.from = from, .to = to, .same_devices = same_devices(from, to)};
    c->goes_on = mem_zero(from->stream_count, sizeof *c->goes_on);
    c->ends = mem_zero(from->stream_count, sizeof *c->ends);
    for (size_t i = 0; i < from->stream_count; i++) {
        c->goes_on[i] = successor(c, &from->streams[i]);
        c->ends[i] = c->goes_on[i] == ENDS;
    }
}

/* ---- what ends ---- */

static void raise_floors(struct engine *e, const struct stream *s)
{
    size_t count;
    struct device **devices = devices_all(e, &count);
    for (size_t i = 0; i < count; i++) {
        int64_t w = devices[i]->watermark, end = last_kept_end(s, timeline_of(s, devices[i]));
        floor_raise(e, s->app->name, devices[i], end > w ? end : w);
    }
    free(devices);
}

/* With other devices than before, what ended on any has ended on all. */
static void merge_floors(struct engine *e)
{
    struct ident **all = table_sorted(&e->floors);
    size_t count = e->floors.count;
    for (size_t i = 0; i < count; i++) {
        struct floor *f = (struct floor *)all[i];
        if (!memchr(f->ident.bytes, 0, f->ident.len))
            continue;
        floor_raise(e, f->ident.bytes, NULL, f->end);
        table_remove(&e->floors, &f->ident);
        slab_free(&e->slab, f, sizeof *f + f->ident.len);
    }
    free(all);
}

static void end_streams(struct engine *e, const struct change *c)
{
    streams_close(e, c->ends);
    for (size_t i = 0; i < e->app->stream_count; i++) {
        if (!c->ends[i])
            continue;
        raise_floors(e, &e->streams[i]);
        stream_drop(e, &e->streams[i]);
    }
    if (!c->same_devices)
        merge_floors(e);
}

/* ---- triggers ---- */

/* The trigger of the new app that remembers what `t` of the old one did; SIZE_MAX if none does. */
static size_t heir(const struct change *c, const struct app_trigger *t)
{
    for (size_t i = 0; i < c->to->trigger_count; i++) {
        const struct app_trigger *n = &c->to->triggers[i];
        if (strcmp(n->name, t->name) == 0 && c->goes_on[t->stream] == n->stream)
            return i;
    }
    return SIZE_MAX;
}

static size_t place_of(const struct stream *s, size_t trigger)
{
    for (size_t i = 0; i < s->trigger_count; i++) {
        if (s->triggers[i] == trigger)
            return i;
    }
    return SIZE_MAX;
}

/* Per trigger of the old stream its place among those of the new one, or SIZE_MAX; to free(). */
static size_t *places(const struct change *c, const struct stream *old, const struct stream *new)
{
    size_t *p = mem_zero(old->trigger_count, sizeof *p);
    for (size_t i = 0; i < old->trigger_count; i++) {
        size_t trigger = heir(c, &c->from->triggers[old->triggers[i]]);
        p[i] = trigger == SIZE_MAX ? SIZE_MAX : place_of(new, trigger);
    }
    return p;
}

static struct window_record *record_moved(struct engine *e, const struct stream *old, const struct stream *new,
                                          const size_t *place, struct window_record *r)
{
    struct window_record *n = slab_alloc(&e->slab, record_size(new));
    memcpy(n, r, offsetof(struct window_record, fired));
    for (size_t i = 0; i < old->trigger_count; i++) {
        if (place[i] != SIZE_MAX && (r->fired[i / 8] >> (i % 8) & 1))
            n->fired[place[i] / 8] |= (unsigned char)(1u << (place[i] % 8));
    }
    slab_free(&e->slab, r, record_size(old));
    return n;
}

static void move_records(struct engine *e, const struct change *c, struct stream *old, struct stream *new)
{
    size_t *place = places(c, old, new);
    struct key_row *key;
    for (size_t at = 0; (key = table_next(&old->keys, &at));) {
        for (struct window_record **link = &key->records; *link; link = &(*link)->next)
            *link = record_moved(e, old, new, place, *link);
    }
    free(place);
}

static bool always(const struct engine *e, const struct cooldown *c)
{
    (void)e;
    (void)c;
    return true;
}

struct kept_cooldown {
    size_t trigger;
    struct device *device;
    int64_t end;
    struct buf key;
};

/* Cooldowns of triggers that go on with the same `cooldown`, taken out of the table; to be put back. */
static struct kept_cooldown *take_cooldowns(struct engine *e, const struct change *c, size_t *count)
{
    struct kept_cooldown *kept = mem_zero(e->cooldowns.count, sizeof *kept);
    const struct cooldown *d;
    *count = 0;
    cooldowns_sweep(e);
    for (size_t at = 0; (d = table_next(&e->cooldowns, &at));) {
        const struct app_trigger *t = &c->from->triggers[d->trigger];
        size_t trigger = heir(c, t);
        if (trigger == SIZE_MAX || c->to->triggers[trigger].cooldown != t->cooldown)
            continue;
        struct kept_cooldown *k = &kept[(*count)++];
        *k = (struct kept_cooldown){.trigger = trigger, .device = d->device, .end = d->end};
        buf_add(&k->key, d->ident.bytes + sizeof(uint32_t), d->ident.len - sizeof(uint32_t));
    }
    cooldowns_forget(e, always);
    return kept;
}

static void put_cooldowns(struct engine *e, struct kept_cooldown *kept, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct key_row key = {.ident = {0, kept[i].key.data, kept[i].key.len}, .device = kept[i].device};
        cooldown_put(e, kept[i].trigger, &key, kept[i].end);
        buf_free(&kept[i].key);
    }
    free(kept);
}

/* ---- streams and devices ---- */

static void move_stream(struct engine *e, const struct change *c, struct stream *old, struct stream *new)
{
    move_records(e, c, old, new);
    new->keys = old->keys;
    new->closed = old->closed;
    new->closed_records = old->closed_records;
    old->keys = (struct table){0};
}

static void move_device(struct engine *e, const struct change *c, struct device *d)
{
    struct timeline *lines = mem_zero(c->to->stream_count, sizeof *lines);
    for (size_t i = 0; i < c->to->stream_count; i++) {
        lines[i].closed_to = d->watermark;
        lines[i].floor = floor_find(e, c->to->streams[i].name, d);
    }
    for (size_t i = 0; i < c->from->stream_count; i++) {
        if (c->ends[i])
            free(d->lines[i].buckets);
        else
            lines[c->goes_on[i]] = d->lines[i];
    }
    free(d->lines);
    d->lines = lines;
}

static void drop_devices(struct engine *e)
{
    size_t count;
    struct device **devices = devices_all(e, &count);
    devices_free_lines(e);
    for (size_t i = 0; i < count; i++) {
        table_remove(&e->devices, &devices[i]->ident);
        slab_free(&e->slab, devices[i], sizeof *devices[i] + devices[i]->ident.len);
    }
    free(devices);
    e->only = NULL;
}

static void move_state(struct engine *e, const struct change *c)
{
    struct stream *streams = streams_new(c->to);
    struct device *d;
    for (size_t i = 0; i < c->to->stream_count; i++)
        streams[i].floor = floor_find(e, c->to->streams[i].name, NULL);
    for (size_t i = 0; i < c->from->stream_count; i++) {
        if (!c->ends[i])
            move_stream(e, c, &e->streams[i], &streams[c->goes_on[i]]);
    }
    if (!c->same_devices)
        drop_devices(e);
    for (size_t at = 0; (d = table_next(&e->devices, &at));)
        move_device(e, c, d);
    streams_free(e->streams, c->from->stream_count);
    e->streams = streams;
}

static void swap_app(struct engine *e, struct app *app, uint32_t version)
{
    decoder_free(&e->decoder);
    free(e->values);
    app_free(&e->app);
    e->app = app;
    e->version = version;
    decoder_init(&e->decoder, app);
    e->values = streams_values(app);
}

/* With one watermark instead of many, it goes on from the highest time of all. */
static void begin_only(struct engine *e)
{
    if (e->app->watermark_per_count || e->only || e->highest == BEFORE)
        return;
    e->only = device_of(e, "", 0);
    e->only->highest = e->only->highest_event = e->highest;
}

static void move_watermarks(struct engine *e)
{
    size_t count;
    begin_only(e);
    struct device **devices = devices_all(e, &count);
    for (size_t i = 0; i < count; i++) {
        device_refresh(e, devices[i]);
        if (devices[i]->highest != BEFORE)
            (void)device_sees(e, devices[i], devices[i]->highest);
    }
    watermarks_move(e, devices, count);
    free(devices);
}

void version_begin(struct engine *e, struct app *app, uint32_t version)
{
    struct change c;
    size_t cooldown_count;
    held_reject(e);
    compare(&c, e->app, app);
    end_streams(e, &c);
    struct kept_cooldown *cooldowns = take_cooldowns(e, &c, &cooldown_count);
    move_state(e, &c);
    swap_app(e, app, version);
    put_cooldowns(e, cooldowns, cooldown_count);
    producers_trim(e, (size_t)app->limits.producers);
    move_watermarks(e);
    free(c.goes_on);
    free(c.ends);
}

/* ---- rewinds ---- */

static void forget_floors(struct engine *e)
{
    struct floor *f;
    struct device *d;
    for (size_t at = 0; (f = table_next(&e->floors, &at));)
        slab_free(&e->slab, f, sizeof *f + f->ident.len);
    table_free(&e->floors);
    for (size_t i = 0; i < e->app->stream_count; i++) {
        e->streams[i].floor = BEFORE;
        for (size_t at = 0; (d = table_next(&e->devices, &at));)
            d->lines[i].floor = BEFORE;
    }
}

static void number_anew(struct engine *e, uint64_t generation, int64_t from)
{
    e->generation = generation;
    e->from = from;
    e->result_number = e->dead_number = 0;
    e->counters = (struct engine_counters){0};
    for (size_t i = 0; i < e->app->stream_count; i++)
        e->streams[i].closed = 0;
}

/* Nothing can be published here, so watermarks stay where they are; with another out_of_orderness the next event moves
 * them. */
void engine_rebase(struct engine *e, struct app *app, uint32_t version, uint64_t generation, int64_t from)
{
    struct change c;
    struct device *d;
    size_t cooldown_count;
    compare(&c, e->app, app);
    for (size_t i = 0; i < e->app->stream_count; i++) {
        if (c.ends[i])
            stream_drop(e, &e->streams[i]);
    }
    forget_floors(e);
    struct kept_cooldown *cooldowns = take_cooldowns(e, &c, &cooldown_count);
    move_state(e, &c);
    swap_app(e, app, version);
    put_cooldowns(e, cooldowns, cooldown_count);
    producers_trim(e, (size_t)app->limits.producers);
    begin_only(e);
    for (size_t at = 0; (d = table_next(&e->devices, &at));)
        device_refresh(e, d);
    number_anew(e, generation, from);
    free(c.goes_on);
    free(c.ends);
}
