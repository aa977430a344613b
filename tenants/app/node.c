#include "tenants/app/node.h"

#include <stdio.h>
#include <string.h>

struct node *node_child(const struct node *mapping, const char *key)
{
    if (!mapping || mapping->kind != NODE_MAPPING)
        return NULL;
    size_t len = strlen(key);
    for (struct node *n = mapping->first; n; n = n->next)
        if (n->key_len == len && !memcmp(n->key, key, len))
            return n;
    return NULL;
}

bool node_is(const struct node *n, const char *text)
{
    return n->kind == NODE_SCALAR && strlen(text) == n->len && !memcmp(n->text, text, n->len);
}

bool node_is_null(const struct node *n)
{
    return n->kind == NODE_SCALAR && n->plain && (!n->len || node_is(n, "~") || node_is(n, "null"));
}

static void add_step(const struct node *n, struct buf *out)
{
    if (!n->key) {
        buf_printf(out, "[%zu]", n->index);
        return;
    }
    if (out->len)
        buf_add_char(out, '.');
    size_t shown = n->key_len < 64 ? n->key_len : 64;
    while (shown && shown < n->key_len && ((unsigned char)n->key[shown] & 0xc0) == 0x80)
        shown--; /* no half character */
    buf_add(out, n->key, shown);
}

void node_pointer(const struct node *n, struct buf *out)
{
    const struct node *path[NODE_MAX_DEPTH + 1];
    size_t depth = 0;
    for (; n && n->parent && depth <= NODE_MAX_DEPTH; n = n->parent)
        path[depth++] = n;
    while (depth)
        add_step(path[--depth], out);
}

PRINTF(5, 0)
static void add(struct app_diags *d, const struct node *n, struct mark at, struct diag_extra extra, const char *fmt,
                va_list ap)
{
    char text[900];
    struct buf pointer = {0};
    vsnprintf(text, sizeof text, fmt, ap);
    node_pointer(n, &pointer);
    diag_add(d, at, buf_cstr(&pointer), extra, "%s", text);
    buf_free(&pointer);
}

void complain(struct app_diags *d, struct node *n, const char *expected, const char *suggestion, const char *fmt, ...)
{
    va_list ap;
    n->bad = true;
    va_start(ap, fmt);
    add(d, n, n->mark, (struct diag_extra){.expected = expected, .suggestion = suggestion}, fmt, ap);
    va_end(ap);
}

void complain_key(struct app_diags *d, const struct node *n, const char *expected, const char *suggestion,
                  const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(d, n, n->key ? n->key_mark : n->mark, (struct diag_extra){.expected = expected, .suggestion = suggestion}, fmt,
        ap);
    va_end(ap);
}

static unsigned characters(const char *s, size_t len)
{
    unsigned n = 0;
    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)s[i] & 0xc0) != 0x80;
    return n;
}

void complain_within(struct app_diags *d, struct node *n, size_t at, size_t len, const char *expected,
                     const char *suggestion, const char *message)
{
    struct mark mark = n->mark, whole = n->mark;
    if (n->verbatim && at <= n->len) {
        mark.column += n->verbatim - 1 + characters(n->text, at);
        mark.length = characters(n->text + at, len < n->len - at ? len : n->len - at);
    }
    n->mark = mark;
    complain(d, n, expected, suggestion, "%s", message);
    n->mark = whole;
}

void warn_of(struct app_diags *d, const struct node *n, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(d, n, n->mark, (struct diag_extra){.warning = true}, fmt, ap);
    va_end(ap);
}
