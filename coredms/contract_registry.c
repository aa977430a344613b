#include "coredms/contract.h"

#include "base/mem.h"

static struct tenant_row tenant(const char *name)
{
    return (struct tenant_row){.tenant = mem_strdup(name),
                               .title = mem_strdup("Acme base stations"),
                               .state = TENANT_CREATING,
                               .token_hash = mem_strdup("00ff"),
                               .created_ms = 1700000000123,
                               .changed_ms = 1700000000124};
}

static uint64_t add(struct test *t, const char *name, const char *app)
{
    struct tenant_row row = tenant(name);
    OK(registry_add(t->db, &row, app, strlen(app), &t->err));
    uint64_t generation = row.generation;
    assert_int_equal(row.version, 1);
    tenant_row_free(&row);
    return generation;
}

static void remove_tenant(struct test *t, const char *name)
{
    OK(registry_set_state(t->db, name, TENANT_REMOVING, false, &t->err));
    OK(registry_drop(t->db, name, &t->err));
}

static void test_empty(void **state)
{
    struct test *t = *state;
    struct tenant_row *rows = NULL, row;
    size_t count = 99;
    uint32_t version = 99;
    char *text;
    OK(registry_list(t->db, &rows, &count, &t->err));
    assert_int_equal(count, 0);
    free(rows);
    FAILS(ERR_NOT_FOUND, registry_get(t->db, "acme", &row, &t->err));
    FAILS(ERR_NOT_FOUND, registry_get_app(t->db, "acme", 0, &text, &count, &version, &t->err));
    FAILS(ERR_NOT_FOUND, registry_set_state(t->db, "acme", TENANT_PAUSED, false, &t->err));
    FAILS(ERR_NOT_FOUND, registry_set_token(t->db, "acme", "00", &t->err));
    FAILS(ERR_NOT_FOUND, registry_add_app(t->db, "acme", 1, "x", "y", 1, &version, &t->err));
    OK(registry_app_unpublished(t->db, "acme", &version, &t->err));
    assert_int_equal(version, 0);
    OK(registry_drop(t->db, "acme", &t->err));
    OK(coredms_purge(t->db, "acme", &t->err));
    OK(coredms_ping(t->db, &t->err));
    OK(coredms_idle(t->db, &t->err));
    assert_true(coredms_block_ms(t->db) > 0);
}

static void test_add_and_get(void **state)
{
    struct test *t = *state;
    struct tenant_row row;
    assert_int_equal(add(t, "acme", "tenant: acme\n"), 1);
    OK(registry_get(t->db, "acme", &row, &t->err));
    assert_string_equal(row.tenant, "acme");
    assert_string_equal(row.title, "Acme base stations");
    assert_int_equal(row.state, TENANT_CREATING);
    assert_false(row.keep_data);
    assert_int_equal(row.generation, 1);
    assert_int_equal(row.version, 1);
    assert_string_equal(row.token_hash, "00ff");
    assert_int_equal(row.created_ms, 1700000000123);
    assert_int_equal(row.changed_ms, 1700000000124);
    tenant_row_free(&row);
    struct tenant_row again = tenant("acme");
    FAILS(ERR_EXISTS, registry_add(t->db, &again, "x", 1, &t->err));
    assert_int_equal(again.generation, 0);
    tenant_row_free(&again);
}

static void test_nulls_and_bytes(void **state)
{
    struct test *t = *state;
    struct tenant_row row = {.tenant = mem_strdup("acme")}, got;
    static const char app[] = "a\0b\xc3\xa4\n";
    char *text;
    size_t len;
    uint32_t version;
    OK(registry_add(t->db, &row, app, sizeof app - 1, &t->err));
    tenant_row_free(&row);
    OK(registry_get(t->db, "acme", &got, &t->err));
    assert_null(got.title);
    assert_null(got.token_hash);
    tenant_row_free(&got);
    OK(registry_get_app(t->db, "acme", 0, &text, &len, &version, &t->err));
    assert_int_equal(len, sizeof app - 1);
    assert_memory_equal(text, app, sizeof app);
    free(text);
}

static void test_list_is_sorted(void **state)
{
    struct test *t = *state;
    static const char *const names[] = {"zeta", "acme", "acme-2", "beta"}, *const sorted[] = {"acme", "acme-2", "beta",
                                                                                              "zeta"};
    struct tenant_row *rows;
    size_t count;
    for (size_t i = 0; i < COUNT(names); i++)
        add(t, names[i], "x");
    OK(registry_list(t->db, &rows, &count, &t->err));
    assert_int_equal(count, COUNT(sorted));
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(rows[i].tenant, sorted[i]);
        tenant_row_free(&rows[i]);
    }
    free(rows);
}

static void test_states(void **state)
{
    struct test *t = *state;
    struct tenant_row row;
    add(t, "acme", "x");
    add(t, "beta", "x");
    OK(registry_set_state(t->db, "acme", TENANT_RUNNING, false, &t->err));
    OK(registry_set_state(t->db, "acme", TENANT_PAUSED, false, &t->err));
    FAILS(ERR_CONFLICT, registry_drop(t->db, "acme", &t->err));
    OK(registry_set_state(t->db, "acme", TENANT_RUNNING, false, &t->err));
    FAILS(ERR_CONFLICT, registry_drop(t->db, "acme", &t->err));
    OK(registry_set_state(t->db, "acme", TENANT_REMOVING, true, &t->err));
    FAILS(ERR_CONFLICT, registry_set_state(t->db, "acme", TENANT_RUNNING, false, &t->err));
    OK(registry_set_state(t->db, "acme", TENANT_REMOVING, true, &t->err));
    OK(registry_get(t->db, "acme", &row, &t->err));
    assert_int_equal(row.state, TENANT_REMOVING);
    assert_true(row.keep_data);
    assert_true(row.changed_ms > 1700000000124);
    tenant_row_free(&row);
    OK(registry_get(t->db, "beta", &row, &t->err));
    assert_int_equal(row.state, TENANT_CREATING);
    tenant_row_free(&row);
    OK(registry_drop(t->db, "beta", &t->err)); /* one whose making was broken off */
    FAILS(ERR_NOT_FOUND, registry_get(t->db, "beta", &row, &t->err));
}

static void test_generations_rise_over_removals(void **state)
{
    struct test *t = *state;
    struct tenant_row row;
    char *text;
    size_t len;
    uint32_t version;
    uint64_t generation;
    OK(registry_generation(t->db, "acme", &generation, &t->err));
    assert_int_equal(generation, 0);
    assert_int_equal(add(t, "acme", "one"), 1);
    OK(registry_add_app(t->db, "acme", 1, NULL, "two", 3, &version, &t->err));
    remove_tenant(t, "acme");
    FAILS(ERR_NOT_FOUND, registry_get(t->db, "acme", &row, &t->err));
    FAILS(ERR_NOT_FOUND, registry_get_app(t->db, "acme", 1, &text, &len, &version, &t->err));
    OK(registry_drop(t->db, "acme", &t->err));
    OK(registry_generation(t->db, "acme", &generation, &t->err));
    assert_int_equal(generation, 1);
    assert_int_equal(add(t, "acme", "three"), 2);
    assert_int_equal(add(t, "beta", "x"), 1);
    OK(registry_get_app(t->db, "acme", 0, &text, &len, &version, &t->err));
    assert_string_equal(text, "three");
    assert_int_equal(version, 1);
    free(text);
    FAILS(ERR_NOT_FOUND, registry_get_app(t->db, "acme", 2, &text, &len, &version, &t->err));
}

static void test_token(void **state)
{
    struct test *t = *state;
    struct tenant_row row;
    add(t, "acme", "x");
    OK(registry_set_token(t->db, "acme", "abcd", &t->err));
    OK(registry_get(t->db, "acme", &row, &t->err));
    assert_string_equal(row.token_hash, "abcd");
    tenant_row_free(&row);
}

static void test_app_versions(void **state)
{
    struct test *t = *state;
    struct tenant_row row;
    char *text;
    size_t len;
    uint32_t version = 0;
    add(t, "acme", "one");
    OK(registry_add_app(t->db, "acme", 1, "New title", "two", 3, &version, &t->err));
    assert_int_equal(version, 2);
    FAILS(ERR_CONFLICT, registry_add_app(t->db, "acme", 1, "Other", "lost", 4, &version, &t->err));
    assert_int_equal(version, 2);
    OK(registry_add_app(t->db, "acme", 2, NULL, "three", 5, &version, &t->err));
    OK(registry_get(t->db, "acme", &row, &t->err));
    assert_string_equal(row.title, "New title");
    assert_int_equal(row.version, 3);
    tenant_row_free(&row);
    static const char *const texts[] = {"three", "one", "two", "three"};
    for (uint32_t i = 0; i < 4; i++) {
        OK(registry_get_app(t->db, "acme", i, &text, &len, &version, &t->err));
        assert_string_equal(text, texts[i]);
        assert_int_equal(len, strlen(texts[i]));
        assert_int_equal(version, i ? i : 3);
        free(text);
    }
    FAILS(ERR_NOT_FOUND, registry_get_app(t->db, "acme", 4, &text, &len, &version, &t->err));
}

static void test_large_app(void **state)
{
    struct test *t = *state;
    struct tenant_row row = tenant("acme");
    size_t len = 256 * 1024, got_len;
    char *app = mem_alloc(len), *got;
    uint32_t version;
    for (size_t i = 0; i < len; i++)
        app[i] = (char)('a' + i % 26);
    OK(registry_add(t->db, &row, app, len, &t->err));
    tenant_row_free(&row);
    OK(registry_get_app(t->db, "acme", 1, &got, &got_len, &version, &t->err));
    assert_int_equal(got_len, len);
    assert_memory_equal(got, app, len);
    free(got);
    free(app);
}

static void test_published(void **state)
{
    struct test *t = *state;
    uint32_t version;
    add(t, "acme", "one");
    add(t, "beta", "one");
    OK(registry_app_unpublished(t->db, "acme", &version, &t->err));
    assert_int_equal(version, 0);
    OK(registry_add_app(t->db, "acme", 1, NULL, "two", 3, &version, &t->err));
    OK(registry_add_app(t->db, "acme", 2, NULL, "three", 5, &version, &t->err));
    OK(registry_app_unpublished(t->db, "beta", &version, &t->err));
    assert_int_equal(version, 0);
    OK(registry_app_unpublished(t->db, "acme", &version, &t->err));
    assert_int_equal(version, 2);
    OK(registry_app_published(t->db, "acme", 2, &t->err));
    OK(registry_app_published(t->db, "acme", 2, &t->err));
    OK(registry_app_unpublished(t->db, "acme", &version, &t->err));
    assert_int_equal(version, 3);
    OK(registry_app_published(t->db, "acme", 3, &t->err));
    OK(registry_app_unpublished(t->db, "acme", &version, &t->err));
    assert_int_equal(version, 0);
    FAILS(ERR_NOT_FOUND, registry_app_published(t->db, "acme", 4, &t->err));
}

static void test_two_handles(void **state)
{
    struct test *t = *state;
    struct coredms *other = contract_open(t, NULL, COREDMS_WRITES_REGISTRY), *reader = contract_open(t, NULL, 0);
    struct tenant_row row = tenant("acme"), got;
    uint32_t version;
    add(t, "acme", "one");
    FAILS(ERR_EXISTS, registry_add(other, &row, "two", 3, &t->err));
    tenant_row_free(&row);
    OK(registry_add_app(other, "acme", 1, "By the other", "two", 3, &version, &t->err));
    FAILS(ERR_CONFLICT, registry_add_app(t->db, "acme", 1, NULL, "three", 5, &version, &t->err));
    OK(registry_get(reader, "acme", &got, &t->err));
    assert_string_equal(got.title, "By the other");
    tenant_row_free(&got);
    coredms_close(&other);
    coredms_close(&reader);
}

static void test_misuse(void **state)
{
    struct test *t = *state;
    struct coredms *reader = contract_open(t, NULL, 0), *none = NULL;
    static const char *const bad[] = {"",    "..",  "a/b", "Acme",
                                      "a b", "a|b", "a$b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    struct tenant_row row;
    struct source source;
    for (size_t i = 0; i < COUNT(bad); i++) {
        FAILS(ERR_INVALID, registry_get(reader, bad[i], &row, &t->err));
        FAILS(ERR_INVALID, coredms_open(t->uri, bad[i], 0, &none, &t->err));
    }
    FAILS(ERR_INTERNAL, registry_set_token(reader, "acme", "00", &t->err));
    FAILS(ERR_INTERNAL, history_source(reader, &source, &t->err));
    FAILS(ERR_INTERNAL, history_raise(reader, 1, &source, &t->err));
    FAILS(ERR_INTERNAL, coredms_open(t->uri, NULL, COREDMS_WRITES_BATCH, &none, &t->err));
    FAILS(ERR_INVALID, coredms_open("postgres://localhost", "acme", 0, &none, &t->err));
    FAILS(ERR_INVALID, coredms_open("sqlite:", "acme", 0, &none, &t->err));
    assert_null(none);
    coredms_close(&reader);
    coredms_close(&reader);
}

int contract_registry(const char *group)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(test_empty),           CONTRACT_TEST(test_add_and_get),
        CONTRACT_TEST(test_nulls_and_bytes), CONTRACT_TEST(test_list_is_sorted),
        CONTRACT_TEST(test_states),          CONTRACT_TEST(test_generations_rise_over_removals),
        CONTRACT_TEST(test_token),           CONTRACT_TEST(test_app_versions),
        CONTRACT_TEST(test_large_app),       CONTRACT_TEST(test_published),
        CONTRACT_TEST(test_two_handles),     CONTRACT_TEST(test_misuse),
    };
    return cmocka_run_group_tests_name(group, tests, NULL, NULL);
}
