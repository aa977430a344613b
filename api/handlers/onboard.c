/* POST /v1/tenants: registry, broker objects and users, workers. */
#include "api/auth.h"
#include "api/handlers/shared.h"
#include "api/handlers/status.h"
#include "api/keeper.h"
#include "api/operations.h"
#include "api/routes.h"
#include "api/stores.h"
#include "api/supervision.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

#define PROVISION_LIMIT_MS 60000
#define LOCK_MS            10000

static void answer_valid(struct request *r, const struct app *app, const struct buf *warnings)
{
    json_w_open(&r->body, '{');
    put_bool(&r->body, "valid", true);
    put_text(&r->body, "tenant", app->tenant);
    json_w_name(&r->body, "warnings");
    json_w_raw(&r->body, warnings->data, warnings->len);
    json_w_close(&r->body, '}');
    answer_json(r, 200);
}

/* ---- the registry ---- */

/* What is left of an attempt that failed half-way makes room for the next. */
static int clear_half(struct coredms *db, const char *tenant, struct err *err)
{
    struct tenant_row row;
    if (registry_get(db, tenant, &row, err) < 0)
        return err->code == ERR_NOT_FOUND ? 0 : -1;
    bool half = row.state == TENANT_CREATING;
    const char *state = tenant_state_name(row.state);
    tenant_row_free(&row);
    if (!half)
        return err_set(err, ERR_EXISTS, "tenant %s is there already (%s); PUT /v1/tenants/%s/app changes its app",
                       tenant, state, tenant);
    return registry_drop(db, tenant, err);
}

static int foreign(const char *tenant, uint64_t found, struct err *err)
{
    return err_set(
        err, ERR_EXISTS,
        "there is data of a tenant %s already, of generation %llu, which this registry does not know (it was "
        "lost, or is an older one): put the right registry back, restore from a backup, or move the data "
        "(SQLite: the directory tenants/%s) away; see docs/operations.md",
        tenant, (unsigned long long)found, tenant);
}

/* A tenant's history is begun before its checkpoint: a checkpoint alone is what is left of kept data. */
static int half_kept(const char *tenant, struct err *err)
{
    return err_set(err, ERR_CONFLICT,
                   "of the data that was kept of tenant %s the history (SQLite: tenants/%s/batch.db) is gone: put it "
                   "back, or move what is left (SQLite: the directory tenants/%s) away, to restore from a backup or to "
                   "begin without it; see docs/operations.md",
                   tenant, tenant, tenant);
}

/* Data of the name that a removal has kept is of generations that the registry knows. Else it is not the registry that
 * the data belongs to: it would be taken for the new tenant's, and what it says of the log with it. */
static int check_kept(const struct request *r, struct coredms *registry, const char *tenant, struct err *err)
{
    struct coredms *db;
    struct checkpoint_head head = {0};
    struct source source = {0};
    uint64_t known;
    if (registry_generation(registry, tenant, &known, err) < 0 ||
        coredms_open(r->api->settings.coredms, tenant, COREDMS_READS, &db, err) < 0)
        return -1;
    int status = checkpoint_head(db, &head, err);
    if (status == 0 || err->code == ERR_NOT_FOUND)
        status = history_source(db, &source, err);
    coredms_close(&db);
    uint64_t found = head.generation > source.generation ? head.generation : source.generation;
    bool half = head.epoch > 0 && source.epoch == 0;
    checkpoint_head_free(&head);
    if (status < 0)
        return -1;
    if (found > known)
        return foreign(tenant, found, err);
    return half ? half_kept(tenant, err) : 0;
}

static int add_row(const struct request *r, struct coredms *db, const struct app *app, const char *hash,
                   struct tenant_row *row, struct err *err)
{
    if (clear_half(db, app->tenant, err) < 0 || check_kept(r, db, app->tenant, err) < 0)
        return -1;
    int64_t now = clock_wall_ms();
    *row = (struct tenant_row){.tenant = mem_strdup(app->tenant),
                               .title = mem_strdup(app->title),
                               .state = TENANT_CREATING,
                               .token_hash = mem_strdup(hash),
                               .created_ms = now,
                               .changed_ms = now};
    return registry_add(db, row, app->text, app->text_len, err);
}

/* ---- its data ---- */

/* Before it is TENANT_RUNNING, so that its workers know that what is missing then was lost. *fresh: it had no data. */
static int begin_data(struct request *r, const struct tenant_row *row, bool *fresh, struct err *err)
{
    unsigned begun;
    if (coredms_begin(r->api->settings.coredms, row->tenant, row->generation, &begun, err) < 0)
        return -1;
    *fresh = begun == (COREDMS_WRITES_STREAM | COREDMS_WRITES_BATCH);
    return 0;
}

static int add_tenant(struct request *r, const struct app *app, const char *hash, struct tenant_row *row, bool *fresh,
                      struct err *err)
{
    struct err later;
    struct coredms *db;
    if (stores_take(r->api->stores, NULL, &db, err) < 0)
        return -1;
    int status = add_row(r, db, app, hash, row, err);
    if (status == 0 && (status = begin_data(r, row, fresh, err)) < 0 && registry_drop(db, row->tenant, &later) < 0)
        log_warn("%s", later.text);
    stores_give(r->api->stores, db);
    return status;
}

/* ---- the broker ---- */

/* After a failure: if removing goes through, nothing is left at the broker, and the row goes too. Else it stays, and
 * the same call tries again. */
static void undo(struct request *r, const struct tenant_row *row, bool fresh)
{
    struct buf text = {0};
    struct err err;
    struct coredms *db = NULL;
    if (supervision_provision(r->api->supervision, row->tenant, row->generation, PROVISION_REMOVE, PROVISION_LIMIT_MS,
                              &text, &err) == 0 &&
        stores_take(r->api->stores, NULL, &db, &err) == 0) {
        if (registry_set_state(db, row->tenant, TENANT_REMOVING, true, &err) < 0 ||
            (fresh && coredms_purge(db, row->tenant, &err) < 0) || registry_drop(db, row->tenant, &err) < 0)
            log_warn("%s", err.text);
        stores_give(r->api->stores, db);
    }
    buf_free(&text);
}

static int set_running(struct request *r, struct tenant_row *row, struct err *err)
{
    struct coredms *db;
    if (stores_take(r->api->stores, NULL, &db, err) < 0)
        return -1;
    int status = registry_set_state(db, row->tenant, TENANT_RUNNING, false, err);
    stores_give(r->api->stores, db);
    row->state = TENANT_RUNNING;
    return status == 0 ? operation_want(r->api, row, err) : -1;
}

static void answer_created(struct request *r, const struct tenant_row *row, const char *token,
                           const struct buf *credentials, const struct buf *warnings)
{
    json_w_open(&r->body, '{');
    put_text(&r->body, "tenant", row->tenant);
    put_text(&r->body, "title", row->title);
    put_text(&r->body, "state", "running");
    put_number(&r->body, "generation", (int64_t)row->generation);
    put_number(&r->body, "version", 1);
    put_text(&r->body, "token", token);
    put_broker(r, credentials);
    json_w_name(&r->body, "warnings");
    json_w_raw(&r->body, warnings->data, warnings->len);
    json_w_close(&r->body, '}');
    answer_header(r, "Location", "/v1/tenants/%s", row->tenant);
    answer_header(r, "ETag", "\"1\"");
    answer_json(r, 201);
}

static void onboard(struct request *r, const struct app *app, const struct buf *warnings)
{
    char token[TOKEN_SIZE], hash[TOKEN_HASH_SIZE];
    struct tenant_row row = {0};
    struct buf credentials = {0};
    struct err err;
    bool fresh = false;
    token_make(token);
    token_hash(token, strlen(token), hash);
    int status = add_tenant(r, app, hash, &row, &fresh, &err);
    if (status < 0) {
        problem_err(r, &err);
        tenant_row_free(&row);
        return;
    }
    status = supervision_provision(r->api->supervision, row.tenant, row.generation, PROVISION_CREATE,
                                   PROVISION_LIMIT_MS, &credentials, &err);
    if (status < 0 && err.code != ERR_TIMEOUT)
        undo(r, &row, fresh);
    if (status == 0)
        status = set_running(r, &row, &err);
    if (status == 0)
        answer_created(r, &row, token, &credentials, warnings);
    else
        problem(r, PROBLEM_UNAVAILABLE, "tenant %s could not be made: %s; the same call tries again", row.tenant,
                err.text);
    if (status == 0)
        log_info("tenant %s is onboarded, generation %llu", row.tenant, (unsigned long long)row.generation);
    tenant_row_free(&row);
    buf_free(&credentials);
}

void handle_tenants_add(struct request *r)
{
    struct err err;
    struct buf warnings = {0};
    bool dry_run;
    if (request_flag(r, "dry_run", &dry_run, &err) < 0) {
        problem_err(r, &err);
        return;
    }
    struct app *app = read_app(r, NULL, &warnings);
    if (app && dry_run)
        answer_valid(r, app, &warnings);
    else if (app && !supervision_there(r->api->supervision))
        problem(r, PROBLEM_UNAVAILABLE, "the API runs without a supervisor (belltowerd), which onboarding needs");
    else if (app && !keeper_lock(r->api->keeper, app->tenant, LOCK_MS))
        problem(r, PROBLEM_CONFLICT, "tenant %s is being changed by another call: try again", app->tenant);
    else if (app) {
        onboard(r, app, &warnings);
        keeper_unlock(r->api->keeper, app->tenant);
    }
    app_free(&app);
    buf_free(&warnings);
}
