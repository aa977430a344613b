#include "cli/try.h"
#include "base/runtime.h"
#include "base/wire/control.h"
#include "base/wire/names.h"
#include "cli/against.h"
#include "cli/app_file.h"
#include "cli/verbs.h"

#include <errno.h>
#include <string.h>

struct try_options {
    const char *format, *dead, *triggers, *stream, *lines;
    bool no_end;
};

struct run {
    struct engine *engine;
    struct try_output output;
    struct engine_sink sink;
};

static void on_line(void *context, const struct line *line)
{
    struct run *r = context;
    r->output.line = line;
    r->output.header_lines = line->number - line->offset - 1;
    line_feed(line, r->engine, &r->sink);
    r->output.line = NULL;
}

static void on_not_csv(void *context, const struct line *line, const char *why)
{
    struct run *r = context;
    try_output_not_csv(&r->output, line, why);
}

static void feed_end(struct run *r, uint64_t offset)
{
    const struct engine_message end = {.offset = offset,
                                       .body = {"{}", 2},
                                       .type = {CONTROL_END, strlen(CONTROL_END)},
                                       .user_id = {USER_API, strlen(USER_API)}};
    engine_message(r->engine, &end, &r->sink);
}

/* Of a file that nobody can read or that is no data, whatever the system says of it. */
static int unreadable(const struct err *err)
{
    fprintf(stderr, "belltower: %s\n", err->text);
    return VERB_BAD_INPUT;
}

static int read_data(struct run *r, const struct try_options *o, const char *path)
{
    struct err err;
    enum lines_format format;
    struct lines_end end;
    struct lines_sink sink = {r, on_line, on_not_csv};
    if (lines_format_parse(o->lines, &format, &err) < 0)
        return verb_usage(&err);
    if (lines_read(path, format, engine_app(r->engine), &sink, &end, &err) < 0)
        return unreadable(&err);
    if (!o->no_end)
        feed_end(r, end.messages);
    if (try_output_end(&r->output, &err) < 0)
        return verb_failed(&err);
    fflush(stdout);
    try_summary(r->engine, &r->output, end.messages, !o->no_end, stderr);
    return VERB_DONE;
}

/* ---- files that are written ---- */

static int open_file(const char *path, FILE **f, struct err *err)
{
    if (!path)
        return 0;
    *f = fopen(path, "we");
    return *f ? 0 : err_set_errno(err, "cannot write %s", path);
}

static int close_file(const char *path, FILE *f, struct err *err)
{
    if (!f)
        return 0;
    bool bad = ferror(f) != 0;
    errno = bad ? EIO : 0;
    return (fclose(f) != 0) | bad ? err_set_errno(err, "cannot write %s", path) : 0;
}

static int check_stdout(struct err *err)
{
    return fflush(stdout) != 0 || ferror(stdout) ? err_set_errno(err, "cannot write the results") : 0;
}

static int run_with_files(struct run *r, const struct try_options *o, const char *path)
{
    struct err err;
    int rc = VERB_FAILED;
    if (open_file(o->dead, &r->output.dead, &err) < 0 || open_file(o->triggers, &r->output.triggers, &err) < 0)
        verb_failed(&err);
    else
        rc = read_data(r, o, path);
    bool written = close_file(o->dead, r->output.dead, &err) == 0;
    written = close_file(o->triggers, r->output.triggers, &err) == 0 && written;
    written = check_stdout(&err) == 0 && written;
    if (rc == VERB_DONE && !written) {
        verb_failed(&err);
        rc = VERB_FAILED;
    }
    return rc;
}

/* ---- the verb ---- */

static int find_stream(const struct app *app, const char *name, struct err *err)
{
    for (size_t i = 0; name && i < app->stream_count; i++) {
        if (strcmp(app->streams[i].name, name) == 0)
            return 0;
    }
    return name ? err_set(err, ERR_INVALID, "--stream %s: the app has no such stream", name) : 0;
}

static int run_app(const struct try_options *o, enum table_format format, const char *app_path, const char *data_path)
{
    struct err err;
    struct buf text = {0};
    struct app *app = app_file_load(app_path, &text, &err);
    buf_free(&text);
    if (!app)
        return err.code == ERR_NONE ? VERB_BAD_INPUT : unreadable(&err);
    struct run r = {.output = {.format = format, .stream = o->stream, .results = stdout}};
    r.engine = engine_new(app, 1, 1);
    try_output_begin(&r.output, app);
    r.sink = try_output_sink(&r.output);
    int rc = find_stream(app, o->stream, &err) < 0 ? verb_usage(&err) : run_with_files(&r, o, data_path);
    try_output_free(&r.output);
    engine_free(&r.engine);
    return rc;
}

static int run_against(const struct settings *s, const struct against_options *o, const char *app_path)
{
    struct err err;
    struct buf text = {0};
    struct app *app = app_file_load(app_path, &text, &err);
    buf_free(&text);
    if (!app)
        return err.code == ERR_NONE ? VERB_BAD_INPUT : unreadable(&err);
    int status = find_stream(app, o->stream, &err) < 0 ? verb_usage(&err) : against_run(s, app, o, &err);
    app_free(&app);
    return status < 0 ? verb_failed(&err) : status;
}

int cmd_try(int argc, char **argv)
{
    struct try_options o = {0};
    struct against_options a = {.range = INT64_C(604800000), .limit = 100};
    struct settings settings;
    enum table_format format;
    struct err err;
    const struct option options[] = {
        {"o", OPTION_TEXT, &o.format, "table|json|csv", "how results are shown; json: each result message, one a line"},
        {"stream", OPTION_TEXT, &o.stream, "NAME", "only results of this stream"},
        {"dead", OPTION_TEXT, &o.dead, "FILE", "write what was set aside, one JSON object a line"},
        {"triggers", OPTION_TEXT, &o.triggers, "FILE", "write the trigger messages, one a line"},
        {"no-end", OPTION_FLAG, &o.no_end, NULL, "the data goes on behind the file: do not close what is open"},
        {"against", OPTION_TEXT, &a.tenant, "TENANT",
         "instead of DATA: over the tenant's retained log, beside the results that it has; nothing is published"},
        {"range", OPTION_DURATION, &a.range, "TIME", "with --against: back from the newest event (7d)"},
        {"limit", OPTION_NUMBER, &a.limit, "N", "with --against: differences shown (100); 0 = all"},
        {"format", OPTION_TEXT, &o.lines, "csv|ndjson", "of DATA; by default told by its name or first line"},
    };
    const bool against = runtime_argument(argc, argv, "against") != NULL; /* only then are there settings */
    if (against && settings_load(&argc, argv, &settings, &err) < 0)
        return verb_failed(&err);
    if (verb_options(&argc, argv, "try", options, sizeof options / sizeof *options, against ? 1 : 2, against ? 1 : 2,
                     &err) < 0 ||
        table_format_parse(o.format, &format, &err) < 0)
        return verb_usage(&err);
    a.stream = o.stream;
    a.table = format;
    if (against)
        return run_against(&settings, &a, argv[1]);
    return run_app(&o, format, argv[1], argv[2]);
}
