/* What the worker does when something of the log is lost, kills it, or is left out; kept checkpoints; rewinds. */
#include "stream/core_fixture.h"

#include "base/json.h"

static void reading(struct fixture *f)
{
    static const struct stream_head none = {.offset = -1};
    f->mono = 1000;
    f->wall = 1767225600000;
    start(f, &none, NULL);
    connect_reading(f, NULL, 0);
}

/* Behind a checkpoint at offset 1 whose message is two_events' second. */
static void attaching(struct fixture *f)
{
    reading(f);
    two_events(f);
    send_all(f);
    confirm(f, 1);
    advance(f, 1000);
    assert_true(take(f, STREAM_SAVE));
    struct stream_head head = f->head;
    struct buf saved_state = {0};
    buf_add(&saved_state, f->state.data, f->state.len);
    stream_core_free(&f->core);
    start(f, &head, &saved_state);
    buf_free(&saved_state);
    connect_reading(f, NULL, 0);
}

static void answer(struct fixture *f, enum stream_event_kind kind, const struct err *err)
{
    struct stream_event e = {.kind = kind, .op = f->e.op, .err = err};
    step(f, &e);
}

static struct stream_status status_of(struct fixture *f)
{
    struct stream_status s;
    stream_core_status(f->core, &s);
    return s;
}

static void free_fixture(struct fixture *f)
{
    stream_core_free(&f->core);
    buf_free(&f->state);
}

static void a_gap_stops_and_says_from_where_to_where(void **state)
{
    (void)state;
    struct fixture f = {0};
    reading(&f);
    deliver(&f, 0, "{\"t\":100,\"k\":1}", 1);
    deliver(&f, 5, "{\"t\":120,\"k\":1}", 2);
    assert_true(take(&f, STREAM_EXIT));
    assert_int_equal(f.e.code, EXIT_STOPPED);
    struct stream_status s = status_of(&f);
    assert_int_equal(s.lost.reason, SKIP_GAP);
    assert_int_equal(s.lost.from, 1);
    assert_int_equal(s.lost.to, 4);
    assert_int_equal(s.offset, 0);
    free_fixture(&f);
}

static void by_an_operators_word_a_gap_is_written_down_then_passed(void **state)
{
    (void)state;
    struct fixture f = {.skip = true};
    struct err away;
    err_set(&away, ERR_UNAVAILABLE, "the store is away");
    reading(&f);
    deliver(&f, 0, "{\"t\":100,\"k\":1}", 1);
    deliver(&f, 5, "{\"t\":120,\"k\":1}", 2);
    deliver(&f, 6, "{\"t\":121,\"k\":1}", 3);
    assert_true(take(&f, STREAM_SKIP));
    assert_int_equal(f.e.skip.from, 1);
    assert_int_equal(f.e.skip.to, 4);
    assert_int_equal(f.e.skip.reason, SKIP_GAP);
    assert_int_equal(status_of(&f).offset, 0);
    answer(&f, STREAM_SKIPPED, &away); /* nothing is passed over unwritten */
    assert_int_equal(status_of(&f).offset, 0);
    advance(&f, 1000);
    assert_true(take(&f, STREAM_SKIP));
    answer(&f, STREAM_SKIPPED, NULL);
    assert_int_equal(status_of(&f).offset, 6);
    assert_int_equal(status_of(&f).left_out, 4);
    free_fixture(&f);
}

static void what_is_written_down_is_passed_without_a_word(void **state)
{
    (void)state;
    static const struct skip_row skips[] = {{.generation = 1, .at_ms = 1, .from = 1, .to = 4, .reason = SKIP_GAP}};
    struct fixture f = {.skips = skips, .skip_count = 1};
    reading(&f);
    deliver(&f, 0, "{\"t\":100,\"k\":1}", 1);
    deliver(&f, 5, "{\"t\":120,\"k\":1}", 2);
    assert_int_equal(status_of(&f).offset, 5);
    free_fixture(&f);
}

static void overtaken_is_passed_by_a_word(void **state)
{
    (void)state;
    struct fixture f = {.skip = true};
    attaching(&f);
    deliver(&f, 7, "{\"t\":140,\"k\":1}", 1);
    assert_true(take(&f, STREAM_SKIP));
    assert_int_equal(f.e.skip.reason, SKIP_OVERTAKEN);
    assert_int_equal(f.e.skip.from, 2);
    assert_int_equal(f.e.skip.to, 6);
    answer(&f, STREAM_SKIPPED, NULL);
    assert_int_equal(status_of(&f).offset, 7);
    free_fixture(&f);
}

static void a_log_that_begins_too_late_was_overtaken(void **state)
{
    (void)state;
    struct fixture f = {0};
    reading(&f);
    deliver(&f, 9, "{\"t\":100,\"k\":1}", 1);
    assert_true(take(&f, STREAM_EXIT));
    assert_int_equal(status_of(&f).lost.reason, SKIP_OVERTAKEN);
    assert_int_equal(status_of(&f).lost.to, 8);
    free_fixture(&f);
}

static void a_log_made_anew_is_read_from_its_first_message_by_a_word(void **state)
{
    (void)state;
    struct fixture f = {.skip = true};
    attaching(&f);
    deliver(&f, 1, "{\"t\":999,\"k\":9}", 1); /* not the message that was read */
    assert_true(take(&f, STREAM_SKIP));
    assert_int_equal(f.e.skip.reason, SKIP_NEW_LOG);
    answer(&f, STREAM_SKIPPED, NULL);
    assert_true(take(&f, STREAM_DISCONNECT));
    advance(&f, 1000);
    connect_reading(&f, NULL, 0);
    assert_int_equal(f.e.offset, -1);
    deliver(&f, 0, "{\"t\":140,\"k\":1}", 1);
    assert_int_equal(status_of(&f).offset, 0);
    assert_int_equal(status_of(&f).left_out, 0);
    free_fixture(&f);
}

static void beyond_the_tail_stops(void **state)
{
    (void)state;
    struct fixture f = {0};
    attaching(&f);
    assert_int_equal(status_of(&f).state, PAGE_WAITING); /* or the supervisor's limit for a start would come first */
    assert_non_null(strstr(status_of(&f).words, "offset 1"));
    advance(&f, 30000);
    assert_true(take(&f, STREAM_EXIT));
    assert_int_equal(status_of(&f).lost.reason, SKIP_NEW_LOG);
    assert_int_equal(status_of(&f).lost.from, 2);
    free_fixture(&f);
}

static void poison_is_set_aside_with_its_bytes(void **state)
{
    (void)state;
    static const struct skip_row skips[] = {{.generation = 1, .at_ms = 1, .from = 1, .to = 1, .reason = SKIP_POISON}};
    struct fixture f = {.skips = skips, .skip_count = 1};
    reading(&f);
    deliver(&f, 0, "{\"t\":100,\"k\":1}", 1);
    deliver(&f, 1, "{\"t\":500,\"k\":1}", 2); /* would close the window */
    const struct outbox_message *m = stream_core_send(f.core);
    assert_non_null(m);
    assert_string_equal(m->exchange, EXCHANGE_DEAD);
    assert_string_equal(m->key, "acme.poison");
    assert_int_equal(m->len, strlen("{\"t\":500,\"k\":1}"));
    assert_null(stream_core_send(f.core));
    free_fixture(&f);
}

static void a_suspect_message_waits_until_all_before_it_is_saved(void **state)
{
    (void)state;
    struct fixture f = {.alone = 1};
    reading(&f);
    deliver(&f, 0, "{\"t\":100,\"k\":1}", 1);
    deliver(&f, 1, "{\"t\":101,\"k\":1}", 2);
    deliver(&f, 2, "{\"t\":102,\"k\":1}", 3);
    assert_int_equal(status_of(&f).offset, 0);
    assert_true(take(&f, STREAM_SAVE));
    assert_int_equal(f.head.offset, 0);
    assert_int_equal(status_of(&f).offset, 0);
    saved(&f, NULL);
    assert_int_equal(status_of(&f).offset, 2);
    free_fixture(&f);
}

static void one_checkpoint_a_day_is_kept(void **state)
{
    (void)state;
    struct fixture f = {0};
    int kept = 0;
    uint64_t sent = 0;
    reading(&f);
    for (int64_t offset = 0; offset < 100; offset++) { /* 50 hours, from midnight on */
        deliver(&f, offset, "{\"t\":100,\"k\":1}", (uint64_t)offset + 1);
        advance(&f, 1800000);
        sent += send_all(&f); /* ticks */
        confirm(&f, sent);
        assert_true(take(&f, STREAM_SAVE));
        saved(&f, NULL);
        if (take(&f, STREAM_KEEP)) {
            kept++;
            answer(&f, STREAM_KEPT, NULL);
        }
    }
    assert_int_equal(kept, 3);
    free_fixture(&f);
}

static void sent_windows(struct fixture *f, char *out, size_t size)
{
    const struct outbox_message *m;
    int64_t ms;
    struct buf text = {0};
    *out = 0;
    while ((m = stream_core_send(f->core))) {
        if (m->type)
            snprintf(out + strlen(out), size - strlen(out), "%s %.*s;", m->type, (int)m->len, (const char *)m->body);
        else if (json_get_string(m->body, m->len, "window_start", &text) &&
                 time_parse_rfc3339(text.data, text.len, &ms))
            snprintf(out + strlen(out), size - strlen(out), "%d;", (int)(ms / 1000));
    }
    buf_free(&text);
}

static void a_rewind_gives_only_what_begins_at_or_after_its_point(void **state)
{
    (void)state;
    static const struct rewind_row rewind = {
        .generation = 1, .to_ms = 110000, .to_offset = -1, .version = 1, .log_generation = 1};
    struct fixture f = {.rewind = &rewind};
    char sent[300];
    reading(&f);
    for (int64_t i = 0; i < 5; i++) {
        char body[64];
        snprintf(body, sizeof body, "{\"t\":%d,\"k\":1}", 100 + 10 * (int)i);
        deliver(&f, i, body, (uint64_t)i + 1);
    }
    sent_windows(&f, sent, sizeof sent);
    assert_string_equal(sent, "110;120;130;");
    free_fixture(&f);
}

static void a_rewind_to_an_offset_gives_what_holds_nothing_of_what_is_before(void **state)
{
    (void)state;
    static const struct rewind_row rewind = {
        .generation = 1, .to_ms = INT64_MIN, .to_offset = 2, .version = 1, .log_generation = 1};
    struct fixture f = {.rewind = &rewind};
    char sent[300];
    reading(&f);
    for (int64_t i = 0; i < 5; i++) {
        char body[64];
        snprintf(body, sizeof body, "{\"t\":%d,\"k\":1}", 100 + 10 * (int)i);
        deliver(&f, i, body, (uint64_t)i + 1);
    }
    sent_windows(&f, sent, sizeof sent);
    assert_string_equal(sent, "120;130;"); /* offset 1 has 110 */
    free_fixture(&f);
}

static void a_rewind_tells_when_it_has_caught_up(void **state)
{
    (void)state;
    static const struct rewind_row rewind = {
        .generation = 1, .to_ms = 110000, .to_offset = -1, .version = 1, .log_generation = 1};
    static const char api[] = USER_API, type[] = "belltower.rewind", body[] = "{\"generation\":1}";
    struct fixture f = {.rewind = &rewind};
    char sent[300];
    reading(&f);
    struct stream_event e = {.kind = STREAM_DELIVERY};
    e.delivery.tag = 1;
    e.delivery.message = (struct engine_message){
        .body = {body, sizeof body - 1}, .type = {type, sizeof type - 1}, .user_id = {api, sizeof api - 1}};
    step(&f, &e);
    sent_windows(&f, sent, sizeof sent);
    assert_string_equal(sent, "belltower.rewound {\"generation\":1,\"from\":110000};");
    free_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gap_stops_and_says_from_where_to_where),
        cmocka_unit_test(by_an_operators_word_a_gap_is_written_down_then_passed),
        cmocka_unit_test(what_is_written_down_is_passed_without_a_word),
        cmocka_unit_test(overtaken_is_passed_by_a_word),
        cmocka_unit_test(a_log_that_begins_too_late_was_overtaken),
        cmocka_unit_test(a_log_made_anew_is_read_from_its_first_message_by_a_word),
        cmocka_unit_test(beyond_the_tail_stops),
        cmocka_unit_test(poison_is_set_aside_with_its_bytes),
        cmocka_unit_test(a_suspect_message_waits_until_all_before_it_is_saved),
        cmocka_unit_test(one_checkpoint_a_day_is_kept),
        cmocka_unit_test(a_rewind_gives_only_what_begins_at_or_after_its_point),
        cmocka_unit_test(a_rewind_to_an_offset_gives_what_holds_nothing_of_what_is_before),
        cmocka_unit_test(a_rewind_tells_when_it_has_caught_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
