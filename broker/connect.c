/* Making and ending a connection. */
#include "base/mem.h"
#include "broker/link_private.h"

#include <amqp_ssl_socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_MAX                                                                                                      \
    131072 /* the least that RabbitMQ 4.1 accepts is 8192; smaller frames hit rabbitmq-c's MSG_MORE delay more often   \
            */

static enum err_code code_of_reply(uint16_t reply)
{
    switch (reply) {
    case AMQP_ACCESS_REFUSED:
        return ERR_DENIED;
    case AMQP_NOT_FOUND:
        return ERR_NOT_FOUND;
    case AMQP_RESOURCE_LOCKED:
    case AMQP_PRECONDITION_FAILED:
        return ERR_CONFLICT;
    default: /* 530 (limits, vhost down), 320 (forced), 541: the broker may think otherwise later */
        return ERR_UNAVAILABLE;
    }
}

int link_status_error(int status, const char *what, struct err *err)
{
    return err_set(err, ERR_UNAVAILABLE, "broker: cannot %s: %s", what, amqp_error_string2(status));
}

int link_reply_error(amqp_rpc_reply_t reply, const char *what, struct err *err)
{
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION)
        return link_status_error(reply.library_error, what, err);
    if (reply.reply_type != AMQP_RESPONSE_SERVER_EXCEPTION)
        return err_set(err, ERR_UNAVAILABLE, "broker: cannot %s: no reply", what);
    if (reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
        amqp_channel_close_t *m = reply.reply.decoded;
        return err_set(err, code_of_reply(m->reply_code), "broker: cannot %s: %d %.*s", what, m->reply_code,
                       (int)m->reply_text.len, (char *)m->reply_text.bytes);
    }
    if (reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD) {
        amqp_connection_close_t *m = reply.reply.decoded;
        return err_set(err, code_of_reply(m->reply_code), "broker: cannot %s: connection closed: %d %.*s", what,
                       m->reply_code, (int)m->reply_text.len, (char *)m->reply_text.bytes);
    }
    return err_set(err, ERR_UNAVAILABLE, "broker: cannot %s: unexpected method 0x%08X", what, reply.reply.id);
}

int link_check_rpc(struct link *l, const char *what, struct err *err)
{
    amqp_rpc_reply_t reply = amqp_get_rpc_reply(l->connection);
    return reply.reply_type == AMQP_RESPONSE_NORMAL ? 0 : link_reply_error(reply, what, err);
}

static amqp_socket_t *new_socket(amqp_connection_state_t connection, bool tls)
{
    if (!tls)
        return amqp_tcp_socket_new(connection);
    amqp_socket_t *socket = amqp_ssl_socket_new(connection);
    const char *ca = getenv("BELLTOWER_BROKER_CA");
    if (!socket)
        return NULL;
    amqp_ssl_socket_set_ssl_versions(socket, AMQP_TLSv1_2, AMQP_TLSvLATEST);
    if (amqp_ssl_socket_set_cacert(socket, ca ? ca : "/etc/ssl/certs/ca-certificates.crt") != AMQP_STATUS_OK)
        return NULL;
    return socket;
}

static amqp_table_entry_t table_bool(const char *name, int value)
{
    return (amqp_table_entry_t){.key = amqp_cstring_bytes(name),
                                .value = {.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = value}};
}

static int log_in(struct link *l, const struct link_options *o, const struct broker_address *a, struct err *err)
{
    amqp_table_entry_t capabilities[] = {table_bool("connection.blocked", 1), table_bool("consumer_cancel_notify", 1)};
    amqp_table_entry_t client[] = {
        {.key = amqp_cstring_bytes("capabilities"),
         .value = {.kind = AMQP_FIELD_KIND_TABLE, .value.table = {2, capabilities}}},
        {.key = amqp_cstring_bytes("connection_name"),
         .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes(o->name)}},
    };
    amqp_table_t properties = {2, client};
    const char *user = o->user ? o->user : a->user, *password = o->password ? o->password : a->password;
    amqp_rpc_reply_t reply = amqp_login_with_properties(l->connection, a->vhost, 1, FRAME_MAX, LINK_HEARTBEAT_S,
                                                        &properties, AMQP_SASL_METHOD_PLAIN, user, password);
    if (reply.reply_type != AMQP_RESPONSE_NORMAL) {
        link_reply_error(reply, "log in", err);
        /* RabbitMQ answers a bad password by 403, or, to clients without its capability, by closing the socket. */
        return err_prefix(err, "user %s at %s:%d, vhost %s", user, a->host, a->port, a->vhost);
    }
    return 0;
}

static int open_channel(struct link *l, bool publisher, struct err *err)
{
    amqp_channel_open(l->connection, CHANNEL);
    if (link_check_rpc(l, "open a channel", err) < 0)
        return -1;
    if (!publisher)
        return 0;
    amqp_confirm_select(l->connection, CHANNEL);
    return link_check_rpc(l, "ask for confirms", err);
}

static int connect_one(struct link *l, const struct link_options *o, const struct broker_address *a, struct err *err)
{
    struct timeval limit = {LINK_CALL_MS / 1000, LINK_CALL_MS % 1000 * 1000};
    amqp_socket_t *socket = new_socket(l->connection, a->tls);
    if (!socket)
        return err_set(err, ERR_INVALID, "broker: cannot prepare a %s socket (is BELLTOWER_BROKER_CA a readable file?)",
                       a->tls ? "TLS" : "TCP");
    amqp_set_handshake_timeout(l->connection, &limit);
    amqp_set_rpc_timeout(l->connection, &limit);
    int status = amqp_socket_open_noblock(socket, a->host, a->port, &limit);
    if (status != AMQP_STATUS_OK)
        return err_set(err, ERR_UNAVAILABLE, "broker at %s:%d is not there: %s", a->host, a->port,
                       amqp_error_string2(status));
    if (log_in(l, o, a, err) < 0)
        return -1;
    return open_channel(l, o->publisher, err);
}

/* Without a word to the broker: a connection that was not opened whole (or for which memory ran out on the way) cannot
 * bear the library's reading of an answer. */
static void drop(struct link *l)
{
    if (l->connection)
        amqp_destroy_connection(l->connection);
    buf_free(&l->incoming.body);
    free(l);
}

static int try_address(const struct link_options *o, const char *text, size_t len, struct link **link, struct err *err)
{
    struct broker_address a;
    if (broker_address_parse(text, len, &a, err) < 0)
        return -1;
    struct link *l = mem_zero(1, sizeof *l);
    l->handler = o->handler;
    l->tls = a.tls;
    l->connection = amqp_new_connection();
    int status = l->connection ? connect_one(l, o, &a, err)
                               : err_set(err, ERR_UNAVAILABLE, "broker: no memory for a connection");
    if (status < 0) {
        drop(l);
        return -1;
    }
    *link = l;
    return 0;
}

int link_connect(const struct link_options *o, struct link **link, struct err *err)
{
    const char *rest = o->address, *text;
    size_t len;
    err_set(err, ERR_INVALID, "broker: no address is set");
    while (broker_address_next(&rest, &text, &len))
        if (try_address(o, text, len, link, err) == 0)
            return 0;
    return -1;
}

void link_close(struct link **link)
{
    struct link *l = *link;
    if (!l)
        return;
    if (l->connection) {
        struct timeval limit = {1, 0};
        amqp_set_rpc_timeout(l->connection, &limit);
        if (amqp_get_sockfd(l->connection) >= 0)
            amqp_connection_close(l->connection, AMQP_REPLY_SUCCESS);
    }
    drop(l);
    *link = NULL;
}
