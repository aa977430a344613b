/* The verdict on runs and reports: each is run once, stored before it is published, published at least once and always
 * the same, and made of just the results that were stored when it was computed. */
#include "tests/simulation/private.h"

#include "base/json.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE 60000

void judge_report_taken(struct world *w, const struct entry *e)
{
    const struct stored_run *r = store_run(&w->store, e->id);
    if (!r || r->row.state != RUN_DONE || !r->report)
        accuse(w, "the report of %s was published before it was stored", e->id);
    else if (r->len != e->len || memcmp(r->report, e->body, e->len) != 0)
        accuse(w, "the report of %s was published otherwise than it is stored", e->id);
}

/* ---- what a report must be made of ---- */

static bool in_report(const struct result_row *r, const struct run_row *run)
{
    return r->window_start >= run->from && r->window_start < run->to && strcmp(r->stream, "s") == 0;
}

static int by_mark(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void expected_rows(const struct world *w, const struct expected x[GENERATIONS], const struct run_row *run,
                          const int64_t up_to[GENERATIONS], bool withdrawn, struct buf *rows)
{
    struct replay r;
    size_t count = 0;
    replay_make(w, x, up_to, &r);
    if (withdrawn)
        replay_withdraw(&r, w, x);
    int64_t *marks = mem_alloc((r.count + 1) * sizeof *marks);
    for (size_t i = 0; i < r.count; i++)
        if (!r.withdrawn[i] && in_report(r.rows[i], run))
            marks[count++] = row_mark(r.rows[i]);
    qsort(marks, count, sizeof *marks, by_mark);
    buf_clear(rows);
    json_w_open(rows, '[');
    for (size_t i = 0; i < count; i++)
        json_w_int(rows, marks[i]);
    json_w_close(rows, ']');
    free(marks);
    replay_free(&r);
}

/* The offset in their queue of the result that a run must not begin before; -1 = none. */
static int64_t offset_awaited(const struct world *w, const struct run_row *run)
{
    bool waits = run->after_number > 0 && run->generation == w->generation; /* not for what a rewind has ended */
    for (size_t i = 0; waits && i < w->results.count; i++) {
        const struct entry *e = &w->results.at[i];
        if (entry_is_from(e, WORKER_USER) && e->number == run->after_number &&
            e->generation == (int64_t)run->generation)
            return (int64_t)i;
    }
    return -1;
}

/* Whether `complete` can be held to its word: no event may reach the worker later than what still counts, and no clock
 * may jump, as a quiet log is complete by the clock. */
static bool complete_is_final(const struct world *w)
{
    return w->punctual && !w->timed && !w->odds[FAULT_CLOCK] && w->version_count == 1 && w->generation == 1 &&
           w->longest_delay < produce_margin_ms(&w->versions[0].shape) / 2 - 1000;
}

static bool rows_are(const struct stored_run *r, const struct buf *expected)
{
    const char *rows;
    size_t len;
    return json_find(r->report, r->len, "rows", &rows, &len) == JSON_ARRAY && len == expected->len &&
           memcmp(rows, expected->data, len) == 0;
}

/* Is each element of one JSON array of ints, ascending, in the other? */
static bool holds_all(const char *all, size_t all_len, const char *some, size_t some_len)
{
    struct json a = json_begin(all, all_len), s = json_begin(some, some_len);
    bool first_a = true, first_s = true;
    const char *x = NULL, *y;
    if (!json_enter(&a, '[') || !json_enter(&s, '['))
        return false;
    while (json_next(&s, &first_s, NULL, NULL) && json_skip(&s, &y)) {
        size_t len = (size_t)(s.at - y);
        bool same = false;
        while (!same && json_next(&a, &first_a, NULL, NULL) && json_skip(&a, &x))
            same = (size_t)(a.at - x) == len && memcmp(x, y, len) == 0;
        if (!same)
            return false;
    }
    return true;
}

/* Until a rewind has come to its end in the store, what it withdraws may be there or not, row by row: a worker that
 * begins anew brings back what its predecessor had not stored. */
static bool rows_are_between(const struct stored_run *r, const struct buf *most, const struct buf *least)
{
    const char *rows;
    size_t len;
    return json_find(r->report, r->len, "rows", &rows, &len) == JSON_ARRAY &&
           holds_all(most->data, most->len, rows, len) && holds_all(rows, len, least->data, least->len);
}

static void stored_up_to(const struct stored_run *r, int64_t up_to[GENERATIONS])
{
    struct buf text = {0};
    char *end = NULL;
    (void)json_get_string(r->report, r->len, "time_period", &text);
    up_to[0] = strtoll(buf_cstr(&text), &end, 10);
    up_to[1] = strtoll(end + 1, NULL, 10);
    buf_free(&text);
}

static void judge_rows(struct world *w, const struct expected x[GENERATIONS], const struct stored_run *r)
{
    struct buf rows = {0}, least = {0};
    bool complete = false;
    int64_t up_to[GENERATIONS];
    const int64_t all[GENERATIONS] = {INT64_MAX, INT64_MAX};
    stored_up_to(r, up_to);
    if (up_to[w->generation - 1] < offset_awaited(w, &r->row))
        accuse(w, "run %s began before its result %" PRId64 " was stored", r->row.id, r->row.after_number);
    expected_rows(w, x, &r->row, up_to, false, &rows);
    expected_rows(w, x, &r->row, up_to, true, &least);
    if (!rows_are_between(r, &rows, &least))
        accuse(w, "the report of %s does not hold what was stored up to offset %" PRId64, r->row.id,
               up_to[w->generation - 1]);
    expected_rows(w, x, &r->row, all, false, &rows);
    if (!json_get_bool(r->report, r->len, "complete", &complete) || complete != r->row.complete)
        accuse(w, "the report of %s is not as complete as its run says", r->row.id);
    if (complete && complete_is_final(w) && !rows_are(r, &rows))
        accuse(w, "the report of %s says that it is complete, and is not", r->row.id);
    buf_free(&rows);
    buf_free(&least);
}

/* ---- runs ---- */

static void judge_published(struct world *w, const struct stored_run *r)
{
    bool found = false;
    for (size_t i = 0; i < w->reports.count; i++) {
        const struct entry *e = &w->reports.at[i];
        if (strcmp(e->id, r->row.id) != 0)
            continue;
        found = true;
        if (e->len != r->len || memcmp(e->body, r->report, e->len) != 0)
            accuse(w, "a published report of %s is another than the stored one", r->row.id);
    }
    if (!found)
        accuse(w, "the report of %s was not published", r->row.id);
}

static bool was_triggered(const struct world *w, const struct expected x[GENERATIONS], const char *id)
{
    for (size_t g = 0; g < w->generation; g++)
        if (list_find(&x[g].triggers, id))
            return true;
    return false;
}

static void judge_asked_for(struct world *w, const struct expected x[GENERATIONS], const struct run_row *r)
{
    bool known = r->cause == RUN_ON_SCHEDULE || (r->cause == RUN_ON_TRIGGER && was_triggered(w, x, r->id)) ||
                 (r->cause == RUN_ON_DEMAND && list_find(&w->requests, r->id));
    if (!known)
        accuse(w, "run %s was never asked for", r->id);
}

static void judge_run(struct world *w, const struct expected x[GENERATIONS], const struct stored_run *r)
{
    bool may_fail = r->row.cause == RUN_ON_DEMAND && r->row.error && strstr(r->row.error, "no result of this stream");
    judge_asked_for(w, x, &r->row);
    if (r->row.state == RUN_SKIPPED && r->row.cause == RUN_ON_SCHEDULE)
        return;
    if (r->row.state == RUN_FAILED && may_fail)
        return;
    if (r->row.state != RUN_DONE || !r->row.published || !r->report) {
        accuse(w, "run %s is %s%s%s", r->row.id, run_state_name(r->row.state),
               r->row.published ? "" : ", not marked published", r->report ? "" : ", without a report");
        return;
    }
    judge_published(w, r);
    judge_rows(w, x, r);
}

/* ---- schedules ---- */

static int by_time(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static bool is_first_sight(const struct run_row *r)
{
    return r->state == RUN_SKIPPED && r->error && strstr(r->error, "before the job was known");
}

/* Each due minute once, from the first after the job was seen until now. */
static void judge_minutes(struct world *w, const int64_t *minutes, size_t count, int64_t seen)
{
    if (seen != INT64_MIN && count && minutes[0] > seen + MINUTE)
        accuse(w, "the period that ends at %" PRId64 " has no run", minutes[0] - MINUTE);
    for (size_t i = 1; i < count; i++)
        if (minutes[i] != minutes[i - 1] + MINUTE)
            accuse(w, "the period that ends at %" PRId64 " has %s", minutes[i - 1] + MINUTE,
                   minutes[i] == minutes[i - 1] ? "two runs" : "no run");
    int64_t last = count ? minutes[count - 1] : seen;
    if (last != INT64_MIN && last < w->wall - 2 * (int64_t)MINUTE && !w->odds[FAULT_CLOCK])
        accuse(w, "no period after %" PRId64 " has a run, and it is %" PRId64, last, w->wall);
}

static void judge_schedule(struct world *w)
{
    size_t count = 0;
    int64_t *minutes = mem_alloc((w->store.run_count + 1) * sizeof *minutes), seen = INT64_MIN;
    for (size_t i = 0; i < w->store.run_count; i++) {
        const struct run_row *r = &w->store.runs[i].row;
        if (r->cause != RUN_ON_SCHEDULE)
            continue;
        if (!is_first_sight(r))
            minutes[count++] = r->to;
        else if (seen < r->to) /* a worker that was stopped may see it for the first time, too */
            seen = r->to;
    }
    qsort(minutes, count, sizeof *minutes, by_time);
    judge_minutes(w, minutes, count, seen);
    free(minutes);
}

void judge_runs(struct world *w, const struct expected x[GENERATIONS])
{
    const struct list *triggers = &x[w->generation - 1].triggers;
    for (size_t i = 0; i < triggers->count; i++)
        if (!store_run(&w->store, triggers->at[i].id))
            accuse(w, "trigger %s has no run", triggers->at[i].id);
    for (size_t i = 0; i < w->requests.count; i++)
        if (!store_run(&w->store, w->requests.at[i].id))
            accuse(w, "%s has no run", w->requests.at[i].id);
    for (size_t i = 0; i < w->store.run_count; i++)
        judge_run(w, x, &w->store.runs[i]);
    judge_schedule(w);
}
