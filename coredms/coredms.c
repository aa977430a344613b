/* From the interface to the store that the URI chose. */
#include "coredms/backend.h"

#include "base/json.h"

#include <ctype.h>
#include <string.h>

#define NAME_MAX_BYTES 200 /* of a run's id, a job, a stream, a column */

#define MOST_ROWS 1000000000 /* that a caller can ask for: one more still is a number */

/* ---- checks of what comes from outside ---- */

static bool tenant_ok(const char *tenant)
{
    size_t len = strspn(tenant, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return len > 0 && len <= 48 && !tenant[len];
}

static int check_tenant(const char *tenant, struct err *err)
{
    return tenant_ok(tenant) ? 0 : err_set(err, ERR_INVALID, "tenant: not a valid name");
}

static int check_text(const char *what, const char *text, struct err *err)
{
    size_t len = text ? strlen(text) : 0;
    if (len == 0 || len > NAME_MAX_BYTES || !utf8_valid(text, len))
        return err_set(err, ERR_INVALID, "%s: must be 1 to %d bytes of UTF-8", what, NAME_MAX_BYTES);
    return 0;
}

/* Names of columns become paths in documents, so nothing but identifiers passes. */
static int check_column(const char *name, struct err *err)
{
    size_t len = strlen(name);
    size_t good = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    if (len == 0 || len > NAME_MAX_BYTES || good != len || isdigit((unsigned char)name[0]))
        return err_set(err, ERR_INVALID, "column: not a valid name");
    return 0;
}

static size_t at_most(size_t limit)
{
    return limit < MOST_ROWS ? limit : MOST_ROWS;
}

static int check_writes(const struct coredms *db, unsigned what, struct err *err)
{
    return db->writes & what ? 0 : err_set(err, ERR_INTERNAL, "coredms: this handle was not opened to write that");
}

static int check_own(const struct coredms *db, struct err *err)
{
    return db->tenant ? 0 : err_set(err, ERR_INTERNAL, "coredms: this handle was opened without a tenant");
}

static int check_writes_own(const struct coredms *db, unsigned what, struct err *err)
{
    return check_own(db, err) < 0 ? -1 : check_writes(db, what, err);
}

static int check_writes_tenant(const struct coredms *db, const char *tenant, struct err *err)
{
    return check_tenant(tenant, err) < 0 ? -1 : check_writes(db, COREDMS_WRITES_REGISTRY, err);
}

/* ---- opening ---- */

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* NULL on failure. */
static const struct coredms_backend *find_backend(const char *uri, struct err *err)
{
    const struct coredms_backend *module = NULL;
    if (begins(uri, "mongodb://") || begins(uri, "mongodb+srv://"))
        return coredms_load_module(&module, err) < 0 ? NULL : module;
    if (begins(uri, "sqlite:") && uri[strlen("sqlite:")])
        return &coredms_sqlite_backend;
    err_set(err, ERR_INVALID, "coredms: must be sqlite:DIR or mongodb://HOST/DATABASE");
    return NULL;
}

int coredms_open(const char *uri, const char *tenant, unsigned writes, struct coredms **db, struct err *err)
{
    if (tenant && check_tenant(tenant, err) < 0)
        return -1;
    if (!tenant && (writes & (COREDMS_WRITES_STREAM | COREDMS_WRITES_BATCH)))
        return err_set(err, ERR_INTERNAL, "coredms: a handle that writes a tenant's data needs the tenant");
    const struct coredms_backend *backend = find_backend(uri, err);
    return backend ? backend->open(uri, tenant, writes, db, err) : -1;
}

void coredms_close(struct coredms **db)
{
    if (*db)
        (*db)->backend->close(*db);
    *db = NULL;
}

int coredms_ping(struct coredms *db, struct err *err)
{
    return db->backend->coredms_ping(db, err);
}

int64_t coredms_block_ms(const struct coredms *db)
{
    return db->backend->coredms_block_ms(db);
}

int coredms_inspect(struct coredms *db, damage_each *each, void *context, int64_t *looked_at, struct err *err)
{
    return check_own(db, err) < 0 ? -1 : db->backend->coredms_inspect(db, each, context, looked_at, err);
}

int coredms_idle(struct coredms *db, struct err *err)
{
    return db->backend->coredms_idle(db, err);
}

/* ---- registry ---- */

int registry_add(struct coredms *db, struct tenant_row *row, const char *app_text, size_t app_len, struct err *err)
{
    if (check_writes_tenant(db, row->tenant, err) < 0)
        return -1;
    return db->backend->registry_add(db, row, app_text, app_len, err);
}

int registry_get(struct coredms *db, const char *tenant, struct tenant_row *row, struct err *err)
{
    return check_tenant(tenant, err) < 0 ? -1 : db->backend->registry_get(db, tenant, row, err);
}

int registry_list(struct coredms *db, struct tenant_row **rows, size_t *count, struct err *err)
{
    return db->backend->registry_list(db, rows, count, err);
}

int registry_generation(struct coredms *db, const char *tenant, uint64_t *generation, struct err *err)
{
    return check_tenant(tenant, err) < 0 ? -1 : db->backend->registry_generation(db, tenant, generation, err);
}

int registry_set_state(struct coredms *db, const char *tenant, enum tenant_state state, bool keep_data, struct err *err)
{
    if (check_writes_tenant(db, tenant, err) < 0)
        return -1;
    return db->backend->registry_set_state(db, tenant, state, keep_data, err);
}

int registry_set_token(struct coredms *db, const char *tenant, const char *token_hash, struct err *err)
{
    if (check_writes_tenant(db, tenant, err) < 0)
        return -1;
    return db->backend->registry_set_token(db, tenant, token_hash, err);
}

int registry_add_app(struct coredms *db, const char *tenant, uint32_t expected_version, const char *title,
                     const char *text, size_t len, uint32_t *version, struct err *err)
{
    if (check_writes_tenant(db, tenant, err) < 0)
        return -1;
    return db->backend->registry_add_app(db, tenant, expected_version, title, text, len, version, err);
}

int registry_get_app(struct coredms *db, const char *tenant, uint32_t version, char **text, size_t *len,
                     uint32_t *version_found, struct err *err)
{
    if (check_tenant(tenant, err) < 0)
        return -1;
    return db->backend->registry_get_app(db, tenant, version, text, len, version_found, err);
}

int registry_app_published(struct coredms *db, const char *tenant, uint32_t version, struct err *err)
{
    if (check_writes_tenant(db, tenant, err) < 0)
        return -1;
    return db->backend->registry_app_published(db, tenant, version, err);
}

int registry_app_unpublished(struct coredms *db, const char *tenant, uint32_t *version, struct err *err)
{
    return check_tenant(tenant, err) < 0 ? -1 : db->backend->registry_app_unpublished(db, tenant, version, err);
}

int registry_rewind(struct coredms *db, const char *tenant, uint64_t expected_generation, struct rewind_row *rewind,
                    struct err *err)
{
    if (check_writes_tenant(db, tenant, err) < 0)
        return -1;
    return db->backend->registry_rewind(db, tenant, expected_generation, rewind, err);
}

int registry_rewind_published(struct coredms *db, const char *tenant, uint64_t generation, struct err *err)
{
    if (check_writes_tenant(db, tenant, err) < 0)
        return -1;
    return db->backend->registry_rewind_published(db, tenant, generation, err);
}

int registry_restore(struct coredms *db, const struct tenant_row *row, const struct app_text *texts, struct err *err)
{
    if (check_writes_tenant(db, row->tenant, err) < 0)
        return -1;
    if (row->generation == 0 || row->generation > INT32_MAX || row->version == 0)
        return err_set(err, ERR_INVALID, "tenant %s: no such generation or version", row->tenant);
    return db->backend->registry_restore(db, row, texts, err);
}

int registry_drop(struct coredms *db, const char *tenant, struct err *err)
{
    return check_writes_tenant(db, tenant, err) < 0 ? -1 : db->backend->registry_drop(db, tenant, err);
}

int coredms_purge(struct coredms *db, const char *tenant, struct err *err)
{
    return check_writes_tenant(db, tenant, err) < 0 ? -1 : db->backend->coredms_purge(db, tenant, err);
}

/* ---- checkpoints ---- */

static int gone(const struct coredms *db, const char *what, struct err *err)
{
    return err_set(err, ERR_DAMAGED, "tenant %s: its %s is gone from the store: pause it, and " COREDMS_MEND,
                   db->tenant, what);
}

int checkpoint_raise(struct coredms *db, uint64_t generation, struct checkpoint_head *head, struct err *err)
{
    bool there = true;
    if (check_writes_own(db, COREDMS_WRITES_STREAM, err) < 0 ||
        ((db->writes & COREDMS_BEGUN) && coredms_has_checkpoint(db, &there, err) < 0))
        return -1;
    if (!there)
        return gone(db, "checkpoint", err);
    return db->backend->checkpoint_raise(db, generation, head, err);
}

int checkpoint_head(struct coredms *db, struct checkpoint_head *head, struct err *err)
{
    return check_own(db, err) < 0 ? -1 : db->backend->checkpoint_head(db, head, err);
}

int checkpoint_load(struct coredms *db, const struct checkpoint_head *head, struct buf *out, struct err *err)
{
    return check_own(db, err) < 0 ? -1 : db->backend->checkpoint_load(db, head, out, err);
}

int checkpoint_save(struct coredms *db, const struct checkpoint_head *head, const void *state, size_t len,
                    struct err *err)
{
    if (check_writes_own(db, COREDMS_WRITES_STREAM, err) < 0)
        return -1;
    size_t chunks = len / CHECKPOINT_CHUNK_BYTES + (len % CHECKPOINT_CHUNK_BYTES != 0);
    if (state && (head->bytes != len || head->chunk_count != chunks))
        return err_set(err, ERR_INVALID, "checkpoint: the head does not fit a state of %zu bytes", len);
    if (!head->info || !json_valid(head->info, strlen(head->info), NULL))
        return err_set(err, ERR_INVALID, "checkpoint: its info is not JSON");
    return db->backend->checkpoint_save(db, head, state, len, err);
}

int checkpoint_keep(struct coredms *db, uint64_t epoch, uint64_t generation, struct err *err)
{
    if (check_writes_own(db, COREDMS_WRITES_STREAM, err) < 0)
        return -1;
    return db->backend->checkpoint_keep(db, epoch, generation, err);
}

int checkpoint_kept(struct coredms *db, struct checkpoint_head **heads, size_t *count, struct err *err)
{
    return check_own(db, err) < 0 ? -1 : db->backend->checkpoint_kept(db, heads, count, err);
}

int checkpoint_forget(struct coredms *db, int64_t before_ms, struct err *err)
{
    if (check_writes_own(db, COREDMS_WRITES_STREAM, err) < 0)
        return -1;
    return db->backend->checkpoint_forget(db, before_ms, err);
}

int skip_add(struct coredms *db, const struct skip_row *row, struct err *err)
{
    if (check_writes_own(db, COREDMS_WRITES_STREAM, err) < 0)
        return -1;
    if ((unsigned)row->reason >= SKIP_REASON_COUNT || row->from < 0 || row->to < row->from)
        return err_set(err, ERR_INVALID, "skip: no such reason or range of offsets");
    return db->backend->skip_add(db, row, err);
}

int skip_list(struct coredms *db, struct skip_row **rows, size_t *count, struct err *err)
{
    return check_own(db, err) < 0 ? -1 : db->backend->skip_list(db, rows, count, err);
}

/* ---- history ---- */

int history_raise(struct coredms *db, uint64_t generation, struct source *source, struct err *err)
{
    bool there = true;
    if (check_writes_own(db, COREDMS_WRITES_BATCH, err) < 0 ||
        ((db->writes & COREDMS_BEGUN) && coredms_has_history(db, &there, err) < 0))
        return -1;
    if (!there)
        return gone(db, "history", err);
    return db->backend->history_raise(db, generation, source, err);
}

int history_source(struct coredms *db, struct source *source, struct err *err)
{
    return check_own(db, err) < 0 ? -1 : db->backend->history_source(db, source, err);
}

static int check_result(const struct result_row *row, struct err *err)
{
    const char *why;
    if (check_text("stream", row->stream, err) < 0)
        return -1;
    if (row->generation > INT32_MAX)
        return err_set(err, ERR_INVALID, "result: no such generation");
    if (!row->key || !*row->key || !utf8_valid(row->key, strlen(row->key)))
        return err_set(err, ERR_INVALID, "result: its key is empty or no UTF-8");
    if (!json_valid(row->body, row->body_len, &why))
        return err_set(err, ERR_INVALID, "result: its body is not JSON: %s", why);
    return 0;
}

int history_put(struct coredms *db, const struct result_row *rows, size_t count, const struct source *source,
                struct err *err)
{
    if (check_writes_own(db, COREDMS_WRITES_BATCH, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (check_result(&rows[i], err) < 0)
            return -1;
    return db->backend->history_put(db, rows, count, source, err);
}

int history_withdraw(struct coredms *db, int64_t from_ms, const struct source *source, size_t *count, struct err *err)
{
    if (check_writes_own(db, COREDMS_WRITES_BATCH, err) < 0)
        return -1;
    return db->backend->history_withdraw(db, from_ms, source, count, err);
}

static int check_filter(const struct history_filter *filter, struct err *err)
{
    for (size_t i = 0; i < filter->filter_count; i++)
        if (check_column(filter->names[i].name, err) < 0)
            return -1;
    return filter->stream ? check_text("stream", filter->stream, err) : 0;
}

int history_query(struct coredms *db, const struct history_filter *filter, size_t limit, const char *cursor,
                  char **next, history_each *each, void *context, struct err *err)
{
    if (check_own(db, err) < 0 || check_filter(filter, err) < 0)
        return -1;
    return db->backend->history_query(db, filter, at_most(limit), cursor, next, each, context, err);
}

int history_next_stream(struct coredms *db, const char *after, char **stream, struct err *err)
{
    if (check_own(db, err) < 0)
        return -1;
    return db->backend->history_next_stream(db, after ? after : "", stream, err);
}

int history_latest(struct coredms *db, const char *stream, int64_t *window_end, struct err *err)
{
    if (check_own(db, err) < 0 || check_text("stream", stream, err) < 0)
        return -1;
    return db->backend->history_latest(db, stream, window_end, err);
}

static int check_agg(const struct history_agg *agg, struct err *err)
{
    bool known = agg->kind == AGG_COUNT || agg->kind == AGG_SUM || agg->kind == AGG_MIN || agg->kind == AGG_MAX ||
                 agg->kind == AGG_AVG;
    bool number = agg->type == VALUE_INT || agg->type == VALUE_FLOAT;
    if (!known || (agg->kind != AGG_COUNT && !agg->column))
        return err_set(err, ERR_INVALID, "history: the store cannot compute this aggregate");
    if ((agg->kind == AGG_SUM || agg->kind == AGG_AVG) && !number)
        return err_set(err, ERR_INVALID, "history: sum and avg take numbers");
    return agg->column ? check_column(agg->column, err) : 0;
}

int history_group(struct coredms *db, const struct history_group *group, int64_t deadline_mono_ms, group_each *each,
                  void *context, struct err *err)
{
    if (check_own(db, err) < 0 || check_text("stream", group->filter.stream, err) < 0 ||
        check_filter(&group->filter, err) < 0)
        return -1;
    for (size_t i = 0; i < group->by_count; i++)
        if (check_column(group->by[i].name, err) < 0)
            return -1;
    for (size_t i = 0; i < group->agg_count; i++)
        if (check_agg(&group->aggs[i], err) < 0)
            return -1;
    return db->backend->history_group(db, group, deadline_mono_ms, each, context, err);
}

int history_expire(struct coredms *db, int64_t before_ms, size_t limit, size_t *gone, struct err *err)
{
    if (check_writes_own(db, COREDMS_WRITES_BATCH, err) < 0)
        return -1;
    return db->backend->history_expire(db, before_ms, at_most(limit), gone, err);
}

/* ---- runs ---- */

static int check_run(const struct run_row *row, struct err *err)
{
    if (check_text("run", row->id, err) < 0 || check_text("job", row->job, err) < 0)
        return -1;
    if ((unsigned)row->state >= RUN_STATE_COUNT || (unsigned)row->cause > RUN_ON_SCHEDULE)
        return err_set(err, ERR_INVALID, "run: no such state or cause");
    return 0;
}

int run_insert(struct coredms *db, const struct run_row *row, bool *inserted, struct err *err)
{
    if (check_writes_own(db, COREDMS_WRITES_BATCH, err) < 0 || check_run(row, err) < 0)
        return -1;
    return db->backend->run_insert(db, row, inserted, err);
}

int run_update(struct coredms *db, const struct run_row *row, uint64_t epoch, const char *report, size_t report_len,
               struct err *err)
{
    if (check_writes_own(db, COREDMS_WRITES_BATCH, err) < 0 || check_run(row, err) < 0)
        return -1;
    return db->backend->run_update(db, row, epoch, report, report_len, err);
}

int run_get(struct coredms *db, const char *id, struct run_row *row, struct err *err)
{
    if (check_own(db, err) < 0 || check_text("run", id, err) < 0)
        return -1;
    return db->backend->run_get(db, id, row, err);
}

int run_report(struct coredms *db, const char *id, char **report, size_t *len, struct err *err)
{
    if (check_own(db, err) < 0 || check_text("run", id, err) < 0)
        return -1;
    return db->backend->run_report(db, id, report, len, err);
}

int run_list(struct coredms *db, const char *job, int cause, int state, size_t limit, const char *cursor,
             struct run_row **rows, size_t *count, char **next, struct err *err)
{
    if (check_own(db, err) < 0 || (job && check_text("job", job, err) < 0))
        return -1;
    return db->backend->run_list(db, job, cause, state, at_most(limit), cursor, rows, count, next, err);
}

int run_pending(struct coredms *db, struct run_row **rows, size_t *count, struct err *err)
{
    return check_own(db, err) < 0 ? -1 : db->backend->run_pending(db, rows, count, err);
}

int run_last_scheduled(struct coredms *db, const char *job, int64_t *to, struct err *err)
{
    if (check_own(db, err) < 0 || check_text("job", job, err) < 0)
        return -1;
    return db->backend->run_last_scheduled(db, job, to, err);
}

/* ---- requests ---- */

int request_add(struct coredms *db, const char *tenant, const struct run_row *row, struct err *err)
{
    if (check_writes_tenant(db, tenant, err) < 0 || check_run(row, err) < 0)
        return -1;
    return db->backend->request_add(db, tenant, row, err);
}

int request_get(struct coredms *db, const char *tenant, const char *id, struct run_row *row, struct err *err)
{
    if (check_tenant(tenant, err) < 0 || check_text("run", id, err) < 0)
        return -1;
    return db->backend->request_get(db, tenant, id, row, err);
}

int request_list(struct coredms *db, const char *tenant, struct run_row **rows, size_t *count, struct err *err)
{
    if (tenant && check_tenant(tenant, err) < 0)
        return -1;
    return db->backend->request_list(db, tenant, rows, count, err);
}

int request_drop(struct coredms *db, const char *tenant, const char *id, struct err *err)
{
    if (check_writes_tenant(db, tenant, err) < 0 || check_text("run", id, err) < 0)
        return -1;
    return db->backend->request_drop(db, tenant, id, err);
}
