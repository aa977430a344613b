#include "stream/worker.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_GENERATION 0 /* "the registry's": a worker run by hand */

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
    struct stream_event e = {.kind = STREAM_DELIVERY};
    e.delivery.tag = m->tag;
    e.delivery.message = (struct engine_message){.offset = (uint64_t)m->offset,
                                                 .body = {m->body.p, m->body.len},
                                                 .message_id = {m->message_id.p, m->message_id.len},
                                                 .type = {m->type.p, m->type.len},
                                                 .user_id = {m->user_id.p, m->user_id.len}};
    if (m->offset < 0) {
        log_error("a delivery without x-stream-offset: is %s a stream queue?", w->queue_events);
        return;
    }
    atomic_store_explicit(&w->runtime.page->in_message, m->offset, memory_order_relaxed);
    worker_step(w, &e);
    atomic_store_explicit(&w->runtime.page->in_message, -1, memory_order_relaxed);
}

static void on_confirm(void *context, uint64_t tag, bool multiple, bool ack)
{
    struct stream_event e = {.kind = STREAM_CONFIRM};
    e.confirm.tag = tag;
    e.confirm.multiple = multiple;
    e.confirm.ack = ack;
    worker_step(context, &e);
}

static void lost(struct worker *w, const struct err *err)
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
    lost(context, &err);
}

static void on_blocked(void *context, bool blocked, const char *reason)
{
    struct stream_event e = {.kind = STREAM_BLOCKED};
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

static void turn(struct worker *w)
{
    bool more = false;
    struct err err;
    if (pair_pump(&w->pair, &more, &err) < 0)
        lost(w, &err);
    if (w->runtime.drain) {
        struct stream_event e = {.kind = STREAM_DRAIN};
        worker_step(w, &e);
    }
    if (clock_mono_ms() >= stream_core_wake(w->core)) {
        struct stream_event e = {.kind = STREAM_TIMER};
        worker_step(w, &e);
    }
    worker_effects(w);
    worker_page(w);
    if (w->exiting)
        return;
    int64_t wake = stream_core_wake(w->core), now = clock_mono_ms();
    runtime_wait(&w->runtime, more ? 0 : wake == INT64_MAX ? RUNTIME_TURN_MS : wake - now);
}

static int run(struct worker *w)
{
    const struct stream_options options = {.tenant = w->tenant,
                                           .generation = w->generation,
                                           .checkpoint_interval_ms = w->settings.checkpoint_interval,
                                           .retention_results_ms = w->settings.retention_results,
                                           .prefetch = WORKER_PREFETCH};
    struct stream_event start = {.kind = STREAM_START};
    w->core = stream_core_new(&options);
    worker_step(w, &start);
    while (!w->exiting)
        turn(w);
    pair_close(&w->pair, &w->runtime);
    coredms_close(&w->store);
    stream_core_free(&w->core);
    return w->exit_code;
}

static int usage(const char *why)
{
    struct buf help = {0};
    settings_help(FOR_STREAM, &help);
    fprintf(stderr, "belltower-stream: %s\nusage: belltower-stream --tenant NAME [--generation N] [settings]\n%s", why,
            buf_cstr(&help));
    buf_free(&help);
    return EXIT_USAGE;
}

/* The generation of a worker started by hand is the registry's. */
static int find_generation(struct worker *w, const char *text, struct err *err)
{
    struct coredms *registry;
    struct tenant_row row;
    w->generation = text ? strtoull(text, NULL, 10) : DEFAULT_GENERATION;
    if (w->generation)
        return 0;
    if (coredms_open(w->settings.coredms, NULL, COREDMS_READS, &registry, err) < 0)
        return -1;
    int status = registry_get(registry, w->tenant, &row, err);
    if (status == 0) {
        w->generation = row.generation;
        tenant_row_free(&row);
    }
    coredms_close(&registry);
    return status;
}

static int prepare(struct worker *w, int argc, char **argv, struct err *err)
{
    char path[4096];
    if (runtime_begin(&w->runtime, ROLE_STREAM, w->tenant, err) < 0 ||
        find_generation(w, runtime_argument(argc, argv, "generation"), err) < 0)
        return -1;
    path_tenant(&w->settings, w->tenant, "worker.credentials", path, sizeof path);
    name_user_worker(w->user, w->tenant);
    name_queue(w->queue_events, EXCHANGE_EVENTS, w->tenant);
    return credentials_read(path, &w->credentials, err);
}

int main(int argc, char **argv)
{
    struct worker w = {0};
    struct err err;
    if (settings_load(&argc, argv, &w.settings, &err) < 0)
        return usage(err.text);
    w.tenant = runtime_argument(argc, argv, "tenant");
    if (!w.tenant || !app_tenant_name_ok(w.tenant, strlen(w.tenant)))
        return usage("--tenant NAME is missing or no tenant's name");
    if (prepare(&w, argc, argv, &err) < 0) {
        log_error("%s", err.text);
        if (w.runtime.page)
            page_set_state(w.runtime.page, PAGE_WAITING, err.text);
        return err.code == ERR_UNAVAILABLE ? EXIT_UNAVAILABLE : err.code == ERR_DENIED ? EXIT_DENIED : EXIT_CONFIG;
    }
    log_info("generation %llu begins", (unsigned long long)w.generation);
    int code = run(&w);
    log_info("ends: %s", child_exit_name(code));
    runtime_end(&w.runtime);
    return code;
}
