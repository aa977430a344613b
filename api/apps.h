/* The tenants' apps, loaded once per version and shared by the threads. */
#ifndef BELLTOWER_API_APPS_H
#define BELLTOWER_API_APPS_H

#include "api/api.h"
#include "coredms/coredms.h"
#include "tenants/app/app.h"

struct apps;
struct apps *apps_new(void);
void apps_free(struct apps **a);

/* The present version of a tenant's app; apps_give when done. db: any handle that reads the registry. */
int apps_take(struct apps *a, struct coredms *db, const struct tenant_row *tenant, const struct app **app,
              struct err *err) MUSTCHECK;
void apps_give(struct apps *a, const struct app *app); /* no-op on NULL */

/* A tenant was put back from a backup: the same generation and version may have another text now. */
void apps_forget(struct apps *a, const char *tenant);

const struct app_stream *app_find_stream(const struct app *app, const char *name); /* NULL = none */
const struct app_job *app_find_job(const struct app *app, const char *name);

#endif
