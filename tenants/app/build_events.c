#include "base/json.h"
#include "tenants/app/build.h"
#include "tenants/app/nearest.h"

#include <string.h>

/* "a.b" as {"a", "b"} */
static const char *const *split_path(struct builder *b, const char *text, size_t len, size_t *count)
{
    const char **path = arena_alloc(b->arena, (len / 2 + 1) * sizeof *path), *at = text, *end = text + len;
    *count = 0;
    while (at <= end && len) {
        const char *dot = memchr(at, '.', (size_t)(end - at)), *stop = dot ? dot : end;
        path[(*count)++] = arena_strndup(b->arena, at, (size_t)(stop - at));
        at = stop + 1;
    }
    return path;
}

static void build_time(struct builder *b, const struct node *events)
{
    const struct node *time = node_child(events, "time"), *field = build_get(time, "field"),
                      *format = build_get(time, "format");
    struct app_time *t = &b->app->time;
    struct err err;
    if (field)
        t->path = split_path(b, field->text, field->len, &t->path_len);
    if (format && time_format_compile(format->text, format->len, &t->format, &err) == 0)
        t->format_text = build_text(b, format);
    t->out_of_orderness = build_number(time, "out_of_orderness", 0);
    t->idle_after = build_number(time, "idle_after", 60000);
    t->ahead = build_number(time, "ahead", APP_OFF);
}

/* ---- fields ---- */

/* schema_field_types in values */
static const enum value_type field_types[] = {VALUE_BOOL, VALUE_INT, VALUE_FLOAT, VALUE_STRING};

/* The whole text is a JSON number. */
static bool is_number(const struct node *n)
{
    struct json j = json_begin(n->text, n->len);
    const char *token;
    size_t len;
    return n->plain && json_peek(&j) == JSON_NUMBER && json_number(&j, &token, &len) && len == n->len;
}

static bool read_value(struct builder *b, const struct node *n, enum value_type type, struct value *v)
{
    *v = (struct value){.type = type};
    switch (type) {
    case VALUE_BOOL:
        v->b = node_is(n, "true");
        return n->plain && (v->b || node_is(n, "false"));
    case VALUE_INT:
        return is_number(n) && json_int(n->text, n->len, &v->i);
    case VALUE_FLOAT:
        return is_number(n) && json_float(n->text, n->len, &v->f);
    default:
        v->s = build_text(b, n);
        v->len = (uint32_t)n->len;
        return true;
    }
}

static void build_default(struct builder *b, const struct node *field, struct app_field *f, bool typed)
{
    struct node *n = build_get(field, "default");
    if (!n || !typed)
        return;
    f->has_default = true;
    if (!read_value(b, n, f->type, &f->default_value))
        complain(b->diags, n, value_type_name(f->type), NULL, "`%.60s` does not fit the field's type", n->text);
    const struct node *optional = build_get(field, "optional");
    if (f->optional && optional)
        warn_of(b->diags, optional, "has no effect beside a default: the field is never null");
}

static void build_field(struct builder *b, struct node *n, struct app_field *f)
{
    const struct node *type = n->kind == NODE_SCALAR && !n->bad ? n : build_get(n, "type"),
                      *from = build_get(n, "from");
    bool typed = type && type->kind == NODE_SCALAR;
    f->name = arena_strndup(b->arena, n->key, n->key_len);
    f->type = typed ? field_types[type->number] : VALUE_NULL;
    f->optional = build_number(n, "optional", 0);
    if (from) {
        f->path = split_path(b, from->text, from->len, &f->path_len);
    } else {
        const char **path = arena_alloc(b->arena, sizeof *path);
        path[0] = f->name;
        f->path = path;
        f->path_len = 1;
    }
    build_default(b, n, f, typed);
    scope_add(b, &b->fields, f->name, f->type, !typed);
}

static void build_fields(struct builder *b, const struct node *events)
{
    const struct node *fields = node_child(events, "fields");
    b->fields.open = !fields || fields->kind != NODE_MAPPING;
    if (b->fields.open)
        return;
    struct app_field *list = arena_alloc(b->arena, fields->count * sizeof *list);
    for (struct node *n = fields->first; n; n = n->next)
        if (schema_field_name_ok(n->key, n->key_len))
            build_field(b, n, &list[b->app->field_count++]);
        else
            b->fields.open = true;
    b->app->fields = list;
}

static void build_watermark(struct builder *b, const struct node *events)
{
    struct node *list = build_get(events, "watermark_per");
    if (!list)
        return;
    size_t *fields = arena_alloc(b->arena, list->count * sizeof *fields), count = 0;
    for (struct node *n = list->first; n; n = n->next) {
        if (n->bad)
            continue;
        struct nearest near = nearest_begin(n->text, n->len);
        size_t i = 0;
        for (; i < b->fields.count && !node_is(n, b->fields.names[i].name); i++)
            nearest_offer(&near, b->fields.names[i].name);
        if (i == b->fields.count && b->fields.open)
            continue;
        if (i == b->fields.count)
            complain(b->diags, n, "a field of events.fields", near.best, "unknown name `%.64s`", n->text);
        else
            fields[count++] = i;
    }
    b->app->watermark_per = fields;
    b->app->watermark_per_count = count;
}

void build_events(struct builder *b)
{
    const struct node *events = node_child(b->root, "events");
    build_time(b, events);
    build_fields(b, events);
    build_watermark(b, events);
}
