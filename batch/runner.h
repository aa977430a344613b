/* One query at a time in a thread of its own, with its own handle of the store, so that results are stored while a long
 * report is computed. The thread, the handle and the app stay for the next query, and go when none comes for a while.
 */
#ifndef BELLTOWER_BATCH_RUNNER_H
#define BELLTOWER_BATCH_RUNNER_H

#include "base/buf.h"
#include "base/err.h"
#include "base/settings.h"
#include "coredms/rows.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct runner {
    pthread_t thread;
    bool started; /* the thread is to be joined */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool asked, closing, left; /* under the lock: a query waits; the thread shall end; it has ended */
    atomic_bool cancel;
    int64_t idle_ms; /* for which the thread waits for the next query */
    int done_fd;     /* an eventfd: readable when the query has ended */
    const struct settings *settings;
    const char *tenant;
    uint64_t op;
    struct run_row run;
    /* the thread's own */
    struct coredms *store;
    struct app *app;
    uint32_t version; /* of the app */
    /* the outcome, to be read after runner_ended */
    struct buf report;
    bool failed;
    struct err err;
};

int runner_open(struct runner *r, const struct settings *s, const char *tenant, struct err *err) MUSTCHECK;
void runner_close(struct runner *r); /* cancels and waits */
int runner_start(struct runner *r, const struct run_row *run, uint64_t op,
                 struct err *err) MUSTCHECK; /* none may be under way */
void runner_cancel(struct runner *r);
bool runner_ended(struct runner *r); /* true once per query: its outcome is in r until the next start */

#endif
