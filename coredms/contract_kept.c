/* Kept checkpoints and skipped offsets. */
#include "coredms/contract.h"

#include "base/mem.h"

static int save_as(struct test *t, struct coredms *db, const struct checkpoint_head *raised, uint64_t number,
                   int64_t saved_ms, const char *text)
{
    struct checkpoint_head head = {.epoch = raised->epoch,
                                   .number = number,
                                   .generation = raised->generation,
                                   .chunk_count = 1,
                                   .bytes = strlen(text),
                                   .offset = (int64_t)number * 10,
                                   .message_hash = number,
                                   .saved_ms = saved_ms,
                                   .lease_ms = saved_ms + 30000,
                                   .info = (char *)"{\"watermark\":7}"};
    return checkpoint_save(db, &head, text, strlen(text), &t->err);
}

static void save_and_keep(struct test *t, const struct checkpoint_head *raised, uint64_t number, int64_t saved_ms,
                          const char *text)
{
    OK(save_as(t, t->db, raised, number, saved_ms, text));
    OK(checkpoint_keep(t->db, raised->epoch, raised->generation, &t->err));
}

/* "generation.offset=state " of each, in the order listed. */
static void assert_kept(struct test *t, struct coredms *db, const char *wanted)
{
    struct checkpoint_head *heads = NULL;
    struct buf all = {0}, state = {0};
    size_t count = 99;
    OK(checkpoint_kept(db, &heads, &count, &t->err));
    for (size_t i = 0; i < count; i++) {
        OK(checkpoint_load(db, &heads[i], &state, &t->err));
        buf_printf(&all, "%d.%d=%s ", (int)heads[i].generation, (int)heads[i].offset, buf_cstr(&state));
    }
    checkpoint_heads_free(heads, count);
    assert_string_equal(buf_cstr(&all), wanted);
    buf_free(&all);
    buf_free(&state);
}

static void test_kept_checkpoints_outlive_saves(void **state)
{
    struct test *t = *state;
    struct coredms *reader = contract_open(t, "acme", 0);
    struct checkpoint_head raised, *heads;
    size_t count;
    assert_kept(t, reader, "");
    OK(checkpoint_raise(t->db, 1, &raised, &t->err));
    OK(checkpoint_keep(t->db, raised.epoch, 1, &t->err)); /* names nothing yet */
    assert_kept(t, t->db, "");
    save_and_keep(t, &raised, 1, 1000, "one");
    OK(save_as(t, t->db, &raised, 2, 2000, "two"));
    save_and_keep(t, &raised, 3, 3000, "three");
    OK(checkpoint_keep(t->db, raised.epoch, 1, &t->err));
    for (uint64_t n = 4; n < 8; n++)
        OK(save_as(t, t->db, &raised, n, 4000, "later"));
    assert_kept(t, reader, "1.10=one 1.30=three ");
    OK(checkpoint_kept(reader, &heads, &count, &t->err));
    assert_int_equal(count, 2);
    assert_int_equal(heads[1].state_epoch, raised.epoch);
    assert_int_equal(heads[1].number, 3);
    assert_int_equal(heads[1].chunk_count, 1);
    assert_int_equal(heads[1].message_hash, 3);
    assert_int_equal(heads[1].saved_ms, 3000);
    assert_string_equal(heads[1].info, "{\"watermark\":7}");
    checkpoint_heads_free(heads, count);
    checkpoint_head_free(&raised);
    coredms_close(&reader);
}

static void test_what_is_not_kept_goes(void **state)
{
    struct test *t = *state;
    struct checkpoint_head raised, seen;
    struct buf out = {0};
    OK(checkpoint_raise(t->db, 1, &raised, &t->err));
    save_and_keep(t, &raised, 1, 1000, "one");
    OK(save_as(t, t->db, &raised, 2, 2000, "two"));
    OK(checkpoint_head(t->db, &seen, &t->err));
    OK(save_as(t, t->db, &raised, 3, 3000, "three"));
    FAILS(ERR_NOT_FOUND, checkpoint_load(t->db, &seen, &out, &t->err));
    assert_kept(t, t->db, "1.10=one ");
    checkpoint_head_free(&seen);
    checkpoint_head_free(&raised);
    buf_free(&out);
}

static void test_keeping_is_fenced(void **state)
{
    struct test *t = *state;
    struct checkpoint_head old, raised;
    OK(checkpoint_raise(t->db, 1, &old, &t->err));
    OK(save_as(t, t->db, &old, 1, 1000, "one"));
    OK(checkpoint_raise(t->db, 1, &raised, &t->err));
    FAILS(ERR_FENCED, checkpoint_keep(t->db, old.epoch, 1, &t->err));
    FAILS(ERR_FENCED, checkpoint_keep(t->db, raised.epoch, 2, &t->err));
    assert_kept(t, t->db, "");
    OK(checkpoint_keep(t->db, raised.epoch, 1, &t->err)); /* the state that the old one wrote */
    OK(save_as(t, t->db, &raised, 2, 2000, "two"));
    assert_kept(t, t->db, "1.10=one ");
    checkpoint_head_free(&old);
    checkpoint_head_free(&raised);
}

static void test_a_new_generation_leaves_what_was_kept(void **state)
{
    struct test *t = *state;
    struct checkpoint_head first, second;
    OK(checkpoint_raise(t->db, 1, &first, &t->err));
    save_and_keep(t, &first, 5, 1000, "of generation 1");
    OK(checkpoint_raise(t->db, 2, &second, &t->err));
    assert_kept(t, t->db, "1.50=of generation 1 ");
    save_and_keep(t, &second, 1, 2000, "of generation 2");
    OK(save_as(t, t->db, &second, 2, 3000, "now"));
    assert_kept(t, t->db, "1.50=of generation 1 2.10=of generation 2 ");
    checkpoint_head_free(&first);
    checkpoint_head_free(&second);
}

static void test_forgetting(void **state)
{
    struct test *t = *state;
    struct checkpoint_head raised;
    OK(checkpoint_raise(t->db, 1, &raised, &t->err));
    OK(checkpoint_forget(t->db, INT64_MAX, &t->err));
    for (uint64_t n = 1; n <= 5; n++)
        save_and_keep(t, &raised, n, (int64_t)n * 1000, "x");
    OK(checkpoint_forget(t->db, 1000, &t->err));
    assert_kept(t, t->db, "1.10=x 1.20=x 1.30=x 1.40=x 1.50=x ");
    OK(checkpoint_forget(t->db, 3001, &t->err)); /* of 1000, 2000, 3000 the last stays */
    assert_kept(t, t->db, "1.30=x 1.40=x 1.50=x ");
    OK(checkpoint_forget(t->db, 3001, &t->err));
    assert_kept(t, t->db, "1.30=x 1.40=x 1.50=x ");
    OK(save_as(t, t->db, &raised, 6, 6000, "x"));
    assert_kept(t, t->db, "1.30=x 1.40=x 1.50=x ");
    OK(checkpoint_forget(t->db, INT64_MAX, &t->err));
    assert_kept(t, t->db, "1.50=x ");
    checkpoint_head_free(&raised);
}

static void assert_skips(struct test *t, struct coredms *db, const char *wanted)
{
    struct skip_row *rows = NULL;
    struct buf all = {0};
    size_t count = 99;
    OK(skip_list(db, &rows, &count, &t->err));
    for (size_t i = 0; i < count; i++)
        buf_printf(&all, "%llu:%lld-%lld %s@%lld ", (unsigned long long)rows[i].generation, (long long)rows[i].from,
                   (long long)rows[i].to, skip_reason_name(rows[i].reason), (long long)rows[i].at_ms);
    free(rows);
    assert_string_equal(buf_cstr(&all), wanted);
    buf_free(&all);
}

static void test_skips(void **state)
{
    struct test *t = *state;
    struct coredms *reader = contract_open(t, "acme", 0);
    static const struct skip_row rows[] = {
        {2, 0, 9, SKIP_OVERTAKEN, 4}, {1, 7, 7, SKIP_POISON, 1}, {1, 7, INT64_MAX, SKIP_NEW_LOG, 3},
        {1, 1000, 2000, SKIP_GAP, 2}, {1, 7, 7, SKIP_GAP, 99}, /* the same range once more changes nothing */
    };
    static const struct skip_row bad[] = {
        {1, 5, 4, SKIP_GAP, 0}, {1, -1, 4, SKIP_GAP, 0}, {1, 0, 0, SKIP_REASON_COUNT, 0}};
    assert_skips(t, reader, "");
    for (size_t i = 0; i < COUNT(rows); i++)
        OK(skip_add(t->db, &rows[i], &t->err));
    for (size_t i = 0; i < COUNT(bad); i++)
        FAILS(ERR_INVALID, skip_add(t->db, &bad[i], &t->err));
    FAILS(ERR_INTERNAL, skip_add(reader, &rows[0], &t->err));
    assert_skips(t, reader, "1:7-7 poison@1 1:7-9223372036854775807 new-log@3 1:1000-2000 gap@2 2:0-9 overtaken@4 ");
    coredms_close(&reader);
}

static void test_a_purge_takes_them_along(void **state)
{
    struct test *t = *state;
    struct coredms *beta = contract_open(t, "beta", COREDMS_WRITES_STREAM);
    const struct skip_row skip = {1, 7, 7, SKIP_POISON, 1};
    struct checkpoint_head raised;
    OK(checkpoint_raise(t->db, 1, &raised, &t->err));
    save_and_keep(t, &raised, 1, 1000, "one");
    OK(skip_add(t->db, &skip, &t->err));
    OK(skip_add(beta, &skip, &t->err));
    OK(coredms_purge(t->db, "acme", &t->err));
    assert_kept(t, t->db, "");
    assert_skips(t, t->db, "");
    assert_skips(t, beta, "1:7-7 poison@1 ");
    checkpoint_head_free(&raised);
    coredms_close(&beta);
}

int contract_kept(const char *group)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(test_kept_checkpoints_outlive_saves),
        CONTRACT_TEST(test_what_is_not_kept_goes),
        CONTRACT_TEST(test_keeping_is_fenced),
        CONTRACT_TEST(test_a_new_generation_leaves_what_was_kept),
        CONTRACT_TEST(test_forgetting),
        CONTRACT_TEST(test_skips),
        CONTRACT_TEST(test_a_purge_takes_them_along),
    };
    return cmocka_run_group_tests_name(group, tests, NULL, NULL);
}
