#include "cli/against.h"

#include "cli/differences.h"
#include "cli/recomputed.h"
#include "cli/row_stream.h"

#include "base/time_format.h"
#include "stream/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct trial {
    const struct against_options *o;
    struct replay replay;
    int64_t head_number; /* of the last result that the tenant's worker had given up to where the log is read */
    struct differences differences;
};

/* As far as the tenant's own worker had read. */
static bool enough(void *context, const struct replay *r)
{
    (void)context;
    return r->offset >= r->head.offset;
}

static void judge(void *context, const struct result_row *stored, const struct result_row *again)
{
    struct trial *t = context;
    const struct result_row *any = stored ? stored : again;
    if (stored && stored->generation == t->replay.row.generation && stored->number > t->head_number)
        return; /* came meanwhile */
    if (t->o->stream && strcmp(t->o->stream, any->stream) != 0)
        return;
    if (stored && !differences_readable(stored))
        differences_add(&t->differences, "damaged", stored, again);
    else if (!again)
        differences_add(&t->differences, "gone", stored, NULL);
    else if (!stored)
        differences_add(&t->differences, "new", NULL, again);
    else if (stored->body_len == again->body_len && memcmp(stored->body, again->body, stored->body_len) == 0)
        t->differences.same++;
    else
        differences_add(&t->differences, "changed", stored, again);
}

static int run_log(struct trial *t, struct recomputed *recomputed, struct err *err)
{
    struct coredms *again;
    struct engine_info info;
    char from[32];
    const struct engine_sink sink = recomputed_sink(recomputed);
    engine_info(t->replay.engine, &info);
    if (replay_run(&t->replay, &sink, enough, t, err) < 0 || recomputed_finish(recomputed, &again, err) < 0)
        return -1;
    const struct history_filter filter = {.from = info.from, .to = INT64_MAX};
    if (row_streams_compare(t->replay.store, again, &filter, judge, t, err) < 0)
        return -1;
    time_rfc3339(info.from < 0 ? 0 : info.from, from);
    fprintf(stderr,
            "log offsets %" PRId64 " to %" PRId64 ", windows from %s on: %" PRId64 " results are the same, %" PRId64
            " are not%s\n",
            t->replay.begin_offset + 1, t->replay.offset, from, t->differences.same, t->differences.count,
            t->o->limit && t->differences.count > t->o->limit ? " (--limit 0 shows all)" : "");
    return 0;
}

static int try_log(struct trial *t, const struct app *app, struct err *err)
{
    struct recomputed *recomputed;
    int64_t highest = INT64_MIN, from = INT64_MIN;
    checkpoint_info_int(&t->replay.head, "highest", &highest);
    checkpoint_info_int(&t->replay.head, "result_number", &t->head_number);
    if (highest > INT64_MIN + t->o->range && t->o->range)
        from = highest - t->o->range;
    if (replay_begin_changed(&t->replay, app->text, app->text_len, from, err) < 0 ||
        recomputed_open(t->o->tenant, t->replay.row.generation, &recomputed, err) < 0)
        return -1;
    int status = run_log(t, recomputed, err);
    recomputed_close(&recomputed);
    return status;
}

int against_run(const struct settings *s, const struct app *app, const struct against_options *o, struct err *err)
{
    struct trial t = {.o = o};
    if (strcmp(app->tenant, o->tenant) != 0)
        return err_set(err, ERR_INVALID, "the app is of tenant %s, not of %s", app->tenant, o->tenant);
    if (replay_open(&t.replay, s, o->tenant, COREDMS_BEGUN, err) < 0)
        return -1;
    differences_begin(&t.differences, o->limit, "stored", "changed");
    int status = try_log(&t, app, err);
    if (status == 0)
        status = differences_print(&t.differences, o->table, err);
    differences_free(&t.differences);
    replay_close(&t.replay);
    return status;
}
