/* The stream worker's logic as a state machine: events in, effects out. PURE: it never blocks, never fails, asks no
 * clock; so the same code runs over RabbitMQ and a store (stream/worker.c) and over a simulated world
 * (tests/simulation).
 *
 * Life: START -> load the checkpoint (raising the epoch) -> connect -> check that nobody has raised it meanwhile ->
 * read the result and dead-letter queues from the checkpoint's time to a marker published now (what is there is not
 * published again) -> consume at the checkpoint's offset, checking that it is the same message -> read on, publish,
 * checkpoint. A lost connection leads back to connecting. A checkpoint is saved only when all that was published before
 * it is confirmed.
 *
 * Every effect with an `op` is answered by exactly one event with that op, or by death. Bytes in events are borrowed
 * during the step; bytes in effects until the next step, those of a SAVE until its answer. All times: mono_ms is
 * monotonic, wall_ms UTC. */
#ifndef BELLTOWER_STREAM_CORE_H
#define BELLTOWER_STREAM_CORE_H

#include "base/outbox.h"
#include "base/wire/contract.h"
#include "coredms/rows.h"
#include "stream/engine/engine.h"

#define STREAM_LEASE_MS 15000 /* after a save the writer is taken to be alive for so long */

struct stream_options {
    const char *tenant;
    uint64_t generation;
    int64_t checkpoint_interval_ms;
    int64_t retention_results_ms; /* reading stops when unstored results grow older than half of it */
    unsigned prefetch;            /* messages; acknowledged in halves */
    int64_t retention_events_ms;  /* kept checkpoints go when they are older */
    int64_t alone; /* offset of a message that may kill the worker: nothing else is at stake while it is read;
                      -1 = none */
    bool skip;     /* an operator's word: what a guard finds lost is passed over */
    _Atomic int64_t *in_message; /* where the offset of the message being read is shown; NULL = nowhere */
};

enum stream_event_kind {
    STREAM_START,
    STREAM_LOADED,    /* answers LOAD */
    STREAM_CONNECTED, /* answers CONNECT */
    STREAM_CHECKED,   /* answers CHECK */
    STREAM_LOST,      /* a connection broke, was closed, or its consumer cancelled: err says why */
    STREAM_TAIL_READ, /* answers READ_TAIL */
    STREAM_DELIVERY,
    STREAM_CONFIRM,
    STREAM_RETURNED, /* a message of ours found no queue */
    STREAM_BLOCKED,  /* the broker blocks publishers (flag) or not */
    STREAM_SAVED,    /* answers SAVE */
    STREAM_KEPT,     /* answers KEEP */
    STREAM_SKIPPED,  /* answers SKIP */
    STREAM_STORED,   /* answers ASK_STORED */
    STREAM_TIMER,
    STREAM_DRAIN /* finish: SIGTERM or the supervisor is gone */
};

struct stream_head {  /* what a checkpoint says outside of the engine's snapshot */
    int64_t offset;   /* of the last message read; -1 = none */
    uint64_t hash;    /* of its body */
    int64_t saved_ms; /* wall: all that was published behind this state is younger */
};

struct stream_event {
    enum stream_event_kind kind;
    int64_t mono_ms, wall_ms;
    uint64_t op;
    const struct err *err; /* NULL = it went well */
    union {
        struct {
            uint64_t epoch;
            struct stream_head head;
            struct bytes state;    /* engine snapshot; NULL = none yet */
            struct bytes app_text; /* without state: version 1; with `rewind`: the version that holds from there on */
            /* This generation began with a rewind; begins: now, so that state and head are those of the kept checkpoint
             * (no state: from the beginning of the log). NULL = it began with an empty log. */
            const struct rewind_row *rewind;
            bool begins;
            const struct skip_row *skips; /* all that the store has */
            size_t skip_count;
            uint64_t log_generation; /* with which the present log began */
            int64_t kept_ms;         /* saved_ms of this generation's newest kept checkpoint; INT64_MIN = none */
            /* The checkpoint came from a backup, and what has been published behind it is not all read again yet: the
             * runs that its triggers started may be lost, so these are published again. */
            bool restored;
        } loaded;
        struct {
            const int64_t *numbers; /* x-number of this generation found in the queue */
            size_t count;
        } tail;
        struct {
            struct engine_message message; /* received_ms is filled in by the core */
            uint64_t tag;
        } delivery;
        struct {
            uint64_t tag;
            bool multiple, ack;
        } confirm;
        struct {
            const char *exchange, *key;
        } returned;
        struct {
            bool flag;
            const char *reason;
        } blocked;
        struct {
            int64_t number; /* x-number up to which results are stored */
            uint64_t generation;
        } stored;
    };
};

enum stream_effect_kind {
    STREAM_LOAD,
    STREAM_CONNECT, /* both connections, and the lock */
    STREAM_CHECK, /* is the head in the store still of save.epoch? ERR_FENCED if not. With the lock held: whoever raises
                     the epoch from now on waits for it */
    STREAM_DISCONNECT, /* both, if there are any */
    STREAM_READ_TAIL,  /* publish a marker (CONTROL_START) to `exchange`, then read its queue from since_ms to that
                          marker */
    STREAM_CONSUME,    /* from offset (-1 = the first) */
    STREAM_ACK,
    STREAM_SEND, /* something waits in the outbox: send up to the in-flight limits */
    STREAM_SAVE,
    STREAM_KEEP, /* the checkpoint saved last, and forget those kept before keep.forget_before_ms */
    STREAM_SKIP, /* write skip into the store: these offsets are passed over */
    STREAM_ASK_STORED,
    STREAM_EXIT
};

struct stream_effect {
    enum stream_effect_kind kind;
    uint64_t op;
    const char *exchange; /* READ_TAIL */
    int64_t since_ms;
    int64_t offset; /* CONSUME */
    uint64_t tag;   /* ACK, with all before it */
    struct {        /* SAVE */
        uint64_t epoch;
        struct stream_head head;
        struct bytes state; /* NULL: only head, lease and info are refreshed */
        struct bytes info;  /* JSON */
    } save;
    int64_t forget_before_ms; /* KEEP, with save.epoch */
    struct skip_row skip;     /* SKIP */
    int code;                 /* EXIT: enum child_exit */
    const char *words;        /* EXIT, DISCONNECT: why */
};

struct stream_core;
struct stream_core *stream_core_new(const struct stream_options *o);
void stream_core_free(struct stream_core **c);
void stream_core_step(struct stream_core *c, const struct stream_event *e);
/* The next effect of the steps so far; false when there is none. */
bool stream_core_effect(struct stream_core *c, struct stream_effect *effect);
/* Messages to send now: NULL when there is none or the limits on what is in flight are reached. */
const struct outbox_message *stream_core_send(struct stream_core *c);
/* So much waits to be published or read that nothing more should be taken from the broker for now. */
bool stream_core_full(const struct stream_core *c);
int64_t stream_core_wake(const struct stream_core *c); /* mono ms at which a TIMER event is wanted */

struct stream_status {
    enum page_state state;
    char words[PAGE_WORDS];
    int64_t offset, in_message, epoch;
    int64_t checkpoints, checkpoint_at_ms, checkpoint_ms, checkpoint_bytes;
    int64_t unconfirmed, already_published, reconnects;
    int64_t unreadable,
        unreadable_offset; /* messages passed over, as the client library cannot read them; the last one's offset */
    bool connected, at_end;
    struct { /* what a guard found lost of the log and the worker stopped for; from > to: nothing */
        enum skip_reason reason;
        int64_t from, to;
    } lost;
    int64_t left_out; /* messages left out of the log by the store's list, as far as it has been read */
};
void stream_core_status(const struct stream_core *c, struct stream_status *s);
/* The newest dead letter of a reason since the worker began; detail is "" if there was none. */
#define DEAD_EXAMPLE_BYTES 200
struct dead_example {
    int64_t offset;
    char detail[200];
    char body[DEAD_EXAMPLE_BYTES]; /* its first bytes */
    size_t len;
};
const struct dead_example *stream_core_dead_example(const struct stream_core *c, enum dead_reason reason);
int64_t stream_core_fired(const struct stream_core *c, const char *trigger); /* since the worker began */
const struct engine *stream_core_engine(const struct stream_core *c);        /* NULL before it is loaded */

#endif
