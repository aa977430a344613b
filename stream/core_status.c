/* When the core wants to be woken, and what it says of itself. */
#include "stream/core_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int64_t earliest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t tick_wake(const struct stream_core *c)
{
    if (c->tick_pending)
        return c->tick_sent_at + ATTACH_LIMIT_MS;
    int64_t settled = c->last_delivery + SETTLE_MS;
    if (c->mono_ms <
        settled) /* the engine looks at every device: it is asked only when the log seems to be at its end */
        return settled;
    int64_t due = engine_tick_at(c->engine);
    if (due == INT64_MAX)
        return INT64_MAX;
    int64_t at = due - c->quiet_base;
    return at > settled ? at : settled;
}

/* Nothing may come any more: that the end is reached shows only in a step. */
static int64_t settle_wake(const struct stream_core *c)
{
    int64_t at = c->last_delivery + SETTLE_MS;
    return c->mono_ms < at ? at : INT64_MAX;
}

static int64_t skip_wake(const struct stream_core *c)
{
    return c->mono_ms < c->skip_retry_at ? c->skip_retry_at : INT64_MAX;
}

static int64_t ask_wake(const struct stream_core *c)
{
    return c->asking_stored ? INT64_MAX : c->ask_stored_at;
}

int64_t stream_core_wake(const struct stream_core *c)
{
    switch (c->state) {
    case CORE_LOAD_WAIT:
    case CORE_CONNECT_WAIT:
        return c->retry_at;
    case CORE_ATTACHING:
        return earliest(ask_wake(c), c->skipping ? INT64_MAX : earliest(c->attach_by, skip_wake(c)));
    case CORE_DRAINING:
        return earliest(c->drain_by, core_checkpoint_wake(c));
    case CORE_RUNNING:
        return earliest(
            earliest(earliest(tick_wake(c), settle_wake(c)), earliest(core_checkpoint_wake(c), skip_wake(c))),
            ask_wake(c));
    default:
        return INT64_MAX;
    }
}

const struct engine *stream_core_engine(const struct stream_core *c)
{
    return c->engine;
}

static enum page_state page_state_of(const struct stream_core *c)
{
    switch (c->state) {
    case CORE_IDLE:
    case CORE_LOADING:
        return PAGE_STARTING;
    case CORE_ATTACHING: /* it has a limit of its own, which the supervisor's must not come before */
        return PAGE_WAITING;
    case CORE_RUNNING:
        return core_holds(c) ? PAGE_PAUSED : PAGE_READY;
    case CORE_DRAINING:
    case CORE_EXITED:
        return PAGE_DRAINING;
    default:
        return c->status.epoch && !c->words[0] ? PAGE_STARTING : PAGE_WAITING;
    }
}

void stream_core_status(const struct stream_core *c, struct stream_status *s)
{
    *s = c->status;
    s->state = page_state_of(c);
    snprintf(s->words, sizeof s->words, "%s", c->words);
    if (c->state == CORE_ATTACHING && !c->words[0])
        snprintf(s->words, sizeof s->words, "waits for the message at offset %" PRId64 " of the log, the last one read",
                 c->offset);
    s->offset = c->offset;
    s->left_out = c->left_out.messages;
    s->unconfirmed = (int64_t)outbox_count(c->outbox);
    s->at_end = core_at_end(c);
}
