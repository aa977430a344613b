#include "coredms/contract.h"

#include "base/mem.h"

static struct run_row run(const char *id, const char *job, int64_t created)
{
    return (struct run_row){.id = (char *)id,
                            .job = (char *)job,
                            .cause = RUN_ON_DEMAND,
                            .state = RUN_QUEUED,
                            .generation = 2,
                            .version = 3,
                            .from = -1,
                            .to = -1,
                            .created_ms = created};
}

static void insert(struct test *t, const struct run_row *row)
{
    bool inserted = false;
    OK(run_insert(t->db, row, &inserted, &t->err));
    assert_true(inserted);
}

static void assert_ids(struct run_row *rows, size_t count, const char *wanted)
{
    struct buf ids = {0};
    for (size_t i = 0; i < count; i++) {
        buf_printf(&ids, "%s ", rows[i].id);
        run_row_free(&rows[i]);
    }
    free(rows);
    assert_string_equal(buf_cstr(&ids), wanted);
    buf_free(&ids);
}

static void assert_same(const struct run_row *a, const struct run_row *b)
{
    assert_string_equal(a->id, b->id);
    assert_string_equal(a->job, b->job);
    assert_int_equal(a->cause, b->cause);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->generation, b->generation);
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->from, b->from);
    assert_int_equal(a->to, b->to);
    assert_int_equal(a->after_number, b->after_number);
    assert_int_equal(a->wait_until_ms, b->wait_until_ms);
    assert_int_equal(a->created_ms, b->created_ms);
    assert_int_equal(a->started_ms, b->started_ms);
    assert_int_equal(a->ended_ms, b->ended_ms);
    assert_int_equal(a->complete, b->complete);
    assert_int_equal(a->published, b->published);
    assert_int_equal(a->row_count, b->row_count);
    assert_string_equal(a->request ? a->request : "(null)", b->request ? b->request : "(null)");
    assert_string_equal(a->error ? a->error : "(null)", b->error ? b->error : "(null)");
}

static const struct run_row full = {.id = (char *)"storm:[1,\"a|b\"]:17",
                                    .job = (char *)"last-12h",
                                    .cause = RUN_ON_TRIGGER,
                                    .state = RUN_FAILED,
                                    .generation = 1ull << 40,
                                    .version = UINT32_MAX,
                                    .from = 1700000000000,
                                    .to = 1700000100000,
                                    .after_number = INT64_MAX,
                                    .wait_until_ms = 1700000200000,
                                    .created_ms = 1700000300000,
                                    .started_ms = 1700000400000,
                                    .ended_ms = 1700000500000,
                                    .complete = true,
                                    .published = true,
                                    .row_count = 1ll << 40,
                                    .request = (char *)"{\"a\":\"\xc3\xa4\"}",
                                    .error = (char *)"too much"};

static void test_insert_and_get(void **state)
{
    struct test *t = *state;
    struct run_row got, other = run(full.id, "other", 5);
    bool inserted = true;
    FAILS(ERR_NOT_FOUND, run_get(t->db, full.id, &got, &t->err));
    insert(t, &full);
    OK(run_insert(t->db, &other, &inserted, &t->err)); /* the id is taken, whatever the job */
    assert_false(inserted);
    OK(run_get(t->db, full.id, &got, &t->err));
    assert_same(&got, &full);
    assert_null(got.tenant);
    run_row_free(&got);
    other = run("nulls", "other", 6);
    insert(t, &other);
    OK(run_get(t->db, "nulls", &got, &t->err));
    assert_same(&got, &other);
    run_row_free(&got);
}

static void test_update(void **state)
{
    struct test *t = *state;
    struct run_row row = run("r1", "job", 10), got;
    struct source s = contract_raise(t);
    char *report;
    size_t len;
    insert(t, &row);
    row = full;
    row.id = (char *)"r1";
    FAILS(ERR_NOT_FOUND, run_report(t->db, "r1", &report, &len, &t->err));
    OK(run_update(t->db, &row, s.epoch, NULL, 0, &t->err));
    OK(run_get(t->db, "r1", &got, &t->err));
    assert_same(&got, &row);
    run_row_free(&got);
    FAILS(ERR_NOT_FOUND, run_report(t->db, "r1", &report, &len, &t->err));
    row.state = RUN_DONE;
    OK(run_update(t->db, &row, s.epoch, "{\"rows\":[]}", 11, &t->err));
    row.published = false;
    OK(run_update(t->db, &row, s.epoch, NULL, 0, &t->err)); /* keeps the report */
    OK(run_report(t->db, "r1", &report, &len, &t->err));
    assert_string_equal(report, "{\"rows\":[]}");
    assert_int_equal(len, 11);
    free(report);
    row.id = (char *)"r2";
    FAILS(ERR_NOT_FOUND, run_update(t->db, &row, s.epoch, NULL, 0, &t->err));
    FAILS(ERR_NOT_FOUND, run_update(t->db, &row, s.epoch, "{}", 2, &t->err));
    FAILS(ERR_NOT_FOUND, run_report(t->db, "r2", &report, &len, &t->err));
}

static void test_the_fence(void **state)
{
    struct test *t = *state;
    struct coredms *newer = contract_open(t, "acme", COREDMS_WRITES_BATCH);
    struct run_row row = run("r1", "job", 10), got;
    struct source old = contract_raise(t), fresh;
    char *report;
    size_t len;
    insert(t, &row);
    OK(history_raise(newer, 1, &fresh, &t->err));
    row.state = RUN_DONE;
    FAILS(ERR_FENCED, run_update(t->db, &row, old.epoch, "{}", 2, &t->err));
    FAILS(ERR_FENCED, run_update(t->db, &row, fresh.epoch + 1, "{}", 2, &t->err));
    OK(run_get(newer, "r1", &got, &t->err));
    assert_int_equal(got.state, RUN_QUEUED);
    run_row_free(&got);
    FAILS(ERR_NOT_FOUND, run_report(t->db, "r1", &report, &len, &t->err));
    OK(run_update(newer, &row, fresh.epoch, "{\"by\":\"the new one\"}", 20, &t->err));
    FAILS(ERR_FENCED, run_update(t->db, &row, old.epoch, "{}", 2, &t->err));
    OK(run_report(t->db, "r1", &report, &len, &t->err));
    assert_string_equal(report, "{\"by\":\"the new one\"}");
    free(report);
    coredms_close(&newer);
}

static void test_large_reports(void **state)
{
    struct test *t = *state;
    struct run_row row = run("r1", "job", 10);
    struct source s = contract_raise(t);
    static const size_t sizes[] = {20 * 1024 * 1024 + 17, 1024 * 1024, 1024 * 1024 + 1, 0, 1};
    char *report = mem_alloc(sizes[0]), *got;
    size_t len;
    for (size_t i = 0; i < sizes[0]; i++)
        report[i] = (char)('!' + (i * 31 + i / 1000) % 90);
    insert(t, &row);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        OK(run_update(t->db, &row, s.epoch, report + i, sizes[i] - (sizes[i] > i ? i : 0), &t->err));
        OK(run_report(t->db, "r1", &got, &len, &t->err));
        assert_int_equal(len, sizes[i] - (sizes[i] > i ? i : 0));
        assert_memory_equal(got, report + i, len);
        assert_int_equal(got[len], 0);
        free(got);
    }
    free(report);
}

static void put_listed(struct test *t)
{
    static const struct {
        const char *id, *job;
        int64_t created;
        enum run_cause cause;
        enum run_state state;
    } rows[] = {
        {"a", "x", 10, RUN_ON_DEMAND, RUN_DONE},     {"b", "y", 30, RUN_ON_TRIGGER, RUN_QUEUED},
        {"c", "x", 20, RUN_ON_SCHEDULE, RUN_DONE},   {"d", "x", 30, RUN_ON_TRIGGER, RUN_FAILED},
        {"e", "y", 5, RUN_ON_SCHEDULE, RUN_RUNNING},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct run_row row = run(rows[i].id, rows[i].job, rows[i].created);
        row.cause = rows[i].cause;
        row.state = rows[i].state;
        insert(t, &row);
    }
}

static void assert_list(struct test *t, const char *job, int cause, int state, const char *wanted)
{
    struct run_row *rows;
    size_t count;
    char *next = (char *)"untouched";
    OK(run_list(t->db, job, cause, state, SIZE_MAX, NULL, &rows, &count, &next, &t->err));
    assert_null(next);
    assert_ids(rows, count, wanted);
}

static void test_list(void **state)
{
    struct test *t = *state;
    assert_list(t, NULL, -1, -1, "");
    put_listed(t);
    assert_list(t, NULL, -1, -1, "d b c a e ");
    assert_list(t, "x", -1, -1, "d c a ");
    assert_list(t, NULL, RUN_ON_TRIGGER, -1, "d b ");
    assert_list(t, NULL, -1, RUN_DONE, "c a ");
    assert_list(t, "x", RUN_ON_DEMAND, RUN_DONE, "a ");
    assert_list(t, "z", -1, -1, "");
}

static void test_list_pages(void **state)
{
    struct test *t = *state;
    static const char *const pages[] = {"d b ", "c a ", "e "};
    struct run_row *rows;
    size_t count;
    char *cursor = NULL, *next;
    put_listed(t);
    for (size_t i = 0; i < COUNT(pages); i++) {
        OK(run_list(t->db, NULL, -1, -1, 2, cursor, &rows, &count, &next, &t->err));
        assert_ids(rows, count, pages[i]);
        free(cursor);
        cursor = next;
    }
    assert_null(cursor);
    OK(run_list(t->db, NULL, -1, -1, 1, NULL, &rows, &count, &next, &t->err));
    assert_ids(rows, count, "d ");
    OK(run_list(t->db, NULL, -1, -1, 1, next, &rows, &count, &cursor, &t->err)); /* the same created_ms */
    assert_ids(rows, count, "b ");
    free(next);
    free(cursor);
    FAILS(ERR_INVALID, run_list(t->db, NULL, -1, -1, 2, "nonsense", &rows, &count, &next, &t->err));
}

static void test_pending(void **state)
{
    struct test *t = *state;
    struct run_row *rows, row;
    size_t count;
    OK(run_pending(t->db, &rows, &count, &t->err));
    assert_ids(rows, count, "");
    put_listed(t);
    OK(run_pending(t->db, &rows, &count, &t->err));
    assert_ids(rows, count, "e a c b ");
    struct source s = contract_raise(t);
    OK(run_get(t->db, "a", &row, &t->err));
    row.published = true;
    OK(run_update(t->db, &row, s.epoch, NULL, 0, &t->err));
    run_row_free(&row);
    OK(run_pending(t->db, &rows, &count, &t->err));
    assert_ids(rows, count, "e c b ");
}

static void insert_scheduled(struct test *t, const char *id, const char *job, int64_t to, enum run_cause cause)
{
    struct run_row row = run(id, job, 10);
    row.cause = cause;
    row.from = to - 5;
    row.to = to;
    row.ended_ms = 20;
    insert(t, &row);
}

static void test_last_scheduled(void **state)
{
    struct test *t = *state;
    int64_t to = 7;
    size_t gone;
    FAILS(ERR_NOT_FOUND, run_last_scheduled(t->db, "daily", &to, &t->err));
    insert_scheduled(t, "a", "daily", 300, RUN_ON_SCHEDULE);
    insert_scheduled(t, "b", "daily", 200, RUN_ON_SCHEDULE);
    insert_scheduled(t, "c", "daily", 900, RUN_ON_DEMAND);
    insert_scheduled(t, "d", "weekly.$x", 400, RUN_ON_SCHEDULE);
    OK(run_last_scheduled(t->db, "daily", &to, &t->err));
    assert_int_equal(to, 300);
    OK(run_last_scheduled(t->db, "weekly.$x", &to, &t->err));
    assert_int_equal(to, 400);
    FAILS(ERR_NOT_FOUND, run_last_scheduled(t->db, "monthly", &to, &t->err));
    contract_raise(t);
    OK(history_expire(t->db, 1000, 100, &gone, &t->err));
    assert_int_equal(gone, 4);
    OK(run_last_scheduled(t->db, "daily", &to, &t->err)); /* outlives its run */
    assert_int_equal(to, 300);
}

static void test_expire(void **state)
{
    struct test *t = *state;
    struct source s = contract_raise(t);
    struct run_row row;
    char *report;
    size_t len, gone;
    static const struct {
        const char *id;
        int64_t created, ended;
    } rows[] = {{"old", 10, 90}, {"long", 10, 200}, {"open", 10, 0}, {"old2", 11, 99}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        row = run(rows[i].id, "job", rows[i].created);
        row.ended_ms = rows[i].ended;
        insert(t, &row);
        OK(run_update(t->db, &row, s.epoch, "{}", 2, &t->err));
    }
    OK(history_expire(t->db, 100, 1, &gone, &t->err));
    assert_int_equal(gone, 1);
    FAILS(ERR_NOT_FOUND, run_get(t->db, "old", &row, &t->err));
    OK(history_expire(t->db, 100, 100, &gone, &t->err));
    assert_int_equal(gone, 1);
    assert_list(t, NULL, -1, -1, "open long ");
    FAILS(ERR_NOT_FOUND, run_report(t->db, "old2", &report, &len, &t->err));
    OK(run_report(t->db, "long", &report, &len, &t->err));
    free(report);
}

static void test_bad_runs(void **state)
{
    struct test *t = *state;
    struct run_row row = run("", "job", 1);
    bool inserted;
    FAILS(ERR_INVALID, run_insert(t->db, &row, &inserted, &t->err));
    row = run("r", "job", 1);
    row.state = RUN_STATE_COUNT;
    FAILS(ERR_INVALID, run_insert(t->db, &row, &inserted, &t->err));
    row = run("\xff", "job", 1);
    FAILS(ERR_INVALID, run_insert(t->db, &row, &inserted, &t->err));
    assert_string_equal(run_state_name(RUN_SKIPPED), "skipped");
    assert_string_equal(run_state_name(-1), "?");
    assert_string_equal(run_cause_name(RUN_ON_SCHEDULE), "schedule");
}

static void test_requests(void **state)
{
    struct test *t = *state;
    struct coredms *reader = contract_open(t, NULL, 0);
    struct run_row row = run("r1", "job", 20), got, *rows;
    size_t count;
    FAILS(ERR_NOT_FOUND, request_get(reader, "acme", "r1", &got, &t->err));
    OK(request_add(t->db, "acme", &row, &t->err));
    FAILS(ERR_EXISTS, request_add(t->db, "acme", &row, &t->err));
    OK(request_add(t->db, "beta", &row, &t->err));
    struct run_row all = full;
    all.id = (char *)"r2";
    all.created_ms = 10;
    OK(request_add(t->db, "acme", &all, &t->err));
    OK(request_get(reader, "acme", "r2", &got, &t->err));
    assert_same(&got, &all);
    assert_string_equal(got.tenant, "acme");
    run_row_free(&got);
    OK(request_list(reader, "acme", &rows, &count, &t->err));
    assert_ids(rows, count, "r2 r1 ");
    OK(request_list(reader, NULL, &rows, &count, &t->err));
    assert_int_equal(count, 3);
    assert_string_equal(rows[1].tenant, "acme");
    assert_string_equal(rows[2].tenant, "beta");
    assert_ids(rows, count, "r2 r1 r1 ");
    OK(request_drop(t->db, "acme", "r2", &t->err));
    OK(request_drop(t->db, "acme", "r2", &t->err));
    FAILS(ERR_NOT_FOUND, request_get(reader, "acme", "r2", &got, &t->err));
    OK(registry_drop(t->db, "acme", &t->err));
    OK(request_list(reader, NULL, &rows, &count, &t->err));
    assert_ids(rows, count, "r1 ");
    coredms_close(&reader);
}

int contract_runs(const char *group)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TEST(test_insert_and_get), CONTRACT_TEST(test_update),         CONTRACT_TEST(test_the_fence),
        CONTRACT_TEST(test_large_reports),  CONTRACT_TEST(test_list),           CONTRACT_TEST(test_list_pages),
        CONTRACT_TEST(test_pending),        CONTRACT_TEST(test_last_scheduled), CONTRACT_TEST(test_expire),
        CONTRACT_TEST(test_bad_runs),       CONTRACT_TEST(test_requests),
    };
    return cmocka_run_group_tests_name(group, tests, NULL, NULL);
}
