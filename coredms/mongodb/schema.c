/* Collections, indexes, and the version of both. Every step may be repeated: several writers may take it at once. */
#include "coredms/mongodb/store.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

const char *const mongo_collection_names[COLLECTION_COUNT] = {
    [IN_META] = "meta",
    [IN_GENERATIONS] = "generations",
    [IN_TENANTS] = "tenants",
    [IN_APPS] = "apps",
    [IN_HEADS] = "checkpoint_heads",
    [IN_CHUNKS] = "checkpoint_chunks",
    [IN_SOURCES] = "sources",
    [IN_RESULTS] = "results",
    [IN_RUNS] = "runs",
    [IN_REPORTS] = "reports",
    [IN_SCHEDULES] = "schedules",
    [IN_REQUESTS] = "requests",
    [IN_KEPT] = "checkpoints_kept",
    [IN_SKIPS] = "skips",
};

struct index {
    enum collection in;
    const char *name;
    const char *keys[5]; /* behind the tenant, which leads all; "-x" falls */
};

static const struct index indexes_1[] = {
    {IN_RESULTS, "query", {"stream", "window_start", "key"}},
    {IN_RESULTS, "expiry", {"window_end"}},
    {IN_CHUNKS, "order", {"epoch", "number", "part"}},
    {IN_REPORTS, "order", {"run", "report", "part"}},
    {IN_RUNS, "newest", {"-created", "-run"}},
    {IN_RUNS, "by_job", {"job", "-created", "-run"}},
    {IN_RUNS, "by_state", {"state", "published", "created"}},
};

static const struct index indexes_2[] = {
    {IN_KEPT, "order", {"generation", "offset"}},
    {IN_SKIPS, "order", {"generation", "from"}},
};

static bson_t *index_keys(const struct index *index)
{
    bson_t *keys = BCON_NEW("tenant", BCON_INT32(1));
    for (size_t i = 0; i < 5 && index->keys[i]; i++) {
        bool falls = index->keys[i][0] == '-';
        bson_append_int32(keys, index->keys[i] + falls, -1, falls ? -1 : 1);
    }
    return keys;
}

static int make_index(struct store *s, const struct index *index, struct err *err)
{
    bson_error_t error;
    bson_t *keys = index_keys(index);
    bson_t *command = BCON_NEW("createIndexes", BCON_UTF8(mongo_collection_names[index->in]), "indexes", "[", "{",
                               "key", BCON_DOCUMENT(keys), "name", BCON_UTF8(index->name), "}", "]");
    mongoc_collection_t *c = s->collections[index->in];
    bool good = mongoc_collection_write_command_with_opts(c, command, NULL, NULL, &error);
    bson_destroy(command);
    bson_destroy(keys);
    return good ? 0 : mongo_fail(&error, false, err);
}

static int make_indexes(struct store *s, const struct index *indexes, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++)
        if (make_index(s, &indexes[i], err) < 0)
            return -1;
    return 0;
}

static int migrate_to_1(struct store *s, struct err *err)
{
    return make_indexes(s, indexes_1, sizeof indexes_1 / sizeof *indexes_1, err);
}

/* Kept checkpoints, skipped offsets, rewinds, withdrawn results: the fields that are missing in what there was say that
 * there is none. Whoever knows version 1 alone would count withdrawn results. */
static int migrate_to_2(struct store *s, struct err *err)
{
    return make_indexes(s, indexes_2, sizeof indexes_2 / sizeof *indexes_2, err);
}

/* From version i to i + 1; never change one that was released, add the next. */
static int (*const migrations[])(struct store *s, struct err *err) = {migrate_to_1, migrate_to_2};
#define SCHEMA_VERSION (int64_t)(sizeof migrations / sizeof *migrations)

/* Several writers at once set the same; the highest stays. */
static int note_version(struct store *s, struct err *err)
{
    bson_t *selector = BCON_NEW("_id", BCON_UTF8("schema"));
    bson_t *change = BCON_NEW("$max", "{", "version", BCON_INT64(SCHEMA_VERSION), "}");
    int status = mongo_upsert_one(s, IN_META, selector, change, err);
    return status < 0 && err->code != ERR_EXISTS ? -1 : 0; /* another was quicker */
}

static int migrate(struct store *s, int64_t from, struct err *err)
{
    for (int64_t v = from; v < SCHEMA_VERSION; v++)
        if (migrations[v](s, err) < 0)
            return err_prefix(err, "migrating to schema version %lld", (long long)v + 1);
    return from < SCHEMA_VERSION ? note_version(s, err) : 0;
}

int mongo_check_schema(struct store *s, struct err *err)
{
    bson_t *doc;
    int found = mongo_find_one(s, IN_META, BCON_NEW("_id", BCON_UTF8("schema")), NULL, &doc, err);
    if (found < 0)
        return -1;
    int64_t version = found ? get_int(doc, "version", INT64_MAX) : 0;
    bson_destroy(doc);
    if (version > SCHEMA_VERSION || version < 0)
        return err_set(err, ERR_INVALID,
                       "MongoDB: the database %s was written by a newer Belltower (schema version %lld; this one knows "
                       "%lld)",
                       mongoc_uri_get_database(s->uri), (long long)version, (long long)SCHEMA_VERSION);
    if (s->base.writes)
        return migrate(s, version, err);
    if (found && version < SCHEMA_VERSION)
        return err_set(err, ERR_UNAVAILABLE, "MongoDB: schema version %lld, waits for a writer to migrate it to %lld",
                       (long long)version, (long long)SCHEMA_VERSION);
    return 0;
}
