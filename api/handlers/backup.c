/* Backups, sent as they are read. */
#include "api/answer_stream.h"
#include "api/apps.h"
#include "api/backup/save.h"
#include "api/handlers/shared.h"
#include "api/keeper.h"
#include "api/routes.h"
#include "api/stores.h"

#include "base/log.h"

#include <stdlib.h>

#define LOCK_MS 10000

/* The head of the answer goes out with the first bytes: until then a problem can be told. */
static int send_on(void *context, const void *p, size_t len, struct err *err)
{
    struct request *r = context;
    if (atomic_load(&r->api->draining))
        return err_set(err, ERR_UNAVAILABLE, "the server is stopping");
    if (!r->streamed && stream_begin(r, "application/x-ndjson", err) < 0)
        return -1;
    return stream_add(r, p, len, err);
}

static int save_history(struct request *r, struct backup_out *out, struct coredms *db, const struct tenant_row *row,
                        struct err *err)
{
    const struct app *app;
    if (apps_take(r->api->apps, db, row, &app, err) < 0)
        return -1;
    int status = backup_history(out, db, row, app, err);
    apps_give(r->api->apps, app);
    return status;
}

/* Nobody rewinds, updates or removes it while its registry row and its checkpoint are read. */
static int save_state(struct request *r, struct backup_out *out, struct coredms *db, const char *tenant,
                      struct tenant_row *row, struct err *err)
{
    if (!keeper_lock(r->api->keeper, tenant, LOCK_MS))
        return err_set(err, ERR_UNAVAILABLE, "tenant %s is being changed by another call: try again", tenant);
    int status = backup_state(out, db, tenant, row, err);
    keeper_unlock(r->api->keeper, tenant);
    return status;
}

static int save_tenant(struct request *r, struct backup_out *out, const char *tenant, struct err *err)
{
    struct coredms *db;
    struct tenant_row row;
    if (stores_take(r->api->stores, tenant, &db, err) < 0)
        return -1;
    int status = save_state(r, out, db, tenant, &row, err);
    if (status == 0) {
        status = save_history(r, out, db, &row, err);
        tenant_row_free(&row);
    }
    stores_give(r->api->stores, db);
    return status;
}

/* Which are worth saving: what is being made or removed is not there. */
static bool is_there(const struct tenant_row *row)
{
    return row->state == TENANT_RUNNING || row->state == TENANT_PAUSED;
}

/* It says something of the tenant, not of the store or of whoever takes the backup. */
static bool is_own(const struct err *err)
{
    return err->code == ERR_DAMAGED || err->code == ERR_NOT_FOUND || err->code == ERR_CONFLICT ||
           err->code == ERR_INVALID || err->code == ERR_TOO_LARGE || err->code == ERR_INTERNAL;
}

/* One that cannot be saved does not keep the others from it. alone: there are no others, and as long as nothing was
 * sent, the answer is the reason. */
static int save_or_leave_out(struct request *r, struct backup_out *out, const char *tenant, bool alone, struct err *err)
{
    struct err why;
    if (save_tenant(r, out, tenant, &why) == 0)
        return 0;
    if (!is_own(&why) || (alone && !r->streamed)) {
        *err = why;
        return -1;
    }
    log_warn("tenant %s is left out of the backup of request %s: %s", tenant, r->id, why.text);
    return backup_left_out(out, tenant, &why, err);
}

static int save_all(struct request *r, const struct tenant_row *rows, size_t count, bool alone, struct err *err)
{
    struct backup_out out;
    int status = backup_begin(&out, send_on, r, err);
    for (size_t i = 0; i < count && status == 0; i++)
        if (is_there(&rows[i]))
            status = save_or_leave_out(r, &out, rows[i].tenant, alone, err);
    if (status == 0)
        status = backup_complete(&out, err);
    backup_out_free(&out);
    return status;
}

static void save(struct request *r, const struct tenant_row *rows, size_t count, bool alone, const char *name)
{
    struct err err;
    answer_header(r, "Content-Disposition", "attachment; filename=\"%s.backup\"", name);
    int status = save_all(r, rows, count, alone, &err);
    if (status < 0 && !r->streamed) {
        problem_err(r, &err);
        return;
    }
    if (status < 0)
        log_warn("the backup of request %s was broken off: %s", r->id, err.text);
    stream_end(r, status == 0);
}

void handle_tenant_backup(struct request *r)
{
    if (tenant_is_there(r))
        save(r, &r->tenant, 1, true, r->tenant.tenant);
}

void handle_backup(struct request *r)
{
    struct err err;
    struct tenant_row *rows;
    size_t count;
    struct coredms *db = take_store(r, false);
    if (!db)
        return;
    int status = registry_list(db, &rows, &count, &err);
    give_store(r, db);
    if (status < 0) {
        problem_err(r, &err);
        return;
    }
    save(r, rows, count, false, "belltower");
    for (size_t i = 0; i < count; i++)
        tenant_row_free(&rows[i]);
    free(rows);
}
