/* Quiet logs: when a tick is due, what it says, and how far everything is final. */
#include "stream/engine/key.h"
#include "stream/engine/timeline.h"
#include "stream/engine/watermark.h"

#include <stdlib.h>

/* The last message that a tick for this device has to name. */
struct last {
    bool known;
    uint64_t offset;
    int64_t received;
};

static struct last last_of(const struct engine *e, const struct device *d)
{
    if (!e->app->watermark_per_count)
        return (struct last){e->has_last, e->last_offset, e->last_received};
    if (e->has_control && (!d->heard || e->control_offset > d->last_offset))
        return (struct last){true, e->control_offset, e->control_received};
    return (struct last){d->heard, d->last_offset, d->last_received};
}

static int64_t next_close_of(const struct engine *e, const struct device *d)
{
    int64_t next = NEVER;
    for (size_t i = 0; d->next_close != NEVER && i < e->stream_count; i++) {
        int64_t end = next_open_end(e->streams[i], &d->lines[i], d->lines[i].closed_to, NEVER);
        next = end < next ? end : next;
    }
    return next;
}

/* When time, taken to go on, will have closed the device's next window. */
static int64_t due_at(const struct engine *e, const struct device *d)
{
    struct last last = last_of(e, d);
    int64_t next = next_close_of(e, d), idle = e->app->time.idle_after;
    if (!last.known || d->highest_event == BEFORE || next == NEVER)
        return NEVER;
    int64_t quiet = next + e->app->time.out_of_orderness - d->highest_event;
    return last.received + (quiet > idle ? quiet : idle);
}

int64_t engine_tick_at(const struct engine *e)
{
    int64_t first = NEVER;
    const struct device *d;
    for (size_t at = 0; (d = table_next(&e->devices, &at));) {
        int64_t due = due_at(e, d);
        first = due < first ? due : first;
    }
    return first;
}

static int64_t tick_value(const struct engine *e, const struct device *d, int64_t now_ms)
{
    int64_t t = d->highest_event + (now_ms - last_of(e, d).received);
    return t < TIME_MAX_MS ? t : TIME_MAX_MS;
}

static void write_tick(struct buf *b, const struct engine *e, const struct device *d, int64_t now_ms)
{
    json_w_name(b, "offset");
    json_w_uint(b, last_of(e, d).offset);
    json_w_name(b, "highest");
    json_w_int(b, tick_value(e, d, now_ms));
}

static void write_device(struct buf *b, const struct engine *e, const struct device *d, int64_t now_ms)
{
    struct buf strings = {0};
    struct value *values = mem_zero(e->app->watermark_per_count, sizeof *values);
    json_w_open(b, '{');
    json_w_name(b, "key");
    json_w_open(b, '[');
    if (key_get(d->ident.bytes, d->ident.len, values, e->app->watermark_per_count, &strings)) {
        for (size_t i = 0; i < e->app->watermark_per_count; i++)
            json_w_value(b, &values[i]);
    }
    json_w_close(b, ']');
    write_tick(b, e, d, now_ms);
    json_w_close(b, '}');
    free(values);
    buf_free(&strings);
}

static void write_devices(struct buf *b, const struct engine *e, int64_t now_ms)
{
    size_t count;
    struct device **devices = devices_all(e, &count);
    json_w_name(b, "devices");
    json_w_open(b, '[');
    for (size_t i = 0; i < count; i++) {
        if (due_at(e, devices[i]) <= now_ms)
            write_device(b, e, devices[i], now_ms);
    }
    json_w_close(b, ']');
    free(devices);
}

bool engine_tick(const struct engine *e, int64_t now_ms, struct buf *body)
{
    if (engine_tick_at(e) > now_ms)
        return false;
    struct buf b = {0};
    json_w_open(&b, '{');
    if (e->app->watermark_per_count)
        write_devices(&b, e, now_ms);
    else
        write_tick(&b, e, e->only, now_ms);
    json_w_close(&b, '}');
    buf_add(body, b.data, b.len);
    buf_free(&b);
    return true;
}

/* ---- complete ---- */

/* How far time has come on a device; at the end of a quiet log it is taken to go on, but not past a window that no tick
 * has closed. */
static int64_t reached(const struct engine *e, const struct stream *s, const struct device *d, int64_t now_ms,
                       bool at_end)
{
    int64_t w = d->watermark;
    struct last last = last_of(e, d);
    if (at_end && d->highest_event != BEFORE && last.known && now_ms - last.received >= e->app->time.idle_after) {
        int64_t on = d->highest_event + (now_ms - last.received) - e->app->time.out_of_orderness;
        w = on > w ? on : w;
    }
    const struct timeline *line = timeline_of(s, d);
    int64_t open = next_open_end(s, line, line->closed_to, NEVER);
    return open != NEVER && open - 1 < w ? open - 1 : w;
}

static bool heard_lately(const struct engine *e, const struct device *d, int64_t now_ms)
{
    return !e->app->watermark_per_count || (d->heard && now_ms - d->last_received < e->app->time.idle_after);
}

static bool quiet_log(const struct engine *e, int64_t now_ms)
{
    return !e->has_last || now_ms - e->last_received >= e->app->time.idle_after;
}

static int64_t complete_to(const struct engine *e, const struct stream *s, int64_t now_ms, bool at_end)
{
    const struct device *d;
    int64_t lowest = NEVER;
    for (size_t at = 0; (d = table_next(&e->devices, &at));) {
        const struct timeline *line = timeline_of(s, d);
        int64_t w = reached(e, s, d, now_ms, at_end);
        bool open = line->count && next_open_end(s, line, line->closed_to, NEVER) != NEVER;
        if ((open || heard_lately(e, d, now_ms)) && w < lowest)
            lowest = w;
    }
    if (lowest == NEVER && at_end && quiet_log(e, now_ms))
        lowest = now_ms - e->app->time.out_of_orderness;
    return lowest == NEVER || lowest == BEFORE ? BEFORE : lowest - s->app->lateness;
}

int64_t engine_complete_to(const struct engine *e, size_t stream, int64_t now_ms, bool at_end)
{
    int64_t to = complete_to(e, e->streams[stream], now_ms, at_end);
    for (size_t i = e->app->stream_count; i < e->stream_count; i++) {
        if (e->streams[i]->shown != stream)
            continue;
        int64_t of_old = complete_to(e, e->streams[i], now_ms, at_end);
        to = of_old < to ? of_old : to;
    }
    return to;
}
