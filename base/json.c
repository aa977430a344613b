#include "base/json.h"
#include "base/scan.h"
#include "base/utf8.h"

#include <string.h>

static bool fail(struct json *j, const char *at, const char *text)
{
    j->at = at;
    j->error = text;
    return false;
}

static inline bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline void skip_space(struct json *j)
{
    while (j->at < j->end && is_space(*j->at))
        j->at++;
}

enum json_type json_peek(struct json *j)
{
    skip_space(j);
    if (j->at >= j->end)
        return JSON_END;
    switch (*j->at) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
        return JSON_TRUE;
    case 'f':
        return JSON_FALSE;
    case 'n':
        return JSON_NULL;
    case ']':
    case '}':
        return JSON_END;
    default:
        return JSON_NUMBER;
    }
}

/* ---- strings ---- */

static int hex_digit(char c)
{
    if (scan_is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The code unit of a \uXXXX whose backslash is at s; -1 if it is none. */
static int32_t code_unit(const char *s, const char *end)
{
    if (end - s < 6 || s[0] != '\\' || s[1] != 'u')
        return -1;
    int32_t unit = 0;
    for (int i = 2; i < 6; i++) {
        int d = hex_digit(s[i]);
        if (d < 0)
            return -1;
        unit = unit * 16 + d;
    }
    return unit;
}

static bool is_high(int32_t unit)
{
    return unit >= 0xD800 && unit <= 0xDBFF;
}

static bool is_low(int32_t unit)
{
    return unit >= 0xDC00 && unit <= 0xDFFF;
}

/* Length of the escape at s (a surrogate pair is one); 0 with *error set if it is none. */
static size_t escape_len(const char *s, const char *end, const char **error)
{
    *error = "bad escape in a string";
    if (end - s < 2)
        return 0;
    if (s[1] != 'u')
        return s[1] && strchr("\"\\/bfnrt", s[1]) ? 2 : 0;
    int32_t unit = code_unit(s, end);
    if (unit < 0)
        return 0;
    if (is_high(unit) && is_low(code_unit(s + 6, end)))
        return 12;
    if (!is_high(unit) && !is_low(unit))
        return 6;
    *error = "half of a surrogate pair in a string";
    return 0;
}

/* At the opening quote; to behind the closing one. */
static bool scan_string(struct json *j, bool *escaped)
{
    const char *open = j->at, *s = j->at + 1, *error;
    *escaped = false;
    for (;;) {
        s = scan_plain(s, j->end);
        if (s >= j->end)
            return fail(j, open, "unterminated string");
        if (*s == '"') {
            j->at = s + 1;
            return true;
        }
        size_t len;
        if (*s == '\\') {
            *escaped = true;
            len = escape_len(s, j->end, &error);
        } else if ((unsigned char)*s < 0x20) {
            len = 0;
            error = "control character in a string";
        } else {
            len = utf8_sequence((const unsigned char *)s, (size_t)(j->end - s));
            error = "invalid UTF-8";
        }
        if (!len)
            return fail(j, s, error);
        s += len;
    }
}

bool json_string(struct json *j, const char **raw, size_t *raw_len, bool *escaped)
{
    skip_space(j);
    if (j->at >= j->end || *j->at != '"')
        return fail(j, j->at, "string expected");
    const char *open = j->at;
    if (!scan_string(j, escaped))
        return false;
    *raw = open + 1;
    *raw_len = (size_t)(j->at - open) - 2;
    return true;
}

static char simple_escape(char c)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *p = strchr(from, c);
    return p ? to[p - from] : c;
}

size_t json_unescape(const char *raw, size_t raw_len, char *out)
{
    const char *s = raw, *end = raw + raw_len;
    size_t n = 0;
    while (s < end) {
        if (*s != '\\' || end - s < 2) {
            out[n++] = *s++;
        } else if (s[1] != 'u') {
            out[n++] = simple_escape(s[1]);
            s += 2;
        } else {
            int32_t unit = code_unit(s, end);
            s += 6;
            if (is_high(unit)) {
                unit = 0x10000 + ((unit - 0xD800) << 10) + (code_unit(s, end) - 0xDC00);
                s += 6;
            }
            n += utf8_encode((uint32_t)unit, out + n);
        }
    }
    return n;
}

bool json_name_is(const char *token, size_t token_len, const char *name)
{
    const char *raw = token + 1;
    size_t raw_len = token_len - 2, len = strlen(name);
    if (!memchr(raw, '\\', raw_len))
        return raw_len == len && memcmp(raw, name, len) == 0;
    char small[256];
    if (len > sizeof small || raw_len > 6 * sizeof small || raw_len < len)
        return false;
    char plain[6 * sizeof small];
    return json_unescape(raw, raw_len, plain) == len && memcmp(plain, name, len) == 0;
}

/* ---- scalars ---- */

/* A number or literal ends where a value may end, so that 01 or truex is one mistake and not two values. */
static bool ends_scalar(struct json *j, const char *s)
{
    if (s < j->end && !is_space(*s) && *s != ',' && *s != ']' && *s != '}')
        return fail(j, s, "bad number or literal");
    j->at = s;
    return true;
}

static bool scan_literal(struct json *j, const char *word, size_t len)
{
    if ((size_t)(j->end - j->at) < len || memcmp(j->at, word, len) != 0)
        return fail(j, j->at, "bad number or literal");
    return ends_scalar(j, j->at + len);
}

static const char *skip_digits(const char *s, const char *end)
{
    while (s < end && scan_is_digit(*s))
        s++;
    return s;
}

static bool scan_number(struct json *j)
{
    const char *s = j->at, *end = j->end, *from;
    if (s < end && *s == '-')
        s++;
    if (s >= end || !scan_is_digit(*s))
        return fail(j, s, "value expected");
    s = *s == '0' ? s + 1 : skip_digits(s, end);
    if (s < end && *s == '.') {
        s = skip_digits(from = s + 1, end);
        if (s == from)
            return fail(j, s, "digit expected");
    }
    if (s < end && (*s == 'e' || *s == 'E')) {
        s++;
        if (s < end && (*s == '+' || *s == '-'))
            s++;
        s = skip_digits(from = s, end);
        if (s == from)
            return fail(j, s, "digit expected");
    }
    return ends_scalar(j, s);
}

bool json_number(struct json *j, const char **token, size_t *len)
{
    skip_space(j);
    const char *from = j->at;
    if (!scan_number(j))
        return false;
    *token = from;
    *len = (size_t)(j->at - from);
    return true;
}

static bool scan_scalar(struct json *j, enum json_type type)
{
    bool escaped;
    switch (type) {
    case JSON_STRING:
        return scan_string(j, &escaped);
    case JSON_TRUE:
        return scan_literal(j, "true", 4);
    case JSON_FALSE:
        return scan_literal(j, "false", 5);
    case JSON_NULL:
        return scan_literal(j, "null", 4);
    case JSON_NUMBER:
        return scan_number(j);
    default:
        return fail(j, j->at, "value expected");
    }
}

/* ---- structure ---- */

bool json_enter(struct json *j, char open)
{
    skip_space(j);
    if (j->at >= j->end || *j->at != open)
        return fail(j, j->at, open == '{' ? "object expected" : "array expected");
    if (j->depth >= JSON_MAX_DEPTH)
        return fail(j, j->at, "nested too deep");
    j->depth++;
    j->at++;
    return true;
}

static bool scan_name(struct json *j, const char **name, size_t *name_len)
{
    const char *from = j->at;
    bool escaped;
    if (j->at >= j->end || *j->at != '"')
        return fail(j, j->at, "name in quotes expected");
    if (!scan_string(j, &escaped))
        return false;
    *name = from;
    *name_len = (size_t)(j->at - from);
    skip_space(j);
    if (j->at >= j->end || *j->at != ':')
        return fail(j, j->at, "colon expected");
    j->at++;
    return true;
}

bool json_next(struct json *j, bool *first, const char **name, size_t *name_len)
{
    if (j->error)
        return false;
    skip_space(j);
    char close = name ? '}' : ']';
    if (j->at < j->end && *j->at == close) {
        j->at++;
        j->depth--;
        return false;
    }
    if (!*first) {
        if (j->at >= j->end || *j->at != ',')
            return fail(j, j->at, name ? "comma or } expected" : "comma or ] expected");
        j->at++;
        skip_space(j);
    }
    *first = false;
    return !name || scan_name(j, name, name_len);
}

/* Whether each open level is an object, one bit a level. */
struct levels {
    uint64_t object[JSON_MAX_DEPTH / 64];
    unsigned depth;
};

static bool push(struct json *j, struct levels *l, bool object)
{
    if (j->depth + l->depth >= JSON_MAX_DEPTH)
        return fail(j, j->at, "nested too deep");
    uint64_t bit = UINT64_C(1) << (l->depth % 64), *word = &l->object[l->depth / 64];
    *word = object ? *word | bit : *word & ~bit;
    l->depth++;
    j->at++;
    return true;
}

static bool top_is_object(const struct levels *l)
{
    return l->object[(l->depth - 1) / 64] >> ((l->depth - 1) % 64) & 1;
}

/* Behind a value: closes what closes, to where the next value begins or to the end of all. */
static bool to_next_value(struct json *j, struct levels *l)
{
    const char *name;
    size_t name_len;
    while (l->depth) {
        bool object = top_is_object(l);
        skip_space(j);
        if (j->at < j->end && *j->at == ',') {
            j->at++;
            skip_space(j);
            return !object || scan_name(j, &name, &name_len);
        }
        if (j->at >= j->end || *j->at != (object ? '}' : ']'))
            return fail(j, j->at, object ? "comma or } expected" : "comma or ] expected");
        j->at++;
        l->depth--;
    }
    return true;
}

/* At a [ or {: to its first value, or behind it if it is empty. *empty tells which. */
static bool open_level(struct json *j, struct levels *l, bool object, bool *empty)
{
    const char *name;
    size_t name_len;
    if (!push(j, l, object))
        return false;
    skip_space(j);
    *empty = j->at < j->end && *j->at == (object ? '}' : ']');
    if (*empty) {
        j->at++;
        l->depth--;
        return true;
    }
    return !object || scan_name(j, &name, &name_len);
}

bool json_skip(struct json *j, const char **from)
{
    struct levels l = {.depth = 0};
    if (j->error)
        return false;
    skip_space(j);
    *from = j->at;
    do {
        enum json_type type = json_peek(j);
        bool is_value = true;
        if (type == JSON_ARRAY || type == JSON_OBJECT) {
            if (!open_level(j, &l, type == JSON_OBJECT, &is_value))
                return false;
        } else if (!scan_scalar(j, type)) {
            return false;
        }
        if (is_value && !to_next_value(j, &l))
            return false;
    } while (l.depth);
    return true;
}

bool json_valid(const void *text, size_t len, const char **error)
{
    struct json j = json_begin(text, len);
    const char *from;
    bool good = json_skip(&j, &from);
    if (good && json_peek(&j) != JSON_END)
        good = fail(&j, j.at, "text behind the value");
    if (good && j.at < j.end)
        good = fail(&j, j.at, "text behind the value");
    if (error)
        *error = j.error;
    return good;
}

/* ---- small documents ---- */

enum json_type json_find(const char *text, size_t len, const char *name, const char **value, size_t *value_len)
{
    struct json j = json_begin(text, len);
    enum json_type found = JSON_END;
    const char *token, *from;
    size_t token_len;
    bool first = true;
    if (!json_enter(&j, '{'))
        return JSON_END;
    while (json_next(&j, &first, &token, &token_len)) {
        enum json_type type = json_peek(&j);
        if (!json_skip(&j, &from))
            return JSON_END;
        if (!json_name_is(token, token_len, name))
            continue;
        found = type;
        *value = from;
        *value_len = (size_t)(j.at - from);
    }
    if (j.error || (json_peek(&j), j.at < j.end))
        return JSON_END;
    return found;
}

bool json_get_int(const char *text, size_t len, const char *name, int64_t *value)
{
    const char *token;
    size_t token_len;
    return json_find(text, len, name, &token, &token_len) == JSON_NUMBER && json_int(token, token_len, value);
}

bool json_get_bool(const char *text, size_t len, const char *name, bool *value)
{
    const char *token;
    size_t token_len;
    enum json_type type = json_find(text, len, name, &token, &token_len);
    if (type != JSON_TRUE && type != JSON_FALSE)
        return false;
    *value = type == JSON_TRUE;
    return true;
}

bool json_get_string(const char *text, size_t len, const char *name, struct buf *out)
{
    const char *token;
    size_t token_len;
    if (json_find(text, len, name, &token, &token_len) != JSON_STRING)
        return false;
    buf_clear(out);
    out->len = json_unescape(token + 1, token_len - 2, buf_reserve(out, token_len));
    return true;
}
