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
