/* The star: API <-> supervisor <-> workers. A child's message is hostile until checked; what is no message of its role
 * is named and ignored. */
#include "tenants/supervisor/supervisor.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BUDGET 32 /* messages of one child in one turn */

/* ---- what the API says ---- */

typedef void control_handler(struct supervisor *s, const struct control *c);

static void on_want(struct supervisor *s, const struct control *c)
{
    tenant_want(s, c);
}

static void on_want_end(struct supervisor *s, const struct control *c)
{
    (void)c;
    for (struct tenant *t = s->tenants; t; t = t->next) {
        if (t->mentioned)
            continue;
        t->wanted = WANT_REMOVED;
        child_tell(s, &t->stream, CHILD_UNWANT);
        child_tell(s, &t->batch, CHILD_UNWANT);
    }
}

static void on_provision(struct supervisor *s, const struct control *c)
{
    provisioner_add(s, c->request, c->tenant, c->what);
}

/* All is new to whoever asks: the API may have been started again. */
static void mark_changed(struct supervisor *s, struct child *c)
{
    (void)s;
    c->changed = true;
    c->page_told = 0;
}

static void on_list(struct supervisor *s, const struct control *c)
{
    struct err err;
    supervisor_each_child(s, mark_changed);
    control_tell_changes(s);
    struct control end = {.kind = CTL_LIST_END, .request = c->request};
    if (control_send(s->api.control, &end, -1, &err) < 0)
        log_warn("to the API: %s", err.text);
}

static void on_restart(struct supervisor *s, const struct control *c)
{
    struct tenant *t = tenant_find(s, c->tenant);
    if (!t)
        return;
    child_retry(s, c->role == ROLE_BATCH ? &t->batch : &t->stream, c->what == RESTART_SKIP);
}

static control_handler *const handlers[] = {
    [CTL_WANT] = on_want, [CTL_WANT_END] = on_want_end, [CTL_PROVISION] = on_provision,
    [CTL_LIST] = on_list, [CTL_RESTART] = on_restart,
};

void control_from_child(struct supervisor *s, struct child *c)
{
    for (int i = 0; i < BUDGET && c->control >= 0; i++) {
        struct control m;
        struct err err;
        int fd;
        if (control_receive(c->control, &m, &fd, &err) == 0) {
            if (fd >= 0)
                close(fd);
            bool known = (size_t)m.kind < sizeof handlers / sizeof *handlers && handlers[m.kind];
            if (c->role == ROLE_API && known)
                handlers[m.kind](s, &m);
            else
                log_warn("a control message of kind %d is not for the %s to send", (int)m.kind, role_name(c->role));
            continue;
        }
        if (err.code == ERR_UNAVAILABLE)
            return;
        if (err.code == ERR_NOT_FOUND) { /* its death is told by its pidfd */
            supervisor_forget(s, &c->control);
            return;
        }
        log_warn("from the %s: %s", role_name(c->role), err.text);
    }
}

void control_reload(struct child *c, uint32_t version)
{
    struct control m = {.kind = CTL_RELOAD, .version = version};
    struct err err;
    if (c->control >= 0 && control_send(c->control, &m, -1, &err) < 0)
        log_warn("to the %s worker: %s", role_name(c->role), err.text);
}

/* ---- what the API is told ---- */

static void tell_child(struct supervisor *s, struct child *c)
{
    struct err err;
    if (!c->changed || s->api.control < 0)
        return;
    struct control m = {.kind = CTL_WORKER,
                        .generation = c->tenant ? c->tenant->generation : 0,
                        .role = (uint8_t)c->role,
                        .pid = c->pid,
                        .page = c->page_number,
                        .restarts = c->policy.starts ? c->policy.starts - 1 : 0,
                        .state = (uint8_t)c->policy.state,
                        .since_ms = c->since_wall_ms};
    if (c->tenant)
        snprintf(m.tenant, sizeof m.tenant, "%s", c->tenant->name);
    if (c->policy.state == CHILD_WAITING)
        m.next_start_ms = c->since_wall_ms + (c->policy.next_start - c->policy.since);
    snprintf(m.text, sizeof m.text, "%s\n%s", child_state_name(c->policy.state), c->obituary);
    bool new_page = c->page_fd >= 0 && c->page_told != c->page_number;
    if (control_send(s->api.control, &m, new_page ? c->page_fd : -1, &err) < 0) {
        if (err.code != ERR_UNAVAILABLE) /* full: again next turn */
            log_warn("to the API: %s", err.text);
        return;
    }
    c->changed = false;
    if (new_page)
        c->page_told = c->page_number;
}

static void tell_gone(struct supervisor *s, struct tenant *t)
{
    struct control m = {.kind = CTL_GONE, .generation = t->generation};
    struct err err;
    bool gone =
        t->wanted != WANT_RUNNING && t->stream.policy.state == CHILD_STOPPED && t->batch.policy.state == CHILD_STOPPED;
    if (!gone || t->gone_told || s->api.control < 0)
        return;
    snprintf(m.tenant, sizeof m.tenant, "%s", t->name);
    t->gone_told = control_send(s->api.control, &m, -1, &err) == 0;
}

void control_tell_changes(struct supervisor *s)
{
    supervisor_each_child(s, tell_child);
    for (struct tenant *t = s->tenants; t; t = t->next)
        tell_gone(s, t);
}
