/* A directory for a SQLite store of one test's own, and the files in it. */
#ifndef BELLTOWER_COREDMS_SQLITE_FILES_FIXTURE_H
#define BELLTOWER_COREDMS_SQLITE_FILES_FIXTURE_H

#include "base/files.h"
#include "base/mem.h"
#include "coredms/contract.h"
#include "coredms/sqlite/store.h"

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

/* Runs SQL on a file outside of the store. */
static inline void run_sql(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

#endif
