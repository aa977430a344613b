/* The app file: show and replace. */
#include "api/handlers/plan.h"
#include "api/handlers/shared.h"
#include "api/keeper.h"
#include "api/operations.h"
#include "api/routes.h"
#include "api/supervision.h"

#include "base/json.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- ETags ---- */

/* Whether a list like "1", W/"2" or * names the version. */
static bool etag_matches(const char *list, uint32_t version)
{
    char etag[24];
    snprintf(etag, sizeof etag, "\"%u\"", version);
    return strcmp(list, "*") == 0 || strstr(list, etag) != NULL;
}

/* ---- show ---- */

static int wanted_version(struct request *r, uint32_t *version, struct err *err)
{
    struct buf text = {0};
    int status = 0;
    *version = 0;
    if (request_query(r, "version", &text)) {
        bool number = text.len && text.len < 10 && strspn(text.data, "0123456789") == text.len;
        *version = number ? (uint32_t)strtoul(text.data, NULL, 10) : 0;
        status = *version ? 0 : err_set(err, ERR_INVALID, "?version: a number from 1");
    }
    buf_free(&text);
    return status;
}

void handle_app_show(struct request *r)
{
    struct err err;
    char *text;
    size_t len;
    uint32_t version;
    const char *known = request_header(r, "If-None-Match");
    if (wanted_version(r, &version, &err) < 0) {
        problem_err(r, &err);
        return;
    }
    struct coredms *db = take_store(r, false);
    if (!db)
        return;
    int status = registry_get_app(db, r->tenant.tenant, version, &text, &len, &version, &err);
    give_store(r, db);
    if (status < 0) {
        problem_err(r, &err);
        return;
    }
    answer_header(r, "ETag", "\"%u\"", version);
    if (known && etag_matches(known, version)) {
        answer(r, 304, NULL);
    } else {
        buf_add(&r->body, text, len);
        answer(r, 200, "application/yaml");
    }
    free(text);
}

/* ---- replace ---- */

static void answer_version(struct request *r, bool changed, bool published, const struct buf *warnings)
{
    json_w_open(&r->body, '{');
    put_text(&r->body, "tenant", r->tenant.tenant);
    put_number(&r->body, "version", r->tenant.version);
    put_bool(&r->body, "changed", changed);
    put_bool(&r->body, "published", published);
    json_w_name(&r->body, "warnings");
    json_w_raw(&r->body, warnings->data, warnings->len);
    json_w_close(&r->body, '}');
    answer_header(r, "ETag", "\"%u\"", r->tenant.version);
    answer_json(r, published ? 200 : 202);
}

/* 1: it is the present text; 0: another. */
static int same_text(struct request *r, struct coredms *db, const struct app *app, struct err *err)
{
    char *text;
    size_t len;
    uint32_t version;
    if (registry_get_app(db, r->tenant.tenant, 0, &text, &len, &version, err) < 0)
        return -1;
    bool same = len == app->text_len && memcmp(text, app->text, len) == 0;
    free(text);
    return same;
}

/* A version that is kept goes into the log now, or when the broker is back; the workers hear of it in any case. */
static bool publish(struct request *r)
{
    struct err err;
    bool published = operation_publish_versions(r->api, r->tenant.tenant, &err) == 0;
    if (!published)
        log_warn("version %u of the app of %s waits: %s", r->tenant.version, r->tenant.tenant, err.text);
    if (supervision_there(r->api->supervision) && operation_want(r->api, &r->tenant, &err) < 0)
        log_warn("%s", err.text);
    return published;
}

static void replace(struct request *r, const struct app *app, const struct buf *warnings)
{
    struct err err;
    uint32_t version = r->tenant.version;
    struct coredms *db = take_store(r, false);
    if (!db)
        return;
    int same = same_text(r, db, app, &err), status = same < 0 ? -1 : 0;
    if (same == 0)
        status = registry_add_app(db, r->tenant.tenant, r->tenant.version, app->title, app->text, app->text_len,
                                  &version, &err);
    give_store(r, db);
    if (status < 0) {
        problem_err(r, &err);
        return;
    }
    r->tenant.version = version;
    answer_version(r, same == 0, publish(r), warnings);
}

static bool precondition_holds(struct request *r)
{
    const char *wanted = request_header(r, "If-Match");
    if (!wanted || etag_matches(wanted, r->tenant.version))
        return true;
    answer_header(r, "ETag", "\"%u\"", r->tenant.version);
    problem(r, PROBLEM_PRECONDITION_FAILED, "the app has version %u now, If-Match says %.40s", r->tenant.version,
            wanted);
    return false;
}

static void answer_valid(struct request *r, const struct app *app, const struct buf *warnings)
{
    struct worker_view view;
    struct buf detail = {0};
    struct app *present = present_app(r);
    if (!present)
        return;
    supervision_view(r->api->supervision, r->tenant.tenant, ROLE_STREAM, &view, &detail);
    json_w_open(&r->body, '{');
    put_bool(&r->body, "valid", true);
    put_text(&r->body, "tenant", r->tenant.tenant);
    put_number(&r->body, "version", r->tenant.version);
    json_w_name(&r->body, "warnings");
    json_w_raw(&r->body, warnings->data, warnings->len);
    json_w_name(&r->body, "plan");
    plan_write(&r->body, present, app, &detail);
    json_w_close(&r->body, '}');
    answer_json(r, 200);
    buf_free(&detail);
    app_free(&present);
}

void handle_app_put(struct request *r)
{
    struct err err;
    struct buf warnings = {0};
    bool dry_run;
    if (request_flag(r, "dry_run", &dry_run, &err) < 0) {
        problem_err(r, &err);
        return;
    }
    struct app *app = read_app(r, r->tenant.tenant, &warnings);
    if (app && dry_run) {
        if (precondition_holds(r))
            answer_valid(r, app, &warnings);
    } else if (app && lock_tenant(r)) {
        if (tenant_is_there(r) && precondition_holds(r))
            replace(r, app, &warnings);
        unlock_tenant(r);
    }
    app_free(&app);
    buf_free(&warnings);
}
