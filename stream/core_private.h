/* The insides of the stream worker's state machine, shared by core.c (states), core_guard.c (what is lost of the log),
 * core_status.c (what it says), core_stored.c (results not yet stored), core_publish.c (engine's sink, outbox) and
 * core_checkpoint.c (snapshots). */
#ifndef BELLTOWER_STREAM_CORE_PRIVATE_H
#define BELLTOWER_STREAM_CORE_PRIVATE_H

#include "stream/begin.h"
#include "stream/core.h"
#include "stream/left_out.h"

#include "base/number_set.h"
#include "base/wire/control.h"
#include "base/wire/names.h"

#define RETRY_FIRST_MS  200
#define RETRY_MAX_MS    30000
#define STEADY_MS       1000  /* a connection that lasted so long was one: the next is tried at once */
#define ATTACH_LIMIT_MS 30000 /* nothing at the checkpoint's offset for so long: it is beyond the log's tail */
#define TAIL_MARGIN_MS                                                                                                 \
    60000 /* the tail is read from the checkpoint's wall time less this: clocks of broker and worker differ */
#define UNREADABLE_TRIES  3    /* so often a message is tried that the client library cannot take apart */
#define SETTLE_MS         1000 /* quiet for so long with nothing left to acknowledge: the end of the log is reached */
#define LEASE_MS          15000
#define REFRESH_MS        5000 /* an idle worker refreshes its head so often */
#define STORED_EVERY_MS   10000
#define DRAIN_LIMIT_MS    10000 /* for confirms at the end */
#define IN_FLIGHT_MAX     2000  /* messages */
#define IN_FLIGHT_BYTES   (1024 * 1024)
#define OUTBOX_HOLD_BYTES (8 * 1024 * 1024) /* more than this waits to be published: reading pauses */
#define SAMPLES           64
#define FIRED_MAX         64 /* triggers of an app */
#define DAY_MS            INT64_C(86400000)

enum core_state {
    CORE_IDLE,
    CORE_LOADING,
    CORE_LOAD_WAIT,    /* the store is away: again at retry_at */
    CORE_CONNECT_WAIT, /* the broker is away: again at retry_at */
    CORE_CONNECTING,
    CORE_CHECKING, /* that the epoch is still ours: an older worker that has waited for the lock must not publish */
    CORE_TAIL_RESULTS,
    CORE_TAIL_DEAD,
    CORE_ATTACHING, /* consuming; the first message must be the checkpoint's */
    CORE_RUNNING,
    CORE_DRAINING,
    CORE_EXITED
};

struct effect_queue {
    struct stream_effect *list;
    size_t head, count, cap;
};

struct held_delivery {
    struct engine_message message; /* bytes point into one block */
    char *block;
    uint64_t tag;
};

struct stream_core {
    struct stream_options options;
    char tenant[64], worker_user[NAME_SIZE], in_exchange[NAME_SIZE];
    enum core_state state;
    struct effect_queue effects;
    uint64_t next_op, waiting_op;

    int64_t mono_ms, wall_ms; /* of the event being handled */
    int64_t quiet_base; /* wall_ms - mono_ms at the start: the clock of received_ms, which no jump of the wall clock
                           touches */

    struct engine *engine;
    struct outbox *outbox;
    uint64_t epoch;
    int64_t offset; /* of the last message read; -1 = none */
    uint64_t hash;
    int64_t tail_base_ms;  /* wall: what is in the queues and not yet given again by a replay is younger */
    int64_t tail_since_ms; /* wall: from where the tails are read */

    int64_t retry_at, retry_ms, connected_at;
    int64_t attach_by;
    int64_t last_delivery;    /* mono: of any delivery, or of attaching */
    int64_t unreadable_after; /* the offset behind which a message could not be read */
    unsigned unreadable_tries;
    int64_t skipped; /* messages behind `offset` that are passed over, because they cannot be read */
    unsigned unacked;
    bool blocked;
    char words[PAGE_WORDS];

    struct held_delivery *held; /* while reading pauses */
    size_t held_count, held_cap, held_bytes;
    bool hold_unstored;
    bool restored; /* see STREAM_LOADED; until the replay has passed all that it found in the queues */
    struct number_set known_results, known_dead; /* found in their queues and not yet given again by the replay */
    struct left_out left_out;
    struct skip_row skip_asked; /* while skipping */
    bool skipping;              /* reading waits until the store has it */
    int64_t skip_retry_at;
    int64_t to_offset; /* of a rewind: results are given for windows that begin behind what was read before it; -1 = it
                          is behind us */
    bool tick_pending; /* a tick is on its way into the log */
    int64_t tick_sent_at;
    struct buf scratch;

    /* checkpoints */
    bool dirty;          /* something was read since the last snapshot */
    bool snapshot_taken; /* waits for its confirms or for the store */
    bool saving;
    uint64_t snapshot_sequence; /* of the outbox: all up to it must be settled first */
    struct buf snapshot, info;
    struct stream_head snapshot_head;
    int64_t next_checkpoint, save_began, save_retry_at;
    bool refresh_only, store_away;
    int64_t kept_day, keeping_day; /* wall, in days: when a checkpoint was kept last */
    bool keeping;
    int64_t drain_by;

    /* results not yet stored: samples (number, wall) to find the age of the oldest */
    struct {
        int64_t number, wall_ms;
    } samples[SAMPLES];
    size_t sample_count;
    int64_t stored_number;
    int64_t ask_stored_at;
    bool asking_stored;

    struct dead_example dead_examples[DEAD_REASON_COUNT]; /* the newest of each reason */
    struct {
        char name[64];
        int64_t count;
    } fired[FIRED_MAX]; /* by trigger, since the worker began */
    size_t fired_count;
    struct stream_status status; /* counters kept here as they change */
};

/* core.c */
struct stream_effect *core_effect(struct stream_core *c, enum stream_effect_kind kind);
void core_exit(struct stream_core *c, enum child_exit code, const char *words);
void core_say(struct stream_core *c, const char *words);
bool core_holds(const struct stream_core *c);                      /* reading pauses */
void core_reconnect(struct stream_core *c, const struct err *err); /* the connections are gone or of no use */
/* core_guard.c */
enum guard {
    GUARD_READ,
    GUARD_PASS, /* it was read before */
    GUARD_HOLD  /* not yet, or never: see the core's state */
};
enum guard core_guard(struct stream_core *c, const struct engine_message *m);
void core_beyond_tail(struct stream_core *c);
void core_skipped(struct stream_core *c, const struct stream_event *e);
/* core_stored.c */
void core_sample_at_load(struct stream_core *c, int64_t saved_ms);
void core_ask_stored(struct stream_core *c);
void core_stored(struct stream_core *c, const struct stream_event *e);
/* core_publish.c */
void core_read(struct stream_core *c,
               const struct engine_message *m); /* through the engine; its output into the outbox */
void core_set_aside(struct stream_core *c, const struct engine_message *m); /* the same, undecoded */
void core_tick(struct stream_core *c);
/* core_checkpoint.c */
void core_checkpoint(struct stream_core *c); /* takes, waits for, saves as far as it can now */
void core_saved(struct stream_core *c, const struct stream_event *e);
void core_kept(struct stream_core *c, const struct stream_event *e);
int64_t core_checkpoint_wake(const struct stream_core *c);
bool core_at_end(const struct stream_core *c);
int64_t core_quiet_now(const struct stream_core *c);

#endif
