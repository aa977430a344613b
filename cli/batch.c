/* belltower batch run|list|show. */
#include "cli/client.h"
#include "cli/table.h"
#include "cli/verbs.h"

#include "base/json.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct wanted {
    const char *format, *range, *from, *to, *until, *key, *wait, *job;
    int64_t limit;
    enum table_format table;
    const struct verb_sub *sub;
};

static void path_begin(struct buf *b, const char *tenant)
{
    buf_add_str(b, "/v1/tenants/");
    client_encode(b, tenant);
}

static void member(struct buf *b, const char *name, const char *value)
{
    if (!value)
        return;
    json_w_name(b, name);
    json_w_str(b, value);
}

static int print_report(const struct wanted *w, const struct buf *report, struct err *err)
{
    const char *rows;
    size_t len;
    if (w->table == TABLE_JSON || json_find(report->data, report->len, "rows", &rows, &len) != JSON_ARRAY) {
        printf("%.*s\n", (int)report->len, report->data);
        return 0;
    }
    return table_print(stdout, w->table, rows, len, NULL, 0, err);
}

static int do_run(struct client *c, const void *wanted, char **argv, struct err *err)
{
    const struct wanted *w = wanted;
    struct buf path = {0}, body = {0}, answer = {0};
    path_begin(&path, argv[0]);
    buf_add_str(&path, "/jobs/");
    client_encode(&path, argv[1]);
    buf_printf(&path, "/runs?wait=%s", w->wait);
    json_w_open(&body, '{');
    member(&body, "range", w->range);
    member(&body, "from", w->from);
    member(&body, "to", w->to);
    member(&body, "until", w->until);
    json_w_close(&body, '}');
    const struct client_request r = {.method = "POST",
                                     .path = buf_cstr(&path),
                                     .content_type = "application/json",
                                     .idempotency_key = w->key,
                                     .body = body.data,
                                     .len = body.len};
    long code = 0;
    int status = client_call(c, &r, &answer, &code, err);
    if (status == 0 && code == 202) {
        fprintf(stderr, "not done yet; belltower batch show %s RUN shows it later\n", argv[0]);
        printf("%s\n", buf_cstr(&answer));
    } else if (status == 0) {
        status = print_report(w, &answer, err);
    }
    buf_free(&path);
    buf_free(&body);
    buf_free(&answer);
    return status;
}

static int do_list(struct client *c, const void *wanted, char **argv, struct err *err)
{
    const struct wanted *w = wanted;
    static const struct table_column columns[] = {{"run", NULL},      {"job", NULL},  {"cause", NULL},
                                                  {"state", NULL},    {"from", NULL}, {"to", NULL},
                                                  {"complete", NULL}, {"rows", NULL}, {"error", NULL}};
    struct buf path = {0}, rows = {0};
    path_begin(&path, argv[0]);
    buf_add_str(&path, "/runs");
    if (w->job) {
        buf_add_str(&path, "?job=");
        client_encode(&path, w->job);
    }
    bool more = false;
    int status = client_list(c, buf_cstr(&path), "runs", (size_t)w->limit, &rows, &more, err);
    if (status == 0)
        status = table_print(stdout, w->table, rows.data, rows.len, columns, sizeof columns / sizeof *columns, err);
    if (status == 0 && more)
        fputs("more runs: --limit 0\n", stderr);
    buf_free(&path);
    buf_free(&rows);
    return status;
}

static int do_show(struct client *c, const void *wanted, char **argv, struct err *err)
{
    const struct wanted *w = wanted;
    struct buf path = {0}, answer = {0};
    path_begin(&path, argv[0]);
    buf_add_str(&path, "/runs/");
    client_encode(&path, argv[1]);
    buf_add_str(&path, "/report");
    int status = client_get(c, buf_cstr(&path), &answer, err);
    if (status == 0)
        status = print_report(w, &answer, err);
    buf_free(&path);
    buf_free(&answer);
    return status;
}

const struct verb_sub batch_subs[] = {
    {"run", "TENANT JOB", "run a job now and show its report", do_run},
    {"list", "TENANT", "its runs, newest first", do_list},
    {"show", "TENANT RUN", "the report of a run", do_show},
    {NULL, NULL, NULL, NULL},
};

static int check(void *wanted, int argc, char **argv, struct err *err)
{
    struct wanted *w = wanted;
    w->sub = verb_find_sub(batch_subs, argc, argv, err);
    return w->sub ? 0 : -1;
}

static int run_sub(struct client *c, void *wanted, int argc, char **argv, struct err *err)
{
    const struct wanted *w = wanted;
    (void)argc;
    return w->sub->run(c, w, argv + 2, err);
}

int cmd_batch(int argc, char **argv)
{
    struct wanted w = {.limit = 50, .wait = "30s"};
    const struct option options[] = {
        {"o", OPTION_TEXT, &w.format, "table|json|csv", "how rows are shown"},
        {"range", OPTION_TEXT, &w.range, "TIME", "run: so far back, e.g. 12h"},
        {"from", OPTION_TEXT, &w.from, "TIME", "run: windows that start at or after it"},
        {"to", OPTION_TEXT, &w.to, "TIME", "run: windows that start before it"},
        {"until", OPTION_TEXT, &w.until, "TIME", "run: the end that the range is counted back from"},
        {"key", OPTION_TEXT, &w.key, "KEY", "run: the same key again gives the same run"},
        {"wait", OPTION_TEXT, &w.wait, "TIME", "run: for the report (30s)"},
        {"job", OPTION_TEXT, &w.job, "JOB", "list: of this job only"},
        {"limit", OPTION_NUMBER, &w.limit, "N", "list: rows at most; 0 = all (50)"},
    };
    const struct client_verb v = {.name = "batch",
                                  .options = options,
                                  .option_count = sizeof options / sizeof *options,
                                  .min_arguments = 1,
                                  .max_arguments = 3,
                                  .format = &w.format,
                                  .table = &w.table,
                                  .check = check,
                                  .run = run_sub};
    return client_verb(&v, &w, argc, argv);
}
