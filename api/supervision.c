#include "api/supervision.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SEND_MS    5000
#define WAIT_STEP  250
#define ROLES_SEEN (ROLE_API + 1)

struct worker {
    bool known;
    struct control last;
    uint64_t page_number;
    const struct status_page *page; /* of the present or the last process */
    int64_t at_end_ms;
};

struct tenant_workers {
    char tenant[64]; /* "" = the API itself */
    struct worker workers[ROLES_SEEN];
    enum want wanted; /* of both; WANT_RUNNING until the first word */
    bool gone;        /* both have ended, since it was last asked about */
    struct tenant_workers *next;
};

struct provisioning { /* on the stack of who waits */
    uint64_t request;
    bool done, ok;
    char text[sizeof((struct control *)0)->text];
    struct provisioning *next;
};

struct supervision {
    struct api *api;
    int socket;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct tenant_workers *tenants;
    struct provisioning *waiting;
    uint64_t requests;
};

struct supervision *supervision_new(struct api *api, int socket)
{
    struct supervision *s = mem_zero(1, sizeof *s);
    s->api = api;
    s->socket = socket;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    return s;
}

static void free_tenant(struct tenant_workers *t)
{
    for (int i = 0; i < ROLES_SEEN; i++)
        page_unmap(&t->workers[i].page);
    free(t);
}

void supervision_free(struct supervision **supervision)
{
    struct supervision *s = *supervision;
    if (!s)
        return;
    for (struct tenant_workers *t = s->tenants, *next; t; t = next) {
        next = t->next;
        free_tenant(t);
    }
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    free(s);
    *supervision = NULL;
}

bool supervision_there(const struct supervision *s)
{
    return s->socket >= 0;
}

/* ---- what it says ---- */

static struct tenant_workers *find(struct supervision *s, const char *tenant)
{
    struct tenant_workers *t = s->tenants;
    while (t && strcmp(t->tenant, tenant) != 0)
        t = t->next;
    return t;
}

static struct tenant_workers *find_or_add(struct supervision *s, const char *tenant)
{
    struct tenant_workers *t = find(s, tenant), **end = &s->tenants;
    if (t)
        return t;
    t = mem_zero(1, sizeof *t);
    snprintf(t->tenant, sizeof t->tenant, "%s", tenant);
    while (*end)
        end = &(*end)->next;
    *end = t;
    return t;
}

static void take_page(struct worker *w, const struct control *c, int fd)
{
    const struct status_page *page;
    struct err err;
    if (fd < 0 || c->page == w->page_number)
        return;
    if (page_map(fd, &page, &err) < 0) {
        log_warn("the page of the %s worker of %s: %s", role_name(c->role), c->tenant, err.text);
        return;
    }
    page_unmap(&w->page);
    w->page = page;
    w->page_number = c->page;
    w->at_end_ms = 0;
}

static void on_worker(struct supervision *s, const struct control *c, int fd)
{
    if (c->role >= ROLES_SEEN)
        return;
    struct worker *w = &find_or_add(s, c->tenant)->workers[c->role];
    w->known = true;
    w->last = *c;
    take_page(w, c, fd);
}

static void on_provisioned(struct supervision *s, const struct control *c)
{
    for (struct provisioning *p = s->waiting; p; p = p->next) {
        if (p->request != c->request)
            continue;
        p->ok = c->ok;
        p->done = true;
        snprintf(p->text, sizeof p->text, "%s", c->text);
    }
}

static void take(struct supervision *s, const struct control *c, int fd)
{
    pthread_mutex_lock(&s->lock);
    switch (c->kind) {
    case CTL_WORKER:
        on_worker(s, c, fd);
        break;
    case CTL_PROVISIONED:
        on_provisioned(s, c);
        break;
    case CTL_GONE:
        find_or_add(s, c->tenant)->gone = true;
        break;
    case CTL_LIST_END:
        break;
    default:
        log_warn("the supervisor sent a control message of kind %d", (int)c->kind);
    }
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

void supervision_receive(struct supervision *s, bool *gone)
{
    struct control c;
    struct err err;
    int fd;
    *gone = false;
    while (s->socket >= 0) {
        if (control_receive(s->socket, &c, &fd, &err) == 0) {
            take(s, &c, fd);
            if (fd >= 0)
                close(fd);
            continue;
        }
        if (err.code == ERR_UNAVAILABLE)
            return;
        *gone = err.code == ERR_NOT_FOUND;
        if (*gone)
            return;
        log_warn("from the supervisor: %s", err.text);
    }
}

/* ---- what it is told ---- */

static int tell(struct supervision *s, const struct control *c, struct err *err)
{
    int64_t limit = clock_mono_ms() + SEND_MS;
    if (s->socket < 0)
        return err_set(err, ERR_UNAVAILABLE, "the API runs without a supervisor (belltowerd), which this needs");
    while (control_send(s->socket, c, -1, err) < 0) {
        struct pollfd p = {.fd = s->socket, .events = POLLOUT};
        if (err->code != ERR_UNAVAILABLE || clock_mono_ms() > limit)
            return err_set(err, ERR_UNAVAILABLE, "the supervisor does not answer");
        poll(&p, 1, WAIT_STEP);
    }
    return 0;
}

void supervision_list(struct supervision *s)
{
    const struct control c = {.kind = CTL_LIST, .request = 1};
    struct err err;
    if (s->socket >= 0 && tell(s, &c, &err) < 0)
        log_warn("%s", err.text);
}

static struct control about(enum control_kind kind, const char *tenant)
{
    struct control c = {.kind = kind};
    snprintf(c.tenant, sizeof c.tenant, "%s", tenant);
    return c;
}

static int tell_want(struct supervision *s, const char *tenant, enum want want, uint64_t generation, uint32_t version,
                     struct err *err)
{
    struct control c = about(CTL_WANT, tenant);
    c.wanted = (uint8_t)want;
    c.generation = generation;
    c.version = version;
    return tell(s, &c, err);
}

int supervision_want(struct supervision *s, const char *tenant, enum want want, uint64_t generation, uint32_t version,
                     struct err *err)
{
    pthread_mutex_lock(&s->lock);
    find_or_add(s, tenant)->wanted = want;
    pthread_mutex_unlock(&s->lock);
    return tell_want(s, tenant, want, generation, version, err);
}

int supervision_want_end(struct supervision *s, struct err *err)
{
    const struct control c = {.kind = CTL_WANT_END};
    return tell(s, &c, err);
}

int supervision_retry(struct supervision *s, const char *tenant, bool skip, struct err *err)
{
    struct control c = about(CTL_RESTART, tenant);
    c.what = skip ? RESTART_SKIP : RESTART_AGAIN;
    c.role = ROLE_STREAM;
    if (tell(s, &c, err) < 0)
        return -1;
    c.role = ROLE_BATCH;
    return tell(s, &c, err);
}

/* ---- waiting for its answers ---- */

/* With the lock held: until something has changed, or a while has passed. false: give up. */
static bool wait_a_while(struct supervision *s, int64_t until)
{
    struct timespec at;
    if (clock_mono_ms() >= until || atomic_load(&s->api->draining))
        return false;
    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_nsec += WAIT_STEP * 1000000;
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&s->changed, &s->lock, &at);
    return true;
}

static void unlink_waiting(struct supervision *s, struct provisioning *p)
{
    struct provisioning **at = &s->waiting;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
}

int supervision_provision(struct supervision *s, const char *tenant, uint64_t generation, enum provision what,
                          int64_t limit_ms, struct buf *text, struct err *err)
{
    struct control c = about(CTL_PROVISION, tenant);
    struct provisioning p = {0};
    int64_t until = clock_mono_ms() + limit_ms;
    pthread_mutex_lock(&s->lock);
    p.request = c.request = ++s->requests;
    p.next = s->waiting;
    s->waiting = &p;
    c.generation = generation;
    c.what = (uint8_t)what;
    int status = tell(s, &c, err);
    while (status == 0 && !p.done && wait_a_while(s, until))
        ;
    unlink_waiting(s, &p);
    pthread_mutex_unlock(&s->lock);
    if (status < 0)
        return -1;
    if (!p.done)
        return err_set(err, ERR_TIMEOUT, "belltower-provision has not ended yet");
    if (!p.ok)
        return err_set(err, ERR_UNAVAILABLE, "the broker's objects could not be %s: %.900s",
                       what == PROVISION_CREATE ? "made" : "removed", p.text);
    buf_clear(text);
    buf_add_str(text, p.text);
    return 0;
}

static bool stopped(const struct worker *w)
{
    return !w->known || w->last.pid == 0;
}

int supervision_remove(struct supervision *s, const char *tenant, uint64_t generation, uint32_t version,
                       int64_t limit_ms, struct err *err)
{
    int64_t until = clock_mono_ms() + limit_ms;
    pthread_mutex_lock(&s->lock);
    struct tenant_workers *removed = find_or_add(s, tenant);
    removed->gone = false;
    removed->wanted = WANT_REMOVED;
    int status = tell_want(s, tenant, WANT_REMOVED, generation, version, err);
    bool ended = false;
    while (status == 0 && !ended) {
        const struct tenant_workers *t = find_or_add(s, tenant);
        ended = t->gone && stopped(&t->workers[ROLE_STREAM]) && stopped(&t->workers[ROLE_BATCH]);
        if (!ended && !wait_a_while(s, until))
            status = err_set(err, ERR_TIMEOUT, "the workers of %s have not ended yet", tenant);
    }
    pthread_mutex_unlock(&s->lock);
    return status;
}

void supervision_forget(struct supervision *s, const char *tenant)
{
    pthread_mutex_lock(&s->lock);
    for (struct tenant_workers **at = &s->tenants; *at; at = &(*at)->next) {
        struct tenant_workers *t = *at;
        if (strcmp(t->tenant, tenant) != 0)
            continue;
        *at = t->next;
        free_tenant(t);
        break;
    }
    pthread_mutex_unlock(&s->lock);
}

/* ---- looking ---- */

static void read_process(struct worker_view *v)
{
    char path[64];
    long pages = 0;
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", v->pid);
    FILE *f = v->pid > 0 ? fopen(path, "re") : NULL;
    if (f) {
        if (fscanf(f, "%*s %ld", &pages) == 1)
            v->memory_bytes = pages * sysconf(_SC_PAGESIZE);
        fclose(f);
    }
    snprintf(path, sizeof path, "/proc/%d/stat", v->pid);
    f = v->pid > 0 ? fopen(path, "re") : NULL;
    if (f) { /* the name in brackets is one of ours: without spaces */
        if (fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) == 2)
            v->cpu_seconds = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
        fclose(f);
    }
}

static void read_page(struct worker *w, struct worker_view *v, struct buf *detail)
{
    bool at_end = false;
    v->has_page = w->page != NULL;
    if (detail)
        buf_clear(detail);
    if (!w->page) {
        if (detail)
            buf_add_str(detail, "{}");
        return;
    }
    v->page_state = atomic_load(&w->page->state);
    page_words(w->page, v->words);
    if (!utf8_valid(v->words, strlen(v->words)))
        v->words[0] = 0;
    for (int i = 0; i < METRIC_COUNT; i++)
        v->slots[i] = atomic_load_explicit(&w->page->slots[i], memory_order_relaxed);
    if (!detail)
        return;
    if (!page_detail(w->page, detail) || !json_valid(detail->data, detail->len, NULL)) {
        buf_clear(detail);
        buf_add_str(detail, "{}");
    }
    if (v->pid && json_get_bool(detail->data, detail->len, "at_end", &at_end) && at_end)
        w->at_end_ms = clock_wall_ms();
    v->at_end_ms = w->at_end_ms;
}

static void fill(struct tenant_workers *t, int role, struct worker_view *v, struct buf *detail)
{
    struct worker *w = &t->workers[role];
    const char *line = strchr(w->last.text, '\n');
    *v = (struct worker_view){.known = w->known,
                              .role = (enum role)role,
                              .wanted = t->wanted,
                              .pid = w->last.pid,
                              .restarts = w->last.restarts,
                              .generation = w->last.generation,
                              .since_ms = w->last.since_ms,
                              .next_start_ms = w->last.next_start_ms};
    snprintf(v->tenant, sizeof v->tenant, "%s", t->tenant);
    snprintf(v->state, sizeof v->state, "%.*s", (int)strcspn(w->last.text, "\n"), w->last.text);
    snprintf(v->obituary, sizeof v->obituary, "%s", line ? line + 1 : "");
    if (!utf8_valid(v->obituary, strlen(v->obituary)))
        v->obituary[0] = 0;
    read_page(w, v, detail);
}

void supervision_view(struct supervision *s, const char *tenant, enum role role, struct worker_view *view,
                      struct buf *detail)
{
    pthread_mutex_lock(&s->lock);
    struct tenant_workers none = {0}, *t = find(s, tenant);
    fill(t ? t : &none, role, view, detail);
    pthread_mutex_unlock(&s->lock);
    read_process(view);
}

/* With the lock held: NULL if there is none. */
static const struct status_page *batch_page(struct supervision *s, const char *tenant)
{
    const struct tenant_workers *t = find(s, tenant);
    return t ? t->workers[ROLE_BATCH].page : NULL;
}

int64_t supervision_reports(struct supervision *s, const char *tenant)
{
    pthread_mutex_lock(&s->lock);
    const struct status_page *page = batch_page(s, tenant);
    int64_t reports = page ? atomic_load(&page->slots[M_RUNS_DONE]) : 0;
    pthread_mutex_unlock(&s->lock);
    return reports;
}

void supervision_await_report(struct supervision *s, const char *tenant, int64_t seen, int64_t limit_ms)
{
    pthread_mutex_lock(&s->lock);
    const struct status_page *page = batch_page(s, tenant);
    pthread_mutex_unlock(&s->lock);
    if (page)
        page_await(page, M_RUNS_DONE, seen, limit_ms);
    else
        poll(NULL, 0, (int)limit_ms);
}

/* One at a time, so that the lock is not held while someone writes. */
void supervision_each(struct supervision *s, view_each *each, void *context)
{
    struct worker_view v;
    struct buf detail = {0};
    for (size_t i = 0;; i++) {
        pthread_mutex_lock(&s->lock);
        struct tenant_workers *t = s->tenants;
        for (size_t n = i / ROLES_SEEN; t && n; n--)
            t = t->next;
        if (t)
            fill(t, (int)(i % ROLES_SEEN), &v, &detail);
        pthread_mutex_unlock(&s->lock);
        if (!t)
            break;
        if (!v.known)
            continue;
        read_process(&v);
        each(context, &v, &detail);
    }
    buf_free(&detail);
}
