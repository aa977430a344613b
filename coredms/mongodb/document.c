/* Documents: building and reading. */
#include "coredms/mongodb/store.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

char *id_escape(const char *text)
{
    struct buf out = {0};
    for (; *text; text++) {
        if (*text == '%' || *text == '|')
            buf_printf(&out, "%%%02X", (unsigned char)*text);
        else
            buf_add_char(&out, *text);
    }
    buf_cstr(&out);
    return out.data;
}

char *id_of(const char *tenant, const char *text)
{
    char *escaped = id_escape(text), *id = mem_printf("%s|%s", tenant, escaped);
    free(escaped);
    return id;
}

/* ---- building ---- */

bson_t *doc_id(const char *tenant, const char *id)
{
    bson_t *doc = bson_new();
    put_text(doc, "_id", id);
    put_text(doc, "tenant", tenant);
    return doc;
}

void put_text(bson_t *doc, const char *name, const char *text)
{
    if (text)
        bson_append_utf8(doc, name, -1, text, (int)strlen(text));
    else
        bson_append_null(doc, name, -1);
}

void put_time(bson_t *doc, const char *name, int64_t ms)
{
    bson_append_date_time(doc, name, -1, ms);
}

void put_bytes_field(bson_t *doc, const char *name, const void *bytes, size_t len)
{
    bson_append_binary(doc, name, -1, BSON_SUBTYPE_BINARY, bytes ? bytes : (const void *)"", (uint32_t)len);
}

void put_value_field(bson_t *doc, const char *name, const struct value *v)
{
    switch (v->type) {
    case VALUE_NULL:
        bson_append_null(doc, name, -1);
        break;
    case VALUE_BOOL:
        put_flag(doc, name, v->b);
        break;
    case VALUE_INT:
        put_int(doc, name, v->i);
        break;
    case VALUE_FLOAT:
        bson_append_double(doc, name, -1, v->f);
        break;
    case VALUE_STRING:
        bson_append_utf8(doc, name, -1, v->len ? v->s : "", (int)v->len);
        break;
    }
}

bson_t *wrap(const char *name, bson_t *value)
{
    bson_t *doc = bson_new();
    put_doc(doc, name, value);
    bson_destroy(value);
    return doc;
}

/* ---- reading ---- */

int64_t get_int(const bson_t *doc, const char *name, int64_t fallback)
{
    bson_iter_t it;
    if (!bson_iter_init_find(&it, doc, name))
        return fallback;
    if (BSON_ITER_HOLDS_DATE_TIME(&it))
        return bson_iter_date_time(&it);
    return BSON_ITER_HOLDS_NUMBER(&it) ? bson_iter_as_int64(&it) : fallback;
}

bool get_flag(const bson_t *doc, const char *name)
{
    bson_iter_t it;
    return bson_iter_init_find(&it, doc, name) && BSON_ITER_HOLDS_BOOL(&it) && bson_iter_bool(&it);
}

char *get_text(const bson_t *doc, const char *name)
{
    bson_iter_t it;
    uint32_t len;
    if (!bson_iter_init_find(&it, doc, name) || !BSON_ITER_HOLDS_UTF8(&it))
        return NULL;
    const char *text = bson_iter_utf8(&it, &len);
    return mem_strndup(text, len);
}

const char *get_binary(const bson_t *doc, const char *name, size_t *len)
{
    bson_iter_t it;
    const uint8_t *bytes = NULL;
    uint32_t n = 0;
    if (bson_iter_init_find(&it, doc, name) && BSON_ITER_HOLDS_BINARY(&it))
        bson_iter_binary(&it, NULL, &n, &bytes);
    *len = bytes ? n : 0;
    return bytes ? (const char *)bytes : "";
}
