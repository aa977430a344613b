/* One AMQP 0-9-1 connection with one channel, for an epoll loop. Only broker/ includes amqp.h.
 *
 * A link either consumes or publishes (never both: a memory alarm of the broker blocks a publishing connection whole,
 * acknowledgements and all). link_connect and link_consume block up to LINK_CALL_MS; nothing else does, except that
 * link_publish can while the socket is full, so keep what is unconfirmed below LINK_IN_FLIGHT_BYTES. A lost link is
 * never repaired: close it and make a new one. */
#ifndef BELLTOWER_BROKER_LINK_H
#define BELLTOWER_BROKER_LINK_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINK_CALL_MS         5000
#define LINK_HEARTBEAT_S     20
#define LINK_IN_FLIGHT_BYTES (1024 * 1024)

struct link;

struct link_text {
    const char *p; /* NULL = absent; not NUL-terminated */
    size_t len;
};

bool link_text_is(struct link_text t, const char *s); /* absent is nothing, not even "" */

struct link_message { /* borrowed during the handler's call */
    uint64_t tag;
    int64_t offset; /* of a stream queue; -1 = none */
    bool redelivered;
    bool nameless_header; /* one of its headers has no name: nothing of ours ever does */
    struct link_text exchange, key, body, message_id, type, user_id, content_type;
    const void *headers; /* for link_header_* */
    int64_t timestamp;   /* seconds; 0 = none */
    uint16_t reply_code; /* of a returned message */
};
bool link_header_int(const struct link_message *m, const char *name, int64_t *value);
bool link_header_text(const struct link_message *m, const char *name, struct link_text *value);

struct link_header {
    const char *name;
    const char *text; /* NULL: number */
    size_t text_len;
    int64_t number;
};

struct link_publish {
    const char *exchange, *key;
    const char *message_id, *type, *user_id, *content_type; /* NULL = none */
    const struct link_header *headers;
    size_t header_count;
    int64_t timestamp; /* seconds; 0 = none */
    const void *body;
    size_t len;
    bool mandatory;
};

/* What happened, told during link_pump. */
struct link_handler {
    void *context;
    void (*delivery)(void *context, const struct link_message *m);
    void (*confirm)(void *context, uint64_t tag, bool multiple, bool ack);
    void (*returned)(void *context, const struct link_message *m); /* before the confirm of the same message */
    void (*cancelled)(void *context);                              /* the queue or its leader went away */
    void (*blocked)(void *context, bool blocked, const char *reason);
    void (*depth)(void *context, uint64_t messages); /* answers link_ask_depth */
};

/* address: "amqp://host:port/vhost" or "amqps://...", several separated by commas (tried in turn); user and password
 * override the address's. name: shown in RabbitMQ's list of connections. */
struct link_options {
    const char *address, *user, *password, *name;
    bool publisher; /* puts the channel into confirm mode */
    struct link_handler handler;
};

/* Errors: ERR_UNAVAILABLE (not there, too many connections: try again), ERR_DENIED (user, password, vhost), ERR_INVALID
 * (address). */
int link_connect(const struct link_options *o, struct link **link, struct err *err) MUSTCHECK;
void link_close(struct link **link); /* no-op on NULL; bounded by 1 s */

int link_fd(const struct link *l); /* readable = call link_pump */
/* Something was read from the socket and not handled yet: its being readable does not tell. */
bool link_buffers(const struct link *l);
/* Is there anything for link_pump? readable: what is known of link_fd. Bytes that TLS has decrypted are in neither
 * place, so of TLS it is never sure that there is nothing. */
bool link_worth_pumping(const struct link *l, bool readable);
/* Handles all that has arrived; also sends heartbeats, so call it at least every LINK_HEARTBEAT_S / 4 s. ERR_INVALID:
 * the next message cannot be read by the client library, and could not the next time. On failure the link is lost.
 * After a budget of messages it returns 0 with *more = true: call again. */
int link_pump(struct link *l, bool *more, struct err *err) MUSTCHECK;
/* While it is held link_pump reads nothing, also when held from inside of a delivery, and only sends heartbeats: what
 * arrives stays with the broker. */
void link_hold(struct link *l, bool held);

enum link_from { LINK_NOT_A_STREAM, LINK_FIRST, LINK_LAST_CHUNK, LINK_OFFSET, LINK_TIME, LINK_NEXT };
/* value: the offset, or seconds for LINK_TIME. ERR_NOT_FOUND: no such queue, or not yet (a booting broker says so too:
 * try again, never make it anew). The link is lost on failure. */
int link_consume(struct link *l, const char *queue, enum link_from from, int64_t value, unsigned prefetch,
                 struct err *err) MUSTCHECK;
int link_ack(struct link *l, uint64_t tag, bool multiple, struct err *err) MUSTCHECK;
/* Without waiting for its confirm; *tag is its number (from 1). */
int link_publish(struct link *l, const struct link_publish *p, uint64_t *tag, struct err *err) MUSTCHECK;
/* While corked, what is published leaves in full packets instead of one for each message: around a batch, both sides
 * then wake up less often. Uncorking sends what is left at once. */
void link_cork(struct link *l, bool corked);
/* Messages in a queue, roughly (a stats tick late). Blocks up to LINK_CALL_MS. */
int link_queue_depth(struct link *l, const char *queue, uint64_t *messages, struct err *err) MUSTCHECK;
/* The same without waiting; the handler's `depth` is told. A queue that is missing loses the link. */
int link_ask_depth(struct link *l, const char *queue, struct err *err) MUSTCHECK;
/* Declares an exclusive queue: a lock that lives as long as this connection. ERR_CONFLICT while another has it. The
 * link is lost on failure. */
int link_lock(struct link *l, const char *queue, struct err *err) MUSTCHECK;

#endif
