/* The stream engine: bytes of one tenant's log in, results, triggers and dead letters out (design.md, "Decoding", "Time
 * and windows", "Expressions and aggregates"). PURE: no clock, no broker, no store; what it says is a function of the
 * messages given, in their order. Times are UTC milliseconds. Nothing is allocated per event in the steady state. */
#ifndef BELLTOWER_STREAM_ENGINE_H
#define BELLTOWER_STREAM_ENGINE_H

#include "base/buf.h"
#include "base/err.h"
#include "tenants/app/app.h"

struct csv;
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
    /* One of its headers has no name: it is dead-lettered whole as `poison` and is nothing else, not even the last
     * message (rule 6). Earlier versions could not read such a message, and what a log gives must stay the same. */
    bool nameless_header;
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
    DEAD_POISON, /* the whole message was set aside: reading it killed the worker, or it has a header without a name */
    DEAD_REASON_COUNT
};
const char *dead_reason_name(enum dead_reason reason); /* "not-json" */

struct engine_result {
    uint64_t number; /* x-number: gapless, from 1, per generation */
    size_t stream;   /* index in the engine's app; SIZE_MAX: of an older version, the app has it no more */
    const char *stream_name;
    const char *message_id;
    const char *fired; /* names of the triggers it fired, comma between; "" if none */
    int64_t window_start, window_end;
    uint32_t revision;
    struct bytes key;                   /* key text: the JSON array of the key's values */
    struct bytes body;                  /* the result message, one JSON object */
    uint64_t first_offset, last_offset; /* of the events that it counts */
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

enum trace_kind {
    TRACE_COUNTED,
    TRACE_COUNTED_LATE,
    TRACE_LATE,     /* its windows are gone, or begin before those of this version */
    TRACE_FILTERED, /* where rejects it */
    TRACE_TOO_MANY_KEYS,
    TRACE_REPEAT, /* its message's sequence was seen: counted nowhere, although where accepts it */
    TRACE_AHEAD   /* held back, although where accepts it; traced once more if it is let in */
};
struct engine_trace {
    enum trace_kind kind;
    uint64_t offset;
    uint32_t index;
    int64_t time;
    size_t stream; /* as in engine_result; of an older version if one counts in its place */
    const char *stream_name;
    struct bytes key;            /* key text */
    int64_t first_end, last_end; /* of the windows that hold it */
    int64_t size;                /* of each of them */
    const struct app *app;       /* whose fields `values` are */
    const struct value *values;  /* app->field_count of them */
    struct bytes body;           /* the event */
};

/* Called in the one defined order during engine_message; what is given is borrowed during the call. */
struct engine_sink {
    void *context;
    void (*result)(void *context, const struct engine_result *r);
    void (*trigger)(void *context, const struct engine_trigger *t);
    void (*dead)(void *context, const struct engine_dead *d);
    /* May be NULL. What had been read when this generation's rewind was asked for has been read again: results of lower
     * generations whose windows start at or after `from` and that were not given again do not exist. number: an
     * x-number, of the same row as the results'. */
    void (*rewound)(void *context, uint64_t number, int64_t from);
    /* May be NULL. What became of each event, for `explain`; in log order, one call per (event, stream). */
    void (*trace)(void *context, const struct engine_trace *t);
};

/* Begins a log. Takes the app (freed with the engine). generation: of the tenant's name, see design "What is
 * guaranteed" 3. */
struct engine *engine_new(struct app *app, uint32_t version, uint64_t generation);
void engine_free(struct engine **e);

/* Reads one message. Never fails: what is wrong with it goes to sink->dead. */
void engine_message(struct engine *e, const struct engine_message *m, const struct engine_sink *sink);

/* As engine_message of a message without properties whose body is what csv_write makes of the row: it is made only if
 * somebody needs its bytes. */
void engine_row(struct engine *e, uint64_t offset, struct csv *row, const struct engine_sink *sink);

/* As engine_message of a message that must not be decoded: it is dead-lettered whole as `poison`, and counts as a
 * message of the log (rule 6) and as nothing else. */
void engine_set_aside(struct engine *e, const struct engine_message *m, const struct engine_sink *sink);

/* A rewind: the engine goes on from its present place in the log as `generation` under the app given (taken; freed with
 * the engine), whose streams that are unchanged keep their windows; the others begin anew, and nothing is published for
 * what ends. Numbers begin at 1 again, counters at 0. From then on a result is given (published, numbered, looked at by
 * triggers) only if its window starts at or after `from`. Versions not above `version` that the log still brings are
 * ignored. A CONTROL_REWIND of `generation` calls sink->rewound; of another generation it does nothing. From there on
 * all windows are given that close or are corrected, whenever they start, for nobody else gives them; but of streams
 * that began with the rewind only those that start behind the highest time at its base, as others lack events. */
void engine_rebase(struct engine *e, struct app *app, uint32_t version, uint64_t generation, int64_t from);
/* Sets `from` once it is known: a rewind to an offset is rebased with INT64_MAX. */
void engine_give_from(struct engine *e, int64_t from);

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
    int64_t last_end; /* the latest end of a window open or kept for lateness; INT64_MIN if none: where an update of
                         this stream would begin */
};

struct engine_info {
    uint64_t generation;
    uint32_t version;
    uint64_t result_number, dead_number; /* the last given; 0 = none yet */
    int64_t highest, watermark; /* of all devices the lowest watermark heard of within idle_after...; INT64_MIN before
                                   the first event */
    int64_t last_received_ms;   /* of the last message that is no tick; INT64_MIN before the first */
    uint64_t devices, held, producers;
    int64_t from; /* results of windows that start earlier are not given (engine_rebase); INT64_MIN = all are */
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
