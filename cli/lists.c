/* The verbs that show a list: results, triggers, dead. */
#include "cli/client.h"
#include "cli/follow.h"
#include "cli/table.h"
#include "cli/verbs.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_ROWS 100

struct listing {
    const char *verb, *path, *member; /* path: behind /v1/tenants/T */
    const struct table_column *columns;
    size_t column_count;
};

struct wanted {
    const char *format, *stream, *from, *to, *where;
    int64_t limit;
    bool follow, can_follow;
    enum table_format table;
    const struct listing *listing;
};

/* "station_id=7,datapoint_id=121" */
static int add_filters(struct buf *url, const char *where, struct err *err)
{
    char *copy = mem_strdup(where ? where : ""), *rest = copy, *part;
    int status = 0;
    while (status == 0 && (part = strsep(&rest, ",")) && *part) {
        char *equals = strchr(part, '=');
        if (!equals) {
            status = err_set(err, ERR_INVALID, "--where: \"%s\" is not of the form field=value", part);
            break;
        }
        *equals = 0;
        client_query(url, part, equals + 1);
    }
    free(copy);
    return status;
}

/* The list's address but for --from. */
static int list_url(struct buf *url, const struct wanted *w, const char *tenant, struct err *err)
{
    buf_add_str(url, "/v1/tenants/");
    client_encode(url, tenant);
    buf_add_str(url, w->listing->path);
    client_query(url, "stream", w->stream);
    client_query(url, "to", w->to);
    if (w->can_follow) /* results */
        client_query(url, "ids", "true");
    return add_filters(url, w->where, err);
}

static int show(struct client *c, const struct wanted *w, struct buf *url, struct err *err)
{
    const struct listing *l = w->listing;
    struct buf rows = {0};
    bool more = false;
    client_query(url, "from", w->from);
    int status = client_list(c, buf_cstr(url), l->member, (size_t)w->limit, &rows, &more, err);
    if (status == 0)
        status = table_print(stdout, w->table, rows.data, rows.len, l->columns, l->column_count, err);
    if (status == 0 && more)
        fprintf(stderr, "more rows: --limit 0%s\n", w->can_follow ? ", or --from TIME" : "");
    buf_free(&rows);
    return status;
}

static int run(struct client *c, void *wanted, int argc, char **argv, struct err *err)
{
    const struct wanted *w = wanted;
    struct buf url = {0};
    (void)argc;
    int status = list_url(&url, w, argv[1], err);
    if (status == 0 && w->follow) {
        const struct follow f = {.client = c,
                                 .tenant = argv[1],
                                 .url = buf_cstr(&url),
                                 .from = w->from,
                                 .limit = (size_t)w->limit,
                                 .format = w->table};
        status = follow_results(&f, err);
    } else if (status == 0) {
        status = show(c, w, &url, err);
    }
    buf_free(&url);
    return status;
}

static int list(const struct listing *l, int argc, char **argv, bool can_follow)
{
    struct wanted w = {.listing = l, .limit = DEFAULT_ROWS, .can_follow = can_follow};
    const struct option options[] = {
        {"o", OPTION_TEXT, &w.format, "table|json|csv", "how rows are shown"},
        {"limit", OPTION_NUMBER, &w.limit, "N", "rows at most; 0 = all (100)"},
        {"stream", OPTION_TEXT, &w.stream, "NAME", "of this stream only"},
        {"from", OPTION_TEXT, &w.from, "TIME", "windows that start at or after it"},
        {"to", OPTION_TEXT, &w.to, "TIME", "windows that start before it"},
        {"where", OPTION_TEXT, &w.where, "F=V,...", "of these values of key fields only"},
        {"follow", OPTION_FLAG, &w.follow, NULL, "the newest rows, then what is new as it comes"},
    };
    const size_t count = can_follow ? sizeof options / sizeof *options : 2;
    const struct client_verb v = {.name = l->verb,
                                  .options = options,
                                  .option_count = count,
                                  .min_arguments = 1,
                                  .max_arguments = 1,
                                  .format = &w.format,
                                  .table = &w.table,
                                  .run = run};
    return client_verb(&v, &w, argc, argv);
}

int cmd_results(int argc, char **argv)
{
    static const struct listing l = {"results", "/results", "results", NULL, 0};
    return list(&l, argc, argv, true);
}

int cmd_triggers(int argc, char **argv)
{
    static const struct table_column columns[] = {{"trigger", NULL},    {"job", NULL}, {"fired_at", "fired"},
                                                  {"window_end", NULL}, {"run", NULL}, {"state", NULL}};
    static const struct listing l = {"triggers", "/triggers", "triggers", columns, sizeof columns / sizeof *columns};
    return list(&l, argc, argv, false);
}

int cmd_dead(int argc, char **argv)
{
    static const struct table_column columns[] = {
        {"reason", NULL}, {"offset", NULL}, {"index", NULL}, {"detail", NULL}, {"body", NULL}};
    static const struct listing l = {"dead", "/dead-letters", "dead_letters", columns,
                                     sizeof columns / sizeof *columns};
    return list(&l, argc, argv, false);
}
