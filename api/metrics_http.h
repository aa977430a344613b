/* How long the API took to answer, by call and status: a Prometheus histogram. */
#ifndef BELLTOWER_API_METRICS_HTTP_H
#define BELLTOWER_API_METRICS_HTTP_H

#include "api/router.h"

struct metrics_http;
struct metrics_http *metrics_http_new(void);
void metrics_http_free(struct metrics_http **m);
void metrics_http_add(struct metrics_http *m, const struct route *route, int status, int64_t us); /* NULL: no route */
void metrics_http_write(struct metrics_http *m, struct buf *out);

#endif
