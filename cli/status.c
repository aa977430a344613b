/* belltower status [TENANT]: how it goes, and why there is nothing yet. */
#include "cli/client.h"
#include "cli/table.h"
#include "cli/verbs.h"

#include "base/json.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WATCH_MS 1000

struct wanted {
    const char *format;
    bool watch;
    enum table_format table;
};

struct part {
    const char *p;
    size_t len;
};

static struct part member(struct part of, const char *name)
{
    struct part m = {0};
    if (of.p && json_find(of.p, of.len, name, &m.p, &m.len) == JSON_END)
        m = (struct part){0};
    return m;
}

static int64_t number(struct part of, const char *name)
{
    int64_t n = 0;
    if (of.p)
        json_get_int(of.p, of.len, name, &n);
    return n;
}

/* The text of a member, "" if it is none; valid until the next call with the same buffer. */
static const char *text(struct part of, const char *name, struct buf *b)
{
    buf_clear(b);
    if (of.p)
        json_get_string(of.p, of.len, name, b);
    return buf_cstr(b);
}

typedef void row_each(struct part row, void *context);

static size_t each_row(struct part list, row_each *each, void *context)
{
    struct json j = json_begin(list.p, list.len);
    bool first = true;
    const char *from;
    size_t count = 0;
    if (!list.p || !json_enter(&j, '['))
        return 0;
    while (json_next(&j, &first, NULL, NULL) && json_skip(&j, &from)) {
        each((struct part){from, (size_t)(j.at - from)}, context);
        count++;
    }
    return count;
}

/* ---- one tenant, for people ---- */

static void print_worker(struct part workers, const char *role)
{
    struct buf a = {0}, b = {0}, c = {0};
    struct part w = member(workers, role);
    printf("  %-7s %-9s", role, w.p ? text(w, "state", &a) : "unknown");
    if (w.p) {
        printf(" restarts %lld", (long long)number(w, "restarts"));
        const char *words = text(w, "words", &b), *obituary = text(w, "last_exit", &c);
        if (*words)
            printf("  %s", words);
        else if (*obituary && strcmp(text(w, "state", &a), "up") != 0)
            printf("  %s", obituary);
    }
    putchar('\n');
    buf_free(&a);
    buf_free(&b);
    buf_free(&c);
}

static void print_stream(struct part stream, void *context)
{
    struct buf name = {0}, close = {0};
    const char *watermark = context, *next = text(stream, "next_close", &close);
    printf("  %-20s %lld open windows of %lld keys, %lld closed", text(stream, "name", &name),
           (long long)number(stream, "open_windows"), (long long)number(stream, "keys"),
           (long long)number(stream, "closed"));
    if (*next)
        printf("; the next closes when the watermark (%s) reaches %s", *watermark ? watermark : "none yet", next);
    putchar('\n');
    buf_free(&name);
    buf_free(&close);
}

struct commonest {
    struct part row;
    int64_t count;
};

static void find_commonest(struct part row, void *context)
{
    struct commonest *c = context;
    if (number(row, "count") > c->count)
        *c = (struct commonest){row, number(row, "count")};
}

static void print_dead(struct part tenant)
{
    struct commonest c = {0};
    struct buf reason = {0}, detail = {0}, example = {0};
    each_row(member(tenant, "dead"), find_commonest, &c);
    if (c.count) {
        printf("set aside most often: %lld events as %s", (long long)c.count, text(c.row, "reason", &reason));
        if (*text(c.row, "detail", &detail))
            printf(": %s", buf_cstr(&detail));
        if (*text(c.row, "example", &example))
            printf("\n  e.g. %s", buf_cstr(&example));
        putchar('\n');
    }
    buf_free(&reason);
    buf_free(&detail);
    buf_free(&example);
}

/* Why there is nothing yet, when there is nothing. */
static void print_why(struct part tenant, struct part counters)
{
    struct buf b = {0};
    int64_t events = number(counters, "events"), counted = number(counters, "counted");
    if (strcmp(text(tenant, "state", &b), "paused") == 0)
        printf("nothing happens because the tenant is paused: belltower tenant resume\n");
    else if (strcmp(buf_cstr(&b), "creating") == 0)
        printf("not finished: run `belltower tenant add FILE` again\n");
    else if (number(counters, "results") > 0)
        printf("%lld results published so far\n", (long long)number(counters, "results"));
    else if (number(counters, "messages") == 0)
        printf("no result yet: no message has come into the log; publish to its exchange, or: belltower send\n");
    else if (events == 0)
        printf("no result yet: none of the %lld messages could be decoded, see below\n",
               (long long)number(counters, "messages"));
    else if (counted == 0)
        printf("no result yet: %lld events were read and no stream's `where` accepted one\n", (long long)events);
    else
        printf("no result yet: %lld events count in windows that are still open; they close when later events come, or "
               "after `idle_after` of silence\n",
               (long long)counted);
    buf_free(&b);
}

/* What a guard found lost of the log, for which the stream worker stopped; and what is left out of it for good. */
static void print_log(struct part log, const char *tenant)
{
    struct buf reason = {0};
    struct part lost = member(log, "lost");
    if (number(log, "left_out"))
        printf("log: %lld messages are left out of every reading (set aside as poison, or lost and skipped)\n",
               (long long)number(log, "left_out"));
    if (lost.p)
        printf("log: lost from offset %lld on (%s): belltower tenant resume %s --skip goes on behind it\n",
               (long long)number(lost, "from"), text(lost, "reason", &reason), tenant);
    buf_free(&reason);
}

static void print_tenant(struct part t)
{
    struct buf a = {0}, b = {0};
    struct part counters = member(t, "counters"), workers = member(t, "workers");
    printf("%s  %s", text(t, "tenant", &a), text(t, "title", &b));
    printf("  %s, app version %lld, generation %lld\n", text(t, "state", &a), (long long)number(t, "version"),
           (long long)number(t, "generation"));
    print_worker(workers, "stream");
    print_worker(workers, "batch");
    if (*text(t, "damage", &a))
        printf("damage: %s\n", buf_cstr(&a));
    printf("lag: %lld messages; watermark %s\n", (long long)number(t, "lag_messages"),
           *text(t, "watermark", &a) ? buf_cstr(&a) : "none yet");
    printf("events: %lld read, %lld counted, %lld filtered, %lld late and counted, %lld set aside\n",
           (long long)number(counters, "events"), (long long)number(counters, "counted"),
           (long long)number(counters, "filtered"), (long long)number(counters, "late_counted"),
           (long long)number(counters, "dead"));
    if (number(counters, "repeats"))
        printf("repeats: %lld messages dropped as already seen\n", (long long)number(counters, "repeats"));
    print_log(member(t, "log"), text(t, "tenant", &a));
    print_why(t, counters);
    text(t, "watermark", &a);
    each_row(member(t, "streams"), print_stream, (void *)(uintptr_t)buf_cstr(&a));
    print_dead(t);
    buf_free(&a);
    buf_free(&b);
}

/* ---- the verb ---- */

/* As one row of a table for programs. */
static int print_row(const struct buf *answer, struct err *err)
{
    static const struct table_column columns[] = {
        {"tenant", NULL},
        {"state", NULL},
        {"version", NULL},
        {"generation", NULL},
        {"workers.stream.state", "stream"},
        {"workers.batch.state", "batch"},
        {"lag_messages", NULL},
        {"watermark", NULL},
        {"counters.messages", "messages"},
        {"counters.events", "events"},
        {"counters.counted", "counted"},
        {"counters.filtered", "filtered"},
        {"counters.late_counted", "late_counted"},
        {"counters.repeats", "repeats"},
        {"counters.dead", "dead"},
        {"counters.results", "results"},
        {"counters.results_stored", "results_stored"},
        {"title", NULL},
    };
    struct buf rows = {0};
    buf_printf(&rows, "[%.*s]", (int)answer->len, answer->data);
    int status = table_print(stdout, TABLE_CSV, rows.data, rows.len, columns, sizeof columns / sizeof *columns, err);
    buf_free(&rows);
    return status;
}

static int show_one(struct client *c, const struct wanted *w, const char *tenant, struct err *err)
{
    struct buf path = {0}, answer = {0};
    buf_add_str(&path, "/v1/tenants/");
    client_encode(&path, tenant);
    int status = client_get(c, buf_cstr(&path), &answer, err);
    if (status == 0 && w->table == TABLE_JSON)
        printf("%.*s\n", (int)answer.len, answer.data);
    else if (status == 0 && w->table == TABLE_CSV)
        status = print_row(&answer, err);
    else if (status == 0)
        print_tenant((struct part){answer.data, answer.len});
    buf_free(&path);
    buf_free(&answer);
    return status;
}

static int show_all(struct client *c, const struct wanted *w, struct err *err)
{
    static const struct table_column columns[] = {{"tenant", NULL},
                                                  {"state", NULL},
                                                  {"workers.stream.state", "stream"},
                                                  {"workers.batch.state", "batch"},
                                                  {"lag_messages", "lag"},
                                                  {"watermark", NULL},
                                                  {"title", NULL}};
    struct buf rows = {0};
    int status = client_list(c, "/v1/tenants", "tenants", 0, &rows, NULL, err);
    if (status == 0)
        status = table_print(stdout, w->table, rows.data, rows.len, columns, sizeof columns / sizeof *columns, err);
    buf_free(&rows);
    return status;
}

static int show(struct client *c, void *wanted, int argc, char **argv, struct err *err)
{
    const struct wanted *w = wanted;
    int status;
    do {
        if (w->watch && isatty(STDOUT_FILENO))
            fputs("\033[H\033[2J", stdout);
        status = argc > 1 ? show_one(c, w, argv[1], err) : show_all(c, w, err);
        fflush(stdout);
    } while (status == 0 && w->watch && poll(NULL, 0, WATCH_MS) == 0);
    return status;
}

int cmd_status(int argc, char **argv)
{
    struct wanted w = {0};
    const struct option options[] = {
        {"o", OPTION_TEXT, &w.format, "table|json|csv", "how it is shown"},
        {"watch", OPTION_FLAG, &w.watch, NULL, "again each second"},
    };
    const struct client_verb v = {.name = "status",
                                  .options = options,
                                  .option_count = sizeof options / sizeof *options,
                                  .min_arguments = 0,
                                  .max_arguments = 1,
                                  .format = &w.format,
                                  .table = &w.table,
                                  .run = show};
    return client_verb(&v, &w, argc, argv);
}
