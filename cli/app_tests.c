#include "cli/app_tests.h"
#include "base/json.h"
#include "base/wire/control.h"
#include "base/wire/names.h"
#include "cli/lines.h"
#include "stream/engine/engine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- comparing ---- */

static bool same_numbers(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int64_t i, k;
    double f, g;
    if (json_int(a, a_len, &i) && json_int(b, b_len, &k))
        return i == k;
    if (!json_float(a, a_len, &f) || !json_float(b, b_len, &g))
        return false;
    return fabs(f - g) <= 1e-9 * fmax(1, fmax(fabs(f), fabs(g)));
}

static bool same_strings(const char *a, size_t a_len, const char *b, size_t b_len)
{
    struct buf x = {0}, y = {0};
    x.len = json_unescape(a + 1, a_len - 2, buf_reserve(&x, a_len));
    y.len = json_unescape(b + 1, b_len - 2, buf_reserve(&y, b_len));
    bool same = x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
    buf_free(&x);
    buf_free(&y);
    return same;
}

static bool same_values(enum json_type type, const char *a, size_t a_len, const char *b, size_t b_len)
{
    if (type == JSON_NUMBER)
        return same_numbers(a, a_len, b, b_len);
    if (type == JSON_STRING)
        return same_strings(a, a_len, b, b_len);
    return a_len == b_len && memcmp(a, b, a_len) == 0;
}

static bool member_fits(const char *name, size_t name_len, struct json *j, const char *got, size_t got_len,
                        struct buf *why)
{
    enum json_type type = json_peek(j), got_type;
    const char *want, *value = "nothing";
    size_t value_len = strlen(value);
    struct buf plain = {0};
    if (!json_skip(j, &want))
        return false;
    plain.len = json_unescape(name + 1, name_len - 2, buf_reserve(&plain, name_len));
    got_type = json_find(got, got_len, buf_cstr(&plain), &value, &value_len);
    bool fits = got_type == type && same_values(type, want, (size_t)(j->at - want), value, value_len);
    if (!fits)
        buf_printf(why, "%s: expected %.*s, got %.*s", plain.data, (int)(j->at - want), want, (int)value_len, value);
    buf_free(&plain);
    return fits;
}

bool app_tests_fits(const char *expected, size_t expected_len, const char *got, size_t got_len, struct buf *why)
{
    struct json j = json_begin(expected, expected_len);
    bool first = true;
    const char *name;
    size_t name_len;
    buf_clear(why);
    if (!json_enter(&j, '{'))
        return false;
    while (json_next(&j, &first, &name, &name_len)) {
        if (!member_fits(name, name_len, &j, got, got_len, why))
            return false;
    }
    return !j.error;
}

/* ---- running ---- */

struct test_run {
    const struct app_test *test;
    struct engine *engine;
    struct engine_sink sink;
    size_t results, dead;
    struct buf failure, why, first_dead;
};

static void fail_first(struct test_run *r)
{
    if (!r->failure.len)
        buf_printf(&r->failure, "result %zu: %s", r->results, buf_cstr(&r->why));
}

static void on_result(void *context, const struct engine_result *result)
{
    struct test_run *r = context;
    size_t i = r->results++;
    if (i >= r->test->result_count) {
        buf_clear(&r->why);
        buf_printf(&r->why, "not expected: %.*s", (int)result->body.len, result->body.p);
        fail_first(r);
        return;
    }
    const char *want = r->test->results[i];
    if (!app_tests_fits(want, strlen(want), result->body.p, result->body.len, &r->why))
        fail_first(r);
}

static void on_trigger(void *context, const struct engine_trigger *t)
{
    (void)context;
    (void)t;
}

static void on_dead(void *context, const struct engine_dead *d)
{
    struct test_run *r = context;
    if (r->dead++ == 0)
        buf_printf(&r->first_dead, "%s: %s", dead_reason_name(d->reason), d->detail);
}

static void feed(struct test_run *r, uint64_t offset, struct bytes body, const char *type, const char *user)
{
    struct engine_message m = {
        .offset = offset, .body = body, .type = {type, strlen(type)}, .user_id = {user, strlen(user)}};
    engine_message(r->engine, &m, &r->sink);
}

static void on_line(void *context, const struct line *line)
{
    struct test_run *r = context;
    line_feed(line, r->engine, &r->sink);
}

static void on_not_csv(void *context, const struct line *line, const char *why)
{
    struct test_run *r = context;
    (void)line;
    if (r->dead++ == 0)
        buf_printf(&r->first_dead, "not-csv: %s", why);
}

/* Beside the app file, wherever that is. */
static void path_beside(const char *path, const char *file, struct buf *out)
{
    const char *slash = strrchr(path, '/');
    if (slash && file[0] != '/')
        buf_add(out, path, (size_t)(slash + 1 - path));
    buf_add_str(out, file);
}

static uint64_t feed_file(struct test_run *r, const char *path)
{
    struct buf full = {0};
    struct err err;
    struct lines_end end = {0};
    const struct lines_sink sink = {r, on_line, on_not_csv};
    path_beside(path, r->test->file, &full);
    if (lines_read(buf_cstr(&full), LINES_GUESS, engine_app(r->engine), &sink, &end, &err) < 0)
        buf_printf(&r->failure, "%s", err.text);
    buf_free(&full);
    return end.messages;
}

static uint64_t feed_events(struct test_run *r, const char *path)
{
    const struct app_test *t = r->test;
    if (t->file)
        return feed_file(r, path);
    for (size_t i = 0; i < t->event_count; i++)
        feed(r, i, (struct bytes){t->events[i], strlen(t->events[i])}, "", "");
    return t->event_count;
}

static void judge(struct test_run *r)
{
    if (!r->failure.len && r->results < r->test->result_count)
        buf_printf(&r->failure, "result %zu is missing: expected %s", r->results + 1, r->test->results[r->results]);
    if (r->failure.len && r->dead)
        buf_printf(&r->failure, " (%zu set aside, the first as %s)", r->dead, buf_cstr(&r->first_dead));
}

static bool run_test(struct app *own, const struct app_test *test, const char *path,
                     void (*each)(void *context, const struct app_test_outcome *outcome), void *context)
{
    struct test_run r = {.test = test, .engine = engine_new(own, 1, 1)};
    r.sink = (struct engine_sink){.context = &r, .result = on_result, .trigger = on_trigger, .dead = on_dead};
    uint64_t end = feed_events(&r, path);
    feed(&r, end, (struct bytes){"{}", 2}, CONTROL_END, USER_API);
    judge(&r);
    bool passed = r.failure.len == 0;
    each(context, &(struct app_test_outcome){test, passed, buf_cstr(&r.failure)});
    engine_free(&r.engine);
    buf_free(&r.failure);
    buf_free(&r.why);
    buf_free(&r.first_dead);
    return passed;
}

size_t app_tests_run(const struct app *app, const char *text, size_t len, const char *path,
                     void (*each)(void *context, const struct app_test_outcome *outcome), void *context)
{
    size_t failed = 0;
    for (size_t i = 0; i < app->test_count; i++) {
        struct app_diags diags = {0};
        struct app *own = app_load(text, len, NULL, &diags); /* the engine takes it */
        app_diags_free(&diags);
        failed += !own || !run_test(own, &app->tests[i], path, each, context);
    }
    return failed;
}
