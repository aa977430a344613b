#include "api/backup/load.h"

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define BATCH_ROWS  500
#define BATCH_BYTES (1024 * 1024)

struct schedule {
    char *job;
    int64_t latest_to;
};

struct backup_load {
    struct coredms *db;
    bool had_data;  /* that a removal had kept */
    bool only_data; /* what is put back: the tenant is there */
    struct tenant_row row;
    uint64_t published;
    struct buf *apps;
    size_t app_count;
    struct run_row *requests;
    size_t request_count;
    struct schedule *schedules;
    size_t schedule_count;
    /* the checkpoint at hand */
    bool head_open, kept;
    struct checkpoint_head head, raised; /* raised: as whose worker we save */
    struct buf state;
    uint64_t number;          /* of our last save */
    uint64_t head_generation; /* of the present checkpoint, 0 = there is none */
    int64_t result_number;
    /* history */
    struct source source, stored; /* as backed up; as whose worker we store */
    struct result_row rows[BATCH_ROWS];
    size_t row_count, row_bytes;
    struct arena arena;
    bool run_open;
    struct run_row run;
    struct buf report;
    struct backup_loaded loaded;
};

/* ---- beginning ---- */

/* What a restore or an onboarding that was broken off has left in the registry makes room. Never by way of
 * TENANT_REMOVING: the keeper would go on with a removal, and that takes the log along. */
static int make_room(struct coredms *db, const char *tenant, struct err *err)
{
    struct tenant_row row;
    if (registry_get(db, tenant, &row, err) < 0)
        return err->code == ERR_NOT_FOUND ? 0 : -1;
    bool half = row.state == TENANT_CREATING;
    tenant_row_free(&row);
    return half ? registry_drop(db, tenant, err) : err_set(err, ERR_EXISTS, "tenant %s is there already", tenant);
}

static int look_for_data(struct backup_load *l, struct coredms *db, struct err *err)
{
    bool history, checkpoint;
    if (coredms_has_history(db, &history, err) < 0 || coredms_has_checkpoint(db, &checkpoint, err) < 0)
        return -1;
    l->had_data = history || checkpoint;
    return 0;
}

/* Takes the present row over. */
static int put_only_data(struct backup_load *l, struct tenant_row *row, struct err *err)
{
    int status = 0;
    if (row->state != TENANT_PAUSED || l->had_data)
        status = err_set(err, ERR_EXISTS,
                         "tenant %s is there already: remove it first, or pause it and set its data aside, to put only "
                         "that back; see docs/operations.md",
                         row->tenant);
    else if (row->generation != l->row.generation)
        status = err_set(err, ERR_CONFLICT, "tenant %s has generation %llu now (it was rewound), the backup's is %llu",
                         row->tenant, (unsigned long long)row->generation, (unsigned long long)l->row.generation);
    if (status < 0) {
        tenant_row_free(row);
        return -1;
    }
    tenant_row_free(&l->row);
    l->row = *row;
    l->only_data = true;
    return 0;
}

/* Opened for reading, so that nothing is begun where nothing is put back. */
static int look(struct backup_load *l, const char *uri, struct err *err)
{
    struct coredms *db;
    struct tenant_row row;
    const char *tenant = l->row.tenant;
    if (coredms_open(uri, tenant, COREDMS_READS, &db, err) < 0)
        return -1;
    int status = registry_get(db, tenant, &row, err);
    bool there = status == 0 && row.state != TENANT_CREATING;
    if (status == 0 && !there)
        tenant_row_free(&row);
    if (status == 0 || err->code == ERR_NOT_FOUND)
        status = look_for_data(l, db, err);
    if (there && status < 0)
        tenant_row_free(&row);
    else if (there)
        status = put_only_data(l, &row, err);
    coredms_close(&db);
    return status;
}

static void copy_row(struct tenant_row *to, const struct tenant_row *from)
{
    *to = *from;
    to->tenant = mem_strdup(from->tenant);
    to->title = mem_strdup(from->title);
    to->token_hash = mem_strdup(from->token_hash);
}

int backup_load_begin(const char *uri, const struct record *first, struct backup_load **load, struct err *err)
{
    struct backup_load *l = mem_zero(1, sizeof *l);
    const unsigned writes = COREDMS_WRITES_REGISTRY | COREDMS_WRITES_STREAM | COREDMS_WRITES_BATCH;
    copy_row(&l->row, &first->tenant);
    l->published = first->published;
    if (look(l, uri, err) == 0 && coredms_open(uri, first->tenant.tenant, writes, &l->db, err) == 0 &&
        (l->only_data || make_room(l->db, l->row.tenant, err) == 0)) {
        *load = l;
        return 0;
    }
    backup_load_free(&l);
    return -1;
}

/* ---- small records ---- */

static int take_app(struct backup_load *l, struct record *r, struct err *err)
{
    (void)err;
    l->apps = mem_resize(l->apps, l->app_count + 1, sizeof *l->apps);
    l->apps[l->app_count++] = r->data;
    r->data = (struct buf){0};
    return 0;
}

static int take_request(struct backup_load *l, struct record *r, struct err *err)
{
    (void)err;
    l->requests = mem_resize(l->requests, l->request_count + 1, sizeof *l->requests);
    l->requests[l->request_count++] = r->run;
    r->run = (struct run_row){0};
    return 0;
}

static int take_skip(struct backup_load *l, struct record *r, struct err *err)
{
    return skip_add(l->db, &r->skip, err);
}

static int take_schedule(struct backup_load *l, struct record *r, struct err *err)
{
    (void)err;
    l->schedules = mem_resize(l->schedules, l->schedule_count + 1, sizeof *l->schedules);
    l->schedules[l->schedule_count++] = (struct schedule){r->job, r->latest_to};
    r->job = NULL;
    return 0;
}

/* ---- checkpoints ---- */

static int take_checkpoint(struct backup_load *l, struct record *r, struct err *err)
{
    (void)err;
    l->head = r->head;
    l->kept = r->kept;
    l->head_open = true;
    buf_clear(&l->state);
    r->head = (struct checkpoint_head){0};
    return 0;
}

static int take_chunk(struct backup_load *l, struct record *r, struct err *err)
{
    (void)err;
    buf_add(&l->state, r->data.data, r->data.len);
    return 0;
}

static int raise_for(struct backup_load *l, uint64_t generation, struct err *err)
{
    struct checkpoint_head raised;
    if (l->raised.epoch && l->raised.generation == generation)
        return 0;
    if (checkpoint_raise(l->db, generation, &raised, err) < 0)
        return -1;
    checkpoint_head_free(&l->raised);
    l->raised = raised;
    if (raised.number > l->number)
        l->number = raised.number;
    return 0;
}

/* A rewind that has not begun yet names the kept checkpoint that it begins from; here it has another name. */
static void follow_base(struct backup_load *l)
{
    struct rewind_row *w = &l->row.rewind;
    if (!l->kept || w->base_epoch != l->head.state_epoch || w->base_number != l->head.number)
        return;
    w->base_epoch = l->raised.epoch;
    w->base_number = l->number;
}

/* {..., "restored": true} for the stream worker: what it published behind this checkpoint may have started runs that
 * are lost. */
static void mark_restored(const char *info, struct buf *out)
{
    size_t end = strlen(info);
    while (end && info[end - 1] != '}')
        end--;
    buf_add(out, info, end ? end - 1 : 0);
    json_w_name(out, "restored");
    json_w_bool(out, true);
    json_w_close(out, '}');
    buf_cstr(out);
}

static int save(struct backup_load *l, struct err *err)
{
    struct checkpoint_head h = l->head;
    struct buf info = {0};
    h.epoch = l->raised.epoch;
    h.number = ++l->number;
    h.bytes = l->state.len;
    h.chunk_count = (uint32_t)((l->state.len + CHECKPOINT_CHUNK_BYTES - 1) / CHECKPOINT_CHUNK_BYTES);
    h.lease_ms = 0; /* nobody is at work on it */
    if (!l->kept) {
        mark_restored(h.info, &info);
        h.info = info.data;
    }
    int status = checkpoint_save(l->db, &h, l->state.len ? l->state.data : NULL, l->state.len, err);
    buf_free(&info);
    return status;
}

static int keep(struct backup_load *l, struct err *err)
{
    if (checkpoint_keep(l->db, l->raised.epoch, l->raised.generation, err) < 0)
        return -1;
    follow_base(l);
    l->loaded.kept++;
    return 0;
}

/* Saves the checkpoint at hand, if there is one. Of a tenant whose data was kept, the older checkpoints were too. */
static int close_checkpoint(struct backup_load *l, struct err *err)
{
    if (!l->head_open)
        return 0;
    l->head_open = false;
    int status = 0;
    if (!l->kept || !l->had_data)
        status =
            raise_for(l, l->head.generation, err) < 0 || save(l, err) < 0 || (l->kept && keep(l, err) < 0) ? -1 : 0;
    if (!l->kept) {
        l->head_generation = l->head.generation;
        checkpoint_info_int(&l->head, "result_number", &l->result_number);
    }
    checkpoint_head_free(&l->head);
    return status;
}

/* A tenant that had no checkpoint yet begins anew, and knows that it does. */
static int begin_without_head(struct backup_load *l, struct err *err)
{
    if (l->head_generation)
        return 0;
    l->kept = false;
    l->head = (struct checkpoint_head){.generation = l->row.generation, .offset = -1, .info = mem_strdup("{}")};
    l->head_open = true;
    buf_clear(&l->state);
    return close_checkpoint(l, err);
}

/* ---- results ---- */

/* The queue is read again from its first message: its offsets may be another's now, but the numbers of the results tell
 * what is known. Those that the checkpoint has not seen yet are stored again, which changes nothing. */
static int take_source(struct backup_load *l, struct record *r, struct err *err)
{
    l->source = r->source;
    uint64_t generation = r->source.generation ? r->source.generation : l->row.generation;
    return history_raise(l->db, generation, &l->stored, err);
}

static int store_rows(struct backup_load *l, struct err *err)
{
    if (l->row_count == 0)
        return 0;
    int status = history_put(l->db, l->rows, l->row_count, &l->stored, err);
    l->loaded.results += l->row_count;
    l->row_count = l->row_bytes = 0;
    arena_free(&l->arena);
    return status;
}

static int take_result(struct backup_load *l, struct record *r, struct err *err)
{
    struct result_row *row = &l->rows[l->row_count++];
    *row = r->result;
    row->stream = arena_strndup(&l->arena, row->stream, strlen(row->stream));
    row->key = arena_strndup(&l->arena, row->key, strlen(row->key));
    row->body = arena_strndup(&l->arena, row->body, row->body_len);
    l->row_bytes += row->body_len;
    return l->row_count == BATCH_ROWS || l->row_bytes >= BATCH_BYTES ? store_rows(l, err) : 0;
}

/* ---- runs ---- */

static int take_run(struct backup_load *l, struct record *r, struct err *err)
{
    (void)err;
    l->run = r->run;
    l->run_open = true;
    buf_clear(&l->report);
    r->run = (struct run_row){0};
    return 0;
}

static int take_report(struct backup_load *l, struct record *r, struct err *err)
{
    (void)err;
    buf_add(&l->report, r->data.data, r->data.len);
    return 0;
}

static int close_run(struct backup_load *l, struct err *err)
{
    bool inserted;
    if (!l->run_open)
        return 0;
    l->run_open = false;
    int status = run_insert(l->db, &l->run, &inserted, err);
    if (status == 0 && inserted && l->report.len) {
        status = run_update(l->db, &l->run, l->stored.epoch, l->report.data, l->report.len, err);
        l->loaded.reports++;
    }
    l->loaded.runs++;
    run_row_free(&l->run);
    return status;
}

/* The last period that a schedule had a run for outlives its runs: a run that says so keeps it from running again. */
static int keep_schedule(struct backup_load *l, const struct schedule *s, struct err *err)
{
    int64_t known = INT64_MIN;
    bool inserted;
    if (run_last_scheduled(l->db, s->job, &known, err) < 0 && err->code != ERR_NOT_FOUND)
        return -1;
    if (known >= s->latest_to)
        return 0;
    char *id = mem_printf("restored:%s:%lld", s->job, (long long)s->latest_to);
    const struct run_row row = {.id = id,
                                .job = s->job,
                                .cause = RUN_ON_SCHEDULE,
                                .state = RUN_SKIPPED,
                                .generation = l->row.generation,
                                .version = l->row.version,
                                .from = -1,
                                .to = s->latest_to,
                                .created_ms = s->latest_to,
                                .started_ms = s->latest_to,
                                .ended_ms = s->latest_to,
                                .published = true,
                                .error = (char *)"ran before the backup, and had expired in it"};
    int status = run_insert(l->db, &row, &inserted, err);
    free(id);
    return status;
}

/* ---- all of them ---- */

static int (*const takers[RECORD_TYPE_COUNT])(struct backup_load *l, struct record *r, struct err *err) = {
    [RECORD_APP] = take_app,       [RECORD_REQUEST] = take_request, [RECORD_CHECKPOINT] = take_checkpoint,
    [RECORD_CHUNK] = take_chunk,   [RECORD_SKIP] = take_skip,       [RECORD_SCHEDULE] = take_schedule,
    [RECORD_SOURCE] = take_source, [RECORD_RESULT] = take_result,   [RECORD_RUN] = take_run,
    [RECORD_REPORT] = take_report,
};

int backup_load_record(struct backup_load *l, struct record *r, struct err *err)
{
    if (r->type != RECORD_CHUNK && close_checkpoint(l, err) < 0)
        return -1;
    if (r->type != RECORD_RESULT && store_rows(l, err) < 0)
        return -1;
    if (r->type != RECORD_REPORT && close_run(l, err) < 0)
        return -1;
    return takers[r->type] ? takers[r->type](l, r, err) : 0;
}

static int store_source(struct backup_load *l, struct err *err)
{
    struct source s = l->stored;
    bool ahead = l->head_generation <= l->source.generation && l->result_number < l->source.number;
    s.offset = -1;
    s.number = ahead ? l->result_number : l->source.number;
    s.stored_ms = l->source.stored_ms;
    return history_put(l->db, NULL, 0, &s, err);
}

static int register_tenant(struct backup_load *l, struct err *err)
{
    struct app_text *texts = mem_zero(l->app_count, sizeof *texts);
    for (size_t i = 0; i < l->app_count; i++)
        texts[i] = (struct app_text){l->apps[i].data ? l->apps[i].data : "", l->apps[i].len};
    struct tenant_row row = l->row;
    row.state = TENANT_CREATING;
    int status = registry_restore(l->db, &row, texts, err);
    free(texts);
    for (uint32_t v = 2; v <= l->published && status == 0; v++)
        status = registry_app_published(l->db, l->row.tenant, v, err);
    for (size_t i = 0; i < l->request_count && status == 0; i++) {
        status = request_add(l->db, l->row.tenant, &l->requests[i], err);
        if (status < 0 && err->code == ERR_EXISTS)
            status = 0;
    }
    return status;
}

int backup_load_commit(struct backup_load *l, struct backup_loaded *loaded, struct err *err)
{
    for (size_t i = 0; i < l->schedule_count; i++)
        if (keep_schedule(l, &l->schedules[i], err) < 0)
            return -1;
    if (begin_without_head(l, err) < 0 || store_source(l, err) < 0 || (!l->only_data && register_tenant(l, err) < 0))
        return -1;
    l->loaded.only_data = l->only_data;
    l->loaded.version = l->row.version;
    l->loaded.apps = l->app_count;
    l->loaded.requests = l->request_count;
    *loaded = l->loaded;
    return 0;
}

void backup_load_undo(struct backup_load *l)
{
    struct err err = {0};
    int status = l->only_data ? 0 : make_room(l->db, l->row.tenant, &err);
    if (status == 0 && !l->had_data)
        status = coredms_purge(l->db, l->row.tenant, &err);
    if (status < 0)
        log_warn("what was restored of %s could not be taken back: %s", l->row.tenant, err.text);
}

void backup_load_free(struct backup_load **load)
{
    struct backup_load *l = *load;
    if (!l)
        return;
    coredms_close(&l->db);
    tenant_row_free(&l->row);
    for (size_t i = 0; i < l->app_count; i++)
        buf_free(&l->apps[i]);
    free(l->apps);
    for (size_t i = 0; i < l->request_count; i++)
        run_row_free(&l->requests[i]);
    free(l->requests);
    for (size_t i = 0; i < l->schedule_count; i++)
        free(l->schedules[i].job);
    free(l->schedules);
    checkpoint_head_free(&l->head);
    checkpoint_head_free(&l->raised);
    buf_free(&l->state);
    arena_free(&l->arena);
    run_row_free(&l->run);
    buf_free(&l->report);
    free(l);
    *load = NULL;
}
