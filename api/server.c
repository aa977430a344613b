#include "api/server.h"
#include "api/auth.h"
#include "api/connection.h"
#include "api/metrics_http.h"
#include "api/partner.h"
#include "api/problem.h"
#include "api/routes.h"

#include "base/clock.h"
#include "base/listen.h"
#include "base/log.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS       "384"         /* of 100 KiB; a connection holds one while it lasts, whatever it does */
#define DISCARD_BYTES (1024 * 1024) /* of a body nobody wants, to keep the connection */
#define DISCARD_MS    1000
#define LINGER_BYTES  (16 * 1024 * 1024) /* behind the answer, so that a sender gets to read it before the end */
#define LINGER_MS     2000

struct server {
    struct api *api;
    struct mg_context *context;
    struct connections *connections;
    struct partners *partners;
};

/* ---- framing: what two readers could understand differently is refused ---- */

static int count_header(const struct mg_request_info *info, const char *name)
{
    int n = 0;
    for (int i = 0; i < info->num_headers; i++)
        n += strcasecmp(info->http_headers[i].name, name) == 0;
    return n;
}

static const char *framing_fault(struct mg_connection *c, const struct mg_request_info *info)
{
    const char *length = mg_get_header(c, "Content-Length"), *coding = mg_get_header(c, "Transfer-Encoding");
    if (count_header(info, "Content-Length") > 1)
        return "Content-Length is there more than once";
    if (length && coding)
        return "Content-Length and Transfer-Encoding together";
    if (count_header(info, "Transfer-Encoding") > 1 || (coding && strcasecmp(coding, "chunked") != 0))
        return "Transfer-Encoding may only be chunked";
    if (length && (!*length || length[strspn(length, "0123456789")] || strlen(length) > 15))
        return "Content-Length is not a number";
    for (const char *p = info->request_uri; *p; p++)
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f)
            return "the address has characters that must be percent-encoded";
    return NULL;
}

/* ---- one request ---- */

static const char *source_header(void *context, const char *name)
{
    return mg_get_header(connection_of(context), name);
}

static bool source_write(void *context, const void *p, size_t len)
{
    return exchange_write(context, p, len);
}

static void begin(struct request *r, struct server *s, struct exchange *x, const struct mg_request_info *info)
{
    unsigned char bytes[8];
    *r = (struct request){.api = s->api,
                          .source = {x, source_header, exchange_read, source_write},
                          .method = info->request_method,
                          .takes_chunks = info->http_version && strcmp(info->http_version, "1.1") == 0};
    random_bytes(bytes, sizeof bytes);
    for (int i = 0; i < 8; i++)
        snprintf(r->id + 2 * i, 3, "%02x", bytes[i]);
    r->path = info->local_uri_raw ? info->local_uri_raw : "";
    r->query = info->query_string ? info->query_string : "";
}

static void dispatch(struct request *r)
{
    struct route_match m;
    struct err err;
    route_find(routes, route_count, r->method, r->path, &m);
    if (!m.route && *m.allow) {
        answer_header(r, "Allow", "%s", m.allow);
        problem(r, PROBLEM_METHOD_NOT_ALLOWED, "%s is not one of %s", r->method, m.allow);
        return;
    }
    if (!m.route) {
        problem(r, m.bad ? PROBLEM_INVALID_REQUEST : PROBLEM_NOT_FOUND, "%s: %s", r->path,
                m.bad ? "a malformed address" : "there is no such address");
        return;
    }
    r->route = m.route;
    memcpy(r->parameters, m.parameters, sizeof r->parameters);
    if (!auth_check(r, m.route))
        return;
    if (r->has_tenant)
        exchange_owned(r->source.context, r->tenant.tenant);
    if (atomic_load(&r->api->draining))
        problem(r, PROBLEM_UNAVAILABLE, "the server is stopping");
    else if (request_check_query(r, &err) < 0)
        problem_err(r, &err);
    else
        m.route->handler(r);
    if (!r->status)
        problem(r, PROBLEM_INTERNAL, "the call gave no answer");
}

/* Header and body in one write: two would wait for each other's acknowledgement. */
static void send_answer(struct request *r, struct exchange *x, bool keep)
{
    struct buf out = {0};
    bool head = strcmp(r->method, "HEAD") == 0, bare = r->status == 204 || r->status == 304;
    buf_printf(&out, "HTTP/1.1 %d %s\r\nX-Request-Id: %s\r\nCache-Control: no-store\r\n", r->status,
               status_text(r->status), r->id);
    if (!bare) {
        buf_printf(&out, "Content-Length: %zu\r\n", r->body.len);
        if (r->content_type)
            buf_printf(&out, "Content-Type: %s\r\n", r->content_type);
    }
    buf_add(&out, r->headers.data, r->headers.len);
    buf_printf(&out, "X-Content-Type-Options: nosniff\r\nConnection: %s\r\n\r\n", keep ? "keep-alive" : "close");
    if (!head && !bare)
        buf_add(&out, r->body.data, r->body.len);
    (void)exchange_write(x, out.data, out.len); /* whoever has gone does not need it */
    buf_free(&out);
}

static void tell(const struct request *r, int64_t us)
{
    bool looks = strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0;
    enum log_level level = r->status >= 500 && r->status != 503 ? LOG_WARN : looks ? LOG_DEBUG : LOG_INFO;
    if (level >= log_level)
        log_line(level, "%s %.300s%s%.300s %d in %lld.%03lld ms, request %s", r->method, r->path, *r->query ? "?" : "",
                 r->query, r->status, (long long)(us / 1000), (long long)(us % 1000), r->id);
}

static bool client_keeps(struct mg_connection *c, const struct mg_request_info *info)
{
    const char *wish = mg_get_header(c, "Connection");
    if (wish)
        return strcasestr(wish, "keep-alive") != NULL;
    return info->http_version && strcmp(info->http_version, "1.1") == 0;
}

struct call {
    struct mg_connection *connection;
    int outcome; /* for civetweb: -1 = close it */
};

static int serve(struct mg_connection *c)
{
    const struct mg_request_info *info = mg_get_request_info(c);
    struct server *s = info->user_data;
    struct exchange x;
    struct request r;
    int64_t began = clock_mono_us();
    exchange_begin(&x, s->connections, c);
    begin(&r, s, &x, info);
    const char *fault = framing_fault(c, info);
    if (fault)
        problem(&r, PROBLEM_INVALID_REQUEST, "%s", fault);
    else
        dispatch(&r);
    bool whole = !fault && !r.streamed && exchange_discard(&x, DISCARD_BYTES, DISCARD_MS);
    if (!r.streamed)
        send_answer(&r, &x, whole && client_keeps(c, info));
    int64_t us = clock_mono_us() - began;
    metrics_http_add(s->api->http, r.route, r.status, us);
    tell(&r, us);
    int status = r.status;
    bool streamed = r.streamed;
    request_end(&r);
    if (whole)
        return status;
    if (!streamed)
        (void)exchange_discard(&x, LINGER_BYTES, LINGER_MS);
    mg_close_connection(c); /* what follows on it could be read as another request */
    return -1;
}

/* What civetweb refuses by itself: a header too large, a request line that is none. */
static int on_error(struct mg_connection *c, int status, const char *text)
{
    static const struct request nothing;
    struct request r = nothing;
    struct buf out = {0};
    snprintf(r.id, sizeof r.id, "none");
    enum problem_kind kind = status == 413   ? PROBLEM_TOO_LARGE
                             : status == 503 ? PROBLEM_UNAVAILABLE
                                             : PROBLEM_INVALID_REQUEST;
    problem(&r, kind, "%s", text && *text ? text : "no valid HTTP request");
    buf_printf(&out,
               "HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\nContent-Length: %zu\r\n"
               "Connection: close\r\n\r\n",
               r.status, status_text(r.status), r.body.len);
    buf_add(&out, r.body.data, r.body.len);
    mg_write(c, out.data, out.len);
    mg_set_user_connection_data(c, c); /* it has its answer */
    buf_free(&out);
    request_end(&r);
    return 0;
}

static void serve_call(void *context)
{
    struct call *call = context;
    call->outcome = serve(call->connection);
}

static int on_request(struct mg_connection *c)
{
    struct call call = {.connection = c, .outcome = -1};
    struct server *s = mg_get_request_info(c)->user_data;
    if (!partners_run(s->partners, serve_call, &call))
        (void)on_error(c, 503, "the server has no thread left for it");
    return call.outcome;
}

/* Targets that are no path of ours (`*`, another server's address) civetweb drops without a word. */
static void on_close(const struct mg_connection *connection)
{
    struct mg_connection *c = (struct mg_connection *)(uintptr_t)connection;
    const struct mg_request_info *info = mg_get_request_info(c);
    if (info && !mg_get_user_connection_data(c) && info->request_method && info->request_uri && !info->local_uri_raw)
        (void)on_error(c, 400, "the target of a request is a path, as in GET /healthz");
}

static int on_message(const struct mg_connection *c, const char *message)
{
    (void)c;
    log_debug("%s", message);
    return 1;
}

/* ---- beginning and end ---- */

/* Civetweb takes numbers only, and does not say why it cannot listen. */
static int check_address(const char *listen_on, char out[80], struct err *err)
{
    struct sockaddr_in a;
    char host[INET_ADDRSTRLEN];
    if (listen_parse(listen_on, &a, err) < 0 || listen_check(listen_on, err) < 0)
        return -1;
    inet_ntop(AF_INET, &a.sin_addr, host, sizeof host);
    snprintf(out, 80, "%s:%d", host, ntohs(a.sin_port));
    return 0;
}

int server_check(const struct api *api, struct err *err)
{
    char address[80];
    return check_address(api->settings.listen, address, err);
}

int server_start(struct api *api, struct server **server, struct err *err)
{
    char address[80];
    if (check_address(api->settings.listen, address, err) < 0)
        return -1;
    const char *options[] = {"listening_ports",
                             address,
                             "num_threads",
                             THREADS,
                             "tcp_nodelay",
                             "1",
                             "enable_keep_alive",
                             "yes",
                             "keep_alive_timeout_ms",
                             "500",
                             "request_timeout_ms",
                             "10000",
                             "max_request_size",
                             "16384",
                             "connection_queue",
                             "64",
                             "decode_url",
                             "no",
                             "enable_directory_listing",
                             "no",
                             "enable_auth_domain_check",
                             "no",
                             "access_control_allow_methods",
                             "",
                             "access_control_allow_origin",
                             "",
                             NULL};
    const struct mg_callbacks callbacks = {
        .begin_request = on_request, .http_error = on_error, .log_message = on_message, .connection_close = on_close};
    struct server *s = mem_zero(1, sizeof *s);
    s->api = api;
    s->connections = connections_new();
    s->partners = partners_new();
    mg_init_library(0);
    s->context = mg_start(&callbacks, s, options);
    if (!s->context) {
        connections_free(&s->connections);
        partners_free(&s->partners);
        free(s);
        return err_set(err, ERR_CONFLICT, "cannot listen on %s", api->settings.listen);
    }
    *server = s;
    return 0;
}

void server_watch(struct server *s)
{
    connections_watch(s->connections);
}

void server_stop(struct server **server)
{
    struct server *s = *server;
    if (!s)
        return;
    mg_stop(s->context);
    mg_exit_library();
    connections_free(&s->connections);
    partners_free(&s->partners);
    free(s);
    *server = NULL;
}
