/* The store: its files and their places. */
#include "coredms/sqlite/store.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONGEST_CALL_MS 30000 /* waits BUSY_MS for a lock at most; the rest is for writing on a slow disk */

const struct coredms_backend coredms_sqlite_backend;

/* free() */
static char *file_path(const struct store *s, enum db_file file, const char *tenant)
{
    const char *name = sqlite_schemas[file].file;
    if (file == DB_REGISTRY)
        return mem_printf("%s/%s", s->directory, name);
    return mem_printf("%s/tenants/%s/%s", s->directory, tenant, name);
}

static int make_directory(const char *path, struct err *err)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return 0;
    return err_set_errno(err, "%s", path);
}

/* All directories above the file, readable by us alone. */
static int make_directories(const char *file, struct err *err)
{
    char *path = mem_strdup(file);
    int status = 0;
    for (char *slash = strchr(path + 1, '/'); slash && status == 0; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        status = make_directory(path, err);
        *slash = '/';
    }
    free(path);
    return status;
}

/* A path below something that is no directory does not exist either: ENOTDIR is for SQLite to complain about. */
static bool exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 || errno != ENOENT;
}

/* What is written to a file that nobody will open again is lost, and to begin anew would forget what there was. */
static int is_gone(const struct connection *c, struct err *err)
{
    const bool registry = connection_is_registry(c);
    if (exists(c->path))
        return err_set(err, ERR_UNAVAILABLE, "%s: was replaced while it was in use: %s to use the new one", c->path,
                       registry ? "restart Belltower" : "pause the tenant and resume it");
    return err_set(err, ERR_UNAVAILABLE,
                   "%s: was removed while it was in use: put it back, or %s and restore from a backup; see "
                   "docs/operations.md",
                   c->path, registry ? "stop Belltower" : "pause the tenant");
}

static bool has_data(const struct store *s, const char *tenant)
{
    bool found = false;
    for (int i = 0; i < DB_COUNT && !found; i++) {
        char *path = i == DB_REGISTRY ? NULL : file_path(s, i, tenant);
        struct stat st;
        found = path && stat(path, &st) == 0;
        free(path);
    }
    return found;
}

static bool any_has_data(const struct store *s)
{
    char *path = mem_printf("%s/tenants", s->directory);
    DIR *d = opendir(path);
    bool found = false;
    for (struct dirent *e; d && !found && (e = readdir(d));)
        found = e->d_name[0] != '.' && has_data(s, e->d_name);
    if (d)
        closedir(d);
    free(path);
    return found;
}

static bool holds_nothing(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_size == 0 : errno == ENOENT;
}

/* What was there before is not begun anew: a registry beside tenants' data would know nothing of them, so that they
 * would end and their names begin with the first generation again; a tenant's file would forget all that it held. */
static int check_not_gone(const struct store *s, enum db_file file, struct connection *c, struct err *err)
{
    if (file == DB_REGISTRY)
        c->begun = c->writes && any_has_data(s);
    return c->begun && holds_nothing(c->path) ? connection_gone(c, err) : 0;
}

int store_connection(struct store *s, enum db_file file, struct connection **out, struct err *err)
{
    struct connection *c = &s->files[file];
    bool missing = false;
    *out = NULL;
    if (c->db && !connection_moved(c)) {
        *out = c;
        return 0;
    }
    if (c->db && (c->writes || file == DB_REGISTRY))
        return is_gone(c, err);
    connection_close(c);
    if (c->writes && identity_check(c->path, err) < 0)
        return -1;
    if (check_not_gone(s, file, c, err) < 0)
        return -1;
    if (!c->writes && !exists(c->path))
        return 0;
    if (c->writes && make_directories(c->path, err) < 0)
        return -1;
    if (connection_open(c, &missing, err) < 0)
        return -1;
    *out = missing ? NULL : c;
    return 0;
}

int store_existing(struct store *s, enum db_file file, const char *what, struct connection **c, struct err *err)
{
    if (store_connection(s, file, c, err) < 0)
        return -1;
    return *c ? 0 : err_set(err, ERR_NOT_FOUND, "%s: not found", what);
}

/* ---- removal ---- */

static int remove_file(const char *path, const char *suffix, struct err *err)
{
    char *full = mem_printf("%s%s", path, suffix);
    int status = unlink(full) == 0 || errno == ENOENT || errno == ENOTDIR ? 0 : err_set_errno(err, "%s", full);
    free(full);
    return status;
}

/* The database goes first: a log without its database is never read. */
static int remove_database(const char *path, struct err *err)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (remove_file(path, suffixes[i], err) < 0)
            return -1;
    return 0;
}

int store_purge(struct store *s, const char *tenant, struct err *err)
{
    static const enum db_file files[] = {DB_STREAM, DB_BATCH};
    int status = 0;
    for (size_t i = 0; i < 2 && status == 0; i++) {
        char *path = file_path(s, files[i], tenant);
        if (s->base.tenant && strcmp(s->base.tenant, tenant) == 0)
            connection_close(&s->files[files[i]]);
        status = remove_database(path, err);
        free(path);
    }
    if (status == 0) {
        char *directory = mem_printf("%s/tenants/%s", s->directory, tenant);
        rmdir(directory); /* stays where others keep files in it */
        free(directory);
    }
    return status;
}

/* ---- open, close ---- */

static void store_close(struct coredms *db)
{
    struct store *s = store_of(db);
    for (int i = 0; i < DB_COUNT; i++) {
        connection_close(&s->files[i]);
        free(s->files[i].path);
    }
    free(s->directory);
    free(s->base.tenant);
    free(s);
}

static struct store *store_new(const char *directory, const char *tenant, unsigned writes)
{
    struct store *s = mem_zero(1, sizeof *s);
    s->base = (struct coredms){&coredms_sqlite_backend, mem_strdup(tenant), writes};
    s->directory = mem_strdup(directory);
    for (int i = 0; i < DB_COUNT; i++) {
        if (i != DB_REGISTRY && !tenant)
            continue;
        s->files[i].path = file_path(s, i, tenant);
        s->files[i].schema = &sqlite_schemas[i];
        s->files[i].writes = writes & sqlite_schemas[i].writes;
        s->files[i].damaged = writes & COREDMS_READS_DAMAGED;
        s->files[i].begun = i != DB_REGISTRY && (writes & COREDMS_BEGUN);
    }
    return s;
}

/* What this handle writes must be there and ours; what it reads is looked at when asked for. */
static int open_written(struct store *s, struct err *err)
{
    struct connection *c;
    for (int i = 0; i < DB_COUNT; i++)
        if (s->files[i].writes && store_connection(s, i, &c, err) < 0)
            return -1;
    return 0;
}

static int store_open(const char *uri, const char *tenant, unsigned writes, struct coredms **db, struct err *err)
{
    struct store *s = store_new(uri + strlen("sqlite:"), tenant, writes);
    if (open_written(s, err) < 0) {
        store_close(&s->base);
        return -1;
    }
    *db = &s->base;
    return 0;
}

/* ---- the small calls ---- */

static int touch(struct connection *c, void *context, struct err *err)
{
    (void)context;
    int64_t version;
    char text[64]; /* a real write, so that a full or read-only disk shows */
    if (sql_int(c, "PRAGMA user_version", NULL, 0, 0, &version, err) < 0)
        return -1;
    sqlite3_snprintf(sizeof text, text, "PRAGMA user_version = %lld", (long long)version);
    return sql_script(c, text, err);
}

static int ping_file(struct store *s, enum db_file file, struct err *err)
{
    struct connection *c;
    int64_t ignored;
    if (store_connection(s, file, &c, err) < 0)
        return -1;
    if (!c)
        return 0;
    return c->writes ? sql_transaction(c, touch, NULL, err)
                     : sql_int(c, "SELECT count(*) FROM sqlite_schema", NULL, 0, 0, &ignored, err);
}

int sqlite_coredms_ping(struct coredms *db, struct err *err)
{
    struct store *s = store_of(db);
    for (int i = 0; i < DB_COUNT; i++)
        if (s->files[i].path && ping_file(s, i, err) < 0)
            return -1;
    return 0;
}

int64_t sqlite_coredms_block_ms(const struct coredms *db)
{
    (void)db;
    return LONGEST_CALL_MS;
}

int sqlite_coredms_idle(struct coredms *db, struct err *err)
{
    struct store *s = store_of(db);
    for (int i = 0; i < DB_COUNT; i++) {
        struct connection *c = &s->files[i];
        int code = c->db && c->writes ? sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL)
                                      : SQLITE_OK;
        /* Readers at work: the next time will do. */
        if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY && (code & 0xff) != SQLITE_LOCKED)
            return sql_fail(c, code, err);
    }
    return 0;
}

int sqlite_coredms_purge(struct coredms *db, const char *tenant, struct err *err)
{
    return store_purge(store_of(db), tenant, err);
}

#define BACKEND_ENTRY(name) .name = sqlite_##name,
const struct coredms_backend coredms_sqlite_backend = {
    .version = COREDMS_BACKEND_VERSION, .open = store_open, .close = store_close, COREDMS_CALLS(BACKEND_ENTRY)};
