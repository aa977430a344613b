/* What takes several steps across registry, supervisor and broker, and must be finished later if it is broken off: done
 * by the handlers, gone on with by the keeper. Each holds the tenant's lock (keeper.h) meanwhile. */
#ifndef BELLTOWER_API_OPERATIONS_H
#define BELLTOWER_API_OPERATIONS_H

#include "api/api.h"
#include "coredms/coredms.h"

/* Tells the supervisor what is wanted of a tenant in this state. */
int operation_want(struct api *api, const struct tenant_row *t, struct err *err) MUSTCHECK;
/* Publishes the versions of the app that are not known to be in the log, in order. */
int operation_publish_versions(struct api *api, const char *tenant, struct err *err) MUSTCHECK;
/* Publishes the control message of the tenant's rewind, if it is not known to be in the log. */
int operation_publish_rewind(struct api *api, const struct tenant_row *t, struct err *err) MUSTCHECK;
/* Publishes a requested run for the batch worker. */
int operation_publish_request(struct api *api, const char *tenant, const struct run_row *request,
                              struct err *err) MUSTCHECK;
/* Publishes a control message into the tenant's log. type: CONTROL_*. */
int operation_control(struct api *api, const char *tenant, const char *type, const char *body, size_t len,
                      struct err *err) MUSTCHECK;
/* Ends a tenant in state TENANT_REMOVING. ERR_TIMEOUT: not yet, call again. */
int operation_remove(struct api *api, const struct tenant_row *t, struct err *err) MUSTCHECK;

#endif
