#include "stream/worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "stream/log_message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void worker_step(struct worker *w, struct stream_event *e)
{
    e->mono_ms = clock_mono_ms();
    e->wall_ms = clock_wall_ms();
    stream_core_step(w->core, e);
}

/* ---- what the broker says ---- */

static void on_delivery(void *context, const struct link_message *m)
{
    struct worker *w = context;
    char name[NAME_SIZE];
    const struct log_users users = {w->start.tenant, w->start.user, w->start.api_user};
    struct stream_event e = {.kind = STREAM_DELIVERY};
    e.delivery.tag = m->tag;
    e.delivery.message = log_message(m, &users, name);
    if (m->offset < 0) {
        log_error("a delivery without x-stream-offset: is %s a stream queue?", w->queue_events);
        return;
    }
    worker_step(w, &e);
}

/* Whatever is full when a message was taken leaves the next with the broker. */
static void on_delivered(void *context, const struct link_message *m)
{
    struct worker *w = context;
    on_delivery(context, m);
    if (w->pair.consumer && stream_core_full(w->core))
        link_hold(w->pair.consumer, true);
}

static void on_confirm(void *context, uint64_t tag, bool multiple, bool ack)
{
    struct stream_event e = {.kind = STREAM_CONFIRM};
    e.confirm.tag = tag;
    e.confirm.multiple = multiple;
    e.confirm.ack = ack;
    worker_step(context, &e);
}

void worker_lost(struct worker *w, const struct err *err)
{
    struct stream_event e = {.kind = STREAM_LOST, .err = err};
    log_warn("%s", err->text);
    worker_step(w, &e);
}

static void on_returned(void *context, const struct link_message *m)
{
    char exchange[256], key[256];
    struct stream_event e = {.kind = STREAM_RETURNED};
    snprintf(exchange, sizeof exchange, "%.*s", (int)m->exchange.len, m->exchange.p);
    snprintf(key, sizeof key, "%.*s", (int)m->key.len, m->key.p);
    e.returned.exchange = exchange;
    e.returned.key = key;
    worker_step(context, &e);
}

static void on_cancelled(void *context)
{
    struct err err;
    err_set(&err, ERR_UNAVAILABLE, "broker: it cancelled the consumer: the queue or its leader went away");
    worker_lost(context, &err);
}

static void on_blocked(void *context, bool blocked, const char *reason)
{
    struct stream_event e = {.kind = STREAM_BLOCKED};
    e.blocked.flag = blocked;
    e.blocked.reason = reason;
    worker_step(context, &e);
}

static void on_depth(void *context, uint64_t messages)
{
    struct worker *w = context;
    struct stream_status status;
    stream_core_status(w->core, &status);
    worker_lag(w, &status, messages);
}

struct link_handler worker_handler(struct worker *w)
{
    return (struct link_handler){.context = w,
                                 .delivery = on_delivered,
                                 .confirm = on_confirm,
                                 .returned = on_returned,
                                 .cancelled = on_cancelled,
                                 .blocked = on_blocked,
                                 .depth = on_depth};
}

/* ---- the loop ---- */

static void status_now(struct worker *w, struct stream_status *s)
{
    stream_core_status(w->core, s);
    if (w->waits_for && !s->words[0])
        snprintf(s->words, sizeof s->words, "%s", w->waits_for);
}

static void turn(struct worker *w)
{
    bool more = false;
    struct err err;
    if (pair_hold(&w->pair, &w->start.runtime, stream_core_full(w->core), &err) < 0 ||
        pair_pump(&w->pair, &w->start.runtime, &more, &err) < 0)
        worker_lost(w, &err);
    worker_answers(w);
    if (w->start.runtime.drain) {
        struct stream_event e = {.kind = STREAM_DRAIN};
        worker_step(w, &e);
    }
    if (clock_mono_ms() >= stream_core_wake(w->core)) {
        struct stream_event e = {.kind = STREAM_TIMER};
        worker_step(w, &e);
    }
    worker_effects(w);
    struct stream_status status;
    status_now(w, &status);
    worker_page(w, &status);
    if (w->exiting)
        return;
    if (status.unreadable > w->unreadable)
        log_error("the message at offset %lld cannot be read, its headers are malformed: it is passed over",
                  (long long)status.unreadable_offset);
    w->unreadable = status.unreadable;
    if (worker_ask_lag(w, &status, &err) < 0)
        worker_lost(w, &err);
    bool full = stream_core_full(w->core);
    more |= (w->pair.held && !full) || pair_buffers(&w->pair, !full);
    int64_t wake = stream_core_wake(w->core), now = clock_mono_ms();
    runtime_wait(&w->start.runtime, more ? 0 : wake == INT64_MAX ? RUNTIME_TURN_MS : wake - now);
}

static int run(struct worker *w)
{
    const struct stream_options options = {.tenant = w->start.tenant,
                                           .generation = w->start.generation,
                                           .checkpoint_interval_ms = w->start.settings.checkpoint_interval,
                                           .retention_results_ms = w->start.settings.retention_results,
                                           .retention_events_ms = w->start.settings.retention_events,
                                           .prefetch = WORKER_PREFETCH,
                                           .alone = w->start.alone,
                                           .skip = w->start.skip,
                                           .in_message = &w->start.runtime.page->in_message};
    struct stream_event start = {.kind = STREAM_START};
    struct err err;
    if (worker_open_calls(w, &err) < 0) {
        log_error("%s", err.text);
        return EXIT_UNAVAILABLE;
    }
    w->core = stream_core_new(&options);
    worker_step(w, &start);
    while (!w->exiting)
        turn(w);
    worker_close_calls(w);
    pair_close(&w->pair, &w->start.runtime);
    buf_free(&w->detail);
    stream_core_free(&w->core);
    return w->exit_code;
}

int main(int argc, char **argv)
{
    struct worker w = {0};
    int code = worker_start(&w.start, ROLE_STREAM, argc, argv);
    if (code != 0)
        return code;
    name_queue(w.queue_events, EXCHANGE_EVENTS, w.start.tenant);
    code = run(&w);
    log_info("ends: %s", child_exit_name(code));
    runtime_end(&w.start.runtime);
    return code;
}
