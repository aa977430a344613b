/* The stream engine: bytes of one tenant's log in, results, triggers and dead letters out (design.md, "Decoding", "Time
 * and windows", "Expressions and aggregates"). PURE: no clock, no broker, no store; what it says is a function of the
 * messages given, in their order. Times are UTC milliseconds. Nothing is allocated per event in the steady state. */
#ifndef BELLTOWER_STREAM_ENGINE_H
#define BELLTOWER_STREAM_ENGINE_H

#include "base/buf.h"
#include "base/err.h"
#include "tenants/app/app.h"

struct engine;

struct bytes {
    const char *p; /* NULL = absent */
    size_t len;
};

/* One message of the log. Everything is borrowed during the call. */
struct engine_message {
    uint64_t offset;
    int64_t received_ms; /* wall time at which it was delivered: decides nothing but when a tick is due */
    struct bytes body;
    struct bytes message_id, type, user_id; /* AMQP properties; user_id is verified by the broker */
};

enum dead_reason {
    DEAD_NOT_JSON,
    DEAD_MISSING_FIELD,
    DEAD_WRONG_TYPE, /* of a field, or a value that is no object */
    DEAD_BAD_TIME,
    DEAD_LATE,
    DEAD_AHEAD,
    DEAD_TOO_LARGE,
    DEAD_TOO_MANY_KEYS,
    DEAD_FORGED,
    DEAD_BAD_CONTROL, /* a control message of a trusted sender that makes no sense */
    DEAD_REASON_COUNT
};
const char *dead_reason_name(enum dead_reason reason); /* "not-json" */

struct engine_result {
    uint64_t number; /* x-number: gapless, from 1, per generation */
    size_t stream;   /* index in the engine's app */
    const char *stream_name;
    const char *message_id;
    const char *fired; /* names of the triggers it fired, comma between; "" if none */
    int64_t window_start, window_end;
    uint32_t revision;
    struct bytes key;  /* key text: the JSON array of the key's values */
    struct bytes body; /* the result message, one JSON object */
};

struct engine_trigger { /* comes before the result that fired it */
    const char *id;     /* <trigger>:<hash of key>:<window start> */
    const char *name, *job;
    uint64_t result_number; /* the number of that result */
    int64_t window_start, window_end;
    struct bytes body; /* the trigger message: tenant_id, trigger, id, job, number, result{...} */
};

struct engine_dead {
    uint64_t number; /* gapless, from 1, per generation */
    uint64_t offset; /* of the message it came from */
    uint32_t index;  /* of the value within that message */
    enum dead_reason reason;
    const char *detail; /* one sentence for a person */
    struct bytes body;  /* the original bytes of that value (or of the whole message) */
};

/* Called in the one defined order during engine_message; what is given is borrowed during the call. */
struct engine_sink {
    void *context;
    void (*result)(void *context, const struct engine_result *r);
    void (*trigger)(void *context, const struct engine_trigger *t);
    void (*dead)(void *context, const struct engine_dead *d);
};

/* Begins a log. Takes the app (freed with the engine). generation: of the tenant's name, see design "What is
 * guaranteed" 3. */
struct engine *engine_new(struct app *app, uint32_t version, uint64_t generation);
void engine_free(struct engine **e);

/* Reads one message. Never fails: what is wrong with it goes to sink->dead. */
void engine_message(struct engine *e, const struct engine_message *m, const struct engine_sink *sink);

/* The whole state (app text and version included) as bytes of a versioned format with a checksum (docs/formats.md),
 * appended to out. Equal states give equal bytes. */
void engine_snapshot(const struct engine *e, struct buf *out);
/* The engine again. ERR_INVALID for bytes that are no intact snapshot of a known version. */
int engine_restore(const void *bytes, size_t len, struct engine **e, struct err *err) MUSTCHECK;

/* Quiet logs (design, "Time" rule 6 and 8). now_ms: wall time as in received_ms, and the log's end has been reached.
 * engine_tick_at: the earliest now_ms at which a tick would be due, INT64_MAX if none would close anything.
 * engine_tick: if one is due at now_ms, appends the body of the control message (type CONTROL_TICK) to publish into the
 * log and returns true; changes nothing: only reading the tick back does. */
int64_t engine_tick_at(const struct engine *e);
bool engine_tick(const struct engine *e, int64_t now_ms, struct buf *body);

struct engine_counters { /* since the generation began; part of the snapshot */
    uint64_t messages, events, counted, filtered, late_counted,
        repeats; /* events: decoded; repeats: messages dropped by their sequence */
    uint64_t dead[DEAD_REASON_COUNT];
    uint64_t results, corrected, triggers; /* corrected: results with revision > 0 */
    uint64_t ticks, ticks_ignored;
};

struct engine_stream_info {
    uint64_t open_windows, keys; /* keys: with a window, open or kept for lateness */
    uint64_t closed;             /* results of revision 0 and first made late: windows closed */
    int64_t next_close;          /* the earliest end of an open window; INT64_MAX if none */
};

struct engine_info {
    uint64_t generation;
    uint32_t version;
    uint64_t result_number, dead_number; /* the last given; 0 = none yet */
    int64_t highest, watermark; /* of all devices the lowest watermark heard of within idle_after...; INT64_MIN before
                                   the first event */
    int64_t last_received_ms;   /* of the last message that is no tick; INT64_MIN before the first */
    uint64_t devices, held, producers;
    struct engine_counters counters;
};
void engine_info(const struct engine *e, struct engine_info *info);
void engine_stream_info(const struct engine *e, size_t stream, struct engine_stream_info *info);
/* The point up to which every window is final, as of now_ms: results of windows with end <= it can change no more
 * (lateness of `stream` included; with watermark_per over the devices heard of within idle_after). at_end: the log's
 * end has been reached. */
int64_t engine_complete_to(const struct engine *e, size_t stream, int64_t now_ms, bool at_end);
const struct app *engine_app(const struct engine *e); /* dies at the next version message */

#endif
