/* The pages' checksums: written and checked by the shim, understood by every SQLite. */
#include "coredms/sqlite/files_fixture.h"

#include "base/hash.h"

#include <fcntl.h>
#include <sys/stat.h>

/* ---- the shim under SQL of the test's own, beside a SQLite without it ---- */

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static void copy_file(const char *from, const char *to)
{
    char bytes[65536];
    size_t n;
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_non_null(out);
    while (in && (n = fread(bytes, 1, sizeof bytes, in)) > 0)
        assert_int_equal(fwrite(bytes, 1, n, out), n);
    if (in)
        fclose(in);
    assert_int_equal(fclose(out), 0);
}

static void run(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

static uint32_t sum_of_rows(sqlite3 *db)
{
    sqlite3_stmt *s;
    uint32_t sum = 0;
    int code;
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT k, v FROM t ORDER BY k", -1, &s, NULL), SQLITE_OK);
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        int64_t k = sqlite3_column_int64(s, 0);
        sum = hash_crc32c(sum, &k, sizeof k);
        sum = hash_crc32c(sum, sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1));
    }
    assert_int_equal(code, SQLITE_DONE);
    assert_int_equal(sqlite3_finalize(s), SQLITE_OK);
    return sum;
}

static sqlite3 *open_by(const char *vfs, const char *path)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs), SQLITE_OK);
    sqlite3_extended_result_codes(db, 1);
    return db;
}

static sqlite3 *new_summed(const char *path, int page_size)
{
    char text[64];
    int reserved = PAGE_SUM_BYTES;
    assert_true(pages_register());
    sqlite3 *db = open_by(PAGES_VFS, path);
    snprintf(text, sizeof text, "PRAGMA page_size = %d", page_size);
    run(db, text);
    assert_int_equal(sqlite3_file_control(db, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved), SQLITE_OK);
    assert_int_equal(sqlite3_file_control(db, "main", PAGES_FCNTL_SUM, NULL), SQLITE_OK);
    run(db, "PRAGMA journal_mode = WAL; CREATE TABLE t(k INTEGER PRIMARY KEY, v BLOB, w TEXT); CREATE INDEX i ON t(w)");
    return db;
}

static void change(sqlite3 *db, uint32_t *seed)
{
    char text[160];
    uint32_t kind = next_random(seed) % 10, k = next_random(seed) % 300, len = next_random(seed) % 3000;
    if (kind < 7)
        snprintf(text, sizeof text, "INSERT OR REPLACE INTO t VALUES(%u, randomblob(%u), hex(randomblob(%u)))", k, len,
                 len % 40);
    else if (kind < 9)
        snprintf(text, sizeof text, "DELETE FROM t WHERE k BETWEEN %u AND %u", k, k + len % 60);
    else
        snprintf(text, sizeof text, "UPDATE t SET w = w || 'x' WHERE k > %u", k);
    run(db, text);
}

/* A transaction larger than the cache writes frames before it commits, and writes over them. */
static void change_much(sqlite3 *db, uint32_t *seed)
{
    uint32_t count = next_random(seed) % 25, inner = next_random(seed) % 4;
    run(db, "BEGIN IMMEDIATE");
    for (uint32_t i = 0; i < count; i++)
        change(db, seed);
    if (inner < 2) {
        run(db, "SAVEPOINT s");
        for (uint32_t i = 0; i < count; i++)
            change(db, seed);
        run(db, inner ? "ROLLBACK TO s; RELEASE s" : "RELEASE s");
    }
    run(db, next_random(seed) % 5 ? "COMMIT" : "ROLLBACK");
}

/* What a crash would leave now, opened by a SQLite with and without the shim. */
static void expect_after_a_crash(const struct files *f, const char *vfs, uint32_t rows)
{
    char from[160], to[160];
    static const char *const suffixes[] = {"", "-wal"};
    for (int i = 0; i < 2; i++) {
        snprintf(from, sizeof from, "%s/own.db%s", f->directory, suffixes[i]);
        snprintf(to, sizeof to, "%s/crashed.db%s", f->directory, suffixes[i]);
        copy_file(from, to);
    }
    sqlite3 *db = open_by(vfs, path_of(f, "crashed.db"));
    assert_int_equal(sum_of_rows(db), rows);
    run(db, "INSERT INTO t VALUES(-1, 'more', '')");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    db = open_by(vfs, path_of(f, "crashed.db"));
    run(db, "DELETE FROM t WHERE k = -1");
    assert_int_equal(sum_of_rows(db), rows);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void change_by_two(struct files *f, int page_size, uint32_t seed)
{
    sqlite3 *db[2] = {new_summed(path_of(f, "own.db"), page_size), open_by(PAGES_VFS, path_of(f, "own.db"))};
    for (int i = 0; i < 2; i++)
        run(db[i], "PRAGMA cache_size = 8; PRAGMA wal_autocheckpoint = 200; PRAGMA synchronous = FULL");
    for (int turn = 0; turn < 60; turn++) {
        change_much(db[next_random(&seed) % 2], &seed);
        uint32_t rows = sum_of_rows(db[0]);
        assert_int_equal(sum_of_rows(db[1]), rows);
        expect_after_a_crash(f, turn % 2 ? PAGES_VFS : NULL, rows);
        if (next_random(&seed) % 10 == 0)
            run(db[0], "PRAGMA wal_checkpoint(TRUNCATE)");
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(sqlite3_close(db[i]), SQLITE_OK);
    sqlite3 *last = open_by(PAGES_VFS, path_of(f, "own.db"));
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_prepare_v2(last, "PRAGMA integrity_check", -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(s, 0), "ok");
    sqlite3_finalize(s);
    assert_int_equal(sqlite3_close(last), SQLITE_OK);
    assert_int_equal(unlink(path_of(f, "own.db")), 0);
}

static void test_every_sqlite_reads_what_two_wrote(void **state)
{
    static const int sizes[] = {512, 1024, 4096, 65536};
    for (size_t i = 0; i < COUNT(sizes); i++)
        change_by_two(*state, sizes[i], (uint32_t)i + 1);
}

static void test_another_program_writes_meanwhile(void **state)
{
    struct files *f = *state;
    sqlite3 *ours = new_summed(path_of(f, "own.db"), 4096), *theirs;
    run(ours, "INSERT INTO t VALUES(1, 'one', ''), (2, 'two', '')");
    uint32_t rows = sum_of_rows(ours);
    theirs = open_by(NULL, path_of(f, "own.db"));
    assert_int_equal(sum_of_rows(theirs), rows); /* reading does no harm */
    run(theirs, "UPDATE t SET w = 'x' WHERE k = 2");
    int code = sqlite3_exec(ours, "INSERT INTO t VALUES(3, 'three', '')", NULL, NULL, NULL);
    assert_int_equal(code, SQLITE_IOERR_DATA); /* nothing is taken that a crash would lose */
    assert_int_equal(sqlite3_close(theirs), SQLITE_OK);
    assert_int_equal(sqlite3_close(ours), SQLITE_OK);
}

/* A log whose chain was broken takes no more frames, although no page of the broken ones is read. */
static void test_nothing_is_written_behind_a_broken_chain(void **state)
{
    struct files *f = *state;
    sqlite3 *ours = new_summed(path_of(f, "own.db"), 4096), *other;
    char byte;
    run(ours, "INSERT INTO t VALUES(1, 'one', '')");
    other = open_by(PAGES_VFS, path_of(f, "own.db"));
    assert_int_equal(sum_of_rows(other), sum_of_rows(ours));
    run(ours, "UPDATE t SET v = 'two'");
    FILE *log = fopen(path_of(f, "own.db-wal"), "rb+");
    assert_non_null(log);
    assert_int_equal(fseek(log, -4096 - 24 + 20, SEEK_END), 0); /* the last frame's sum */
    assert_int_equal(fread(&byte, 1, 1, log), 1);
    byte ^= 4;
    assert_int_equal(fseek(log, -1, SEEK_CUR), 0);
    assert_int_equal(fwrite(&byte, 1, 1, log), 1);
    assert_int_equal(fclose(log), 0);
    assert_int_equal(sqlite3_exec(other, "UPDATE t SET v = 'three'", NULL, NULL, NULL), SQLITE_IOERR_DATA);
    assert_int_equal(sqlite3_exec(ours, "UPDATE t SET v = 'three'", NULL, NULL, NULL), SQLITE_IOERR_DATA);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    assert_int_equal(sqlite3_close(ours), SQLITE_OK);
}

static void test_no_page_is_mapped(void **state)
{
    struct files *f = *state;
    sqlite3 *db = new_summed(path_of(f, "own.db"), 4096);
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA mmap_size = 1000000", -1, &s, NULL), SQLITE_OK);
    if (sqlite3_step(s) == SQLITE_ROW)
        assert_int_equal(sqlite3_column_int64(s, 0), 0);
    sqlite3_finalize(s);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* ---- the store's files ---- */

static void open_all(struct test *t)
{
    OK(coredms_open(t->uri, "acme", WRITES_ALL, &t->db, &t->err));
}

static void put_one(struct test *t, struct source *s, const char *key)
{
    const struct result_row row = contract_result("a", key, 0, "{\"n\":7}");
    s->number++;
    OK(history_put(t->db, &row, 1, s, &t->err));
}

static bool count_row(void *context, const struct result_row *row)
{
    ++*(int *)context;
    assert_string_equal(row->body, "{\"n\":7}");
    return true;
}

static void expect_results(struct test *t, int wanted)
{
    const struct history_filter all = {.to = INT64_MAX};
    int seen = 0;
    OK(history_query(t->db, &all, 100, NULL, NULL, count_row, &seen, &t->err));
    assert_int_equal(seen, wanted);
}

static void test_a_value_written_by_another_program(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    struct source s;
    const struct history_filter all = {.to = INT64_MAX};
    int seen = 0;
    open_all(t);
    OK(history_raise(t->db, 1, &s, &t->err));
    put_one(t, &s, "[1]");
    coredms_close(&t->db);
    run_sql(path_of(f, "tenants/acme/batch.db"), "UPDATE results SET body = '{\"n\":8}'");
    OK(coredms_open(t->uri, "acme", COREDMS_READS, &t->db, &t->err));
    FAILS(ERR_DAMAGED, history_query(t->db, &all, 10, NULL, NULL, count_row, &seen, &t->err));
    assert_non_null(strstr(t->err.text, "batch.db: is damaged (a page does not have its checksum)"));
    assert_int_equal(seen, 0);
}

struct told {
    int count;
    char last[200];
};

static void note_damage(void *context, const char *where)
{
    struct told *told = context;
    told->count++;
    snprintf(told->last, sizeof told->last, "%s", where);
}

static void flip_bits(const char *path, off_t at, unsigned bits)
{
    unsigned char byte;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= (unsigned char)bits;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void flip_byte(const char *path, off_t at)
{
    flip_bits(path, at, 1);
}

/* What an inspection by a reader of its own tells; *pages: how many it looked at. */
static struct told inspected(struct test *t, int64_t *pages)
{
    struct told told = {0};
    struct coredms *db;
    OK(coredms_open(t->uri, "acme", COREDMS_READS, &db, &t->err));
    OK(coredms_inspect(db, note_damage, &told, pages, &t->err));
    coredms_close(&db);
    return told;
}

static void fill_pages(struct test *t, struct source *s, size_t rows)
{
    char body[1024] = {0};
    struct result_row row = contract_result("a", "[1]", 0, body);
    memset(body, ' ', sizeof body);
    memcpy(body, "{\"n\":7", 6);
    body[sizeof body - 1] = '}';
    row.body_len = sizeof body;
    for (size_t i = 0; i < rows; i++) {
        row.window_start = (int64_t)i * 300000;
        row.window_end = row.window_start + 300000;
        contract_put(t, s, &row, 1);
    }
}

static void test_every_page_is_inspected(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    struct source s;
    struct stat st;
    size_t gone;
    int64_t pages, now;
    char path[160];
    open_all(t);
    OK(history_raise(t->db, 1, &s, &t->err));
    fill_pages(t, &s, 40);
    OK(history_expire(t->db, INT64_MAX, 30, &gone, &t->err)); /* leaves free pages */
    coredms_close(&t->db);
    assert_int_equal(inspected(t, &pages).count, 0);
    snprintf(path, sizeof path, "%s", path_of(f, "tenants/acme/batch.db"));
    assert_int_equal(stat(path, &st), 0);
    for (off_t page = 2; page <= st.st_size / 4096; page++) {
        char where[200];
        flip_byte(path, (page - 1) * 4096 + 2000);
        struct told told = inspected(t, &now);
        snprintf(where, sizeof where, "%s: page %lld", path, (long long)page);
        assert_int_equal(told.count, 1);
        assert_string_equal(told.last, where);
        assert_int_equal(now, pages);
        flip_byte(path, (page - 1) * 4096 + 2000);
    }
    assert_int_equal(inspected(t, &pages).count, 0);
}

static void test_the_log_is_inspected(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    struct source s;
    int64_t pages, with_log;
    char path[160];
    open_all(t);
    OK(history_raise(t->db, 1, &s, &t->err));
    OK(coredms_idle(t->db, &t->err));
    assert_int_equal(inspected(t, &pages).count, 0);
    fill_pages(t, &s, 20); /* pages that only the log has, and newer ones of what the file has */
    assert_int_equal(inspected(t, &with_log).count, 0);
    assert_true(with_log > pages);
    snprintf(path, sizeof path, "%s", path_of(f, "tenants/acme/batch.db-wal"));
    flip_byte(path, 32 + 24 + 2000);
    struct told told = inspected(t, &pages);
    assert_int_equal(told.count, 1);
    assert_non_null(strstr(told.last, "batch.db-wal: page "));
    flip_byte(path, 32 + 24 + 2000);
}

static bool count_any(void *context, const struct result_row *row)
{
    (void)row;
    ++*(int *)context;
    return true;
}

/* By a reader of its own: all rows, or the word that the file is damaged. */
static bool reads_all(struct test *t, int rows)
{
    const struct history_filter all = {.to = INT64_MAX};
    struct coredms *db;
    int seen = 0;
    OK(coredms_open(t->uri, "acme", COREDMS_READS, &db, &t->err));
    bool good = history_query(db, &all, 1000, NULL, NULL, count_any, &seen, &t->err) == 0;
    coredms_close(&db);
    if (good)
        assert_int_equal(seen, rows);
    else
        assert_int_equal(t->err.code, ERR_DAMAGED);
    return good;
}

/* Page 1 is in the log, so SQLite reads of the file's head only what tells the size of a page, if that. */
static void test_a_damaged_head_beside_a_live_log(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    struct source s;
    char path[160];
    int refused = 0;
    open_all(t);
    OK(history_raise(t->db, 1, &s, &t->err));
    fill_pages(t, &s, 40);
    OK(coredms_idle(t->db, &t->err));
    fill_pages(t, &s, 80);
    assert_true(reads_all(t, 80));
    snprintf(path, sizeof path, "%s", path_of(f, "tenants/acme/batch.db"));
    for (off_t at = 0; at < 100; at++)
        for (unsigned bit = 1; bit < 256; bit *= 2) {
            int64_t pages;
            flip_bits(path, at, bit);
            refused += !reads_all(t, 80);
            if (!(at >= 24 && at < 28) && !(at >= 40 && at < 44) && at < 92) /* page_sum.c: the others change nothing */
                assert_true(inspected(t, &pages).count > 0);
            flip_bits(path, at, bit);
        }
    assert_true(refused < 800);
    assert_true(reads_all(t, 80));
}

/* As the `.backup` of the sqlite3 command, from a file in use. */
static void back_up(const char *from, const char *to)
{
    sqlite3 *source = open_by(NULL, from), *target = open_by(NULL, to);
    sqlite3_backup *b = sqlite3_backup_init(target, "main", source, "main");
    assert_non_null(b);
    assert_int_equal(sqlite3_backup_step(b, -1), SQLITE_DONE);
    assert_int_equal(sqlite3_backup_finish(b), SQLITE_OK);
    assert_int_equal(sqlite3_close(target), SQLITE_OK);
    assert_int_equal(sqlite3_close(source), SQLITE_OK);
}

static void test_a_copy_by_backup_is_whole(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    struct source s;
    char from[160];
    open_all(t);
    OK(history_raise(t->db, 1, &s, &t->err));
    put_one(t, &s, "[1]");
    OK(coredms_idle(t->db, &t->err));
    put_one(t, &s, "[2]"); /* one in the file, one in its log */
    snprintf(from, sizeof from, "%s", path_of(f, "tenants/acme/batch.db"));
    back_up(from, path_of(f, "copy.db"));
    put_one(t, &s, "[3]");
    expect_results(t, 3);
    coredms_close(&t->db);
    assert_int_equal(rename(path_of(f, "copy.db"), from), 0);
    open_all(t);
    expect_results(t, 2);
    OK(history_source(t->db, &s, &t->err));
    put_one(t, &s, "[4]");
    expect_results(t, 3);
}

/* ---- files of before ---- */

static void expect_old(struct test *t, struct coredms *db)
{
    struct checkpoint_head head;
    struct tenant_row row;
    struct buf out = {0};
    const struct history_filter all = {.to = INT64_MAX};
    int seen = 0;
    OK(registry_get(db, "acme", &row, &t->err));
    assert_int_equal(row.rewind.base_number, 7);
    tenant_row_free(&row);
    OK(checkpoint_head(db, &head, &t->err));
    OK(checkpoint_load(db, &head, &out, &t->err));
    assert_string_equal(buf_cstr(&out), "kept");
    checkpoint_head_free(&head);
    buf_free(&out);
    OK(history_query(db, &all, 10, NULL, NULL, count_row, &seen, &t->err));
    assert_int_equal(seen, 1);
}

static int64_t version_of(struct test *t, struct coredms *db, enum db_file file)
{
    int64_t version;
    OK(sql_int(&store_of(db)->files[file], "PRAGMA user_version", NULL, 0, 0, &version, &t->err));
    return version;
}

static void test_a_reader_before_during_and_after_the_migration(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    struct coredms *reader;
    lay_down_version(f, 2);
    OK(coredms_open(t->uri, "acme", COREDMS_READS, &reader, &t->err));
    expect_old(t, reader);
    assert_int_equal(version_of(t, reader, DB_BATCH), 2);
    struct connection *c = &store_of(reader)->files[DB_BATCH];
    OK(sql_script(c, "BEGIN; SELECT count(*) FROM results", &t->err)); /* holds what it sees */
    open_all(t);
    expect_old(t, t->db);
    expect_old(t, reader);
    OK(sql_script(c, "COMMIT", &t->err));
    expect_old(t, reader);
    for (int i = 0; i < DB_COUNT; i++) {
        assert_int_equal(version_of(t, t->db, i), PAGE_SUMS_VERSION);
        assert_int_equal(version_of(t, reader, i), PAGE_SUMS_VERSION);
    }
    OK(coredms_idle(t->db, &t->err));
    expect_old(t, reader);
    coredms_close(&reader);
    coredms_close(&t->db);
    run_sql(path_of(f, "tenants/acme/stream.db"), "UPDATE head SET offset = 42"); /* now it is seen */
    OK(coredms_open(t->uri, "acme", COREDMS_READS, &t->db, &t->err));
    struct checkpoint_head head;
    FAILS(ERR_DAMAGED, checkpoint_head(t->db, &head, &t->err));
}

/* Broken off between its two transactions, the second is made up for. */
static void test_a_migration_broken_off(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    lay_down_version(f, 2);
    open_all(t);
    coredms_close(&t->db);
    run_summed_sql(path_of(f, "tenants/acme/batch.db"), "PRAGMA user_version = 2");
    OK(coredms_open(t->uri, "acme", COREDMS_READS, &t->db, &t->err));
    expect_old(t, t->db);
    coredms_close(&t->db);
    open_all(t);
    expect_old(t, t->db);
    assert_int_equal(version_of(t, t->db, DB_BATCH), PAGE_SUMS_VERSION);
}

/* What somebody has made of a file with `.dump` comes back in, as a file of version 2. */
static void test_a_file_made_anew_by_another_program(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    struct tenant_row row;
    lay_down_version(f, 2);
    run_sql(path_of(f, "registry.db"), "PRAGMA user_version = 3");
    FAILS(ERR_DAMAGED, coredms_open(t->uri, NULL, COREDMS_WRITES_REGISTRY, &t->db, &t->err));
    OK(coredms_open(t->uri, NULL, COREDMS_READS, &t->db, &t->err));
    FAILS(ERR_DAMAGED, registry_get(t->db, "acme", &row, &t->err));
    coredms_close(&t->db);
    run_sql(path_of(f, "registry.db"), "PRAGMA user_version = 2");
    open_all(t);
    expect_old(t, t->db);
}

#define PAGES_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAGES_TEST(test_every_sqlite_reads_what_two_wrote),
        PAGES_TEST(test_another_program_writes_meanwhile),
        PAGES_TEST(test_nothing_is_written_behind_a_broken_chain),
        PAGES_TEST(test_no_page_is_mapped),
        PAGES_TEST(test_a_value_written_by_another_program),
        PAGES_TEST(test_every_page_is_inspected),
        PAGES_TEST(test_the_log_is_inspected),
        PAGES_TEST(test_a_damaged_head_beside_a_live_log),
        PAGES_TEST(test_a_copy_by_backup_is_whole),
        PAGES_TEST(test_a_reader_before_during_and_after_the_migration),
        PAGES_TEST(test_a_migration_broken_off),
        PAGES_TEST(test_a_file_made_anew_by_another_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
