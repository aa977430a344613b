/* How far the worker is behind, in messages: rough, as the broker counts what a log holds a stats tick late, and
 * retention moves its beginning. When the end of the log is reached, the count tells where the log begins; from there
 * on the count tells where it ends. */
#include "stream/worker.h"

#include "base/clock.h"
#include "base/wire/metrics.h"

#define LAG_EVERY_MS 5000

int worker_ask_lag(struct worker *w, const struct stream_status *s, struct err *err)
{
    int64_t now = clock_mono_ms();
    if (!s->connected || !w->pair.publisher || now < w->lag_at)
        return 0;
    w->lag_at = now + LAG_EVERY_MS;
    return link_ask_depth(w->pair.publisher, w->queue_events, err);
}

void worker_lag(struct worker *w, const struct stream_status *s, uint64_t depth)
{
    int64_t read = s->offset + 1;
    if (s->at_end)
        w->log_begins = read - (int64_t)depth;
    int64_t lag = w->log_begins + (int64_t)depth - read;
    page_set(w->start.runtime.page, M_LAG, s->at_end || lag < 0 ? 0 : lag);
}
