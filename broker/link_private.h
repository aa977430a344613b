/* The insides of a link, shared by the files of broker/. */
#ifndef BELLTOWER_BROKER_LINK_PRIVATE_H
#define BELLTOWER_BROKER_LINK_PRIVATE_H

#include "base/buf.h"
#include "broker/address.h"
#include "broker/link.h"

#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#include <sys/time.h>

#define CHANNEL 1 /* one channel per connection: see the class comment of link.h and pitfalls of rabbitmq-c 0.11 */

/* A message whose frames come one after the other. Its texts are in the library's buffers, which stay until it is
 * whole.
 */
struct incoming {
    enum { EXPECTS_METHOD, EXPECTS_HEADER, EXPECTS_BODY } expects;
    struct link_message message;
    bool returned;   /* not a delivery */
    uint64_t size;   /* of the body */
    struct buf body; /* of one in several frames, as far as it has come */
};

struct link {
    amqp_connection_state_t connection;
    struct link_handler handler;
    struct incoming incoming;
    uint64_t published; /* the tag of the last message */
    bool held, tls;
    int64_t heartbeat_at; /* monotonic ms: while held, the next is due */
};

/* Turns a failed reply into *err; what: "open the channel". */
int link_reply_error(amqp_rpc_reply_t reply, const char *what, struct err *err);
int link_status_error(int status, const char *what, struct err *err);
/* 0 if the last synchronous call went well. */
int link_check_rpc(struct link *l, const char *what, struct err *err) MUSTCHECK;

#endif
