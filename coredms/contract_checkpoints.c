#include "coredms/contract.h"

#include "base/mem.h"

static struct checkpoint_head head_for(const struct checkpoint_head *raised, uint64_t number, size_t len)
{
    return (struct checkpoint_head){.epoch = raised->epoch,
                                    .number = number,
                                    .generation = raised->generation,
                                    .chunk_count =
                                        (uint32_t)((len + CHECKPOINT_CHUNK_BYTES - 1) / CHECKPOINT_CHUNK_BYTES),
                                    .bytes = len,
                                    .offset = (int64_t)number * 10,
                                    .message_hash = UINT64_MAX - number,
                                    .saved_ms = 1700000000000 + (int64_t)number,
                                    .lease_ms = 1700000030000 + (int64_t)number,
                                    .info = (char *)"{\"watermark\":1}"};
}

static int save_text(struct test *t, struct coredms *db, const struct checkpoint_head *raised, uint64_t number,
                     const char *text)
{
    struct checkpoint_head head = head_for(raised, number, strlen(text));
    return checkpoint_save(db, &head, text, strlen(text), &t->err);
}

static void assert_state(struct test *t, struct coredms *db, const char *text)
{
    struct checkpoint_head head;
    struct buf out = {0};
    OK(checkpoint_head(db, &head, &t->err));
    OK(checkpoint_load(db, &head, &out, &t->err));
    assert_string_equal(buf_cstr(&out), text);
    buf_free(&out);
    checkpoint_head_free(&head);
}

static void test_first(void **state)
{
    struct test *t = *state;
    struct checkpoint_head head;
    struct buf out = {0};
    FAILS(ERR_NOT_FOUND, checkpoint_head(t->db, &head, &t->err));
    OK(checkpoint_raise(t->db, 3, &head, &t->err));
    assert_int_equal(head.epoch, 1);
    assert_int_equal(head.number, 0);
    assert_int_equal(head.generation, 3);
    assert_int_equal(head.chunk_count, 0);
    assert_int_equal(head.bytes, 0);
    assert_int_equal(head.offset, -1);
    assert_int_equal(head.message_hash, 0);
    assert_string_equal(head.info, "{}");
    buf_add_str(&out, "old");
    OK(checkpoint_load(t->db, &head, &out, &t->err));
    assert_int_equal(out.len, 0);
    buf_free(&out);
    checkpoint_head_free(&head);
}

static void test_save_and_load(void **state)
{
    struct test *t = *state;
    struct checkpoint_head raised, head;
    OK(checkpoint_raise(t->db, 1, &raised, &t->err));
    OK(save_text(t, t->db, &raised, 1, "one"));
    OK(save_text(t, t->db, &raised, 2, "two"));
    OK(checkpoint_head(t->db, &head, &t->err));
    assert_int_equal(head.epoch, raised.epoch);
    assert_int_equal(head.state_epoch, raised.epoch);
    assert_int_equal(head.number, 2);
    assert_int_equal(head.generation, 1);
    assert_int_equal(head.chunk_count, 1);
    assert_int_equal(head.bytes, 3);
    assert_int_equal(head.offset, 20);
    assert_true(head.message_hash == UINT64_MAX - 2);
    assert_int_equal(head.saved_ms, 1700000000002);
    assert_int_equal(head.lease_ms, 1700000030002);
    assert_string_equal(head.info, "{\"watermark\":1}");
    assert_state(t, t->db, "two");
    OK(save_text(t, t->db, &raised, 2, "two")); /* repeated */
    assert_state(t, t->db, "two");
    checkpoint_head_free(&raised);
    checkpoint_head_free(&head);
}

static void test_refresh_keeps_the_state(void **state)
{
    struct test *t = *state;
    struct checkpoint_head raised, head, found;
    OK(checkpoint_raise(t->db, 1, &raised, &t->err));
    OK(save_text(t, t->db, &raised, 7, "kept"));
    head = head_for(&raised, 99, 0);
    head.info = (char *)"{\"fresh\":true}";
    OK(checkpoint_save(t->db, &head, NULL, 0, &t->err));
    OK(checkpoint_head(t->db, &found, &t->err));
    assert_int_equal(found.number, 7);
    assert_int_equal(found.chunk_count, 1);
    assert_int_equal(found.bytes, 4);
    assert_int_equal(found.offset, 990);
    assert_true(found.message_hash == UINT64_MAX - 99);
    assert_int_equal(found.lease_ms, 1700000030099);
    assert_string_equal(found.info, "{\"fresh\":true}");
    assert_state(t, t->db, "kept");
    checkpoint_head_free(&raised);
    checkpoint_head_free(&found);
}

static char *pattern(size_t len, unsigned seed)
{
    char *p = mem_alloc(len);
    for (size_t i = 0; i < len; i++)
        p[i] = (char)((i * 2654435761u + seed) >> 13);
    return p;
}

static void save_pattern(struct test *t, const struct checkpoint_head *raised, uint64_t number, size_t len)
{
    char *bytes = pattern(len, (unsigned)number);
    struct checkpoint_head head = head_for(raised, number, len), found;
    struct buf out = {0};
    OK(checkpoint_save(t->db, &head, bytes, len, &t->err));
    OK(checkpoint_head(t->db, &found, &t->err));
    assert_int_equal(found.chunk_count, head.chunk_count);
    OK(checkpoint_load(t->db, &found, &out, &t->err));
    assert_int_equal(out.len, len);
    assert_memory_equal(out.data, bytes, len);
    checkpoint_head_free(&found);
    buf_free(&out);
    free(bytes);
}

static void test_many_chunks(void **state)
{
    struct test *t = *state;
    struct checkpoint_head raised;
    static const size_t sizes[] = {CHECKPOINT_CHUNK_BYTES,
                                   CHECKPOINT_CHUNK_BYTES + 1,
                                   2 * CHECKPOINT_CHUNK_BYTES,
                                   5 * CHECKPOINT_CHUNK_BYTES / 2,
                                   1,
                                   CHECKPOINT_CHUNK_BYTES - 1};
    OK(checkpoint_raise(t->db, 1, &raised, &t->err));
    for (size_t i = 0; i < COUNT(sizes); i++)
        save_pattern(t, &raised, i + 1, sizes[i]);
    checkpoint_head_free(&raised);
}

static void test_an_unfit_head_is_refused(void **state)
{
    struct test *t = *state;
    struct checkpoint_head raised, head;
    OK(checkpoint_raise(t->db, 1, &raised, &t->err));
    head = head_for(&raised, 1, 10);
    FAILS(ERR_INVALID, checkpoint_save(t->db, &head, "123", 3, &t->err));
    head = head_for(&raised, 1, 3);
    head.chunk_count = 2;
    FAILS(ERR_INVALID, checkpoint_save(t->db, &head, "123", 3, &t->err));
    head = head_for(&raised, 1, 3);
    head.info = (char *)"{";
    FAILS(ERR_INVALID, checkpoint_save(t->db, &head, "123", 3, &t->err));
    checkpoint_head_free(&raised);
}

static void test_the_fence(void **state)
{
    struct test *t = *state;
    struct coredms *newer = contract_open(t, "acme", COREDMS_WRITES_STREAM);
    struct checkpoint_head old, raised, stale;
    OK(checkpoint_raise(t->db, 1, &old, &t->err));
    OK(save_text(t, t->db, &old, 1, "of the old one"));
    OK(checkpoint_raise(newer, 1, &raised, &t->err));
    assert_int_equal(raised.epoch, old.epoch + 1);
    assert_int_equal(raised.number, 1);
    assert_int_equal(raised.state_epoch, old.epoch);
    assert_state(t, newer, "of the old one");
    FAILS(ERR_FENCED, save_text(t, t->db, &old, 2, "stale"));
    stale = head_for(&old, 2, 0);
    FAILS(ERR_FENCED, checkpoint_save(t->db, &stale, NULL, 0, &t->err));
    assert_state(t, newer, "of the old one");
    OK(save_text(t, newer, &raised, 2, "of the new one"));
    FAILS(ERR_FENCED, save_text(t, t->db, &old, 2, "stale"));
    FAILS(ERR_FENCED, save_text(t, t->db, &old, 3, "stale"));
    assert_state(t, newer, "of the new one");
    checkpoint_head_free(&old);
    checkpoint_head_free(&raised);
    coredms_close(&newer);
}

static void test_generations(void **state)
{
    struct test *t = *state;
    struct checkpoint_head first, second, third;
    OK(checkpoint_raise(t->db, 1, &first, &t->err));
    OK(save_text(t, t->db, &first, 5, "of generation 1"));
    OK(checkpoint_raise(t->db, 2, &second, &t->err));
    assert_int_equal(second.epoch, first.epoch + 1);
    assert_int_equal(second.generation, 2);
    assert_int_equal(second.number, 0);
    assert_int_equal(second.chunk_count, 0);
    assert_int_equal(second.offset, -1);
    FAILS(ERR_FENCED, checkpoint_raise(t->db, 1, &third, &t->err));
    FAILS(ERR_FENCED, save_text(t, t->db, &first, 6, "stale"));
    OK(save_text(t, t->db, &second, 1, "of generation 2"));
    assert_state(t, t->db, "of generation 2");
    checkpoint_head_free(&first);
    checkpoint_head_free(&second);
}

static void test_a_replaced_checkpoint_is_not_found(void **state)
{
    struct test *t = *state;
    struct coredms *reader = contract_open(t, "acme", 0);
    struct checkpoint_head raised, seen;
    struct buf out = {0};
    FAILS(ERR_NOT_FOUND, checkpoint_head(reader, &seen, &t->err));
    OK(checkpoint_raise(t->db, 1, &raised, &t->err));
    OK(save_text(t, t->db, &raised, 1, "one"));
    OK(checkpoint_head(reader, &seen, &t->err));
    OK(save_text(t, t->db, &raised, 2, "two"));
    FAILS(ERR_NOT_FOUND, checkpoint_load(reader, &seen, &out, &t->err));
    assert_state(t, reader, "two");
    buf_free(&out);
    checkpoint_head_free(&raised);
    checkpoint_head_free(&seen);
    coredms_close(&reader);
}

static void test_tenants_are_apart(void **state)
{
    struct test *t = *state;
    struct coredms *beta = contract_open(t, "acme-2", COREDMS_WRITES_STREAM);
    struct checkpoint_head a, b;
    OK(checkpoint_raise(t->db, 1, &a, &t->err));
    OK(save_text(t, t->db, &a, 1, "acme's"));
    OK(checkpoint_raise(beta, 1, &b, &t->err));
    assert_int_equal(b.epoch, 1);
    assert_int_equal(b.number, 0);
    OK(save_text(t, beta, &b, 1, "acme-2's"));
    assert_state(t, t->db, "acme's");
    OK(coredms_purge(t->db, "acme", &t->err));
    assert_state(t, beta, "acme-2's");
    checkpoint_head_free(&a);
    checkpoint_head_free(&b);
    coredms_close(&beta);
}

static void test_purge(void **state)
{
    struct test *t = *state;
    struct coredms *reader = contract_open(t, "acme", 0), *later;
    struct checkpoint_head raised, head;
    OK(checkpoint_raise(t->db, 1, &raised, &t->err));
    OK(save_text(t, t->db, &raised, 1, "old"));
    assert_state(t, reader, "old");
    coredms_close(&t->db);
    t->db = contract_open(t, NULL, COREDMS_WRITES_REGISTRY);
    OK(coredms_purge(t->db, "acme", &t->err));
    FAILS(ERR_NOT_FOUND, checkpoint_head(reader, &head, &t->err));
    later = contract_open(t, "acme", COREDMS_WRITES_STREAM);
    checkpoint_head_free(&raised);
    OK(checkpoint_raise(later, 2, &raised, &t->err));
    assert_int_equal(raised.number, 0);
    OK(save_text(t, later, &raised, 1, "new"));
    assert_state(t, reader, "new");
    checkpoint_head_free(&raised);
    coredms_close(&reader);
    assert_state(t, later, "new");
    coredms_close(&later);
}

int contract_checkpoints(const char *group)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(test_first),
        CONTRACT_TEST(test_save_and_load),
        CONTRACT_TEST(test_refresh_keeps_the_state),
        CONTRACT_TEST(test_many_chunks),
        CONTRACT_TEST(test_an_unfit_head_is_refused),
        CONTRACT_TEST(test_the_fence),
        CONTRACT_TEST(test_generations),
        CONTRACT_TEST(test_a_replaced_checkpoint_is_not_found),
        CONTRACT_TEST(test_tenants_are_apart),
        CONTRACT_TEST(test_purge),
    };
    return cmocka_run_group_tests_name(group, tests, NULL, NULL);
}
