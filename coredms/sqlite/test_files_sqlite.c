/* What only SQLite has: files that are not ours, are full, locked, moved or damaged; migrations; query plans. */
#include "coredms/sqlite/files_fixture.h"

#include "base/clock.h"
#include "base/mem.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void open_all(struct test *t)
{
    OK(coredms_open(t->uri, "acme", WRITES_ALL, &t->db, &t->err));
}

static struct connection *file_of(struct test *t, enum db_file file)
{
    return &store_of(t->db)->files[file];
}

static void write_file(const char *path, const char *bytes, size_t len)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, len, out), len);
    assert_int_equal(fclose(out), 0);
}

static off_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_size : -1;
}

static void test_no_database(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    struct tenant_row *rows;
    size_t count;
    char text[5000], now[5000];
    memset(text, 'x', sizeof text);
    write_file(path_of(f, "registry.db"), text, sizeof text);
    FAILS(ERR_DAMAGED, coredms_open(t->uri, NULL, COREDMS_WRITES_REGISTRY, &t->db, &t->err));
    assert_non_null(strstr(t->err.text, "registry.db"));
    assert_non_null(strstr(t->err.text, "not a database"));
    OK(coredms_open(t->uri, NULL, 0, &t->db, &t->err));
    FAILS(ERR_DAMAGED, registry_list(t->db, &rows, &count, &t->err));
    FILE *in = fopen(path_of(f, "registry.db"), "r");
    assert_int_equal(fread(now, 1, sizeof now, in), sizeof now);
    fclose(in);
    assert_memory_equal(now, text, sizeof text);
}

static void test_a_foreign_database(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    run_sql(path_of(f, "registry.db"), "CREATE TABLE theirs(a)");
    off_t size = size_of(path_of(f, "registry.db"));
    FAILS(ERR_INVALID, coredms_open(t->uri, NULL, COREDMS_WRITES_REGISTRY, &t->db, &t->err));
    assert_non_null(strstr(t->err.text, "something else"));
    assert_int_equal(size_of(path_of(f, "registry.db")), size);
    assert_int_equal(size_of(path_of(f, "registry.db-wal")), -1);
}

static void test_swapped_files(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    open_all(t);
    coredms_close(&t->db);
    char *stream = mem_strdup(path_of(f, "tenants/acme/stream.db"));
    assert_int_equal(rename(stream, path_of(f, "tenants/acme/batch.db")), 0);
    free(stream);
    FAILS(ERR_INVALID, coredms_open(t->uri, "acme", COREDMS_WRITES_BATCH, &t->db, &t->err));
    assert_non_null(strstr(t->err.text, "batch.db"));
}

static void test_a_newer_schema(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    struct source source;
    open_all(t);
    coredms_close(&t->db);
    run_summed_sql(path_of(f, "tenants/acme/batch.db"), "PRAGMA user_version = 99");
    FAILS(ERR_INVALID, coredms_open(t->uri, "acme", COREDMS_WRITES_BATCH, &t->db, &t->err));
    assert_non_null(strstr(t->err.text, "newer Belltower"));
    OK(coredms_open(t->uri, "acme", 0, &t->db, &t->err));
    FAILS(ERR_INVALID, history_source(t->db, &source, &t->err));
}

static void test_a_path_that_cannot_be(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    write_file(path_of(f, "tenants"), "x", 1);
    FAILS(ERR_INTERNAL, coredms_open(t->uri, "acme", COREDMS_WRITES_BATCH, &t->db, &t->err));
    assert_null(t->db);
}

static void test_how_files_are_kept(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    struct stat st;
    open_all(t);
    for (int i = 0; i < DB_COUNT; i++) {
        int64_t synchronous;
        sqlite3_stmt *stmt;
        struct connection *c = file_of(t, i);
        OK(sql_int(c, "PRAGMA synchronous", NULL, 0, 0, &synchronous, &t->err));
        assert_int_equal(synchronous, 2); /* FULL */
        assert_int_equal(sql_first(c, "PRAGMA journal_mode", NULL, 0, &stmt, &t->err), 1);
        assert_string_equal((const char *)sqlite3_column_text(stmt, 0), "wal");
        sqlite3_reset(stmt);
    }
    assert_int_equal(stat(path_of(f, "tenants/acme"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static struct result_row large_row(char *body, size_t len, const char *key)
{
    memset(body, 'x', len);
    memcpy(body, "{\"x\":\"", 6);
    memcpy(body + len - 3, "\"}", 3);
    return contract_result("a", key, 0, body);
}

static void test_a_full_disk(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    static char body[20000];
    const struct result_row rows[] = {contract_result("a", "[1]", 0, "{}"), large_row(body, sizeof body, "[2]")};
    struct source s, now;
    int64_t end;
    open_all(t);
    OK(history_raise(t->db, 1, &s, &t->err));
    struct connection *c = file_of(t, DB_BATCH);
    int64_t pages;
    OK(sql_int(c, "PRAGMA page_count", NULL, 0, 0, &pages, &t->err));
    char limit[64];
    snprintf(limit, sizeof limit, "PRAGMA max_page_count = %lld", (long long)pages + 1);
    OK(sql_script(c, limit, &t->err));
    s.number = 1;
    FAILS(ERR_FULL, history_put(t->db, rows, 2, &s, &t->err));
    OK(history_source(t->db, &now, &t->err));
    assert_int_equal(now.number, 0);
    FAILS(ERR_NOT_FOUND, history_latest(t->db, "a", &end, &t->err));
    OK(sql_script(c, "PRAGMA max_page_count = 1000000", &t->err));
    OK(history_put(t->db, rows, 2, &s, &t->err));
    OK(history_source(t->db, &now, &t->err));
    assert_int_equal(now.number, 1);
}

static void test_a_full_disk_at_a_checkpoint(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    struct checkpoint_head raised, head;
    static char large[100000];
    open_all(t);
    OK(checkpoint_raise(t->db, 1, &raised, &t->err));
    head = raised;
    head.number = 1;
    head.chunk_count = 1;
    head.bytes = 3;
    OK(checkpoint_save(t->db, &head, "one", 3, &t->err));
    OK(sql_script(file_of(t, DB_STREAM), "PRAGMA max_page_count = 1", &t->err)); /* no growth */
    head.number = 2;
    head.bytes = sizeof large;
    FAILS(ERR_FULL, checkpoint_save(t->db, &head, large, sizeof large, &t->err));
    struct checkpoint_head found;
    struct buf out = {0};
    OK(checkpoint_head(t->db, &found, &t->err));
    OK(checkpoint_load(t->db, &found, &out, &t->err));
    assert_string_equal(buf_cstr(&out), "one");
    buf_free(&out);
    checkpoint_head_free(&raised);
    checkpoint_head_free(&found);
}

static void test_a_locked_file(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    struct source s;
    sqlite3 *other;
    open_all(t);
    OK(history_raise(t->db, 1, &s, &t->err));
    assert_int_equal(sqlite3_open(path_of(f, "tenants/acme/batch.db"), &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_busy_timeout(file_of(t, DB_BATCH)->db, 1);
    FAILS(ERR_UNAVAILABLE, history_put(t->db, NULL, 0, &s, &t->err));
    FAILS(ERR_UNAVAILABLE, coredms_ping(t->db, &t->err));
    OK(history_source(t->db, &s, &t->err)); /* readers go on */
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    OK(history_put(t->db, NULL, 0, &s, &t->err));
    OK(coredms_ping(t->db, &t->err));
}

/* Moves a file of the test's directory; a second call moves it back. */
static void move(const struct files *f, const char *from, const char *to)
{
    char *source = mem_strdup(path_of(f, from));
    assert_int_equal(rename(source, path_of(f, to)), 0);
    free(source);
}

static void test_a_removed_file_is_no_place_to_write(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    struct checkpoint_head head;
    struct coredms *second = NULL;
    struct source s;
    open_all(t);
    OK(checkpoint_raise(t->db, 1, &head, &t->err));
    OK(history_raise(t->db, 1, &s, &t->err));
    move(f, "tenants/acme/stream.db", "stream.aside");
    move(f, "tenants/acme/batch.db", "batch.aside");
    FAILS(ERR_UNAVAILABLE, checkpoint_save(t->db, &head, NULL, 0, &t->err));
    assert_non_null(strstr(t->err.text, "stream.db"));
    assert_non_null(strstr(t->err.text, "removed"));
    FAILS(ERR_UNAVAILABLE, history_put(t->db, NULL, 0, &s, &t->err));
    FAILS(ERR_UNAVAILABLE, coredms_ping(t->db, &t->err));
    FAILS(ERR_UNAVAILABLE, coredms_open(t->uri, "acme", COREDMS_WRITES_STREAM, &second, &t->err));
    assert_null(second);
    assert_int_equal(size_of(path_of(f, "tenants/acme/stream.db")), -1); /* nothing was begun anew */
    move(f, "stream.aside", "tenants/acme/stream.db");
    move(f, "batch.aside", "tenants/acme/batch.db");
    OK(checkpoint_save(t->db, &head, NULL, 0, &t->err));
    OK(history_put(t->db, NULL, 0, &s, &t->err));
    checkpoint_head_free(&head);
}

static void test_a_removed_registry_is_not_empty(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    struct coredms *reader, *second = NULL;
    struct tenant_row *rows, row = {.tenant = (char *)"acme"};
    size_t count;
    open_all(t);
    OK(registry_add(t->db, &row, "x", 1, &t->err));
    OK(coredms_open(t->uri, NULL, 0, &reader, &t->err));
    OK(registry_list(reader, &rows, &count, &t->err));
    assert_int_equal(count, 1);
    tenant_row_free(&rows[0]);
    free(rows);
    move(f, "registry.db", "aside");
    FAILS(ERR_UNAVAILABLE, registry_list(t->db, &rows, &count, &t->err));
    FAILS(ERR_UNAVAILABLE, registry_list(reader, &rows, &count, &t->err));
    FAILS(ERR_UNAVAILABLE, coredms_open(t->uri, NULL, COREDMS_WRITES_REGISTRY, &second, &t->err));
    write_file(path_of(f, "registry.db"), "", 0);
    FAILS(ERR_UNAVAILABLE, registry_list(t->db, &rows, &count, &t->err));
    assert_non_null(strstr(t->err.text, "replaced"));
    FAILS(ERR_UNAVAILABLE, coredms_open(t->uri, NULL, COREDMS_WRITES_REGISTRY, &second, &t->err));
    coredms_close(&reader);
    coredms_close(&t->db);
    FAILS(ERR_DAMAGED, coredms_open(t->uri, NULL, COREDMS_WRITES_REGISTRY, &second, &t->err));
    assert_non_null(strstr(t->err.text, "registry.db: is missing or empty"));
}

static void test_no_registry_is_begun_beside_tenants(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    open_all(t);
    coredms_close(&t->db);
    move(f, "registry.db", "aside");
    FAILS(ERR_DAMAGED, coredms_open(t->uri, NULL, COREDMS_WRITES_REGISTRY, &t->db, &t->err));
    assert_non_null(strstr(t->err.text, "registry.db: is missing"));
    assert_int_equal(size_of(path_of(f, "registry.db")), -1);
    move(f, "tenants", "tenants.aside");
    OK(coredms_open(t->uri, NULL, COREDMS_WRITES_REGISTRY, &t->db, &t->err));
}

/* Readers and writers alike; the file stays as it is. */
static void expect_gone(struct files *f, off_t size)
{
    struct test *t = &f->test;
    struct source source;
    FAILS(ERR_DAMAGED, coredms_open(t->uri, "acme", COREDMS_WRITES_BATCH | COREDMS_BEGUN, &t->db, &t->err));
    assert_non_null(strstr(t->err.text, "batch.db: is gone or empty: pause the tenant"));
    OK(coredms_open(t->uri, "acme", COREDMS_BEGUN, &t->db, &t->err));
    FAILS(ERR_DAMAGED, history_source(t->db, &source, &t->err));
    coredms_close(&t->db);
    assert_int_equal(size_of(path_of(f, "tenants/acme/batch.db")), size);
}

static void test_a_tenants_file_is_not_begun_anew(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    struct source source;
    unsigned begun;
    OK(coredms_begin(t->uri, "acme", 1, &begun, &t->err));
    OK(coredms_open(t->uri, "acme", COREDMS_WRITES_BATCH | COREDMS_BEGUN, &t->db, &t->err));
    coredms_close(&t->db);
    move(f, "tenants/acme/batch.db", "aside");
    expect_gone(f, -1);
    write_file(path_of(f, "tenants/acme/batch.db"), "", 0);
    expect_gone(f, 0);
    run_sql(path_of(f, "tenants/acme/batch.db"), "VACUUM"); /* a database with nothing in it */
    expect_gone(f, size_of(path_of(f, "tenants/acme/batch.db")));
    OK(coredms_begin(t->uri, "acme", 1, &begun, &t->err));
    assert_int_equal(begun, COREDMS_WRITES_BATCH);
    OK(coredms_open(t->uri, "acme", COREDMS_WRITES_BATCH | COREDMS_BEGUN, &t->db, &t->err));
    OK(history_raise(t->db, 1, &source, &t->err));
}

static void test_damage_is_told(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    struct tenant_row *rows;
    size_t count;
    char noise[8192];
    memset(noise, 0x5a, sizeof noise);
    open_all(t);
    coredms_close(&t->db);
    int fd = open(path_of(f, "registry.db"), O_WRONLY);
    assert_int_equal(pwrite(fd, noise, sizeof noise, 4096), sizeof noise);
    close(fd);
    OK(coredms_open(t->uri, NULL, 0, &t->db, &t->err));
    FAILS(ERR_DAMAGED, registry_list(t->db, &rows, &count, &t->err));
    assert_non_null(strstr(t->err.text, "registry.db"));
    assert_non_null(strstr(t->err.text, "restore from a backup"));
}

static void test_idle_folds_the_log(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    struct source s;
    open_all(t);
    OK(history_raise(t->db, 1, &s, &t->err));
    assert_true(size_of(path_of(f, "tenants/acme/batch.db-wal")) > 0);
    OK(coredms_idle(t->db, &t->err));
    assert_int_equal(size_of(path_of(f, "tenants/acme/batch.db-wal")), 0);
}

/* ---- migrations, with a schema of the test's own ---- */

static const struct migration steps[] = {{"CREATE TABLE a(x)"},
                                         {"CREATE TABLE b(x); INSERT INTO b VALUES(7)"},
                                         {"CREATE TABLE c(x); INSERT INTO nowhere VALUES(1)"}};

static int open_version(struct files *f, int version, bool writes, struct connection *c, bool *missing)
{
    static struct schema schema;
    schema = (struct schema){"own.db", 0, 0x424c5400, steps, version};
    *c = (struct connection){.path = mem_strdup(path_of(f, "own.db")), .schema = &schema, .writes = writes};
    int status = connection_open(c, missing, &f->test.err);
    if (status < 0)
        free(c->path);
    return status;
}

static void close_version(struct connection *c)
{
    connection_close(c);
    free(c->path);
}

static void test_migrations(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    struct connection c;
    int64_t value;
    bool missing;
    OK(open_version(f, 1, true, &c, &missing));
    close_version(&c);
    FAILS(ERR_UNAVAILABLE, open_version(f, 2, false, &c, &missing)); /* a reader waits for the writer */
    OK(open_version(f, 2, true, &c, &missing));
    OK(sql_int(&c, "SELECT x FROM b", NULL, 0, 0, &value, &t->err));
    assert_int_equal(value, 7);
    close_version(&c);
    FAILS(ERR_INTERNAL, open_version(f, 3, true, &c, &missing)); /* fails half-way: nothing of it stays */
    assert_non_null(strstr(t->err.text, "version 3"));
    OK(open_version(f, 2, false, &c, &missing));
    assert_false(missing);
    OK(sql_int(&c, "SELECT count(*) FROM sqlite_schema", NULL, 0, 0, &value, &t->err));
    assert_int_equal(value, 2);
    assert_int_equal(sql_run(&c, "INSERT INTO a VALUES(1)", NULL, 0, &t->err), -1); /* readers cannot write */
    close_version(&c);
    FAILS(ERR_INVALID, open_version(f, 1, true, &c, &missing));
}

static void test_a_file_being_made_reads_as_empty(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    struct tenant_row *rows;
    size_t count;
    write_file(path_of(f, "registry.db"), "", 0);
    OK(coredms_open(t->uri, NULL, 0, &t->db, &t->err));
    OK(registry_list(t->db, &rows, &count, &t->err));
    assert_int_equal(count, 0);
    free(rows);
}

/* ---- plans ---- */

static void assert_plan(struct test *t, const char *sql, const char *wanted)
{
    sqlite3_stmt *stmt;
    struct connection *c = file_of(t, DB_BATCH);
    char *explain = mem_printf("EXPLAIN QUERY PLAN %s", sql);
    struct buf plan = {0};
    assert_int_equal(sqlite3_prepare_v2(c->db, explain, -1, &stmt, NULL), SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW)
        buf_printf(&plan, "%s; ", (const char *)sqlite3_column_text(stmt, 3));
    sqlite3_finalize(stmt);
    if (!strstr(buf_cstr(&plan), wanted) || strstr(plan.data, "SCAN") || strstr(plan.data, "TEMP"))
        fail_msg("%s: %s", sql, plan.data);
    buf_free(&plan);
    free(explain);
}

static void test_plans(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    open_all(t);
    assert_plan(t,
                "SELECT body FROM results WHERE stream = ? AND window_start < ? AND (window_start, key) > (?, ?)"
                " ORDER BY window_start, key LIMIT 5",
                "USING PRIMARY KEY (stream=? AND (window_start,key)>(?,?) AND window_start<?)");
    assert_plan(t,
                "SELECT stream FROM results WHERE stream = ?1 AND window_start < ?2 AND window_end < ?2"
                " ORDER BY window_start, key LIMIT ?3",
                "USING PRIMARY KEY (stream=? AND window_start<?)");
    assert_plan(t,
                "SELECT id FROM runs WHERE job = ? AND (created_ms, id) < (?, ?) ORDER BY created_ms DESC, id DESC"
                " LIMIT 5",
                "runs_by_job (job=? AND (created_ms,id)<(?,?))");
    assert_plan(t, "SELECT id FROM runs WHERE (created_ms, id) < (?, ?) ORDER BY created_ms DESC, id DESC LIMIT 5",
                "runs_by_created ((created_ms,id)<(?,?))");
}

static bool count_groups(void *context, const struct value *values, size_t count)
{
    (void)values;
    *(size_t *)context += count;
    return true;
}

static void test_grouping_ends_at_its_deadline(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    const struct expr_name by = {"k", VALUE_INT};
    const struct history_group g = {.filter = {.stream = "a", .to = INT64_MAX}, .by = &by, .by_count = 1};
    size_t count = 20000, groups = 0;
    struct result_row *rows = mem_zero(count, sizeof *rows);
    char(*bodies)[64] = mem_zero(count, sizeof *bodies);
    struct source s;
    open_all(t);
    OK(history_raise(t->db, 1, &s, &t->err));
    for (size_t i = 0; i < count; i++) {
        snprintf(bodies[i], sizeof *bodies, "{\"k\":%zu}", i);
        rows[i] = contract_result("a", "[1]", (int64_t)i, bodies[i]);
    }
    OK(history_put(t->db, rows, count, &s, &t->err));
    FAILS(ERR_TIMEOUT, history_group(t->db, &g, clock_mono_ms() + 2, count_groups, &groups, &t->err));
    assert_int_equal(groups, 0);
    OK(history_group(t->db, &g, clock_mono_ms() + 60000, count_groups, &groups, &t->err));
    assert_int_equal(groups, count);
    free(bodies);
    free(rows);
}

static void test_no_module(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    setenv("BELLTOWER_MODULES", f->directory, 1);
    FAILS(ERR_INVALID, coredms_open("mongodb://127.0.0.1", NULL, 0, &t->db, &t->err));
    assert_non_null(strstr(t->err.text, "libbelltower-mongodb.so"));
    unsetenv("BELLTOWER_MODULES");
}

#define FILES_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILES_TEST(test_no_database),
        FILES_TEST(test_a_foreign_database),
        FILES_TEST(test_swapped_files),
        FILES_TEST(test_a_newer_schema),
        FILES_TEST(test_a_path_that_cannot_be),
        FILES_TEST(test_how_files_are_kept),
        FILES_TEST(test_a_full_disk),
        FILES_TEST(test_a_full_disk_at_a_checkpoint),
        FILES_TEST(test_a_locked_file),
        FILES_TEST(test_a_removed_file_is_no_place_to_write),
        FILES_TEST(test_a_removed_registry_is_not_empty),
        FILES_TEST(test_no_registry_is_begun_beside_tenants),
        FILES_TEST(test_a_tenants_file_is_not_begun_anew),
        FILES_TEST(test_damage_is_told),
        FILES_TEST(test_idle_folds_the_log),
        FILES_TEST(test_migrations),
        FILES_TEST(test_a_file_being_made_reads_as_empty),
        FILES_TEST(test_plans),
        FILES_TEST(test_grouping_ends_at_its_deadline),
        FILES_TEST(test_no_module),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
