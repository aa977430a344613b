/* Counters and status into the page. */
#include "batch/worker.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/wire/metrics.h"

#define DETAIL_EVERY_MS 250

static void write_detail(struct worker *w)
{
    const struct app *app = batch_core_app(w->core);
    static const struct batch_job_count none;
    struct buf *b = &w->detail;
    buf_clear(b);
    json_w_open(b, '{');
    json_w_name(b, "jobs");
    json_w_open(b, '[');
    for (size_t i = 0; i < app->job_count; i++) {
        const struct batch_job_count *n = batch_core_job_count(w->core, app->jobs[i].name);
        if (!n)
            n = &none;
        json_w_open(b, '{');
        json_w_name(b, "name");
        json_w_str(b, app->jobs[i].name);
        json_w_name(b, "done");
        json_w_int(b, n->done);
        json_w_name(b, "failed");
        json_w_int(b, n->failed);
        json_w_name(b, "skipped");
        json_w_int(b, n->skipped);
        json_w_close(b, '}');
    }
    json_w_close(b, ']');
    json_w_close(b, '}');
    page_set_detail(w->start.runtime.page, b);
}

void worker_page(struct worker *w)
{
    struct batch_status s;
    struct status_page *p = w->start.runtime.page;
    batch_core_status(w->core, &s);
    page_set_state(p, s.state, s.words);
    page_set(p, M_STORED, s.stored);
    page_set(p, M_STORED_NUMBER, s.stored_number);
    page_set(p, M_FORGED, s.forged);
    page_set_waking(p, M_RUNS_DONE, s.runs_done); /* calls that wait for a report */
    page_set(p, M_RUNS_FAILED, s.runs_failed);
    page_set(p, M_RUNS_SKIPPED, s.runs_skipped);
    page_set(p, M_RUNS_PENDING, s.runs_pending);
    page_set(p, M_RUN_MS, s.run_ms);
    page_set(p, M_REPORTS, s.reports);
    page_set(p, M_EXPIRED, s.expired);
    page_set(p, M_BATCH_CONNECTED, s.connected);
    page_set(p, M_BATCH_RECONNECTS, s.reconnects);
    int64_t now = clock_mono_ms();
    if (now < w->detail_at || !batch_core_app(w->core))
        return;
    w->detail_at = now + DETAIL_EVERY_MS;
    write_detail(w);
}
