/* Statements, transactions, errors. */
#include "coredms/sqlite/store.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

struct arg arg_int(int64_t i)
{
    return (struct arg){.kind = ARG_INT, .i = i};
}

struct arg arg_bytes(const char *s, size_t len)
{
    return (struct arg){.kind = ARG_TEXT, .p = s, .len = len};
}

struct arg arg_text(const char *s)
{
    return s ? arg_bytes(s, strlen(s)) : (struct arg){.kind = ARG_NULL};
}

struct arg arg_blob(const void *p, size_t len)
{
    return (struct arg){.kind = ARG_BLOB, .p = p, .len = len};
}

struct arg arg_value(const struct value *v)
{
    switch (v->type) {
    case VALUE_BOOL:
        return arg_int(v->b);
    case VALUE_INT:
        return arg_int(v->i);
    case VALUE_FLOAT:
        return (struct arg){.kind = ARG_FLOAT, .f = v->f};
    case VALUE_STRING:
        return arg_bytes(v->len ? v->s : "", v->len);
    default:
        return (struct arg){.kind = ARG_NULL};
    }
}

/* ---- errors ---- */

static enum err_code code_of(int code, int system)
{
    switch (code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_READONLY:
        return ERR_FULL;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return ERR_UNAVAILABLE;
    case SQLITE_IOERR:
        if (code == SQLITE_IOERR_DATA)
            return ERR_DAMAGED;
        return system == ENOSPC || system == EDQUOT || system == EROFS ? ERR_FULL : ERR_UNAVAILABLE;
    case SQLITE_CANTOPEN:
        return system == EACCES || system == EPERM                       ? ERR_DENIED
               : system == EROFS || system == ENOSPC || system == EDQUOT ? ERR_FULL
                                                                         : ERR_UNAVAILABLE;
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return ERR_DENIED;
    case SQLITE_TOOBIG:
        return ERR_TOO_LARGE;
    case SQLITE_INTERRUPT:
        return ERR_TIMEOUT;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return ERR_DAMAGED;
    default:
        return ERR_INTERNAL;
    }
}

int sql_fail(struct connection *c, int code, struct err *err)
{
    int system = c->db ? sqlite3_system_errno(c->db) : 0;
    const char *text = code == SQLITE_IOERR_DATA ? "a page does not have its checksum"
                       : c->db                   ? sqlite3_errmsg(c->db)
                                                 : sqlite3_errstr(code);
    bool io = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN;
    if (code_of(code, system) == ERR_DAMAGED)
        return connection_damaged(c, text, err);
    if (io && system)
        return err_set(err, code_of(code, system), "%s: %s: %s", c->path, text, strerror(system));
    return err_set(err, code_of(code, system), "%s: %s", c->path, text);
}

/* ---- statements ---- */

static int bind_one(sqlite3_stmt *stmt, int i, const struct arg *a)
{
    switch (a->kind) {
    case ARG_INT:
        return sqlite3_bind_int64(stmt, i, a->i);
    case ARG_FLOAT:
        return sqlite3_bind_double(stmt, i, a->f);
    case ARG_TEXT:
        return sqlite3_bind_text64(stmt, i, a->p, a->len, SQLITE_STATIC, SQLITE_UTF8);
    case ARG_BLOB:
        return a->len ? sqlite3_bind_blob64(stmt, i, a->p, a->len, SQLITE_STATIC) : sqlite3_bind_zeroblob(stmt, i, 0);
    default:
        return sqlite3_bind_null(stmt, i);
    }
}

int sql_bind(struct connection *c, sqlite3_stmt *stmt, const struct arg *args, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        int code = bind_one(stmt, (int)i + 1, &args[i]);
        if (code != SQLITE_OK)
            return sql_fail(c, code, err);
    }
    return 0;
}

static sqlite3_stmt *kept(const struct connection *c, const char *sql)
{
    for (size_t i = 0; i < c->kept_count; i++)
        if (c->kept[i].sql == sql)
            return c->kept[i].stmt;
    return NULL;
}

int sql_prepare(struct connection *c, const char *sql, const struct arg *args, size_t count, sqlite3_stmt **stmt,
                struct err *err)
{
    *stmt = kept(c, sql);
    if (!*stmt) {
        if (c->kept_count == STATEMENTS_MAX)
            return err_set(err, ERR_INTERNAL, "%s: too many statements", c->path);
        int code = sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL);
        if (code != SQLITE_OK)
            return sql_fail(c, code, err);
        c->kept[c->kept_count++] = (struct statement){sql, *stmt};
    }
    sqlite3_reset(*stmt);
    sqlite3_clear_bindings(*stmt);
    return sql_bind(c, *stmt, args, count, err);
}

int sql_step(struct connection *c, sqlite3_stmt *stmt, struct err *err)
{
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW)
        return 1;
    int status = code == SQLITE_DONE ? 0 : sql_fail(c, code, err);
    sqlite3_reset(stmt);
    return status;
}

int sql_first(struct connection *c, const char *sql, const struct arg *args, size_t count, sqlite3_stmt **stmt,
              struct err *err)
{
    return sql_prepare(c, sql, args, count, stmt, err) < 0 ? -1 : sql_step(c, *stmt, err);
}

int sql_run(struct connection *c, const char *sql, const struct arg *args, size_t count, struct err *err)
{
    sqlite3_stmt *stmt;
    int row = sql_first(c, sql, args, count, &stmt, err);
    if (row > 0)
        sqlite3_reset(stmt);
    return row < 0 ? -1 : 0;
}

int sql_script(struct connection *c, const char *sql, struct err *err)
{
    int code = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : sql_fail(c, code, err);
}

int sql_int(struct connection *c, const char *sql, const struct arg *args, size_t count, int64_t fallback, int64_t *out,
            struct err *err)
{
    sqlite3_stmt *stmt;
    int row = sql_first(c, sql, args, count, &stmt, err);
    if (row < 0)
        return -1;
    *out = row && sqlite3_column_type(stmt, 0) != SQLITE_NULL ? sqlite3_column_int64(stmt, 0) : fallback;
    if (row)
        sqlite3_reset(stmt);
    return 0;
}

char *sql_text(sqlite3_stmt *stmt, int column)
{
    const unsigned char *text = sqlite3_column_text(stmt, column);
    return text ? mem_strndup((const char *)text, (size_t)sqlite3_column_bytes(stmt, column)) : NULL;
}

/* ---- transactions ---- */

static void roll_back(struct connection *c)
{
    if (!sqlite3_get_autocommit(c->db)) /* some errors have rolled back already */
        sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
}

/* A commit whose last write or sync failed may yet be found after a crash. */
static int commit(struct connection *c, struct err *err)
{
    int code = sqlite3_exec(c->db, "COMMIT", NULL, NULL, NULL);
    if (code == SQLITE_OK && connection_moved(c))
        return err_set(err, ERR_UNKNOWN, "%s: was removed or replaced while it was written to", c->path);
    if (code == SQLITE_OK)
        return 0;
    sql_fail(c, code, err);
    if ((code & 0xff) == SQLITE_IOERR && err->code == ERR_UNAVAILABLE)
        err->code = ERR_UNKNOWN;
    roll_back(c);
    return -1;
}

static int set_unsynced(struct connection *c, bool unsynced, struct err *err)
{
    if (c->unsynced == unsynced)
        return 0;
    if (sql_script(c, unsynced ? "PRAGMA synchronous = NORMAL" : "PRAGMA synchronous = FULL", err) < 0)
        return -1;
    c->unsynced = unsynced;
    return 0;
}

static int transaction(struct connection *c, bool unsynced, sql_change *change, void *context, struct err *err)
{
    if (set_unsynced(c, unsynced, err) < 0 || sql_script(c, "BEGIN IMMEDIATE", err) < 0)
        return -1;
    if (change(c, context, err) < 0) {
        roll_back(c);
        return -1;
    }
    return commit(c, err);
}

int sql_transaction(struct connection *c, sql_change *change, void *context, struct err *err)
{
    return transaction(c, false, change, context, err);
}

int sql_transaction_unsynced(struct connection *c, sql_change *change, void *context, struct err *err)
{
    return transaction(c, true, change, context, err);
}
