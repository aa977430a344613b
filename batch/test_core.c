/* The batch worker's logic, driven by hand: storing with its offset, runs from trigger to published report, what is
 * refused. */
#include "batch/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char app_text[] =
    "tenant: acme\n"
    "events:\n"
    "  time: { field: t, format: unix }\n"
    "  fields: { k: int }\n"
    "streams:\n"
    "  - name: s\n"
    "    key: [k]\n"
    "    window: { tumbling: 1h }\n"
    "    select: { n: count() }\n"
    "jobs:\n"
    "  - { name: last, from: s, range: 2h, by: [k], select: { n: sum(n) } }\n"
    "  - { name: daily, from: s, period: day, schedule: '5 0 * * *', wait: 1m, by: [k], select: { n: sum(n) } }\n";

#define HOUR INT64_C(3600000)
#define NOON INT64_C(1767268800000) /* 2026-01-01T12:00:00Z */

struct fixture {
    struct batch_core *core;
    int64_t mono, wall;
    struct batch_effect e;
    int64_t next_offset;
};

static void step(struct fixture *f, struct batch_event *e)
{
    e->mono_ms = f->mono;
    e->wall_ms = f->wall;
    batch_core_step(f->core, e);
}

static void advance(struct fixture *f, int64_t ms)
{
    struct batch_event e = {.kind = BATCH_TIMER};
    f->mono += ms;
    f->wall += ms;
    step(f, &e);
}

static bool take(struct fixture *f, enum batch_effect_kind kind)
{
    while (batch_core_effect(f->core, &f->e)) {
        if (f->e.kind == kind)
            return true;
        assert_true(f->e.kind == BATCH_SEND || f->e.kind == BATCH_ACK || f->e.kind == BATCH_EXPIRE ||
                    f->e.kind == BATCH_LIST);
    }
    return false;
}

static struct app *load(void)
{
    struct app_diags diags;
    struct app *app = app_load(app_text, sizeof app_text - 1, "acme", &diags);
    assert_non_null(app);
    app_diags_free(&diags);
    return app;
}

static void start(struct fixture *f, int64_t daily_to, const struct run_row *pending, size_t count)
{
    const struct batch_options o = {.tenant = "acme", .generation = 2, .prefetch = 100};
    const struct batch_anchor anchors[] = {{.job = "daily", .last_to = daily_to}};
    struct batch_event begin = {.kind = BATCH_START}, loaded = {.kind = BATCH_LOADED},
                       connected = {.kind = BATCH_CONNECTED};
    f->core = batch_core_new(&o);
    step(f, &begin);
    assert_true(take(f, BATCH_LOAD));
    loaded.op = f->e.op;
    loaded.loaded.source = (struct source){.epoch = 3, .generation = 2, .offset = -1};
    loaded.loaded.app = load();
    loaded.loaded.version = 1;
    loaded.loaded.anchors = anchors;
    loaded.loaded.anchor_count = 1;
    loaded.loaded.pending = (struct run_row *)(uintptr_t)pending;
    loaded.loaded.pending_count = count;
    step(f, &loaded);
    assert_true(take(f, BATCH_CONNECT));
    connected.op = f->e.op;
    step(f, &connected);
}

static int begin(void **state)
{
    static struct fixture f;
    f = (struct fixture){.mono = 1000, .wall = NOON};
    *state = &f;
    return 0;
}

static int end(void **state)
{
    batch_core_free(&((struct fixture *)*state)->core);
    return 0;
}

static void deliver_result_of(struct fixture *f, int64_t generation, int64_t number)
{
    static const char body[] =
        "{\"k\":1,\"n\":3,\"tenant_id\":\"acme\",\"stream\":\"s\",\"window_start\":\"2026-01-01T10:00:00Z\","
        "\"window_end\":\"2026-01-01T11:00:00Z\",\"revision\":0}";
    struct batch_event e = {.kind = BATCH_DELIVERY};
    e.delivery = (struct batch_delivery){.tag = (uint64_t)f->next_offset + 1,
                                         .offset = f->next_offset,
                                         .trusted = true,
                                         .number = number,
                                         .generation = generation,
                                         .key = {"[1]", 3},
                                         .body = {body, sizeof body - 1}};
    f->next_offset++;
    step(f, &e);
}

static void deliver_result(struct fixture *f, int64_t number)
{
    deliver_result_of(f, 2, number);
}

static void deliver_rewound(struct fixture *f, int64_t number, int64_t from)
{
    char body[64];
    struct batch_event e = {.kind = BATCH_DELIVERY};
    int len = snprintf(body, sizeof body, "{\"generation\":2,\"from\":%lld}", (long long)from);
    e.delivery = (struct batch_delivery){.tag = (uint64_t)f->next_offset + 1,
                                         .offset = f->next_offset,
                                         .trusted = true,
                                         .rewound = true,
                                         .number = number,
                                         .generation = 2,
                                         .body = {body, (size_t)len}};
    f->next_offset++;
    step(f, &e);
}

static void deliver_trigger(struct fixture *f, bool trusted, int64_t number)
{
    static const char body[] =
        "{\"tenant_id\":\"acme\",\"trigger\":\"storm\",\"id\":\"storm:1\",\"job\":\"last\",\"result\":"
        "{\"window_end\":\"2026-01-01T11:00:00Z\"}}";
    struct batch_event e = {.kind = BATCH_DELIVERY};
    e.delivery = (struct batch_delivery){.trigger = true,
                                         .tag = 50,
                                         .trusted = trusted,
                                         .number = number,
                                         .generation = 2,
                                         .body = {body, sizeof body - 1}};
    step(f, &e);
}

static void answer(struct fixture *f, enum batch_event_kind kind, const struct err *err)
{
    struct batch_event e = {.kind = kind, .op = f->e.op, .err = err};
    if (kind == BATCH_INSERTED)
        e.inserted.fresh = true;
    step(f, &e);
}

static void prepared(struct fixture *f, int64_t complete_to, int64_t number)
{
    struct batch_event e = {.kind = BATCH_PREPARED, .op = f->e.op};
    e.prepared.latest = NOON - HOUR;
    e.prepared.complete_to = complete_to;
    e.prepared.result_number = number;
    step(f, &e);
}

static void queried(struct fixture *f, const char *report)
{
    struct batch_event e = {.kind = BATCH_QUERIED, .op = f->e.op};
    e.queried.report = report;
    e.queried.len = strlen(report);
    e.queried.row_count = 1;
    step(f, &e);
}

static void confirm(struct fixture *f, uint64_t tag)
{
    struct batch_event e = {.kind = BATCH_CONFIRM};
    e.confirm.tag = tag;
    e.confirm.ack = true;
    step(f, &e);
}

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

/* The minutely look finds that results up to `given` were published. */
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

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(results_are_stored_with_their_offset),
        CASE(a_gap_in_the_numbers_stops_the_tenant),
        CASE(a_repeat_is_stored_once),
        CASE(a_full_disk_keeps_the_batch_and_tries_again),
        CASE(a_forged_trigger_starts_nothing),
        CASE(a_trigger_waits_for_its_result_then_runs_to_a_published_report),
        CASE(a_returned_report_is_told_as_such),
        CASE(a_stored_report_is_published_after_a_restart_not_computed_again),
        CASE(a_scheduled_run_waits_for_completeness_but_not_for_ever),
        CASE(a_store_that_is_away_does_not_end_a_run),
        CASE(a_failed_query_ends_the_run_and_the_next_goes_on),
        CASE(an_insertion_that_happened_unseen_is_gone_on_with),
        CASE(a_finished_run_is_not_run_again),
        CASE(runs_that_a_replaced_worker_added_are_found_after_connecting),
        CASE(a_results_queue_made_anew_is_read_from_its_first_message),
        CASE(results_that_are_lost_stop_the_worker),
        CASE(a_batch_whose_connection_is_lost_before_it_is_stored_is_not_stored),
        CASE(periods_are_inserted_in_their_order),
        CASE(results_before_a_rewind_are_stored_and_those_withdrawn_are_not),
        CASE(a_run_that_waited_for_a_result_before_a_rewind_does_not_wait_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
