/* belltower check: an app file's mistakes, all at once, then its own tests. */
#include "base/files.h"
#include "base/json.h"
#include "cli/app_tests.h"
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

struct report {
    const char *path;
    struct buf text; /* of the file */
    struct app_diags diags;
    struct buf tests; /* outcomes, in the report's format */
    size_t passed, failed;
    void (*test)(void *report, const struct app_test_outcome *outcome);
};

struct format {
    const char *name;
    void (*test)(void *report, const struct app_test_outcome *outcome);
    void (*print)(struct report *r, const struct app *app);
};

static void count(struct report *r, const struct app_test_outcome *o)
{
    r->passed += o->passed;
    r->failed += !o->passed;
}

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

static void print(const struct buf *b)
{
    if (b->len)
        fwrite(b->data, 1, b->len, stdout);
}

/* ---- for people ---- */

static void test_as_text(void *report, const struct app_test_outcome *o)
{
    struct report *r = report;
    count(r, o);
    if (o->passed)
        buf_printf(&r->tests, "passed: %s\n", o->test->name);
    else
        buf_printf(&r->tests, "%s:%u: failed: %s\n    %s\n", r->path, o->test->line, o->test->name, o->failure);
}

static void print_text(struct report *r, const struct app *app)
{
    struct buf b = {0};
    if (r->diags.count)
        app_diags_text(&r->diags, r->path, r->text.data, r->text.len, &b);
    print(&b);
    print(&r->tests);
    if (app)
        printf("%s: %s: %zu stream%s, %zu trigger%s, %zu job%s; %zu of %zu tests passed\n", r->path,
               r->failed ? "a test failed" : "good", app->stream_count, plural(app->stream_count), app->trigger_count,
               plural(app->trigger_count), app->job_count, plural(app->job_count), r->passed, r->passed + r->failed);
    buf_free(&b);
}

/* ---- for programs ---- */

static void test_as_json(void *report, const struct app_test_outcome *o)
{
    struct report *r = report;
    count(r, o);
    json_w_open(&r->tests, '{');
    json_w_name(&r->tests, "name");
    json_w_str(&r->tests, o->test->name);
    json_w_name(&r->tests, "line");
    json_w_uint(&r->tests, o->test->line);
    json_w_name(&r->tests, "passed");
    json_w_bool(&r->tests, o->passed);
    if (!o->passed) {
        json_w_name(&r->tests, "failure");
        json_w_str(&r->tests, o->failure);
    }
    json_w_close(&r->tests, '}');
}

static void print_json(struct report *r, const struct app *app)
{
    struct buf b = {0}, diags = {0};
    app_diags_json(&r->diags, r->path, &diags);
    json_w_open(&b, '{');
    json_w_name(&b, "file");
    json_w_str(&b, r->path);
    json_w_name(&b, "valid");
    json_w_bool(&b, app != NULL);
    json_w_name(&b, "errors");
    json_w_raw(&b, diags.data, diags.len);
    json_w_name(&b, "tests");
    json_w_open(&b, '[');
    json_w_raw(&b, r->tests.data, r->tests.len);
    json_w_close(&b, ']');
    json_w_close(&b, '}');
    printf("%s\n", buf_cstr(&b));
    buf_free(&b);
    buf_free(&diags);
}

/* ---- for GitHub's workflow commands ---- */

/* A property ends at a comma or colon, a message at its line. */
static void escape_github(struct buf *out, const char *s, bool property)
{
    for (; *s; s++) {
        bool special = *s == '%' || *s == '\r' || *s == '\n' || (property && (*s == ':' || *s == ','));
        if (special)
            buf_printf(out, "%%%02X", (unsigned char)*s);
        else
            buf_add_char(out, *s);
    }
}

static void github_line(struct buf *out, const char *level, const char *path, unsigned line, unsigned column,
                        const char *message)
{
    buf_printf(out, "::%s file=", level);
    escape_github(out, path, true);
    buf_printf(out, ",line=%u,col=%u::", line, column);
    escape_github(out, message, false);
    buf_add_char(out, '\n');
}

static void test_as_github(void *report, const struct app_test_outcome *o)
{
    struct report *r = report;
    struct buf message = {0};
    count(r, o);
    buf_printf(&message, "test failed: %s: %s", o->test->name, o->failure);
    if (!o->passed)
        github_line(&r->tests, "error", r->path, o->test->line, 1, buf_cstr(&message));
    buf_free(&message);
}

static void print_github(struct report *r, const struct app *app)
{
    struct buf b = {0}, message = {0};
    (void)app;
    for (size_t i = 0; i < r->diags.count; i++) {
        const struct app_diag *d = &r->diags.list[i];
        buf_clear(&message);
        buf_printf(&message, "%s: %s", d->pointer, d->message);
        if (d->suggestion)
            buf_printf(&message, "; did you mean `%s`?", d->suggestion);
        else if (d->expected)
            buf_printf(&message, "; expected %s", d->expected);
        github_line(&b, d->warning ? "warning" : "error", r->path, d->line, d->column, buf_cstr(&message));
    }
    buf_add(&b, r->tests.data, r->tests.len);
    print(&b);
    buf_free(&b);
    buf_free(&message);
}

/* ---- the verb ---- */

static const struct format formats[] = {
    {"text", test_as_text, print_text},
    {"json", test_as_json, print_json},
    {"github", test_as_github, print_github},
};

static const struct format *format_named(const char *name, struct err *err)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (!name || strcmp(formats[i].name, name) == 0)
            return &formats[i];
    }
    err_set(err, ERR_INVALID, "-o %s: expected text, json or github", name);
    return NULL;
}

static int check(const char *path, const struct format *format)
{
    struct report r = {.path = path};
    struct err err;
    if (files_read(path, APP_MAX_BYTES, &r.text, &err) < 0) {
        fprintf(stderr, "belltower: %s\n", err.text);
        buf_free(&r.text);
        return VERB_BAD_INPUT;
    }
    struct app *app = app_load(buf_cstr(&r.text), r.text.len, NULL, &r.diags);
    if (app)
        app_tests_run(app, r.text.data, r.text.len, path, format->test, &r);
    format->print(&r, app);
    int rc = !app || r.failed ? VERB_BAD_INPUT : VERB_DONE;
    app_free(&app);
    app_diags_free(&r.diags);
    buf_free(&r.text);
    buf_free(&r.tests);
    return rc;
}

int cmd_check(int argc, char **argv)
{
    const char *name = NULL;
    struct err err;
    const struct option options[] = {
        {"o", OPTION_TEXT, &name, "text|json|github", "how mistakes and tests are shown"},
        {"output", OPTION_TEXT, &name, "text|json|github", "the same"},
    };
    if (verb_options(&argc, argv, "check", options, 2, 1, 1, &err) < 0)
        return verb_usage(&err);
    const struct format *format = format_named(name, &err);
    return format ? check(argv[1], format) : verb_usage(&err);
}
