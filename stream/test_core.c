/* The stream worker's logic, driven by hand: what it asks for, in which order, and what it does when things go wrong.
 */
#include "stream/core_fixture.h"
#include "stream/core_private.h"

static void a_checkpoint_waits_for_its_confirms(void **state)
{
    struct fixture *f = *state;
    connect_reading(f, NULL, 0);
    two_events(f);
    assert_int_equal(send_all(f), 1);
    advance(f, 1000);
    assert_false(take(f, STREAM_SAVE)); /* published, not confirmed */
    confirm(f, 1);
    assert_true(take(f, STREAM_SAVE));
    assert_int_equal(f->head.offset, 1);
    saved(f, NULL);
}

static void a_checkpoint_keeps_the_moment_of_its_snapshot(void **state)
{
    struct fixture *f = *state;
    connect_reading(f, NULL, 0);
    two_events(f);
    send_all(f);
    advance(f, 1000);
    deliver(f, 2, "{\"t\":140,\"k\":1}", 3); /* read on while the snapshot waits */
    send_all(f);
    confirm(f, 1);
    assert_true(take(f, STREAM_SAVE));
    assert_int_equal(f->head.offset, 1);
    struct engine *e;
    struct engine_info info;
    struct err err;
    assert_int_equal(engine_restore(f->state.data, f->state.len, &e, &err), 0);
    engine_info(e, &info);
    assert_int_equal(info.result_number, 1);
    engine_free(&e);
    saved(f, NULL);
}

/* The store's thread reads its bytes until the answer: whatever happens meanwhile, they stay. */
static void a_save_under_way_holds_up_nothing(void **state)
{
    struct fixture *f = *state;
    struct buf info = {0};
    connect_reading(f, NULL, 0);
    deliver(f, 0, "{\"t\":100,\"k\":1}", 1);
    advance(f, 1000);
    assert_true(take(f, STREAM_SAVE));
    const struct stream_effect save = f->e;
    buf_add(&info, save.save.info.p, save.save.info.len);
    deliver(f, 1, "{\"t\":120,\"k\":1}", 2);
    assert_int_equal(send_all(f), 1);
    confirm(f, 1);
    for (int i = 0; i < 20; i++)
        advance(f, 1000);
    assert_false(take(f, STREAM_SAVE)); /* one at a time */
    assert_memory_equal(save.save.state.p, f->state.data, f->state.len);
    assert_memory_equal(save.save.info.p, info.data, info.len);
    f->e = save;
    saved(f, NULL);
    advance(f, 200000);          /* it rests for nine times as long as the last took */
    confirm(f, 1 + send_all(f)); /* ticks of the quiet log */
    assert_true(take(f, STREAM_SAVE));
    assert_int_equal(f->head.offset, 1);
    buf_free(&info);
}

static void drain_waits_for_a_save_under_way(void **state)
{
    struct fixture *f = *state;
    struct stream_event drain = {.kind = STREAM_DRAIN};
    connect_reading(f, NULL, 0);
    deliver(f, 0, "{\"t\":100,\"k\":1}", 1);
    advance(f, 1000);
    assert_true(take(f, STREAM_SAVE));
    step(f, &drain);
    advance(f, 5000);
    assert_false(take(f, STREAM_EXIT));
    saved(f, NULL);
    assert_true(take(f, STREAM_EXIT));
    assert_int_equal(f->e.code, EXIT_DONE);
}

static void a_lost_connection_sends_again_what_is_not_in_the_queue(void **state)
{
    struct fixture *f = *state;
    struct err err;
    struct stream_event lost = {.kind = STREAM_LOST, .err = &err};
    connect_reading(f, NULL, 0);
    two_events(f);
    deliver(f, 2, "{\"t\":140,\"k\":1}", 3);
    assert_int_equal(send_all(f), 2);
    err_set(&err, ERR_UNAVAILABLE, "the cable");
    step(f, &lost);
    assert_true(take(f, STREAM_DISCONNECT));
    advance(f, 30000);
    static const int64_t there[] = {1};
    connect_reading(f, there, 1);
    const struct outbox_message *m = stream_core_send(f->core);
    assert_int_equal(m->number, 2);
    assert_null(stream_core_send(f->core));
    assert_int_equal(f->e.offset, 2); /* reads on at the last message read */
}

static void a_restart_publishes_nothing_again(void **state)
{
    struct fixture *f = *state;
    connect_reading(f, NULL, 0);
    deliver(f, 0, "{\"t\":100,\"k\":1}", 1);
    advance(f, 1000);
    assert_true(take(f, STREAM_SAVE));
    saved(f, NULL);
    deliver(f, 1, "{\"t\":120,\"k\":1}", 2);
    assert_int_equal(send_all(f), 1); /* then it dies: the result is in the queue, the checkpoint does not know */
    stream_core_free(&f->core);
    struct buf old = {0};
    buf_add(&old, f->state.data, f->state.len);
    start(f, &f->head, &old);
    buf_free(&old);
    static const int64_t there[] = {1};
    connect_reading(f, there, 1);
    assert_int_equal(f->e.offset, 0);
    deliver(f, 0, "{\"t\":100,\"k\":1}", 1); /* the checkpoint's own message */
    deliver(f, 1, "{\"t\":120,\"k\":1}", 2);
    assert_int_equal(send_all(f), 0);
    deliver(f, 2, "{\"t\":140,\"k\":1}", 3);
    assert_int_equal(stream_core_send(f->core)->number, 2);
}

static void expect_stop(struct fixture *f, const char *words)
{
    assert_true(take(f, STREAM_EXIT));
    assert_int_equal(f->e.code, EXIT_STOPPED);
    assert_non_null(strstr(f->e.words, words));
}

static void restart_at(struct fixture *f, int64_t offset)
{
    const char *body = "{\"t\":100,\"k\":1}";
    stream_core_free(&f->core);
    const struct stream_head head = {.offset = offset, .hash = hash_message(body, strlen(body)), .saved_ms = f->wall};
    struct buf copy = {0};
    buf_add(&copy, f->state.data, f->state.len);
    start(f, &head, &copy);
    buf_free(&copy);
    connect_reading(f, NULL, 0);
}

static void save_one(struct fixture *f)
{
    connect_reading(f, NULL, 0);
    deliver(f, 0, "{\"t\":100,\"k\":1}", 1);
    advance(f, 1000);
    assert_true(take(f, STREAM_SAVE));
    saved(f, NULL);
}

static void a_foreign_log_stops_the_tenant(void **state)
{
    struct fixture *f = *state;
    save_one(f);
    restart_at(f, 7);
    deliver(f, 7, "{\"t\":100,\"k\":2}", 1);
    expect_stop(f, "foreign log");
}

static void a_log_that_retention_overtook_stops_the_tenant(void **state)
{
    struct fixture *f = *state;
    save_one(f);
    restart_at(f, 7);
    deliver(f, 20, "{\"t\":100,\"k\":1}", 1);
    expect_stop(f, "8 to 19");
}

static void an_offset_beyond_the_tail_stops_the_tenant(void **state)
{
    struct fixture *f = *state;
    save_one(f);
    restart_at(f, 7);
    advance(f, 29000);
    assert_false(take(f, STREAM_EXIT));
    advance(f, 1001);
    expect_stop(f, "beyond the tail");
}

static void a_segment_roll_is_no_gap_but_more_is(void **state)
{
    struct fixture *f = *state;
    connect_reading(f, NULL, 0);
    deliver(f, 0, "{\"t\":100,\"k\":1}", 1);
    deliver(f, 2, "{\"t\":100,\"k\":1}", 2);
    assert_false(take(f, STREAM_EXIT));
    deliver(f, 5, "{\"t\":100,\"k\":1}", 3);
    expect_stop(f, "3 to 4");
}

static void lose_by_an_unreadable_message(struct fixture *f)
{
    struct err err;
    struct stream_event lost = {.kind = STREAM_LOST, .err = &err};
    err_set(&err, ERR_INVALID, "a header table with empty keys");
    step(f, &lost);
    assert_true(take(f, STREAM_DISCONNECT));
    advance(f, 30000);
    connect_reading(f, NULL, 0);
}

static void a_message_that_cannot_be_read_is_passed_over_after_some_tries(void **state)
{
    struct fixture *f = *state;
    struct stream_status s;
    connect_reading(f, NULL, 0);
    deliver(f, 0, "{\"t\":100,\"k\":1}", 1);
    for (int i = 0; i < 3; i++) {
        lose_by_an_unreadable_message(f);
        assert_int_equal(f->e.offset, i < 2 ? 0 : 2);
        if (i < 2)
            deliver(f, 0, "{\"t\":100,\"k\":1}", 1);
    }
    stream_core_status(f->core, &s);
    assert_int_equal(s.unreadable, 1);
    assert_int_equal(s.unreadable_offset, 1);
    deliver(f, 2, "{\"t\":101,\"k\":1}", 1);
    stream_core_status(f->core, &s);
    assert_int_equal(s.offset, 2);
    lose_by_an_unreadable_message(f);
    assert_int_equal(f->e.offset, 2); /* another place, counted anew */
}

static void deliver_nameless(struct fixture *f, int64_t offset, const char *body, uint64_t tag)
{
    struct stream_event e = {.kind = STREAM_DELIVERY};
    e.delivery.tag = tag;
    e.delivery.message.offset = (uint64_t)offset;
    e.delivery.message.body = (struct bytes){body, strlen(body)};
    e.delivery.message.nameless_header = true;
    step(f, &e);
}

static void a_message_with_a_nameless_header_is_set_aside_and_the_checkpoint_holds_it(void **state)
{
    struct fixture *f = *state;
    struct engine_info info;
    static const char body[] = "{\"t\":100,\"k\":1}";
    connect_reading(f, NULL, 0);
    for (int64_t i = 0; i < 2; i++) {
        deliver_nameless(f, i, body, (uint64_t)i + 1);
        const struct outbox_message *m = stream_core_send(f->core);
        assert_non_null(m);
        assert_string_equal(m->key, "acme.poison");
        assert_memory_equal(m->body, body, m->len);
        assert_int_equal(m->len, strlen(body));
        assert_null(stream_core_send(f->core));
    }
    engine_info(stream_core_engine(f->core), &info);
    assert_int_equal(info.counters.events, 0);
    confirm(f, 2);
    advance(f, 1000);
    assert_true(take(f, STREAM_SAVE));
    assert_int_equal(f->head.offset, 1);
    saved(f, NULL);
    restart_at(f, 1);
    deliver_nameless(f, 1, body, 1);
    deliver(f, 2, "{\"t\":100,\"k\":1}", 2);
    assert_null(stream_core_send(f->core)); /* neither of them again */
    engine_info(stream_core_engine(f->core), &info);
    assert_int_equal(info.counters.events, 1);
}

static void fenced_leaves_as_superseded(void **state)
{
    struct fixture *f = *state;
    struct err err;
    connect_reading(f, NULL, 0);
    deliver(f, 0, "{\"t\":100,\"k\":1}", 1);
    advance(f, 1000);
    assert_true(take(f, STREAM_SAVE));
    err_set(&err, ERR_FENCED, "another epoch");
    saved(f, &err);
    assert_true(take(f, STREAM_EXIT));
    assert_int_equal(f->e.code, EXIT_SUPERSEDED);
}

static void a_store_that_is_away_is_tried_again_with_the_same_snapshot(void **state)
{
    struct fixture *f = *state;
    struct err err;
    connect_reading(f, NULL, 0);
    deliver(f, 0, "{\"t\":100,\"k\":1}", 1);
    advance(f, 1000);
    assert_true(take(f, STREAM_SAVE));
    err_set(&err, ERR_FULL, "disk full");
    saved(f, &err);
    deliver(f, 1, "{\"t\":101,\"k\":1}", 2);
    advance(f, 1000);
    assert_true(take(f, STREAM_SAVE));
    assert_int_equal(f->head.offset, 0);
    saved(f, NULL);
}

static void a_quiet_log_gets_a_tick_and_only_one(void **state)
{
    struct fixture *f = *state;
    connect_reading(f, NULL, 0);
    deliver(f, 0, "{\"t\":100,\"k\":1}", 1);
    advance(f, 4000);
    assert_int_equal(send_all(f), 0);
    advance(f, 7000); /* 11 s quiet: 100 s + 11 s closes the window that ends at 110 s */
    const struct outbox_message *m = stream_core_send(f->core);
    assert_non_null(m);
    assert_int_equal(m->kind, OUT_TICK);
    assert_string_equal(m->exchange, "belltower.in.acme");
    advance(f, 1000);
    assert_null(stream_core_send(f->core));
}

/* Woken only when it asks for it, as the worker does. */
static void the_end_of_a_quiet_log_shows_by_itself(void **state)
{
    struct fixture *f = *state;
    struct stream_status s;
    connect_reading(f, NULL, 0);
    int64_t limit = f->mono + 5000;
    for (stream_core_status(f->core, &s); !s.at_end && stream_core_wake(f->core) <= limit;
         stream_core_status(f->core, &s)) {
        int64_t wake = stream_core_wake(f->core);
        advance(f, wake > f->mono ? wake - f->mono : 0);
        while (take(f, STREAM_SAVE))
            saved(f, NULL);
    }
    assert_true(s.at_end);
}

/* The broker says of a message that no queue takes both that it comes back and that it is confirmed. */
static void a_returned_message_is_told_as_such(void **state)
{
    struct fixture *f = *state;
    struct stream_event returned = {.kind = STREAM_RETURNED};
    connect_reading(f, NULL, 0);
    two_events(f);
    assert_int_equal(send_all(f), 1);
    returned.returned.key = "acme.s";
    returned.returned.exchange = EXCHANGE_RESULTS;
    step(f, &returned);
    confirm(f, 1);
    assert_true(take(f, STREAM_DISCONNECT));
    assert_non_null(strstr(f->e.words, "no queue takes acme.s of exchange " EXCHANGE_RESULTS));
    assert_false(take(f, STREAM_DISCONNECT));
}

static void drain_saves_and_leaves(void **state)
{
    struct fixture *f = *state;
    struct stream_event drain = {.kind = STREAM_DRAIN};
    connect_reading(f, NULL, 0);
    two_events(f);
    send_all(f);
    step(f, &drain);
    assert_false(take(f, STREAM_EXIT));
    confirm(f, 1);
    assert_true(take(f, STREAM_SAVE));
    assert_int_equal(f->head.offset, 1);
    saved(f, NULL);
    assert_true(take(f, STREAM_EXIT));
    assert_int_equal(f->e.code, EXIT_DONE);
}

static void a_blocked_broker_pauses_reading_and_loses_nothing(void **state)
{
    struct fixture *f = *state;
    struct stream_status s;
    struct stream_event blocked = {.kind = STREAM_BLOCKED};
    blocked.blocked.flag = true;
    blocked.blocked.reason = "low on memory";
    connect_reading(f, NULL, 0);
    step(f, &blocked);
    two_events(f);
    stream_core_status(f->core, &s);
    assert_int_equal(s.state, PAGE_PAUSED);
    assert_int_equal(s.offset, -1);
    assert_non_null(strstr(s.words, "low on memory"));
    blocked.blocked.flag = false;
    step(f, &blocked);
    stream_core_status(f->core, &s);
    assert_int_equal(s.offset, 1);
    assert_int_equal(send_all(f), 1);
}

static int64_t lose(struct fixture *f)
{
    struct err err;
    struct stream_event lost = {.kind = STREAM_LOST, .err = &err};
    err_set(&err, ERR_NOT_FOUND, "no such queue");
    step(f, &lost);
    assert_true(take(f, STREAM_DISCONNECT));
    return stream_core_wake(f->core) - f->mono;
}

static void a_queue_that_is_missing_is_asked_for_ever_more_rarely(void **state)
{
    struct fixture *f = *state;
    int64_t before = 0;
    connect_reading(f, NULL, 0);
    for (int i = 0; i < 6; i++) { /* each time it connects, and only then finds that it cannot read */
        int64_t wait = lose(f);
        assert_true(wait > before);
        before = wait;
        advance(f, wait);
        connect_reading(f, NULL, 0);
    }
    f->mono += 60000; /* now it lasts */
    assert_true(lose(f) <= 200);
}

/* A message that is refused as too large goes on whole; one at a time. */
static void large_messages_leave_the_next_with_the_broker(void **state)
{
    struct fixture *f = *state;
    struct stream_status s;
    size_t len = 9 * 1024 * 1024;
    char *large = mem_alloc(len + 1);
    memset(large, 'x', len);
    large[len] = 0;
    connect_reading(f, NULL, 0);
    two_events(f);
    assert_int_equal(send_all(f), 1);
    assert_false(stream_core_full(f->core));
    deliver(f, 2, large, 3);
    assert_true(stream_core_full(f->core));
    assert_int_equal(send_all(f), 1);
    f->mono += 60000; /* nothing comes, but who knows what is there */
    step(f, &(struct stream_event){.kind = STREAM_TIMER});
    assert_false(core_at_end(f->core));
    confirm(f, 2);
    assert_false(stream_core_full(f->core));
    assert_false(core_at_end(f->core));
    stream_core_status(f->core, &s);
    assert_int_equal(s.offset, 2);
    deliver(f, 3, large, 4);
    deliver(f, 4, large, 5); /* was on its way */
    assert_true(stream_core_full(f->core));
    assert_int_equal(send_all(f), 1);
    confirm(f, 3);
    stream_core_status(f->core, &s);
    assert_int_equal(s.offset, 4);
    assert_true(stream_core_full(f->core));
    assert_int_equal(send_all(f), 1);
    confirm(f, 4);
    assert_false(stream_core_full(f->core));
    free(large);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_checkpoint_waits_for_its_confirms),
        CASE(a_checkpoint_keeps_the_moment_of_its_snapshot),
        CASE(a_lost_connection_sends_again_what_is_not_in_the_queue),
        CASE(a_restart_publishes_nothing_again),
        CASE(a_foreign_log_stops_the_tenant),
        CASE(a_log_that_retention_overtook_stops_the_tenant),
        CASE(an_offset_beyond_the_tail_stops_the_tenant),
        CASE(a_segment_roll_is_no_gap_but_more_is),
        CASE(a_message_that_cannot_be_read_is_passed_over_after_some_tries),
        CASE(a_message_with_a_nameless_header_is_set_aside_and_the_checkpoint_holds_it),
        CASE(fenced_leaves_as_superseded),
        CASE(a_store_that_is_away_is_tried_again_with_the_same_snapshot),
        CASE(a_quiet_log_gets_a_tick_and_only_one),
        CASE(the_end_of_a_quiet_log_shows_by_itself),
        CASE(a_returned_message_is_told_as_such),
        CASE(drain_saves_and_leaves),
        CASE(a_save_under_way_holds_up_nothing),
        CASE(drain_waits_for_a_save_under_way),
        CASE(a_blocked_broker_pauses_reading_and_loses_nothing),
        CASE(a_queue_that_is_missing_is_asked_for_ever_more_rarely),
        CASE(large_messages_leave_the_next_with_the_broker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
