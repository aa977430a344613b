/* A worker that was superseded does not come back while the other one lives. */
#ifndef BELLTOWER_WORKER_YIELD_H
#define BELLTOWER_WORKER_YIELD_H

#include "worker/start.h"

/* Waits, saying so in the page, until the lease in the checkpoint's head has run out (stream worker) or the lock in the
 * broker is free (batch worker), or it is told to drain. What cannot be asked now does not hold it: store and broker
 * are waited for elsewhere. */
void worker_yield(struct worker_start *w, enum role role);

#endif
