/* The batch worker around its pure core: carries out effects over RabbitMQ and the CoreDMS, and turns what happens into
 * events. */
#ifndef BELLTOWER_BATCH_WORKER_H
#define BELLTOWER_BATCH_WORKER_H

#include "batch/core.h"
#include "batch/runner.h"
#include "broker/pair.h"
#include "coredms/coredms.h"
#include "worker/start.h"

struct worker {
    struct worker_start start;
    struct coredms *store; /* NULL until it could be opened */
    struct pair pair;
    struct batch_core *core;
    struct runner runner;
    char queue_results[NAME_SIZE], queue_triggers[NAME_SIZE];
    bool exiting;
    int exit_code;
    struct buf detail;
    int64_t detail_at, idle_at; /* mono ms */
};

#define WORKER_PREFETCH         1000
#define WORKER_TRIGGER_PREFETCH 100

void worker_step(struct worker *w, struct batch_event *e); /* fills in the times */
void worker_lost(struct worker *w, const struct err *err);
struct link_handler worker_handler(struct worker *w);
void worker_effects(struct worker *w);
void worker_page(struct worker *w);

#endif
