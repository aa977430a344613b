/* belltowerd: begin, loop, end. */
#include "tenants/supervisor/supervisor.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define EVENTS        64
#define LOOK_EVERY_MS 500
#define TOKEN_BYTES   24

/* ---- epoll: the owner's pointer with the kind in its low bits would be too clever; a small table of fds is enough
 * ---- */

#define WATCH_MAX 65536
static struct watch {
    enum watch_kind kind;
    void *owner;
} watches[WATCH_MAX]; /* by fd */

int supervisor_watch(struct supervisor *s, int fd, enum watch_kind kind, void *owner, struct err *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (fd >= WATCH_MAX)
        return err_set(err, ERR_FULL, "more than %d file descriptors", WATCH_MAX);
    watches[fd] = (struct watch){kind, owner};
    if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        return err_set_errno(err, "cannot watch a file descriptor");
    return 0;
}

void supervisor_forget(struct supervisor *s, int *fd)
{
    if (*fd < 0)
        return;
    epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, *fd, NULL);
    watches[*fd].owner = NULL;
    close(*fd);
    *fd = -1;
}

static void unwant(struct supervisor *s, struct child *c)
{
    child_tell(s, c, CHILD_UNWANT);
}

static void drain(struct supervisor *s, const char *why)
{
    if (s->draining)
        return;
    log_info("draining: %s", why);
    s->draining = true;
    supervisor_each_child(s, unwant);
}

static void hang_up(struct supervisor *s, struct child *c)
{
    (void)s;
    child_signal(c, SIGHUP);
}

static void take_signals(struct supervisor *s)
{
    struct signalfd_siginfo info;
    struct err err;
    while (read(s->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo != SIGHUP) {
            drain(s, info.ssi_signo == SIGINT ? "interrupted" : "SIGTERM");
            continue;
        }
        if (*s->settings.log && log_to_file(s->settings.log, &err) < 0)
            log_error("%s", err.text);
        supervisor_each_child(s, hang_up);
        log_info("SIGHUP: the log is reopened");
    }
}

static void take_event(struct supervisor *s, int fd)
{
    const struct watch w = watches[fd];
    switch (w.kind) {
    case WATCH_SIGNAL:
        take_signals(s);
        break;
    case WATCH_PIDFD:
        if (w.owner)
            child_exited(s, w.owner);
        break;
    case WATCH_CONTROL:
        if (w.owner)
            control_from_child(s, w.owner);
        break;
    case WATCH_LOG:
        if (w.owner)
            child_read_log(s, w.owner, false);
        break;
    case WATCH_PROVISION_PID:
        provisioner_exited(s);
        break;
    case WATCH_PROVISION_OUT:
        provisioner_read(s, true);
        break;
    case WATCH_PROVISION_ERR:
        provisioner_read(s, false);
        break;
    }
}

/* ---- the loop ---- */

static int64_t next_wake;

static void note_wake(struct supervisor *s, struct child *c)
{
    (void)s;
    int64_t at = policy_wake(&c->policy);
    if (at < next_wake)
        next_wake = at;
}

static int timeout_of(struct supervisor *s)
{
    next_wake = s->now + LOOK_EVERY_MS;
    supervisor_each_child(s, note_wake);
    int64_t at = provisioner_wake(s);
    if (at < next_wake)
        next_wake = at;
    return next_wake > s->now ? (int)(next_wake - s->now) : 0;
}

/* Orphans that are nobody's child here (as PID 1 in a container). Our own are reaped by their pidfds, so they are left
 * alone. */
static void reap_strangers(struct supervisor *s)
{
    siginfo_t info;
    (void)s;
    if (getpid() != 1)
        return;
    while (memset(&info, 0, sizeof info), waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid) {
        bool ours = s->provisioner.pid == info.si_pid || s->api.pid == info.si_pid;
        for (struct tenant *t = s->tenants; t && !ours; t = t->next)
            ours = t->stream.pid == info.si_pid || t->batch.pid == info.si_pid;
        if (ours)
            return;
        waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | WNOHANG);
    }
}

static bool all_ended(struct supervisor *s)
{
    for (struct tenant *t = s->tenants; t; t = t->next)
        if (t->stream.pid || t->batch.pid)
            return false;
    return s->api.pid == 0;
}

static void turn(struct supervisor *s)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(s->epoll_fd, events, EVENTS, timeout_of(s));
    s->now = clock_mono_ms();
    for (int i = 0; i < n; i++)
        take_event(s, events[i].data.fd);
    supervisor_each_child(s, child_look);
    provisioner_step(s);
    control_tell_changes(s);
    tenant_sweep(s);
    reap_strangers(s);
    if (s->fatal)
        drain(s, "the API cannot run");
}

/* ---- beginning ---- */

static int find_programs(struct supervisor *s, struct err *err)
{
    ssize_t n = readlink("/proc/self/exe", s->program_dir, sizeof s->program_dir - 1);
    if (n <= 0)
        return err_set_errno(err, "cannot find the programs");
    s->program_dir[n] = 0;
    *strrchr(s->program_dir, '/') = 0;
    return 0;
}

/* One supervisor per data directory: the lock goes with the process, however it ends. */
static int take_lock(struct supervisor *s, struct err *err)
{
    char path[4096];
    path_data(&s->settings, "belltowerd.lock", path, sizeof path);
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0)
        return err_set_errno(err, "cannot write to the data directory: %s", path);
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    return err_set(err, ERR_CONFLICT,
                   "another belltowerd already runs on the data directory %s: stop it, or give another --data",
                   s->settings.data);
}

/* The platform's token: given, or kept in the data directory, or made now. */
static int find_token(struct supervisor *s, struct err *err)
{
    static char token[2 * TOKEN_BYTES + 1];
    char path[4096];
    struct buf text = {0};
    unsigned char bytes[TOKEN_BYTES];
    if (*s->settings.token)
        return 0;
    path_data(&s->settings, "token", path, sizeof path);
    if (files_read(path, sizeof token, &text, err) == 0 && text.len > 0) {
        while (text.len && text.data[text.len - 1] == '\n')
            text.len--;
        snprintf(token, sizeof token, "%.*s", (int)text.len, text.data);
        s->settings.token = token;
        buf_free(&text);
        return 0;
    }
    buf_free(&text);
    if (err->code != ERR_NOT_FOUND)
        return -1;
    random_bytes(bytes, sizeof bytes);
    for (int i = 0; i < TOKEN_BYTES; i++)
        snprintf(token + 2 * i, 3, "%02x", bytes[i]);
    s->settings.token = token;
    return files_write_secret(path, token, strlen(token), err);
}

static int watch_signals(struct supervisor *s, struct err *err)
{
    s->signal_fd = runtime_signals(err);
    return s->signal_fd < 0 ? -1 : supervisor_watch(s, s->signal_fd, WATCH_SIGNAL, NULL, err);
}

static int begin(struct supervisor *s, struct err *err)
{
    s->now = clock_mono_ms();
    s->provisioner.pidfd = s->provisioner.out = s->provisioner.err_fd = -1;
    if (files_make_directories(s->settings.data, err) < 0 || take_lock(s, err) < 0 || find_token(s, err) < 0 ||
        find_programs(s, err) < 0)
        return -1;
    if (*s->settings.log && log_to_file(s->settings.log, err) < 0)
        return -1;
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (s->epoll_fd < 0)
        return err_set_errno(err, "cannot make an epoll");
    child_init(&s->api, ROLE_API, NULL);
    return watch_signals(s, err);
}

static int usage(const char *why)
{
    struct buf help = {0};
    settings_help(FOR_SUPERVISOR, &help);
    fprintf(stderr, "belltowerd: %s\nusage: belltowerd [settings]\n%s", why, buf_cstr(&help));
    buf_free(&help);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    static struct supervisor s;
    struct err err;
    if (settings_load(&argc, argv, &s.settings, &err) < 0)
        return usage(err.text);
    if (argc > 1)
        return usage(argv[1]);
    log_begin("supervisor", NULL);
    if (begin(&s, &err) < 0) {
        log_error("%s", err.text);
        return EXIT_FAULT;
    }
    log_info("belltowerd %s begins, data in %s", BELLTOWER_VERSION, s.settings.data);
    child_tell(&s, &s.api, CHILD_WANT);
    while (!s.draining || !all_ended(&s))
        turn(&s);
    log_info("all have ended");
    return s.fatal ? EXIT_FAULT : EXIT_DONE;
}
