#include "api/backup/check.h"

#include "base/json.h"
#include "tenants/app/app.h"

#include <stdio.h>
#include <string.h>

#define VERSIONS_MAX 1000000

void backup_check_begin(struct backup_check *c)
{
    *c = (struct backup_check){.whole = digest_new(), .one = digest_new()};
}

void backup_check_end(struct backup_check *c)
{
    digest_free(&c->whole);
    digest_free(&c->one);
}

static int damaged(const struct backup_check *c, struct err *err, const char *why)
{
    if (c->in_tenant)
        return err_set(err, ERR_INVALID, "the backup is damaged: tenant %s: %s", c->tenant, why);
    return err_set(err, ERR_INVALID, "the backup is damaged: %s", why);
}

/* ---- what each record says ---- */

static int check_backup(struct backup_check *c, const struct record *r, struct err *err)
{
    if (strcmp(r->format, BACKUP_FORMAT) != 0)
        return err_set(err, ERR_INVALID, "this is no backup of Belltower: its format is \"%.60s\"", r->format);
    if (r->format_version > BACKUP_VERSION)
        return err_set(
            err, ERR_INVALID,
            "the backup was made by a newer Belltower (%.60s, version %llu of the format; this one knows %d)",
            r->belltower, (unsigned long long)r->format_version, BACKUP_VERSION);
    if (r->format_version < 1)
        return damaged(c, err, "there is no version 0 of the format");
    c->begun = true;
    c->version = r->format_version;
    return 0;
}

static int check_tenant(struct backup_check *c, const struct record *r, struct err *err)
{
    const struct tenant_row *t = &r->tenant;
    if (!app_tenant_name_ok(t->tenant, strlen(t->tenant)))
        return damaged(c, err, "a tenant's name is none");
    snprintf(c->tenant, sizeof c->tenant, "%s", t->tenant);
    c->in_tenant = true;
    c->has_head = c->has_source = false;
    c->apps = c->records = 0;
    c->generation = t->generation;
    c->versions = t->version;
    if (t->generation < 1 || t->generation > INT32_MAX || t->version < 1 || t->version > VERSIONS_MAX ||
        r->published > t->version || t->rewind.generation > t->generation)
        return damaged(c, err, "its generation or version makes no sense");
    if (t->state != TENANT_RUNNING && t->state != TENANT_PAUSED)
        return damaged(c, err, "it was neither running nor paused");
    return 0;
}

static int check_app(struct backup_check *c, const struct record *r, struct err *err)
{
    return r->version == ++c->apps && r->version <= c->versions
               ? 0
               : damaged(c, err, "its app's versions are not in order");
}

static int check_run(struct backup_check *c, const struct record *r, struct err *err)
{
    if (!*r->run.id || !*r->run.job)
        return damaged(c, err, "a run has no name");
    if (r->type == RECORD_RUN)
        c->left = r->report_bytes;
    return 0;
}

static int check_checkpoint(struct backup_check *c, const struct record *r, struct err *err)
{
    if (c->has_head || r->head.generation > c->generation || r->head.offset < -1)
        return damaged(c, err, "a checkpoint is not where it should be");
    if (!json_valid(r->head.info, strlen(r->head.info), NULL))
        return damaged(c, err, "what a checkpoint says is not JSON");
    c->has_head = !r->kept;
    c->left = r->head.bytes;
    return 0;
}

static int check_part(struct backup_check *c, const struct record *r, struct err *err)
{
    size_t most = c->left < BACKUP_DATA_BYTES ? (size_t)c->left : BACKUP_DATA_BYTES;
    if (r->data.len != most || most == 0)
        return damaged(c, err, "a part of a checkpoint or report has a wrong length");
    c->left -= r->data.len;
    return 0;
}

static int check_skip(struct backup_check *c, const struct record *r, struct err *err)
{
    return r->skip.from >= 0 && r->skip.to >= r->skip.from ? 0 : damaged(c, err, "skipped offsets make no sense");
}

static int check_schedule(struct backup_check *c, const struct record *r, struct err *err)
{
    return *r->job ? 0 : damaged(c, err, "a schedule has no job");
}

static int check_source(struct backup_check *c, const struct record *r, struct err *err)
{
    if (c->has_source || r->source.generation > c->generation || r->source.offset < -1 || r->source.number < 0)
        return damaged(c, err, "how far its results were stored makes no sense");
    c->has_source = true;
    return 0;
}

static int check_result(struct backup_check *c, const struct record *r, struct err *err)
{
    if (!*r->result.stream || !*r->result.key || r->result.generation > INT32_MAX)
        return damaged(c, err, "a result has no stream or key");
    if (!json_valid(r->result.body, r->result.body_len, NULL))
        return damaged(c, err, "a result is not JSON");
    return 0;
}

static int compare(struct backup_check *c, const struct digest *d, const char *said, struct err *err)
{
    char hex[DIGEST_HEX_SIZE];
    digest_hex(d, hex);
    return strcmp(hex, said) == 0 ? 0 : damaged(c, err, "its checksum does not fit");
}

static int check_end(struct backup_check *c, const struct record *r, struct err *err)
{
    if (strcmp(r->name, c->tenant) != 0 || r->records != c->records || c->apps != c->versions || !c->has_source)
        return damaged(c, err, "some of its records are missing");
    if (compare(c, c->one, r->checksum, err) < 0)
        return -1;
    c->in_tenant = false;
    c->tenants++;
    return 0;
}

static int check_left_out(struct backup_check *c, const struct record *r, struct err *err)
{
    if (c->version < 2 || !app_tenant_name_ok(r->name, strlen(r->name)))
        return damaged(c, err, "what was left out makes no sense");
    if (c->in_tenant && strcmp(r->name, c->tenant) != 0)
        return damaged(c, err, "its end is missing");
    c->in_tenant = false;
    c->left = 0;
    return 0;
}

static int check_complete(struct backup_check *c, const struct record *r, struct err *err)
{
    if (r->tenants != c->tenants)
        return damaged(c, err, "some of its tenants are missing");
    if (compare(c, c->whole, r->checksum, err) < 0)
        return -1;
    c->complete = true;
    return 0;
}

static int (*const checks[RECORD_TYPE_COUNT])(struct backup_check *c, const struct record *r, struct err *err) = {
    [RECORD_BACKUP] = check_backup,
    [RECORD_TENANT] = check_tenant,
    [RECORD_APP] = check_app,
    [RECORD_REQUEST] = check_run,
    [RECORD_CHECKPOINT] = check_checkpoint,
    [RECORD_CHUNK] = check_part,
    [RECORD_SKIP] = check_skip,
    [RECORD_SCHEDULE] = check_schedule,
    [RECORD_SOURCE] = check_source,
    [RECORD_RESULT] = check_result,
    [RECORD_RUN] = check_run,
    [RECORD_REPORT] = check_part,
    [RECORD_END] = check_end,
    [RECORD_LEFT_OUT] = check_left_out,
    [RECORD_COMPLETE] = check_complete,
};

/* ---- their order ---- */

static bool repeats(enum record_type type)
{
    return type != RECORD_TENANT && type != RECORD_SOURCE && type != RECORD_END;
}

static bool may_follow(const struct backup_check *c, enum record_type type)
{
    if (!c->begun)
        return type == RECORD_BACKUP;
    if (type == RECORD_LEFT_OUT)
        return true;
    if (!c->in_tenant)
        return type == RECORD_TENANT || type == RECORD_COMPLETE;
    if (type == RECORD_BACKUP || type == RECORD_COMPLETE)
        return false;
    if (type == RECORD_CHUNK)
        return c->last == RECORD_CHECKPOINT || c->last == RECORD_CHUNK;
    if (type == RECORD_REPORT)
        return c->last == RECORD_RUN || c->last == RECORD_REPORT;
    if (c->left)
        return false;
    bool again = (type == RECORD_CHECKPOINT && c->last == RECORD_CHUNK) ||
                 (type == RECORD_RUN && c->last == RECORD_REPORT) || (type == c->last && repeats(type));
    return again || type > c->last;
}

static int check_record(struct backup_check *c, const struct record *r, struct err *err)
{
    if (c->complete)
        return damaged(c, err, "there is more behind its end");
    if (!c->begun && r->type != RECORD_BACKUP)
        return err_set(err, ERR_INVALID, "this is no backup of Belltower: it does not begin as one");
    if (!may_follow(c, r->type)) {
        char why[80];
        snprintf(why, sizeof why, "a %s record is not where it should be", record_type_name(r->type));
        return damaged(c, err, why);
    }
    if (checks[r->type](c, r, err) < 0)
        return -1;
    c->last = r->type;
    return 0;
}

static void count(struct backup_check *c, enum record_type type, const char *line, size_t len)
{
    digest_add(c->whole, line, len);
    digest_add(c->whole, "\n", 1);
    if (!c->in_tenant)
        return;
    if (type == RECORD_TENANT)
        digest_begin(c->one);
    c->records++;
    digest_add(c->one, line, len);
    digest_add(c->one, "\n", 1);
}

int backup_check_line(struct backup_check *c, const char *line, size_t len, struct record *r, struct err *err)
{
    if (record_read(line, len, r, err) < 0) {
        if (!c->begun)
            return err_set(err, ERR_INVALID, "this is no backup of Belltower: its first line is no record of one");
        return err_prefix(err, "the backup is damaged%s%s", c->in_tenant ? ": tenant " : "",
                          c->in_tenant ? c->tenant : "");
    }
    if (check_record(c, r, err) < 0) {
        record_free(r);
        return -1;
    }
    count(c, r->type, line, len);
    return 0;
}

int backup_check_complete(const struct backup_check *c, struct err *err)
{
    if (!c->begun)
        return err_set(err, ERR_INVALID, "this is no backup of Belltower: it is empty");
    if (!c->complete)
        return err_set(err, ERR_INVALID, "the backup is cut short%s%s: its end is missing",
                       c->in_tenant ? " in tenant " : "", c->in_tenant ? c->tenant : "");
    return 0;
}
