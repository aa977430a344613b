/* Files as earlier versions left them, by their texts in fixtures/. */
#include "coredms/sqlite/files_fixture.h"

#include "base/mem.h"

static void check_old_tenant(struct test *t)
{
    struct tenant_row row;
    char *text;
    size_t len;
    uint32_t version;
    OK(registry_get(t->db, "acme", &row, &t->err));
    assert_int_equal(row.generation, 2);
    assert_int_equal(row.rewind.generation, 0);
    tenant_row_free(&row);
    OK(registry_get_app(t->db, "acme", 0, &text, &len, &version, &t->err));
    assert_string_equal(text, "two");
    free(text);
}

static void check_old_checkpoint(struct test *t)
{
    struct checkpoint_head head;
    struct buf out = {0};
    OK(checkpoint_raise(t->db, 2, &head, &t->err));
    assert_int_equal(head.epoch, 4);
    assert_int_equal(head.offset, 41);
    OK(checkpoint_load(t->db, &head, &out, &t->err));
    assert_string_equal(buf_cstr(&out), "kept");
    OK(checkpoint_keep(t->db, 4, 2, &t->err));
    checkpoint_head_free(&head);
    buf_free(&out);
}

static bool see_old(void *context, const struct result_row *row)
{
    ++*(int *)context;
    assert_string_equal(row->body, "{\"n\":7}");
    assert_int_equal(row->first_offset, -1);
    assert_int_equal(row->last_offset, -1);
    assert_false(row->withdrawn);
    return true;
}

static void test_files_of_version_1_are_migrated(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    const struct history_filter all = {.to = INT64_MAX};
    int seen = 0;
    lay_down_version(f, 1);
    OK(coredms_open(t->uri, "acme", WRITES_ALL, &t->db, &t->err));
    check_old_tenant(t);
    check_old_checkpoint(t);
    OK(history_query(t->db, &all, 10, NULL, NULL, see_old, &seen, &t->err));
    assert_int_equal(seen, 1);
    for (int i = 0; i < DB_COUNT; i++) {
        int64_t version;
        OK(sql_int(&store_of(t->db)->files[i], "PRAGMA user_version", NULL, 0, 0, &version, &t->err));
        assert_int_equal(version, PAGE_SUMS_VERSION);
    }
}

static void test_a_reader_waits_for_the_migration(void **state)
{
    struct files *f = *state;
    struct test *t = &f->test;
    struct skip_row *rows;
    size_t count;
    lay_down_version(f, 1);
    OK(coredms_open(t->uri, "acme", 0, &t->db, &t->err));
    FAILS(ERR_UNAVAILABLE, skip_list(t->db, &rows, &count, &t->err));
    assert_non_null(strstr(t->err.text, "version 1"));
}

#define FILES_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILES_TEST(test_files_of_version_1_are_migrated),
        FILES_TEST(test_a_reader_waits_for_the_migration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
