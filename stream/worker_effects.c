/* Effects of the core, carried out. */
#include "stream/worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STORE_OPEN_MS 30000

/* ---- the store ---- */

int worker_open_store(struct worker *w, struct err *err)
{
    if (w->store)
        return 0;
    return coredms_open(w->start.settings.coredms, w->start.tenant, COREDMS_WRITES_STREAM | COREDMS_BEGUN, &w->store,
                        err);
}

void worker_store_blocking(struct worker *w, const char *what)
{
    worker_blocking(&w->start, what, w->store ? coredms_block_ms(w->store) : STORE_OPEN_MS);
}

static int call_save(struct worker *w, const struct stream_effect *effect, struct stream_event *e, struct err *err)
{
    (void)e;
    bool refresh = !effect->save.state.p;
    int64_t now = clock_wall_ms();
    char *info = mem_strndup(effect->save.info.p, effect->save.info.len);
    size_t len = effect->save.state.len;
    struct checkpoint_head head = {.epoch = effect->save.epoch,
                                   .number = w->checkpoint_number + (refresh ? 0 : 1),
                                   .generation = w->start.generation,
                                   .chunk_count =
                                       (uint32_t)((len + CHECKPOINT_CHUNK_BYTES - 1) / CHECKPOINT_CHUNK_BYTES),
                                   .bytes = len,
                                   .offset = effect->save.head.offset,
                                   .message_hash = effect->save.head.hash,
                                   .saved_ms = effect->save.head.saved_ms,
                                   .lease_ms = now + STREAM_LEASE_MS,
                                   .info = info};
    int status = checkpoint_save(w->store, &head, effect->save.state.p, len, err);
    /* After an unknown outcome the number may be taken: chunks are named (epoch, number) and never reused. */
    if (!refresh)
        w->checkpoint_number++;
    free(info);
    return status;
}

/* Carries out one call of the store as an answer of the kind given; the call may fill in more of *e. failed: how a
 * failure begins in the log; NULL = it is asked again soon, and not logged. */
typedef int store_call(struct worker *w, const struct stream_effect *effect, struct stream_event *e, struct err *err);

static void answer(struct worker *w, const struct stream_effect *effect, enum stream_event_kind kind, const char *what,
                   const char *failed, store_call *call)
{
    struct err err;
    struct stream_event e = {.kind = kind, .op = effect->op};
    worker_store_blocking(w, what);
    if (worker_open_store(w, &err) < 0 || call(w, effect, &e, &err) < 0) {
        if (failed)
            log_warn("%s%s", failed, err.text);
        e.err = &err;
    }
    worker_store_blocking(w, NULL);
    worker_step(w, &e);
}

static int call_keep(struct worker *w, const struct stream_effect *effect, struct stream_event *e, struct err *err)
{
    (void)e;
    if (checkpoint_keep(w->store, effect->save.epoch, w->start.generation, err) < 0)
        return -1;
    return checkpoint_forget(w->store, effect->forget_before_ms, err);
}

static int call_check(struct worker *w, const struct stream_effect *effect, struct stream_event *e, struct err *err)
{
    struct checkpoint_head head;
    (void)e;
    if (checkpoint_head(w->store, &head, err) < 0)
        return -1;
    bool ours = head.epoch == effect->save.epoch && head.generation == w->start.generation;
    if (!ours)
        err_set(err, ERR_FENCED,
                "another stream worker has the tenant: epoch %llu of generation %llu, this one has %llu",
                (unsigned long long)head.epoch, (unsigned long long)head.generation,
                (unsigned long long)effect->save.epoch);
    checkpoint_head_free(&head);
    return ours ? 0 : -1;
}

static int call_skip(struct worker *w, const struct stream_effect *effect, struct stream_event *e, struct err *err)
{
    (void)e;
    if (skip_add(w->store, &effect->skip, err) < 0)
        return -1;
    log_warn("by an operator's word the log is passed over from offset %lld to %lld (%s)", (long long)effect->skip.from,
             (long long)effect->skip.to, skip_reason_name((int)effect->skip.reason));
    return 0;
}

static int call_ask_stored(struct worker *w, const struct stream_effect *effect, struct stream_event *e,
                           struct err *err)
{
    struct source source;
    (void)effect;
    if (history_source(w->store, &source, err) < 0)
        return -1;
    e->stored.number = source.number;
    e->stored.generation = source.generation;
    return 0;
}

/* ---- the broker ---- */

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

static int send_all(struct worker *w, struct err *err)
{
    const struct outbox_message *m;
    int64_t now = clock_wall_ms();
    while ((m = stream_core_send(w->core)))
        if (pair_send(&w->pair, m, w->start.user, now, err) < 0)
            return -1;
    return 0;
}

static void do_send(struct worker *w)
{
    struct err err;
    if (!w->pair.publisher)
        return;
    link_cork(w->pair.publisher, true);
    int status = send_all(w, &err);
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
            worker_load(w, effect.op);
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
        case STREAM_SAVE:
            answer(w, &effect, STREAM_SAVED, "saving a checkpoint", "cannot save the checkpoint: ", call_save);
            break;
        case STREAM_CHECK:
            answer(w, &effect, STREAM_CHECKED, "looking whether the tenant is still ours", "", call_check);
            break;
        case STREAM_KEEP:
            answer(w, &effect, STREAM_KEPT, "keeping a checkpoint", "cannot keep a checkpoint: ", call_keep);
            break;
        case STREAM_SKIP:
            answer(w, &effect, STREAM_SKIPPED, "writing down what is passed over",
                   "cannot write down what is passed over: ", call_skip);
            break;
        case STREAM_ASK_STORED:
            answer(w, &effect, STREAM_STORED, "asking what is stored", NULL, call_ask_stored);
            break;
        case STREAM_EXIT:
            do_exit(w, &effect);
            break;
        }
    }
}
