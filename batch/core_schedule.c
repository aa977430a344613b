/* Due periods of the app's schedules become runs. */
#include "batch/core_private.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void schedule_free(struct batch_core *c)
{
    for (size_t i = 0; c->zones && i < c->app->job_count; i++)
        zone_free(&c->zones[i]);
    free(c->zones);
    free(c->last_to);
    c->zones = NULL;
    c->last_to = NULL;
}

static int64_t find_anchor(const struct batch_anchor *anchors, size_t count, const char *job)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(anchors[i].job, job) == 0)
            return anchors[i].last_to;
    return INT64_MIN;
}

/* Periods that are still on their way into the store count, too. */
static int64_t newest_period(const struct batch_core *c, const char *job, int64_t stored)
{
    size_t i;
    bool known = c->app && schedule_job(c, job, &i);
    return known && c->last_to[i] > stored ? c->last_to[i] : stored;
}

static int64_t *newest_periods(const struct batch_core *c, const struct app *app, const struct batch_anchor *anchors,
                               size_t count)
{
    int64_t *last_to = mem_zero(app->job_count, sizeof *last_to);
    for (size_t i = 0; i < app->job_count; i++)
        last_to[i] = newest_period(c, app->jobs[i].name, find_anchor(anchors, count, app->jobs[i].name));
    return last_to;
}

void schedule_begin(struct batch_core *c, struct app *app, uint32_t version, const struct batch_anchor *anchors,
                    size_t count)
{
    int64_t *last_to = newest_periods(c, app, anchors, count);
    schedule_free(c);
    app_free(&c->app);
    c->app = app;
    c->version = version;
    c->zones = mem_zero(app->job_count, sizeof *c->zones);
    c->last_to = last_to;
    for (size_t i = 0; i < app->job_count; i++) {
        struct err err;
        if (zone_load(app->jobs[i].timezone, &c->zones[i], &err) < 0) {
            batch_exit(c, err.code == ERR_UNAVAILABLE ? EXIT_UNAVAILABLE : EXIT_CONFIG, err.text);
            return;
        }
    }
    c->schedule_at = c->mono_ms;
}

const struct app_job *schedule_job(const struct batch_core *c, const char *name, size_t *index)
{
    for (size_t i = 0; i < c->app->job_count; i++) {
        if (strcmp(c->app->jobs[i].name, name) != 0)
            continue;
        *index = i;
        return &c->app->jobs[i];
    }
    return NULL;
}

static void add_period(struct batch_core *c, size_t job, struct period p, const char *skipped)
{
    const struct app_job *j = &c->app->jobs[job];
    struct buf id = {0};
    char end[32];
    time_rfc3339(p.to, end);
    buf_printf(&id, "%s:", j->name);
    if (j->period == APP_PERIOD_NONE)
        buf_add_str(&id, end);
    else
        period_label(j, c->zones[job], p, &id);
    struct run_row row = {.id = mem_strdup(buf_cstr(&id)),
                          .job = mem_strdup(j->name),
                          .cause = RUN_ON_SCHEDULE,
                          .state = skipped ? RUN_SKIPPED : RUN_QUEUED,
                          .generation = c->options.generation,
                          .version = c->version,
                          .from = p.from,
                          .to = p.to,
                          .wait_until_ms = skipped ? 0 : c->wall_ms + j->wait,
                          .created_ms = c->wall_ms,
                          .ended_ms = skipped ? c->wall_ms : 0,
                          .published = skipped != NULL,
                          .error = mem_strdup(skipped)};
    if (!runs_has(c, row.id)) /* it may be on its way into the store since before the app was loaded again */
        runs_add(c, &row, 0, false);
    run_row_free(&row);
    buf_free(&id);
    c->last_to[job] = p.to;
}

/* A job seen for the first time begins with the next period: the present one is recorded, so that a restart knows where
 * it began. */
static void first_sight(struct batch_core *c, size_t job)
{
    const struct app_job *j = &c->app->jobs[job];
    add_period(c, job, period_at(j, c->zones[job], c->wall_ms), "ended before the job was known");
}

static void due_periods(struct batch_core *c, size_t job)
{
    static const size_t max = SCHEDULE_RUN_MAX + SCHEDULE_RECORD_MAX;
    struct period *list = mem_alloc(max * sizeof *list);
    size_t count = schedule_due(&c->app->jobs[job], c->zones[job], c->last_to[job], c->wall_ms, list, max);
    for (size_t i = 0; i < count; i++)
        add_period(c, job, list[i],
                   count - i > SCHEDULE_RUN_MAX ? "too old: only the newest 31 due periods are run" : NULL);
    free(list);
}

void schedule_step(struct batch_core *c)
{
    if (c->mono_ms < c->schedule_at || c->loading_app)
        return;
    c->schedule_at = c->mono_ms + SCHEDULE_EVERY_MS;
    for (size_t i = 0; i < c->app->job_count; i++) {
        if (!c->app->jobs[i].schedule)
            continue;
        if (c->last_to[i] == INT64_MIN)
            first_sight(c, i);
        else
            due_periods(c, i);
    }
}
