#include "tenants/provision/plan.h"

#include "base/json.h"
#include "base/wire/names.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_SEGMENT_EVENTS (16 * 1024 * 1024)
#define DEFAULT_SEGMENT_OTHERS (4 * 1024 * 1024)
#define TENANT_CONNECTIONS     100
#define TENANT_CHANNELS        200
#define WORKER_CONNECTIONS     16
#define WORKER_CHANNELS        16
#define UNROUTED_BYTES         (64 * 1024 * 1024)

static const char *text(struct plan *p, const char *fmt, ...) PRINTF(2, 3);
static const char *text(struct plan *p, const char *fmt, ...)
{
    char line[4096];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    return arena_strndup(&p->arena, line, n < (int)sizeof line ? (size_t)n : sizeof line - 1);
}

/* Percent-encodes a path segment (the vhost may be "/"). */
static const char *segment(struct plan *p, const char *s)
{
    struct buf b = {0};
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c);
        if (plain)
            buf_add_char(&b, (char)c);
        else
            buf_printf(&b, "%%%02X", c);
    }
    const char *out = arena_strndup(&p->arena, b.data, b.len);
    buf_free(&b);
    return out;
}

static const char *quoted(struct plan *p, const char *s)
{
    struct buf b = {0};
    json_w_str(&b, s);
    const char *out = arena_strndup(&p->arena, b.data, b.len);
    buf_free(&b);
    return out;
}

static void call(struct plan *p, const char *method, const char *path, const char *body)
{
    if (p->count == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 32;
        p->calls = mem_resize(p->calls, p->cap, sizeof *p->calls);
    }
    p->calls[p->count++] = (struct plan_call){method, path, body};
}

void plan_free(struct plan *p)
{
    arena_free(&p->arena);
    mem_free(p->calls);
    *p = (struct plan){0};
}

static void exchange(struct plan *p, const char *vhost, const char *name, const char *type, const char *alternate)
{
    const char *arguments = alternate ? text(p, "{\"alternate-exchange\":\"%s\"}", alternate) : "{}";
    call(p, "PUT", text(p, "/api/exchanges/%s/%s", vhost, name),
         text(p, "{\"type\":\"%s\",\"durable\":true,\"auto_delete\":false,\"internal\":false,\"arguments\":%s}", type,
              arguments));
}

static void queue(struct plan *p, const char *vhost, const char *name, const char *arguments)
{
    call(p, "PUT", text(p, "/api/queues/%s/%s", vhost, name),
         text(p, "{\"durable\":true,\"auto_delete\":false,\"arguments\":%s}", arguments));
}

static void bind(struct plan *p, const char *vhost, const char *source, const char *to, const char *key)
{
    call(p, "POST", text(p, "/api/bindings/%s/e/%s/q/%s", vhost, source, to),
         text(p, "{\"routing_key\":\"%s\",\"arguments\":{}}", key));
}

struct user {
    const char *name, *password, *configure, *write, *read;
    int connections, channels;
};

static void user(struct plan *p, const char *vhost, const struct user *u)
{
    call(p, "PUT", text(p, "/api/users/%s", u->name),
         text(p, "{\"password\":%s,\"tags\":\"\"}", quoted(p, u->password)));
    call(p, "PUT", text(p, "/api/permissions/%s/%s", vhost, u->name),
         text(p, "{\"configure\":%s,\"write\":%s,\"read\":%s}", quoted(p, u->configure), quoted(p, u->write),
              quoted(p, u->read)));
    if (!u->connections)
        return;
    call(p, "PUT", text(p, "/api/user-limits/%s/max-connections", u->name), text(p, "{\"value\":%d}", u->connections));
    call(p, "PUT", text(p, "/api/user-limits/%s/max-channels", u->name), text(p, "{\"value\":%d}", u->channels));
}

void plan_platform(struct plan *p, const char *vhost_name, const char *admin, const char *api_password)
{
    const char *vhost = segment(p, vhost_name);
    call(p, "PUT", text(p, "/api/vhosts/%s", vhost), "{}");
    call(p, "PUT", text(p, "/api/permissions/%s/%s", vhost, segment(p, admin)),
         "{\"configure\":\".*\",\"write\":\".*\",\"read\":\".*\"}");
    exchange(p, vhost, EXCHANGE_UNROUTED, "fanout", NULL);
    queue(p, vhost, QUEUE_UNROUTED,
          text(p, "{\"x-queue-type\":\"classic\",\"x-max-length-bytes\":%d,\"x-overflow\":\"drop-head\"}",
               UNROUTED_BYTES));
    bind(p, vhost, EXCHANGE_UNROUTED, QUEUE_UNROUTED, "");
    exchange(p, vhost, EXCHANGE_EVENTS, "topic", EXCHANGE_UNROUTED);
    /* The workers publish to these with `mandatory`: a missing queue is told to them, so no alternate exchange hides
     * it. */
    exchange(p, vhost, EXCHANGE_RESULTS, "topic", NULL);
    exchange(p, vhost, EXCHANGE_TRIGGERS, "topic", NULL);
    exchange(p, vhost, EXCHANGE_REPORTS, "topic", NULL);
    exchange(p, vhost, EXCHANGE_DEAD, "topic", NULL);
    char name[NAME_SIZE];
    const struct user api = {.name = name_user_in(name, USER_API, vhost_name),
                             .password = api_password,
                             .configure = "^$",
                             .write = "^(amq\\.default|belltower\\.triggers)\\z",
                             .read = "^belltower\\.(dead\\.[a-z0-9-]+|unrouted)\\z"};
    user(p, vhost, &api);
}

void plan_users(struct plan_users *u, const char *vhost, const char *tenant)
{
    char name[NAME_SIZE];
    name_user_in(u->worker, name_user_worker(name, tenant), vhost);
    name_user_in(u->customer, name_user_tenant(name, tenant), vhost);
}

static void stream_queue(struct plan *p, const char *vhost, const char *tenant, const char *from, int64_t keep_ms,
                         int64_t segment_bytes)
{
    char name[NAME_SIZE];
    name_queue(name, from, tenant);
    queue(p, vhost, name,
          text(p, "{\"x-queue-type\":\"stream\",\"x-stream-max-segment-size-bytes\":%" PRId64 "}", segment_bytes));
    bind(p, vhost, from, name, text(p, "%s.#", tenant));
    const char *pattern = text(p, "^%s.%s$", from, tenant);
    struct buf escaped = {0};
    for (const char *c = pattern; *c; c++) {
        if (*c == '.')
            buf_add_char(&escaped, '\\');
        buf_add_char(&escaped, *c);
    }
    call(p, "PUT", text(p, "/api/policies/%s/%s", vhost, name),
         text(p,
              "{\"pattern\":%s,\"apply-to\":\"queues\",\"priority\":10,\"definition\":{\"max-age\":\"%" PRId64 "s\"}}",
              quoted(p, buf_cstr(&escaped)), (keep_ms + 999) / 1000));
    buf_free(&escaped);
}

static void trigger_queue(struct plan *p, const char *vhost, const char *tenant)
{
    char name[NAME_SIZE];
    name_queue(name, EXCHANGE_TRIGGERS, tenant);
    /* An explicit limit: RabbitMQ 4 drops after 20 deliveries unless told otherwise, and a trigger is never dropped. */
    queue(p, vhost, name, "{\"x-queue-type\":\"quorum\",\"x-delivery-limit\":2000000000}");
    bind(p, vhost, EXCHANGE_TRIGGERS, name, text(p, "%s.#", tenant));
}

static void tenant_users(struct plan *p, const char *vhost, const struct plan_users *users, const char *tenant,
                         const char *worker_password, const char *tenant_password)
{
    const struct user w = {
        .name = users->worker,
        .password = worker_password,
        .configure = text(p, "^belltower\\.lock\\.(stream|batch)\\.%s\\z", tenant),
        .write = text(p, "^belltower\\.(results|triggers|reports|dead|in\\.%s)\\z", tenant),
        .read = text(p, "^belltower\\.(events|results|triggers|reports|dead)\\.%s\\z", tenant),
        .connections = WORKER_CONNECTIONS,
        .channels = WORKER_CHANNELS,
    };
    const struct user c = {
        .name = users->customer,
        .password = tenant_password,
        .configure = "^$",
        .write = text(p, "^belltower\\.in\\.%s\\z", tenant),
        .read = text(p, "^belltower\\.(results|reports|dead)\\.%s\\z", tenant),
        .connections = TENANT_CONNECTIONS,
        .channels = TENANT_CHANNELS,
    };
    static const char *const shared[] = {EXCHANGE_RESULTS, EXCHANGE_TRIGGERS, EXCHANGE_REPORTS, EXCHANGE_DEAD};
    user(p, vhost, &w);
    user(p, vhost, &c);
    for (size_t i = 0; i < sizeof shared / sizeof *shared;
         i++) /* a second line only: CC headers pass it before RabbitMQ 4.0 */
        call(p, "PUT", text(p, "/api/topic-permissions/%s/%s", vhost, users->worker),
             text(p, "{\"exchange\":\"%s\",\"write\":%s,\"read\":\"^$\"}", shared[i],
                  quoted(p, text(p, "^%s\\.", tenant))));
}

static int64_t or_default(int64_t value, int64_t fallback)
{
    return value > 0 ? value : fallback;
}

void plan_create(struct plan *p, const char *vhost_name, const char *tenant, const struct plan_retention *r,
                 const char *worker_password, const char *tenant_password)
{
    char in[NAME_SIZE], events[NAME_SIZE];
    const char *vhost = segment(p, vhost_name);
    int64_t others = or_default(r->segment_bytes, DEFAULT_SEGMENT_OTHERS);
    struct plan_users users;
    plan_users(&users, vhost_name, tenant);
    name_exchange_in(in, tenant);
    name_queue(events, EXCHANGE_EVENTS, tenant);
    stream_queue(p, vhost, tenant, EXCHANGE_EVENTS, r->events, or_default(r->segment_bytes, DEFAULT_SEGMENT_EVENTS));
    exchange(p, vhost, in, "topic", EXCHANGE_UNROUTED);
    bind(p, vhost, in, events, "#");
    stream_queue(p, vhost, tenant, EXCHANGE_RESULTS, r->results, others);
    stream_queue(p, vhost, tenant, EXCHANGE_REPORTS, r->reports, others);
    stream_queue(p, vhost, tenant, EXCHANGE_DEAD, r->dead, others);
    trigger_queue(p, vhost, tenant);
    tenant_users(p, vhost, &users, tenant, worker_password, tenant_password);
}

void plan_remove(struct plan *p, const char *vhost_name, const char *tenant)
{
    static const char *const exchanges[] = {EXCHANGE_EVENTS, EXCHANGE_RESULTS, EXCHANGE_REPORTS, EXCHANGE_DEAD,
                                            EXCHANGE_TRIGGERS};
    const char *vhost = segment(p, vhost_name);
    char name[NAME_SIZE];
    struct plan_users users;
    plan_users(&users, vhost_name, tenant);
    call(p, "DELETE", text(p, "/api/users/%s", users.customer), NULL);
    call(p, "DELETE", text(p, "/api/users/%s", users.worker), NULL);
    call(p, "DELETE", text(p, "/api/exchanges/%s/%s", vhost, name_exchange_in(name, tenant)), NULL);
    for (size_t i = 0; i < sizeof exchanges / sizeof *exchanges; i++) {
        name_queue(name, exchanges[i], tenant);
        call(p, "DELETE", text(p, "/api/queues/%s/%s", vhost, name), NULL);
        if (exchanges[i] != exchanges[4])
            call(p, "DELETE", text(p, "/api/policies/%s/%s", vhost, name), NULL);
    }
}
