/* The app of a tenant as the platform has it. */
#ifndef BELLTOWER_CLI_REMOTE_APP_H
#define BELLTOWER_CLI_REMOTE_APP_H

#include "cli/client.h"
#include "tenants/app/app.h"

/* The present version; the caller's to free. NULL: see client_call, or ERR_INVALID: this program cannot load it. */
struct app *remote_app(struct client *c, const char *tenant, struct err *err) MUSTCHECK;
/* The app of that tenant from its text. NULL: ERR_INVALID. */
struct app *remote_app_load(const char *tenant, const char *text, size_t len, struct err *err) MUSTCHECK;

#endif
