/* The store, with the semantics of coredms/coredms.h. */
#include "tests/simulation/private.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "batch/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- whether a change happens ---- */

static bool is_away(const struct world *w)
{
    return w->faults && w->mono < w->away_until;
}

bool store_is_unreadable(struct world *w)
{
    bool faulty = is_away(w) || fault(w, FAULT_LOAD);
    w->v->store_faults += faulty;
    return faulty;
}

enum outcome store_mood(struct world *w)
{
    enum outcome o = OUTCOME_DONE;
    if (is_away(w) || fault(w, FAULT_REFUSE))
        o = OUTCOME_REFUSED;
    else if (fault(w, FAULT_UNKNOWN))
        o = one_in(w, 2) ? OUTCOME_UNKNOWN_DONE : OUTCOME_UNKNOWN_NOT;
    w->v->store_faults += o != OUTCOME_DONE;
    return o;
}

bool store_happens(enum outcome o)
{
    return o == OUTCOME_DONE || o == OUTCOME_UNKNOWN_DONE;
}

enum err_code store_code(struct world *w, enum outcome o)
{
    if (o == OUTCOME_DONE)
        return ERR_NONE;
    if (o != OUTCOME_REFUSED)
        return ERR_UNKNOWN;
    return one_in(w, 2) ? ERR_FULL : ERR_UNAVAILABLE;
}

/* ---- the checkpoint ---- */

static void replace(struct buf *b, struct bytes with)
{
    buf_clear(b);
    buf_add(b, with.p, with.len);
}

bool store_raise_checkpoint(struct store *s, uint64_t generation)
{
    if (generation < s->generation)
        return false;
    s->epoch++;
    if (generation == s->generation)
        return true;
    s->generation = generation;
    s->there = false;
    s->head = (struct stream_head){.offset = -1};
    buf_clear(&s->info);
    return true;
}

static bool owns_checkpoint(const struct world *w, const struct worker *k, uint64_t epoch)
{
    return (epoch == w->store.epoch && k->generation == w->store.generation) || w->sabotage == SABOTAGE_NO_EPOCH;
}

enum err_code store_save(struct world *w, const struct worker *k, const struct stream_effect *e)
{
    struct store *s = &w->store;
    if (!owns_checkpoint(w, k, e->save.epoch))
        return ERR_FENCED;
    enum outcome o = store_mood(w);
    if (store_happens(o)) {
        s->head = e->save.head;
        replace(&s->info, e->save.info);
        if (e->save.state.p)
            replace(&s->state, e->save.state);
        s->saves += e->save.state.p != NULL;
        s->there = s->there || e->save.state.p;
    } else if (w->sabotage == SABOTAGE_OFFSET_APART && s->there) {
        s->head = e->save.head;
    }
    return store_code(w, o);
}

static void keep_present(struct store *s)
{
    if (s->kept_count && s->kept[s->kept_count - 1].number == s->saves)
        return;
    s->kept = mem_resize(s->kept, s->kept_count + 1, sizeof *s->kept);
    struct kept *k = &s->kept[s->kept_count++];
    *k = (struct kept){.number = s->saves, .generation = s->generation, .head = s->head};
    buf_add(&k->state, s->state.data, s->state.len);
    buf_add(&k->info, s->info.data, s->info.len);
}

enum err_code store_check(struct world *w, const struct worker *k, uint64_t epoch)
{
    if (store_is_unreadable(w))
        return ERR_UNAVAILABLE;
    return owns_checkpoint(w, k, epoch) ? ERR_NONE : ERR_FENCED;
}

enum err_code store_keep(struct world *w, const struct worker *k, uint64_t epoch)
{
    if (!owns_checkpoint(w, k, epoch))
        return ERR_FENCED;
    enum outcome o = store_mood(w);
    if (store_happens(o))
        keep_present(&w->store);
    return store_code(w, o);
}

enum err_code store_skip(struct world *w, const struct skip_row *row)
{
    struct store *s = &w->store;
    enum outcome o = store_mood(w);
    for (size_t i = 0; i < s->skip_count; i++)
        if (s->skips[i].from == row->from && s->skips[i].to == row->to)
            return store_code(w, o);
    if (store_happens(o)) {
        s->skips = mem_resize(s->skips, s->skip_count + 1, sizeof *s->skips);
        s->skips[s->skip_count++] = *row;
    }
    return store_code(w, o);
}

/* ---- results ---- */

bool row_is_above(const struct result_row *a, const struct result_row *b)
{
    if (a->generation != b->generation)
        return a->generation > b->generation;
    if (a->revision != b->revision)
        return a->revision > b->revision;
    return a->number > b->number;
}

bool row_is_same_window(const struct result_row *a, const struct result_row *b)
{
    return a->window_start == b->window_start && strcmp(a->stream, b->stream) == 0 && strcmp(a->key, b->key) == 0;
}

static uint64_t row_hash(const struct result_row *r)
{
    uint64_t h = hash_fnv64(r->stream, strlen(r->stream)) * 31 + hash_fnv64(r->key, strlen(r->key));
    return h * 31 + (uint64_t)r->window_start;
}

static void fill(struct stored_result *to, const struct result_row *row)
{
    size_t stream = strlen(row->stream) + 1, key = strlen(row->key) + 1;
    free(to->block);
    char *p = to->block = mem_alloc(stream + key + row->body_len + 1);
    to->row = *row;
    to->row.stream = memcpy(p, row->stream, stream);
    to->row.key = memcpy(p + stream, row->key, key);
    to->row.body = memcpy(p + stream + key, row->body, row->body_len);
}

static void put_row(struct store *s, const struct result_row *row)
{
    uint64_t hash = row_hash(row);
    for (size_t i = 0; i < s->result_count; i++) {
        struct stored_result *r = &s->results[i];
        if (r->hash != hash || !row_is_same_window(&r->row, row))
            continue;
        if (row_is_above(row, &r->row))
            fill(r, row);
        return;
    }
    if (s->result_count == s->result_cap) {
        s->result_cap = s->result_cap ? s->result_cap * 2 : 64;
        s->results = mem_resize(s->results, s->result_cap, sizeof *s->results);
    }
    struct stored_result *r = &s->results[s->result_count++];
    *r = (struct stored_result){.hash = hash};
    fill(r, row);
}

bool store_raise_history(struct store *s, uint64_t generation)
{
    if (generation < s->source.generation)
        return false;
    s->source.epoch++;
    if (generation > s->source.generation)
        s->source = (struct source){.epoch = s->source.epoch, .generation = generation, .offset = -1};
    return true;
}

static bool fenced(const struct world *w, uint64_t epoch)
{
    return epoch != w->store.source.epoch && w->sabotage != SABOTAGE_NO_BATCH_EPOCH;
}

static void withdraw(struct store *s, int64_t from, uint64_t generation)
{
    for (size_t i = 0; i < s->result_count; i++) {
        struct result_row *r = &s->results[i].row;
        if (r->generation < generation && r->window_start >= from)
            r->withdrawn = true;
    }
}

enum err_code store_put(struct world *w, const struct batch_effect *e)
{
    struct store *s = &w->store;
    if (fenced(w, e->source.epoch))
        return ERR_FENCED;
    enum outcome o = e->withdraw ? store_mood(w) : OUTCOME_DONE;
    if (e->withdraw && store_happens(o))
        withdraw(s, e->withdraw_from, e->source.generation);
    if (o != OUTCOME_DONE)
        return store_code(w, o);
    bool too_much = w->store_rows && e->row_count > w->store_rows;
    w->v->store_faults += too_much;
    if (too_much)
        return ERR_UNKNOWN;
    o = store_mood(w);
    for (size_t i = 0; store_happens(o) && i < e->row_count; i++)
        put_row(s, &e->rows[i]);
    if (store_happens(o) || w->sabotage == SABOTAGE_SOURCE_APART) {
        uint64_t epoch = s->source.epoch;
        s->source = e->source;
        s->source.epoch = epoch;
        int64_t *to = &s->stored_to[s->source.generation - 1];
        *to = s->source.offset > *to ? s->source.offset : *to;
    }
    return store_code(w, o);
}

int64_t store_latest(const struct store *s, const char *stream)
{
    int64_t latest = INT64_MIN;
    for (size_t i = 0; i < s->result_count; i++) {
        const struct result_row *r = &s->results[i].row;
        if (!r->withdrawn && strcmp(r->stream, stream) == 0 && r->window_end > latest)
            latest = r->window_end;
    }
    return latest;
}

/* ---- runs ---- */

struct stored_run *store_run(struct store *s, const char *id)
{
    for (size_t i = 0; i < s->run_count; i++)
        if (strcmp(s->runs[i].row.id, id) == 0)
            return &s->runs[i];
    return NULL;
}

bool run_is_pending(const struct run_row *row)
{
    return row->state == RUN_QUEUED || row->state == RUN_RUNNING || (row->state == RUN_DONE && !row->published);
}

int64_t store_last_scheduled(const struct store *s, const char *job)
{
    int64_t last = INT64_MIN;
    for (size_t i = 0; i < s->run_count; i++) {
        const struct run_row *r = &s->runs[i].row;
        if (r->cause == RUN_ON_SCHEDULE && strcmp(r->job, job) == 0 && r->to > last)
            last = r->to;
    }
    return last;
}

static void add_run(struct store *s, const struct run_row *row)
{
    if (s->run_count == s->run_cap) {
        s->run_cap = s->run_cap ? s->run_cap * 2 : 32;
        s->runs = mem_resize(s->runs, s->run_cap, sizeof *s->runs);
    }
    struct stored_run *r = &s->runs[s->run_count++];
    *r = (struct stored_run){0};
    run_row_copy(&r->row, row);
}

enum err_code store_insert(struct world *w, const struct run_row *row, bool *fresh, struct run_row *known)
{
    enum outcome o = store_mood(w);
    const struct stored_run *there = store_run(&w->store, row->id);
    *fresh = !there;
    if (there)
        run_row_copy(known, &there->row);
    else if (store_happens(o))
        add_run(&w->store, row);
    return store_code(w, o);
}

static void free_run(struct stored_run *r)
{
    run_row_free(&r->row);
    free(r->report);
    *r = (struct stored_run){0};
}

static void replace_run(struct stored_run *r, const struct run_row *row, const char *report, size_t len)
{
    run_row_free(&r->row);
    run_row_copy(&r->row, row);
    if (!report)
        return;
    free(r->report);
    r->report = mem_strndup(report, len);
    r->len = len;
}

void store_settle(struct world *w)
{
    struct stored_run *late = &w->store.postponed, *r = late->row.id ? store_run(&w->store, late->row.id) : NULL;
    if (r && r->row.state != RUN_DONE)
        replace_run(r, &late->row, late->report, late->len);
    free_run(late);
}

enum err_code store_update(struct world *w, const struct batch_effect *e)
{
    struct stored_run *r = store_run(&w->store, e->run->id);
    if (fenced(w, e->epoch))
        return ERR_FENCED;
    if (!r)
        return ERR_NOT_FOUND;
    if (w->sabotage == SABOTAGE_REPORT_EARLY && e->report) {
        free_run(&w->store.postponed);
        run_row_copy(&w->store.postponed.row, e->run);
        w->store.postponed.report = mem_strndup(e->report, e->report_len);
        w->store.postponed.len = e->report_len;
        return ERR_NONE;
    }
    enum outcome o = store_mood(w);
    if (store_happens(o))
        replace_run(r, e->run, e->report, e->report_len);
    return store_code(w, o);
}

static void kept_free(struct kept *k)
{
    buf_free(&k->state);
    buf_free(&k->info);
}

void store_free(struct store *s)
{
    for (size_t i = 0; i < s->result_count; i++)
        free(s->results[i].block);
    for (size_t i = 0; i < s->run_count; i++)
        free_run(&s->runs[i]);
    free_run(&s->postponed);
    for (size_t i = 0; i < s->kept_count; i++)
        kept_free(&s->kept[i]);
    free(s->kept);
    free(s->skips);
    free(s->results);
    free(s->runs);
    buf_free(&s->state);
    buf_free(&s->info);
}

/* ---- a report ---- */

int64_t row_mark(const struct result_row *r)
{
    return (int64_t)r->generation * 1000000 + r->number;
}

static int by_number(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The generations and numbers of the results that a report is made of stand for its rows; its time_period tells up to
 * which offset of their queue results were stored. */
void store_query(const struct store *s, const struct app_version *v, struct run_row *run, struct buf *report)
{
    int64_t *numbers = mem_alloc((s->result_count + 1) * sizeof *numbers);
    size_t count = 0;
    char up_to[64];
    struct buf rows = {0};
    const char *stream = v->app->streams[v->app->jobs[0].stream].name;
    for (size_t i = 0; i < s->result_count; i++) {
        const struct result_row *r = &s->results[i].row;
        if (!r->withdrawn && r->window_start >= run->from && r->window_start < run->to &&
            strcmp(r->stream, stream) == 0)
            numbers[count++] = row_mark(r);
    }
    qsort(numbers, count, sizeof *numbers, by_number);
    json_w_open(&rows, '[');
    for (size_t i = 0; i < count; i++)
        json_w_int(&rows, numbers[i]);
    json_w_close(&rows, ']');
    snprintf(up_to, sizeof up_to, "%" PRId64 "/%" PRId64, s->stored_to[0], s->stored_to[1]);
    run->row_count = (int64_t)count;
    report_write(report, TENANT, run, up_to, rows.data, rows.len);
    free(numbers);
    buf_free(&rows);
}
