#include "base/json.h"
#include "tenants/app/diag.h"

#include <string.h>

#define EXCERPT_MAX 120 /* characters shown of a line */

/* The bytes of a line (from 1), without its end; empty if there is none. */
static const char *find_line(const char *text, size_t len, unsigned line, size_t *line_len)
{
    const char *at = text, *end = text + len;
    for (unsigned n = 1; n < line && at < end; n++) {
        const char *next = memchr(at, '\n', (size_t)(end - at));
        at = next ? next + 1 : end;
    }
    const char *stop = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    *line_len = (size_t)((stop ? stop : end) - at);
    if (*line_len && at[*line_len - 1] == '\r')
        --*line_len;
    return at;
}

static bool begins_character(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

/* Moves over some characters; stops at the end. */
static const char *skip_characters(const char *at, const char *end, unsigned count)
{
    while (at < end && count) {
        at++;
        while (at < end && !begins_character(*at))
            at++;
        count--;
    }
    return at;
}

static void add_clean(struct buf *out, const char *at, const char *end)
{
    for (; at < end; at++)
        buf_add_char(out, ((unsigned char)*at < 0x20 && *at != '\t') || *at == 0x7f ? '?' : *at);
}

static void add_caret(struct buf *out, const char *from, const char *to, unsigned length, const char *end)
{
    buf_add_str(out, "      | ");
    for (const char *p = from; p < to; p++)
        if (begins_character(*p))
            buf_add_char(out, *p == '\t' ? '\t' : ' '); /* tabs stay, so that the caret stands right below */
    buf_add_char(out, '^');
    const char *stop = skip_characters(to, end, length);
    for (const char *p = skip_characters(to, end, 1); p < stop; p++)
        if (begins_character(*p))
            buf_add_char(out, '~');
    buf_add_char(out, '\n');
}

static void add_excerpt(struct buf *out, const struct app_diag *d, const char *text, size_t len)
{
    size_t line_len;
    const char *line = find_line(text, len, d->line, &line_len), *end = line + line_len;
    if (!line_len)
        return;
    /* of a very long line, the part around the mistake */
    const char *from = d->column > EXCERPT_MAX - 20 ? skip_characters(line, end, d->column - EXCERPT_MAX / 2) : line;
    const char *to = skip_characters(from, end, EXCERPT_MAX);
    buf_printf(out, "%5u | ", d->line);
    add_clean(out, from, to);
    buf_add_char(out, '\n');
    add_caret(out, from, skip_characters(line, end, d->column - 1), d->length, to);
}

static void add_diag(struct buf *out, const struct app_diag *d, const char *file)
{
    buf_printf(out, "%s:%u:%u: %s: ", file, d->line, d->column, d->warning ? "warning" : "error");
    if (d->pointer && *d->pointer) /* warnings read on from the pointer as one sentence */
        buf_printf(out, "%s%s ", d->pointer, d->warning ? "" : ":");
    buf_add_str(out, d->message);
    if (d->suggestion)
        buf_printf(out, "; did you mean `%s`?", d->suggestion);
    else if (d->expected)
        buf_printf(out, "; expected %s", d->expected);
    buf_add_char(out, '\n');
}

static void add_count(struct buf *out, size_t count, const char *what)
{
    buf_printf(out, "%zu %s%s", count, what, count == 1 ? "" : "s");
}

void app_diags_text(const struct app_diags *diags, const char *file, const char *text, size_t len, struct buf *out)
{
    size_t warnings = 0;
    for (size_t i = 0; i < diags->count; i++) {
        warnings += diags->list[i].warning;
        add_diag(out, &diags->list[i], file);
        add_excerpt(out, &diags->list[i], text, len);
    }
    if (diags->errors)
        add_count(out, diags->errors, "error");
    if (diags->errors && warnings)
        buf_add_str(out, ", ");
    if (warnings)
        add_count(out, warnings, "warning");
    if (diags->count)
        buf_add_char(out, '\n');
}

void app_diags_json(const struct app_diags *diags, const char *file, struct buf *out)
{
    json_w_open(out, '[');
    for (size_t i = 0; i < diags->count; i++) {
        const struct app_diag *d = &diags->list[i];
        json_w_open(out, '{');
        json_w_name(out, "severity");
        json_w_str(out, d->warning ? "warning" : "error");
        json_w_name(out, "file");
        json_w_str(out, file);
        json_w_name(out, "line");
        json_w_uint(out, d->line);
        json_w_name(out, "column");
        json_w_uint(out, d->column);
        json_w_name(out, "pointer");
        json_w_str(out, d->pointer);
        json_w_name(out, "message");
        json_w_str(out, d->message);
        json_w_name(out, "expected");
        json_w_str(out, d->expected);
        json_w_name(out, "suggestion");
        json_w_str(out, d->suggestion);
        json_w_close(out, '}');
    }
    json_w_close(out, ']');
}
