/* Runs the engine over a log and writes what comes out, one JSON object a line, for comparison with tests/reference.
 *
 *   engine_driver APP LOG [--snapshot-every N]                   outputs on stdout
 *   engine_driver APP --lines DATA [--snapshot-every N] [--no-end]   each line of DATA is one message; an end tick
 * behind them engine_driver [--snapshot-every N] --cases DIR...            DIR/app.yaml, DIR/log.ndjson ->
 * DIR/out.jsonl
 *
 * LOG: lines of {"offset": n, "body": "text" | "body_base64": "...", "message_id"?, "type"?, "user_id"?,
 * "set_aside"?: true}.
 * --snapshot-every: after every N messages the engine is saved, thrown away and restored; the restored one must save to
 * the same bytes. */
#include "base/base64.h"
#include "base/json.h"
#include "base/wire/control.h"
#include "base/wire/names.h"
#include "stream/engine/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *app, *log, *lines;
    char **cases;
    int case_count;
    unsigned long snapshot_every;
    bool no_end;
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "engine_driver: %s: %s\n", what, why);
    exit(1);
}

static void read_file(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "rb");
    size_t n;
    if (!f)
        die(path, "cannot be opened");
    while ((n = fread(buf_reserve(out, 65536), 1, 65536, f)) > 0)
        out->len += n;
    fclose(f);
}

/* ---- outputs ---- */

struct output {
    FILE *file;
    struct buf line;
};

static void write_bytes(struct buf *b, const char *name, struct bytes v)
{
    if (utf8_valid(v.p, v.len)) {
        json_w_name(b, name);
        json_w_string(b, v.p, v.len);
        return;
    }
    struct buf text = {0};
    base64_encode(v.p, v.len, &text);
    json_w_name(b, "body_base64");
    json_w_string(b, text.data, text.len);
    buf_free(&text);
}

static void end_line(struct output *o)
{
    buf_add_str(&o->line, "}\n");
    fwrite(o->line.data, 1, o->line.len, o->file);
    buf_clear(&o->line);
}

static void write_fired(struct buf *b, const char *fired)
{
    json_w_name(b, "fired");
    json_w_open(b, '[');
    while (*fired) {
        size_t len = strcspn(fired, ",");
        json_w_string(b, fired, len);
        fired += len + (fired[len] == ',');
    }
    json_w_close(b, ']');
}

static void on_result(void *context, const struct engine_result *r)
{
    struct output *o = context;
    struct buf *b = &o->line;
    buf_add_str(b, "{\"kind\":\"result\"");
    json_w_name(b, "message_id");
    json_w_str(b, r->message_id);
    json_w_name(b, "number");
    json_w_uint(b, r->number);
    json_w_name(b, "first_offset");
    json_w_uint(b, r->first_offset);
    json_w_name(b, "last_offset");
    json_w_uint(b, r->last_offset);
    write_fired(b, r->fired);
    json_w_name(b, "body");
    json_w_raw(b, r->body.p, r->body.len);
    end_line(o);
}

static void on_trigger(void *context, const struct engine_trigger *t)
{
    struct output *o = context;
    buf_add_str(&o->line, "{\"kind\":\"trigger\",");
    buf_add(&o->line, t->body.p + 1, t->body.len - 2); /* the members of the message itself */
    end_line(o);
}

static void on_rewound(void *context, uint64_t number, int64_t from)
{
    struct output *o = context;
    buf_printf(&o->line, "{\"kind\":\"rewound\",\"number\":%llu", (unsigned long long)number);
    if (from != INT64_MIN)
        buf_printf(&o->line, ",\"from\":%lld", (long long)from);
    end_line(o);
}

static void on_dead(void *context, const struct engine_dead *d)
{
    struct output *o = context;
    struct buf *b = &o->line;
    buf_add_str(b, "{\"kind\":\"dead\"");
    json_w_name(b, "offset");
    json_w_uint(b, d->offset);
    json_w_name(b, "index");
    json_w_uint(b, d->index);
    json_w_name(b, "reason");
    json_w_str(b, dead_reason_name(d->reason));
    json_w_name(b, "detail");
    json_w_str(b, d->detail);
    write_bytes(b, "body", d->body);
    end_line(o);
}

/* ---- running ---- */

struct run {
    const struct options *options;
    struct engine *engine;
    struct engine_sink sink;
    struct output output;
    unsigned long messages;
    struct buf first, second;
};

static void save_and_restore(struct run *r)
{
    struct err err;
    buf_clear(&r->first);
    engine_snapshot(r->engine, &r->first);
    engine_free(&r->engine);
    if (engine_restore(r->first.data, r->first.len, &r->engine, &err) < 0)
        die("restore", err.text);
    buf_clear(&r->second);
    engine_snapshot(r->engine, &r->second);
    if (r->first.len != r->second.len || memcmp(r->first.data, r->second.data, r->first.len) != 0)
        die("restore", "the restored engine saves to other bytes");
}

static void feed(struct run *r, const struct engine_message *m, bool aside)
{
    (aside ? engine_set_aside : engine_message)(r->engine, m, &r->sink);
    r->messages++;
    if (r->options->snapshot_every && r->messages % r->options->snapshot_every == 0)
        save_and_restore(r);
}

static struct bytes bytes_of(const struct buf *b)
{
    return (struct bytes){b->len ? b->data : "", b->len};
}

static void feed_logged(struct run *r, const char *line, size_t len)
{
    struct buf body = {0}, text = {0}, id = {0}, type = {0}, user = {0};
    int64_t offset;
    const char *aside;
    size_t aside_len;
    if (!json_get_int(line, len, "offset", &offset))
        die("log", "a line without offset");
    if (json_get_string(line, len, "body_base64", &text)) {
        if (!base64_decode(text.data, text.len, &body))
            die("log", "bad base64");
    } else if (!json_get_string(line, len, "body", &body)) {
        die("log", "a line without body");
    }
    struct engine_message m = {.offset = (uint64_t)offset, .body = bytes_of(&body)};
    if (json_get_string(line, len, "message_id", &id))
        m.message_id = bytes_of(&id);
    if (json_get_string(line, len, "type", &type))
        m.type = bytes_of(&type);
    if (json_get_string(line, len, "user_id", &user))
        m.user_id = bytes_of(&user);
    feed(r, &m, json_find(line, len, "set_aside", &aside, &aside_len) == JSON_TRUE);
    struct buf *all[] = {&body, &text, &id, &type, &user};
    for (size_t i = 0; i < 5; i++)
        buf_free(all[i]);
}

static uint64_t feed_file(struct run *r, const char *path, bool logged)
{
    struct buf file = {0};
    uint64_t offset = 0;
    read_file(path, &file);
    for (size_t at = 0; at < file.len; offset++) {
        const char *line = file.data + at, *end = memchr(line, '\n', file.len - at);
        size_t len = end ? (size_t)(end - line) : file.len - at;
        struct engine_message m = {.offset = offset, .body = {line, len}};
        if (!logged)
            feed(r, &m, false);
        else if (len)
            feed_logged(r, line, len);
        at += len + 1;
    }
    buf_free(&file);
    return offset;
}

static void feed_end(struct run *r, uint64_t offset)
{
    struct engine_message m = {.offset = offset,
                               .body = {"{}", 2},
                               .type = {CONTROL_END, strlen(CONTROL_END)},
                               .user_id = {USER_API, strlen(USER_API)}};
    feed(r, &m, false);
}

static struct app *load(const char *path)
{
    struct buf text = {0}, shown = {0};
    struct app_diags diags = {0};
    read_file(path, &text);
    struct app *app = app_load(buf_cstr(&text), text.len, NULL, &diags);
    if (!app) {
        app_diags_text(&diags, path, text.data, text.len, &shown);
        die(path, buf_cstr(&shown));
    }
    app_diags_free(&diags);
    buf_free(&text);
    return app;
}

static void run(const struct options *o, const char *app, const char *log, const char *lines, FILE *out)
{
    struct run r = {.options = o, .output.file = out};
    r.sink = (struct engine_sink){
        .context = &r.output, .result = on_result, .trigger = on_trigger, .dead = on_dead, .rewound = on_rewound};
    r.engine = engine_new(load(app), 1, 1);
    uint64_t end = feed_file(&r, lines ? lines : log, !lines);
    if (lines && !o->no_end)
        feed_end(&r, end);
    engine_free(&r.engine);
    buf_free(&r.first);
    buf_free(&r.second);
    buf_free(&r.output.line);
}

static void run_case(const struct options *o, const char *directory)
{
    char app[4096], log[4096], out[4096];
    snprintf(app, sizeof app, "%s/app.yaml", directory);
    snprintf(log, sizeof log, "%s/log.ndjson", directory);
    snprintf(out, sizeof out, "%s/out.jsonl", directory);
    FILE *f = fopen(out, "wb");
    if (!f)
        die(out, "cannot be written");
    run(o, app, log, NULL, f);
    if (fclose(f) != 0)
        die(out, "cannot be written");
}

static void parse(struct options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--snapshot-every") == 0 && more) {
            o->snapshot_every = strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--lines") == 0 && more) {
            o->lines = argv[++i];
        } else if (strcmp(argv[i], "--no-end") == 0) {
            o->no_end = true;
        } else if (strcmp(argv[i], "--cases") == 0) {
            o->cases = argv + i + 1;
            o->case_count = argc - i - 1;
            return;
        } else if (!o->app) {
            o->app = argv[i];
        } else {
            o->log = argv[i];
        }
    }
}

int main(int argc, char **argv)
{
    struct options o = {0};
    parse(&o, argc, argv);
    if (!o.cases && (!o.app || !o.log == !o.lines)) {
        fprintf(stderr,
                "usage: engine_driver APP LOG | APP --lines DATA [--no-end] | --cases DIR...   [--snapshot-every N]\n");
        return 2;
    }
    for (int i = 0; o.cases && i < o.case_count; i++)
        run_case(&o, o.cases[i]);
    if (!o.cases)
        run(&o, o.app, o.log, o.lines, stdout);
    return 0;
}
