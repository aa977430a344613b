#include "cli/send.h"

#include "base/clock.h"

#include <poll.h>
#include <string.h>

#define WINDOW_MESSAGES 200
#define RETRY_MS        500
#define TURN_MS         200

static void on_confirm(void *context, uint64_t tag, bool multiple, bool ack)
{
    struct send_link *l = context;
    bool nacked;
    if (outbox_confirm(l->outbox, tag, multiple, ack, &nacked) && !nacked)
        return;
    l->lost = true;
    err_set(&l->why, ERR_UNAVAILABLE, "the broker refused a message");
}

static void on_returned(void *context, const struct link_message *m)
{
    struct send_link *l = context;
    l->returned = true;
    err_set(&l->why, ERR_NOT_FOUND, "no queue takes messages of %.*s: is the tenant still there?", (int)m->exchange.len,
            m->exchange.p);
}

static void on_blocked(void *context, bool blocked, const char *reason)
{
    (void)reason;
    ((struct send_link *)context)->blocked = blocked;
}

static int connect_once(struct send_link *l, struct err *err)
{
    const struct link_options o = {
        .address = l->address,
        .user = l->user,
        .password = l->password,
        .name = "belltower send",
        .publisher = true,
        .handler = {.context = l, .confirm = on_confirm, .returned = on_returned, .blocked = on_blocked}};
    return link_connect(&o, &l->link, err);
}

int send_link_open(struct send_link *l, struct err *err)
{
    int64_t limit = clock_mono_ms() + l->wait_ms;
    link_close(&l->link);
    l->blocked = l->lost = false;
    while (connect_once(l, err) < 0) {
        if (err->code != ERR_UNAVAILABLE || clock_mono_ms() >= limit)
            return -1;
        poll(NULL, 0, RETRY_MS);
    }
    return 0;
}

void send_link_close(struct send_link *l)
{
    link_close(&l->link);
    outbox_free(&l->outbox);
}

static int send_one(struct send_link *l, const struct outbox_message *m, struct err *err)
{
    uint64_t tag;
    const struct link_publish p = {.exchange = m->exchange,
                                   .key = m->key,
                                   .message_id = m->message_id,
                                   .user_id = l->user,
                                   .content_type = m->content_type,
                                   .timestamp = clock_wall_ms() / 1000,
                                   .body = m->body,
                                   .len = m->len,
                                   .mandatory = true};
    return link_publish(l->link, &p, &tag, err);
}

static bool room(const struct send_link *l)
{
    return !l->blocked && outbox_in_flight(l->outbox) < WINDOW_MESSAGES &&
           outbox_in_flight_bytes(l->outbox) < LINK_IN_FLIGHT_BYTES;
}

/* One turn: sends what fits, takes what has come. -1: the connection is lost (l->why). */
static int turn(struct send_link *l)
{
    const struct outbox_message *m;
    struct pollfd p = {.fd = link_fd(l->link), .events = POLLIN};
    bool more;
    while (room(l) && (m = outbox_next(l->outbox)))
        if (send_one(l, m, &l->why) < 0)
            return -1;
    if (link_pump(l->link, &more, &l->why) < 0)
        return -1;
    if (l->lost || l->returned)
        return -1;
    bool waits = outbox_in_flight(l->outbox) && !(room(l) && outbox_unsent(l->outbox));
    if (!more && waits)
        poll(&p, 1, TURN_MS);
    return 0;
}

static bool enough(const struct send_link *l, bool until_done)
{
    return until_done ? outbox_count(l->outbox) == 0
                      : outbox_bytes(l->outbox) < LINK_IN_FLIGHT_BYTES && outbox_unsent(l->outbox) == 0;
}

int send_link_run(struct send_link *l, bool until_done, void (*tick)(void *context), void *context, struct err *err)
{
    do {
        if (turn(l) < 0) {
            if (l->returned) {
                *err = l->why;
                return -1;
            }
            outbox_unsend(l->outbox);
            l->reconnects++;
            if (send_link_open(l, err) < 0)
                return -1;
        }
        tick(context);
    } while (!enough(l, until_done));
    return 0;
}
