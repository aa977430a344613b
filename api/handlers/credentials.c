/* POST /v1/tenants/{tenant}/credentials: provisions the tenant again. Whatever of its broker objects, users and
 * permissions was removed or changed is as it must be; the customer's password is a new one. */
#include "api/handlers/shared.h"
#include "api/routes.h"
#include "api/supervision.h"

#include "base/json.h"
#include "base/log.h"

#define PROVISION_LIMIT_MS 60000

static void provision(struct request *r)
{
    struct err err;
    struct buf credentials = {0};
    if (supervision_provision(r->api->supervision, r->tenant.tenant, r->tenant.generation, PROVISION_CREATE,
                              PROVISION_LIMIT_MS, &credentials, &err) < 0) {
        problem_err(r, &err);
    } else {
        json_w_open(&r->body, '{');
        put_text(&r->body, "tenant", r->tenant.tenant);
        put_broker(r, &credentials);
        json_w_close(&r->body, '}');
        answer_json(r, 200);
        log_info("tenant %s is provisioned again, with a new password", r->tenant.tenant);
    }
    buf_free(&credentials);
}

void handle_tenant_credentials(struct request *r)
{
    if (!supervision_there(r->api->supervision)) {
        problem(r, PROBLEM_UNAVAILABLE, "the API runs without a supervisor (belltowerd), which this needs");
        return;
    }
    if (!lock_tenant(r))
        return;
    if (tenant_is_there(r))
        provision(r);
    unlock_tenant(r);
}
