/* The insides of the batch worker's state machine, shared by core.c (states), core_ingest.c (results, triggers) and
 * core_runs.c (the life of runs). */
#ifndef BELLTOWER_BATCH_CORE_PRIVATE_H
#define BELLTOWER_BATCH_CORE_PRIVATE_H

#include "batch/core.h"
#include "batch/period.h"
#include "batch/report.h"

#include "base/wire/control.h"
#include "base/wire/names.h"

#define RETRY_FIRST_MS 200
#define RETRY_MAX_MS   30000
#define STEADY_MS      1000 /* a connection that lasted so long was one: the next is tried at once */
#define STORE_ROWS     500  /* a batch is stored when it has so many rows */
#define STORE_ROWS_MAX 4096
#define STORE_QUICK_MS 500 /* a batch that took less may be followed by a larger one */
#define STORE_SLOW_MS                                                                                                  \
    2000 /* ... that took more, by a smaller one: long before the store's answer is waited for in vain */
#define STORE_AFTER_MS    100 /* ... or its first row waits for so long */
#define STORE_RETRY_MS    1000
#define PREPARE_EVERY_MS  500 /* a run that waits for completeness is looked at so often */
#define EXPIRE_EVERY_MS   60000
#define STALLS_MAX        3     /* then results are taken to be lost */
#define LIST_EVERY_MS     60000 /* unfinished runs that nobody leads are looked for so often */
#define SCHEDULE_EVERY_MS 1000  /* the wall clock may jump: due periods are looked for so often */
#define DRAIN_LIMIT_MS    10000
#define JOB_COUNTS        64

enum core_state {
    CORE_IDLE,
    CORE_LOADING,
    CORE_LOAD_WAIT,
    CORE_CONNECT_WAIT,
    CORE_CONNECTING,
    CORE_RUNNING,
    CORE_DRAINING,
    CORE_EXITED
};

enum run_step {
    STEP_INSERTING, /* not known to be in the store yet */
    STEP_WAITING,   /* for its turn, for results, for completeness */
    STEP_PREPARING,
    STEP_TAKING, /* its fixed row is being stored */
    STEP_QUERYING,
    STEP_STORING,    /* its report is being stored */
    STEP_FETCHING,   /* a stored report is read, to be published */
    STEP_PUBLISHING, /* in the outbox */
    STEP_MARKING,    /* `published` is being stored */
    STEP_ENDING      /* a failure is being stored */
};

struct run {
    struct run_row row;
    enum run_step step;
    uint64_t op;          /* of the effect it waits for; 0 = none */
    uint64_t trigger_tag; /* to be acknowledged once it is inserted; 0 = none */
    uint64_t sequence;    /* in the outbox */
    int64_t look_at;      /* mono: not before */
    char *report;
    size_t report_len;
};

/* Up to where the results queue is read, or stored. */
struct place {
    int64_t offset, number;
    uint64_t tag; /* to be acknowledged */
};

/* A rewind has come to its end, of several the last: see BATCH_STORE. */
struct rewound {
    bool there;
    int64_t from; /* of several the lowest */
    size_t rows;  /* kept before its marker */
    struct place place;
};

struct kept_row { /* a result waiting to be stored; its texts are in one block */
    struct result_row row;
    struct place place; /* behind it */
    char *block;
};

struct batch_core {
    struct batch_options options;
    char tenant[64];
    enum core_state state;
    struct batch_effect *effects;
    size_t effect_head, effect_count, effect_cap;
    uint64_t next_op, waiting_op;
    int64_t mono_ms, wall_ms;

    struct app *app;
    uint32_t version;
    struct zone **zones; /* by job of the app */
    int64_t *last_to;    /* by job: the end of its newest period; INT64_MIN = none yet */
    bool loading_app;
    bool list_needed, listing; /* the unfinished runs are to be listed again; are being listed */
    int64_t list_at, reload_at;
    uint32_t wanted_version;

    struct outbox *outbox;
    struct source source; /* as stored */
    struct place read;    /* behind the newest message taken */
    int64_t retry_at, retry_ms, connected_at;
    bool blocked, connected;
    char words[PAGE_WORDS];

    struct kept_row *kept;
    size_t kept_count, kept_cap;
    struct result_row *rows; /* borrowed by the STORE effect */
    size_t rows_cap;
    bool storing, store_needed;
    uint64_t store_op;
    size_t storing_count;
    struct place storing_place;
    size_t store_rows; /* at most so many at once */
    int64_t kept_since, storing_since, store_retry_at;
    struct rewound rewound, storing_rewound;
    unsigned stalls;      /* looks in a row that found results published and none delivered */
    int64_t result_at;    /* mono: of the last delivery from the results queue, or of connecting */
    uint64_t stored_tag;  /* of results: not acknowledged yet */
    uint64_t trigger_low; /* the lowest trigger tag not acknowledged; results are acknowledged only below it */

    struct run **runs;
    size_t run_count, run_cap;
    int64_t schedule_at, expire_at, drain_by;
    bool expiring, cancelled;

    struct {
        char name[64];
        struct batch_job_count count;
    } jobs[JOB_COUNTS];
    size_t job_count;
    struct batch_status status;
};

/* core.c */
struct batch_effect *batch_add_effect(struct batch_core *c, enum batch_effect_kind kind);
void batch_exit(struct batch_core *c, enum child_exit code, const char *words);
void batch_say(struct batch_core *c, const char *words);
/* core_ingest.c */
void ingest_delivery(struct batch_core *c, const struct batch_delivery *d);
void ingest_store(struct batch_core *c); /* stores what is kept if it is time */
void ingest_stored(struct batch_core *c, const struct batch_event *e);
void ingest_reset(struct batch_core *c); /* the connection is gone: what is kept comes again */
void ingest_acknowledge(struct batch_core *c);
int64_t ingest_wake(const struct batch_core *c);
/* core_runs.c */
void runs_add(struct batch_core *c, const struct run_row *row, uint64_t trigger_tag, bool stored);
bool runs_has(const struct batch_core *c, const char *id);
void runs_adopt(struct batch_core *c, const struct run_row *rows, size_t count); /* those that nobody leads here */
void runs_trigger(struct batch_core *c, const struct batch_delivery *d);
void runs_answer(struct batch_core *c, const struct batch_event *e);
void runs_step(struct batch_core *c); /* leads every run on as far as it goes now */
void runs_lost_connection(struct batch_core *c);
void runs_free(struct batch_core *c);
int64_t runs_wake(const struct batch_core *c);
bool runs_busy(const struct batch_core *c); /* a query or an unanswered store is under way */
/* core_schedule.c */
void schedule_begin(struct batch_core *c, struct app *app, uint32_t version, const struct batch_anchor *anchors,
                    size_t count);
void schedule_step(struct batch_core *c);
void schedule_free(struct batch_core *c);
const struct app_job *schedule_job(const struct batch_core *c, const char *name,
                                   size_t *index); /* NULL if the app has none */

#endif
