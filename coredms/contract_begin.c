/* What is begun once, and then known to be gone if it is missing. */
#include "coredms/contract.h"

static struct coredms *open_begun(struct test *t)
{
    coredms_close(&t->db);
    return t->db = contract_open(t, "acme", WRITES_ALL | COREDMS_BEGUN);
}

static void test_what_was_never_begun_is_gone(void **state)
{
    struct test *t = *state;
    struct checkpoint_head head;
    struct source source;
    FAILS(ERR_DAMAGED, checkpoint_raise(open_begun(t), 1, &head, &t->err));
    assert_non_null(strstr(t->err.text, "tenant acme: its checkpoint is gone"));
    FAILS(ERR_DAMAGED, history_raise(t->db, 1, &source, &t->err));
    assert_non_null(strstr(t->err.text, "tenant acme: its history is gone"));
    assert_non_null(strstr(t->err.text, "docs/operations.md"));
}

static void test_what_was_begun_is_there(void **state)
{
    struct test *t = *state;
    struct checkpoint_head head;
    struct source source;
    unsigned begun = 0;
    OK(coredms_begin(t->uri, "acme", 3, &begun, &t->err));
    assert_int_equal(begun, COREDMS_WRITES_STREAM | COREDMS_WRITES_BATCH);
    open_begun(t);
    OK(checkpoint_head(t->db, &head, &t->err));
    assert_int_equal(head.generation, 3);
    assert_int_equal(head.offset, -1);
    checkpoint_head_free(&head);
    OK(history_source(t->db, &source, &t->err));
    assert_int_equal(source.generation, 3);
    assert_int_equal(source.offset, -1);
    OK(checkpoint_raise(t->db, 3, &head, &t->err));
    checkpoint_head_free(&head);
    OK(history_raise(t->db, 3, &source, &t->err));
}

static void test_only_what_is_missing_is_begun(void **state)
{
    struct test *t = *state;
    struct source source = contract_raise(t), after;
    const struct result_row row = contract_result("alarms", "[7]", 0, "{\"n\":1}");
    unsigned begun = 0;
    contract_put(t, &source, &row, 1);
    coredms_close(&t->db);
    OK(coredms_begin(t->uri, "acme", 1, &begun, &t->err));
    assert_int_equal(begun, COREDMS_WRITES_STREAM);
    open_begun(t);
    OK(history_source(t->db, &after, &t->err));
    assert_int_equal(after.epoch, source.epoch);
    assert_int_equal(after.number, source.number);
    OK(coredms_begin(t->uri, "acme", 1, &begun, &t->err));
    assert_int_equal(begun, 0);
}

int contract_begin(const char *group)
{
    const struct CMUnitTest tests[] = {CONTRACT_TEST(test_what_was_never_begun_is_gone),
                                       CONTRACT_TEST(test_what_was_begun_is_there),
                                       CONTRACT_TEST(test_only_what_is_missing_is_begun)};
    return cmocka_run_group_tests_name(group, tests, NULL, NULL);
}
