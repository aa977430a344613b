/* One child: starting it, looking at its page, its log, its death. */
#include "tenants/supervisor/supervisor.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_SPACING_MS 50 /* at most 20 starts a second: a broker that comes back is not stormed */
#define LOG_READ_BYTES   16384

static const struct program {
    const char *name;
    enum settings_for who;
} programs[ROLE_COUNT] = {
    [ROLE_STREAM] = {"belltower-stream", FOR_STREAM},
    [ROLE_BATCH] = {"belltower-batch", FOR_BATCH},
    [ROLE_API] = {"belltower-api", FOR_API},
};

void child_init(struct child *c, enum role role, struct tenant *tenant)
{
    *c = (struct child){.role = role, .tenant = tenant, .pidfd = -1, .control = -1, .log = -1, .page_fd = -1};
}

void child_name(const struct child *c, char *out, size_t size)
{
    if (c->tenant)
        snprintf(out, size, "%s worker of %s", role_name(c->role), c->tenant->name);
    else
        snprintf(out, size, "API");
}

/* ---- starting ---- */

struct plumbing {
    int control[2], log[2]; /* [0] ours */
};

static int make_plumbing(struct plumbing *p, struct err *err)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, p->control) < 0)
        return err_set_errno(err, "cannot make a control socket");
    if (pipe2(p->log, O_CLOEXEC) < 0) {
        err_set_errno(err, "cannot make a log pipe");
        close(p->control[0]);
        close(p->control[1]);
        return -1;
    }
    fcntl(p->log[0], F_SETFL, O_NONBLOCK);
    return 0;
}

static int new_page(struct supervisor *s, struct child *c, struct err *err)
{
    struct status_page *page;
    int fd = page_create(c->tenant ? c->tenant->generation : 0, &page, err);
    if (fd < 0)
        return -1;
    const struct status_page *old = c->page;
    page_unmap(&old);
    if (c->page_fd >= 0)
        close(c->page_fd);
    c->page = page;
    c->page_fd = fd;
    c->page_number = ++s->pages;
    return 0;
}

#define ARGUMENTS_MAX 10

struct arguments {
    char generation[32], suspect[32];
    const char *list[ARGUMENTS_MAX]; /* NULL-terminated */
};

static void arguments_of(const struct child *c, struct arguments *a)
{
    static const char *const trials[] = {[TRIAL_ALONE] = "--alone", [TRIAL_SET_ASIDE] = "--set-aside"};
    const enum trial trial = policy_trial(&c->policy);
    size_t n = 0;
    *a = (struct arguments){0};
    if (!c->tenant)
        return;
    snprintf(a->generation, sizeof a->generation, "%" PRIu64, c->tenant->generation);
    snprintf(a->suspect, sizeof a->suspect, "%" PRId64, c->policy.suspect);
    a->list[n++] = "--tenant";
    a->list[n++] = c->tenant->name;
    a->list[n++] = "--generation";
    a->list[n++] = a->generation;
    if (trial != TRIAL_NONE && c->role == ROLE_STREAM) {
        a->list[n++] = trials[trial];
        a->list[n++] = a->suspect;
    }
    if (c->policy.yields)
        a->list[n++] = "--yield";
    if (c->policy.skips && c->role == ROLE_STREAM)
        a->list[n++] = "--skip";
}

static int launch(struct supervisor *s, struct child *c, const struct plumbing *p, struct err *err)
{
    struct arguments arguments;
    arguments_of(c, &arguments);
    const struct spawn sp = {.program = programs[c->role].name,
                             .arguments = arguments.list,
                             .who = programs[c->role].who,
                             .control = p->control[1],
                             .page = c->page_fd,
                             .out = p->log[1],
                             .err = p->log[1]};
    return spawn_process(s, &sp, &c->pid, &c->pidfd, err);
}

static int start(struct supervisor *s, struct child *c, struct err *err)
{
    struct plumbing p;
    if (new_page(s, c, err) < 0 || make_plumbing(&p, err) < 0)
        return -1;
    int status = launch(s, c, &p, err);
    close(p.control[1]);
    close(p.log[1]);
    c->control = p.control[0];
    c->log = p.log[0];
    if (status == 0)
        status = supervisor_watch(s, c->pidfd, WATCH_PIDFD, c, err);
    if (status == 0)
        status = supervisor_watch(s, c->control, WATCH_CONTROL, c, err);
    if (status == 0)
        status = supervisor_watch(s, c->log, WATCH_LOG, c, err);
    if (status == 0)
        return 0;
    supervisor_forget(s, &c->control);
    supervisor_forget(s, &c->log);
    supervisor_forget(s, &c->pidfd);
    c->pid = 0;
    return -1;
}

static void spawn(struct supervisor *s, struct child *c)
{
    struct err err;
    char name[120];
    if (s->now < s->tokens_at) { /* the bucket is empty: looked at again next turn */
        c->policy.next_start = s->tokens_at;
        return;
    }
    s->tokens_at = s->now + START_SPACING_MS;
    child_name(c, name, sizeof name);
    c->line_len = 0;
    memset(c->last, 0, sizeof c->last);
    if (start(s, c, &err) < 0) {
        log_error("cannot start the %s: %s", name, err.text);
        snprintf(c->obituary, sizeof c->obituary, "cannot start: %.500s", err.text);
        child_tell(s, c, CHILD_SPAWN_FAILED);
        return;
    }
    c->started_ms = s->now;
    log_info("%s started, pid %d", name, (int)c->pid);
    child_tell(s, c, CHILD_SPAWNED);
}

/* ---- events ---- */

void child_signal(struct child *c, int signal)
{
    if (c->pidfd >= 0)
        pidfd_send_signal(c->pidfd, signal, NULL, 0);
}

static void carry_out(struct supervisor *s, struct child *c, enum child_action action)
{
    char name[120];
    child_name(c, name, sizeof name);
    switch (action) {
    case ACTION_NONE:
        break;
    case ACTION_SPAWN:
        spawn(s, c);
        break;
    case ACTION_TERM:
        child_signal(c, SIGTERM);
        break;
    case ACTION_KILL:
        log_warn("%s is killed: %s", name,
                 s->now - c->policy.beat_at > HEARTBEAT_LOST_MS ? "its heartbeat is lost" : "it missed its deadline");
        child_signal(c, SIGKILL);
        break;
    }
}

static void step(struct supervisor *s, struct child *c, const struct child_event *e)
{
    enum child_state before = c->policy.state;
    enum child_action action = policy_step(&c->policy, e, s->now);
    if (c->policy.state != before) {
        c->since_wall_ms = clock_wall_ms();
        c->changed = true;
    }
    carry_out(s, c, action);
}

static uint32_t random_number(void)
{
    uint32_t r;
    random_bytes(&r, sizeof r);
    return r;
}

void child_tell(struct supervisor *s, struct child *c, enum child_event_kind kind)
{
    const struct child_event e = {.kind = kind, .random = random_number()};
    step(s, c, &e);
}

void child_retry(struct supervisor *s, struct child *c, bool skip)
{
    const struct child_event e = {.kind = CHILD_RETRY, .skip = skip};
    step(s, c, &e);
}

void child_look(struct supervisor *s, struct child *c)
{
    struct child_event e = {.kind = CHILD_LOOK};
    if (c->page) {
        e.beat = atomic_load(&c->page->heartbeat);
        e.page_state = atomic_load(&c->page->state);
        int64_t blocked = atomic_load(&c->page->blocked_until_ms);
        /* A child's word, so it is bounded: nobody may ask for an hour. */
        e.blocked_until = blocked < s->now + 2 * READY_MS + 60000 ? blocked : s->now;
    }
    step(s, c, &e);
}

static void bury(struct supervisor *s, struct child *c, int code, int signal, int64_t lived_ms)
{
    char name[120], words[PAGE_WORDS] = "";
    child_name(c, name, sizeof name);
    if (c->page)
        page_words(c->page, words);
    const struct child_policy *p = &c->policy;
    const struct death d = {.name = name,
                            .code = code,
                            .signal = signal,
                            .lived_ms = lived_ms,
                            .words = words,
                            .last = c->last[(c->last_next + LAST_WORDS - 1) % LAST_WORDS],
                            .state = child_state_name(p->state),
                            .next_ms = p->state == CHILD_WAITING ? p->next_start - s->now : -1};
    obituary_text(&d, c->obituary, sizeof c->obituary);
    log_line(obituary_expected(p->wanted, code, signal) ? LOG_INFO : LOG_WARN, "%s", c->obituary);
}

void child_exited(struct supervisor *s, struct child *c)
{
    siginfo_t info = {0};
    if (waitid(P_PIDFD, (id_t)c->pidfd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
        return;
    child_read_log(s, c, true);
    supervisor_forget(s, &c->pidfd);
    supervisor_forget(s, &c->control);
    supervisor_forget(s, &c->log);
    c->pid = 0;
    bool by_signal = info.si_code != CLD_EXITED;
    const struct child_event e = {.kind = CHILD_EXITED,
                                  .code = by_signal ? 0 : info.si_status,
                                  .signal = by_signal ? info.si_status : 0,
                                  .in_message = c->page ? atomic_load(&c->page->in_message) : -1,
                                  .random = random_number()};
    int64_t lived = s->now - c->started_ms;
    step(s, c, &e);
    bury(s, c, e.code, e.signal, lived);
    c->changed = true;
    if (c->role == ROLE_API && c->policy.state == CHILD_PARKED) /* a port in use, a wrong setting: say so and leave */
        s->fatal = true;
}

/* ---- its log ---- */

static void take_line(struct child *c)
{
    if (c->line_len == 0)
        return;
    c->line[c->line_len] = 0;
    snprintf(c->last[c->last_next], LAST_WORD_BYTES, "%.*s", LAST_WORD_BYTES - 1, c->line);
    c->last_next = (c->last_next + 1) % LAST_WORDS;
    c->line[c->line_len++] = '\n';
    log_raw(c->line, c->line_len);
    c->line_len = 0;
}

static void take_bytes(struct child *c, const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool full = c->line_len >= sizeof c->line - 2;
        if (p[i] == '\n' || full)
            take_line(c);
        if (p[i] != '\n')
            c->line[c->line_len++] = p[i];
    }
}

/* One buffer per turn, so that a child that floods starves nobody; at its death, what is left in the pipe. */
void child_read_log(struct supervisor *s, struct child *c, bool to_the_end)
{
    char bytes[LOG_READ_BYTES];
    ssize_t n;
    int budget = to_the_end ? 8 : 1;
    while (c->log >= 0 && budget-- > 0 && (n = read(c->log, bytes, sizeof bytes)) >= 0) {
        if (n == 0) {
            supervisor_forget(s, &c->log);
            break;
        }
        take_bytes(c, bytes, (size_t)n);
    }
    if (to_the_end)
        take_line(c);
}
