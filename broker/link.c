/* Reading and writing on a connection. */
#include "broker/link_private.h"

#include "base/clock.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define PUMP_BUDGET 256 /* messages per link_pump, so that nobody's loop starves */

int link_fd(const struct link *l)
{
    return amqp_get_sockfd(l->connection);
}

bool link_text_is(struct link_text t, const char *s)
{
    return t.p && t.len == strlen(s) && memcmp(t.p, s, t.len) == 0;
}

/* ---- headers ---- */

static const amqp_field_value_t *find_header(const struct link_message *m, const char *name)
{
    const amqp_table_t *t = m->headers;
    for (int i = 0; t && i < t->num_entries; i++)
        if (t->entries[i].key.len == strlen(name) && memcmp(t->entries[i].key.bytes, name, strlen(name)) == 0)
            return &t->entries[i].value;
    return NULL;
}

static bool value_int(const amqp_field_value_t *v, int64_t *out)
{
    switch (v->kind) {
    case AMQP_FIELD_KIND_I8:
        *out = (int64_t)v->value.i8;
        return true;
    case AMQP_FIELD_KIND_U8:
        *out = v->value.u8;
        return true;
    case AMQP_FIELD_KIND_I16:
        *out = v->value.i16;
        return true;
    case AMQP_FIELD_KIND_U16:
        *out = v->value.u16;
        return true;
    case AMQP_FIELD_KIND_I32:
        *out = v->value.i32;
        return true;
    case AMQP_FIELD_KIND_U32:
        *out = v->value.u32;
        return true;
    case AMQP_FIELD_KIND_I64:
        *out = v->value.i64;
        return true;
    case AMQP_FIELD_KIND_U64:
        *out = (int64_t)v->value.u64;
        return v->value.u64 <= INT64_MAX;
    default:
        return false;
    }
}

bool link_header_int(const struct link_message *m, const char *name, int64_t *value)
{
    const amqp_field_value_t *v = find_header(m, name);
    return v && value_int(v, value);
}

bool link_header_text(const struct link_message *m, const char *name, struct link_text *value)
{
    const amqp_field_value_t *v = find_header(m, name);
    if (!v || (v->kind != AMQP_FIELD_KIND_UTF8 && v->kind != AMQP_FIELD_KIND_BYTES))
        return false;
    *value = (struct link_text){v->value.bytes.bytes, v->value.bytes.len};
    return true;
}

/* ---- reading ---- */

static struct link_text text_of(amqp_bytes_t b)
{
    return (struct link_text){b.len ? b.bytes : "", b.len};
}

static struct link_text property(const amqp_basic_properties_t *p, amqp_flags_t flag, amqp_bytes_t b)
{
    return p->_flags & flag ? text_of(b) : (struct link_text){0};
}

static struct link_message view(const amqp_message_t *m)
{
    const amqp_basic_properties_t *p = &m->properties;
    struct link_message v = {
        .offset = -1,
        .body = text_of(m->body),
        .message_id = property(p, AMQP_BASIC_MESSAGE_ID_FLAG, p->message_id),
        .type = property(p, AMQP_BASIC_TYPE_FLAG, p->type),
        .user_id = property(p, AMQP_BASIC_USER_ID_FLAG, p->user_id),
        .content_type = property(p, AMQP_BASIC_CONTENT_TYPE_FLAG, p->content_type),
        .headers = p->_flags & AMQP_BASIC_HEADERS_FLAG ? &p->headers : NULL,
        .timestamp = p->_flags & AMQP_BASIC_TIMESTAMP_FLAG ? (int64_t)p->timestamp : 0,
    };
    int64_t offset;
    if (link_header_int(&v, "x-stream-offset", &offset))
        v.offset = offset;
    return v;
}

static void deliver(struct link *l, amqp_envelope_t *e)
{
    struct link_message m = view(&e->message);
    m.tag = e->delivery_tag;
    m.redelivered = e->redelivered;
    m.exchange = text_of(e->exchange);
    m.key = text_of(e->routing_key);
    l->handler.delivery(l->handler.context, &m);
}

static int read_returned(struct link *l, const amqp_basic_return_t *r, struct err *err)
{
    /* The method's strings die with the next frame: copy what is needed. */
    char exchange[256], key[256];
    struct link_text e = {exchange, r->exchange.len < 256 ? r->exchange.len : 255};
    struct link_text k = {key, r->routing_key.len < 256 ? r->routing_key.len : 255};
    memcpy(exchange, r->exchange.bytes, e.len);
    memcpy(key, r->routing_key.bytes, k.len);
    uint16_t code = r->reply_code;
    amqp_message_t message;
    amqp_rpc_reply_t reply = amqp_read_message(l->connection, CHANNEL, &message, 0);
    if (reply.reply_type != AMQP_RESPONSE_NORMAL)
        return link_reply_error(reply, "read a returned message", err);
    struct link_message m = view(&message);
    m.exchange = e;
    m.key = k;
    m.reply_code = code;
    if (l->handler.returned)
        l->handler.returned(l->handler.context, &m);
    amqp_destroy_message(&message);
    return 0;
}

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
        return read_returned(l, m->decoded, err);
    case AMQP_BASIC_CANCEL_METHOD:
        if (l->handler.cancelled)
            l->handler.cancelled(l->handler.context);
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

/* One frame that is no delivery. 1: none was there. */
static int other_frame(struct link *l, struct err *err)
{
    struct timeval now = {0, 0};
    amqp_frame_t frame;
    int status = amqp_simple_wait_frame_noblock(l->connection, &frame, &now);
    if (status == AMQP_STATUS_TIMEOUT)
        return 1;
    if (status != AMQP_STATUS_OK)
        return link_status_error(status, "read", err);
    if (frame.frame_type != AMQP_FRAME_METHOD)
        return err_set(err, ERR_UNAVAILABLE, "broker: unexpected frame of type %d", frame.frame_type);
    return method(l, &frame.payload.method, err);
}

static bool unreadable(const amqp_rpc_reply_t *reply)
{
    return reply->reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION &&
           (reply->library_error == AMQP_STATUS_INVALID_PARAMETER || reply->library_error == AMQP_STATUS_BAD_AMQP_DATA);
}

/* One thing that has arrived. 1: nothing was there. */
static int pump_one(struct link *l, struct err *err)
{
    struct timeval now = {0, 0};
    amqp_envelope_t envelope;
    amqp_maybe_release_buffers(l->connection);
    amqp_rpc_reply_t reply = amqp_consume_message(l->connection, &envelope, &now, 0);
    if (reply.reply_type == AMQP_RESPONSE_NORMAL) {
        deliver(l, &envelope);
        amqp_destroy_envelope(&envelope);
        return 0;
    }
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION && reply.library_error == AMQP_STATUS_TIMEOUT)
        return 1;
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION && reply.library_error == AMQP_STATUS_UNEXPECTED_STATE)
        return other_frame(l, err);
    link_reply_error(reply, "read", err);
    if (unreadable(&reply)) /* the client library cannot take this message apart; it will fail at it again */
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

/* ---- asking ---- */

static size_t consume_arguments(enum link_from from, int64_t value, amqp_table_entry_t *entry)
{
    amqp_field_value_t *v = &entry->value;
    entry->key = amqp_cstring_bytes("x-stream-offset");
    switch (from) {
    case LINK_NOT_A_STREAM:
        return 0;
    case LINK_FIRST:
        *v = (amqp_field_value_t){.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes("first")};
        break;
    case LINK_LAST_CHUNK:
        *v = (amqp_field_value_t){.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes("last")};
        break;
    case LINK_NEXT:
        *v = (amqp_field_value_t){.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes("next")};
        break;
    case LINK_OFFSET:
        *v = (amqp_field_value_t){.kind = AMQP_FIELD_KIND_I64, .value.i64 = value};
        break;
    case LINK_TIME:
        *v = (amqp_field_value_t){.kind = AMQP_FIELD_KIND_TIMESTAMP, .value.u64 = (uint64_t)value};
        break;
    }
    return 1;
}

int link_consume(struct link *l, const char *queue, enum link_from from, int64_t value, unsigned prefetch,
                 struct err *err)
{
    amqp_table_entry_t entry;
    amqp_table_t arguments = {(int)consume_arguments(from, value, &entry), &entry};
    amqp_basic_qos(l->connection, CHANNEL, 0, (uint16_t)prefetch, 0);
    if (link_check_rpc(l, "set the prefetch", err) < 0)
        return -1;
    amqp_basic_consume(l->connection, CHANNEL, amqp_cstring_bytes(queue), amqp_empty_bytes, 0, 0, 0, arguments);
    if (link_check_rpc(l, "consume", err) < 0)
        return err_prefix(err, "queue %s", queue);
    return 0;
}

int link_ack(struct link *l, uint64_t tag, bool multiple, struct err *err)
{
    int status = amqp_basic_ack(l->connection, CHANNEL, tag, multiple);
    return status == AMQP_STATUS_OK ? 0 : link_status_error(status, "acknowledge", err);
}

int link_queue_depth(struct link *l, const char *queue, uint64_t *messages, struct err *err)
{
    amqp_queue_declare_ok_t *ok =
        amqp_queue_declare(l->connection, CHANNEL, amqp_cstring_bytes(queue), 1, 0, 0, 0, amqp_empty_table);
    if (link_check_rpc(l, "look at the queue", err) < 0)
        return err_prefix(err, "queue %s", queue);
    *messages = ok->message_count;
    return 0;
}

int link_lock(struct link *l, const char *queue, struct err *err)
{
    amqp_queue_declare(l->connection, CHANNEL, amqp_cstring_bytes(queue), 0, 0, 1, 1, amqp_empty_table);
    return link_check_rpc(l, "take the lock", err);
}

/* ---- publishing ---- */

void link_cork(struct link *l, bool corked)
{
    int on = corked;
    (void)setsockopt(link_fd(l), IPPROTO_TCP, TCP_CORK, &on, sizeof on); /* where it does nothing, nothing is lost */
}

#define HEADERS_MAX 16

static void set_property(amqp_basic_properties_t *p, amqp_flags_t flag, amqp_bytes_t *field, const char *text)
{
    if (!text)
        return;
    p->_flags |= flag;
    *field = amqp_cstring_bytes(text);
}

static void set_headers(const struct link_publish *m, amqp_basic_properties_t *p, amqp_table_entry_t *entries)
{
    for (size_t i = 0; i < m->header_count; i++) {
        const struct link_header *h = &m->headers[i];
        entries[i].key = amqp_cstring_bytes(h->name);
        if (h->text)
            entries[i].value = (amqp_field_value_t){.kind = AMQP_FIELD_KIND_UTF8,
                                                    .value.bytes = {h->text_len, (void *)(uintptr_t)h->text}};
        else
            entries[i].value = (amqp_field_value_t){.kind = AMQP_FIELD_KIND_I64, .value.i64 = h->number};
    }
    if (!m->header_count)
        return;
    p->_flags |= AMQP_BASIC_HEADERS_FLAG;
    p->headers = (amqp_table_t){(int)m->header_count, entries};
}

int link_publish(struct link *l, const struct link_publish *m, uint64_t *tag, struct err *err)
{
    amqp_table_entry_t entries[HEADERS_MAX];
    amqp_basic_properties_t p = {._flags = AMQP_BASIC_DELIVERY_MODE_FLAG, .delivery_mode = 2};
    if (m->header_count > HEADERS_MAX)
        return err_set(err, ERR_INTERNAL, "broker: %zu headers are too many", m->header_count);
    set_property(&p, AMQP_BASIC_MESSAGE_ID_FLAG, &p.message_id, m->message_id);
    set_property(&p, AMQP_BASIC_TYPE_FLAG, &p.type, m->type);
    set_property(&p, AMQP_BASIC_USER_ID_FLAG, &p.user_id, m->user_id);
    set_property(&p, AMQP_BASIC_CONTENT_TYPE_FLAG, &p.content_type, m->content_type);
    if (m->timestamp) {
        p._flags |= AMQP_BASIC_TIMESTAMP_FLAG;
        p.timestamp = (uint64_t)m->timestamp;
    }
    set_headers(m, &p, entries);
    amqp_bytes_t body = {m->len, (void *)(uintptr_t)m->body};
    int status = amqp_basic_publish(l->connection, CHANNEL, amqp_cstring_bytes(m->exchange), amqp_cstring_bytes(m->key),
                                    m->mandatory, 0, &p, body);
    if (status != AMQP_STATUS_OK)
        return link_status_error(status, "publish", err);
    *tag = ++l->published;
    return 0;
}
