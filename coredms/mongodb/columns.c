/* Columns of results: from JSON to BSON, and conditions and expressions over them. */
#include "coredms/mongodb/store.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/time_format.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 200

/* ---- a body's fields ---- */

/* The name between the quotes, if it is an identifier. */
static bool identifier(const char *token, size_t len, char out[NAME_MAX_BYTES + 1])
{
    if (len < 3 || len - 2 > NAME_MAX_BYTES || isdigit((unsigned char)token[1]))
        return false;
    for (size_t i = 1; i + 1 < len; i++)
        if (!isalnum((unsigned char)token[i]) && token[i] != '_')
            return false;
    memcpy(out, token + 1, len - 2);
    out[len - 2] = 0;
    return true;
}

/* A float stays a float even where its value is integral, so that a column has one type. */
static struct value number_value(const char *token, size_t len)
{
    struct value v = {.type = VALUE_INT};
    bool fraction = memchr(token, '.', len) || memchr(token, 'e', len) || memchr(token, 'E', len);
    if (!fraction && json_int(token, len, &v.i))
        return v;
    v.type = VALUE_FLOAT;
    return json_float(token, len, &v.f) ? v : (struct value){.type = VALUE_NULL};
}

static void append_column(bson_t *out, const char *name, enum json_type type, const char *token, size_t len)
{
    struct value v = {.type = VALUE_NULL};
    struct buf text = {0};
    if (type == JSON_ARRAY || type == JSON_OBJECT)
        return;
    if (type == JSON_NUMBER)
        v = number_value(token, len);
    if (type == JSON_TRUE || type == JSON_FALSE)
        v = (struct value){.type = VALUE_BOOL, .b = type == JSON_TRUE};
    if (type == JSON_STRING) {
        text.len = json_unescape(token + 1, len - 2, buf_reserve(&text, len));
        v = (struct value){.type = VALUE_STRING, .s = text.data, .len = (uint32_t)text.len};
    }
    put_value_field(out, name, &v);
    buf_free(&text);
}

void columns_of_body(const char *body, size_t len, bson_t *out)
{
    struct json j = json_begin(body, len);
    const char *token, *from, *value;
    size_t token_len, value_len;
    char name[NAME_MAX_BYTES + 1];
    bool first = true;
    if (json_peek(&j) != JSON_OBJECT || !json_enter(&j, '{'))
        return;
    while (json_next(&j, &first, &token, &token_len) && json_skip(&j, &from)) {
        if (!identifier(token, token_len, name) || bson_has_field(out, name))
            continue;
        enum json_type type = json_find(body, len, name, &value, &value_len); /* the last of that name counts */
        append_column(out, name, type, value, value_len);
    }
}

/* ---- expressions ---- */

static bson_t *type_in(const char *path, const char *a, const char *b, const char *c)
{
    return BCON_NEW("$in", "[", "{", "$type", BCON_UTF8(path), "}", "[", BCON_UTF8(a), BCON_UTF8(b), BCON_UTF8(c), "]",
                    "]");
}

/* {$cond: [condition, then, otherwise or null]}; the parts are destroyed. */
static bson_t *conditional(bson_t *condition, bson_t *then, bson_t *otherwise)
{
    bson_t *doc = bson_new(), list;
    bson_append_array_begin(doc, "$cond", -1, &list);
    put_doc(&list, "0", condition);
    put_doc(&list, "1", then);
    if (otherwise)
        put_doc(&list, "2", otherwise);
    else
        bson_append_null(&list, "2", -1);
    bson_append_array_end(doc, &list);
    bson_destroy(condition);
    bson_destroy(then);
    bson_destroy(otherwise);
    return doc;
}

/* An integral double that fits 64 bits. The limits are powers of two, exact as doubles. */
static bson_t *integral_double(const char *path)
{
    const double limit = 9223372036854775808.0;
    bson_t *fits = BCON_NEW("$and", "[", "{", "$gte", "[", BCON_UTF8(path), BCON_DOUBLE(-limit), "]", "}", "{", "$lt",
                            "[", BCON_UTF8(path), BCON_DOUBLE(limit), "]", "}", "{", "$eq", "[", "{", "$trunc",
                            BCON_UTF8(path), "}", BCON_UTF8(path), "]", "}", "]");
    bson_t *as_long = conditional(fits, BCON_NEW("$toLong", BCON_UTF8(path)), NULL);
    return conditional(type_in(path, "double", "double", "double"), as_long, NULL);
}

bson_t *column_expression(const char *name, enum value_type type)
{
    char *path = mem_printf("$v.%s", name);
    bson_t *out;
    switch (type) {
    case VALUE_INT:
        out = conditional(type_in(path, "long", "int", "int"), BCON_NEW("$toLong", BCON_UTF8(path)),
                          integral_double(path));
        break;
    case VALUE_FLOAT:
        out = conditional(type_in(path, "double", "long", "int"), BCON_NEW("$toDouble", BCON_UTF8(path)), NULL);
        break;
    case VALUE_BOOL:
        out = conditional(type_in(path, "bool", "bool", "bool"),
                          BCON_NEW("$ifNull", "[", BCON_UTF8(path), BCON_NULL, "]"), NULL);
        break;
    case VALUE_STRING:
        out = conditional(type_in(path, "string", "string", "string"),
                          BCON_NEW("$ifNull", "[", BCON_UTF8(path), BCON_NULL, "]"), NULL);
        break;
    default:
        out = BCON_NEW("$literal", BCON_NULL);
    }
    free(path);
    return out;
}

/* ---- filters ---- */

/* {$expr: {$eq: [the column as declared, null]}} */
static bson_t *is_null(const char *name, enum value_type type)
{
    bson_t *column = column_expression(name, type);
    bson_t *doc = BCON_NEW("$expr", "{", "$eq", "[", BCON_DOCUMENT(column), BCON_NULL, "]", "}");
    bson_destroy(column);
    return doc;
}

/* The server compares types too, save that it takes an integral float for an int: as declared columns want it. */
static bson_t *equals(const char *name, const struct value *v)
{
    char *path = mem_printf("v.%s", name);
    bson_t *doc = bson_new();
    put_value_field(doc, path, v);
    free(path);
    return doc;
}

/* What lies beyond the years that a date can have is no limit. */
void add_range(bson_t *selector, int64_t from, int64_t to)
{
    bson_t range = BSON_INITIALIZER;
    if (from > -TIME_MAX_MS)
        put_time(&range, "$gte", from);
    if (to <= TIME_MAX_MS)
        put_time(&range, "$lt", to > -TIME_MAX_MS ? to : -TIME_MAX_MS);
    if (!bson_empty(&range))
        put_doc(selector, "window_start", &range);
    bson_destroy(&range);
}

void add_filter(bson_t *selector, const struct history_filter *f)
{
    bson_t all;
    if (f->stream)
        put_text(selector, "stream", f->stream);
    if (!f->withdrawn)
        BCON_APPEND(selector, "withdrawn", "{", "$ne", BCON_BOOL(true), "}");
    add_range(selector, f->from, f->to);
    if (f->filter_count == 0)
        return;
    bson_append_array_begin(selector, "$and", -1, &all);
    for (size_t i = 0; i < f->filter_count; i++) {
        char key[16];
        const char *index;
        bson_t *condition = f->values[i].type == VALUE_NULL ? is_null(f->names[i].name, f->names[i].type)
                                                            : equals(f->names[i].name, &f->values[i]);
        bson_uint32_to_string((uint32_t)i, &index, key, sizeof key);
        put_doc(&all, index, condition);
        bson_destroy(condition);
    }
    bson_append_array_end(selector, &all);
}
