/* POST /v1/restore: the body is kept on disk and checked to its end; then each tenant in it is put back, whole or not
 * at all. */
#include "api/apps.h"
#include "api/backup/check.h"
#include "api/backup/load.h"
#include "api/backup/spool.h"
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

#define PROVISION_LIMIT_MS 60000
#define LOCK_MS            10000
#define READ_BYTES         (64 * 1024)

struct outcome {
    struct tenant_row row;
    struct err err; /* ERR_NONE: it was put back */
    struct backup_loaded loaded;
    struct buf credentials;
};

struct left_out {
    char **tenants;
    size_t count;
};

struct restoring {
    struct request *r;
    struct left_out left_out; /* what there is of them in the file does not count */
    bool skip;
    struct backup_check check;
    struct backup_load *load; /* NULL: between tenants, or in one that failed */
    bool locked;              /* the tenant of the last outcome */
    struct outcome *outcomes;
    size_t count;
};

/* ---- the body ---- */

static int keep_body(struct request *r, struct spool *spool, struct err *err)
{
    char *bytes = mem_alloc(READ_BYTES);
    long n;
    int status = 0;
    while (status == 0 && (n = request_read(r, bytes, READ_BYTES, err)) != 0)
        status = n < 0 ? -1 : spool_add(spool, bytes, (size_t)n, err);
    free(bytes);
    return status;
}

typedef int each_record(void *context, struct record *r, struct err *err);

/* All records in order, each checked before it is given. */
static int read_records(struct spool *spool, struct backup_check *check, each_record *each, void *context,
                        struct err *err)
{
    const char *line;
    size_t len;
    int more;
    if (spool_rewind(spool, err) < 0)
        return -1;
    while ((more = spool_line(spool, BACKUP_LINE_BYTES, &line, &len, err)) > 0) {
        struct record record;
        if (backup_check_line(check, line, len, &record, err) < 0)
            return -1;
        int status = each(context, &record, err);
        record_free(&record);
        if (status < 0)
            return -1;
    }
    if (more < 0) {
        if (err->code == ERR_TOO_LARGE)
            err->code = ERR_INVALID; /* what no backup has is no matter of size */
        return err->code == ERR_INVALID ? err_prefix(err, "this is no whole backup of Belltower") : -1;
    }
    return backup_check_complete(check, err);
}

static int note_left_out(void *context, struct record *record, struct err *err)
{
    struct left_out *l = context;
    (void)err;
    if (record->type != RECORD_LEFT_OUT)
        return 0;
    l->tenants = mem_resize(l->tenants, l->count + 1, sizeof *l->tenants);
    l->tenants[l->count++] = mem_strdup(record->name);
    return 0;
}

static bool is_left_out(const struct left_out *l, const char *tenant)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->tenants[i], tenant) == 0)
            return true;
    return false;
}

static int check_whole(struct spool *spool, struct left_out *left_out, struct err *err)
{
    struct backup_check check;
    backup_check_begin(&check);
    int status = read_records(spool, &check, note_left_out, left_out, err);
    backup_check_end(&check);
    return status;
}

/* ---- one tenant ---- */

static struct outcome *present(struct restoring *s)
{
    return &s->outcomes[s->count - 1];
}

static void leave_tenant(struct restoring *s)
{
    backup_load_free(&s->load);
    if (s->locked)
        keeper_unlock(s->r->api->keeper, present(s)->row.tenant);
    s->locked = false;
}

static void fail_tenant(struct restoring *s, const struct err *err)
{
    present(s)->err = *err;
    log_warn("tenant %s is not restored: %s", present(s)->row.tenant, err->text);
    if (s->load)
        backup_load_undo(s->load);
    leave_tenant(s);
}

static struct outcome *add_outcome(struct restoring *s)
{
    s->outcomes = mem_resize(s->outcomes, s->count + 1, sizeof *s->outcomes);
    s->outcomes[s->count++] = (struct outcome){0};
    return present(s);
}

static void tell_left_out(struct restoring *s, const struct record *record)
{
    struct outcome *o = add_outcome(s);
    o->row.tenant = mem_strdup(record->name);
    err_set(&o->err, ERR_CONFLICT, "tenant %s was left out of the backup: %s", record->name, record->reason);
}

static void begin_tenant(struct restoring *s, struct record *record)
{
    struct err err;
    struct api *api = s->r->api;
    struct outcome *o = add_outcome(s);
    s->locked = keeper_lock(api->keeper, record->tenant.tenant, LOCK_MS);
    int status = s->locked ? backup_load_begin(api->settings.coredms, record, &s->load, &err)
                           : err_set(&err, ERR_CONFLICT, "tenant %s is being changed by another call: try again",
                                     record->tenant.tenant);
    o->row = record->tenant;
    record->tenant = (struct tenant_row){0};
    if (status < 0)
        fail_tenant(s, &err);
}

static int set_state(struct api *api, const struct tenant_row *row, struct err *err)
{
    struct coredms *db;
    if (stores_take(api->stores, NULL, &db, err) < 0)
        return -1;
    int status = registry_set_state(db, row->tenant, row->state, false, err);
    stores_give(api->stores, db);
    return status;
}

/* The word to skip comes before the start that it is for: the supervisor hears of the tenant as one that is paused. */
static int want(struct restoring *s, const struct tenant_row *row, struct err *err)
{
    struct api *api = s->r->api;
    struct tenant_row at_rest = *row;
    at_rest.state = TENANT_PAUSED;
    if (s->skip &&
        (operation_want(api, &at_rest, err) < 0 || supervision_retry(api->supervision, row->tenant, true, err) < 0))
        return -1;
    return operation_want(api, row, err);
}

/* Its workers begin once the store is closed here. */
static int start_tenant(struct restoring *s, struct err *err)
{
    struct api *api = s->r->api;
    const struct tenant_row *row = &present(s)->row;
    backup_load_free(&s->load);
    stores_forget(api->stores, row->tenant);
    apps_forget(api->apps, row->tenant);
    keeper_forget(api->keeper, row->tenant);
    damage_mended(api->damage, row->tenant);
    if (present(s)->loaded.only_data)
        return 0; /* it stays paused */
    return set_state(api, row, err) < 0 ? -1 : want(s, row, err);
}

/* The broker's objects are made if they are missing; what is there, the log above all, stays. */
static void end_tenant(struct restoring *s)
{
    struct err err;
    struct outcome *o = present(s);
    if (backup_load_commit(s->load, &o->loaded, &err) < 0 ||
        (!o->loaded.only_data &&
         supervision_provision(s->r->api->supervision, o->row.tenant, o->row.generation, PROVISION_CREATE,
                               PROVISION_LIMIT_MS, &o->credentials, &err) < 0) ||
        start_tenant(s, &err) < 0) {
        fail_tenant(s, &err);
        return;
    }
    if (o->loaded.only_data)
        o->row.state = TENANT_PAUSED;
    log_info("tenant %s is restored, generation %llu", o->row.tenant, (unsigned long long)o->row.generation);
    leave_tenant(s);
}

static int take_record(void *context, struct record *record, struct err *err)
{
    struct restoring *s = context;
    struct err why;
    if (atomic_load(&s->r->api->draining))
        return err_set(err, ERR_UNAVAILABLE, "the server is stopping");
    if (record->type == RECORD_LEFT_OUT)
        tell_left_out(s, record);
    else if (record->type == RECORD_TENANT && !is_left_out(&s->left_out, record->tenant.tenant))
        begin_tenant(s, record);
    else if (s->load && backup_load_record(s->load, record, &why) < 0)
        fail_tenant(s, &why);
    else if (s->load && record->type == RECORD_END)
        end_tenant(s);
    return 0;
}

/* ---- the answer ---- */

static void write_outcome(struct request *r, const struct outcome *o)
{
    struct buf *b = &r->body;
    json_w_open(b, '{');
    put_text(b, "tenant", o->row.tenant);
    put_bool(b, "restored", o->err.code == ERR_NONE);
    if (o->err.code != ERR_NONE) {
        put_text(b, "detail", o->err.text);
        json_w_close(b, '}');
        return;
    }
    put_text(b, "state", tenant_state_name(o->row.state));
    put_number(b, "generation", (int64_t)o->row.generation);
    put_number(b, "version", o->loaded.version);
    put_number(b, "results", (int64_t)o->loaded.results);
    put_number(b, "runs", (int64_t)o->loaded.runs);
    put_number(b, "reports", (int64_t)o->loaded.reports);
    put_number(b, "requests", (int64_t)o->loaded.requests);
    put_number(b, "kept_checkpoints", (int64_t)o->loaded.kept);
    put_bool(b, "only_data", o->loaded.only_data);
    if (!o->loaded.only_data)
        put_broker(r, &o->credentials);
    json_w_close(b, '}');
}

static bool any_restored(const struct restoring *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->outcomes[i].err.code == ERR_NONE)
            return true;
    return s->count == 0;
}

static void answer_outcomes(struct restoring *s)
{
    struct request *r = s->r;
    if (!any_restored(s)) {
        problem_err(r, &s->outcomes[0].err);
        return;
    }
    json_w_open(&r->body, '{');
    json_w_name(&r->body, "tenants");
    json_w_open(&r->body, '[');
    for (size_t i = 0; i < s->count; i++)
        write_outcome(r, &s->outcomes[i]);
    json_w_close(&r->body, ']');
    json_w_close(&r->body, '}');
    answer_json(r, 200);
}

static void restoring_end(struct restoring *s)
{
    for (size_t i = 0; i < s->count; i++) {
        tenant_row_free(&s->outcomes[i].row);
        buf_free(&s->outcomes[i].credentials);
    }
    free(s->outcomes);
    for (size_t i = 0; i < s->left_out.count; i++)
        free(s->left_out.tenants[i]);
    free(s->left_out.tenants);
    backup_check_end(&s->check);
}

static int restore_all(struct restoring *s, struct spool *spool, struct err *err)
{
    int status = read_records(spool, &s->check, take_record, s, err);
    if (status < 0 && s->locked) /* in the middle of one */
        fail_tenant(s, err);
    keeper_wake(s->r->api->keeper);
    return status;
}

static void restore(struct request *r, struct spool *spool, bool skip)
{
    struct err err;
    struct restoring s = {.r = r, .skip = skip};
    backup_check_begin(&s.check);
    if (keep_body(r, spool, &err) < 0 || check_whole(spool, &s.left_out, &err) < 0 || restore_all(&s, spool, &err) < 0)
        problem_err(r, &err);
    else
        answer_outcomes(&s);
    restoring_end(&s);
}

void handle_restore(struct request *r)
{
    struct err err;
    struct spool *spool;
    bool skip;
    if (request_flag(r, "skip", &skip, &err) < 0)
        problem_err(r, &err);
    else if (!supervision_there(r->api->supervision))
        problem(r, PROBLEM_UNAVAILABLE, "the API runs without a supervisor (belltowerd), which restoring needs");
    else if (spool_open(r->api->settings.data, &spool, &err) < 0)
        problem_err(r, &err);
    else {
        restore(r, spool, skip);
        spool_close(&spool);
    }
}
