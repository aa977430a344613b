#include "base/json.h"
#include "base/scan.h"
#include "base/utf8.h"

#include <string.h>

static void comma(struct buf *b)
{
    char last = b->len ? b->data[b->len - 1] : '\n';
    if (last != '{' && last != '[' && last != ':' && last != '\n')
        buf_add_char(b, ',');
}

void json_w_open(struct buf *b, char open)
{
    comma(b);
    buf_add_char(b, open);
}

void json_w_close(struct buf *b, char close)
{
    buf_add_char(b, close);
}

void json_w_name(struct buf *b, const char *name)
{
    json_w_str(b, name);
    buf_add_char(b, ':');
}

static void add_escaped(struct buf *b, unsigned char c)
{
    static const char shorts[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt", hex[] = "0123456789abcdef";
    const char *p = memchr(shorts, c, sizeof shorts - 1);
    buf_add_char(b, '\\');
    if (p) {
        buf_add_char(b, letters[p - shorts]);
    } else {
        buf_add(b, "u00", 3);
        buf_add_char(b, hex[c >> 4]);
        buf_add_char(b, hex[c & 15]);
    }
}

void json_w_string(struct buf *b, const char *s, size_t len)
{
    const unsigned char *p = (const unsigned char *)s, *end = len ? p + len : p, *plain = p;
    comma(b);
    buf_add_char(b, '"');
    while ((p = (const unsigned char *)scan_plain((const char *)p, (const char *)end)) < end) {
        size_t n = utf8_sequence(p, (size_t)(end - p));
        if (n && *p >= 0x20 && *p != '"' && *p != '\\') {
            p += n;
            continue;
        }
        buf_add(b, plain, (size_t)(p - plain));
        if (n)
            add_escaped(b, *p);
        else
            buf_add(b, "\xEF\xBF\xBD", 3);
        plain = ++p;
    }
    buf_add(b, plain, (size_t)(p - plain));
    buf_add_char(b, '"');
}

void json_w_str(struct buf *b, const char *s)
{
    if (s)
        json_w_string(b, s, strlen(s));
    else
        json_w_null(b);
}

void json_w_uint(struct buf *b, uint64_t i)
{
    comma(b);
    buf_add_uint(b, i);
}

void json_w_int(struct buf *b, int64_t i)
{
    comma(b);
    buf_add_int(b, i);
}

void json_w_bool(struct buf *b, bool v)
{
    if (v)
        json_w_raw(b, "true", 4);
    else
        json_w_raw(b, "false", 5);
}

void json_w_null(struct buf *b)
{
    json_w_raw(b, "null", 4);
}

void json_w_value(struct buf *b, const struct value *v)
{
    switch (v->type) {
    case VALUE_NULL:
        json_w_null(b);
        break;
    case VALUE_BOOL:
        json_w_bool(b, v->b);
        break;
    case VALUE_INT:
        json_w_int(b, v->i);
        break;
    case VALUE_FLOAT:
        json_w_float(b, v->f);
        break;
    case VALUE_STRING:
        json_w_string(b, v->s, v->len);
        break;
    }
}

void json_w_raw(struct buf *b, const char *json, size_t len)
{
    comma(b);
    buf_add(b, json, len);
}
