/* From one version of the app to the next. */
#include "stream/engine/control.h"
#include "stream/engine/cooldowns.h"
#include "stream/engine/events.h"
#include "stream/engine/olds.h"
#include "stream/engine/sequences.h"
#include "stream/engine/streams.h"
#include "stream/engine/timeline.h"
#include "stream/engine/watermark.h"

#include <stdlib.h>
#include <string.h>

struct change {
    struct app *from, *to;
    size_t *goes_on;         /* per present stream: its place in the new app, or NO_STREAM */
    struct old_version *old; /* what `from` becomes; NULL: no stream of it stays */
    size_t *before;          /* per stream of the new app: the present one of its name, or NO_STREAM */
    size_t *shown;           /* per stream that there will be: the new app's of its name, or NO_STREAM */
    struct stream **streams; /* all that there will be, as in struct engine */
    size_t count;
    int64_t whole_from; /* see struct stream: of those that begin */
};

/* ---- what goes on ---- */

static size_t successor(const struct change *c, const struct app_stream *s)
{
    for (size_t i = 0; i < c->to->stream_count; i++) {
        if (app_stream_same(c->from, s, c->to, &c->to->streams[i]))
            return i;
    }
    return NO_STREAM;
}

static size_t place_named(const struct app *app, const char *name)
{
    for (size_t i = 0; i < app->stream_count; i++) {
        if (strcmp(app->streams[i].name, name) == 0)
            return i;
    }
    return NO_STREAM;
}

static void compare(struct change *c, struct app *from, struct app *to)
{
    *c = (struct change){.from = from, .to = to, .whole_from = BEFORE};
    c->goes_on = mem_zero(from->stream_count, sizeof *c->goes_on);
    for (size_t i = 0; i < from->stream_count; i++)
        c->goes_on[i] = app_devices_same(from, to) ? successor(c, &from->streams[i]) : NO_STREAM;
    c->before = mem_zero(to->stream_count, sizeof *c->before);
    for (size_t i = 0; i < to->stream_count; i++)
        c->before[i] = place_named(from, to->streams[i].name);
}

static void change_free(struct change *c)
{
    free(c->goes_on);
    free(c->before);
    free(c->shown);
}

/* A stream of the new app that does not go on from the present one. */
static bool begins(const struct change *c, size_t place)
{
    return c->before[place] == NO_STREAM || c->goes_on[c->before[place]] != place;
}

static bool becomes_old(const struct engine *e, const struct change *c, size_t i)
{
    return c->goes_on[i] == NO_STREAM && e->streams[i]->keys.count > 0;
}

/* ---- triggers ---- */

static size_t place_of(const struct stream *s, const char *trigger)
{
    for (size_t i = 0; i < s->trigger_count; i++) {
        if (strcmp(s->of->triggers[s->triggers[i]].name, trigger) == 0)
            return i;
    }
    return NO_STREAM;
}

static struct window_record *record_moved(struct engine *e, const struct stream *old, const struct stream *new,
                                          struct window_record *r)
{
    struct window_record *n = slab_alloc(&e->slab, record_size(new));
    memcpy(n, r, offsetof(struct window_record, fired));
    for (size_t i = 0; i < old->trigger_count; i++) {
        size_t place = place_of(new, old->of->triggers[old->triggers[i]].name);
        if (place != NO_STREAM && (r->fired[i / 8] >> (i % 8) & 1))
            n->fired[place / 8] |= (unsigned char)(1u << (place % 8));
    }
    slab_free(&e->slab, r, record_size(old));
    return n;
}

static void move_records(struct engine *e, struct stream *old, struct stream *new)
{
    struct key_row *key;
    for (size_t at = 0; (key = table_next(&old->keys, &at));) {
        for (struct window_record **link = &key->records; *link; link = &(*link)->next)
            *link = record_moved(e, old, new, *link);
    }
}

static bool has_trigger(const struct app *app, const char *name, const char *job)
{
    for (size_t i = 0; i < app->trigger_count; i++) {
        const struct app_trigger *t = &app->triggers[i];
        if (strcmp(t->name, name) == 0 && strcmp(app->jobs[t->job].name, job) == 0)
            return true;
    }
    return false;
}

/* What the new app no longer starts, older versions start no longer. */
static void stop_triggers(struct stream *s, const struct app *to)
{
    for (size_t i = 0; i < s->trigger_count; i++) {
        const struct app_trigger *t = &s->of->triggers[s->triggers[i]];
        s->gone[i] = s->gone[i] || !has_trigger(to, t->name, s->of->jobs[t->job].name);
    }
}

/* ---- streams ---- */

static void begin_stream(struct engine *e, const struct change *c, size_t place)
{
    struct stream *s = c->streams[place] = stream_new(c->to, place);
    s->whole_from = c->whole_from;
    if (c->before[place] == NO_STREAM)
        return;
    struct stream *before = e->streams[c->before[place]];
    s->closed = before->closed;
    s->whole_from = begins(c, place) ? c->whole_from : before->whole_from;
    s->ended = before->ended;
    s->begin = before->begin;
    s->floor = floor_made(s, s->ended, s->begin);
    if (begins(c, place))
        return;
    move_records(e, before, s);
    s->keys = before->keys;
    s->closed_records = before->closed_records;
    before->keys = (struct table){0};
}

/* Those of the present version that have windows follow the older ones. */
static void list_streams(struct engine *e, struct change *c)
{
    c->streams = mem_zero(c->to->stream_count + e->stream_count, sizeof(struct stream *));
    for (size_t i = 0; i < c->to->stream_count; i++)
        begin_stream(e, c, i);
    c->count = c->to->stream_count;
    for (size_t i = c->from->stream_count; i < e->stream_count; i++)
        c->streams[c->count++] = e->streams[i];
    for (size_t i = 0; i < c->from->stream_count; i++) {
        if (!becomes_old(e, c, i))
            continue;
        if (!c->old)
            c->old = mem_zero(1, sizeof *c->old);
        c->streams[c->count++] = e->streams[i];
    }
    c->shown = mem_zero(c->count, sizeof *c->shown);
    for (size_t i = c->to->stream_count; i < c->count; i++) {
        c->shown[i] = place_named(c->to, c->streams[i]->app->name);
        stop_triggers(c->streams[i], c->to);
    }
}

/* ---- lines of the devices ---- */

/* A stream that begins opens what has not ended and no other version has. */
static void begin_lines(const struct change *c, const struct device *d, struct timeline *lines)
{
    for (size_t i = 0; i < c->to->stream_count; i++) {
        if (begins(c, i))
            lines[i] = (struct timeline){.closed_to = d->watermark,
                                         .ended = d->watermark,
                                         .begin = c->before[i] == NO_STREAM ? BEFORE : d->lines[c->before[i]].begin,
                                         .until = NEVER};
    }
    for (size_t i = c->to->stream_count; i < c->count; i++) {
        size_t place = c->shown[i];
        if (place != NO_STREAM && begins(c, place) && lines[i].until > lines[place].begin)
            lines[place].begin = lines[i].until;
    }
    for (size_t i = 0; i < c->to->stream_count; i++)
        lines[i].floor = floor_made(c->streams[i], lines[i].ended, lines[i].begin);
}

static void move_line(const struct engine *e, const struct change *c, const struct device *d, struct timeline *lines,
                      size_t i)
{
    struct timeline *line = &d->lines[i];
    if (i >= c->from->stream_count) {
        lines[c->to->stream_count + i - c->from->stream_count] = *line;
    } else if (c->goes_on[i] != NO_STREAM) {
        lines[c->goes_on[i]] = *line;
    } else if (!becomes_old(e, c, i)) {
        timeline_free(&d->lines[i]);
    } else {
        size_t at = c->to->stream_count;
        while (c->streams[at] != e->streams[i])
            at++;
        lines[at] = *line;
        lines[at].until = last_kept_end(e->streams[i], line);
    }
}

static void move_device(const struct engine *e, const struct change *c, struct device *d)
{
    struct timeline *lines = mem_zero(c->count, sizeof *lines);
    for (size_t i = 0; i < e->stream_count; i++)
        move_line(e, c, d, lines, i);
    begin_lines(c, d, lines);
    free(d->lines);
    d->lines = lines;
}

/* ---- the app ---- */

static void keep_old(struct engine *e, const struct change *c)
{
    c->old->app = c->from;
    c->old->version = e->version;
    c->old->decoder = e->decoder;
    e->olds = mem_resize(e->olds, e->old_count + 1, sizeof(struct old_version *));
    e->olds[e->old_count++] = c->old;
}

static void swap_app(struct engine *e, const struct change *c, uint32_t version)
{
    if (c->old) {
        keep_old(e, c);
    } else {
        decoder_free(&e->decoder);
        app_free(&e->app);
    }
    e->app = c->to;
    e->version = version;
    decoder_init(&e->decoder, e->app);
}

static void change_app(struct engine *e, struct change *c, uint32_t version)
{
    struct device *d;
    list_streams(e, c);
    for (size_t at = 0; (d = table_next(&e->devices, &at));)
        move_device(e, c, d);
    for (size_t i = 0; i < c->from->stream_count; i++) {
        if (becomes_old(e, c, i))
            e->streams[i]->old = c->old;
        else
            stream_free(e->streams[i]);
    }
    free(e->streams);
    e->streams = c->streams;
    e->stream_count = c->count;
    swap_app(e, c, version);
    streams_arrange(e);
    memories_arrange(e);
    producers_trim(e, (size_t)e->app->limits.producers);
    change_free(c);
}

/* ---- other devices ---- */

/* Where the streams of the new app begin on all devices: as no time of any goes on, all windows there were have ended.
 */
static void end_for_all(struct engine *e)
{
    struct device *d;
    for (size_t at = 0; (d = table_next(&e->devices, &at));) {
        for (size_t i = 0; i < e->stream_count; i++) {
            size_t shown = e->streams[i]->shown;
            if (shown == NO_STREAM)
                continue;
            struct stream *s = e->streams[shown];
            int64_t last = last_kept_end(e->streams[i], &d->lines[i]), begin = d->lines[i].begin;
            last = last > begin ? last : begin;
            s->begin = last > s->begin ? last : s->begin;
            s->ended = d->watermark > s->ended ? d->watermark : s->ended;
        }
    }
}

static void drop_devices(struct engine *e)
{
    size_t count;
    struct device **devices = devices_all(e, &count);
    for (size_t i = 0; i < count; i++)
        device_forget(e, devices[i]);
    free(devices);
    e->only = NULL;
}

static void drop_streams(struct engine *e)
{
    for (size_t i = 0; i < e->stream_count; i++)
        stream_drop(e, e->streams[i]);
    olds_sweep(e);
}

static void end_devices(struct engine *e)
{
    bool *ended = mem_alloc(e->stream_count * sizeof *ended);
    memset(ended, true, e->stream_count * sizeof *ended);
    streams_close(e, ended);
    free(ended);
    end_for_all(e);
    drop_streams(e);
    drop_devices(e);
}

/* ---- watermarks ---- */

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
    devices_settle(e);
}

static void make_room(struct engine *e, const struct change *c)
{
    bool one_more = false;
    for (size_t i = 0; i < c->from->stream_count; i++)
        one_more = one_more || becomes_old(e, c, i);
    if (one_more && e->old_count == OLD_VERSIONS_MAX)
        olds_end_first(e);
}

void version_begin(struct engine *e, struct app *app, uint32_t version)
{
    struct change c;
    held_reject(e);
    if (!app_devices_same(e->app, app))
        end_devices(e);
    compare(&c, e->app, app);
    make_room(e, &c);
    change_app(e, &c, version);
    move_watermarks(e);
}

/* ---- rewinds ---- */

/* Only what goes on keeps its windows, and no windows are another version's any more. */
static void forget_others(struct engine *e, const struct change *c)
{
    struct device *d;
    for (size_t i = 0; i < e->stream_count; i++) {
        struct stream *s = e->streams[i];
        s->ended = s->begin = s->floor = BEFORE;
        s->closed = 0;
        if (s->old || c->goes_on[i] == NO_STREAM)
            stream_drop(e, s);
        for (size_t at = 0; (d = table_next(&e->devices, &at));)
            d->lines[i].ended = d->lines[i].begin = d->lines[i].floor = BEFORE;
    }
    olds_sweep(e);
}

/* A stream that begins with a rewind may open any window that is not gone. */
static void open_all(struct engine *e)
{
    struct device *d;
    for (size_t at = 0; (d = table_next(&e->devices, &at));) {
        for (size_t i = 0; i < e->stream_count; i++)
            d->lines[i].ended = d->lines[i].floor = BEFORE;
        device_refresh(e, d);
    }
    devices_settle(e);
}

/* Nothing can be published here, so watermarks stay where they are; with another out_of_orderness the next event moves
 * them. */
void engine_rebase(struct engine *e, struct app *app, uint32_t version, uint64_t generation, int64_t from)
{
    struct change c;
    bool same = app_devices_same(e->app, app);
    compare(&c, e->app, app);
    if (e->highest != BEFORE)
        c.whole_from = e->highest + 1;
    forget_others(e, &c);
    if (!same)
        drop_devices(e);
    change_app(e, &c, version);
    begin_only(e);
    open_all(e);
    e->generation = generation;
    e->from = from;
    e->result_number = e->dead_number = 0;
    e->counters = (struct engine_counters){0};
}

void engine_give_from(struct engine *e, int64_t from)
{
    e->from = from == BEFORE ? -TIME_MAX_MS : from; /* BEFORE would say that the rewind has come to its end */
}
