/* Inside of the SQLite store: files, connections, statements. A store has up to three files: DIR/registry.db, and
 * DIR/tenants/<tenant>/stream.db and batch.db. One connection for each, opened when first needed, with its prepared
 * statements kept. */
#ifndef BELLTOWER_COREDMS_SQLITE_STORE_H
#define BELLTOWER_COREDMS_SQLITE_STORE_H

#include "coredms/backend.h"

#include <sqlite3.h>

#define BUSY_MS 5000

enum db_file { DB_REGISTRY, DB_STREAM, DB_BATCH, DB_COUNT };

struct migration {   /* from version i to i + 1: the SQL at index i */
    const char *sql; /* NULL: no table changes, the pages get their checksums (pages.h) */
};

struct schema {
    const char *file;       /* "registry.db" */
    unsigned writes;        /* who writes it: an enum coredms_writes */
    int32_t application_id; /* in the file's header: tells our files from others, and from each other */
    const struct migration *migrations;
    int version; /* number of migrations */
};
extern const struct schema sqlite_schemas[DB_COUNT];

#define STATEMENTS_MAX 48

struct statement {
    const char *sql; /* by address: SQL texts that are kept are static */
    sqlite3_stmt *stmt;
};

struct connection {
    sqlite3 *db; /* NULL = not open */
    char *path;
    const struct schema *schema;
    bool writes, damaged; /* damaged: COREDMS_READS_DAMAGED */
    bool begun;           /* COREDMS_BEGUN: it is not made, nor taken for one that is new */
    bool noted;           /* in identity.c */
    bool unsynced;        /* a commit does not wait for the disk: see sql_transaction_unsynced */
    struct statement kept[STATEMENTS_MAX];
    size_t kept_count;
};

struct store {
    struct coredms base;
    char *directory;
    struct connection files[DB_COUNT];
};

static inline struct store *store_of(struct coredms *db)
{
    return (struct store *)db;
}

/* The connection for a file. Read-only handles get *c = NULL where the file does not exist (yet): it reads as empty,
 * save for one that was begun before, which is ERR_DAMAGED. A
 * tenant's file that was moved or deleted under a reader is opened anew; under a writer, and a registry under anybody,
 * it is ERR_UNAVAILABLE until it is back. */
int store_connection(struct store *s, enum db_file file, struct connection **c, struct err *err) MUSTCHECK;
/* As that, for calls that answer ERR_NOT_FOUND ("what") about what is not there. */
int store_existing(struct store *s, enum db_file file, const char *what, struct connection **c,
                   struct err *err) MUSTCHECK;
/* Removes a tenant's files. */
int store_purge(struct store *s, const char *tenant, struct err *err) MUSTCHECK;

static inline bool connection_is_registry(const struct connection *c)
{
    return c->schema == &sqlite_schemas[DB_REGISTRY];
}

/* Opens (creates, migrates) c->path; *missing: a reader found no file, or one that its writer has not set up yet. */
int connection_open(struct connection *c, bool *missing, struct err *err) MUSTCHECK;
/* ERR_DAMAGED, with what to do about it: SQLite cannot read it; there is nothing to read, though there should be. */
int connection_damaged(const struct connection *c, const char *why, struct err *err);
int connection_gone(const struct connection *c, struct err *err);
void connection_close(struct connection *c);
bool connection_moved(struct connection *c); /* its file is no longer at its path */

/* ---- which files this process writes (identity.c) ---- */

/* May the path be opened for writing? ERR_UNAVAILABLE if a connection of this process writes a file that was there and
 * is not now, or is another. */
int identity_check(const char *path, struct err *err) MUSTCHECK;
/* Remembers the file at the path until as many releases; false: there is none. */
bool identity_note(const char *path);
void identity_release(const char *path);

/* ---- statements ---- */

enum arg_kind { ARG_NULL, ARG_INT, ARG_FLOAT, ARG_TEXT, ARG_BLOB };
struct arg {
    enum arg_kind kind;
    size_t len;
    union {
        int64_t i;
        double f;
        const void *p;
    };
};
struct arg arg_int(int64_t i);
struct arg arg_text(const char *s); /* NULL: null */
struct arg arg_blob(const void *p, size_t len);
struct arg arg_bytes(const char *s, size_t len); /* text of this length */
struct arg arg_value(const struct value *v);     /* bool as 0 and 1 */

#define ARGS(...) (const struct arg[]){__VA_ARGS__}, sizeof((const struct arg[]){__VA_ARGS__}) / sizeof(struct arg)

/* The kept statement for a static text, reset, with these arguments bound (borrowed until the statement is reset). */
int sql_prepare(struct connection *c, const char *sql, const struct arg *args, size_t count, sqlite3_stmt **stmt,
                struct err *err) MUSTCHECK;
/* Binds to a statement that is not kept. */
int sql_bind(struct connection *c, sqlite3_stmt *stmt, const struct arg *args, size_t count, struct err *err) MUSTCHECK;
/* 1: a row; 0: no more, and the statement is reset; -1: failed, and the statement is reset. */
int sql_step(struct connection *c, sqlite3_stmt *stmt, struct err *err) MUSTCHECK;
/* A statement without rows, or whose rows do not matter. */
int sql_run(struct connection *c, const char *sql, const struct arg *args, size_t count, struct err *err) MUSTCHECK;
/* Prepares and makes the first step; as sql_step. After 1 the caller reads the row and resets. */
int sql_first(struct connection *c, const char *sql, const struct arg *args, size_t count, sqlite3_stmt **stmt,
              struct err *err) MUSTCHECK;
/* Several statements in one text, for schemas and pragmas. */
int sql_script(struct connection *c, const char *sql, struct err *err) MUSTCHECK;
/* One integer; fallback where there is no row. */
int sql_int(struct connection *c, const char *sql, const struct arg *args, size_t count, int64_t fallback, int64_t *out,
            struct err *err) MUSTCHECK;
/* What went wrong last on c->db as an err; code: SQLite's result. */
int sql_fail(struct connection *c, int code, struct err *err);
/* A column's text, NULL for null; the caller's to free. */
char *sql_text(sqlite3_stmt *stmt, int column);

/* Runs the change in one transaction that takes the write lock at once; commits if it returns 0, else rolls back. */
typedef int sql_change(struct connection *c, void *context, struct err *err);
int sql_transaction(struct connection *c, sql_change *change, void *context, struct err *err) MUSTCHECK;
/* As that, but the commit does not wait for the disk: a power cut may take it back, the death of a process does not.
 * For changes that are made again after it. The next sql_transaction makes this one durable too. */
int sql_transaction_unsynced(struct connection *c, sql_change *change, void *context, struct err *err) MUSTCHECK;

/* Registers bt_value(body, name, type), bt_sum(x, type) and bt_avg(x, type) of functions.c. */
int sql_functions(sqlite3 *db);

/* ---- run rows, alike in batch.db and registry.db ---- */
#define RUN_COLUMNS                                                                                                    \
    "id, job, cause, state, generation, version, \"from\", \"to\", after_number, wait_until_ms, created_ms, "          \
    "started_ms, ended_ms, complete, published, row_count, request, error"
#define RUN_COLUMN_COUNT 18
#define RUN_COLUMNS_SCHEMA                                                                                             \
    "id TEXT NOT NULL, job TEXT NOT NULL, cause INTEGER NOT NULL, state INTEGER NOT NULL, "                            \
    "generation INTEGER NOT NULL, version INTEGER NOT NULL, \"from\" INTEGER NOT NULL, \"to\" INTEGER NOT NULL, "      \
    "after_number INTEGER NOT NULL, wait_until_ms INTEGER NOT NULL, created_ms INTEGER NOT NULL, "                     \
    "started_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL, complete INTEGER NOT NULL, "                              \
    "published INTEGER NOT NULL, row_count INTEGER NOT NULL, request TEXT, error TEXT"

void run_args(const struct run_row *row, struct arg args[RUN_COLUMN_COUNT]);
/* RUN_COLUMNS beginning at column `first`. */
void run_read(sqlite3_stmt *stmt, int first, struct run_row *row);

struct run_rows { /* grows */
    struct run_row *rows;
    size_t count, cap;
};
struct run_row *run_rows_add(struct run_rows *list); /* zeroed */
void run_rows_free(struct run_rows *list);

#define SQLITE_MEMBER(name) __typeof__(name) sqlite_##name;
COREDMS_CALLS(SQLITE_MEMBER)
#undef SQLITE_MEMBER

#endif
