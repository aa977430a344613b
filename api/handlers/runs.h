/* Runs as the API shows them, for several calls. */
#ifndef BELLTOWER_API_HANDLERS_RUNS_H
#define BELLTOWER_API_HANDLERS_RUNS_H

#include "api/request.h"

/* The run of that id, in the batch store or still a request (*requested). ERR_NOT_FOUND. */
int run_find(struct coredms *db, const char *tenant, const char *id, struct run_row *row, bool *requested,
             struct err *err) MUSTCHECK;
void run_write(struct buf *out, const char *tenant, const struct run_row *row, bool requested);
/* The report as the client wants it; it must be there. */
void run_answer_report(struct request *r, struct coredms *db, const struct run_row *row);
static inline bool run_ended(const struct run_row *row)
{
    return row->state != RUN_QUEUED && row->state != RUN_RUNNING;
}

#endif
