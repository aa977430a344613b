/* Effects of the core, carried out. */
#include "stream/worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void do_connect(struct worker *w, const struct stream_effect *effect)
{
    char lock[NAME_SIZE], name[NAME_SIZE];
    struct err err;
    struct stream_event e = {.kind = STREAM_CONNECTED, .op = effect->op};
    struct link_handler handler = worker_handler(w);
    name_queue(lock, LOCK_STREAM, w->start.tenant);
    snprintf(name, sizeof name, "belltower-stream %s", w->start.tenant);
    if (pair_open(&w->pair, &w->start.runtime, &w->start.settings, &w->start.credentials, name, lock, &handler, &err) <
        0) {
        log_warn("%s", err.text);
        e.err = &err;
    } else {
        log_info("connected to the broker");
    }
    worker_step(w, &e);
}

static void do_read_tail(struct worker *w, const struct stream_effect *effect)
{
    int64_t *list = NULL;
    size_t count = 0;
    struct err err;
    struct stream_event e = {.kind = STREAM_TAIL_READ, .op = effect->op};
    if (worker_read_tail(w, effect->exchange, effect->since_ms, &list, &count, &err) < 0) {
        log_warn("%s", err.text);
        e.err = &err;
    }
    e.tail.numbers = list;
    e.tail.count = count;
    worker_step(w, &e);
    free(list);
}

static void do_consume(struct worker *w, const struct stream_effect *effect)
{
    struct err err;
    page_blocking(w->start.runtime.page, "attaching to the log", clock_mono_ms() + 2 * LINK_CALL_MS);
    int status = w->pair.consumer
                     ? link_consume(w->pair.consumer, w->queue_events, effect->offset < 0 ? LINK_FIRST : LINK_OFFSET,
                                    effect->offset, WORKER_PREFETCH, &err)
                     : err_set(&err, ERR_UNAVAILABLE, "broker: the connection is gone");
    page_blocking(w->start.runtime.page, NULL, 0);
    if (status < 0)
        worker_lost(w, &err);
}

static void do_ack(struct worker *w, const struct stream_effect *effect)
{
    struct err err;
    if (w->pair.consumer && link_ack(w->pair.consumer, effect->tag, true, &err) < 0)
        worker_lost(w, &err);
}

static int send_all(struct worker *w, const struct outbox_message *m, struct err *err)
{
    int64_t now = clock_wall_ms();
    for (; m; m = stream_core_send(w->core))
        if (pair_send(&w->pair, m, w->start.user, now, err) < 0)
            return -1;
    return 0;
}

static void do_send(struct worker *w)
{
    struct err err;
    const struct outbox_message *first = w->pair.publisher ? stream_core_send(w->core) : NULL;
    if (!first) /* each step asks while something waits in the outbox, also for confirms */
        return;
    link_cork(w->pair.publisher, true);
    int status = send_all(w, first, &err);
    link_cork(w->pair.publisher, false);
    if (status < 0)
        worker_lost(w, &err);
}

static void do_exit(struct worker *w, const struct stream_effect *effect)
{
    w->exiting = true;
    w->exit_code = effect->code;
    page_set_state(w->start.runtime.page, PAGE_DRAINING, effect->words);
    if (effect->code != EXIT_DONE)
        log_error("%s", effect->words);
}

void worker_effects(struct worker *w)
{
    struct stream_effect effect;
    while (!w->exiting && stream_core_effect(w->core, &effect)) {
        switch (effect.kind) {
        case STREAM_LOAD:
        case STREAM_CHECK:
        case STREAM_SAVE:
        case STREAM_KEEP:
        case STREAM_SKIP:
        case STREAM_ASK_STORED:
            worker_ask(w, &effect);
            break;
        case STREAM_CONNECT:
            do_connect(w, &effect);
            break;
        case STREAM_DISCONNECT:
            pair_close(&w->pair, &w->start.runtime);
            break;
        case STREAM_READ_TAIL:
            do_read_tail(w, &effect);
            break;
        case STREAM_CONSUME:
            do_consume(w, &effect);
            break;
        case STREAM_ACK:
            do_ack(w, &effect);
            break;
        case STREAM_SEND:
            do_send(w);
            break;
        case STREAM_EXIT:
            do_exit(w, &effect);
            break;
        }
    }
}
