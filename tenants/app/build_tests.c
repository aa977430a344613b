#include "base/json.h"
#include "tenants/app/build.h"
#include "tenants/app/nearest.h"

#include <string.h>

/* ---- YAML as JSON: plain true, false, null and JSON numbers are themselves, all else is a string ---- */

static bool is_bare(const struct node *n)
{
    return n->plain && n->len && json_valid(n->text, n->len, &(const char *){NULL}) && !strchr("\"[{", n->text[0]);
}

static void write_name(struct buf *out, const struct node *n)
{
    json_w_string(out, n->key, n->key_len);
    buf_add_char(out, ':');
}

static void write_json(struct buf *out, const struct node *n) /* at most NODE_MAX_DEPTH deep */
{
    if (n->kind == NODE_SCALAR) {
        if (node_is_null(n))
            json_w_null(out);
        else if (is_bare(n))
            json_w_raw(out, n->text, n->len);
        else
            json_w_string(out, n->text, n->len);
        return;
    }
    json_w_open(out, n->kind == NODE_MAPPING ? '{' : '[');
    for (const struct node *m = n->first; m; m = m->next) {
        if (n->kind == NODE_MAPPING)
            write_name(out, m);
        write_json(out, m);
    }
    json_w_close(out, n->kind == NODE_MAPPING ? '}' : ']');
}

static const char *json_of(struct builder *b, const struct node *n)
{
    struct buf out = {0};
    write_json(&out, n);
    const char *text = arena_strndup(b->arena, buf_cstr(&out), out.len);
    buf_free(&out);
    return text;
}

static const char *const *build_texts(struct builder *b, const struct node *list, size_t *count)
{
    if (!list)
        return NULL;
    const char **texts = arena_alloc(b->arena, list->count * sizeof *texts);
    for (const struct node *n = list->first; n; n = n->next)
        if (!n->bad) /* a text is what a producer sends, right or wrong */
            texts[(*count)++] = n->kind == NODE_SCALAR ? build_text(b, n) : json_of(b, n);
    return texts;
}

/* ---- checks ---- */

static bool key_is(const struct node *n, const char *name)
{
    return n->key_len == strlen(name) && !memcmp(n->key, name, n->key_len);
}

/* Calls visit with each name that a result may have, until it is true. */
static bool any_column(struct builder *b, bool (*visit)(void *context, const char *name), void *context)
{
    for (const char *const *r = build_result_reserved; *r; r++)
        if (visit(context, *r))
            return true;
    for (size_t i = 0; i < b->app->stream_count; i++)
        for (size_t k = 0; k < b->results[i].count; k++)
            if (visit(context, b->results[i].names[k].name))
                return true;
    return false;
}

static bool is_it(void *context, const char *name)
{
    return key_is(context, name);
}

static bool offer(void *context, const char *name)
{
    nearest_offer(context, name);
    return false;
}

static bool columns_are_known(const struct builder *b)
{
    for (size_t i = 0; i < b->app->stream_count; i++)
        if (b->results[i].open)
            return false;
    return b->app->stream_count > 0;
}

static void check_result(struct builder *b, const struct node *result)
{
    for (struct node *n = result->first; n; n = n->next) {
        if (n->bad || any_column(b, is_it, n))
            continue;
        struct nearest near = nearest_begin(n->key, n->key_len);
        if (b->diags->count < DIAG_MAX) /* else it is not shown */
            (void)any_column(b, offer, &near);
        complain_key(b->diags, n, "a column of a stream's results", near.best, "no stream has this column");
    }
}

static bool path_stays_below(const char *path)
{
    if (*path == '/')
        return false;
    for (const char *p = path; p; p = strchr(p, '/')) {
        p += *p == '/';
        if (!strncmp(p, "..", 2) && (p[2] == '/' || !p[2]))
            return false;
    }
    return true;
}

static void check_source(struct builder *b, struct node *n)
{
    struct node *events = node_child(n, "events"), *file = node_child(n, "file");
    if (events && file)
        complain_key(b->diags, file, "one of the two", NULL,
                     "beside `events`: a test has its events here or in a file");
    else if (!events && !file)
        complain_key(b->diags, n, "`events: [...]` or `file: readings.csv`", NULL, "has no events");
    if (file && !file->bad && !path_stays_below(file->text))
        complain(b->diags, file, "a path below the app file's directory", NULL,
                 "a path that leads away from the app file");
}

static void build_test(struct builder *b, struct node *n, struct app_test *t)
{
    const struct node *results = build_get(n, "results"), *events = build_get(n, "events");
    t->name = build_text(b, build_get(n, "name"));
    t->line = n->mark.line;
    t->file = build_text(b, build_get(n, "file"));
    t->events = build_texts(b, events, &t->event_count);
    t->results = build_texts(b, results, &t->result_count);
    for (const struct node *r = results && columns_are_known(b) ? results->first : NULL; r; r = r->next)
        check_result(b, r);
    check_source(b, n);
}

void build_tests(struct builder *b)
{
    struct node *n;
    size_t count = build_list(b->root, "tests", &n);
    struct app_test *list = arena_alloc(b->arena, count * sizeof *list);
    build_check_unique(b, "tests", "test");
    for (size_t i = 0; i < count; i++, n = n->next)
        build_test(b, n, &list[i]);
    b->app->tests = list;
    b->app->test_count = count;
}
