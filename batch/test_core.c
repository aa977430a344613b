/* The batch worker's logic, driven by hand: runs from trigger to published report, what is refused, what a restart
 * does. */
#include "batch/core_fixture.h"

static void a_forged_trigger_starts_nothing(void **state)
{
    struct fixture *f = *state;
    struct batch_status s;
    start(f, NOON - 12 * HOUR, NULL, 0);
    deliver_trigger(f, false, 1);
    assert_true(batch_core_effect(f->core, &f->e));
    while (f->e.kind == BATCH_EXPIRE || f->e.kind == BATCH_LIST)
        assert_true(batch_core_effect(f->core, &f->e));
    assert_int_equal(f->e.kind, BATCH_ACK);
    batch_core_status(f->core, &s);
    assert_int_equal(s.forged, 1);
    assert_int_equal(s.runs_pending, 0);
}

static void a_trigger_waits_for_its_result_then_runs_to_a_published_report(void **state)
{
    struct fixture *f = *state;
    start(f, NOON - 12 * HOUR, NULL, 0);
    deliver_trigger(f, true, 1);
    assert_true(take(f, BATCH_INSERT));
    assert_string_equal(f->e.run->id, "storm:1");
    answer(f, BATCH_INSERTED, NULL);
    assert_false(take(f, BATCH_PREPARE)); /* result 1 is not stored yet */
    deliver_result(f, 1);
    advance(f, 100);
    assert_true(take(f, BATCH_STORE));
    answer(f, BATCH_STORED, NULL);
    assert_true(take(f, BATCH_PREPARE));
    prepared(f, NOON, 1);
    assert_true(take(f, BATCH_UPDATE));
    assert_int_equal(f->e.run->state, RUN_RUNNING);
    assert_int_equal(f->e.run->from, NOON - 3 * HOUR);
    assert_int_equal(f->e.run->to, NOON - HOUR);
    assert_true(f->e.run->complete);
    answer(f, BATCH_UPDATED, NULL);
    assert_true(take(f, BATCH_QUERY));
    queried(f, "{\"rows\":[]}");
    assert_true(take(f, BATCH_UPDATE)); /* the report is stored before it is published */
    assert_int_equal(f->e.run->state, RUN_DONE);
    assert_int_equal(f->e.report_len, 11);
    assert_null(batch_core_send(f->core));
    answer(f, BATCH_UPDATED, NULL);
    const struct outbox_message *m = batch_core_send(f->core);
    assert_string_equal(m->message_id, "storm:1");
    assert_string_equal(m->key, "acme.last");
    confirm(f, 1);
    assert_true(take(f, BATCH_UPDATE));
    assert_true(f->e.run->published);
    answer(f, BATCH_UPDATED, NULL);
    struct batch_status s;
    batch_core_status(f->core, &s);
    assert_int_equal(s.runs_pending, 0);
    assert_int_equal(s.reports, 1);
}

/* The broker says of a message that no queue takes both that it comes back and that it is confirmed. */
static void a_returned_report_is_told_as_such(void **state)
{
    struct fixture *f = *state;
    const struct run_row row = {
        .id = "x", .job = "last", .state = RUN_DONE, .generation = 2, .version = 1, .from = 0, .to = HOUR};
    struct batch_event returned = {.kind = BATCH_RETURNED};
    start(f, NOON - 12 * HOUR, &row, 1);
    assert_true(take(f, BATCH_FETCH));
    queried(f, "{}");
    assert_non_null(batch_core_send(f->core));
    step(f, &returned);
    confirm(f, 1);
    assert_true(take(f, BATCH_DISCONNECT));
    assert_non_null(strstr(f->e.words, "no queue takes a report"));
    assert_false(take(f, BATCH_DISCONNECT));
}

static void a_stored_report_is_published_after_a_restart_not_computed_again(void **state)
{
    struct fixture *f = *state;
    const struct run_row row = {
        .id = "x", .job = "last", .state = RUN_DONE, .generation = 2, .version = 1, .from = 0, .to = HOUR};
    start(f, NOON - 12 * HOUR, &row, 1);
    assert_true(take(f, BATCH_FETCH));
    queried(f, "{\"rows\":[1]}");
    const struct outbox_message *m = batch_core_send(f->core);
    assert_string_equal(m->message_id, "x");
    assert_int_equal(m->len, 12);
}

static void a_scheduled_run_waits_for_completeness_but_not_for_ever(void **state)
{
    struct fixture *f = *state;
    start(f, NOON - 36 * HOUR, NULL, 0); /* yesterday's day has not been run */
    advance(f, 1000);
    assert_true(take(f, BATCH_INSERT));
    assert_string_equal(f->e.run->id, "daily:2025-12-31");
    answer(f, BATCH_INSERTED, NULL);
    assert_true(take(f, BATCH_PREPARE));
    prepared(f, NOON - 13 * HOUR, 0);
    assert_false(take(f, BATCH_UPDATE));
    advance(f, 500);
    assert_true(take(f, BATCH_PREPARE));
    prepared(f, NOON - 12 * HOUR, 5); /* complete, but result 5 is not stored */
    assert_false(take(f, BATCH_UPDATE));
    advance(f, 60000);
    assert_true(take(f, BATCH_PREPARE));
    prepared(f, NOON - 13 * HOUR, 0);
    assert_true(take(f, BATCH_UPDATE)); /* the wait is over: it says that it is not complete */
    assert_false(f->e.run->complete);
    answer(f, BATCH_UPDATED, NULL);
}

static void a_failed_query_ends_the_run_and_the_next_goes_on(void **state)
{
    struct fixture *f = *state;
    struct err err;
    const struct run_row rows[] = {
        {.id = "a", .job = "last", .state = RUN_QUEUED, .generation = 2, .from = -1, .to = -1},
        {.id = "b", .job = "gone", .state = RUN_QUEUED, .generation = 2, .from = -1, .to = -1}};
    start(f, NOON - 12 * HOUR, rows, 2);
    assert_true(take(f, BATCH_PREPARE));
    assert_string_equal(f->e.run->id, "a");
    prepared(f, NOON, 0);
    assert_true(take(f, BATCH_UPDATE));
    answer(f, BATCH_UPDATED, NULL);
    assert_true(take(f, BATCH_QUERY));
    err_set(&err, ERR_TIMEOUT, "too long");
    answer(f, BATCH_QUERIED, &err);
    assert_true(take(f, BATCH_UPDATE));
    assert_int_equal(f->e.run->state, RUN_FAILED);
    assert_string_equal(f->e.run->error, "too long");
    answer(f, BATCH_UPDATED, NULL);
    assert_true(take(f, BATCH_PREPARE));
    prepared(f, NOON, 0);
    assert_true(take(f, BATCH_UPDATE));
    assert_non_null(strstr(f->e.run->error, "no job of this name"));
    answer(f, BATCH_UPDATED, NULL);
}

static void a_store_that_is_away_does_not_end_a_run(void **state)
{
    struct fixture *f = *state;
    struct err err;
    const struct run_row row = {.id = "a", .job = "last", .state = RUN_QUEUED, .generation = 2, .from = -1, .to = -1};
    start(f, NOON - 12 * HOUR, &row, 1);
    assert_true(take(f, BATCH_PREPARE));
    prepared(f, NOON, 0);
    assert_true(take(f, BATCH_UPDATE));
    answer(f, BATCH_UPDATED, NULL);
    assert_true(take(f, BATCH_QUERY));
    const int64_t from = f->e.run->from;
    err_set(&err, ERR_UNAVAILABLE, "no server could be chosen");
    answer(f, BATCH_QUERIED, &err);
    assert_false(take(f, BATCH_UPDATE)); /* it has not failed */
    advance(f, 5000);
    assert_true(take(f, BATCH_PREPARE));
    prepared(f, NOON + HOUR, 0);
    assert_true(take(f, BATCH_UPDATE));
    assert_int_equal(f->e.run->state, RUN_RUNNING);
    assert_int_equal(f->e.run->from, from);
    answer(f, BATCH_UPDATED, NULL);
    assert_true(take(f, BATCH_QUERY));
    queried(f, "{\"rows\":[]}");
    assert_true(take(f, BATCH_UPDATE));
    assert_int_equal(f->e.run->state, RUN_DONE);
    answer(f, BATCH_UPDATED, NULL);
}

static void a_run_that_waited_for_a_result_before_a_rewind_does_not_wait_for_ever(void **state)
{
    struct fixture *f = *state;
    const struct run_row row = {
        .id = "a", .job = "last", .state = RUN_QUEUED, .generation = 1, .from = 0, .to = HOUR, .after_number = 99};
    start(f, NOON - 12 * HOUR, &row, 1);
    assert_true(take(f, BATCH_PREPARE));
    assert_string_equal(f->e.run->id, "a");
}

static void inserted_before(struct fixture *f, enum run_state state)
{
    struct batch_event e = {.kind = BATCH_INSERTED, .op = f->e.op};
    struct run_row known = {0};
    run_row_copy(&known, f->e.run);
    known.state = state;
    known.published = state == RUN_DONE;
    e.inserted.known = &known;
    step(f, &e);
    run_row_free(&known);
}

static void an_insertion_that_happened_unseen_is_gone_on_with(void **state)
{
    struct fixture *f = *state;
    struct err err;
    start(f, NOON - 12 * HOUR, NULL, 0);
    deliver_trigger(f, true, -1);
    assert_true(take(f, BATCH_INSERT));
    err_set(&err, ERR_UNKNOWN, "it may have happened");
    answer(f, BATCH_INSERTED, &err);
    advance(f, 1000);
    assert_true(take(f, BATCH_INSERT));
    inserted_before(f, RUN_QUEUED);
    assert_true(take(f, BATCH_PREPARE));
    assert_string_equal(f->e.run->id, "storm:1");
}

static void a_finished_run_is_not_run_again(void **state)
{
    struct fixture *f = *state;
    struct batch_status s;
    start(f, NOON - 12 * HOUR, NULL, 0);
    deliver_trigger(f, true, -1);
    assert_true(take(f, BATCH_INSERT));
    inserted_before(f, RUN_DONE);
    assert_true(take(f, BATCH_ACK));
    batch_core_status(f->core, &s);
    assert_int_equal(s.runs_pending, 0);
}

static void runs_that_a_replaced_worker_added_are_found_after_connecting(void **state)
{
    struct fixture *f = *state;
    struct run_row row = {.id = "x", .job = "last", .state = RUN_QUEUED, .generation = 2, .from = 0, .to = HOUR};
    start(f, NOON - 12 * HOUR, NULL, 0);
    while (batch_core_effect(f->core, &f->e) && f->e.kind != BATCH_LIST)
        ;
    struct batch_event e = {.kind = BATCH_LISTED, .op = f->e.op};
    e.loaded.pending = &row;
    e.loaded.pending_count = 1;
    step(f, &e);
    assert_true(take(f, BATCH_PREPARE));
    assert_string_equal(f->e.run->id, "x");
    step(f, &e); /* again: it is led already */
    struct batch_status s;
    batch_core_status(f->core, &s);
    assert_int_equal(s.runs_pending, 1);
}

static void periods_are_inserted_in_their_order(void **state)
{
    struct fixture *f = *state;
    struct err err;
    start(f, NOON - 60 * HOUR, NULL, 0); /* two days are due */
    assert_true(take(f, BATCH_INSERT));
    assert_string_equal(f->e.run->id, "daily:2025-12-30");
    err_set(&err, ERR_UNAVAILABLE, "away");
    answer(f, BATCH_INSERTED, &err);
    assert_false(take(f, BATCH_INSERT)); /* the second waits: a restart goes on behind the newest in the store */
    advance(f, 1000);
    assert_true(take(f, BATCH_INSERT));
    assert_string_equal(f->e.run->id, "daily:2025-12-30");
    answer(f, BATCH_INSERTED, NULL);
    assert_true(take(f, BATCH_PREPARE));
    assert_true(take(f, BATCH_INSERT));
    assert_string_equal(f->e.run->id, "daily:2025-12-31");
}

/* Whatever call met it; a run in the middle of it is not ended badly: it is taken again when the store is mended. */
static void a_damaged_store_stops_the_worker(void **state)
{
    static const enum batch_event_kind kinds[] = {BATCH_INSERTED, BATCH_PREPARED, BATCH_UPDATED, BATCH_QUERIED,
                                                  BATCH_LISTED,   BATCH_EXPIRED,  BATCH_APP};
    struct fixture *f = *state;
    struct err err;
    err_set(&err, ERR_DAMAGED, "batch.db: is damaged");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        start(f, NOON, NULL, 0);
        deliver_trigger(f, true, 0);
        assert_true(take(f, BATCH_INSERT));
        answer(f, kinds[i], &err);
        assert_true(take(f, BATCH_EXIT));
        assert_int_equal(f->e.code, EXIT_STOPPED);
        assert_string_equal(f->e.words, "batch.db: is damaged");
        batch_core_free(&f->core);
    }
}

static void a_store_that_is_damaged_or_gone_is_no_mistake_of_the_app(void **state)
{
    struct fixture *f = *state;
    const struct batch_options o = {.tenant = "acme", .generation = 2, .prefetch = 100};
    struct batch_event begin = {.kind = BATCH_START};
    struct err err;
    err_set(&err, ERR_DAMAGED, "batch.db: is gone or empty");
    f->core = batch_core_new(&o);
    step(f, &begin);
    assert_true(take(f, BATCH_LOAD));
    answer(f, BATCH_LOADED, &err);
    assert_true(take(f, BATCH_EXIT));
    assert_int_equal(f->e.code, EXIT_STOPPED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_forged_trigger_starts_nothing),
        CASE(a_trigger_waits_for_its_result_then_runs_to_a_published_report),
        CASE(a_returned_report_is_told_as_such),
        CASE(a_stored_report_is_published_after_a_restart_not_computed_again),
        CASE(a_scheduled_run_waits_for_completeness_but_not_for_ever),
        CASE(a_store_that_is_away_does_not_end_a_run),
        CASE(a_damaged_store_stops_the_worker),
        CASE(a_store_that_is_damaged_or_gone_is_no_mistake_of_the_app),
        CASE(a_failed_query_ends_the_run_and_the_next_goes_on),
        CASE(an_insertion_that_happened_unseen_is_gone_on_with),
        CASE(a_finished_run_is_not_run_again),
        CASE(runs_that_a_replaced_worker_added_are_found_after_connecting),
        CASE(periods_are_inserted_in_their_order),
        CASE(a_run_that_waited_for_a_result_before_a_rewind_does_not_wait_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
