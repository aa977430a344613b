/* The verbs that show a list: results, triggers, dead. */
#include "cli/client.h"
#include "cli/table.h"
#include "cli/verbs.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_ROWS 100
#define FOLLOW_MS    1000

struct listing {
    const char *verb, *path, *member; /* path: behind /v1/tenants/T */
    const struct table_column *columns;
    size_t column_count;
};

struct wanted {
    const char *format, *stream, *from, *to, *where;
    int64_t limit;
    bool follow;
    enum table_format table;
    const struct listing *listing;
};

static void add_query(struct buf *url, const char *name, const char *value)
{
    if (!value)
        return;
    buf_add_char(url, strchr(buf_cstr(url), '?') ? '&' : '?');
    buf_printf(url, "%s=", name);
    client_encode(url, value);
}

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
        add_query(url, part, equals + 1);
    }
    free(copy);
    return status;
}

static int show(struct client *c, const struct listing *l, const struct wanted *w, const char *tenant, struct buf *rows,
                struct err *err)
{
    struct buf url = {0};
    buf_add_str(&url, "/v1/tenants/");
    client_encode(&url, tenant);
    buf_add_str(&url, l->path);
    add_query(&url, "stream", w->stream);
    add_query(&url, "from", w->from);
    add_query(&url, "to", w->to);
    int status = add_filters(&url, w->where, err);
    buf_clear(rows);
    if (status == 0)
        status = client_list(c, buf_cstr(&url), l->member, (size_t)w->limit, rows, err);
    buf_free(&url);
    return status;
}

/* ---- following: rows seen are known by what names a result and its revision ---- */

struct seen {
    char **list;
    size_t count, cap;
};

static char *name_of_row(const char *row, size_t len)
{
    static const char *const parts[] = {"stream", "window_start", "revision"};
    struct buf b = {0};
    const char *value;
    size_t value_len;
    for (size_t i = 0; i < 3; i++)
        if (json_find(row, len, parts[i], &value, &value_len) != JSON_END)
            buf_add(&b, value, value_len);
    buf_add(&b, row, len);
    char *name = mem_strndup(b.data, b.len);
    buf_free(&b);
    return name;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool first_sight(struct seen *s, char *name)
{
    if (s->count && bsearch(&name, s->list, s->count, sizeof *s->list, compare_names)) {
        free(name);
        return false;
    }
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 256;
        s->list = mem_resize(s->list, s->cap, sizeof *s->list);
    }
    size_t at = s->count++;
    for (; at > 0 && strcmp(s->list[at - 1], name) > 0; at--)
        s->list[at] = s->list[at - 1];
    s->list[at] = name;
    return true;
}

static void keep_new(struct seen *s, const struct buf *rows, struct buf *out)
{
    struct json j = json_begin(rows->data, rows->len);
    bool first = true;
    const char *from;
    json_w_open(out, '[');
    json_enter(&j, '[');
    while (json_next(&j, &first, NULL, NULL) && json_skip(&j, &from))
        if (first_sight(s, name_of_row(from, (size_t)(j.at - from))))
            json_w_raw(out, from, (size_t)(j.at - from));
    json_w_close(out, ']');
}

static int follow(struct client *c, const struct listing *l, const struct wanted *w, const char *tenant,
                  struct err *err)
{
    struct buf rows = {0}, fresh = {0};
    struct seen seen = {0};
    int status;
    while ((status = show(c, l, w, tenant, &rows, err)) == 0) {
        buf_clear(&fresh);
        keep_new(&seen, &rows, &fresh);
        status = table_print(stdout, w->table, fresh.data, fresh.len, l->columns, l->column_count, err);
        fflush(stdout);
        if (status < 0)
            break;
        poll(NULL, 0, FOLLOW_MS);
    }
    buf_free(&rows);
    buf_free(&fresh);
    for (size_t i = 0; i < seen.count; i++)
        free(seen.list[i]);
    free(seen.list);
    return status;
}

static int run(struct client *c, void *wanted, int argc, char **argv, struct err *err)
{
    const struct wanted *w = wanted;
    const struct listing *l = w->listing;
    struct buf rows = {0};
    (void)argc;
    if (w->follow)
        return follow(c, l, w, argv[1], err);
    int status = show(c, l, w, argv[1], &rows, err);
    if (status == 0)
        status = table_print(stdout, w->table, rows.data, rows.len, l->columns, l->column_count, err);
    buf_free(&rows);
    return status;
}

static int list(const struct listing *l, int argc, char **argv, bool can_follow)
{
    struct wanted w = {.listing = l, .limit = DEFAULT_ROWS};
    const struct option options[] = {
        {"o", OPTION_TEXT, &w.format, "table|json|csv", "how rows are shown"},
        {"limit", OPTION_NUMBER, &w.limit, "N", "rows at most; 0 = all (100)"},
        {"stream", OPTION_TEXT, &w.stream, "NAME", "of this stream only"},
        {"from", OPTION_TEXT, &w.from, "TIME", "windows that start at or after it"},
        {"to", OPTION_TEXT, &w.to, "TIME", "windows that start before it"},
        {"where", OPTION_TEXT, &w.where, "F=V,...", "of these values of key fields only"},
        {"follow", OPTION_FLAG, &w.follow, NULL, "go on showing what is new"},
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
