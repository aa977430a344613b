/* The registry's calls: list, show, remove, pause, resume, a new token. */
#include "api/auth.h"
#include "api/damage.h"
#include "api/handlers/shared.h"
#include "api/handlers/status.h"
#include "api/keeper.h"
#include "api/operations.h"
#include "api/routes.h"
#include "api/stores.h"
#include "api/supervision.h"

#include "base/json.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

/* ---- list and show ---- */

static void write_list(struct request *r, const struct tenant_row *rows, size_t count, size_t limit, const char *after)
{
    struct buf *b = &r->body;
    size_t written = 0;
    const char *next = NULL;
    json_w_open(b, '{');
    json_w_name(b, "tenants");
    json_w_open(b, '[');
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].tenant, after) <= 0)
            continue;
        if (written == limit) {
            next = rows[i - 1].tenant;
            break;
        }
        status_write(r->api, &rows[i], false, b);
        written++;
    }
    json_w_close(b, ']');
    if (next)
        put_text(b, "next", next);
    int64_t unrouted = keeper_unrouted(r->api->keeper);
    json_w_name(b, "unrouted");
    if (unrouted >= 0)
        json_w_int(b, unrouted);
    else
        json_w_null(b);
    json_w_close(b, '}');
    answer_json(r, 200);
}

void handle_tenants_list(struct request *r)
{
    struct err err;
    struct tenant_row *rows;
    size_t count, limit;
    struct buf cursor = {0};
    if (request_limit(r, 1000, 10000, &limit, &err) < 0) {
        problem_err(r, &err);
        return;
    }
    struct coredms *db = take_store(r, false);
    if (!db)
        return;
    request_query(r, "cursor", &cursor);
    int status = registry_list(db, &rows, &count, &err);
    give_store(r, db);
    if (status < 0) {
        problem_err(r, &err);
    } else {
        write_list(r, rows, count, limit, buf_cstr(&cursor));
        for (size_t i = 0; i < count; i++)
            tenant_row_free(&rows[i]);
        free(rows);
    }
    buf_free(&cursor);
}

void handle_tenant_show(struct request *r)
{
    status_write(r->api, &r->tenant, true, &r->body);
    answer_json(r, 200);
}

/* ---- removal ---- */

static void remove_locked(struct request *r, bool keep_data)
{
    struct err err;
    struct coredms *db = take_store(r, false);
    if (!db)
        return;
    int status = registry_set_state(db, r->tenant.tenant, TENANT_REMOVING, keep_data, &err);
    give_store(r, db);
    if (status < 0) {
        problem_err(r, &err);
        return;
    }
    r->tenant.state = TENANT_REMOVING;
    r->tenant.keep_data = keep_data;
    if (operation_remove(r->api, &r->tenant, &err) == 0) {
        answer(r, 204, NULL);
        return;
    }
    log_warn("removing %s goes on: %s", r->tenant.tenant, err.text);
    json_w_open(&r->body, '{');
    put_text(&r->body, "tenant", r->tenant.tenant);
    put_text(&r->body, "state", "removing");
    put_text(&r->body, "detail", err.text);
    json_w_close(&r->body, '}');
    answer_json(r, 202);
}

void handle_tenant_remove(struct request *r)
{
    struct err err;
    bool keep_data;
    if (request_flag(r, "keep_data", &keep_data, &err) < 0) {
        problem_err(r, &err);
        return;
    }
    if (!supervision_there(r->api->supervision)) {
        problem(r, PROBLEM_UNAVAILABLE, "the API runs without a supervisor (belltowerd), which removing needs");
        return;
    }
    if (!lock_tenant(r))
        return;
    remove_locked(r, keep_data);
    unlock_tenant(r);
}

/* ---- pause and resume ---- */

/* What an operator says with a resume. */
struct words {
    bool skip; /* what is lost of the log is passed over */
    bool anew; /* what is missing of its data is begun anew */
};

static bool has_ended(const struct request *r, enum role role)
{
    struct worker_view view;
    supervision_view(r->api->supervision, r->tenant.tenant, role, &view, NULL);
    return view.pid == 0;
}

/* *begun as of coredms_begin. */
static int begin_anew(struct request *r, unsigned *begun, struct err *err)
{
    const struct tenant_row *t = &r->tenant;
    if (t->state != TENANT_PAUSED || !has_ended(r, ROLE_STREAM) || !has_ended(r, ROLE_BATCH))
        return err_set(err, ERR_CONFLICT, "tenant %s %s: pause it, and begin its data anew when its workers have ended",
                       t->tenant, t->state == TENANT_PAUSED ? "is still at work" : "is not paused");
    if (coredms_begin(r->api->settings.coredms, t->tenant, t->generation, begun, err) < 0)
        return -1;
    if (*begun & COREDMS_WRITES_STREAM)
        log_warn("by an operator's word the checkpoint of %s is begun anew", t->tenant);
    if (*begun & COREDMS_WRITES_BATCH)
        log_warn("by an operator's word the history of %s is begun anew", t->tenant);
    stores_forget(r->api->stores, t->tenant);
    return 0;
}

static int set_state(struct request *r, struct coredms *db, enum tenant_state state, bool skip, struct err *err)
{
    if (registry_set_state(db, r->tenant.tenant, state, false, err) < 0)
        return -1;
    r->tenant.state = state;
    if (state == TENANT_RUNNING)
        damage_mended(r->api->damage, r->tenant.tenant); /* as the operator says */
    /* the word to skip comes before the start that it is for */
    if (state == TENANT_RUNNING && supervision_retry(r->api->supervision, r->tenant.tenant, skip, err) < 0)
        return -1;
    return operation_want(r->api, &r->tenant, err);
}

/* Written into the tenant's state, which is in b. */
static void put_begun(struct buf *b, unsigned begun)
{
    b->len--; /* the closing brace */
    json_w_name(b, "begun");
    json_w_open(b, '[');
    if (begun & COREDMS_WRITES_STREAM)
        json_w_str(b, "checkpoint");
    if (begun & COREDMS_WRITES_BATCH)
        json_w_str(b, "history");
    json_w_close(b, ']');
    json_w_close(b, '}');
}

static void change_state(struct request *r, enum tenant_state state, const struct words *words)
{
    struct err err;
    unsigned begun = 0;
    if (!supervision_there(r->api->supervision)) {
        problem(r, PROBLEM_UNAVAILABLE, "the API runs without a supervisor (belltowerd), which this needs");
        return;
    }
    if (!lock_tenant(r))
        return;
    struct coredms *db = tenant_is_there(r) ? take_store(r, false) : NULL;
    if (db) {
        int status = words->anew ? begin_anew(r, &begun, &err) : 0;
        if (status == 0)
            status = set_state(r, db, state, words->skip, &err);
        give_store(r, db);
        if (status < 0) {
            problem_err(r, &err);
        } else {
            status_write(r->api, &r->tenant, false, &r->body);
            if (words->anew)
                put_begun(&r->body, begun);
            answer_json(r, 200);
        }
    }
    unlock_tenant(r);
}

void handle_tenant_pause(struct request *r)
{
    change_state(r, TENANT_PAUSED, &(struct words){0});
}

void handle_tenant_resume(struct request *r)
{
    struct err err;
    struct words words;
    if (request_flag(r, "skip", &words.skip, &err) < 0 || request_flag(r, "anew", &words.anew, &err) < 0)
        problem_err(r, &err);
    else
        change_state(r, TENANT_RUNNING, &words);
}

/* ---- token ---- */

void handle_tenant_token(struct request *r)
{
    char token[TOKEN_SIZE], hash[TOKEN_HASH_SIZE];
    struct err err;
    struct coredms *db = tenant_is_there(r) ? take_store(r, false) : NULL;
    if (!db)
        return;
    token_make(token);
    token_hash(token, strlen(token), hash);
    int status = registry_set_token(db, r->tenant.tenant, hash, &err);
    give_store(r, db);
    if (status < 0) {
        problem_err(r, &err);
        return;
    }
    json_w_open(&r->body, '{');
    put_text(&r->body, "tenant", r->tenant.tenant);
    put_text(&r->body, "token", token);
    json_w_close(&r->body, '}');
    answer_json(r, 200);
}
