/* The batch worker's logic as a state machine, the same shape as stream/core.h. PURE: events in, effects out; it never
 * blocks, never fails.
 *
 * It stores results in batches with the offset of their queue (one change), takes runs (triggers from the queue, due
 * schedules), and leads each run through its life: queued -> prepared (from, to, version fixed) -> queried -> report
 * stored -> published -> marked published. One query at a time. A trigger is acknowledged once its run is in the store;
 * a run's id makes a second delivery harmless. */
#ifndef BELLTOWER_BATCH_CORE_H
#define BELLTOWER_BATCH_CORE_H

#include "base/outbox.h"
#include "base/wire/contract.h"
#include "coredms/rows.h"
#include "tenants/app/app.h"

#define BATCH_EXPIRE_ROWS 5000 /* an EXPIRE removes at most so many */

struct batch_options {
    const char *tenant;
    uint64_t generation;
    unsigned prefetch;
};

struct batch_text { /* bytes with a length; p NULL = absent */
    const char *p;
    size_t len;
};

struct batch_delivery {
    bool trigger; /* from the trigger queue, else from the results queue */
    uint64_t tag;
    int64_t offset; /* of the results queue */
    bool trusted;   /* its user_id is the tenant's worker, or, for triggers, the API */
    bool marker;    /* CONTROL_START */
    bool rewound;   /* CONTROL_REWOUND */
    int64_t number, generation, first_offset, last_offset; /* headers; -1 = missing */
    int64_t sum;                                           /* HEADER_SUM, if has_sum */
    bool has_sum;
    struct batch_text key, message_id, body;
};

enum batch_event_kind {
    BATCH_START,
    BATCH_LOADED,    /* answers LOAD */
    BATCH_APP,       /* a new version of the app was loaded (answers LOAD_APP, or comes by itself) */
    BATCH_CONNECTED, /* answers CONNECT */
    BATCH_LOST,
    BATCH_DELIVERY,
    BATCH_CONFIRM,
    BATCH_RETURNED,
    BATCH_BLOCKED,
    BATCH_STORED,   /* answers STORE */
    BATCH_INSERTED, /* answers INSERT */
    BATCH_PREPARED, /* answers PREPARE */
    BATCH_UPDATED,  /* answers UPDATE */
    BATCH_QUERIED,  /* answers QUERY and FETCH: the report */
    BATCH_LISTED,   /* answers LIST: pending */
    BATCH_EXPIRED,  /* answers EXPIRE */
    BATCH_TIMER,
    BATCH_RELOAD, /* the supervisor says that there is a new version */
    BATCH_DRAIN
};

struct batch_anchor { /* of a scheduled job: the end of its newest period in the store; INT64_MIN = none yet */
    const char *job;
    int64_t last_to;
};

struct batch_event {
    enum batch_event_kind kind;
    int64_t mono_ms, wall_ms;
    uint64_t op;
    const struct err *err; /* NULL = it went well */
    union {
        struct {
            struct source source;
            struct app *app; /* taken by the core */
            uint32_t version;
            struct run_row *pending; /* borrowed; copied by the core */
            size_t pending_count;
            const struct batch_anchor *anchors;
            size_t anchor_count;
            int64_t given; /* number of the last result in the stream worker's checkpoint, of this generation; 0 =
                              unknown */
        } loaded;          /* LOADED; APP uses app, version, anchors; LISTED pending, given */
        struct batch_delivery delivery;
        struct {
            uint64_t tag;
            bool multiple, ack;
        } confirm;
        struct {
            bool flag;
            const char *reason;
        } blocked;
        struct {
            bool fresh;                  /* it was not there */
            const struct run_row *known; /* not fresh: the row that is there */
        } inserted;
        struct {
            int64_t latest; /* the latest stored window's end of the job's stream; INT64_MIN = none */
            int64_t complete_to, result_number; /* of the stream worker's checkpoint; INT64_MIN / -1 = none */
        } prepared;
        struct {
            const char *report;
            size_t len;
            int64_t row_count;
        } queried;
        size_t expired;
    };
};

enum batch_effect_kind {
    BATCH_LOAD,
    BATCH_LOAD_APP,
    BATCH_CONNECT, /* both connections and the lock; consumes both queues from offset */
    BATCH_DISCONNECT,
    BATCH_ACK,
    BATCH_SEND,
    BATCH_STORE,   /* the rows kept since the last one, with the source */
    BATCH_INSERT,  /* a run, unless its id is there */
    BATCH_PREPARE, /* look up what fixing a run needs */
    BATCH_UPDATE,  /* a run's row, with its report if there is one */
    BATCH_QUERY,   /* compute a run's report, in the background */
    BATCH_FETCH,   /* read a run's stored report */
    BATCH_CANCEL,  /* the query, if one runs: answered by its QUERIED */
    BATCH_LIST,    /* the unfinished runs: a worker that was replaced may have added some since they were loaded */
    BATCH_EXPIRE,
    BATCH_EXIT
};

struct batch_effect {
    enum batch_effect_kind kind;
    uint64_t op;
    int64_t offset; /* CONNECT: of the results queue, -1 = the first */
    uint64_t tag;   /* ACK */
    bool multiple;
    struct source source; /* STORE */
    bool withdraw;        /* STORE: first withdraw what a rewind did not give again, in windows from withdraw_from on */
    int64_t withdraw_from;
    const struct result_row *rows;
    size_t row_count;
    const struct run_row *run; /* INSERT, PREPARE, UPDATE, QUERY, FETCH */
    uint64_t epoch;
    const char *report; /* UPDATE: NULL = none */
    size_t report_len;
    int64_t before_ms; /* EXPIRE */
    int code;
    const char *words;
};

struct batch_core;
struct batch_core *batch_core_new(const struct batch_options *o);
void batch_core_free(struct batch_core **c);
void batch_core_step(struct batch_core *c, const struct batch_event *e);
bool batch_core_effect(struct batch_core *c, struct batch_effect *effect); /* borrowed until the next step */
const struct outbox_message *batch_core_send(struct batch_core *c);
int64_t batch_core_wake(const struct batch_core *c);

struct batch_status {
    enum page_state state;
    char words[PAGE_WORDS];
    bool connected;
    int64_t reconnects, stored, stored_number, forged, runs_done, runs_failed, runs_skipped, runs_pending, run_ms,
        reports, expired;
};
void batch_core_status(const struct batch_core *c, struct batch_status *s);
const struct app *batch_core_app(const struct batch_core *c); /* NULL before it is loaded */
struct batch_job_count {
    int64_t done, failed, skipped;
};
const struct batch_job_count *batch_core_job_count(const struct batch_core *c,
                                                   const char *job); /* NULL = none of that name ran */

#endif
