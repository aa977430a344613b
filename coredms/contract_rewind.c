/* Rewinds, and tenants put back from a backup. */
#include "coredms/contract.h"

#include "base/mem.h"

static void add(struct test *t, const char *name, enum tenant_state state)
{
    struct tenant_row row = {.tenant = (char *)name, .title = (char *)"Acme", .created_ms = 1, .changed_ms = 2};
    OK(registry_add(t->db, &row, "one", 3, &t->err));
    OK(registry_set_state(t->db, name, state, false, &t->err));
}

static struct tenant_row get(struct test *t, const char *name)
{
    struct tenant_row row;
    OK(registry_get(t->db, name, &row, &t->err));
    return row;
}

static void assert_rewind(const struct rewind_row *is, const struct rewind_row *wanted)
{
    assert_int_equal(is->generation, wanted->generation);
    assert_int_equal(is->to_ms, wanted->to_ms);
    assert_int_equal(is->to_offset, wanted->to_offset);
    assert_int_equal(is->base_epoch, wanted->base_epoch);
    assert_int_equal(is->base_number, wanted->base_number);
    assert_int_equal(is->version, wanted->version);
    assert_int_equal(is->at_ms, wanted->at_ms);
    assert_int_equal(is->log_generation, wanted->log_generation);
    assert_int_equal(is->published, wanted->published);
}

static const struct rewind_row to_offset = {.to_ms = INT64_MIN,
                                            .to_offset = 4711,
                                            .base_epoch = 3,
                                            .base_number = 99,
                                            .version = 1,
                                            .at_ms = 1700000000000,
                                            .log_generation = 1,
                                            .published = true};

static void test_a_rewind_begins_a_generation(void **state)
{
    struct test *t = *state;
    struct rewind_row first = to_offset, second = {.to_ms = 1600000000000, .to_offset = -1, .at_ms = 5};
    const struct rewind_row none = {0};
    add(t, "acme", TENANT_RUNNING);
    struct tenant_row row = get(t, "acme");
    assert_rewind(&row.rewind, &none);
    tenant_row_free(&row);
    OK(registry_rewind(t->db, "acme", 1, &first, &t->err));
    assert_int_equal(first.generation, 2);
    assert_false(first.published);
    row = get(t, "acme");
    assert_int_equal(row.generation, 2);
    assert_int_equal(row.state, TENANT_RUNNING);
    assert_rewind(&row.rewind, &first);
    tenant_row_free(&row);
    OK(registry_rewind(t->db, "acme", 2, &second, &t->err));
    row = get(t, "acme");
    assert_int_equal(row.generation, 3);
    assert_rewind(&row.rewind, &second);
    tenant_row_free(&row);
}

static void test_a_rewind_must_know_the_present(void **state)
{
    struct test *t = *state;
    struct rewind_row rewind = to_offset;
    FAILS(ERR_NOT_FOUND, registry_rewind(t->db, "acme", 1, &rewind, &t->err));
    add(t, "acme", TENANT_PAUSED);
    FAILS(ERR_CONFLICT, registry_rewind(t->db, "acme", 2, &rewind, &t->err));
    OK(registry_rewind(t->db, "acme", 1, &rewind, &t->err));
    FAILS(ERR_CONFLICT, registry_rewind(t->db, "acme", 1, &rewind, &t->err));
    OK(registry_set_state(t->db, "acme", TENANT_CREATING, false, &t->err));
    FAILS(ERR_CONFLICT, registry_rewind(t->db, "acme", 2, &rewind, &t->err));
    OK(registry_set_state(t->db, "acme", TENANT_REMOVING, false, &t->err));
    FAILS(ERR_CONFLICT, registry_rewind(t->db, "acme", 2, &rewind, &t->err));
    assert_int_equal(rewind.generation, 2);
}

static void test_app_versions_stay(void **state)
{
    struct test *t = *state;
    struct rewind_row rewind = to_offset;
    static const char *const texts[] = {"one", "two", "three"};
    uint32_t version, found;
    char *text;
    size_t len;
    add(t, "acme", TENANT_RUNNING);
    OK(registry_add_app(t->db, "acme", 1, NULL, "two", 3, &version, &t->err));
    OK(registry_rewind(t->db, "acme", 1, &rewind, &t->err));
    OK(registry_add_app(t->db, "acme", 2, NULL, "three", 5, &version, &t->err));
    for (uint32_t i = 0; i < 3; i++) {
        OK(registry_get_app(t->db, "acme", i + 1, &text, &len, &found, &t->err));
        assert_string_equal(text, texts[i]);
        free(text);
    }
    OK(registry_app_unpublished(t->db, "acme", &version, &t->err));
    assert_int_equal(version, 2);
}

static void test_a_rewind_is_published_once_known(void **state)
{
    struct test *t = *state;
    struct rewind_row rewind = to_offset;
    add(t, "acme", TENANT_RUNNING);
    FAILS(ERR_NOT_FOUND, registry_rewind_published(t->db, "acme", 1, &t->err));
    OK(registry_rewind(t->db, "acme", 1, &rewind, &t->err));
    FAILS(ERR_NOT_FOUND, registry_rewind_published(t->db, "acme", 3, &t->err));
    FAILS(ERR_NOT_FOUND, registry_rewind_published(t->db, "beta", 2, &t->err));
    OK(registry_rewind_published(t->db, "acme", 2, &t->err));
    OK(registry_rewind_published(t->db, "acme", 2, &t->err));
    struct tenant_row row = get(t, "acme");
    assert_true(row.rewind.published);
    tenant_row_free(&row);
}

/* ---- restoring ---- */

static struct tenant_row backed_up(void)
{
    struct tenant_row row = {.tenant = (char *)"acme",
                             .title = (char *)"Acme base stations",
                             .state = TENANT_PAUSED,
                             .generation = 4,
                             .version = 3,
                             .token_hash = (char *)"00ff",
                             .created_ms = 1700000000123,
                             .changed_ms = 1700000000124,
                             .rewind = to_offset};
    row.rewind.generation = 4;
    return row;
}

static const struct app_text texts[] = {{"one", 3}, {"t\0wo", 4}, {"three", 5}};

static void test_a_tenant_comes_back(void **state)
{
    struct test *t = *state;
    const struct tenant_row put = backed_up();
    uint32_t version;
    char *text;
    size_t len;
    OK(registry_restore(t->db, &put, texts, &t->err));
    struct tenant_row row = get(t, "acme");
    assert_string_equal(row.title, put.title);
    assert_int_equal(row.state, TENANT_PAUSED);
    assert_int_equal(row.generation, 4);
    assert_int_equal(row.version, 3);
    assert_string_equal(row.token_hash, "00ff");
    assert_int_equal(row.created_ms, put.created_ms);
    assert_int_equal(row.changed_ms, put.changed_ms);
    assert_rewind(&row.rewind, &put.rewind);
    tenant_row_free(&row);
    for (uint32_t i = 0; i < 3; i++) {
        OK(registry_get_app(t->db, "acme", i + 1, &text, &len, &version, &t->err));
        assert_int_equal(len, texts[i].len);
        assert_memory_equal(text, texts[i].text, len);
        free(text);
    }
    OK(registry_app_unpublished(t->db, "acme", &version, &t->err));
    assert_int_equal(version, 2);
    OK(registry_add_app(t->db, "acme", 3, NULL, "four", 4, &version, &t->err));
    FAILS(ERR_EXISTS, registry_restore(t->db, &put, texts, &t->err));
}

static void test_generations_go_on_behind_it(void **state)
{
    struct test *t = *state;
    struct tenant_row put = backed_up();
    struct rewind_row rewind = to_offset;
    OK(registry_restore(t->db, &put, texts, &t->err));
    OK(registry_rewind(t->db, "acme", 4, &rewind, &t->err));
    assert_int_equal(rewind.generation, 5);
    OK(registry_set_state(t->db, "acme", TENANT_REMOVING, false, &t->err));
    OK(registry_drop(t->db, "acme", &t->err));
    FAILS(ERR_CONFLICT, registry_restore(t->db, &put, texts, &t->err));
    struct tenant_row row;
    FAILS(ERR_NOT_FOUND, registry_get(t->db, "acme", &row, &t->err));
    put.generation = 5;
    OK(registry_restore(t->db, &put, texts, &t->err));
}

static void test_restoring_checks_the_row(void **state)
{
    struct test *t = *state;
    struct tenant_row put = backed_up();
    put.version = 0;
    FAILS(ERR_INVALID, registry_restore(t->db, &put, texts, &t->err));
    put = backed_up();
    put.generation = 0;
    FAILS(ERR_INVALID, registry_restore(t->db, &put, texts, &t->err));
    put = backed_up();
    put.tenant = (char *)"../acme";
    FAILS(ERR_INVALID, registry_restore(t->db, &put, texts, &t->err));
}

int contract_rewind(const char *group)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(test_a_rewind_begins_a_generation),
        CONTRACT_TEST(test_a_rewind_must_know_the_present),
        CONTRACT_TEST(test_app_versions_stay),
        CONTRACT_TEST(test_a_rewind_is_published_once_known),
        CONTRACT_TEST(test_a_tenant_comes_back),
        CONTRACT_TEST(test_generations_go_on_behind_it),
        CONTRACT_TEST(test_restoring_checks_the_row),
    };
    return cmocka_run_group_tests_name(group, tests, NULL, NULL);
}
