/* The outbox: order, confirms, lost connections. */
#include "base/outbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void add(struct outbox *o, enum outbox_kind kind, int64_t number)
{
    char body[32], id[32];
    memset(body, (int)number, sizeof body);
    memset(id, 'a' + (int)(number % 26), sizeof id);
    id[31] = 0;
    struct outbox_message m = {.kind = kind,
                               .number = number,
                               .exchange = "x",
                               .key = "k",
                               .message_id = id,
                               .body = body,
                               .len = sizeof body};
    m.headers[0] = (struct outbox_header){.name = "x-reason", .text = id};
    m.header_count = 1;
    outbox_add(o, &m);
}

static void sends_in_order_and_keeps_until_confirmed(void **state)
{
    (void)state;
    struct outbox *o = outbox_new();
    bool nacked;
    for (int64_t i = 1; i <= 500; i++)
        add(o, OUT_RESULT, i);
    for (int64_t i = 1; i <= 500; i++)
        assert_int_equal(outbox_next(o)->number, i);
    assert_null(outbox_next(o));
    assert_int_equal(outbox_in_flight(o), 500);
    assert_true(outbox_confirm(o, 300, true, true, &nacked));
    assert_int_equal(outbox_settled(o), 300);
    assert_true(outbox_confirm(o, 302, false, true, &nacked));
    assert_int_equal(outbox_settled(o), 300);
    assert_true(outbox_confirm(o, 301, false, true, &nacked));
    assert_int_equal(outbox_settled(o), 302);
    assert_false(outbox_confirm(o, 501, false, true, &nacked));
    assert_true(outbox_confirm(o, 500, true, true, &nacked));
    assert_int_equal(outbox_in_flight(o), 0);
    assert_int_equal(outbox_bytes(o), 0);
    outbox_free(&o);
}

static void the_room_of_large_messages_is_given_back(void **state)
{
    (void)state;
    enum { COUNT = 200, LARGE = 1024 * 1024 };
    struct outbox *o = outbox_new();
    char *body = calloc(1, LARGE);
    bool nacked;
    assert_non_null(body);
    for (uint64_t i = 1; i <= COUNT; i++) {
        outbox_add(o, &(struct outbox_message){.exchange = "x", .key = "k", .body = body, .len = LARGE});
        assert_int_equal(outbox_next(o)->len, LARGE);
        assert_true(outbox_confirm(o, i, false, true, &nacked));
    }
    assert_int_equal(outbox_bytes(o), 0);
    assert_true(outbox_room(o) < LARGE);
    free(body);
    outbox_free(&o);
}

static void a_lost_connection_sends_again_but_not_what_is_there(void **state)
{
    (void)state;
    struct outbox *o = outbox_new();
    bool nacked;
    for (int64_t i = 1; i <= 5; i++)
        add(o, OUT_RESULT, i);
    add(o, OUT_TICK, 0);
    while (outbox_next(o))
        ;
    outbox_confirm(o, 1, false, true, &nacked);
    outbox_unsend(o);
    assert_int_equal(outbox_in_flight(o), 0);
    assert_true(outbox_settle(o, OUT_RESULT, 2));
    assert_true(outbox_settle(o, OUT_RESULT, 4));
    assert_false(outbox_settle(o, OUT_RESULT, 1));
    assert_false(outbox_settle(o, OUT_DEAD, 3));
    assert_int_equal(outbox_next(o)->number, 3);
    assert_string_equal(outbox_next(o)->headers[0].text, "fffffffffffffffffffffffffffffff");
    assert_null(outbox_next(o)); /* the tick went with its connection */
    assert_true(outbox_confirm(o, 2, true, true, &nacked));
    assert_int_equal(outbox_count(o), 0);
    outbox_free(&o);
}

static void a_nack_settles_nothing(void **state)
{
    (void)state;
    struct outbox *o = outbox_new();
    bool nacked = false;
    add(o, OUT_DEAD, 1);
    outbox_next(o);
    assert_true(outbox_confirm(o, 1, false, false, &nacked));
    assert_true(nacked);
    assert_int_equal(outbox_settled(o), 0);
    outbox_free(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_in_order_and_keeps_until_confirmed),
        cmocka_unit_test(the_room_of_large_messages_is_given_back),
        cmocka_unit_test(a_lost_connection_sends_again_but_not_what_is_there),
        cmocka_unit_test(a_nack_settles_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
