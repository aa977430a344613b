/* belltower explain: the events that made a result, and those around it that did not count. */
#include "cli/client.h"
#include "cli/differences.h"
#include "cli/table.h"
#include "cli/verbs.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "stream/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 128
#define BAD_MAX    100       /* dead letters listed */
#define KEYS_MAX   100000000 /* of one window: more than any limits.keys */

struct wanted {
    const char *format;
    enum table_format table;
    int64_t around;
    bool all;
};

struct explaining {
    const struct wanted *w;
    struct replay replay;
    char stream[NAME_BYTES], hash[NAME_BYTES]; /* of the id */
    int64_t window_start;
    struct result_row row; /* as stored; key and body are owned */
    struct buf rows;
    int64_t counted, others, filtered, bad;
};

/* ---- which result ---- */

/* <stream>:<hash of key>:<window start>, and :<generation>.<revision> if it likes. */
static int parse_id(struct explaining *x, const char *id, struct err *err)
{
    int used = 0;
    long long start;
    if (sscanf(id, "%127[^:]:%127[0-9a-f]:%lld%n", x->stream, x->hash, &start, &used) != 3 ||
        (id[used] && id[used] != ':'))
        return err_set(err, ERR_INVALID,
                       "%s is no result's id: <stream>:<hash of key>:<window start in ms>, as in its message_id", id);
    x->window_start = start;
    return 0;
}

static bool match(void *context, const struct result_row *row)
{
    struct explaining *x = context;
    char hash[33];
    hash_fnv128_hex(row->key, strlen(row->key), hash);
    if (strcmp(hash, x->hash) != 0)
        return true;
    x->row = *row;
    x->row.key = mem_strdup(row->key);
    x->row.body = mem_strndup(row->body, row->body_len);
    return false;
}

static int find_row(struct explaining *x, const char *id, struct err *err)
{
    const struct history_filter filter = {
        .stream = x->stream, .withdrawn = true, .from = x->window_start, .to = x->window_start + 1};
    if (history_query(x->replay.store, &filter, KEYS_MAX, NULL, NULL, match, x, err) < 0)
        return -1;
    if (!x->row.key)
        return err_set(err, ERR_NOT_FOUND, "no result %s is stored", id);
    if (x->row.first_offset < 0)
        return err_set(err, ERR_CONFLICT, "that result was stored without the offsets of its events");
    return 0;
}

/* ---- events ---- */

static const char *what_of(enum trace_kind kind)
{
    static const char *const names[] = {
        [TRACE_COUNTED] = "counted",   [TRACE_COUNTED_LATE] = "counted-late",   [TRACE_LATE] = "late",
        [TRACE_FILTERED] = "filtered", [TRACE_TOO_MANY_KEYS] = "too-many-keys", [TRACE_REPEAT] = "repeat",
        [TRACE_AHEAD] = "ahead"};
    return names[kind];
}

static void put_event(struct explaining *x, const char *what, uint64_t offset, uint32_t index)
{
    struct buf *b = &x->rows;
    json_w_open(b, '{');
    json_w_name(b, "event");
    json_w_str(b, what);
    json_w_name(b, "offset");
    json_w_uint(b, offset);
    json_w_name(b, "index");
    json_w_uint(b, index);
    json_w_name(b, "time");
}

static bool concerns(const struct explaining *x, const struct engine_trace *t)
{
    int64_t end = x->row.window_end;
    return t->first_end <= end && end <= t->last_end && strcmp(t->stream_name, x->stream) == 0 &&
           t->key.len == strlen(x->row.key) && memcmp(t->key.p, x->row.key, t->key.len) == 0;
}

static void on_trace(void *context, const struct engine_trace *t)
{
    struct explaining *x = context;
    if (!concerns(x, t))
        return;
    bool counts = t->kind == TRACE_COUNTED || t->kind == TRACE_COUNTED_LATE;
    x->counted += counts;
    x->filtered += t->kind == TRACE_FILTERED;
    x->others += !counts && t->kind != TRACE_FILTERED;
    if (t->kind == TRACE_FILTERED && !x->w->all)
        return;
    put_event(x, what_of(t->kind), t->offset, t->index);
    json_w_time(&x->rows, t->time);
    json_w_name(&x->rows, "values");
    json_w_raw(&x->rows, t->body.p, t->body.len);
    json_w_close(&x->rows, '}');
}

/* Bad events have no key: those among the result's own messages are shown. */
static void on_dead(void *context, const struct engine_dead *d)
{
    struct explaining *x = context;
    int64_t offset = (int64_t)d->offset;
    bool decoded = d->reason == DEAD_LATE || d->reason == DEAD_TOO_MANY_KEYS || d->reason == DEAD_AHEAD; /* traced */
    if (decoded || offset < x->row.first_offset || offset > x->row.last_offset || x->bad++ >= BAD_MAX)
        return;
    put_event(x, dead_reason_name(d->reason), d->offset, d->index);
    json_w_null(&x->rows);
    json_w_name(&x->rows, "values");
    json_w_string(&x->rows, d->body.p, d->body.len);
    json_w_close(&x->rows, '}');
}

static void no_result(void *context, const struct engine_result *r)
{
    (void)context;
    (void)r;
}

static void no_trigger(void *context, const struct engine_trigger *t)
{
    (void)context;
    (void)t;
}

static bool enough(void *context, const struct replay *r)
{
    const struct explaining *x = context;
    int64_t last = x->row.last_offset + x->w->around;
    return r->offset >= (last < r->head.offset ? last : r->head.offset);
}

/* ---- the verb ---- */

static int print(struct explaining *x, struct err *err)
{
    static const struct table_column columns[] = {
        {"event", NULL}, {"offset", NULL}, {"index", NULL}, {"time", NULL}, {"values", NULL}};
    json_w_close(&x->rows, ']');
    if (differences_readable(&x->row))
        fprintf(stderr, "%.*s\n", (int)x->row.body_len, x->row.body);
    else
        fprintf(stderr, "what is stored of it is damaged (no JSON): `belltower verify` shows it\n");
    fprintf(stderr,
            "%s %s, window from %" PRId64 ", generation %" PRIu64 ", revision %u%s: made of %" PRId64
            " events at offsets %" PRId64 " to %" PRId64 "; %" PRId64 " filtered, %" PRId64 " late, repeated or ahead, "
            "%" PRId64 " bad ones among them\n",
            x->stream, x->row.key, x->row.window_start, x->row.generation, x->row.revision,
            x->row.withdrawn ? ", withdrawn" : "", x->counted, x->row.first_offset, x->row.last_offset, x->filtered,
            x->others, x->bad);
    return table_print(stdout, x->w->table, x->rows.data, x->rows.len, columns, sizeof columns / sizeof *columns, err);
}

static int explain(struct explaining *x, const char *id, struct err *err)
{
    const struct engine_sink sink = {
        .context = x, .result = no_result, .trigger = no_trigger, .dead = on_dead, .trace = on_trace};
    if (parse_id(x, id, err) < 0 || find_row(x, id, err) < 0)
        return -1;
    if (x->row.generation != x->replay.row.generation)
        return err_set(err, ERR_CONFLICT,
                       "that result is of generation %" PRIu64 ", the tenant has %" PRIu64
                       " since a rewind: only what the present one has read can be explained",
                       x->row.generation, x->replay.row.generation);
    const struct log_point before = {.to_ms = INT64_MIN, .to_offset = x->row.first_offset};
    json_w_open(&x->rows, '[');
    if (replay_begin(&x->replay, &before, err) < 0 || replay_run(&x->replay, &sink, enough, x, err) < 0)
        return -1;
    return print(x, err);
}

static int run(struct client *c, void *wanted, int argc, char **argv, struct err *err)
{
    struct explaining x = {.w = wanted};
    (void)argc;
    if (replay_open(&x.replay, &c->settings, argv[1], COREDMS_BEGUN, err) < 0)
        return -1;
    int status = explain(&x, argv[2], err);
    free((char *)(uintptr_t)x.row.key);
    free((char *)(uintptr_t)x.row.body);
    buf_free(&x.rows);
    replay_close(&x.replay);
    return status;
}

int cmd_explain(int argc, char **argv)
{
    struct wanted w = {.around = 10000};
    const struct option options[] = {
        {"around", OPTION_NUMBER, &w.around, "N",
         "so many messages behind its last event are looked through too (10000)"},
        {"all", OPTION_FLAG, &w.all, NULL, "list the events that `where` rejected too"},
        {"o", OPTION_TEXT, &w.format, "table|json|csv", "how events are shown"},
    };
    const struct client_verb v = {.name = "explain",
                                  .options = options,
                                  .option_count = sizeof options / sizeof *options,
                                  .min_arguments = 2,
                                  .max_arguments = 2,
                                  .format = &w.format,
                                  .table = &w.table,
                                  .run = run};
    return client_verb(&v, &w, argc, argv);
}
