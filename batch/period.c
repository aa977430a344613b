#include "batch/period.h"

#include <string.h>

static const enum calendar_unit units[] = {
    [APP_PERIOD_NONE] = CALENDAR_DAY,  [APP_PERIOD_HOUR] = CALENDAR_HOUR,   [APP_PERIOD_DAY] = CALENDAR_DAY,
    [APP_PERIOD_WEEK] = CALENDAR_WEEK, [APP_PERIOD_MONTH] = CALENDAR_MONTH,
};

struct period period_at(const struct app_job *job, const struct zone *zone, int64_t at)
{
    struct period p = {at - job->range, at};
    if (job->period != APP_PERIOD_NONE)
        calendar_last_whole(zone, units[job->period], at, &p.from, &p.to);
    return p;
}

void period_label(const struct app_job *job, const struct zone *zone, struct period p, struct buf *out)
{
    char from[32], to[32];
    struct period unit = {0};
    if (job->period != APP_PERIOD_NONE)
        calendar_last_whole(zone, units[job->period], p.to, &unit.from, &unit.to);
    if (job->period != APP_PERIOD_NONE && unit.from == p.from && unit.to == p.to) {
        calendar_label(zone, units[job->period], p.from, from);
        buf_add_str(out, from);
        return;
    }
    time_rfc3339(p.from, from);
    time_rfc3339(p.to, to);
    buf_printf(out, "%s/%s", from, to);
}

int64_t period_last_window_end(const struct app_stream *stream, int64_t to)
{
    int64_t before = to - 1, start = before - ((before % stream->every) + stream->every) % stream->every;
    return start + stream->size;
}

size_t schedule_due(const struct app_job *job, const struct zone *zone, int64_t last_to, int64_t now,
                    struct period *list, size_t max)
{
    size_t count = 0;
    for (int64_t due = cron_next(&job->cron, zone, last_to - 1); due <= now; due = cron_next(&job->cron, zone, due)) {
        struct period p = period_at(job, zone, due);
        if (p.to <= last_to)
            continue;
        last_to = p.to;
        if (count == max)
            memmove(list, list + 1, --count * sizeof *list);
        list[count++] = p;
    }
    return count;
}

int64_t schedule_next(const struct app_job *job, const struct zone *zone, int64_t now)
{
    return cron_next(&job->cron, zone, now);
}
