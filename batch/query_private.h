/* Shared by query.c (pushed down) and query_scan.c (computed here). */
#ifndef BELLTOWER_BATCH_QUERY_PRIVATE_H
#define BELLTOWER_BATCH_QUERY_PRIVATE_H

#include "batch/query.h"

struct query_rows {
    struct query *q;
    const char *time_period;
    struct buf *out; /* a JSON array being written */
    struct err *err;
    bool failed;
    struct value *slots; /* of one group: keys, then aggregates */
    struct arena scratch;
};

/* One row of the report: the keys' values, then the aggregates'. false once it failed (*rows->err says why). */
bool query_add_row(struct query_rows *rows, const struct value *keys, const struct value *aggs);
/* Cancelled or past the deadline: false, and rows->failed. */
bool query_may_go_on(struct query_rows *rows);
struct history_filter query_filter(const struct query *q);
/* The groups computed here, from every stored result of the range. */
int query_scan(struct query_rows *rows, struct err *err) MUSTCHECK;

#endif
