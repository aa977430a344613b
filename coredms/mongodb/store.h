/* Inside of the MongoDB store, a module of its own. Collections and fields: docs/formats.md.
 *
 * No transactions: each change that must be atomic is one document's, guarded by its filter; what belongs to it is
 * written before under names that nothing refers to yet. Every _id begins with the tenant, every document has a field
 * `tenant` (the shard key), every filter names it. */
#ifndef BELLTOWER_COREDMS_MONGODB_STORE_H
#define BELLTOWER_COREDMS_MONGODB_STORE_H

#include "coredms/backend.h"

#include <mongoc/mongoc.h>

#define DOCUMENT_BYTES CHECKPOINT_CHUNK_BYTES /* of binary data in one document */
#define PAGE_ROWS      500                    /* documents of one answer, operations of one bulk */

enum collection {
    IN_META,
    IN_GENERATIONS,
    IN_TENANTS,
    IN_APPS,
    IN_HEADS,
    IN_CHUNKS,
    IN_KEPT,
    IN_SKIPS,
    IN_SOURCES,
    IN_RESULTS,
    IN_RUNS,
    IN_REPORTS,
    IN_SCHEDULES,
    IN_REQUESTS,
    COLLECTION_COUNT
};

struct store {
    struct coredms base;
    mongoc_uri_t *uri;
    mongoc_client_t *client;
    mongoc_collection_t *collections[COLLECTION_COUNT];
    bool checked; /* the database's schema version is one we know, its indexes are there if we write */
};

static inline struct store *store_of(struct coredms *db)
{
    return (struct store *)db;
}

/* Looks once per handle whether the database is of a version we know; a writer sets it up and migrates it. */
int store_ready(struct store *s, struct err *err) MUSTCHECK;
extern const char *const mongo_collection_names[COLLECTION_COUNT];
/* The setting up, in indexes.c. */
int mongo_check_schema(struct store *s, struct err *err) MUSTCHECK;
/* A client and collection for one long query, with a socket that may stay silent for limit_ms. Both are destroyed by
 * the caller. */
mongoc_client_t *mongo_patient_client(const struct store *s, int64_t limit_ms);

/* ---- errors ---- */

/* The driver's error as one of ours; was_write: it may have happened although the answer is missing. */
int mongo_fail(const bson_error_t *error, bool was_write, struct err *err);

/* ---- documents: building; each destroys nothing ---- */

bson_t *doc_id(const char *tenant, const char *id); /* {_id, tenant}; id is destroyed with free() by the caller */
void put_text(bson_t *doc, const char *name, const char *text); /* NULL: null */
void put_time(bson_t *doc, const char *name, int64_t ms);
#define put_int(doc, name, value)  bson_append_int64((doc), (name), -1, (int64_t)(value))
#define put_flag(doc, name, value) bson_append_bool((doc), (name), -1, (value))
#define put_doc(doc, name, value)  bson_append_document((doc), (name), -1, (value))
void put_bytes_field(bson_t *doc, const char *name, const void *bytes, size_t len);
void put_value_field(bson_t *doc, const char *name, const struct value *v);
/* {name: value}, which is destroyed. */
bson_t *wrap(const char *name, bson_t *value);

/* ---- documents: reading; whatever is missing or of another type gives the fallback ---- */

int64_t get_int(const bson_t *doc, const char *name, int64_t fallback); /* dates too */
bool get_flag(const bson_t *doc, const char *name);
char *get_text(const bson_t *doc, const char *name); /* NULL for null; free() */
/* Borrowed from the document; empty if missing. */
const char *get_binary(const bson_t *doc, const char *name, size_t *len);

/* "acme|alarms|..." : parts that are texts are escaped, so that ids of different parts differ. free() */
char *id_of(const char *tenant, const char *text);
/* text with % and | escaped. free() */
char *id_escape(const char *text);

/* ---- calls; selector, update and document are destroyed ---- */

/* 1: found (*doc is the caller's to bson_destroy); 0: not. */
int mongo_find_one(struct store *s, enum collection in, bson_t *selector, bson_t *opts, bson_t **doc,
                   struct err *err) MUSTCHECK;
/* Returns how many documents matched, -1 on failure. */
int mongo_update_one(struct store *s, enum collection in, bson_t *selector, bson_t *update, struct err *err) MUSTCHECK;
/* As that, with upsert. ERR_EXISTS: the document is there and the selector does not take it. */
int mongo_upsert_one(struct store *s, enum collection in, bson_t *selector, bson_t *update, struct err *err) MUSTCHECK;
/* 1: changed, *doc is the new document, the caller's to destroy; 0: nothing matched. */
int mongo_find_and_update(struct store *s, enum collection in, bson_t *selector, bson_t *update, bool upsert,
                          bson_t **doc, struct err *err) MUSTCHECK;
/* ERR_EXISTS if its _id is taken. */
int mongo_insert(struct store *s, enum collection in, bson_t *document, struct err *err) MUSTCHECK;
/* Returns how many documents matched, -1 on failure. */
int64_t mongo_update_many(struct store *s, enum collection in, bson_t *selector, bson_t *update,
                          struct err *err) MUSTCHECK;
int mongo_delete_many(struct store *s, enum collection in, bson_t *selector, struct err *err) MUSTCHECK;
/* Deletes at most limit documents, in bounded steps, so that no single call takes long. */
int mongo_delete_some(struct store *s, enum collection in, bson_t *selector, size_t limit, size_t *gone,
                      struct err *err) MUSTCHECK;
/* Calls for each document found; false stops. */
typedef bool mongo_each(void *context, const bson_t *doc);
int mongo_find(struct store *s, enum collection in, bson_t *selector, bson_t *opts, mongo_each *each, void *context,
               struct err *err) MUSTCHECK;

/* ---- epochs ---- */

struct raising {
    enum collection in; /* documents {_id: tenant, epoch, generation, ...} */
    uint64_t generation;
    const bson_t *fresh; /* the fields of a new one, with the generation: also sets a lower generation's back */
    const char *what;    /* for errors */
};
/* Adds 1 to the epoch of the tenant's document; *doc is what it then is, the caller's to destroy. ERR_FENCED for one of
 * a higher generation. */
int mongo_raise(struct store *s, const struct raising *raising, bson_t **doc, struct err *err) MUSTCHECK;

/* Of a checkpoint, the present one or a kept one. */
void mongo_read_head(const bson_t *doc, struct checkpoint_head *head);

/* Which runs are under way: queued, running, or done and not published. */
bson_t *pending_runs(const struct store *s);

/* ---- data in parts: "<prefix>|<part>" with `data` ---- */

struct parts {
    enum collection in;
    const bson_t *fields; /* of each document, besides _id, part and data */
    const char *prefix;   /* of the _id */
};
size_t parts_count(size_t len);
/* Nothing refers to them yet: a failure leaves them to be deleted with their kind. */
int parts_put(struct store *s, const struct parts *parts, const char *bytes, size_t len, struct err *err) MUSTCHECK;
/* Appends to out; ERR_NOT_FOUND if one is missing. selector is destroyed. */
int parts_get(struct store *s, enum collection in, bson_t *selector, size_t count, struct buf *out,
              struct err *err) MUSTCHECK;

/* ---- columns of a result ---- */

/* The fields of a flat body as exact BSON: int64, double, bool, string, null. What is no identifier or no scalar is
 * left out. */
void columns_of_body(const char *body, size_t len, bson_t *out);
/* An expression for the column as declared, or null. */
bson_t *column_expression(const char *name, enum value_type type);
/* Windows that start in [from, to). */
void add_range(bson_t *selector, int64_t from, int64_t to);
/* Adds the conditions of a filter to a selector. */
void add_filter(bson_t *selector, const struct history_filter *filter);

#define MONGODB_MEMBER(name) __typeof__(name) mongodb_##name;
COREDMS_CALLS(MONGODB_MEMBER)
#undef MONGODB_MEMBER

#endif
