/* Results into the store: with their place in the queue, once, less at once where the store is slow, after a rewind. */
#include "batch/core_fixture.h"

static void results_are_stored_with_their_offset(void **state)
{
    struct fixture *f = *state;
    start(f, NOON - 12 * HOUR, NULL, 0);
    deliver_result(f, 1);
    deliver_result(f, 2);
    assert_false(take(f, BATCH_STORE));
    advance(f, 100);
    assert_true(take(f, BATCH_STORE));
    assert_int_equal(f->e.row_count, 2);
    assert_int_equal(f->e.source.offset, 1);
    assert_int_equal(f->e.source.number, 2);
    assert_string_equal(f->e.rows[0].key, "[1]");
    assert_int_equal(f->e.rows[0].window_start, NOON - 2 * HOUR);
    answer(f, BATCH_STORED, NULL);
    assert_true(batch_core_effect(f->core, &f->e));
    assert_int_equal(f->e.kind, BATCH_ACK);
    assert_int_equal(f->e.tag, 2);
    assert_true(f->e.multiple);
}

static void a_gap_in_the_numbers_stops_the_tenant(void **state)
{
    struct fixture *f = *state;
    start(f, NOON - 12 * HOUR, NULL, 0);
    deliver_result(f, 1);
    deliver_result(f, 3);
    assert_true(take(f, BATCH_EXIT));
    assert_int_equal(f->e.code, EXIT_STOPPED);
    assert_non_null(strstr(f->e.words, "2 to 2"));
}

static void a_repeat_is_stored_once(void **state)
{
    struct fixture *f = *state;
    start(f, NOON - 12 * HOUR, NULL, 0);
    deliver_result(f, 1);
    deliver_result(f, 1);
    advance(f, 100);
    assert_true(take(f, BATCH_STORE));
    assert_int_equal(f->e.row_count, 1);
    assert_int_equal(f->e.source.offset, 1);
    answer(f, BATCH_STORED, NULL);
}

static void a_full_disk_keeps_the_batch_and_tries_again(void **state)
{
    struct fixture *f = *state;
    struct err err;
    start(f, NOON - 12 * HOUR, NULL, 0);
    deliver_result(f, 1);
    advance(f, 100);
    assert_true(take(f, BATCH_STORE));
    err_set(&err, ERR_FULL, "disk full");
    answer(f, BATCH_STORED, &err);
    struct batch_status s;
    batch_core_status(f->core, &s);
    assert_int_equal(s.state, PAGE_PAUSED);
    advance(f, 1000);
    assert_true(take(f, BATCH_STORE));
    assert_int_equal(f->e.row_count, 1);
    answer(f, BATCH_STORED, NULL);
    batch_core_status(f->core, &s);
    assert_int_equal(s.state, PAGE_READY);
}

static void expect_store(struct fixture *f, size_t rows, bool withdraw, int64_t number)
{
    assert_true(take(f, BATCH_STORE));
    assert_int_equal(f->e.row_count, rows);
    assert_int_equal(f->e.withdraw, withdraw);
    assert_int_equal(f->e.source.number, number);
    assert_int_equal(f->e.source.offset, number - 1);
}

static void fail_store(struct fixture *f)
{
    struct err err;
    err_set(&err, ERR_UNKNOWN, "no answer in time");
    answer(f, BATCH_STORED, &err);
    advance(f, 1000);
}

static void a_slow_store_gets_less_at_once(void **state)
{
    struct fixture *f = *state;
    start(f, NOON - 12 * HOUR, NULL, 0);
    for (int64_t number = 1; number <= 20; number++)
        deliver_result(f, number);
    advance(f, 100);
    expect_store(f, 20, false, 20);
    fail_store(f);
    expect_store(f, 5, false, 5);
    fail_store(f);
    expect_store(f, 1, false, 1);
    answer(f, BATCH_STORED, NULL); /* quickly: the next is larger, and follows at once */
    expect_store(f, 2, false, 3);
    answer(f, BATCH_STORED, NULL);
    expect_store(f, 4, false, 7);
    f->mono += 5000; /* slowly */
    answer(f, BATCH_STORED, NULL);
    expect_store(f, 2, false, 9);
    f->mono += 1000; /* neither */
    answer(f, BATCH_STORED, NULL);
    expect_store(f, 2, false, 11);
    answer(f, BATCH_STORED, NULL);
    expect_store(f, 4, false, 15);
    answer(f, BATCH_STORED, NULL);
    expect_store(f, 5, false, 20);
    answer(f, BATCH_STORED, NULL);
    assert_true(take(f, BATCH_ACK));
    assert_true(f->e.multiple);
    assert_int_equal(f->e.tag, 20);
    advance(f, 1000);
    assert_false(take(f, BATCH_STORE));
}

static void results_before_a_rewind_are_stored_and_those_withdrawn_are_not(void **state)
{
    struct fixture *f = *state;
    start(f, NOON - 12 * HOUR, NULL, 0);
    deliver_result_of(f, 1, 7);
    advance(f, 100);
    assert_true(take(f, BATCH_STORE));
    assert_int_equal(f->e.row_count, 1);
    assert_int_equal(f->e.rows[0].generation, 1);
    assert_int_equal(f->e.source.number, 0);
    answer(f, BATCH_STORED, NULL);
    deliver_result_of(f, 1, 8);
    deliver_rewound(f, 1, NOON - 2 * HOUR);
    deliver_result_of(f, 1, 9); /* of a worker that was replaced */
    advance(f, 100);
    assert_true(take(f, BATCH_STORE));
    assert_int_equal(f->e.row_count, 0);
    assert_true(f->e.withdraw);
    assert_int_equal(f->e.withdraw_from, NOON - 2 * HOUR);
    assert_int_equal(f->e.source.number, 1);
    assert_int_equal(f->e.source.offset, 3);
}

/* Rows 1 and 2, the marker, rows 4 and 5: it goes with what lies before it, never before. */
static void a_slow_store_gets_the_end_of_a_rewind_in_its_place(void **state)
{
    struct fixture *f = *state;
    start(f, NOON - 12 * HOUR, NULL, 0);
    deliver_result(f, 1);
    deliver_result(f, 2);
    deliver_rewound(f, 3, NOON);
    deliver_result(f, 4);
    deliver_result(f, 5);
    advance(f, 100);
    expect_store(f, 4, true, 5);
    fail_store(f);
    expect_store(f, 1, false, 1);
    answer(f, BATCH_STORED, NULL);
    expect_store(f, 1, true, 3);
    fail_store(f);
    expect_store(f, 1, true, 3);
    answer(f, BATCH_STORED, NULL);
    expect_store(f, 2, false, 5);
    answer(f, BATCH_STORED, NULL);
    assert_false(take(f, BATCH_STORE));
}

static void listed(struct fixture *f, int64_t given)
{
    while (batch_core_effect(f->core, &f->e) && f->e.kind != BATCH_LIST)
        ;
    assert_int_equal(f->e.kind, BATCH_LIST);
    struct batch_event e = {.kind = BATCH_LISTED, .op = f->e.op};
    e.loaded.given = given;
    step(f, &e);
}

static void a_results_queue_made_anew_is_read_from_its_first_message(void **state)
{
    struct fixture *f = *state;
    struct batch_event stored = {.kind = BATCH_STORED}, connected = {.kind = BATCH_CONNECTED};
    f->next_offset = 7;
    start(f, NOON - 12 * HOUR, NULL, 0);
    listed(f, 5); /* they may be on their way */
    deliver_result(f, 1);
    advance(f, 100);
    assert_true(take(f, BATCH_STORE));
    stored.op = f->e.op;
    step(f, &stored);
    advance(f, 60000);
    listed(f, 1); /* all is stored */
    assert_false(take(f, BATCH_DISCONNECT));
    advance(f, 60000);
    listed(f, 2);
    assert_true(take(f, BATCH_DISCONNECT));
    advance(f, 1000);
    assert_true(take(f, BATCH_CONNECT));
    assert_int_equal(f->e.offset, -1);
    connected.op = f->e.op;
    step(f, &connected);
    f->next_offset = 0;
    deliver_result(f, 2);
    advance(f, 100);
    assert_true(take(f, BATCH_STORE));
    assert_int_equal(f->e.source.number, 2);
    assert_int_equal(f->e.source.offset, 0);
}

static void results_that_are_lost_stop_the_worker(void **state)
{
    struct fixture *f = *state;
    start(f, NOON - 12 * HOUR, NULL, 0); /* from the first message of the queue */
    listed(f, 0);
    for (int i = 0; i < 3; i++) {
        struct batch_event connected = {.kind = BATCH_CONNECTED};
        advance(f, 60000);
        listed(f, 3);
        assert_true(take(f, BATCH_DISCONNECT));
        advance(f, 1000);
        assert_true(take(f, BATCH_CONNECT));
        connected.op = f->e.op;
        step(f, &connected);
        listed(f, 3);
    }
    advance(f, 60000);
    listed(f, 3);
    assert_true(take(f, BATCH_EXIT));
    assert_int_equal(f->e.code, EXIT_STOPPED);
}

static void a_batch_whose_connection_is_lost_before_it_is_stored_is_not_stored(void **state)
{
    struct fixture *f = *state;
    struct err err;
    start(f, NOON - 12 * HOUR, NULL, 0);
    deliver_result(f, 1);
    f->mono += 100;
    deliver_result(f, 2); /* asks for the store; nobody has looked yet */
    struct batch_event lost = {.kind = BATCH_LOST, .err = &err};
    err_set(&err, ERR_UNAVAILABLE, "lost");
    step(f, &lost);
    assert_true(take(f, BATCH_DISCONNECT));
    assert_false(take(f, BATCH_STORE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(results_are_stored_with_their_offset),
        CASE(a_gap_in_the_numbers_stops_the_tenant),
        CASE(a_repeat_is_stored_once),
        CASE(a_full_disk_keeps_the_batch_and_tries_again),
        CASE(a_slow_store_gets_less_at_once),
        CASE(a_slow_store_gets_the_end_of_a_rewind_in_its_place),
        CASE(a_results_queue_made_anew_is_read_from_its_first_message),
        CASE(results_that_are_lost_stop_the_worker),
        CASE(a_batch_whose_connection_is_lost_before_it_is_stored_is_not_stored),
        CASE(results_before_a_rewind_are_stored_and_those_withdrawn_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
