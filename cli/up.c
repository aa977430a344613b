/* belltower up: the platform here, in the foreground. What cannot work is told before anything begins. */
#include "cli/verbs.h"

#include "base/clock.h"
#include "base/listen.h"
#include "base/settings.h"
#include "broker/address.h"
#include "coredms/coredms.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TRY_MS     10000 /* a broker or store that is just starting may take so long */
#define PAUSE_MS   500
#define CONNECT_MS 3000

/* ---- broker ---- */

static int check_broker(const char *list, struct err *err)
{
    const char *text;
    size_t len;
    struct broker_address a;
    int count = 0;
    for (; broker_address_next(&list, &text, &len); count++)
        if (broker_address_parse(text, len, &a, err) < 0)
            return -1;
    return count ? 0
                 : err_set(err, ERR_INVALID, "broker: an address is missing, as in amqp://127.0.0.1:5672/belltower");
}

static bool answers(int fd, const struct addrinfo *i)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t len = sizeof error;
    if (connect(fd, i->ai_addr, i->ai_addrlen) == 0)
        return true;
    if (errno != EINPROGRESS)
        return false;
    if (poll(&p, 1, CONNECT_MS) != 1) {
        errno = ETIMEDOUT;
        return false;
    }
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    errno = error;
    return error == 0;
}

static bool reaches(const struct broker_address *a, struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    char port[16];
    bool there = false;
    snprintf(port, sizeof port, "%d", a->port);
    int code = getaddrinfo(a->host, port, &hints, &list);
    if (code != 0)
        err_set(err, ERR_UNAVAILABLE, "broker: %.200s: %s", a->host, gai_strerror(code));
    for (const struct addrinfo *i = list; i && !there; i = i->ai_next) {
        int fd = socket(i->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        there = fd >= 0 && answers(fd, i);
        if (!there)
            err_set(err, ERR_UNAVAILABLE, "broker: nothing answers at %.200s:%d: %s", a->host, a->port,
                    strerror(errno));
        if (fd >= 0)
            close(fd);
    }
    if (list)
        freeaddrinfo(list);
    return there;
}

/* One of the addresses is enough. */
static int try_broker(const struct settings *s, struct err *err)
{
    const char *list = s->broker, *text;
    size_t len;
    struct broker_address a;
    while (broker_address_next(&list, &text, &len))
        if (broker_address_parse(text, len, &a, err) == 0 && reaches(&a, err))
            return 0;
    return -1;
}

/* ---- store ---- */

static int try_store(const struct settings *s, struct err *err)
{
    struct coredms *db;
    if (coredms_open(s->coredms, NULL, COREDMS_READS, &db, err) < 0)
        return -1;
    int status = coredms_ping(db, err);
    coredms_close(&db);
    return status;
}

/* ---- all ---- */

static int try_for_a_while(int (*try)(const struct settings *s, struct err *err), const struct settings *s,
                           const char *what, struct err *err)
{
    int64_t until = clock_mono_ms() + TRY_MS;
    bool told = false;
    while (try(s, err) < 0) {
        if (err->code != ERR_UNAVAILABLE || clock_mono_ms() >= until)
            return -1;
        if (!told)
            fprintf(stderr, "waiting for the %s: %s\n", what, err->text);
        told = true;
        poll(NULL, 0, PAUSE_MS);
    }
    return 0;
}

static int check(const struct settings *s, bool wait, struct err *err)
{
    if (listen_check(s->listen, err) < 0 || check_broker(s->broker, err) < 0)
        return -1;
    if (wait)
        return 0;
    return try_for_a_while(try_store, s, "store", err) < 0 ? -1 : try_for_a_while(try_broker, s, "broker", err);
}

static int refuse(const struct err *err)
{
    fprintf(stderr, "belltower: %s\n", err->text);
    if (err->code == ERR_UNAVAILABLE)
        fprintf(stderr, "belltower: start it first, or give --wait to wait for it without end\n");
    return err->code == ERR_INVALID ? VERB_USAGE : err->code == ERR_UNAVAILABLE ? VERB_NOT_THERE : VERB_FAILED;
}

static int find_program(char *path, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", path, size - sizeof "/belltowerd");
    if (n <= 0)
        return -1;
    path[n] = 0;
    strcpy(strrchr(path, '/'), "/belltowerd");
    return 0;
}

static void tell(const struct settings *s)
{
    fprintf(stderr,
            "API and dashboard: http://%s/\nthe platform's token: %s%s\ndata: %s\nCtrl-C drains and ends; belltower "
            "status, in another terminal, "
            "shows how it goes\n",
            s->listen, *s->token ? "as set" : s->data, *s->token ? "" : "/token", s->data);
}

int cmd_up(int argc, char **argv)
{
    struct settings s;
    struct err err;
    char path[4096];
    bool wait = false;
    const struct option options[] = {
        {"wait", OPTION_FLAG, &wait, NULL, "begin although broker or store are not there yet, and wait for them"}};
    if (settings_load(&argc, argv, &s, &err) < 0 || verb_options(&argc, argv, "up", options, 1, 0, 0, &err) < 0)
        return verb_usage(&err);
    setenv("MONGOC_DISABLE_SHM", "1", 1); /* before the store's library is loaded */
    if (check(&s, wait, &err) < 0)
        return refuse(&err);
    if (find_program(path, sizeof path) < 0) {
        fprintf(stderr, "belltower: cannot find belltowerd: %s\n", strerror(errno));
        return VERB_FAILED;
    }
    tell(&s);
    size_t count;
    char **environment = settings_environment(&s, FOR_ALL, &count);
    for (size_t i = 0; i < count; i++)
        putenv(environment[i]);
    execl(path, "belltowerd", (char *)NULL);
    fprintf(stderr, "belltower: cannot execute %s: %s\n", path, strerror(errno));
    return VERB_FAILED;
}
