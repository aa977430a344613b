#include "tenants/app/build.h"

#include <stdlib.h>
#include <string.h>

static void build_limits(struct builder *b)
{
    const struct node *limits = node_child(b->root, "limits");
    struct node *event = build_get(limits, "event");
    struct app_limits *l = &b->app->limits;
    l->event_bytes = build_number(limits, "event", 0);
    l->message_bytes = build_number(limits, "message", 0);
    l->keys = build_number(limits, "keys", 0);
    l->devices = build_number(limits, "devices", 0);
    l->producers = build_number(limits, "producers", 0);
    l->distinct = build_number(limits, "distinct", 0);
    bool larger = l->message_bytes && l->event_bytes > l->message_bytes;
    if (larger && event && event->verbatim) /* said so in the file; the default just gives way */
        complain(b->diags, event, "at most limits.message", NULL, "larger than a whole message may be");
    else if (larger)
        l->event_bytes = l->message_bytes;
    b->app->keep = build_number(b->root, "keep", 0);
}

static void build_tenant(struct builder *b, const char *tenant)
{
    struct node *n = build_get(b->root, "tenant");
    b->app->title = build_text(b, build_get(b->root, "title"));
    b->app->tenant = build_text(b, n);
    if (n && tenant && strcmp(b->app->tenant, tenant) != 0)
        complain(b->diags, n, tenant, NULL, "this is the app of `%.48s`, not of `%.48s`; a tenant's name cannot change",
                 b->app->tenant, tenant);
}

static void build(struct app *app, struct app_diags *diags, struct arena *nodes, struct node *root, const char *tenant)
{
    struct loader loader = {app, diags, nodes};
    struct builder b = {.loader = &loader, .app = app, .diags = diags, .arena = &app->arena, .root = root};
    schema_check(&loader, root);
    if (root->kind != NODE_MAPPING)
        return;
    build_tenant(&b, tenant);
    build_events(&b);
    build_streams(&b);
    build_jobs(&b);
    build_triggers(&b);
    build_limits(&b);
    build_tests(&b);
}

struct app *app_load(const char *text, size_t len, const char *tenant, struct app_diags *diags)
{
    struct arena nodes = {0};
    struct app *app = mem_zero(1, sizeof *app);
    *diags = (struct app_diags){0};
    struct node *root = node_read(text, len, &nodes, diags);
    if (root) {
        app->text = arena_strndup(&app->arena, text, len);
        app->text_len = len;
        build(app, diags, &nodes, root, tenant);
    }
    arena_free(&nodes);
    diag_sort(diags);
    if (diags->errors)
        app_free(&app);
    return app;
}

void app_free(struct app **app)
{
    if (!*app)
        return;
    struct arena arena = (*app)->arena;
    free(*app);
    arena_free(&arena);
    *app = NULL;
}
