/* Calls to the server, and what their failures mean. */
#include "coredms/mongodb/store.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* ---- errors ---- */

static const struct {
    uint32_t code; /* of the server */
    enum err_code meaning;
} server_codes[] = {
    {11000, ERR_EXISTS},      {11001, ERR_EXISTS},      {12582, ERR_EXISTS},      {50, ERR_TIMEOUT},
    {13, ERR_DENIED},         {18, ERR_DENIED},         {8000, ERR_DENIED},       {14031, ERR_FULL},
    {10334, ERR_TOO_LARGE},   {17280, ERR_TOO_LARGE},   {64, ERR_UNKNOWN},        {100, ERR_UNKNOWN},
    {43, ERR_UNAVAILABLE},    {112, ERR_UNAVAILABLE},   {6, ERR_UNAVAILABLE},     {7, ERR_UNAVAILABLE},
    {89, ERR_UNAVAILABLE},    {91, ERR_UNAVAILABLE},    {133, ERR_UNAVAILABLE},   {134, ERR_UNAVAILABLE},
    {189, ERR_UNAVAILABLE},   {202, ERR_UNAVAILABLE},   {262, ERR_UNAVAILABLE},   {9001, ERR_UNAVAILABLE},
    {10107, ERR_UNAVAILABLE}, {11600, ERR_UNAVAILABLE}, {11602, ERR_UNAVAILABLE}, {13435, ERR_UNAVAILABLE},
    {13436, ERR_UNAVAILABLE},
};

static enum err_code server_meaning(uint32_t code)
{
    for (size_t i = 0; i < sizeof server_codes / sizeof *server_codes; i++)
        if (server_codes[i].code == code)
            return server_codes[i].meaning;
    return ERR_INTERNAL;
}

static enum err_code meaning(const bson_error_t *e, bool was_write)
{
    enum err_code code;
    switch (e->domain) {
    case MONGOC_ERROR_SERVER_SELECTION:
        return ERR_UNAVAILABLE; /* nothing was sent */
    case MONGOC_ERROR_SERVER:
        code = server_meaning(e->code);
        break;
    case MONGOC_ERROR_WRITE_CONCERN:
        return ERR_UNKNOWN;
    case MONGOC_ERROR_STREAM:
    case MONGOC_ERROR_PROTOCOL:
        code = ERR_UNAVAILABLE;
        break;
    case MONGOC_ERROR_CLIENT:
    case MONGOC_ERROR_SCRAM:
    case MONGOC_ERROR_SASL:
        return e->code == MONGOC_ERROR_CLIENT_AUTHENTICATE || e->domain != MONGOC_ERROR_CLIENT ? ERR_DENIED
                                                                                               : ERR_UNAVAILABLE;
    case MONGOC_ERROR_BSON:
        return ERR_TOO_LARGE; /* what we send is built by us, so only its size can be wrong */
    default:
        code = ERR_INTERNAL;
    }
    return code == ERR_UNAVAILABLE && was_write ? ERR_UNKNOWN : code;
}

int mongo_fail(const bson_error_t *e, bool was_write, struct err *err)
{
    return err_set(err, meaning(e, was_write), "MongoDB: %s (%u.%u)", e->message[0] ? e->message : "no reason given",
                   e->domain, e->code);
}

/* ---- reading ---- */

int mongo_find(struct store *s, enum collection in, bson_t *selector, bson_t *opts, mongo_each *each, void *context,
               struct err *err)
{
    const bson_t *doc;
    bson_error_t error;
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(s->collections[in], selector, opts, NULL);
    bson_destroy(selector);
    bson_destroy(opts);
    while (mongoc_cursor_next(cursor, &doc))
        if (!each(context, doc))
            break;
    int status = mongoc_cursor_error(cursor, &error) ? mongo_fail(&error, false, err) : 0;
    mongoc_cursor_destroy(cursor);
    return status;
}

static bool keep_document(void *context, const bson_t *doc)
{
    *(bson_t **)context = bson_copy(doc);
    return false;
}

int mongo_find_one(struct store *s, enum collection in, bson_t *selector, bson_t *opts, bson_t **doc, struct err *err)
{
    bson_t *with_limit = opts ? opts : bson_new();
    *doc = NULL;
    put_int(with_limit, "limit", 1);
    put_flag(with_limit, "singleBatch", true);
    if (mongo_find(s, in, selector, with_limit, keep_document, doc, err) < 0) {
        bson_destroy(*doc);
        return -1;
    }
    return *doc != NULL;
}

/* ---- writing ---- */

static int update(struct store *s, enum collection in, bson_t *selector, bson_t *change, bool upsert, struct err *err)
{
    bson_error_t error;
    bson_t reply, *opts = upsert ? BCON_NEW("upsert", BCON_BOOL(true)) : NULL;
    bool good = mongoc_collection_update_one(s->collections[in], selector, change, opts, &reply, &error);
    int status = good ? (int)get_int(&reply, "matchedCount", 0) : mongo_fail(&error, true, err);
    bson_destroy(&reply);
    bson_destroy(opts);
    bson_destroy(selector);
    bson_destroy(change);
    return status;
}

int mongo_update_one(struct store *s, enum collection in, bson_t *selector, bson_t *change, struct err *err)
{
    return update(s, in, selector, change, false, err);
}

int mongo_upsert_one(struct store *s, enum collection in, bson_t *selector, bson_t *change, struct err *err)
{
    return update(s, in, selector, change, true, err);
}

/* The answer's `value`: the document, or null. */
static bson_t *answered_value(const bson_t *reply)
{
    bson_iter_t it;
    const uint8_t *bytes;
    uint32_t len;
    if (!bson_iter_init_find(&it, reply, "value") || !BSON_ITER_HOLDS_DOCUMENT(&it))
        return NULL;
    bson_iter_document(&it, &len, &bytes);
    return bson_new_from_data(bytes, len);
}

int mongo_find_and_update(struct store *s, enum collection in, bson_t *selector, bson_t *change, bool upsert,
                          bson_t **doc, struct err *err)
{
    bson_t reply;
    bson_error_t error;
    mongoc_find_and_modify_opts_t *opts = mongoc_find_and_modify_opts_new();
    mongoc_find_and_modify_opts_set_update(opts, change);
    mongoc_find_and_modify_opts_set_flags(opts, (upsert ? MONGOC_FIND_AND_MODIFY_UPSERT : 0) |
                                                    MONGOC_FIND_AND_MODIFY_RETURN_NEW);
    bool good = mongoc_collection_find_and_modify_with_opts(s->collections[in], selector, opts, &reply, &error);
    if (good)
        *doc = answered_value(&reply);
    int status = good ? *doc != NULL : mongo_fail(&error, true, err);
    bson_destroy(&reply);
    mongoc_find_and_modify_opts_destroy(opts);
    bson_destroy(selector);
    bson_destroy(change);
    return status;
}

int mongo_insert(struct store *s, enum collection in, bson_t *document, struct err *err)
{
    bson_error_t error;
    bool good = mongoc_collection_insert_one(s->collections[in], document, NULL, NULL, &error);
    bson_destroy(document);
    return good ? 0 : mongo_fail(&error, true, err);
}

int64_t mongo_update_many(struct store *s, enum collection in, bson_t *selector, bson_t *change, struct err *err)
{
    bson_error_t error;
    bson_t reply;
    bool good = mongoc_collection_update_many(s->collections[in], selector, change, NULL, &reply, &error);
    int64_t matched = good ? get_int(&reply, "matchedCount", 0) : mongo_fail(&error, true, err);
    bson_destroy(&reply);
    bson_destroy(selector);
    bson_destroy(change);
    return matched;
}

int mongo_delete_many(struct store *s, enum collection in, bson_t *selector, struct err *err)
{
    bson_error_t error;
    bool good = mongoc_collection_delete_many(s->collections[in], selector, NULL, NULL, &error);
    bson_destroy(selector);
    return good ? 0 : mongo_fail(&error, true, err);
}

/* ---- deleting in steps ---- */

struct ids {
    bson_t list;
    uint32_t count;
};

static bool collect_id(void *context, const bson_t *doc)
{
    struct ids *ids = context;
    bson_iter_t it;
    char key[16];
    const char *name;
    if (bson_iter_init_find(&it, doc, "_id")) {
        bson_uint32_to_string(ids->count++, &name, key, sizeof key);
        bson_append_value(&ids->list, name, -1, bson_iter_value(&it));
    }
    return true;
}

/* Deletes what of the selector one answer names; *gone how many. */
static int delete_step(struct store *s, enum collection in, const bson_t *selector, size_t limit, size_t *gone,
                       struct err *err)
{
    struct ids ids = {.list = BSON_INITIALIZER};
    bson_t *opts = BCON_NEW("projection", "{", "_id", BCON_INT32(1), "}", "limit", BCON_INT64((int64_t)limit));
    int status = mongo_find(s, in, bson_copy(selector), opts, collect_id, &ids, err);
    if (status == 0 && ids.count > 0) {
        bson_t *chosen = bson_new(), in_list = BSON_INITIALIZER;
        char *tenant = get_text(selector, "tenant");
        put_text(chosen, "tenant", tenant);
        free(tenant);
        bson_append_array(&in_list, "$in", -1, &ids.list);
        put_doc(chosen, "_id", &in_list);
        bson_destroy(&in_list);
        status = mongo_delete_many(s, in, chosen, err);
    }
    *gone = ids.count;
    bson_destroy(&ids.list);
    return status;
}

int mongo_delete_some(struct store *s, enum collection in, bson_t *selector, size_t limit, size_t *gone,
                      struct err *err)
{
    size_t total = 0, step = 1;
    int status = 0;
    while (status == 0 && total < limit && step > 0) {
        size_t want = limit - total < PAGE_ROWS ? limit - total : PAGE_ROWS;
        status = delete_step(s, in, selector, want, &step, err);
        total += step;
    }
    bson_destroy(selector);
    if (status == 0 && gone)
        *gone = total;
    return status;
}

/* ---- data in parts ---- */

size_t parts_count(size_t len)
{
    return len / DOCUMENT_BYTES + (len % DOCUMENT_BYTES != 0);
}

static int put_part(struct store *s, const struct parts *p, size_t i, const char *bytes, size_t len, struct err *err)
{
    bson_t *doc = bson_new();
    bson_error_t error;
    char *id = mem_printf("%s|%zu", p->prefix, i);
    put_text(doc, "_id", id);
    bson_concat(doc, p->fields);
    put_int(doc, "part", i);
    put_bytes_field(doc, "data", bytes, len);
    bson_t *selector = bson_new(), *opts = BCON_NEW("upsert", BCON_BOOL(true));
    char *tenant = get_text(p->fields, "tenant");
    put_text(selector, "_id", id);
    put_text(selector, "tenant", tenant);
    bool good = mongoc_collection_replace_one(s->collections[p->in], selector, doc, opts, NULL, &error);
    bson_destroy(opts);
    bson_destroy(selector);
    bson_destroy(doc);
    free(tenant);
    free(id);
    return good ? 0 : mongo_fail(&error, false, err); /* not a change that anybody could see */
}

int parts_put(struct store *s, const struct parts *p, const char *bytes, size_t len, struct err *err)
{
    for (size_t i = 0, at = 0; at < len; i++, at += DOCUMENT_BYTES) {
        size_t n = len - at < DOCUMENT_BYTES ? len - at : DOCUMENT_BYTES;
        if (put_part(s, p, i, bytes + at, n, err) < 0)
            return -1;
    }
    return 0;
}

struct gathering {
    struct buf *out;
    size_t count;
};

static bool gather(void *context, const bson_t *doc)
{
    struct gathering *g = context;
    size_t len;
    const char *bytes = get_binary(doc, "data", &len);
    if (get_int(doc, "part", -1) != (int64_t)g->count)
        return false;
    g->count++;
    buf_add(g->out, bytes, len);
    return true;
}

int parts_get(struct store *s, enum collection in, bson_t *selector, size_t count, struct buf *out, struct err *err)
{
    struct gathering g = {.out = out};
    bson_t *opts = BCON_NEW("sort", "{", "part", BCON_INT32(1), "}");
    if (mongo_find(s, in, selector, opts, gather, &g, err) < 0)
        return -1;
    if (g.count != count)
        return err_set(err, ERR_NOT_FOUND, "MongoDB: %zu of %zu parts in %s are there", g.count, count,
                       mongo_collection_names[in]);
    return 0;
}
