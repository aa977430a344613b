#include "stream/engine/timeline.h"

const struct app *engine_app(const struct engine *e)
{
    return e->app;
}

/* Devices that fell silent long before the last message hold nobody back. */
static bool counts(const struct engine *e, const struct device *d)
{
    return !e->app->watermark_per_count || e->last_received == BEFORE ||
           d->last_received >= e->last_received - e->app->time.idle_after;
}

static int64_t lowest_watermark(const struct engine *e)
{
    int64_t lowest = NEVER;
    const struct device *d;
    for (size_t at = 0; (d = table_next(&e->devices, &at));) {
        if (counts(e, d) && d->watermark < lowest)
            lowest = d->watermark;
    }
    return lowest == NEVER ? BEFORE : lowest;
}

void engine_info(const struct engine *e, struct engine_info *info)
{
    *info = (struct engine_info){.generation = e->generation,
                                 .version = e->version,
                                 .result_number = e->result_number,
                                 .dead_number = e->dead_number,
                                 .highest = e->highest,
                                 .watermark = lowest_watermark(e),
                                 .last_received_ms = e->last_received,
                                 .devices = e->devices.count,
                                 .held = e->held_count,
                                 .producers = e->producers.count,
                                 .from = e->from,
                                 .counters = e->counters};
}

static void add_line(const struct stream *s, const struct timeline *line, struct engine_stream_info *info)
{
    int64_t end = line->count ? next_open_end(s, line, line->closed_to, NEVER) : NEVER, last = last_kept_end(s, line);
    info->next_close = end < info->next_close ? end : info->next_close;
    info->last_end = last > info->last_end ? last : info->last_end;
    for (; end != NEVER; end = next_open_end(s, line, end, NEVER))
        info->open_windows++;
}

void engine_stream_info(const struct engine *e, size_t stream, struct engine_stream_info *info)
{
    const struct device *d;
    *info = (struct engine_stream_info){.closed = e->streams[stream]->closed, .next_close = NEVER, .last_end = BEFORE};
    for (size_t i = 0; i < e->stream_count; i++) {
        const struct stream *s = e->streams[i];
        if (s->shown != stream)
            continue;
        info->keys += s->keys.count;
        for (size_t at = 0; (d = table_next(&e->devices, &at));)
            add_line(s, timeline_of(s, d), info);
    }
}
