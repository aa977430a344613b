/* What is older than an app keeps goes, a bounded number of documents at a time. */
#include "coredms/mongodb/store.h"

#include <stdlib.h>

static bson_t *old_results(const struct store *s, int64_t before_ms)
{
    return BCON_NEW("tenant", BCON_UTF8(s->base.tenant), "window_end", "{", "$lt", BCON_DATE_TIME(before_ms), "}");
}

static bson_t *old_runs(const struct store *s, int64_t before_ms)
{
    return BCON_NEW("tenant", BCON_UTF8(s->base.tenant), "created", "{", "$lt", BCON_DATE_TIME(before_ms), "}", "ended",
                    "{", "$gt", BCON_DATE_TIME(0), "$lt", BCON_DATE_TIME(before_ms), "}");
}

struct names {
    bson_t list;
    uint32_t count;
};

static bool collect_name(void *context, const bson_t *doc)
{
    struct names *names = context;
    char key[16], *run = get_text(doc, "run");
    const char *index;
    bson_uint32_to_string(names->count++, &index, key, sizeof key);
    put_text(&names->list, index, run);
    free(run);
    return true;
}

/* {tenant, run: {$in: names}} */
static bson_t *runs_named(const struct store *s, const struct names *names)
{
    bson_t *selector = BCON_NEW("tenant", BCON_UTF8(s->base.tenant)), in;
    bson_append_document_begin(selector, "run", -1, &in);
    bson_append_array(&in, "$in", -1, &names->list);
    bson_append_document_end(selector, &in);
    return selector;
}

/* The reports go first: a run whose report is gone is found again by the next call, a report without a run by none. */
static int expire_some_runs(struct store *s, int64_t before_ms, size_t limit, size_t *gone, struct err *err)
{
    struct names names = {.list = BSON_INITIALIZER};
    bson_t *opts = BCON_NEW("projection", "{", "run", BCON_INT32(1), "}", "sort", "{", "created", BCON_INT32(1), "run",
                            BCON_INT32(1), "}", "limit", BCON_INT64((int64_t)limit));
    int status = mongo_find(s, IN_RUNS, old_runs(s, before_ms), opts, collect_name, &names, err);
    if (status == 0 && names.count > 0) {
        status = mongo_delete_some(s, IN_REPORTS, runs_named(s, &names), SIZE_MAX, NULL, err);
        if (status == 0)
            status = mongo_delete_many(s, IN_RUNS, runs_named(s, &names), err);
    }
    *gone = names.count;
    bson_destroy(&names.list);
    return status;
}

static int expire_runs(struct store *s, int64_t before_ms, size_t limit, size_t *gone, struct err *err)
{
    size_t step = 1;
    *gone = 0;
    while (step > 0 && *gone < limit) {
        size_t want = limit - *gone < PAGE_ROWS ? limit - *gone : PAGE_ROWS;
        if (expire_some_runs(s, before_ms, want, &step, err) < 0)
            return -1;
        *gone += step;
    }
    return 0;
}

int mongodb_history_expire(struct coredms *db, int64_t before_ms, size_t limit, size_t *gone, struct err *err)
{
    struct store *s = store_of(db);
    size_t results, runs;
    if (store_ready(s, err) < 0 ||
        mongo_delete_some(s, IN_RESULTS, old_results(s, before_ms), limit, &results, err) < 0 ||
        expire_runs(s, before_ms, limit - results, &runs, err) < 0)
        return -1;
    *gone = results + runs;
    return 0;
}
