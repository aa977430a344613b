/* A directory for a SQLite store of one test's own, and the files in it. */
#ifndef BELLTOWER_COREDMS_SQLITE_FILES_FIXTURE_H
#define BELLTOWER_COREDMS_SQLITE_FILES_FIXTURE_H

#include "base/files.h"
#include "base/mem.h"
#include "coredms/contract.h"
#include "coredms/sqlite/pages.h"
#include "coredms/sqlite/store.h"

#include <sys/stat.h>
#include <unistd.h>

struct files {
    struct test test;
    char directory[64];
};

static inline int set_up(void **state)
{
    struct files *f = mem_zero(1, sizeof *f);
    strcpy(f->directory, "/tmp/belltower-files-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    f->test.uri = mem_printf("sqlite:%s", f->directory);
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct files *f = *state;
    coredms_close(&f->test.db);
    assert_int_equal(files_remove_tree(f->directory), 0);
    free(f->test.uri);
    free(f);
    return 0;
}

/* A path in the test's directory; lives until the next call. */
static inline const char *path_of(const struct files *f, const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", f->directory, name);
    return path;
}

static inline void run_sql_by(const char *vfs, const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Runs SQL on a file outside of the store, as another program does, which knows nothing of the pages' checksums. */
static inline void run_sql(const char *path, const char *sql)
{
    run_sql_by(NULL, path, sql);
}

/* The same with the checksums kept. */
static inline void run_summed_sql(const char *path, const char *sql)
{
    assert_true(pages_register());
    run_sql_by(PAGES_VFS, path, sql);
}

/* The text of a file of the source tree; free() */
static inline char *read_fixture(const char *name)
{
    char *path = mem_printf("coredms/sqlite/fixtures/%s", name), text[8192];
    FILE *in = fopen(path, "r");
    if (!in)
        fail_msg("%s: run this test in the source's directory", path);
    size_t len = fread(text, 1, sizeof text, in);
    assert_true(len < sizeof text);
    fclose(in);
    free(path);
    return mem_strndup(text, len);
}

/* The files of a tenant as that schema version left them. */
static inline void lay_down_version(const struct files *f, int version)
{
    static const char *const names[][2] = {
        {"registry.db", "registry"}, {"tenants/acme/stream.db", "stream"}, {"tenants/acme/batch.db", "batch"}};
    assert_int_equal(mkdir(path_of(f, "tenants"), 0700), 0);
    assert_int_equal(mkdir(path_of(f, "tenants/acme"), 0700), 0);
    for (size_t i = 0; i < COUNT(names); i++) {
        char name[32];
        snprintf(name, sizeof name, "%s_%d.sql", names[i][1], version);
        char *sql = read_fixture(name);
        run_sql(path_of(f, names[i][0]), sql);
        free(sql);
    }
}

#endif
