/* Counters and status into the page: cheap numbers each turn, the detail once a second. */
#include "stream/worker.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/wire/metrics.h"

#define DETAIL_EVERY_MS 1000

static void put_number(struct buf *b, const char *name, int64_t value)
{
    json_w_name(b, name);
    json_w_int(b, value);
}

static void detail_streams(const struct engine *engine, const struct stream_status *s, struct buf *b)
{
    const struct app *app = engine_app(engine);
    int64_t now = clock_wall_ms();
    json_w_name(b, "streams");
    json_w_open(b, '[');
    for (size_t i = 0; i < app->stream_count; i++) {
        struct engine_stream_info info;
        engine_stream_info(engine, i, &info);
        json_w_open(b, '{');
        json_w_name(b, "name");
        json_w_str(b, app->streams[i].name);
        put_number(b, "open_windows", (int64_t)info.open_windows);
        put_number(b, "keys", (int64_t)info.keys);
        put_number(b, "closed", (int64_t)info.closed);
        if (info.next_close != INT64_MAX) {
            json_w_name(b, "next_close");
            json_w_time(b, info.next_close);
        }
        if (info.last_end != INT64_MIN)
            put_number(b, "last_end", info.last_end);
        put_number(b, "complete_to", engine_complete_to(engine, i, now, s->at_end));
        json_w_close(b, '}');
    }
    json_w_close(b, ']');
}

/* Passed over, not set aside: nobody could read its bytes. */
static void detail_unreadable(const struct stream_status *s, struct buf *b)
{
    if (!s->unreadable)
        return;
    json_w_open(b, '{');
    json_w_name(b, "reason");
    json_w_str(b, "unreadable");
    put_number(b, "count", s->unreadable);
    put_number(b, "offset", s->unreadable_offset);
    json_w_name(b, "detail");
    json_w_str(b, "its headers are malformed, the AMQP client library cannot read it: it was passed over");
    json_w_close(b, '}');
}

static void detail_dead(const struct worker *w, const struct stream_status *s, const struct engine_info *info,
                        struct buf *b)
{
    json_w_name(b, "dead");
    json_w_open(b, '[');
    for (int i = 0; i < DEAD_REASON_COUNT; i++) {
        if (!info->counters.dead[i])
            continue;
        const struct dead_example *example = stream_core_dead_example(w->core, (enum dead_reason)i);
        json_w_open(b, '{');
        json_w_name(b, "reason");
        json_w_str(b, dead_reason_name((enum dead_reason)i));
        put_number(b, "count", (int64_t)info->counters.dead[i]);
        if (example->detail[0]) {
            put_number(b, "offset", example->offset);
            json_w_name(b, "detail");
            json_w_str(b, example->detail);
            json_w_name(b, "example");
            json_w_string(b, example->body, example->len);
        }
        json_w_close(b, '}');
    }
    detail_unreadable(s, b);
    json_w_close(b, ']');
}

static void detail_triggers(const struct worker *w, struct buf *b)
{
    const struct app *app = engine_app(stream_core_engine(w->core));
    json_w_name(b, "triggers");
    json_w_open(b, '[');
    for (size_t i = 0; i < app->trigger_count; i++) {
        json_w_open(b, '{');
        json_w_name(b, "name");
        json_w_str(b, app->triggers[i].name);
        put_number(b, "fired", stream_core_fired(w->core, app->triggers[i].name));
        json_w_close(b, '}');
    }
    json_w_close(b, ']');
}

/* What a guard found lost, for which the worker stopped; and how much the list in the store leaves out. */
static void detail_log(const struct stream_status *s, struct buf *b)
{
    json_w_name(b, "log");
    json_w_open(b, '{');
    put_number(b, "left_out", s->left_out);
    if (s->lost.from <= s->lost.to) {
        json_w_name(b, "lost");
        json_w_open(b, '{');
        json_w_name(b, "reason");
        json_w_str(b, skip_reason_name((int)s->lost.reason));
        put_number(b, "from", s->lost.from);
        if (s->lost.to != INT64_MAX)
            put_number(b, "to", s->lost.to);
        json_w_close(b, '}');
    }
    json_w_close(b, '}');
}

static void write_detail(struct worker *w, const struct stream_status *s, const struct engine_info *info)
{
    const struct engine *engine = stream_core_engine(w->core);
    struct buf *b = &w->detail;
    buf_clear(b);
    json_w_open(b, '{');
    put_number(b, "offset", s->offset);
    put_number(b, "version", info->version);
    json_w_name(b, "at_end");
    json_w_bool(b, s->at_end);
    if (info->watermark != INT64_MIN) {
        json_w_name(b, "watermark");
        json_w_time(b, info->watermark);
    }
    if (info->highest != INT64_MIN) {
        json_w_name(b, "highest");
        json_w_time(b, info->highest);
    }
    if (engine_tick_at(engine) != INT64_MAX)
        put_number(b, "tick_at", engine_tick_at(engine));
    detail_log(s, b);
    detail_streams(engine, s, b);
    detail_triggers(w, b);
    detail_dead(w, s, info, b);
    json_w_close(b, '}');
    page_set_detail(w->start.runtime.page, b);
}

static void put_counters(struct status_page *p, const struct engine_counters *n)
{
    uint64_t dead = 0;
    for (int i = 0; i < DEAD_REASON_COUNT; i++)
        dead += n->dead[i];
    page_set(p, M_MESSAGES, (int64_t)n->messages);
    page_set(p, M_EVENTS, (int64_t)n->events);
    page_set(p, M_COUNTED, (int64_t)n->counted);
    page_set(p, M_FILTERED, (int64_t)n->filtered);
    page_set(p, M_LATE, (int64_t)n->late_counted);
    page_set(p, M_REPEATS, (int64_t)n->repeats);
    page_set(p, M_DEAD, (int64_t)dead);
    page_set(p, M_RESULTS, (int64_t)n->results);
    page_set(p, M_CORRECTED, (int64_t)n->corrected);
    page_set(p, M_TRIGGERS, (int64_t)n->triggers);
}

static void put_engine(struct worker *w, const struct engine_info *info)
{
    const struct engine *engine = stream_core_engine(w->core);
    struct status_page *p = w->start.runtime.page;
    uint64_t open = 0, keys = 0;
    for (size_t i = 0; i < engine_app(engine)->stream_count; i++) {
        struct engine_stream_info s;
        engine_stream_info(engine, i, &s);
        open += s.open_windows;
        keys += s.keys;
    }
    put_counters(p, &info->counters);
    page_set(p, M_OPEN_WINDOWS, (int64_t)open);
    page_set(p, M_KEYS, (int64_t)keys);
    page_set(p, M_HELD, (int64_t)info->held);
    page_set(p, M_WATERMARK, info->watermark == INT64_MIN ? 0 : info->watermark);
    page_set(p, M_HIGHEST, info->highest == INT64_MIN ? 0 : info->highest);
    page_set(p, M_VERSION, info->version);
}

/* What is not read yet came after the end was last seen. */
static int64_t lag_ms(struct worker *w, const struct stream_status *s)
{
    int64_t now = clock_mono_ms();
    if (s->at_end || !w->at_end_at)
        w->at_end_at = now;
    return now - w->at_end_at;
}

static void put_lost(struct status_page *p, const struct stream_status *s)
{
    bool lost = s->lost.from <= s->lost.to;
    page_set(p, M_LEFT_OUT, s->left_out);
    page_set(p, M_LOST, lost);
    page_set(p, M_LOST_FROM, lost ? s->lost.from : 0);
    page_set(p, M_LOST_TO, lost ? s->lost.to : 0);
}

static void put_status(struct worker *w, const struct stream_status *s)
{
    struct status_page *p = w->start.runtime.page;
    page_set(p, M_LAG_MS, lag_ms(w, s));
    page_set(p, M_OFFSET, s->offset);
    page_set(p, M_UNREADABLE, s->unreadable);
    page_set(p, M_CHECKPOINTS, s->checkpoints);
    page_set(p, M_CHECKPOINT_MS, s->checkpoint_ms);
    page_set(p, M_CHECKPOINT_AT, s->checkpoint_at_ms);
    page_set(p, M_CHECKPOINT_BYTES, s->checkpoint_bytes);
    page_set(p, M_EPOCH, s->epoch);
    page_set(p, M_STREAM_CONNECTED, s->connected);
    page_set(p, M_STREAM_RECONNECTS, s->reconnects);
    page_set(p, M_UNCONFIRMED, s->unconfirmed);
    page_set(p, M_SKIPPED_REPEATS, s->already_published);
    put_lost(p, s);
}

void worker_page(struct worker *w, const struct stream_status *s)
{
    struct engine_info info;
    page_set_state(w->start.runtime.page, s->state, s->words);
    put_status(w, s);
    if (!stream_core_engine(w->core))
        return;
    int64_t now = clock_mono_ms();
    if (now < w->detail_at && !w->exiting)
        return;
    w->detail_at = now + DETAIL_EVERY_MS / 4;
    engine_info(stream_core_engine(w->core), &info);
    put_engine(w, &info);
    write_detail(w, s, &info);
}
