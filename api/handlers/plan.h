/* What an update of the app would do, for `?dry_run=true`. */
#ifndef BELLTOWER_API_HANDLERS_PLAN_H
#define BELLTOWER_API_HANDLERS_PLAN_H

#include "tenants/app/app.h"

/* Appends a JSON array, a row for each stream, trigger, job, and for the rest of the app if it changes: what, name,
 * change, differs, effect. detail: of the stream worker's page; what it does not say is left out of the effects. */
void plan_write(struct buf *out, const struct app *from, const struct app *to, const struct buf *detail);

#endif
