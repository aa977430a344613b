/* What is asked and written on a connection, and the headers of what was read. */
#include "broker/link_private.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

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

int link_ask_depth(struct link *l, const char *queue, struct err *err)
{
    amqp_queue_declare_t m = {.queue = amqp_cstring_bytes(queue), .passive = 1, .arguments = amqp_empty_table};
    int status = amqp_send_method(l->connection, CHANNEL, AMQP_QUEUE_DECLARE_METHOD, &m);
    return status == AMQP_STATUS_OK ? 0 : link_status_error(status, "look at the queue", err);
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
