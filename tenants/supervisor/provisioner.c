/* Running belltower-provision: one at a time, with a time limit; the platform's own objects first, again until they are
 * there. */
#include "tenants/supervisor/supervisor.h"

#include "base/log.h"
#include "base/mem.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_MS                120000
#define PLATFORM_RETRY_FIRST_MS 500 /* doubles up to the next */
#define PLATFORM_RETRY_MAX_MS   5000

static const char *const verbs[] = {[PROVISION_CREATE] = "create",
                                    [PROVISION_REMOVE] = "remove",
                                    [PROVISION_REMOVE_KEEP_DATA] = "remove",
                                    [PROVISION_PLATFORM] = "platform"};

void provisioner_add(struct supervisor *s, uint64_t request, const char *tenant, uint8_t what)
{
    struct provision_job *job = mem_zero(1, sizeof *job);
    job->request = request;
    job->what = what;
    snprintf(job->tenant, sizeof job->tenant, "%s", tenant);
    struct provision_job **at = &s->provisioner.queue;
    while (*at)
        at = &(*at)->next;
    *at = job;
}

static void answer(struct supervisor *s, const struct provision_job *job, bool ok, const char *text)
{
    struct control m = {.kind = CTL_PROVISIONED, .request = job->request, .ok = ok, .what = job->what};
    struct err err;
    snprintf(m.tenant, sizeof m.tenant, "%s", job->tenant);
    snprintf(m.text, sizeof m.text, "%s", text);
    if (s->api.control >= 0 && control_send(s->api.control, &m, -1, &err) < 0)
        log_warn("to the API: %s", err.text);
}

static void drop_head(struct provisioner *p)
{
    struct provision_job *job = p->queue;
    p->queue = job->next;
    free(job);
}

static int pipes(int out[2], int err_pipe[2], struct err *err)
{
    if (pipe2(out, O_CLOEXEC) < 0)
        return err_set_errno(err, "cannot make a pipe");
    if (pipe2(err_pipe, O_CLOEXEC) < 0) {
        err_set_errno(err, "cannot make a pipe");
        close(out[0]);
        close(out[1]);
        return -1;
    }
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    fcntl(err_pipe[0], F_SETFL, O_NONBLOCK);
    return 0;
}

static int launch(struct supervisor *s, struct err *err)
{
    struct provisioner *p = &s->provisioner;
    const char *arguments[] = {verbs[p->queue->what], "--tenant", p->queue->tenant, NULL};
    int out[2] = {-1, -1}, err_pipe[2] = {-1, -1};
    if (!*p->queue->tenant)
        arguments[1] = NULL;
    if (pipes(out, err_pipe, err) < 0)
        return -1;
    const struct spawn sp = {.program = "belltower-provision",
                             .arguments = arguments,
                             .who = FOR_PROVISION,
                             .control = -1,
                             .page = -1,
                             .out = out[1],
                             .err = err_pipe[1]};
    int status = spawn_process(s, &sp, &p->pid, &p->pidfd, err);
    close(out[1]);
    close(err_pipe[1]);
    p->out = out[0];
    p->err_fd = err_pipe[0];
    p->text_len = p->reason_len = 0;
    p->deadline = s->now + LIMIT_MS;
    if (status == 0)
        status = supervisor_watch(s, p->pidfd, WATCH_PROVISION_PID, NULL, err);
    if (status == 0)
        status = supervisor_watch(s, p->out, WATCH_PROVISION_OUT, NULL, err);
    if (status == 0)
        status = supervisor_watch(s, p->err_fd, WATCH_PROVISION_ERR, NULL, err);
    return status;
}

/* The same reason again is not worth a line each time. */
static void log_failure(struct provisioner *p, const struct provision_job *job, const char *text)
{
    if (job->what == PROVISION_PLATFORM && strcmp(p->logged, text) == 0)
        return;
    if (job->what == PROVISION_PLATFORM)
        snprintf(p->logged, sizeof p->logged, "%s", text);
    log_warn("provision %s%s%s: %s%s", verbs[job->what], *job->tenant ? " " : "", job->tenant, text,
             job->what == PROVISION_PLATFORM ? " (tried again by itself until it works)" : "");
}

static void finish(struct supervisor *s, bool ok, const char *text)
{
    struct provisioner *p = &s->provisioner;
    struct provision_job *job = p->queue;
    supervisor_forget(s, &p->pidfd);
    supervisor_forget(s, &p->out);
    supervisor_forget(s, &p->err_fd);
    p->pid = 0;
    if (!ok)
        log_failure(p, job, text);
    if (job->what == PROVISION_PLATFORM) {
        p->platform_ready = ok;
        p->retry_ms = p->retry_ms ? p->retry_ms * 2 : PLATFORM_RETRY_FIRST_MS;
        if (p->retry_ms > PLATFORM_RETRY_MAX_MS)
            p->retry_ms = PLATFORM_RETRY_MAX_MS;
        p->not_before = s->now + p->retry_ms;
        if (ok)
            log_info("the broker has the platform's exchanges and users");
    } else {
        answer(s, job, ok, text);
    }
    drop_head(p);
}

void provisioner_step(struct supervisor *s)
{
    struct provisioner *p = &s->provisioner;
    struct err err;
    if (p->pid) {
        if (s->now >= p->deadline)
            pidfd_send_signal(p->pidfd, SIGKILL, NULL, 0);
        return;
    }
    if (s->draining)
        return;
    bool platform_first = !p->platform_ready && (!p->queue || p->queue->what != PROVISION_PLATFORM);
    if (platform_first && s->now >= p->not_before) {
        struct provision_job *job = mem_zero(1, sizeof *job);
        job->what = PROVISION_PLATFORM;
        job->next = p->queue;
        p->queue = job;
    }
    if (!p->queue)
        return;
    if (!p->platform_ready &&
        p->queue->what != PROVISION_PLATFORM) { /* tell at once what is missing, instead of hanging */
        finish(s, false, p->reason_len ? p->reason : "the broker's management API has not answered yet");
        return;
    }
    if (launch(s, &err) < 0)
        finish(s, false, err.text);
}

static void read_into(int fd, char *text, size_t size, size_t *len)
{
    char spill[4096];
    ssize_t n;
    while ((n = read(fd, spill, sizeof spill)) > 0) {
        size_t room = size - 1 - *len, take = (size_t)n < room ? (size_t)n : room;
        memcpy(text + *len, spill, take);
        *len += take;
    }
    text[*len] = 0;
}

void provisioner_read(struct supervisor *s, bool from_out)
{
    struct provisioner *p = &s->provisioner;
    if (from_out)
        read_into(p->out, p->text, sizeof p->text, &p->text_len);
    else
        read_into(p->err_fd, p->reason, sizeof p->reason, &p->reason_len);
}

static void trim(char *text, size_t *len)
{
    while (*len && (text[*len - 1] == '\n' || text[*len - 1] == ' '))
        text[--*len] = 0;
}

void provisioner_exited(struct supervisor *s)
{
    struct provisioner *p = &s->provisioner;
    siginfo_t info = {0};
    if (waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
        return;
    provisioner_read(s, true);
    provisioner_read(s, false);
    trim(p->text, &p->text_len);
    trim(p->reason, &p->reason_len);
    bool ok = info.si_code == CLD_EXITED && info.si_status == 0;
    if (!ok && !p->reason_len)
        p->reason_len = (size_t)snprintf(p->reason, sizeof p->reason, "belltower-provision ended with %s %d",
                                         info.si_code == CLD_EXITED ? "code" : "signal", info.si_status);
    finish(s, ok, ok ? p->text : p->reason);
}

int64_t provisioner_wake(const struct supervisor *s)
{
    const struct provisioner *p = &s->provisioner;
    if (p->pid)
        return p->deadline;
    if (p->queue)
        return s->now;
    return p->platform_ready ? INT64_MAX : p->not_before;
}
