#include "cli/recomputed.h"

#include "base/files.h"
#include "base/mem.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH_ROWS 1000

struct recomputed {
    char directory[PATH_MAX];
    struct coredms *db;
    struct source source;
    int64_t up_to, count;
    struct result_row rows[BATCH_ROWS]; /* their texts are owned */
    size_t row_count;
    bool failed;
    struct err err;
};

int recomputed_open(const char *tenant, uint64_t generation, struct recomputed **out, struct err *err)
{
    char uri[PATH_MAX + 8];
    const char *tmp = getenv("TMPDIR");
    struct recomputed *r = mem_zero(1, sizeof *r);
    snprintf(r->directory, sizeof r->directory, "%s/belltower-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    r->up_to = INT64_MAX;
    if (!mkdtemp(r->directory)) {
        err_set_errno(err, "cannot make a temporary directory %s", r->directory);
        free(r);
        return -1;
    }
    snprintf(uri, sizeof uri, "sqlite:%s", r->directory);
    if (coredms_open(uri, tenant, COREDMS_WRITES_BATCH, &r->db, err) < 0 ||
        history_raise(r->db, generation, &r->source, err) < 0) {
        recomputed_close(&r);
        return -1;
    }
    *out = r;
    return 0;
}

static void forget(struct recomputed *r)
{
    for (size_t i = 0; i < r->row_count; i++)
        free((char *)(uintptr_t)r->rows[i].stream);
    r->row_count = 0;
}

void recomputed_close(struct recomputed **recomputed)
{
    struct recomputed *r = *recomputed;
    if (!r)
        return;
    forget(r);
    coredms_close(&r->db);
    files_remove_tree(r->directory);
    free(r);
    *recomputed = NULL;
}

void recomputed_up_to(struct recomputed *r, int64_t number)
{
    r->up_to = number;
}

int64_t recomputed_count(const struct recomputed *r)
{
    return r->count;
}

static void store(struct recomputed *r)
{
    r->source.number += (int64_t)r->row_count;
    r->source.offset += (int64_t)r->row_count;
    if (!r->failed && history_put(r->db, r->rows, r->row_count, &r->source, &r->err) < 0)
        r->failed = true;
    forget(r);
}

/* Stream, key and body in one block. */
static void copy_texts(struct result_row *row, const struct engine_result *result)
{
    size_t name = strlen(result->stream_name) + 1;
    char *p = mem_alloc(name + result->key.len + 1 + result->body.len + 1);
    row->stream = memcpy(p, result->stream_name, name);
    row->key = memcpy(p + name, result->key.p, result->key.len);
    p[name + result->key.len] = 0;
    row->body = memcpy(p + name + result->key.len + 1, result->body.p, result->body.len);
    p[name + result->key.len + 1 + result->body.len] = 0;
    row->body_len = result->body.len;
}

static void on_result(void *context, const struct engine_result *result)
{
    struct recomputed *r = context;
    if ((int64_t)result->number > r->up_to)
        return;
    struct result_row *row = &r->rows[r->row_count++];
    *row = (struct result_row){.generation = r->source.generation,
                               .revision = result->revision,
                               .number = (int64_t)result->number,
                               .window_start = result->window_start,
                               .window_end = result->window_end,
                               .first_offset = (int64_t)result->first_offset,
                               .last_offset = (int64_t)result->last_offset};
    copy_texts(row, result);
    r->count++;
    if (r->row_count == BATCH_ROWS)
        store(r);
}

static void no_trigger(void *context, const struct engine_trigger *t)
{
    (void)context;
    (void)t;
}

static void no_dead(void *context, const struct engine_dead *d)
{
    (void)context;
    (void)d;
}

struct engine_sink recomputed_sink(struct recomputed *r)
{
    return (struct engine_sink){.context = r, .result = on_result, .trigger = no_trigger, .dead = no_dead};
}

int recomputed_finish(struct recomputed *r, struct coredms **db, struct err *err)
{
    store(r);
    *db = r->db;
    if (!r->failed)
        return 0;
    *err = r->err;
    return -1;
}
