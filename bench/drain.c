/* bench-drain: a bare rabbitmq-c loop over a stream queue: consume, acknowledge in multiples, nothing else. What the
 * stream worker is compared with.
 *   bench-drain --host H --port P --vhost V --user U --password W --queue Q --messages N [--prefetch 500]
 *               [--results N --exchange E --key K]
 * results: so many messages of RESULT_BYTES are published meanwhile, evenly, over a connection of their own that
 * confirms. */
#include "bench/options.h"
#include "bench/timing.h"

#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <stdint.h>
#include <stdio.h>

#define FRAME_MAX   131072
#define HEARTBEAT_S 20

#define RESULT_BYTES 300
#define IN_FLIGHT    2000 /* messages */

static void check(amqp_rpc_reply_t reply, const char *what)
{
    if (reply.reply_type == AMQP_RESPONSE_NORMAL)
        return;
    fprintf(stderr, "bench-drain: cannot %s\n", what);
    exit(1);
}

static amqp_connection_state_t log_in(int argc, char **argv)
{
    amqp_connection_state_t c = amqp_new_connection();
    amqp_socket_t *socket = amqp_tcp_socket_new(c);
    if (!socket || amqp_socket_open(socket, option(argc, argv, "--host", "127.0.0.1"),
                                    (int)option_count(argc, argv, "--port", 5672)) != AMQP_STATUS_OK) {
        fprintf(stderr, "bench-drain: the broker is not there\n");
        exit(1);
    }
    check(amqp_login(c, option(argc, argv, "--vhost", "/"), 1, FRAME_MAX, HEARTBEAT_S, AMQP_SASL_METHOD_PLAIN,
                     option(argc, argv, "--user", "guest"), option(argc, argv, "--password", "guest")),
          "log in");
    amqp_channel_open(c, 1);
    check(amqp_get_rpc_reply(c), "open a channel");
    return c;
}

static amqp_connection_state_t attach(int argc, char **argv, unsigned prefetch)
{
    amqp_table_entry_t first = {.key = amqp_cstring_bytes("x-stream-offset"),
                                .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes("first")}};
    amqp_table_t arguments = {1, &first};
    amqp_connection_state_t c = log_in(argc, argv);
    amqp_basic_qos(c, 1, 0, (uint16_t)prefetch, 0);
    check(amqp_get_rpc_reply(c), "set the prefetch");
    amqp_basic_consume(c, 1, amqp_cstring_bytes(option(argc, argv, "--queue", "")), amqp_empty_bytes, 0, 0, 0,
                       arguments);
    check(amqp_get_rpc_reply(c), "consume");
    return c;
}

/* ---- what is published meanwhile ---- */

struct results {
    amqp_connection_state_t connection; /* NULL: none */
    const char *exchange, *key;
    size_t wanted, sent;
    uint64_t confirmed;
};

static struct results results_begin(int argc, char **argv)
{
    struct results r = {.exchange = option(argc, argv, "--exchange", "belltower.results"),
                        .key = option(argc, argv, "--key", ""),
                        .wanted = option_count(argc, argv, "--results", 0)};
    if (!r.wanted)
        return r;
    r.connection = log_in(argc, argv);
    amqp_confirm_select(r.connection, 1);
    check(amqp_get_rpc_reply(r.connection), "ask for confirms");
    return r;
}

/* Until no more than `most` are in flight. Confirms come in order, as a stream queue gives them. */
static void results_settle(struct results *r, uint64_t most)
{
    amqp_frame_t f;
    while (r->sent - r->confirmed > most) {
        amqp_maybe_release_buffers(r->connection);
        if (amqp_simple_wait_frame(r->connection, &f) != AMQP_STATUS_OK || f.frame_type != AMQP_FRAME_METHOD ||
            f.payload.method.id != AMQP_BASIC_ACK_METHOD) {
            fprintf(stderr, "bench-drain: a result was not confirmed\n");
            exit(1);
        }
        r->confirmed = ((amqp_basic_ack_t *)f.payload.method.decoded)->delivery_tag;
    }
}

static void results_publish(struct results *r, size_t due)
{
    static char body[RESULT_BYTES];
    for (; r->sent < due; r->sent++) {
        results_settle(r, IN_FLIGHT);
        amqp_basic_publish(r->connection, 1, amqp_cstring_bytes(r->exchange), amqp_cstring_bytes(r->key), 0, 0, NULL,
                           (amqp_bytes_t){sizeof body, body});
    }
}

int main(int argc, char **argv)
{
    const unsigned prefetch = (unsigned)option_count(argc, argv, "--prefetch", 500);
    const size_t messages = option_count(argc, argv, "--messages", 1);
    struct results results = results_begin(argc, argv);
    amqp_connection_state_t c = attach(argc, argv, prefetch);
    double began = 0, cpu = 0;
    uint64_t bytes = 0;
    for (size_t n = 1, unacked = 1; n <= messages; n++, unacked++) {
        amqp_envelope_t e;
        amqp_maybe_release_buffers(c);
        check(amqp_consume_message(c, &e, NULL, 0), "read");
        if (n == 1) {
            began = wall_s();
            cpu = cpu_s();
        }
        bytes += e.message.body.len;
        if (unacked * 2 >= prefetch) {
            amqp_basic_ack(c, 1, e.delivery_tag, 1);
            unacked = 0;
        }
        amqp_destroy_envelope(&e);
        results_publish(&results, results.wanted * n / messages);
    }
    results_settle(&results, 0);
    printf("{\"messages\":%zu,\"bytes\":%llu,\"seconds\":%.3f,\"cpu_s\":%.3f}\n", messages, (unsigned long long)bytes,
           wall_s() - began, cpu_s() - cpu);
    amqp_connection_close(c, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(c);
    return 0;
}
