/* The thread that goes on with what was begun: at the API's start it tells the supervisor who should run; then it
 * publishes what is not yet in the broker, forgets requests that the batch worker has taken over, and ends removals. */
#ifndef BELLTOWER_API_KEEPER_H
#define BELLTOWER_API_KEEPER_H

#include "api/api.h"
#include "base/err.h"

#include <stdint.h>

struct keeper;
int keeper_start(struct api *api, struct keeper **k, struct err *err) MUSTCHECK;
void keeper_stop(struct keeper **k); /* no-op on NULL */
/* There is something to do: not only at its next turn. */
void keeper_wake(struct keeper *k);

/* Whoever changes a tenant in several steps holds its lock; false after limit_ms. */
bool keeper_lock(struct keeper *k, const char *tenant, int64_t limit_ms);
void keeper_unlock(struct keeper *k, const char *tenant);

/* A request for a run that is known to be with the broker: the keeper need not publish it in this process's life. */
void keeper_request_published(struct keeper *k, const char *tenant, const char *id);
/* Of a tenant that was put back from a backup nothing is known to be with the broker. */
void keeper_forget(struct keeper *k, const char *tenant);
/* Messages that found no queue; -1 = not known. */
int64_t keeper_unrouted(struct keeper *k);

#endif
