/* The tables, as migrations: never change one that was released, add the next. docs/formats.md tells what they hold. */
#include "coredms/sqlite/store.h"

#define MIGRATIONS(...)                                                                                                \
    (const struct migration[])                                                                                         \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }

static const char registry_1[] =
    "CREATE TABLE generations(tenant TEXT PRIMARY KEY, generation INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE tenants(tenant TEXT PRIMARY KEY, title TEXT, state INTEGER NOT NULL, keep_data INTEGER NOT NULL,"
    " generation INTEGER NOT NULL, version INTEGER NOT NULL, token_hash TEXT, created_ms INTEGER NOT NULL,"
    " changed_ms INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE apps(tenant TEXT NOT NULL, version INTEGER NOT NULL, published INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL, text BLOB NOT NULL, UNIQUE(tenant, version));"
    "CREATE TABLE requests(tenant TEXT NOT NULL, " RUN_COLUMNS_SCHEMA ", PRIMARY KEY(tenant, id)) WITHOUT ROWID;";

static const char stream_1[] =
    "CREATE TABLE head(one INTEGER PRIMARY KEY CHECK(one = 1), epoch INTEGER NOT NULL, number INTEGER NOT NULL,"
    " state_epoch INTEGER NOT NULL, generation INTEGER NOT NULL, chunk_count INTEGER NOT NULL, bytes INTEGER NOT NULL,"
    " offset INTEGER NOT NULL, message_hash INTEGER NOT NULL, saved_ms INTEGER NOT NULL, lease_ms INTEGER NOT NULL,"
    " info TEXT NOT NULL);"
    "CREATE TABLE chunks(epoch INTEGER NOT NULL, number INTEGER NOT NULL, part INTEGER NOT NULL, data BLOB NOT NULL,"
    " UNIQUE(epoch, number, part));";

static const char batch_1[] =
    "CREATE TABLE source(one INTEGER PRIMARY KEY CHECK(one = 1), epoch INTEGER NOT NULL, generation INTEGER NOT NULL,"
    " offset INTEGER NOT NULL, number INTEGER NOT NULL, stored_ms INTEGER NOT NULL);"
    "CREATE TABLE results(stream TEXT NOT NULL, window_start INTEGER NOT NULL, key TEXT NOT NULL,"
    " window_end INTEGER NOT NULL, generation INTEGER NOT NULL, revision INTEGER NOT NULL, number INTEGER NOT NULL,"
    " body TEXT NOT NULL, PRIMARY KEY(stream, window_start, key)) WITHOUT ROWID;"
    "CREATE TABLE streams(stream TEXT PRIMARY KEY, latest_end INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE runs(" RUN_COLUMNS_SCHEMA ", PRIMARY KEY(id)) WITHOUT ROWID;"
    "CREATE INDEX runs_by_created ON runs(created_ms, id);"
    "CREATE INDEX runs_by_job ON runs(job, created_ms, id);"
    "CREATE INDEX runs_by_state ON runs(state, published, created_ms, id);"
    "CREATE TABLE reports(id TEXT NOT NULL UNIQUE, body BLOB NOT NULL);"
    "CREATE TABLE schedules(job TEXT PRIMARY KEY, latest_to INTEGER NOT NULL) WITHOUT ROWID;";

/* A rewind begins a generation; version 1 had none. */
static const char registry_2[] = "ALTER TABLE tenants ADD COLUMN rewind_generation INTEGER NOT NULL DEFAULT 0;"
                                 "ALTER TABLE tenants ADD COLUMN rewind_to_ms INTEGER NOT NULL DEFAULT 0;"
                                 "ALTER TABLE tenants ADD COLUMN rewind_to_offset INTEGER NOT NULL DEFAULT 0;"
                                 "ALTER TABLE tenants ADD COLUMN rewind_base_epoch INTEGER NOT NULL DEFAULT 0;"
                                 "ALTER TABLE tenants ADD COLUMN rewind_base_number INTEGER NOT NULL DEFAULT 0;"
                                 "ALTER TABLE tenants ADD COLUMN rewind_version INTEGER NOT NULL DEFAULT 0;"
                                 "ALTER TABLE tenants ADD COLUMN rewind_at_ms INTEGER NOT NULL DEFAULT 0;"
                                 "ALTER TABLE tenants ADD COLUMN rewind_log_generation INTEGER NOT NULL DEFAULT 0;"
                                 "ALTER TABLE tenants ADD COLUMN rewind_published INTEGER NOT NULL DEFAULT 0;";

static const char stream_2[] =
    "CREATE TABLE kept(epoch INTEGER NOT NULL, number INTEGER NOT NULL, state_epoch INTEGER NOT NULL,"
    " generation INTEGER NOT NULL, chunk_count INTEGER NOT NULL, bytes INTEGER NOT NULL, offset INTEGER NOT NULL,"
    " message_hash INTEGER NOT NULL, saved_ms INTEGER NOT NULL, lease_ms INTEGER NOT NULL, info TEXT NOT NULL,"
    " PRIMARY KEY(state_epoch, number)) WITHOUT ROWID;"
    "CREATE TABLE skips(generation INTEGER NOT NULL, \"from\" INTEGER NOT NULL, \"to\" INTEGER NOT NULL,"
    " reason INTEGER NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY(generation, \"from\", \"to\")) WITHOUT ROWID;";

static const char batch_2[] = "ALTER TABLE results ADD COLUMN first_offset INTEGER NOT NULL DEFAULT -1;"
                              "ALTER TABLE results ADD COLUMN last_offset INTEGER NOT NULL DEFAULT -1;"
                              "ALTER TABLE results ADD COLUMN withdrawn INTEGER NOT NULL DEFAULT 0;";

/* Version 3 is PAGE_SUMS_VERSION: the tables of version 2, on pages with checksums. */
const struct schema sqlite_schemas[DB_COUNT] = {
    [DB_REGISTRY] = {"registry.db", COREDMS_WRITES_REGISTRY, 0x424c5452 /* BLTR */,
                     MIGRATIONS({registry_1}, {registry_2}, {NULL}), 3},
    [DB_STREAM] = {"stream.db", COREDMS_WRITES_STREAM, 0x424c5453 /* BLTS */,
                   MIGRATIONS({stream_1}, {stream_2}, {NULL}), 3},
    [DB_BATCH] = {"batch.db", COREDMS_WRITES_BATCH, 0x424c5442 /* BLTB */, MIGRATIONS({batch_1}, {batch_2}, {NULL}), 3},
};
