#include "stream/engine/decode.h"

#include <stdlib.h>
#include <string.h>

#define NO_CAPTURE SIZE_MAX

/* ---- the tree of paths ---- */

static size_t child_named(const struct decoder *d, size_t node, const char *name, size_t len)
{
    size_t child = d->nodes[node].first_child;
    while (child && (d->nodes[child].len != len || memcmp(d->nodes[child].name, name, len) != 0))
        child = d->nodes[child].next;
    return child;
}

static size_t add_child(struct decoder *d, size_t parent, const char *name)
{
    size_t child = child_named(d, parent, name, strlen(name));
    if (child)
        return child;
    child = d->node_count++;
    d->nodes = mem_resize(d->nodes, d->node_count, sizeof *d->nodes);
    d->nodes[child] = (struct path_node){.name = name, .len = strlen(name), .capture = NO_CAPTURE};
    size_t *link = &d->nodes[parent].first_child;
    while (*link)
        link = &d->nodes[*link].next;
    *link = child;
    return child;
}

/* The capture of the value at a path; paths that are equal share one. */
static size_t add_path(struct decoder *d, const char *const *path, size_t len)
{
    size_t node = 0;
    if (len > JSON_MAX_DEPTH) /* no object can have it */
        return d->capture_count++;
    for (size_t i = 0; i < len; i++)
        node = add_child(d, node, path[i]);
    if (d->nodes[node].capture == NO_CAPTURE)
        d->nodes[node].capture = d->capture_count++;
    return d->nodes[node].capture;
}

void decoder_init(struct decoder *d, const struct app *app)
{
    *d = (struct decoder){.app = app, .node_count = 1};
    d->nodes = mem_zero(1, sizeof *d->nodes);
    d->nodes[0].capture = NO_CAPTURE;
    d->field_captures = mem_zero(app->field_count, sizeof *d->field_captures);
    d->time_capture = add_path(d, app->time.path, app->time.path_len);
    for (size_t i = 0; i < app->field_count; i++)
        d->field_captures[i] = add_path(d, app->fields[i].path, app->fields[i].path_len);
    d->captures = mem_zero(d->capture_count, sizeof *d->captures);
    d->slots = mem_zero(app->field_count, sizeof *d->slots);
    d->targets = mem_zero(app->field_count + 1, sizeof *d->targets);
}

void decoder_free(struct decoder *d)
{
    free(d->nodes);
    free(d->field_captures);
    free(d->captures);
    free(d->slots);
    buf_free(&d->text);
    buf_free(&d->name);
    free(d->targets);
    layouts_free(&d->layouts);
    *d = (struct decoder){0};
}

/* ---- scanning ---- */

static size_t child_of_token(struct decoder *d, size_t node, const char *token, size_t len)
{
    const char *name = token + 1;
    size_t name_len = len - 2;
    if (memchr(name, '\\', name_len)) {
        buf_clear(&d->name);
        name_len = json_unescape(name, name_len, buf_reserve(&d->name, name_len));
        name = d->name.data;
    }
    return child_named(d, node, name, name_len);
}

/* Of a repeated name the last counts, with all that is below it. */
static void forget(struct decoder *d, size_t node)
{
    if (d->nodes[node].capture != NO_CAPTURE)
        d->captures[d->nodes[node].capture].type = JSON_END;
    for (size_t child = d->nodes[node].first_child; child; child = d->nodes[child].next)
        forget(d, child);
}

static bool scan_object(struct decoder *d, size_t node, struct json *j);

static bool scan_member(struct decoder *d, size_t node, struct json *j)
{
    enum json_type type = json_peek(j);
    const char *from = j->at;
    forget(d, node);
    bool inside = type == JSON_OBJECT && d->nodes[node].first_child;
    if (inside ? !scan_object(d, node, j) : !json_skip(j, &from))
        return false;
    if (d->nodes[node].capture != NO_CAPTURE)
        d->captures[d->nodes[node].capture] = (struct capture){type, from, (size_t)(j->at - from)};
    return true;
}

/* Recursion goes no deeper than the app's paths. */
static bool scan_object(struct decoder *d, size_t node, struct json *j)
{
    bool first = true;
    const char *name, *from;
    size_t len;
    if (!json_enter(j, '{'))
        return false;
    while (json_next(j, &first, &name, &len)) {
        size_t child = child_of_token(d, node, name, len);
        if (child ? !scan_member(d, child, j) : !json_skip(j, &from))
            return false;
    }
    return !j->error;
}

bool decoder_scan(struct decoder *d, struct json *j)
{
    for (size_t i = 0; i < d->capture_count; i++)
        d->captures[i].type = JSON_END;
    buf_clear(&d->text);
    (void)json_peek(j);
    return scan_object(d, 0, j);
}

/* ---- converting ---- */

static bool is_missing(const struct capture *c)
{
    return c->type == JSON_END || c->type == JSON_NULL;
}

/* The text of a string token, unescaped if need be; what was unescaped before must not move, so room for all is made
 * first. */
static const char *string_of(struct decoder *d, const struct capture *c, size_t *len)
{
    const char *raw = c->token + 1;
    *len = c->len - 2;
    if (!memchr(raw, '\\', *len))
        return raw;
    char *plain = d->text.data + d->text.len;
    *len = json_unescape(raw, *len, plain);
    d->text.len += *len;
    return plain;
}

static void reserve_text(struct decoder *d)
{
    size_t most = 0;
    for (size_t i = 0; i < d->app->field_count; i++) {
        const struct capture *c = &d->captures[d->field_captures[i]];
        most += c->type == JSON_STRING ? c->len : 0;
    }
    const struct capture *t = &d->captures[d->time_capture];
    most += t->type == JSON_STRING ? t->len : 0;
    (void)buf_reserve(&d->text, most);
}

static bool convert(struct decoder *d, enum value_type type, const struct capture *c, struct value *v)
{
    size_t len;
    *v = (struct value){.type = type};
    switch (type) {
    case VALUE_BOOL:
        v->b = c->type == JSON_TRUE;
        return c->type == JSON_TRUE || c->type == JSON_FALSE;
    case VALUE_INT:
        return c->type == JSON_NUMBER && json_int(c->token, c->len, &v->i);
    case VALUE_FLOAT:
        return c->type == JSON_NUMBER && json_float(c->token, c->len, &v->f);
    case VALUE_STRING:
        if (c->type != JSON_STRING)
            return false;
        v->s = string_of(d, c, &len);
        v->len = (uint32_t)len;
        return true;
    default:
        return false;
    }
}

/* "field `a.b`" */
static void add_path_name(struct buf *detail, const char *const *path, size_t len)
{
    buf_add_str(detail, "field `");
    for (size_t i = 0; i < len; i++)
        buf_printf(detail, "%s%s", i ? "." : "", path[i]);
    buf_add_char(detail, '`');
}

/* A token for a person: not longer than a line, and not cut within a character. */
static void add_token(struct buf *detail, const struct capture *c)
{
    size_t len = c->len < 60 ? c->len : 60;
    while (len < c->len && len && ((unsigned char)c->token[len] & 0xC0) == 0x80)
        len--;
    buf_add(detail, c->token, len);
    if (len < c->len)
        buf_add_str(detail, "...");
}

static bool convert_field(struct decoder *d, size_t i, enum dead_reason *reason, struct buf *detail)
{
    const struct app_field *f = &d->app->fields[i];
    const struct capture *c = &d->captures[d->field_captures[i]];
    if (is_missing(c)) {
        d->slots[i] = f->has_default ? f->default_value : (struct value){.type = VALUE_NULL};
        if (f->has_default || f->optional)
            return true;
        *reason = DEAD_MISSING_FIELD;
        add_path_name(detail, f->path, f->path_len);
        buf_add_str(detail, " is missing");
        return false;
    }
    if (convert(d, f->type, c, &d->slots[i]))
        return true;
    *reason = DEAD_WRONG_TYPE;
    add_path_name(detail, f->path, f->path_len);
    buf_printf(detail, " must be %s %s, not ", f->type == VALUE_INT ? "an" : "a", value_type_name(f->type));
    add_token(detail, c);
    return false;
}

static bool parse_time(struct decoder *d, const struct capture *c, int64_t *time)
{
    const struct time_format *format = &d->app->time.format;
    size_t len;
    if (format->kind == TIME_UNIX_MS)
        return json_int(c->token, c->len, time) && *time >= 0 && *time <= TIME_MAX_MS;
    if (format->kind == TIME_UNIX)
        return time_format_parse(format, c->token, c->len, time);
    const char *text = string_of(d, c, &len);
    return time_format_parse(format, text, len, time);
}

static bool convert_time(struct decoder *d, int64_t *time, enum dead_reason *reason, struct buf *detail)
{
    const struct app_time *t = &d->app->time;
    const struct capture *c = &d->captures[d->time_capture];
    bool numeric = t->format.kind == TIME_UNIX || t->format.kind == TIME_UNIX_MS;
    if (c->type == (numeric ? JSON_NUMBER : JSON_STRING) && parse_time(d, c, time))
        return true;
    add_path_name(detail, t->path, t->path_len);
    if (is_missing(c)) {
        *reason = DEAD_MISSING_FIELD;
        buf_add_str(detail, " is missing");
        return false;
    }
    *reason = c->type == (numeric ? JSON_NUMBER : JSON_STRING) ? DEAD_BAD_TIME : DEAD_WRONG_TYPE;
    buf_printf(detail, " must be a time in the format %s, not ", t->format_text);
    add_token(detail, c);
    return false;
}

/* time NULL: of the fields alone. */
static bool convert_all(struct decoder *d, int64_t *time, enum dead_reason *reason, struct buf *detail)
{
    buf_clear(detail);
    reserve_text(d);
    if (time && !convert_time(d, time, reason, detail))
        return false;
    for (size_t i = 0; i < d->app->field_count; i++) {
        if (!convert_field(d, i, reason, detail))
            return false;
    }
    return true;
}

bool decoder_convert(struct decoder *d, int64_t *time, enum dead_reason *reason, struct buf *detail)
{
    return convert_all(d, time, reason, detail);
}

bool decoder_fields(struct decoder *d, const char *object, size_t len, struct buf *detail)
{
    struct json j = json_begin(object, len);
    enum dead_reason reason;
    return decoder_scan(d, &j) && convert_all(d, NULL, &reason, detail);
}

/* ---- predicting ---- */

bool decoder_predict(struct decoder *d, struct json *j, struct value *slots, int64_t *time)
{
    return layouts_read(&d->layouts, d->app, j, slots, time);
}

void decoder_learn(struct decoder *d, const char *object, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < d->app->field_count; i++) {
        const struct capture *c = &d->captures[d->field_captures[i]];
        if (c->type != JSON_END)
            d->targets[n++] = (struct layout_target){c->token, (uint32_t)i};
    }
    d->targets[n++] = (struct layout_target){d->captures[d->time_capture].token, LAYOUT_TIME};
    layouts_learn(&d->layouts, d->app, object, len, d->targets, n);
}
