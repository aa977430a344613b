#include "api/handlers/shared.h"
#include "api/handlers/status.h"
#include "api/keeper.h"
#include "api/stores.h"

#include "base/json.h"
#include "base/time_format.h"

#include <stdlib.h>
#include <string.h>

#define LOCK_MS 10000

struct coredms *take_store(struct request *r, bool of_tenant)
{
    struct coredms *db;
    struct err err;
    if (stores_take(r->api->stores, of_tenant ? r->tenant.tenant : NULL, &db, &err) == 0)
        return db;
    problem_err(r, &err);
    return NULL;
}

void give_store(struct request *r, struct coredms *db)
{
    if (db)
        stores_give(r->api->stores, db);
}

/* ---- bodies ---- */

static bool type_is(const char *type, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(type, *list) == 0)
            return true;
    return false;
}

static bool read_app_text(struct request *r, struct buf *text)
{
    static const char *const forms[] = {"application/x-www-form-urlencoded", "multipart/form-data", "application/json",
                                        "text/csv", NULL};
    char type[80];
    struct err err;
    request_content_type(r, type);
    if (type_is(type, forms)) {
        problem(r, PROBLEM_UNSUPPORTED_TYPE,
                "the body is the app file as it is: Content-Type application/yaml (curl -H 'Content-Type: "
                "application/yaml' --data-binary @app.yaml), not %s",
                type);
        return false;
    }
    if (request_read_all(r, APP_MAX_BYTES, text, &err) == 0)
        return true;
    if (err.code == ERR_TOO_LARGE)
        problem(r, PROBLEM_TOO_LARGE, "an app file is at most %d KiB", APP_MAX_BYTES / 1024);
    else
        problem_err(r, &err);
    return false;
}

struct app *read_app(struct request *r, const char *tenant, struct buf *warnings)
{
    struct buf text = {0};
    struct app_diags diags;
    if (!read_app_text(r, &text)) {
        buf_free(&text);
        return NULL;
    }
    struct app *app = app_load(text.data ? text.data : "", text.len, tenant, &diags);
    buf_clear(warnings);
    app_diags_json(&diags, "app.yaml", warnings);
    if (!app)
        problem_errors(r, PROBLEM_INVALID_APP, diags.parsed ? 422 : 400, warnings->data, warnings->len,
                       "%zu mistakes; the first: line %u: %s", diags.errors, diags.list[0].line, diags.list[0].message);
    app_diags_free(&diags);
    buf_free(&text);
    return app;
}

static bool only_members(struct request *r, const struct buf *object, const char *const *members)
{
    struct json j = json_begin(object->data, object->len);
    bool first = true;
    const char *name, *value;
    size_t len;
    json_enter(&j, '{');
    while (json_next(&j, &first, &name, &len)) {
        const char *const *m = members;
        while (*m && !json_name_is(name, len, *m))
            m++;
        if (!*m) {
            problem(r, PROBLEM_INVALID_REQUEST, "the body has no member %.*s", len < 100 ? (int)len : 100, name);
            return false;
        }
        if (!json_skip(&j, &value))
            break;
    }
    return true;
}

bool read_object(struct request *r, const char *const *members, struct buf *out)
{
    struct err err;
    const char *why = "it is no object";
    if (request_read_all(r, REQUEST_BODY_MAX, out, &err) < 0) {
        problem_err(r, &err);
        return false;
    }
    struct json j = json_begin(out->data, out->len);
    if (json_peek(&j) == JSON_END) {
        buf_clear(out);
        buf_add_str(out, "{}");
        return true;
    }
    if (json_peek(&j) != JSON_OBJECT || !json_valid(out->data, out->len, &why)) {
        problem(r, PROBLEM_INVALID_REQUEST, "the body must be one JSON object: %s", why);
        return false;
    }
    return only_members(r, out, members);
}

/* ---- broker credentials ---- */

void put_broker(struct request *r, const struct buf *credentials)
{
    static const char *const members[] = {"user", "password", "vhost", "exchange", "worker"};
    const char *value;
    size_t len;
    json_w_name(&r->body, "broker");
    json_w_open(&r->body, '{');
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (json_find(credentials->data, credentials->len, members[i], &value, &len) != JSON_STRING)
            continue;
        json_w_name(&r->body, members[i]);
        json_w_raw(&r->body, value, len);
    }
    put_text(&r->body, "address", r->api->settings.broker);
    json_w_close(&r->body, '}');
}

/* ---- the tenant ---- */

bool tenant_is_there(struct request *r)
{
    if (r->tenant.state == TENANT_RUNNING || r->tenant.state == TENANT_PAUSED)
        return true;
    problem(r, PROBLEM_CONFLICT, "tenant %s is %s", r->tenant.tenant,
            r->tenant.state == TENANT_CREATING ? "not made yet: onboard it again" : "being removed");
    return false;
}

bool lock_tenant(struct request *r)
{
    struct err err;
    struct tenant_row fresh;
    if (!keeper_lock(r->api->keeper, r->tenant.tenant, LOCK_MS)) {
        problem(r, PROBLEM_CONFLICT, "tenant %s is being changed by another call: try again", r->tenant.tenant);
        return false;
    }
    struct coredms *db = take_store(r, false);
    int status = db ? registry_get(db, r->tenant.tenant, &fresh, &err) : -1;
    give_store(r, db);
    if (status == 0) {
        tenant_row_free(&r->tenant);
        r->tenant = fresh;
        return true;
    }
    if (db)
        problem_err(r, &err);
    unlock_tenant(r);
    return false;
}

void unlock_tenant(struct request *r)
{
    keeper_unlock(r->api->keeper, r->tenant.tenant);
}

/* ---- times ---- */

int parse_time(const char *what, const char *text, size_t len, int64_t *ms, struct err *err)
{
    if (time_parse_rfc3339(text, len, ms))
        return 0;
    return err_set(err, ERR_INVALID, "%s: \"%.*s\" is no time of RFC 3339 like 2026-01-01T00:00:00Z", what,
                   len < 60 ? (int)len : 60, text);
}

int query_time(const struct request *r, const char *name, int64_t *ms, struct err *err)
{
    struct buf text = {0};
    int status = 0;
    if (request_query(r, name, &text)) {
        for (size_t i = 0; i < text.len; i++) /* an offset's + that nobody encoded */
            if (text.data[i] == ' ')
                text.data[i] = '+';
        status = parse_time(name, text.data, text.len, ms, err);
    }
    buf_free(&text);
    return status;
}

struct app *present_app(struct request *r)
{
    struct err err;
    struct app_diags diags;
    char *text;
    size_t len;
    uint32_t version;
    struct coredms *db = take_store(r, false);
    if (!db)
        return NULL;
    int status = registry_get_app(db, r->tenant.tenant, 0, &text, &len, &version, &err);
    give_store(r, db);
    if (status < 0) {
        problem_err(r, &err);
        return NULL;
    }
    struct app *app = app_load(text, len, r->tenant.tenant, &diags);
    app_diags_free(&diags);
    free(text);
    if (!app)
        problem(r, PROBLEM_INTERNAL, "version %u of the app, which is in effect, does not load", version);
    return app;
}
