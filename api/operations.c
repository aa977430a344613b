#include "api/operations.h"
#include "api/damage.h"
#include "api/publisher.h"
#include "api/stores.h"
#include "api/supervision.h"

#include "base/json.h"
#include "base/log.h"
#include "base/wire/control.h"
#include "base/wire/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GONE_LIMIT_MS      40000 /* a worker drains within DRAIN_MS, then it is killed */
#define PROVISION_LIMIT_MS 60000

int operation_want(struct api *api, const struct tenant_row *t, struct err *err)
{
    static const enum want wants[] = {[TENANT_CREATING] = WANT_REMOVED,
                                      [TENANT_RUNNING] = WANT_RUNNING,
                                      [TENANT_PAUSED] = WANT_PAUSED,
                                      [TENANT_REMOVING] = WANT_REMOVED};
    return supervision_want(api->supervision, t->tenant, wants[t->state], t->generation, t->version, err);
}

int operation_control(struct api *api, const char *tenant, const char *type, const char *body, size_t len,
                      struct err *err)
{
    char queue[NAME_SIZE], id[CONTROL_ID_SIZE];
    control_id(type, strlen(type), body, len, id);
    const struct publish_message m = {.exchange = EXCHANGE_DEFAULT,
                                      .key = name_queue(queue, EXCHANGE_EVENTS, tenant),
                                      .message_id = id,
                                      .type = type,
                                      .content_type = "application/json",
                                      .body = body,
                                      .len = len};
    return publish_one(api->publisher, &m, err);
}

/* ---- app versions ---- */

static int publish_version(struct api *api, const char *tenant, uint32_t version, const char *text, size_t len,
                           struct err *err)
{
    struct buf body = {0};
    json_w_open(&body, '{');
    json_w_name(&body, "version");
    json_w_uint(&body, version);
    json_w_name(&body, "app");
    json_w_string(&body, text, len);
    json_w_close(&body, '}');
    int status = operation_control(api, tenant, CONTROL_VERSION, body.data, body.len, err);
    buf_free(&body);
    return status;
}

static int publish_versions(struct api *api, struct coredms *db, const char *tenant, struct err *err)
{
    for (;;) {
        uint32_t version, found;
        char *text;
        size_t len;
        if (registry_app_unpublished(db, tenant, &version, err) < 0)
            return -1;
        if (version == 0)
            return 0;
        if (registry_get_app(db, tenant, version, &text, &len, &found, err) < 0)
            return -1;
        int status = publish_version(api, tenant, version, text, len, err);
        free(text);
        if (status < 0 || registry_app_published(db, tenant, version, err) < 0)
            return -1;
        log_info("version %u of the app of %s is in its log", version, tenant);
    }
}

int operation_publish_versions(struct api *api, const char *tenant, struct err *err)
{
    struct coredms *db;
    if (stores_take(api->stores, NULL, &db, err) < 0)
        return -1;
    int status = publish_versions(api, db, tenant, err);
    stores_give(api->stores, db);
    return status;
}

/* ---- rewinds ---- */

int operation_publish_rewind(struct api *api, const struct tenant_row *t, struct err *err)
{
    char body[64];
    struct coredms *db;
    if (t->rewind.generation != t->generation || t->rewind.published)
        return 0;
    int len = snprintf(body, sizeof body, "{\"generation\":%" PRIu64 "}", t->generation);
    if (operation_control(api, t->tenant, CONTROL_REWIND, body, (size_t)len, err) < 0 ||
        stores_take(api->stores, NULL, &db, err) < 0)
        return -1;
    int status = registry_rewind_published(db, t->tenant, t->generation, err);
    stores_give(api->stores, db);
    return status;
}

/* ---- runs ---- */

int operation_publish_request(struct api *api, const char *tenant, const struct run_row *request, struct err *err)
{
    char key[300];
    snprintf(key, sizeof key, "%s.%s", tenant, request->job);
    const struct publish_message m = {.exchange = EXCHANGE_TRIGGERS,
                                      .key = key,
                                      .message_id = request->id,
                                      .content_type = "application/json",
                                      .body = request->request,
                                      .len = strlen(request->request)};
    return publish_one(api->publisher, &m, err);
}

/* ---- removal ---- */

static int remove_data(struct api *api, const struct tenant_row *t, struct err *err)
{
    struct coredms *db;
    stores_forget(api->stores, t->tenant);
    if (stores_take(api->stores, NULL, &db, err) < 0)
        return -1;
    int status = t->keep_data ? 0 : coredms_purge(db, t->tenant, err);
    if (status == 0)
        status = registry_drop(db, t->tenant, err);
    stores_give(api->stores, db);
    return status;
}

int operation_remove(struct api *api, const struct tenant_row *t, struct err *err)
{
    struct buf text = {0};
    enum provision what = t->keep_data ? PROVISION_REMOVE_KEEP_DATA : PROVISION_REMOVE;
    int status = supervision_remove(api->supervision, t->tenant, t->generation, t->version, GONE_LIMIT_MS, err) < 0 ||
                         supervision_provision(api->supervision, t->tenant, t->generation, what, PROVISION_LIMIT_MS,
                                               &text, err) < 0 ||
                         remove_data(api, t, err) < 0
                     ? -1
                     : 0;
    buf_free(&text);
    if (status < 0)
        return -1;
    supervision_forget(api->supervision, t->tenant);
    damage_mended(api->damage, t->tenant);
    log_info("tenant %s is removed%s", t->tenant, t->keep_data ? ", its data is kept" : "");
    return 0;
}
