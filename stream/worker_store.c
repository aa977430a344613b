/* What the core wants of the store: carried out in the thread of the calls, answered in the loop. */
#include "stream/worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>

#define OPEN_LIMIT_MS 30000 /* the longest call before the store was opened and has said its own */

/* ---- in the thread ---- */

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

/* One call of the store; it may fill in more of the answer. */
typedef int store_call(struct worker *w, const struct stream_effect *effect, struct stream_event *e, struct err *err);

static const struct {
    store_call *call;
    enum stream_event_kind answer;
    const char *waited_for; /* what all waits for; NULL: the loop goes on meanwhile */
    const char *failed;     /* how a failure begins in the log; NULL: it is asked again soon, and not logged */
} calls[] = {
    [STREAM_LOAD] = {worker_load, STREAM_LOADED, "loading the checkpoint", "cannot load the checkpoint: "},
    [STREAM_CHECK] = {call_check, STREAM_CHECKED, "looking whether the tenant is still ours", ""},
    [STREAM_SAVE] = {call_save, STREAM_SAVED, NULL, "cannot save the checkpoint: "},
    [STREAM_KEEP] = {call_keep, STREAM_KEPT, NULL, "cannot keep a checkpoint: "},
    [STREAM_SKIP] = {call_skip, STREAM_SKIPPED, NULL, "cannot write down what is passed over: "},
    [STREAM_ASK_STORED] = {call_ask_stored, STREAM_STORED, NULL, NULL},
};

static int open_store(struct worker *w, struct err *err)
{
    if (w->store)
        return 0;
    if (coredms_open(w->start.settings.coredms, w->start.tenant, COREDMS_WRITES_STREAM | COREDMS_BEGUN, &w->store,
                     err) < 0)
        return -1;
    atomic_store(&w->call_limit_ms, coredms_block_ms(w->store));
    return 0;
}

static void perform(void *context, struct call *call)
{
    struct worker *w = context;
    if (open_store(w, &call->err) < 0 || calls[call->effect.kind].call(w, &call->effect, &call->answer, &call->err) < 0)
        call->answer.err = &call->err;
}

/* ---- in the loop ---- */

int worker_open_calls(struct worker *w, struct err *err)
{
    atomic_store(&w->call_limit_ms, OPEN_LIMIT_MS);
    if (calls_open(&w->calls, perform, w, err) < 0)
        return -1;
    return runtime_watch(&w->start.runtime, w->calls.answered, err);
}

void worker_close_calls(struct worker *w)
{
    char words[PAGE_WORDS]; /* why it ends: they stay */
    page_words(w->start.runtime.page, words);
    worker_blocking(&w->start, words, atomic_load(&w->call_limit_ms));
    calls_close(&w->calls);
    coredms_close(&w->store);
    worker_loading_free(w);
}

void worker_ask(struct worker *w, const struct stream_effect *effect)
{
    const char *waited_for = calls[effect->kind].waited_for;
    if (waited_for) {
        worker_blocking(&w->start, waited_for, atomic_load(&w->call_limit_ms));
        w->waits_for = waited_for;
    }
    calls_ask(&w->calls, effect, calls[effect->kind].answer);
}

static void take(struct worker *w, struct call *call)
{
    const char *failed = calls[call->effect.kind].failed;
    if (call->answer.err && failed)
        log_warn("%s%s", failed, call->err.text);
    if (calls[call->effect.kind].waited_for) {
        worker_blocking(&w->start, NULL, 0);
        w->waits_for = NULL;
    }
    worker_step(w, &call->answer);
    if (call->effect.kind == STREAM_LOAD)
        worker_loading_free(w);
    free(call);
}

void worker_answers(struct worker *w)
{
    struct call *call;
    int64_t began = calls_under_way(&w->calls);
    /* A store that hangs is for the supervisor to judge, as if the loop itself hung in it. */
    if (began && clock_mono_ms() > began + atomic_load(&w->call_limit_ms))
        calls_await(&w->calls);
    while ((call = calls_answer(&w->calls)))
        take(w, call);
}
