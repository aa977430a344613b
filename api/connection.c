#include "api/connection.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define READ_BYTES  16384
#define READ_MS     15000 /* for READ_BYTES: a body must come at 1 KiB/s at least */
#define WRITE_MS    30000 /* and WRITE_MS more per WRITE_BYTES */
#define WRITE_BYTES (1024 * 1024)
#define SMALL_WRITE 16384 /* fits into the socket's buffer, so it does not wait for the reader */
#define BODY_MS     (60 * 60 * 1000)
#define WATCHED_MAX 1024

struct watched {
    struct exchange *exchange;
    int64_t began, deadline;
    bool reads;
};

struct connections {
    pthread_mutex_t lock;
    struct watched list[WATCHED_MAX];
    size_t count;
};

struct connections *connections_new(void)
{
    struct connections *c = mem_zero(1, sizeof *c);
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

void connections_free(struct connections **c)
{
    if (!*c)
        return;
    pthread_mutex_destroy(&(*c)->lock);
    free(*c);
    *c = NULL;
}

/* Those inside for the longest first. */
static int by_begin(const void *a, const void *b)
{
    const struct watched *x = *(const struct watched *const *)a, *y = *(const struct watched *const *)b;
    return x->began < y->began ? -1 : x->began > y->began;
}

/* How many behind this one belong to the same. */
static size_t others_of(struct watched *const *slow, size_t count, uint64_t owner)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += slow[i]->exchange->owner == owner;
    return n;
}

/* Whoever still sends gets an answer. */
static void end_slow(struct exchange *x, bool reads)
{
    x->crowded = true;
    shutdown(x->fd, reads ? SHUT_RD : SHUT_RDWR);
}

static void end_crowds(struct connections *c, int64_t now)
{
    struct watched *slow[WATCHED_MAX];
    size_t count = 0;
    for (size_t i = 0; i < c->count; i++)
        if (now - c->list[i].began >= SLOW_MS && !c->list[i].exchange->crowded)
            slow[count++] = &c->list[i];
    if (count <= SLOW_PER_TENANT)
        return;
    qsort(slow, count, sizeof *slow, by_begin);
    for (size_t i = 0; i < count; i++)
        if (count - i > SLOW_MAX || others_of(slow + i + 1, count - i - 1, slow[i]->exchange->owner) >= SLOW_PER_TENANT)
            end_slow(slow[i]->exchange, slow[i]->reads);
}

void connections_watch(struct connections *c)
{
    int64_t now = clock_mono_ms();
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->count; i++)
        if (c->list[i].deadline <= now)
            shutdown(c->list[i].exchange->fd, SHUT_RDWR);
    end_crowds(c, now);
    pthread_mutex_unlock(&c->lock);
}

static void watch(struct exchange *x, bool reads, int64_t ms)
{
    struct connections *c = x->connections;
    int64_t now = clock_mono_ms();
    pthread_mutex_lock(&c->lock);
    if (c->count < WATCHED_MAX)
        c->list[c->count++] = (struct watched){x, now, now + ms, reads};
    pthread_mutex_unlock(&c->lock);
}

static void unwatch(struct exchange *x)
{
    struct connections *c = x->connections;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->count; i++)
        if (c->list[i].exchange == x) {
            c->list[i] = c->list[--c->count];
            break;
        }
    pthread_mutex_unlock(&c->lock);
}

/* ---- the socket, which civetweb does not tell: it is the one whose two ends are those of the request ---- */

static bool is_socket_of(int fd, const struct mg_request_info *info)
{
    struct sockaddr_in peer = {0}, own = {0};
    char address[INET_ADDRSTRLEN];
    socklen_t peer_len = sizeof peer, own_len = sizeof own;
    if (getpeername(fd, (struct sockaddr *)&peer, &peer_len) < 0 || peer.sin_family != AF_INET ||
        ntohs(peer.sin_port) != info->remote_port || getsockname(fd, (struct sockaddr *)&own, &own_len) < 0 ||
        ntohs(own.sin_port) != info->server_port)
        return false;
    return inet_ntop(AF_INET, &peer.sin_addr, address, sizeof address) && strcmp(address, info->remote_addr) == 0;
}

static int find_socket(const struct mg_request_info *info)
{
    DIR *d = opendir("/proc/self/fd");
    int found = -1;
    for (struct dirent *e; d && found < 0 && (e = readdir(d));) {
        int fd = atoi(e->d_name);
        if (fd > 2 && is_socket_of(fd, info))
            found = fd;
    }
    if (d)
        closedir(d);
    return found;
}

static int socket_of(struct exchange *x)
{
    if (x->fd < 0)
        x->fd = find_socket(mg_get_request_info(x->connection));
    return x->fd;
}

/* ---- an exchange ---- */

void exchange_begin(struct exchange *x, struct connections *c, struct mg_connection *connection)
{
    const struct mg_request_info *info = mg_get_request_info(connection);
    bool chunked = mg_get_header(connection, "Transfer-Encoding") != NULL;
    *x = (struct exchange){.connections = c, .connection = connection, .fd = -1, .began_ms = clock_mono_ms()};
    x->length = chunked ? -1 : info->content_length > 0 ? info->content_length : 0;
    x->ended = x->length == 0;
}

struct mg_connection *connection_of(struct exchange *x)
{
    return x->connection;
}

void exchange_owned(struct exchange *x, const char *tenant)
{
    x->owner = hash_quick(tenant, strlen(tenant), 1);
}

static void say_continue(struct exchange *x)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const char *expect = mg_get_header(x->connection, "Expect");
    if (!x->continued && expect && strcasecmp(expect, "100-continue") == 0)
        mg_write(x->connection, text, sizeof text - 1);
    x->continued = true;
}

/* Civetweb says 0 or less alike at the end, at a broken connection and when nothing comes. */
static long end_of_body(struct exchange *x, int64_t waited, struct err *err)
{
    bool proper = x->length < 0 ? false : x->taken == x->length;
    x->ended = proper;
    x->broken = !proper;
    if (proper)
        return 0;
    if (x->crowded)
        return err_set(err, ERR_TIMEOUT,
                       "the body came too slowly, as did too many others at the same time; %lld bytes were read",
                       (long long)x->taken);
    if (waited >= 9000)
        return err_set(err, ERR_TIMEOUT, "the body came too slowly: nothing more came after %lld bytes",
                       (long long)x->taken);
    if (x->length < 0)
        return err_set(err, ERR_INVALID, "the body's chunks are malformed or cut short behind %lld bytes",
                       (long long)x->taken);
    return err_set(err, ERR_INVALID, "the body is cut short: %lld bytes came of %lld", (long long)x->taken,
                   (long long)x->length);
}

long exchange_read(void *exchange, void *p, size_t len, struct err *err)
{
    struct exchange *x = exchange;
    int64_t before = clock_mono_ms();
    size_t want = len < READ_BYTES ? len : READ_BYTES;
    if (x->ended)
        return 0;
    if (x->broken)
        return err_set(err, ERR_INVALID, "the body is cut short");
    if (before - x->began_ms > BODY_MS)
        return err_set(err, ERR_TIMEOUT, "the body takes longer than an hour");
    say_continue(x);
    (void)socket_of(x);
    watch(x, true, READ_MS);
    int n = mg_read(x->connection, p, want);
    unwatch(x);
    if (n <= 0 && x->crowded)
        return end_of_body(x, 0, err);
    if (n == 0 && x->length < 0) { /* chunked: 0 is only said behind the last chunk */
        x->ended = true;
        return 0;
    }
    if (n <= 0)
        return end_of_body(x, clock_mono_ms() - before, err);
    x->taken += n;
    x->ended = x->taken == x->length;
    return n;
}

bool exchange_write(struct exchange *x, const void *p, size_t len)
{
    bool watched = len > SMALL_WRITE && socket_of(x) >= 0;
    if (watched)
        watch(x, false, WRITE_MS + (int64_t)(len / WRITE_BYTES) * WRITE_MS);
    int n = mg_write(x->connection, p, len);
    if (watched)
        unwatch(x);
    return n >= 0 && (size_t)n == len;
}

bool exchange_discard(struct exchange *x, int64_t max_bytes, int64_t max_ms)
{
    char bytes[READ_BYTES];
    struct err err;
    int64_t until = clock_mono_ms() + max_ms, most = x->taken + max_bytes;
    if (!x->ended && (x->broken || (mg_get_header(x->connection, "Expect") && !x->continued)))
        return false; /* it waits for a word before it sends */
    while (!x->ended && !x->broken && x->taken < most && clock_mono_ms() < until)
        if (exchange_read(x, bytes, sizeof bytes, &err) < 0)
            break;
    return x->ended;
}
