/* Calls of the store beside the loop: in order, each answered once, and whoever asks waits for none of them. */
#include "stream/calls.h"

#include "base/mem.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define LIMIT_MS 60000

/* A store that answers when it is let: the offset of a call tells how it goes. */
enum how { WELL, BADLY, SLOWLY };

struct test {
    struct calls calls;
    struct err err;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool let;       /* the slow call may end */
    unsigned begun; /* calls */
};

static void perform(void *context, struct call *call)
{
    struct test *t = context;
    pthread_mutex_lock(&t->lock);
    t->begun++;
    pthread_cond_broadcast(&t->changed);
    while (call->effect.offset == SLOWLY && !t->let)
        pthread_cond_wait(&t->changed, &t->lock);
    pthread_mutex_unlock(&t->lock);
    if (call->effect.offset != BADLY)
        return;
    err_set(&call->err, ERR_FULL, "no room");
    call->answer.err = &call->err;
}

static int set_up(void **state)
{
    struct test *t = mem_zero(1, sizeof *t);
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->changed, NULL);
    assert_int_equal(calls_open(&t->calls, perform, t, &t->err), 0);
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct test *t = *state;
    calls_close(&t->calls);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    free(t);
    return 0;
}

static void ask(struct test *t, uint64_t op, enum how how)
{
    const struct stream_effect save = {.kind = STREAM_SAVE, .op = op, .offset = how};
    calls_ask(&t->calls, &save, STREAM_SAVED);
}

static void let(struct test *t)
{
    pthread_mutex_lock(&t->lock);
    t->let = true;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

static void await_begun(struct test *t, unsigned count)
{
    pthread_mutex_lock(&t->lock);
    while (t->begun < count)
        pthread_cond_wait(&t->changed, &t->lock);
    pthread_mutex_unlock(&t->lock);
}

static bool readable(const struct test *t, int wait_ms)
{
    struct pollfd p = {.fd = t->calls.answered, .events = POLLIN};
    return poll(&p, 1, wait_ms) == 1;
}

static void expect_answer(struct test *t, uint64_t op, enum err_code code)
{
    assert_true(readable(t, LIMIT_MS));
    struct call *call = calls_answer(&t->calls);
    assert_non_null(call);
    assert_int_equal(call->answer.kind, STREAM_SAVED);
    assert_int_equal(call->answer.op, op);
    assert_int_equal(call->answer.err ? call->answer.err->code : ERR_NONE, code);
    free(call);
}

static void test_each_is_answered_once_in_order(void **state)
{
    struct test *t = *state;
    assert_false(readable(t, 0));
    assert_null(calls_answer(&t->calls));
    ask(t, 1, WELL);
    ask(t, 2, BADLY);
    ask(t, 3, WELL);
    expect_answer(t, 1, ERR_NONE);
    expect_answer(t, 2, ERR_FULL);
    expect_answer(t, 3, ERR_NONE);
    assert_null(calls_answer(&t->calls));
    assert_false(readable(t, 0)); /* else the loop would turn without end */
    assert_int_equal(t->begun, 3);
}

static void test_who_asks_goes_on_while_one_is_slow(void **state)
{
    struct test *t = *state;
    assert_int_equal(calls_under_way(&t->calls), 0);
    ask(t, 1, SLOWLY);
    ask(t, 2, WELL);
    await_begun(t, 1);
    assert_true(calls_under_way(&t->calls) > 0);
    assert_null(calls_answer(&t->calls));
    assert_int_equal(t->begun, 1); /* one after the other */
    let(t);
    expect_answer(t, 1, ERR_NONE);
    expect_answer(t, 2, ERR_NONE);
    assert_int_equal(calls_under_way(&t->calls), 0);
}

static void *let_later(void *context)
{
    let(context);
    return NULL;
}

static void test_one_that_takes_too_long_can_be_waited_for(void **state)
{
    struct test *t = *state;
    pthread_t other;
    ask(t, 1, SLOWLY);
    await_begun(t, 1);
    assert_int_equal(pthread_create(&other, NULL, let_later, t), 0);
    calls_await(&t->calls);
    assert_true(readable(t, 0));
    expect_answer(t, 1, ERR_NONE);
    calls_await(&t->calls); /* there is none */
    assert_int_equal(pthread_join(other, NULL), 0);
}

static void test_closing_waits_for_the_one_under_way_only(void **state)
{
    struct test *t = *state;
    pthread_t other;
    ask(t, 1, SLOWLY);
    ask(t, 2, WELL);
    await_begun(t, 1);
    pthread_mutex_lock(&t->calls.lock); /* before the first may end, it is told to close */
    t->calls.closing = true;
    pthread_mutex_unlock(&t->calls.lock);
    assert_int_equal(pthread_create(&other, NULL, let_later, t), 0);
    calls_close(&t->calls);
    assert_true(t->let);
    assert_int_equal(t->begun, 1);
    calls_close(&t->calls); /* a second time it does nothing */
    assert_int_equal(pthread_join(other, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_is_answered_once_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_asks_goes_on_while_one_is_slow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_that_takes_too_long_can_be_waited_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_closing_waits_for_the_one_under_way_only, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
