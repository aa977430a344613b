#include "base/runtime.h"
#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define CONTROL_BUDGET 16

int runtime_signals(struct err *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return fd < 0 ? err_set_errno(err, "cannot watch signals") : fd;
}

/* No core dumps and no ptrace by others: tenant data and credentials are in this memory. */
static void keep_secrets(void)
{
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0);
}

int runtime_begin(struct runtime *r, enum role role, const char *tenant, struct err *err)
{
    *r = (struct runtime){.control_fd = -1, .signal_fd = -1};
    log_begin(role_name(role), tenant);
    r->supervised = getenv("BELLTOWER_SUPERVISED") != NULL;
    r->page = page_attach();
    r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (r->epoll_fd < 0)
        return err_set_errno(err, "cannot make an epoll");
    r->signal_fd = runtime_signals(err);
    if (r->signal_fd < 0 || runtime_watch(r, r->signal_fd, err) < 0)
        return -1;
    if (!r->supervised)
        return 0;
    keep_secrets();
    r->control_fd = CONTRACT_CONTROL_FD;
    return runtime_watch(r, r->control_fd, err);
}

int runtime_watch(struct runtime *r, int fd, struct err *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 && errno != EEXIST)
        return err_set_errno(err, "cannot watch a file descriptor");
    return 0;
}

void runtime_forget(struct runtime *r, int fd)
{
    epoll_ctl(r->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

static void take_signals(struct runtime *r)
{
    struct signalfd_siginfo info;
    while (read(r->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP)
            r->hangup = true;
        else
            r->drain = true;
    }
}

static void take_control(struct runtime *r)
{
    for (int i = 0; i < CONTROL_BUDGET; i++) {
        struct control c;
        struct err err;
        int fd;
        if (control_receive(r->control_fd, &c, &fd, &err) == 0) {
            if (fd >= 0)
                close(fd);
            if (c.kind == CTL_RELOAD)
                r->reload_version = c.version;
            continue;
        }
        if (err.code == ERR_UNAVAILABLE)
            return;
        if (err.code == ERR_NOT_FOUND) {
            log_warn("the supervisor is gone");
            runtime_forget(r, r->control_fd);
            r->control_fd = -1;
            r->drain = true;
            return;
        }
        log_warn("control: %s", err.text);
    }
}

void runtime_wait(struct runtime *r, int64_t timeout_ms)
{
    struct epoll_event events[RUNTIME_READABLE];
    int64_t ms = timeout_ms < 0 ? 0 : timeout_ms > RUNTIME_TURN_MS ? RUNTIME_TURN_MS : timeout_ms;
    int n = epoll_wait(r->epoll_fd, events, RUNTIME_READABLE, (int)ms);
    r->readable_count = 0;
    for (int i = 0; i < n; i++) {
        r->readable[r->readable_count++] = events[i].data.fd;
        if (events[i].data.fd == r->signal_fd)
            take_signals(r);
        else if (r->control_fd >= 0 && events[i].data.fd == r->control_fd)
            take_control(r);
    }
    page_beat(r->page);
}

bool runtime_readable(const struct runtime *r, int fd)
{
    for (int i = 0; i < r->readable_count; i++)
        if (r->readable[i] == fd)
            return true;
    return false;
}

void runtime_end(struct runtime *r)
{
    if (r->signal_fd >= 0)
        close(r->signal_fd);
    if (r->epoll_fd >= 0)
        close(r->epoll_fd);
}

const char *runtime_argument(int argc, char **argv, const char *name)
{
    size_t len = strlen(name);
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0 || strncmp(argv[i] + 2, name, len) != 0)
            continue;
        const char *rest = argv[i] + 2 + len;
        if (*rest == '=')
            return rest + 1;
        if (!*rest && i + 1 < argc)
            return argv[i + 1];
    }
    return NULL;
}

bool runtime_flag(int argc, char **argv, const char *name)
{
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i] + 2, name) == 0)
            return true;
    }
    return false;
}
