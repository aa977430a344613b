#include "batch/worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/wire/control.h"

#include <stdlib.h>
#include <string.h>

#define IDLE_EVERY_MS 60000

void worker_step(struct worker *w, struct batch_event *e)
{
    e->mono_ms = clock_mono_ms();
    e->wall_ms = clock_wall_ms();
    batch_core_step(w->core, e);
}

void worker_lost(struct worker *w, const struct err *err)
{
    struct batch_event e = {.kind = BATCH_LOST, .err = err};
    log_warn("%s", err->text);
    worker_step(w, &e);
}

/* ---- what the broker says ---- */

static int64_t header(const struct link_message *m, const char *name)
{
    int64_t value;
    return link_header_int(m, name, &value) ? value : -1;
}

static void on_delivery(void *context, const struct link_message *m)
{
    struct worker *w = context;
    struct link_text key = {0};
    struct batch_event e = {.kind = BATCH_DELIVERY};
    bool trigger = link_text_is(m->exchange, EXCHANGE_TRIGGERS);
    link_header_text(m, HEADER_KEY, &key);
    int64_t sum = 0;
    bool has_sum = link_header_int(m, HEADER_SUM, &sum);
    e.delivery = (struct batch_delivery){
        .trigger = trigger,
        .tag = m->tag,
        .offset = m->offset,
        .trusted = link_text_is(m->user_id, w->start.user) || (trigger && link_text_is(m->user_id, w->start.api_user)),
        .marker = link_text_is(m->type, CONTROL_START),
        .rewound = link_text_is(m->type, CONTROL_REWOUND),
        .number = header(m, HEADER_NUMBER),
        .generation = header(m, HEADER_GENERATION),
        .first_offset = header(m, HEADER_FIRST_OFFSET),
        .last_offset = header(m, HEADER_LAST_OFFSET),
        .sum = sum,
        .has_sum = has_sum,
        .key = {key.p, key.len},
        .message_id = {m->message_id.p, m->message_id.len},
        .body = {m->body.p, m->body.len},
    };
    atomic_store_explicit(&w->start.runtime.page->in_message, m->offset, memory_order_relaxed);
    worker_step(w, &e);
    atomic_store_explicit(&w->start.runtime.page->in_message, -1, memory_order_relaxed);
}

static void on_confirm(void *context, uint64_t tag, bool multiple, bool ack)
{
    struct batch_event e = {.kind = BATCH_CONFIRM};
    e.confirm.tag = tag;
    e.confirm.multiple = multiple;
    e.confirm.ack = ack;
    worker_step(context, &e);
}

static void on_returned(void *context, const struct link_message *m)
{
    struct batch_event e = {.kind = BATCH_RETURNED};
    log_warn("broker: no queue takes %.*s of exchange %.*s", (int)m->key.len, m->key.p, (int)m->exchange.len,
             m->exchange.p);
    worker_step(context, &e);
}

static void on_cancelled(void *context)
{
    struct err err;
    err_set(&err, ERR_UNAVAILABLE, "broker: it cancelled a consumer: the queue or its leader went away");
    worker_lost(context, &err);
}

static void on_blocked(void *context, bool blocked, const char *reason)
{
    struct batch_event e = {.kind = BATCH_BLOCKED};
    e.blocked.flag = blocked;
    e.blocked.reason = reason;
    worker_step(context, &e);
}

struct link_handler worker_handler(struct worker *w)
{
    return (struct link_handler){.context = w,
                                 .delivery = on_delivery,
                                 .confirm = on_confirm,
                                 .returned = on_returned,
                                 .cancelled = on_cancelled,
                                 .blocked = on_blocked};
}

/* ---- the loop ---- */

static void query_ended(struct worker *w)
{
    if (!runner_ended(&w->runner))
        return;
    struct batch_event e = {.kind = BATCH_QUERIED, .op = w->runner.op};
    if (w->runner.failed) {
        log_warn("run %s of job %s was not computed: %s", w->runner.run.id, w->runner.run.job, w->runner.err.text);
        e.err = &w->runner.err;
    }
    e.queried.report = w->runner.report.data;
    e.queried.len = w->runner.report.len;
    e.queried.row_count = w->runner.run.row_count;
    worker_step(w, &e);
}

static void supervisor_words(struct worker *w)
{
    struct runtime *r = &w->start.runtime;
    if (r->drain) {
        struct batch_event e = {.kind = BATCH_DRAIN};
        worker_step(w, &e);
    }
    if (r->reload_version) {
        struct batch_event e = {.kind = BATCH_RELOAD};
        worker_step(w, &e);
        r->reload_version = 0;
    }
}

static void idle(struct worker *w)
{
    struct err err;
    int64_t now = clock_mono_ms();
    if (!w->store || now < w->idle_at)
        return;
    w->idle_at = now + IDLE_EVERY_MS;
    worker_blocking(&w->start, "tidying the store", coredms_block_ms(w->store));
    if (coredms_idle(w->store, &err) < 0)
        log_warn("%s", err.text);
    worker_blocking(&w->start, NULL, 0);
}

static void turn(struct worker *w)
{
    bool more = false;
    struct err err;
    if (pair_pump(&w->pair, &w->start.runtime, &more, &err) < 0)
        worker_lost(w, &err);
    supervisor_words(w);
    query_ended(w);
    if (clock_mono_ms() >= batch_core_wake(w->core)) {
        struct batch_event e = {.kind = BATCH_TIMER};
        worker_step(w, &e);
    }
    worker_effects(w);
    worker_page(w);
    if (w->exiting)
        return;
    more |= pair_buffers(&w->pair, true);
    if (!more)
        idle(w);
    int64_t wake = batch_core_wake(w->core), now = clock_mono_ms();
    runtime_wait(&w->start.runtime, more ? 0 : wake == INT64_MAX ? RUNTIME_TURN_MS : wake - now);
}

static int run(struct worker *w)
{
    const struct batch_options options = {
        .tenant = w->start.tenant, .generation = w->start.generation, .prefetch = WORKER_PREFETCH};
    struct batch_event start = {.kind = BATCH_START};
    struct err err;
    if (runner_open(&w->runner, &w->start.settings, w->start.tenant, &err) < 0 ||
        runtime_watch(&w->start.runtime, w->runner.done_fd, &err) < 0) {
        log_error("%s", err.text);
        return EXIT_FAULT;
    }
    w->core = batch_core_new(&options);
    worker_step(w, &start);
    while (!w->exiting)
        turn(w);
    pair_close(&w->pair, &w->start.runtime);
    runner_close(&w->runner);
    coredms_close(&w->store);
    batch_core_free(&w->core);
    buf_free(&w->detail);
    return w->exit_code;
}

int main(int argc, char **argv)
{
    struct worker w = {0};
    int code = worker_start(&w.start, ROLE_BATCH, argc, argv);
    if (code != 0)
        return code;
    name_queue(w.queue_results, EXCHANGE_RESULTS, w.start.tenant);
    name_queue(w.queue_triggers, EXCHANGE_TRIGGERS, w.start.tenant);
    code = run(&w);
    log_info("ends: %s", child_exit_name(code));
    runtime_end(&w.start.runtime);
    return code;
}
