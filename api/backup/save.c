#include "api/backup/save.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define WRITE_BYTES (64 * 1024)
#define TRIES       10 /* to read a checkpoint that a worker replaces meanwhile */
#define PAGE_ROWS   100

/* ---- lines ---- */

static int write_out(struct backup_out *o, size_t at_least, struct err *err)
{
    if (o->lines.len < at_least || o->lines.len == 0)
        return 0;
    int status = o->write(o->context, o->lines.data, o->lines.len, err);
    buf_clear(&o->lines);
    return status;
}

static int put(struct backup_out *o, const struct record *r, struct err *err)
{
    size_t from = o->lines.len;
    record_write(r, &o->lines);
    size_t len = o->lines.len - from;
    if (len > BACKUP_LINE_BYTES)
        return err_set(err, ERR_TOO_LARGE, "a %s is too large for a backup: %zu bytes", record_type_name(r->type), len);
    digest_add(o->whole, o->lines.data + from, len);
    digest_add(o->one, o->lines.data + from, len);
    o->records++;
    return write_out(o, WRITE_BYTES, err);
}

/* In parts of at most BACKUP_DATA_BYTES. */
static int put_data(struct backup_out *o, enum record_type type, const char *bytes, size_t len, struct err *err)
{
    for (size_t at = 0; at < len; at += BACKUP_DATA_BYTES) {
        size_t n = len - at < BACKUP_DATA_BYTES ? len - at : BACKUP_DATA_BYTES;
        struct record r = {.type = type, .data = {.data = (char *)bytes + at, .len = n}};
        if (put(o, &r, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- registry ---- */

static int put_tenant(struct backup_out *o, struct coredms *db, const struct tenant_row *row, struct err *err)
{
    uint32_t unpublished;
    if (registry_app_unpublished(db, row->tenant, &unpublished, err) < 0)
        return -1;
    const struct record r = {
        .type = RECORD_TENANT, .tenant = *row, .published = unpublished ? unpublished - 1 : row->version};
    digest_begin(o->one);
    o->records = 0;
    return put(o, &r, err);
}

static int put_apps(struct backup_out *o, struct coredms *db, const struct tenant_row *row, struct err *err)
{
    int status = 0;
    for (uint32_t v = 1; v <= row->version && status == 0; v++) {
        char *text;
        size_t len;
        uint32_t found;
        if (registry_get_app(db, row->tenant, v, &text, &len, &found, err) < 0)
            return -1;
        const struct record r = {.type = RECORD_APP, .version = v, .data = {.data = text, .len = len}};
        status = put(o, &r, err);
        free(text);
    }
    return status;
}

static int put_requests(struct backup_out *o, struct coredms *db, const char *tenant, struct err *err)
{
    struct run_row *rows;
    size_t count;
    int status = request_list(db, tenant, &rows, &count, err);
    if (status < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        const struct record r = {.type = RECORD_REQUEST, .run = rows[i]};
        if (status == 0)
            status = put(o, &r, err);
        run_row_free(&rows[i]);
    }
    free(rows);
    return status;
}

/* ---- checkpoints ---- */

static int put_checkpoint(struct backup_out *o, const struct checkpoint_head *head, bool kept, const struct buf *state,
                          struct err *err)
{
    const struct record r = {.type = RECORD_CHECKPOINT, .head = *head, .kept = kept};
    return put(o, &r, err) < 0 ? -1 : put_data(o, RECORD_CHUNK, state->data, state->len, err);
}

/* One that was forgotten since it was listed is left out. */
static int put_kept_one(struct backup_out *o, struct coredms *db, const struct checkpoint_head *head, struct err *err)
{
    struct buf state = {0};
    int status = checkpoint_load(db, head, &state, err);
    if (status == 0)
        status = put_checkpoint(o, head, true, &state, err);
    else if (err->code == ERR_NOT_FOUND)
        status = 0;
    buf_free(&state);
    return status;
}

static int put_kept(struct backup_out *o, struct coredms *db, struct err *err)
{
    struct checkpoint_head *heads;
    size_t count;
    int status = checkpoint_kept(db, &heads, &count, err);
    if (status < 0)
        return -1;
    for (size_t i = 0; i < count && status == 0; i++)
        status = put_kept_one(o, db, &heads[i], err);
    checkpoint_heads_free(heads, count);
    return status;
}

/* 1: *head with its state; 0: there is none yet. */
static int read_head(struct coredms *db, struct checkpoint_head *head, struct buf *state, struct err *err)
{
    for (int i = 0; i < TRIES; i++) {
        if (checkpoint_head(db, head, err) < 0)
            return err->code == ERR_NOT_FOUND ? 0 : -1;
        if (checkpoint_load(db, head, state, err) == 0)
            return 1;
        checkpoint_head_free(head);
        if (err->code != ERR_NOT_FOUND)
            return -1;
    }
    return -1;
}

static int put_head(struct backup_out *o, struct coredms *db, struct err *err)
{
    struct checkpoint_head head = {0};
    struct buf state = {0};
    int status = read_head(db, &head, &state, err);
    if (status > 0)
        status = put_checkpoint(o, &head, false, &state, err);
    checkpoint_head_free(&head);
    buf_free(&state);
    return status;
}

static int put_skips(struct backup_out *o, struct coredms *db, struct err *err)
{
    struct skip_row *rows;
    size_t count;
    int status = skip_list(db, &rows, &count, err);
    if (status < 0)
        return -1;
    for (size_t i = 0; i < count && status == 0; i++) {
        const struct record r = {.type = RECORD_SKIP, .skip = rows[i]};
        status = put(o, &r, err);
    }
    free(rows);
    return status;
}

int backup_state(struct backup_out *o, struct coredms *db, const char *tenant, struct tenant_row *row, struct err *err)
{
    if (registry_get(db, tenant, row, err) < 0)
        return -1;
    if (row->state != TENANT_RUNNING && row->state != TENANT_PAUSED)
        err_set(err, ERR_CONFLICT, "tenant %s is neither running nor paused", tenant);
    else if (put_tenant(o, db, row, err) == 0 && put_apps(o, db, row, err) == 0 &&
             put_requests(o, db, tenant, err) == 0 && put_kept(o, db, err) == 0 && put_head(o, db, err) == 0 &&
             put_skips(o, db, err) == 0)
        return 0;
    tenant_row_free(row);
    return -1;
}

/* ---- history ---- */

static int put_schedules(struct backup_out *o, struct coredms *db, const struct app *app, struct err *err)
{
    for (size_t i = 0; i < app->job_count; i++) {
        struct record r = {.type = RECORD_SCHEDULE, .job = (char *)app->jobs[i].name};
        if (run_last_scheduled(db, r.job, &r.latest_to, err) < 0) {
            if (err->code != ERR_NOT_FOUND)
                return -1;
            continue;
        }
        if (put(o, &r, err) < 0)
            return -1;
    }
    return 0;
}

static int put_source(struct backup_out *o, struct coredms *db, struct err *err)
{
    struct record r = {.type = RECORD_SOURCE};
    return history_source(db, &r.source, err) < 0 ? -1 : put(o, &r, err);
}

struct listing {
    struct backup_out *o;
    int status;
    struct err *err;
};

static bool put_result(void *context, const struct result_row *row)
{
    struct listing *l = context;
    const struct record r = {.type = RECORD_RESULT, .result = *row};
    l->status = put(l->o, &r, l->err);
    return l->status == 0;
}

static int put_results(struct backup_out *o, struct coredms *db, struct err *err)
{
    const struct history_filter all = {.withdrawn = true, .from = INT64_MIN, .to = INT64_MAX};
    struct listing l = {o, 0, err};
    return history_query(db, &all, SIZE_MAX, NULL, NULL, put_result, &l, err) < 0 ? -1 : l.status;
}

static int put_run(struct backup_out *o, struct coredms *db, const struct run_row *row, struct err *err)
{
    struct record r = {.type = RECORD_RUN, .run = *row};
    char *report = NULL;
    size_t len = 0;
    if (row->state == RUN_DONE && run_report(db, row->id, &report, &len, err) < 0 && err->code != ERR_NOT_FOUND)
        return -1;
    r.report_bytes = report ? len : 0;
    int status = put(o, &r, err);
    if (status == 0 && report)
        status = put_data(o, RECORD_REPORT, report, len, err);
    free(report);
    return status;
}

/* Frees the rows. */
static int put_page(struct backup_out *o, struct coredms *db, struct run_row *rows, size_t count, struct err *err)
{
    int status = 0;
    for (size_t i = 0; i < count; i++) {
        if (status == 0)
            status = put_run(o, db, &rows[i], err);
        run_row_free(&rows[i]);
    }
    free(rows);
    return status;
}

static int put_runs(struct backup_out *o, struct coredms *db, struct err *err)
{
    char *cursor = NULL;
    int status;
    do {
        struct run_row *rows;
        size_t count;
        char *next = NULL;
        status = run_list(db, NULL, -1, -1, PAGE_ROWS, cursor, &rows, &count, &next, err);
        free(cursor);
        cursor = next;
        if (status == 0)
            status = put_page(o, db, rows, count, err);
    } while (status == 0 && cursor);
    free(cursor);
    return status;
}

/* What was read of two generations does not fit together. */
static int check_unchanged(struct coredms *db, const struct tenant_row *row, struct err *err)
{
    struct tenant_row now;
    if (registry_get(db, row->tenant, &now, err) < 0)
        return -1;
    bool same = now.generation == row->generation && now.state != TENANT_REMOVING;
    tenant_row_free(&now);
    return same ? 0 : err_set(err, ERR_CONFLICT, "tenant %s was rewound or removed meanwhile", row->tenant);
}

static int put_end(struct backup_out *o, const char *tenant, struct err *err)
{
    char hex[DIGEST_HEX_SIZE];
    digest_hex(o->one, hex);
    const struct record r = {.type = RECORD_END, .name = (char *)tenant, .records = o->records, .checksum = hex};
    o->tenants++;
    return put(o, &r, err);
}

int backup_history(struct backup_out *o, struct coredms *db, const struct tenant_row *row, const struct app *app,
                   struct err *err)
{
    if (put_schedules(o, db, app, err) < 0 || put_source(o, db, err) < 0 || put_results(o, db, err) < 0 ||
        put_runs(o, db, err) < 0 || check_unchanged(db, row, err) < 0)
        return -1;
    return put_end(o, row->tenant, err);
}

/* ---- the whole ---- */

int backup_begin(struct backup_out *o, backup_write *write, void *context, struct err *err)
{
    *o = (struct backup_out){.write = write, .context = context, .whole = digest_new(), .one = digest_new()};
    const struct record r = {.type = RECORD_BACKUP,
                             .format = (char *)BACKUP_FORMAT,
                             .format_version = BACKUP_VERSION,
                             .created_ms = clock_wall_ms(),
                             .belltower = (char *)BELLTOWER_VERSION};
    return put(o, &r, err);
}

int backup_left_out(struct backup_out *o, const char *tenant, const struct err *why, struct err *err)
{
    const struct record r = {
        .type = RECORD_LEFT_OUT, .name = (char *)(uintptr_t)tenant, .reason = (char *)(uintptr_t)why->text};
    return put(o, &r, err);
}

int backup_complete(struct backup_out *o, struct err *err)
{
    char hex[DIGEST_HEX_SIZE];
    digest_hex(o->whole, hex);
    const struct record r = {.type = RECORD_COMPLETE, .tenants = o->tenants, .checksum = hex};
    return put(o, &r, err) < 0 ? -1 : write_out(o, 0, err);
}

void backup_out_free(struct backup_out *o)
{
    buf_free(&o->lines);
    digest_free(&o->whole);
    digest_free(&o->one);
}
