/* belltower verify: what the retained log gives, against what is stored. */
#include "cli/client.h"
#include "cli/differences.h"
#include "cli/recomputed.h"
#include "cli/row_stream.h"
#include "cli/verbs.h"

#include "base/clock.h"
#include "stream/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct wanted {
    const char *format;
    enum table_format table;
    int64_t from, to, limit;
};

struct verifying {
    const struct wanted *w;
    struct replay replay;
    struct source source;  /* how far the store was when it began */
    int64_t before_number; /* the last number that the engine had given when it began */
    int64_t expired_ms;    /* results of windows that ended before are no longer stored */
    struct differences differences;
    int64_t old_generations, before; /* stored results that are left out: of lower generations, of lower numbers */
};

static bool enough(void *context, const struct replay *r)
{
    const struct verifying *v = context;
    struct engine_info info;
    engine_info(r->engine, &info);
    return (int64_t)info.result_number >= v->source.number;
}

/* Stored since the replay began, or corrected by a later result: it says nothing about what was recomputed. */
static bool newer(const struct verifying *v, const struct result_row *stored)
{
    return stored->generation > v->source.generation ||
           (stored->generation == v->source.generation && stored->number > v->source.number);
}

/* One that this reading of the log does not give. */
static void judge_alone(struct verifying *v, const struct result_row *stored)
{
    if (stored->generation < v->source.generation)
        v->old_generations++;
    else if (stored->number <= v->before_number)
        v->before++;
    else
        differences_add(&v->differences, "extra", stored, NULL);
}

static bool same(const struct result_row *a, const struct result_row *b)
{
    return a->generation == b->generation && a->number == b->number && a->revision == b->revision &&
           a->first_offset == b->first_offset && a->last_offset == b->last_offset && a->body_len == b->body_len &&
           memcmp(a->body, b->body, a->body_len) == 0;
}

static void judge(void *context, const struct result_row *stored, const struct result_row *again)
{
    struct verifying *v = context;
    if (!stored) {
        if (again->window_end >= v->expired_ms)
            differences_add(&v->differences, "missing", NULL, again);
        return;
    }
    if (!differences_readable(stored)) {
        differences_add(&v->differences, "damaged", stored, again);
        return;
    }
    if (newer(v, stored))
        return;
    if (!again) {
        judge_alone(v, stored);
    } else if (same(stored, again)) {
        v->differences.same++;
    } else {
        differences_add(&v->differences, "different", stored, again);
    }
}

static int compare(struct verifying *v, struct recomputed *recomputed, struct err *err)
{
    struct coredms *again;
    const struct history_filter filter = {.from = v->w->from, .to = v->w->to};
    if (recomputed_finish(recomputed, &again, err) < 0)
        return -1;
    v->expired_ms = clock_wall_ms() - engine_app(v->replay.engine)->keep;
    return row_streams_compare(v->replay.store, again, &filter, judge, v, err);
}

static int replay(struct verifying *v, struct recomputed *recomputed, struct err *err)
{
    struct engine_info info;
    const struct log_point point = {.to_ms = v->w->from, .to_offset = -1};
    if (replay_begin(&v->replay, v->w->from == INT64_MIN ? NULL : &point, err) < 0)
        return -1;
    engine_info(v->replay.engine, &info);
    v->before_number = (int64_t)info.result_number;
    recomputed_up_to(recomputed, v->source.number);
    const struct engine_sink sink = recomputed_sink(recomputed);
    if (replay_run(&v->replay, &sink, enough, v, err) < 0)
        return -1;
    return compare(v, recomputed, err);
}

static int verify(struct verifying *v, const char *tenant, struct err *err)
{
    struct recomputed *recomputed;
    if (history_source(v->replay.store, &v->source, err) < 0)
        return -1;
    if (v->source.generation != v->replay.row.generation)
        return err_set(err, ERR_CONFLICT, "nothing of generation %" PRIu64 " of %s is stored yet",
                       v->replay.row.generation, tenant);
    if (recomputed_open(tenant, v->source.generation, &recomputed, err) < 0)
        return -1;
    int status = replay(v, recomputed, err);
    recomputed_close(&recomputed);
    if (status == 0)
        status = differences_print(&v->differences, v->w->table, err);
    if (status < 0)
        return -1;
    fprintf(stderr, "log offsets %" PRId64 " to %" PRId64 " read again: %" PRId64 " stored results are the same\n",
            v->replay.begin_offset + 1, v->replay.offset, v->differences.same);
    if (v->old_generations)
        fprintf(stderr,
                "%" PRId64 " stored results are left out: they are of a generation before %" PRIu64
                ", and a rewind kept them as they were\n",
                v->old_generations, v->source.generation);
    if (v->before)
        fprintf(stderr,
                "%" PRId64 " stored results are left out: they were given before offset %" PRId64
                ", where reading began\n",
                v->before, v->replay.begin_offset + 1);
    return v->differences.count
               ? err_set(err, ERR_CONFLICT, "%" PRId64 " results differ%s", v->differences.count,
                         v->w->limit && v->differences.count > v->w->limit ? "; --limit 0 shows all" : "")
               : 0;
}

static int attempt(struct client *c, const struct wanted *w, const char *tenant, unsigned reads, struct err *err)
{
    struct verifying v = {.w = w};
    if (replay_open(&v.replay, &c->settings, tenant, reads, err) < 0)
        return -1;
    differences_begin(&v.differences, v.w->limit, "stored", "recomputed");
    int status = verify(&v, tenant, err);
    differences_free(&v.differences);
    replay_close(&v.replay);
    return status;
}

/* ---- the store itself ---- */

static void tell_page(void *context, const char *where)
{
    int64_t *damaged = context;
    ++*damaged;
    fprintf(stderr, "%s does not have its checksum\n", where);
}

/* All pages, for what no result lies on is as damaged: runs, reports, checkpoints, room that is free now. */
static int inspect(const struct client *c, const char *tenant, int64_t *damaged, struct err *err)
{
    struct coredms *db;
    int64_t pages;
    *damaged = 0;
    if (coredms_open(c->settings.coredms, tenant, COREDMS_READS, &db, err) < 0)
        return -1;
    int status = coredms_inspect(db, tell_page, damaged, &pages, err);
    coredms_close(&db);
    if (status < 0 && err->code != ERR_DAMAGED)
        return -1;
    if (status < 0 && ++*damaged)
        fprintf(stderr, "%s\n", err->text);
    else if (pages)
        fprintf(stderr, "%" PRId64 " of %" PRId64 " pages of the store have their checksums\n", pages - *damaged,
                pages);
    return 0;
}

/* A store that is damaged is read as it is: so it shows which results are touched. */
static int run(struct client *c, void *wanted, int argc, char **argv, struct err *err)
{
    int64_t damaged;
    (void)argc;
    if (inspect(c, argv[1], &damaged, err) < 0)
        return -1;
    if (!damaged) {
        int status = attempt(c, wanted, argv[1], COREDMS_BEGUN, err);
        if (status == 0 || err->code != ERR_DAMAGED)
            return status;
        fprintf(stderr, "%s\n", err->text);
    }
    fprintf(stderr, "compared nevertheless:\n");
    int status = attempt(c, wanted, argv[1], COREDMS_BEGUN | COREDMS_READS_DAMAGED, err);
    return status < 0 ? -1 : err_set(err, ERR_DAMAGED, "the store is damaged, but not in these results");
}

int cmd_verify(int argc, char **argv)
{
    struct wanted w = {.from = INT64_MIN, .to = INT64_MAX, .limit = 100};
    const struct option options[] = {
        {"from", OPTION_TIME, &w.from, "TIME",
         "windows that start at or after it; default: all that the log still gives"},
        {"to", OPTION_TIME, &w.to, "TIME", "windows that start before it"},
        {"limit", OPTION_NUMBER, &w.limit, "N", "differences listed (100); 0 = all"},
        {"o", OPTION_TEXT, &w.format, "table|json|csv", "how differences are shown"},
    };
    const struct client_verb v = {.name = "verify",
                                  .options = options,
                                  .option_count = sizeof options / sizeof *options,
                                  .min_arguments = 1,
                                  .max_arguments = 1,
                                  .format = &w.format,
                                  .table = &w.table,
                                  .run = run};
    return client_verb(&v, &w, argc, argv);
}
