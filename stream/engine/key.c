#include "stream/engine/key.h"
#include "base/json.h"

#include <string.h>

enum tag { TAG_NULL = 1, TAG_FALSE, TAG_TRUE, TAG_INT, TAG_STRING };

static void put_int(struct buf *out, int64_t i)
{
    uint64_t ordered = (uint64_t)i ^ (UINT64_C(1) << 63);
    char *p = buf_reserve(out, 9);
    p[0] = TAG_INT;
    for (int at = 8; at > 0; at--, ordered >>= 8)
        p[at] = (char)ordered;
    out->len += 9;
}

/* A string ends with 00 00; a 00 in it is 00 01, so that a shorter one comes before what it begins. */
static void put_string(struct buf *out, const char *s, size_t len)
{
    buf_add_char(out, TAG_STRING);
    for (const char *nul; len && (nul = memchr(s, 0, len)); len -= (size_t)(nul + 1 - s), s = nul + 1) {
        buf_add(out, s, (size_t)(nul - s));
        buf_add(out, "\0\1", 2);
    }
    buf_add(out, s, len);
    buf_add(out, "\0\0", 2);
}

void key_put(struct buf *out, const struct value *v)
{
    switch (v->type) {
    case VALUE_BOOL:
        buf_add_char(out, v->b ? TAG_TRUE : TAG_FALSE);
        break;
    case VALUE_INT:
        put_int(out, v->i);
        break;
    case VALUE_STRING:
        put_string(out, v->s, v->len);
        break;
    default:
        buf_add_char(out, TAG_NULL);
        break;
    }
}

static bool get_int(const char **at, const char *end, struct value *v)
{
    uint64_t ordered = 0;
    if (end - *at < 8)
        return false;
    for (int i = 0; i < 8; i++)
        ordered = ordered << 8 | (unsigned char)(*at)[i];
    *at += 8;
    *v = (struct value){.type = VALUE_INT, .i = (int64_t)(ordered ^ (UINT64_C(1) << 63))};
    return true;
}

/* strings has room for all. */
static bool get_string(const char **at, const char *end, struct value *v, struct buf *strings)
{
    char *out = strings->data + strings->len;
    size_t n = 0;
    for (const char *s = *at; end - s >= 1; s++) {
        if (*s) {
            out[n++] = *s;
            continue;
        }
        s++;
        if (s >= end || (*s != 0 && *s != 1))
            return false;
        if (*s == 1) {
            out[n++] = 0;
            continue;
        }
        *at = s + 1;
        strings->len += n;
        *v = (struct value){.type = VALUE_STRING, .len = (uint32_t)n, .s = out};
        return true;
    }
    return false;
}

static bool get_column(const char **at, const char *end, struct value *v, struct buf *strings)
{
    if (*at >= end)
        return false;
    switch (*(*at)++) {
    case TAG_NULL:
        *v = (struct value){.type = VALUE_NULL};
        return true;
    case TAG_FALSE:
        *v = (struct value){.type = VALUE_BOOL, .b = false};
        return true;
    case TAG_TRUE:
        *v = (struct value){.type = VALUE_BOOL, .b = true};
        return true;
    case TAG_INT:
        return get_int(at, end, v);
    case TAG_STRING:
        return get_string(at, end, v, strings);
    default:
        return false;
    }
}

bool key_get(const char *bytes, size_t len, struct value *values, size_t count, struct buf *strings)
{
    const char *at = bytes, *end = bytes + len;
    buf_clear(strings);
    (void)buf_reserve(strings, len);
    for (size_t i = 0; i < count; i++) {
        if (!get_column(&at, end, &values[i], strings))
            return false;
    }
    return at == end;
}

void key_text(const struct value *values, size_t count, struct buf *text)
{
    buf_clear(text);
    json_w_open(text, '[');
    for (size_t i = 0; i < count; i++)
        json_w_value(text, &values[i]);
    json_w_close(text, ']');
}
