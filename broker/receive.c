/* Reading a connection: frames put together into messages, and what else the broker says. By hand, as the library's own
 * way copies each part of a message into memory of its own, and waits for the rest of one that has come in part. */
#include "broker/link_private.h"

#include "base/clock.h"

#include <string.h>

#define PUMP_BUDGET 768 /* frames per link_pump, three of a small message, so that nobody's loop starves */

static struct link_text text_of(amqp_bytes_t b)
{
    return (struct link_text){b.len ? b.bytes : "", b.len};
}

static struct link_text property(const amqp_basic_properties_t *p, amqp_flags_t flag, amqp_bytes_t b)
{
    return p->_flags & flag ? text_of(b) : (struct link_text){0};
}

static int unexpected(const amqp_frame_t *f, struct err *err)
{
    return err_set(err, ERR_UNAVAILABLE, "broker: unexpected frame of type %d", f->frame_type);
}

/* ---- messages ---- */

static void whole(struct link *l)
{
    struct incoming *in = &l->incoming;
    in->expects = EXPECTS_METHOD;
    if (!in->returned)
        l->handler.delivery(l->handler.context, &in->message);
    else if (l->handler.returned)
        l->handler.returned(l->handler.context, &in->message);
    buf_free(&in->body);
}

static void delivered(struct link *l, const amqp_basic_deliver_t *d)
{
    l->incoming.expects = EXPECTS_HEADER;
    l->incoming.returned = false;
    l->incoming.message = (struct link_message){.tag = d->delivery_tag,
                                                .redelivered = d->redelivered,
                                                .exchange = text_of(d->exchange),
                                                .key = text_of(d->routing_key)};
}

static void came_back(struct link *l, const amqp_basic_return_t *r)
{
    l->incoming.expects = EXPECTS_HEADER;
    l->incoming.returned = true;
    l->incoming.message = (struct link_message){
        .exchange = text_of(r->exchange), .key = text_of(r->routing_key), .reply_code = r->reply_code};
}

static bool has_nameless_header(const amqp_basic_properties_t *p)
{
    bool found = false;
    for (int i = 0; p->_flags & AMQP_BASIC_HEADERS_FLAG && i < p->headers.num_entries; i++)
        found |= p->headers.entries[i].key.len == 0;
    return found;
}

static void take_properties(struct link_message *m, const amqp_basic_properties_t *p)
{
    m->offset = -1;
    m->body = text_of(amqp_empty_bytes);
    m->message_id = property(p, AMQP_BASIC_MESSAGE_ID_FLAG, p->message_id);
    m->type = property(p, AMQP_BASIC_TYPE_FLAG, p->type);
    m->user_id = property(p, AMQP_BASIC_USER_ID_FLAG, p->user_id);
    m->content_type = property(p, AMQP_BASIC_CONTENT_TYPE_FLAG, p->content_type);
    m->headers = p->_flags & AMQP_BASIC_HEADERS_FLAG ? &p->headers : NULL;
    m->timestamp = p->_flags & AMQP_BASIC_TIMESTAMP_FLAG ? (int64_t)p->timestamp : 0;
    m->nameless_header = has_nameless_header(p);
    int64_t offset;
    if (link_header_int(m, "x-stream-offset", &offset))
        m->offset = offset;
}

static int take_header(struct link *l, const amqp_frame_t *f, struct err *err)
{
    if (f->frame_type != AMQP_FRAME_HEADER || f->payload.properties.class_id != AMQP_BASIC_CLASS)
        return unexpected(f, err);
    const amqp_basic_properties_t *p = f->payload.properties.decoded;
    take_properties(&l->incoming.message, p);
    l->incoming.size = f->payload.properties.body_size;
    l->incoming.expects = EXPECTS_BODY;
    if (!l->incoming.size)
        whole(l);
    return 0;
}

/* The only frame of a body is handed on as it lies in the library's buffer. */
static int take_body(struct link *l, const amqp_frame_t *f, struct err *err)
{
    struct incoming *in = &l->incoming;
    const amqp_bytes_t part = f->payload.body_fragment;
    if (f->frame_type != AMQP_FRAME_BODY || part.len > in->size - in->body.len)
        return unexpected(f, err);
    in->message.body = text_of(part);
    if (part.len < in->size) {
        buf_add(&in->body, part.bytes, part.len);
        in->message.body = (struct link_text){in->body.data, in->body.len};
    }
    if (in->message.body.len == in->size)
        whole(l);
    return 0;
}

/* ---- what else is said ---- */

static void confirmed(struct link *l, uint64_t tag, bool multiple, bool ack)
{
    if (l->handler.confirm)
        l->handler.confirm(l->handler.context, tag, multiple, ack);
}

static void blocked(struct link *l, bool is_blocked, amqp_bytes_t reason)
{
    char text[128];
    size_t len = reason.len < sizeof text ? reason.len : sizeof text - 1;
    if (len)
        memcpy(text, reason.bytes, len);
    text[len] = 0;
    if (l->handler.blocked)
        l->handler.blocked(l->handler.context, is_blocked, text);
}

static int closed_by_broker(const amqp_method_t *m, struct err *err)
{
    amqp_rpc_reply_t reply = {.reply_type = AMQP_RESPONSE_SERVER_EXCEPTION, .reply = *m};
    return link_reply_error(reply, "go on", err);
}

static int method(struct link *l, const amqp_method_t *m, struct err *err)
{
    switch (m->id) {
    case AMQP_BASIC_DELIVER_METHOD:
        delivered(l, m->decoded);
        return 0;
    case AMQP_BASIC_ACK_METHOD: {
        const amqp_basic_ack_t *a = m->decoded;
        confirmed(l, a->delivery_tag, a->multiple, true);
        return 0;
    }
    case AMQP_BASIC_NACK_METHOD: {
        const amqp_basic_nack_t *n = m->decoded;
        confirmed(l, n->delivery_tag, n->multiple, false);
        return 0;
    }
    case AMQP_BASIC_RETURN_METHOD:
        came_back(l, m->decoded);
        return 0;
    case AMQP_BASIC_CANCEL_METHOD:
        if (l->handler.cancelled)
            l->handler.cancelled(l->handler.context);
        return 0;
    case AMQP_QUEUE_DECLARE_OK_METHOD:
        if (l->handler.depth)
            l->handler.depth(l->handler.context, ((const amqp_queue_declare_ok_t *)m->decoded)->message_count);
        return 0;
    case AMQP_CONNECTION_BLOCKED_METHOD:
        blocked(l, true, ((const amqp_connection_blocked_t *)m->decoded)->reason);
        return 0;
    case AMQP_CONNECTION_UNBLOCKED_METHOD:
        blocked(l, false, amqp_empty_bytes);
        return 0;
    case AMQP_CHANNEL_CLOSE_METHOD:
    case AMQP_CONNECTION_CLOSE_METHOD:
        return closed_by_broker(m, err);
    default:
        return err_set(err, ERR_UNAVAILABLE, "broker: unexpected method 0x%08X", m->id);
    }
}

/* ---- the pump ---- */

static int take_frame(struct link *l, const amqp_frame_t *f, struct err *err)
{
    const bool closes = f->frame_type == AMQP_FRAME_METHOD && (f->payload.method.id == AMQP_CHANNEL_CLOSE_METHOD ||
                                                               f->payload.method.id == AMQP_CONNECTION_CLOSE_METHOD);
    if (closes)
        return closed_by_broker(&f->payload.method, err);
    switch (l->incoming.expects) {
    case EXPECTS_HEADER:
        return take_header(l, f, err);
    case EXPECTS_BODY:
        return take_body(l, f, err);
    default:
        return f->frame_type == AMQP_FRAME_METHOD ? method(l, &f->payload.method, err) : unexpected(f, err);
    }
}

/* One frame that has arrived. 1: none was there. */
static int pump_one(struct link *l, struct err *err)
{
    struct timeval now = {0, 0};
    amqp_frame_t frame;
    if (l->incoming.expects == EXPECTS_METHOD)
        amqp_maybe_release_buffers(l->connection);
    int status = amqp_simple_wait_frame_noblock(l->connection, &frame, &now);
    if (status == AMQP_STATUS_OK)
        return take_frame(l, &frame, err);
    if (status == AMQP_STATUS_TIMEOUT)
        return 1;
    link_status_error(status, "read", err);
    /* The client library cannot take this message apart; it will fail at it again. */
    if (status == AMQP_STATUS_INVALID_PARAMETER || status == AMQP_STATUS_BAD_AMQP_DATA)
        err->code = ERR_INVALID;
    return -1;
}

void link_hold(struct link *l, bool held)
{
    l->held = held;
}

/* The client library sends them only when it reads. */
static int beat(struct link *l, struct err *err)
{
    const amqp_frame_t frame = {.frame_type = AMQP_FRAME_HEARTBEAT};
    int64_t now = clock_mono_ms();
    if (now < l->heartbeat_at)
        return 0;
    l->heartbeat_at = now + LINK_HEARTBEAT_S * 1000 / 4;
    int status = amqp_send_frame(l->connection, &frame);
    return status == AMQP_STATUS_OK ? 0 : link_status_error(status, "send a heartbeat", err);
}

bool link_buffers(const struct link *l)
{
    return amqp_frames_enqueued(l->connection) || amqp_data_in_buffer(l->connection);
}

bool link_worth_pumping(const struct link *l, bool readable)
{
    return readable || l->tls || link_buffers(l);
}

int link_pump(struct link *l, bool *more, struct err *err)
{
    *more = false;
    if (l->held)
        return beat(l, err);
    for (int i = 0; i < PUMP_BUDGET && !l->held; i++) {
        int r = pump_one(l, err);
        if (r != 0)
            return r < 0 ? -1 : 0;
    }
    *more = !l->held;
    return 0;
}
