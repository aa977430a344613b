/* Which windows a run takes, and which periods of a schedule are due. PURE. Times UTC ms. */
#ifndef BELLTOWER_BATCH_PERIOD_H
#define BELLTOWER_BATCH_PERIOD_H

#include "base/buf.h"
#include "tenants/app/app.h"

struct period {
    int64_t from, to; /* windows that start in [from, to) */
};

/* The period that a job's run at `at` takes: the last whole calendar unit in the job's zone, or the range before `at`.
 * zone: the job's. */
struct period period_at(const struct app_job *job, const struct zone *zone, int64_t at);
/* "2026-11-23" for calendar units, else "FROM/TO" in RFC 3339. */
void period_label(const struct app_job *job, const struct zone *zone, struct period p, struct buf *out);
/* The end of the last window of the stream that starts before `to`: results of a job are complete when that window is
 * final. */
int64_t period_last_window_end(const struct app_stream *stream, int64_t to);

/* Due periods of a schedule after the one that ended at last_to (of the newest run known) up to now, oldest first, each
 * once; at most `max` of the newest. */
#define SCHEDULE_RUN_MAX    31   /* the newest so many due periods are run */
#define SCHEDULE_RECORD_MAX 1000 /* of the older ones so many are recorded as skipped */
size_t schedule_due(const struct app_job *job, const struct zone *zone, int64_t last_to, int64_t now,
                    struct period *list, size_t max);
/* The first instant after now at which something may be due. */
int64_t schedule_next(const struct app_job *job, const struct zone *zone, int64_t now);

#endif
