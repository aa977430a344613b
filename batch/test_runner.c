/* Queries one after another: the thread and what it holds stay for the next, go when none comes, and come again. */
#include "batch/runner.h"

#include "base/files.h"
#include "base/json.h"
#include "base/mem.h"
#include "coredms/coredms.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char app_text[] = "tenant: acme\n"
                               "events: { time: { field: t, format: unix_ms }, fields: { n: int } }\n"
                               "streams: [ { name: a, key: [n], window: { tumbling: 5m }, select: { c: count() } } ]\n"
                               "jobs: [ { name: all, from: a, range: 1h, select: { c: sum(c) } } ]\n";

struct test {
    char directory[64];
    struct settings settings;
    struct runner runner;
    struct err err;
};

static void add_tenant(struct test *t)
{
    struct tenant_row row = {.tenant = (char *)"acme", .title = (char *)"Acme", .state = TENANT_RUNNING};
    struct coredms *db;
    assert_int_equal(coredms_open(t->settings.coredms, "acme", COREDMS_WRITES_REGISTRY, &db, &t->err), 0);
    assert_int_equal(registry_add(db, &row, app_text, strlen(app_text), &t->err), 0);
    coredms_close(&db);
    unsigned begun;
    assert_int_equal(coredms_begin(t->settings.coredms, "acme", 1, &begun, &t->err), 0);
}

static int set_up(void **state)
{
    struct test *t = mem_zero(1, sizeof *t);
    strcpy(t->directory, "/tmp/belltower-runner-XXXXXX");
    assert_non_null(mkdtemp(t->directory));
    t->settings.coredms = mem_printf("sqlite:%s", t->directory);
    t->settings.job_limit = 60000;
    add_tenant(t);
    assert_int_equal(runner_open(&t->runner, &t->settings, "acme", &t->err), 0);
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct test *t = *state;
    runner_close(&t->runner);
    assert_int_equal(files_remove_tree(t->directory), 0);
    free((char *)t->settings.coredms);
    free(t);
    return 0;
}

static void ask(struct test *t, const char *job, uint32_t version, uint64_t op)
{
    const struct run_row run = {.id = (char *)"r", .job = (char *)job, .version = version, .from = 0, .to = 3600000};
    assert_int_equal(runner_start(&t->runner, &run, op, &t->err), 0);
    struct pollfd p = {.fd = t->runner.done_fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 60000), 1);
    assert_true(runner_ended(&t->runner));
    assert_false(runner_ended(&t->runner)); /* once per query */
    assert_int_equal(t->runner.op, op);
}

static void test_one_after_another(void **state)
{
    struct test *t = *state;
    for (uint64_t op = 1; op <= 3; op++) {
        ask(t, "all", 1, op);
        assert_false(t->runner.failed);
        assert_true(json_valid(t->runner.report.data, t->runner.report.len, NULL));
        assert_non_null(t->runner.store); /* kept */
        assert_non_null(t->runner.app);
    }
}

static void test_a_failure_begins_anew(void **state)
{
    struct test *t = *state;
    ask(t, "none", 1, 1);
    assert_true(t->runner.failed);
    assert_int_equal(t->runner.err.code, ERR_NOT_FOUND);
    ask(t, "all", 2, 2);
    assert_true(t->runner.failed);
    ask(t, "all", 1, 3);
    assert_false(t->runner.failed);
}

static void test_goes_when_idle_and_comes_again(void **state)
{
    struct test *t = *state;
    t->runner.idle_ms = 0;
    ask(t, "all", 1, 1);
    assert_int_equal(pthread_join(t->runner.thread, NULL), 0);
    assert_true(t->runner.left);
    assert_null(t->runner.store);
    t->runner.started = false; /* joined here */
    t->runner.idle_ms = 60000;
    ask(t, "all", 1, 2);
    assert_false(t->runner.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_after_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_failure_begins_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_goes_when_idle_and_comes_again, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
