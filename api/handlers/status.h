/* The status of a tenant as JSON, for several calls. */
#ifndef BELLTOWER_API_HANDLERS_STATUS_H
#define BELLTOWER_API_HANDLERS_STATUS_H

#include "api/request.h"

/* One object: names, states, workers, lag, watermark. full: with counters, streams, triggers, jobs, dead letters. */
void status_write(struct api *api, const struct tenant_row *t, bool full, struct buf *out);
const char *tenant_state_name(enum tenant_state state);

#endif
