/* Computing a run's report from the stored results. Reads the store; nothing else. */
#ifndef BELLTOWER_BATCH_QUERY_H
#define BELLTOWER_BATCH_QUERY_H

#include "base/buf.h"
#include "coredms/coredms.h"
#include "tenants/app/app.h"

#include <stdatomic.h>

#define REPORT_MAX (15 * 1024 * 1024) /* bytes: it must fit into one document of MongoDB */

struct query {
    struct coredms *store;
    const struct app *app; /* of the run's version */
    const struct app_job *job;
    struct run_row *run; /* row_count is set */
    int64_t deadline_mono_ms;
    const atomic_bool *cancel;
};

/* Appends the report to out. ERR_TIMEOUT past the deadline, ERR_CONFLICT when cancelled, ERR_TOO_LARGE, or the store's
 * errors. */
int query_report(struct query *q, struct buf *out, struct err *err) MUSTCHECK;

#endif
