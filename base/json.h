/* Strict JSON (RFC 8259, valid UTF-8), without allocation. PURE. Used wherever 64-bit integers, duplicate names or
 * hostile bytes matter; cJSON serves only for what other programs (the broker's management API) send us. */
#ifndef BELLTOWER_BASE_JSON_H
#define BELLTOWER_BASE_JSON_H

#include "base/buf.h"
#include "base/value.h"

#define JSON_MAX_DEPTH 512

enum json_type { JSON_END, JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* A place in a text. */
struct json {
    const char *at, *end;
    const char *error; /* NULL, or a static text of what is wrong at `at` */
    unsigned depth;    /* how many [ and { are entered; with those inside a skipped value at most JSON_MAX_DEPTH */
};

static inline struct json json_begin(const void *text, size_t len)
{
    return (struct json){.at = text, .end = len ? (const char *)text + len : text}; /* NULL and 0 is an empty text */
}

/* Skips white space; the type of the value that begins here, JSON_END at the end (or, inside, before ] or }). Does not
 * check it. */
enum json_type json_peek(struct json *j);
/* Skips one whole value, checking every byte of it. Returns its bytes in [*from, j->at); false with j->error set, j->at
 * at the fault. */
bool json_skip(struct json *j, const char **from);
/* Whole text is exactly one valid value. */
bool json_valid(const void *text, size_t len, const char **error);

/* Iteration. json_enter: at a [ or {; then json_next per member: false at the end (which is consumed) or on error. In
 * an object *name is the raw string token with its quotes; in an array pass NULL, NULL. *first: true before the first
 * call. After true the caller consumes the value (json_skip, json_string, ... or json_enter). */
bool json_enter(struct json *j, char open);
bool json_next(struct json *j, bool *first, const char **name, size_t *name_len);
/* Consumes a string token; *raw, *raw_len: between the quotes, still escaped; *escaped: it has a backslash. */
bool json_string(struct json *j, const char **raw, size_t *raw_len, bool *escaped);
/* Unescapes (valid) raw into out; at most raw_len bytes; returns the length. A lone surrogate cannot occur: json_string
 * refuses it. */
size_t json_unescape(const char *raw, size_t raw_len, char *out);
bool json_name_is(const char *token, size_t token_len, const char *name); /* token with quotes, escapes allowed */

/* A number token's exact value. json_int: integral and fits int64 (121, 121.0, 1e3). json_float: correctly rounded,
 * finite (1e400 is false). */
bool json_number(struct json *j, const char **token, size_t *len);
bool json_int(const char *token, size_t len, int64_t *value);
bool json_float(const char *token, size_t len, double *value);

/* Convenience for small documents (control messages, results, HTTP bodies): the LAST member of the object text called
 * name (top level). *value, *value_len: its bytes, borrowed from text. JSON_END if missing or the text is no valid
 * object. */
enum json_type json_find(const char *text, size_t len, const char *name, const char **value, size_t *value_len);
bool json_get_int(const char *text, size_t len, const char *name, int64_t *value);
bool json_get_bool(const char *text, size_t len, const char *name, bool *value);
bool json_get_string(const char *text, size_t len, const char *name, struct buf *out); /* out replaced; may hold NULs */

/* ---- writing ---- */
/* Appends. Commas are put by the writer: json_w_* know from the last byte whether one is needed ('{', '[', ':', a
 * newline or empty: none). */
void json_w_open(struct buf *b, char open); /* '{' or '[' */
void json_w_close(struct buf *b, char close);
void json_w_name(struct buf *b, const char *name);
void json_w_string(struct buf *b, const char *s, size_t len); /* bytes that are no valid UTF-8 become U+FFFD */
void json_w_str(struct buf *b, const char *s);                /* NULL: null */
void json_w_int(struct buf *b, int64_t i);
void json_w_uint(struct buf *b, uint64_t i);
void json_w_float(struct buf *b,
                  double f); /* the shortest text that reads back the same, always with . or e; not finite: null */
void json_w_bool(struct buf *b, bool v);
void json_w_null(struct buf *b);
void json_w_value(struct buf *b, const struct value *v);
void json_w_time(struct buf *b, int64_t ms); /* RFC 3339 string */
void json_w_raw(struct buf *b, const char *json, size_t len);

bool utf8_valid(const void *p, size_t len);

#endif
