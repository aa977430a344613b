/* What comes over a connection, in pieces of any size: each message is told once and whole, and a piece of one is never
 * waited for. */
#include "broker/link_private.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define OFFSET 7

struct test {
    struct link *link;
    int socket;                     /* its other end */
    amqp_connection_state_t writer; /* makes the broker's frames */
    int written;                    /* where they can be read */
    struct buf bytes, bodies;       /* not fed yet; all that was delivered or came back */
    unsigned deliveries, nameless, confirms, returns;
    bool hold;
    uint64_t depth;
    struct err err;
};

static void on_delivery(void *context, const struct link_message *m)
{
    struct test *t = context;
    t->deliveries++;
    t->nameless += m->nameless_header;
    assert_int_equal(m->offset, OFFSET);
    assert_int_equal(m->tag, t->deliveries);
    assert_true(link_text_is(m->key, "acme"));
    assert_true(link_text_is(m->message_id, "id"));
    buf_add(&t->bodies, m->body.p, m->body.len);
    buf_add_char(&t->bodies, ';');
    link_hold(t->link, t->hold);
}

static void on_confirm(void *context, uint64_t tag, bool multiple, bool ack)
{
    ((struct test *)context)->confirms++;
    assert_true(tag == 5 && multiple && ack);
}

static void on_returned(void *context, const struct link_message *m)
{
    struct test *t = context;
    t->returns++;
    assert_true(link_text_is(m->exchange, "results"));
    assert_int_equal(m->reply_code, 312);
    buf_add(&t->bodies, m->body.p, m->body.len);
    buf_add_char(&t->bodies, ';');
}

static void on_depth(void *context, uint64_t messages)
{
    ((struct test *)context)->depth = messages;
}

/* *end: the other end. */
static amqp_connection_state_t connection_over_a_pair(int *end)
{
    int pair[2];
    amqp_connection_state_t c = amqp_new_connection();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    amqp_tcp_socket_set_sockfd(amqp_tcp_socket_new(c), pair[0]);
    *end = pair[1];
    return c;
}

static int set_up(void **state)
{
    struct test *t = mem_zero(1, sizeof *t);
    t->link = mem_zero(1, sizeof *t->link);
    t->link->connection = connection_over_a_pair(&t->socket);
    t->link->handler = (struct link_handler){
        .context = t, .delivery = on_delivery, .confirm = on_confirm, .returned = on_returned, .depth = on_depth};
    t->writer = connection_over_a_pair(&t->written);
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct test *t = *state;
    close(t->socket);
    close(t->written);
    amqp_destroy_connection(t->writer);
    link_close(&t->link);
    buf_free(&t->bytes);
    buf_free(&t->bodies);
    free(t);
    return 0;
}

/* ---- what the broker says ---- */

static void frame(struct test *t, const amqp_frame_t *f)
{
    ssize_t n;
    assert_int_equal(amqp_send_frame(t->writer, f), AMQP_STATUS_OK);
    while ((n = read(t->written, buf_reserve(&t->bytes, 65536), 65536)) > 0)
        t->bytes.len += (size_t)n;
}

static void method(struct test *t, amqp_method_number_t id, void *decoded)
{
    frame(t, &(amqp_frame_t){.frame_type = AMQP_FRAME_METHOD, .channel = CHANNEL, .payload.method = {id, decoded}});
}

/* second NULL: it has one header. */
static void headers(struct test *t, size_t size, const char *first, const char *second)
{
    const amqp_field_value_t offset = {.kind = AMQP_FIELD_KIND_I64, .value.i64 = OFFSET};
    amqp_table_entry_t entries[] = {{.key = amqp_cstring_bytes(first), .value = offset},
                                    {.key = amqp_cstring_bytes(second ? second : ""), .value = offset}};
    amqp_basic_properties_t p = {._flags = AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG,
                                 .message_id = amqp_cstring_bytes("id"),
                                 .headers = {second ? 2 : 1, entries}};
    frame(t, &(amqp_frame_t){.frame_type = AMQP_FRAME_HEADER,
                             .channel = CHANNEL,
                             .payload.properties = {.class_id = AMQP_BASIC_CLASS, .body_size = size, .decoded = &p}});
}

static void header(struct test *t, size_t size, const char *name)
{
    headers(t, size, name, NULL);
}

static void body(struct test *t, const char *part)
{
    frame(t, &(amqp_frame_t){
                 .frame_type = AMQP_FRAME_BODY, .channel = CHANNEL, .payload.body_fragment = amqp_cstring_bytes(part)});
}

static void deliver(struct test *t, uint64_t tag)
{
    amqp_basic_deliver_t d = {.delivery_tag = tag, .routing_key = amqp_cstring_bytes("acme")};
    method(t, AMQP_BASIC_DELIVER_METHOD, &d);
}

static void message(struct test *t, uint64_t tag, const char *text)
{
    deliver(t, tag);
    header(t, strlen(text), "x-stream-offset");
    if (*text)
        body(t, text);
}

static void close_channel(struct test *t)
{
    amqp_channel_close_t c = {.reply_code = 404, .reply_text = amqp_cstring_bytes("NOT_FOUND")};
    method(t, AMQP_CHANNEL_CLOSE_METHOD, &c);
}

static int feed(struct test *t, size_t portion)
{
    bool more;
    for (size_t at = 0; at < t->bytes.len; at += portion) {
        size_t n = t->bytes.len - at < portion ? t->bytes.len - at : portion;
        assert_int_equal(write(t->socket, t->bytes.data + at, n), n);
        if (link_pump(t->link, &more, &t->err) < 0)
            return -1;
        assert_false(more);
    }
    buf_clear(&t->bytes);
    return 0;
}

/* ---- the tests ---- */

static void test_messages_come_whole_however_they_are_cut(void **state)
{
    struct test *t = *state;
    amqp_basic_ack_t ack = {.delivery_tag = 5, .multiple = 1};
    amqp_basic_return_t back = {.reply_code = 312, .exchange = amqp_cstring_bytes("results")};
    amqp_queue_declare_ok_t depth = {.message_count = 42};
    message(t, 1, "one frame");
    deliver(t, 2);
    header(t, 10, "x-stream-offset");
    body(t, "two ");
    body(t, "frames");
    method(t, AMQP_BASIC_ACK_METHOD, &ack);
    message(t, 3, "");
    method(t, AMQP_BASIC_RETURN_METHOD, &back);
    header(t, 4, "x");
    body(t, "back");
    method(t, AMQP_QUEUE_DECLARE_OK_METHOD, &depth);
    const size_t portions[] = {1, 2, 3, 7, 50, 1000};
    struct buf all = t->bytes;
    for (size_t i = 0; i < sizeof portions / sizeof *portions; i++) {
        t->deliveries = t->confirms = t->returns = 0;
        buf_clear(&t->bodies);
        t->bytes = (struct buf){0};
        buf_add(&t->bytes, all.data, all.len);
        assert_int_equal(feed(t, portions[i]), 0);
        assert_string_equal(buf_cstr(&t->bodies), "one frame;two frames;;back;");
        assert_true(t->deliveries == 3 && t->confirms == 1 && t->returns == 1 && t->depth == 42);
        buf_free(&t->bytes);
    }
    buf_free(&all);
}

static void test_a_held_link_leaves_the_next_message(void **state)
{
    struct test *t = *state;
    bool more;
    t->hold = true;
    message(t, 1, "first");
    message(t, 2, "second");
    assert_int_equal(feed(t, 10000), 0);
    assert_string_equal(buf_cstr(&t->bodies), "first;");
    assert_true(link_buffers(t->link)); /* the socket has nothing more to say */
    t->hold = false;
    link_hold(t->link, false);
    assert_true(link_worth_pumping(t->link, false));
    assert_int_equal(link_pump(t->link, &more, &t->err), 0);
    assert_string_equal(buf_cstr(&t->bodies), "first;second;");
    assert_false(link_worth_pumping(t->link, false));
    assert_true(link_worth_pumping(t->link, true));
    t->link->tls = true; /* what TLS holds nobody knows */
    assert_true(link_worth_pumping(t->link, false));
}

static void test_many_messages_are_taken_in_turns(void **state)
{
    struct test *t = *state;
    bool more;
    for (uint64_t tag = 1; tag <= 300; tag++)
        message(t, tag, "m");
    assert_int_equal(write(t->socket, t->bytes.data, t->bytes.len), t->bytes.len);
    assert_int_equal(link_pump(t->link, &more, &t->err), 0);
    assert_true(more);
    assert_in_range(t->deliveries, 1, 299);
    assert_int_equal(link_pump(t->link, &more, &t->err), 0);
    assert_false(more);
    assert_int_equal(t->deliveries, 300);
}

static void test_a_close_in_the_middle_is_told_as_such(void **state)
{
    struct test *t = *state;
    deliver(t, 1);
    close_channel(t);
    assert_int_equal(feed(t, 10000), -1);
    assert_int_equal(t->err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(t->err.text, "404 NOT_FOUND"));
    assert_int_equal(t->deliveries, 0);
}

static void test_a_nameless_header_is_told_of_and_breaks_nothing(void **state)
{
    struct test *t = *state;
    amqp_basic_return_t back = {.reply_code = 312, .exchange = amqp_cstring_bytes("results")};
    deliver(t, 1);
    headers(t, 6, "", "x-stream-offset");
    body(t, "before");
    deliver(t, 2);
    headers(t, 6, "x-stream-offset", "");
    body(t, "behind");
    assert_int_equal(feed(t, 10000), 0);
    assert_int_equal(t->nameless, 2);
    method(t, AMQP_BASIC_RETURN_METHOD, &back);
    header(t, 4, "");
    body(t, "back");
    message(t, 3, "named");
    assert_int_equal(feed(t, 10000), 0);
    assert_string_equal(buf_cstr(&t->bodies), "before;behind;back;named;");
    assert_int_equal(t->nameless, 2);
}

static void test_frames_that_do_not_fit_are_refused(void **state)
{
    struct test *t = *state;
    deliver(t, 1);
    header(t, 3, "x-stream-offset");
    body(t, "four");
    assert_int_equal(feed(t, 10000), -1);
    assert_int_equal(t->err.code, ERR_UNAVAILABLE);
    assert_int_equal(t->deliveries, 0);
}

static void test_a_body_without_a_message_is_refused(void **state)
{
    struct test *t = *state;
    body(t, "lost");
    assert_int_equal(feed(t, 10000), -1);
    assert_int_equal(t->err.code, ERR_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_messages_come_whole_however_they_are_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_held_link_leaves_the_next_message, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_messages_are_taken_in_turns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_close_in_the_middle_is_told_as_such, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_nameless_header_is_told_of_and_breaks_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_frames_that_do_not_fit_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_body_without_a_message_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
