/* The rows of the CoreDMS, as values: what the workers' pure cores and the stores speak of. PURE. */
#ifndef BELLTOWER_COREDMS_ROWS_H
#define BELLTOWER_COREDMS_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct result_row {
    uint64_t generation;
    uint32_t revision;
    int64_t number;           /* x-number */
    const char *stream, *key; /* key text: JSON array of the key's values, always spelt the same way */
    int64_t window_start, window_end;
    const char *body; /* the result message: one flat JSON object */
    size_t body_len;
    int64_t first_offset, last_offset; /* in the log, of the events that it counts; -1 = not known */
    bool withdrawn;                    /* a rewind found that it does not exist */
};

/* Offsets of the log that every reading leaves out: set aside (one message, dead-lettered whole as `poison`) or lost
 * and passed over by an operator's word. */
enum skip_reason {
    SKIP_POISON,    /* reading it killed the worker */
    SKIP_OVERTAKEN, /* retention took them before they were read */
    SKIP_GAP,       /* missing in the middle of the log */
    SKIP_NEW_LOG,   /* the log was deleted and made anew: all behind `from` is another log's */
    SKIP_REASON_COUNT
};
const char *skip_reason_name(int reason); /* "poison", "overtaken", "gap", "new-log" */
struct skip_row {
    uint64_t generation;
    int64_t from, to; /* offsets, both included; SKIP_NEW_LOG: to = INT64_MAX */
    enum skip_reason reason;
    int64_t at_ms; /* wall */
};

/* How a generation began, if not with an empty log: reads the retained log again from a kept checkpoint. */
struct rewind_row {
    uint64_t generation;      /* that it began; 0 = there is none */
    int64_t to_ms, to_offset; /* one of them, the other INT64_MIN / -1 */
    uint64_t base_epoch,
        base_number;         /* of the kept checkpoint (state_epoch, number); 0, 0 = the beginning of the log */
    uint32_t version;        /* of the app that holds from there on */
    int64_t at_ms;           /* wall: when it was asked for */
    uint64_t log_generation; /* with which the log began: skipped offsets and kept checkpoints of lower ones are another
                                log's */
    bool published;          /* its control message is in the log (the API's bookkeeping) */
};

struct source { /* how far a queue has been stored; changes in the same transaction as what came from it, or guarded so
                   that it makes no difference */
    uint64_t epoch; /* of the batch worker */
    uint64_t generation;
    int64_t offset;    /* last stored message of the queue; -1 = none */
    int64_t number;    /* last stored x-number; 0 = none */
    int64_t stored_ms; /* wall */
};

enum run_state { RUN_QUEUED, RUN_RUNNING, RUN_DONE, RUN_FAILED, RUN_SKIPPED, RUN_STATE_COUNT };
enum run_cause { RUN_ON_DEMAND, RUN_ON_TRIGGER, RUN_ON_SCHEDULE };
const char *run_state_name(int state); /* "queued" */
const char *run_cause_name(int cause); /* "on-demand", "trigger", "schedule" */

struct run_row {
    char *tenant; /* of a request (request_get, request_list); else NULL and not read */
    char *id, *job;
    enum run_cause cause;
    enum run_state state;
    uint64_t generation;
    uint32_t version;      /* of the app, fixed when the run is taken */
    int64_t from, to;      /* windows that start in [from, to); both -1 until fixed */
    int64_t after_number;  /* results up to this number must be stored first (trigger); 0 = none */
    int64_t wait_until_ms; /* wall: a scheduled run waits for completeness until then; 0 = does not */
    int64_t created_ms, started_ms, ended_ms; /* wall; 0 = not yet */
    bool complete, published;
    int64_t row_count; /* of its report */
    char *request;     /* JSON: the trigger message or the request; NULL */
    char *error;       /* why it failed or was skipped; NULL */
};
void run_row_free(struct run_row *row);
void run_row_copy(struct run_row *to, const struct run_row *from); /* deep; `to` is overwritten */

#endif
