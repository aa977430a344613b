/* How the stream worker and the batch worker begin: settings, tenant, generation, credentials, page. */
#ifndef BELLTOWER_WORKER_START_H
#define BELLTOWER_WORKER_START_H

#include "base/runtime.h"
#include "base/settings.h"
#include "base/wire/names.h"

struct worker_start {
    struct runtime runtime;
    struct settings settings;
    struct credentials credentials;
    const char *tenant;
    uint64_t generation;
    char user[NAME_SIZE];     /* its own at the broker */
    char api_user[NAME_SIZE]; /* the API's there */
    int64_t alone, set_aside; /* offsets; -1 = none. See base/wire/contract.h, as for skip */
    bool skip;
};

/* Of a worker that was superseded (--yield) this returns only when the other one's lease (stream) or lock (batch) is
 * gone. 0, or the exit code with which the process should end (what was wrong is in the log and the page). */
int worker_start(struct worker_start *w, enum role role, int argc, char **argv);
/* Tells the page what may block until the store's limit; NULL: it is over. */
void worker_blocking(struct worker_start *w, const char *what, int64_t limit_ms);

#endif
