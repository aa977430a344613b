/* One file opened: is it ours, of a version we know, set up and migrated. Nothing of a foreign file is changed. */
#include "coredms/sqlite/pages.h"
#include "coredms/sqlite/store.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SUMMED_AT_ONCE                                                                                                 \
    (256 * 1024 * 1024) /* an older file up to this size gets its checksums when it is opened: that writes it anew */
#define LARGEST_VALUE (512 * 1024 * 1024) /* a report; the rest is far smaller */

static int open_file(struct connection *c, struct err *err)
{
    if (!pages_register())
        return err_set(err, ERR_INTERNAL, "%s: SQLite has no file system", c->path);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int create = c->writes && !c->begun ? SQLITE_OPEN_CREATE : 0;
    int code = sqlite3_open_v2(c->path, &c->db, flags | create, PAGES_VFS);
    if (code != SQLITE_OK)
        return sql_fail(c, code, err);
    if (c->damaged)
        sqlite3_file_control(c->db, "main", PAGES_FCNTL_UNCHECKED, NULL);
    sqlite3_busy_timeout(c->db, BUSY_MS);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_limit(c->db, SQLITE_LIMIT_LENGTH, LARGEST_VALUE);
    sqlite3_limit(c->db, SQLITE_LIMIT_ATTACHED, 0);
    /* A reader that closes last would fold the log into a file that was replaced under it, or delete the new one's. */
    if (!c->writes)
        sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    code = sql_functions(c->db);
    return code == SQLITE_OK ? 0 : sql_fail(c, code, err);
}

struct identity {
    int64_t application_id, version, tables;
    bool summed;
};

/* Has the file room for a checksum in every page? */
static int read_summed(struct connection *c, bool *summed, struct err *err)
{
    int reserved = -1; /* asks */
    int code = sqlite3_file_control(c->db, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
    if (code != SQLITE_OK)
        return sql_fail(c, code, err);
    *summed = reserved == PAGE_SUM_BYTES;
    return 0;
}

static int read_identity(struct connection *c, struct identity *id, struct err *err)
{
    if (sql_int(c, "PRAGMA application_id", NULL, 0, 0, &id->application_id, err) < 0 ||
        sql_int(c, "PRAGMA user_version", NULL, 0, 0, &id->version, err) < 0)
        return -1;
    return sql_int(c, "SELECT count(*) FROM sqlite_schema", NULL, 0, 0, &id->tables, err) < 0
               ? -1
               : read_summed(c, &id->summed, err);
}

int connection_damaged(const struct connection *c, const char *why, struct err *err)
{
    if (connection_is_registry(c))
        return err_set(err, ERR_DAMAGED,
                       "%s: is damaged (%s): stop Belltower, set it and tenants/ aside, and restore from a backup; see "
                       "docs/operations.md",
                       c->path, why);
    return err_set(err, ERR_DAMAGED,
                   "%s: is damaged (%s): pause the tenant, unless it is removed, set the file aside, and " COREDMS_MEND,
                   c->path, why);
}

int connection_gone(const struct connection *c, struct err *err)
{
    if (connection_is_registry(c))
        return err_set(err, ERR_DAMAGED,
                       "%s: is missing or empty, though there is data of tenants: put it back, or stop Belltower, set "
                       "tenants/ aside, too, and restore from a backup; see docs/operations.md",
                       c->path);
    return err_set(err, ERR_DAMAGED, "%s: is gone or empty: pause the tenant, and " COREDMS_MEND, c->path);
}

static bool is_new(const struct identity *id)
{
    return id->application_id == 0 && id->version == 0 && id->tables == 0;
}

static int check_identity(const struct connection *c, const struct identity *id, struct err *err)
{
    if (!is_new(id) && id->application_id != c->schema->application_id)
        return err_set(err, ERR_INVALID, "%s: is a database of something else, not Belltower's %s", c->path,
                       c->schema->file);
    if (id->version > c->schema->version)
        return err_set(err, ERR_INVALID,
                       "%s: was written by a newer Belltower (schema version %lld; this one knows %d)", c->path,
                       (long long)id->version, c->schema->version);
    return 0;
}

/* SQLite takes what is shorter than its own head for a new file. */
static int check_cut(const struct connection *c, const struct identity *id, struct err *err)
{
    struct stat st;
    char why[64];
    if (!is_new(id) || stat(c->path, &st) < 0 || st.st_size == 0 || st.st_size >= PAGE_SMALLEST)
        return 0;
    snprintf(why, sizeof why, "only %lld bytes of it are left", (long long)st.st_size);
    return connection_damaged(c, why, err);
}

static int set_wal(struct connection *c, struct err *err)
{
    sqlite3_stmt *stmt;
    int row = sql_first(c, "PRAGMA journal_mode = WAL", NULL, 0, &stmt, err);
    if (row < 0)
        return -1;
    const char *mode = row ? (const char *)sqlite3_column_text(stmt, 0) : "";
    bool wal = mode && strcmp(mode, "wal") == 0;
    if (row)
        sqlite3_reset(stmt);
    if (!wal)
        return err_set(err, ERR_INVALID, "%s: no write-ahead log is possible here; SQLite needs a local file system",
                       c->path);
    return 0;
}

/* From here on this connection leaves room for a checksum in every page, and writes it. */
static int begin_sums(struct connection *c, struct err *err)
{
    int reserved = PAGE_SUM_BYTES;
    int code = sqlite3_file_control(c->db, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
    if (code == SQLITE_OK)
        code = sqlite3_file_control(c->db, "main", PAGES_FCNTL_SUM, NULL);
    return code == SQLITE_OK ? 0 : sql_fail(c, code, err);
}

/* Inside a transaction: another process may have been quicker, so the version is read again. */
static int migrate(struct connection *c, void *context, struct err *err)
{
    struct identity id;
    char text[96];
    int64_t v;
    (void)context;
    if (read_identity(c, &id, err) < 0 || check_identity(c, &id, err) < 0)
        return -1;
    for (v = id.version; v < c->schema->version; v++) {
        const char *sql = c->schema->migrations[v].sql;
        if (!sql && !id.summed)
            break;
        if (sql && sql_script(c, sql, err) < 0)
            return err_prefix(err, "migrating to schema version %lld", (long long)v + 1);
    }
    sqlite3_snprintf(sizeof text, text, "PRAGMA application_id = %d; PRAGMA user_version = %lld",
                     c->schema->application_id, (long long)v);
    return sql_script(c, text, err);
}

/* Writes the file anew, in one transaction. It holds no checksums as long as this fails. */
static int vacuum_with_sums(struct connection *c, struct err *err)
{
    int64_t pages, size;
    if (sql_int(c, "PRAGMA page_count", NULL, 0, 0, &pages, err) < 0 ||
        sql_int(c, "PRAGMA page_size", NULL, 0, 0, &size, err) < 0)
        return -1;
    if (pages * size > SUMMED_AT_ONCE)
        return err_set(err, ERR_TOO_LARGE, "%s: is larger than %d MiB", c->path, SUMMED_AT_ONCE / 1024 / 1024);
    sqlite3_limit(c->db, SQLITE_LIMIT_ATTACHED, 1); /* VACUUM's own */
    return begin_sums(c, err) < 0 ? -1 : sql_script(c, "VACUUM", err);
}

static int configure_writer(struct connection *c, struct err *err)
{
    return set_wal(c, err) < 0 ? -1
                               : sql_script(c, "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864", err);
}

/* A file of before PAGE_SUMS_VERSION goes on as it is where there is no room to write it anew. */
static int give_sums(struct connection *c, struct err *err)
{
    struct err why;
    if (vacuum_with_sums(c, &why) < 0) {
        if (why.code == ERR_DAMAGED) {
            *err = why;
            return -1;
        }
        log_warn("%s: goes on without checksums of its pages: %s", c->path, why.text);
    }
    connection_close(c);
    if (open_file(c, err) < 0 || configure_writer(c, err) < 0)
        return -1;
    return sql_transaction(c, migrate, NULL, err);
}

static int set_up_writer(struct connection *c, const struct identity *id, struct err *err)
{
    bool summed = false;
    int64_t pages;
    if (sql_int(c, "PRAGMA page_count", NULL, 0, 0, &pages, err) < 0)
        return -1;
    if (pages == 0 && begin_sums(c, err) < 0)
        return -1;
    if (configure_writer(c, err) < 0)
        return -1;
    if (id->version < c->schema->version && sql_transaction(c, migrate, NULL, err) < 0)
        return -1;
    if (read_summed(c, &summed, err) < 0)
        return -1;
    return summed ? 0 : give_sums(c, err);
}

/* The first version with the tables of today. */
static int64_t readable_version(const struct schema *s)
{
    int64_t v = s->version;
    while (v > 0 && !s->migrations[v - 1].sql)
        v--;
    return v;
}

static int set_up_reader(struct connection *c, const struct identity *id, bool *missing, struct err *err)
{
    *missing = is_new(id);
    if (*missing)
        return 0;
    if (id->version < readable_version(c->schema))
        return err_set(err, ERR_UNAVAILABLE, "%s: schema version %lld, waits for its writer to migrate it to %d",
                       c->path, (long long)id->version, c->schema->version);
    return sql_script(c, "PRAGMA query_only = ON", err);
}

static int set_up(struct connection *c, bool *missing, struct err *err)
{
    struct identity id;
    if (open_file(c, err) < 0)
        return -1;
    if (read_identity(c, &id, err) < 0)
        return -1;
    if (check_identity(c, &id, err) < 0 || check_cut(c, &id, err) < 0)
        return -1;
    if (c->begun && is_new(&id))
        return connection_gone(c, err);
    *missing = false;
    return c->writes ? set_up_writer(c, &id, err) : set_up_reader(c, &id, missing, err);
}

int connection_open(struct connection *c, bool *missing, struct err *err)
{
    int status = set_up(c, missing, err);
    if (status < 0 || *missing)
        connection_close(c);
    else if (c->writes)
        c->noted = identity_note(c->path);
    return status;
}

bool connection_moved(struct connection *c)
{
    int answer = 0;
    return sqlite3_file_control(c->db, "main", SQLITE_FCNTL_HAS_MOVED, &answer) == SQLITE_OK && answer;
}

void connection_close(struct connection *c)
{
    for (size_t i = 0; i < c->kept_count; i++)
        sqlite3_finalize(c->kept[i].stmt);
    c->kept_count = 0;
    if (c->noted)
        identity_release(c->path);
    c->noted = c->unsynced = false;
    sqlite3_close(c->db); /* also after a failed open; NULL is a no-op */
    c->db = NULL;
}
