/* The stream worker around its pure core: carries out effects over RabbitMQ and the CoreDMS, and turns what happens
 * into events. */
#ifndef BELLTOWER_STREAM_WORKER_H
#define BELLTOWER_STREAM_WORKER_H

#include "broker/pair.h"
#include "coredms/coredms.h"
#include "stream/calls.h"
#include "stream/core.h"
#include "worker/start.h"

struct worker {
    struct worker_start start;
    struct pair pair;
    struct stream_core *core;
    char queue_events[NAME_SIZE];
    bool exiting;
    int exit_code;
    struct buf detail;
    int64_t unreadable; /* as logged */
    int64_t lag_at;     /* mono ms: when the log's length is asked for next */
    int64_t log_begins; /* offset, as far as is known */
    int64_t detail_at;  /* mono ms: when the page's detail is written next */
    int64_t at_end_at;  /* mono ms: when it was last at the log's end; 0 = not yet */
    struct calls calls;
    const char *waits_for;         /* the call of the store that all waits for; NULL = none */
    _Atomic int64_t call_limit_ms; /* the longest that one may take */
    /* of the calls' thread until it has ended, `loading` until the answer that points into it has come */
    struct coredms *store; /* NULL until it could be opened */
    uint64_t checkpoint_number;
    struct loading *loading;
};

#define WORKER_PREFETCH 500

struct link_handler worker_handler(struct worker *w);
void worker_step(struct worker *w, struct stream_event *e); /* fills in the times */
void worker_lost(struct worker *w,
                 const struct err *err); /* a connection is of no use any more: logged, and told to the core */
void worker_effects(struct worker *w);   /* carries out all that wait (worker_effects.c) */
/* Calls of the store (worker_store.c). */
int worker_open_calls(struct worker *w, struct err *err) MUSTCHECK;
void worker_close_calls(struct worker *w);                             /* waits for the one that is under way */
void worker_ask(struct worker *w, const struct stream_effect *effect); /* carries it out; the answer comes later */
void worker_answers(struct worker *w);                                 /* those that have come, to the core */
/* Carries out LOAD in the calls' thread; what the answer points into is freed by worker_loading_free (worker_load.c).
 */
int worker_load(struct worker *w, const struct stream_effect *effect, struct stream_event *e,
                struct err *err) MUSTCHECK;
void worker_loading_free(struct worker *w);
void worker_page(struct worker *w,
                 const struct stream_status *s); /* counters and status into the page (worker_page.c) */
/* Keeps the lag in the page fresh: asks how long the log is, now and then, and tells what the answer means. On failure
 * the publishing connection is lost (worker_lag.c). */
int worker_ask_lag(struct worker *w, const struct stream_status *s, struct err *err) MUSTCHECK;
void worker_lag(struct worker *w, const struct stream_status *s, uint64_t depth);
/* Reads a queue from since_ms to a marker that it publishes now; the numbers found (of this generation) into *list,
 * grown (worker_tail.c). */
int worker_read_tail(struct worker *w, const char *exchange, int64_t since_ms, int64_t **list, size_t *count,
                     struct err *err) MUSTCHECK;

#endif
