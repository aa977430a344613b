/* Which tenants' data in the store a call has found damaged or gone: for the status and the metrics, until an operator
 * has resumed, restored or removed the tenant. What a worker finds is in its own last words. Any thread. */
#ifndef BELLTOWER_API_DAMAGE_H
#define BELLTOWER_API_DAMAGE_H

#include "base/err.h"

#include <stdbool.h>

struct damage;
struct damage *damage_new(void);
void damage_free(struct damage **d);

/* The first for a tenant is logged. */
void damage_found(struct damage *d, const char *tenant, const struct err *err);
void damage_mended(struct damage *d, const char *tenant);
/* Its text, free(); NULL: none was found. */
char *damage_text(struct damage *d, const char *tenant);

#endif
