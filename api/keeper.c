#include "api/keeper.h"
#include "api/operations.h"
#include "api/publisher.h"
#include "api/stores.h"
#include "api/supervision.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/wire/names.h"
#include "broker/link.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TURN_MS       1000
#define TEND_MS       5000
#define IDLE_MS       60000
#define LINK_RETRY_MS 10000

struct name {
    char *text;
    struct name *next;
};

struct keeper {
    struct api *api;
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    bool stop, woken;
    struct name *busy;      /* tenants that someone works on */
    struct name *published; /* "tenant/id" of requests */
    int64_t unrouted;
    /* the thread's alone */
    bool told_supervisor;
    int64_t tend_at, idle_at, link_at;
    struct link *link;
    char said[256];
};

/* ---- names; with the lock held ---- */

static struct name **find(struct name **list, const char *text)
{
    while (*list && strcmp((*list)->text, text) != 0)
        list = &(*list)->next;
    return list;
}

static void put(struct name **list, const char *text)
{
    struct name *n = mem_zero(1, sizeof *n);
    n->text = mem_strdup(text);
    n->next = *list;
    *list = n;
}

static void take_out(struct name **at)
{
    struct name *n = *at;
    if (!n)
        return;
    *at = n->next;
    free(n->text);
    free(n);
}

/* ---- locks and marks ---- */

static void wait_until(struct keeper *k, int64_t mono_ms)
{
    struct timespec at;
    int64_t ms = mono_ms - clock_mono_ms();
    if (ms <= 0)
        return;
    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += ms % 1000 * 1000000;
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&k->changed, &k->lock, &at);
}

bool keeper_lock(struct keeper *k, const char *tenant, int64_t limit_ms)
{
    int64_t until = clock_mono_ms() + limit_ms;
    pthread_mutex_lock(&k->lock);
    while (*find(&k->busy, tenant) && clock_mono_ms() < until && !k->stop)
        wait_until(k, until);
    bool ours = !*find(&k->busy, tenant);
    if (ours)
        put(&k->busy, tenant);
    pthread_mutex_unlock(&k->lock);
    return ours;
}

void keeper_unlock(struct keeper *k, const char *tenant)
{
    pthread_mutex_lock(&k->lock);
    take_out(find(&k->busy, tenant));
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
}

void keeper_request_published(struct keeper *k, const char *tenant, const char *id)
{
    char *name = mem_printf("%s/%s", tenant, id);
    pthread_mutex_lock(&k->lock);
    if (!*find(&k->published, name))
        put(&k->published, name);
    pthread_mutex_unlock(&k->lock);
    free(name);
}

void keeper_forget(struct keeper *k, const char *tenant)
{
    size_t len = strlen(tenant);
    pthread_mutex_lock(&k->lock);
    for (struct name **at = &k->published; *at;) {
        if (strncmp((*at)->text, tenant, len) == 0 && (*at)->text[len] == '/')
            take_out(at);
        else
            at = &(*at)->next;
    }
    pthread_mutex_unlock(&k->lock);
}

static bool is_published(struct keeper *k, const struct run_row *r, bool forget)
{
    char *name = mem_printf("%s/%s", r->tenant, r->id);
    pthread_mutex_lock(&k->lock);
    struct name **at = find(&k->published, name);
    bool known = *at != NULL;
    if (forget)
        take_out(at);
    pthread_mutex_unlock(&k->lock);
    free(name);
    return known;
}

int64_t keeper_unrouted(struct keeper *k)
{
    pthread_mutex_lock(&k->lock);
    int64_t n = k->unrouted;
    pthread_mutex_unlock(&k->lock);
    return n;
}

static bool stopping(struct keeper *k)
{
    return atomic_load(&k->api->draining);
}

/* The same trouble is told once. */
static void say(struct keeper *k, const struct err *err)
{
    if (strncmp(k->said, err->text, sizeof k->said - 1) != 0)
        log_warn("%s", err->text);
    snprintf(k->said, sizeof k->said, "%.255s", err->text);
}

/* ---- tenants ---- */

static void tell_supervisor(struct keeper *k, const struct tenant_row *rows, size_t count)
{
    struct err err;
    if (k->told_supervisor || !supervision_there(k->api->supervision))
        return;
    for (size_t i = 0; i < count; i++) {
        if (rows[i].state != TENANT_RUNNING && rows[i].state != TENANT_PAUSED)
            continue;
        if (operation_want(k->api, &rows[i], &err) < 0) {
            say(k, &err);
            return;
        }
    }
    k->told_supervisor = supervision_want_end(k->api->supervision, &err) == 0;
    if (k->told_supervisor)
        log_info("%zu tenants in the registry; the supervisor knows who should run", count);
}

static int present_row(struct keeper *k, const char *tenant, struct tenant_row *row, struct err *err)
{
    struct coredms *db;
    if (stores_take(k->api->stores, NULL, &db, err) < 0)
        return -1;
    int status = registry_get(db, tenant, row, err);
    stores_give(k->api->stores, db);
    return status;
}

/* Looked at again under its lock: someone may have been working on it. */
static int tend_tenant(struct keeper *k, const struct tenant_row *seen, struct err *err)
{
    struct tenant_row row;
    int status = 0;
    if (!keeper_lock(k, seen->tenant, 0))
        return 0;
    if (present_row(k, seen->tenant, &row, err) == 0) {
        if (row.state == TENANT_REMOVING && supervision_there(k->api->supervision))
            status = operation_remove(k->api, &row, err);
        else if (row.state == TENANT_RUNNING || row.state == TENANT_PAUSED)
            status = operation_publish_versions(k->api, row.tenant, err) < 0 ||
                             operation_publish_rewind(k->api, &row, err) < 0
                         ? -1
                         : 0;
        tenant_row_free(&row);
    } else if (err->code != ERR_NOT_FOUND) {
        status = -1;
    }
    keeper_unlock(k, seen->tenant);
    return status;
}

static int tend_tenants(struct keeper *k, struct err *err)
{
    struct coredms *db;
    struct tenant_row *rows;
    size_t count;
    if (stores_take(k->api->stores, NULL, &db, err) < 0)
        return -1;
    int status = registry_list(db, &rows, &count, err);
    stores_give(k->api->stores, db);
    if (status < 0)
        return -1;
    tell_supervisor(k, rows, count);
    for (size_t i = 0; i < count; i++) {
        if (!stopping(k) && tend_tenant(k, &rows[i], err) < 0)
            status = -1;
        tenant_row_free(&rows[i]);
    }
    free(rows);
    return status;
}

/* ---- requests for runs ---- */

static int tend_request(struct keeper *k, const struct run_row *r, struct err *err)
{
    struct coredms *db;
    struct run_row stored;
    if (stores_take(k->api->stores, r->tenant, &db, err) < 0)
        return -1;
    int status = run_get(db, r->id, &stored, err);
    bool there = status == 0, missing = status < 0 && err->code == ERR_NOT_FOUND;
    if (there) {
        run_row_free(&stored);
        status = request_drop(db, r->tenant, r->id, err);
        is_published(k, r, true);
    }
    stores_give(k->api->stores, db);
    if (!missing || is_published(k, r, false))
        return missing ? 0 : status;
    if (operation_publish_request(k->api, r->tenant, r, err) < 0)
        return -1;
    keeper_request_published(k, r->tenant, r->id);
    return 0;
}

static int tend_requests(struct keeper *k, struct err *err)
{
    struct coredms *db;
    struct run_row *rows;
    size_t count;
    if (stores_take(k->api->stores, NULL, &db, err) < 0)
        return -1;
    int status = request_list(db, NULL, &rows, &count, err);
    stores_give(k->api->stores, db);
    if (status < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (!stopping(k) && tend_request(k, &rows[i], err) < 0)
            status = -1;
        run_row_free(&rows[i]);
    }
    free(rows);
    return status;
}

/* ---- what found no queue ---- */

static int open_link(struct keeper *k, struct err *err)
{
    struct credentials c;
    char path[4096];
    path_data(&k->api->settings, "api.credentials", path, sizeof path);
    if (credentials_read(path, &c, err) < 0)
        return -1;
    const struct link_options o = {
        .address = k->api->settings.broker, .user = c.user, .password = c.password, .name = "belltower-api looks"};
    return link_connect(&o, &k->link, err);
}

static void look_at_unrouted(struct keeper *k)
{
    struct err err;
    uint64_t depth = 0;
    bool more;
    int64_t now = clock_mono_ms(), found = -1;
    if (!k->link && now < k->link_at)
        return;
    k->link_at = now + LINK_RETRY_MS;
    if ((k->link || open_link(k, &err) == 0) && link_pump(k->link, &more, &err) == 0 &&
        link_queue_depth(k->link, QUEUE_UNROUTED, &depth, &err) == 0)
        found = (int64_t)depth;
    else
        link_close(&k->link);
    pthread_mutex_lock(&k->lock);
    k->unrouted = found;
    pthread_mutex_unlock(&k->lock);
}

/* ---- the thread ---- */

static void turn(struct keeper *k)
{
    struct err err;
    int64_t now = clock_mono_ms();
    k->tend_at = now + TEND_MS;
    int tenants = tend_tenants(k, &err);
    if (tenants < 0)
        say(k, &err);
    int requests = tend_requests(k, &err);
    if (requests < 0)
        say(k, &err);
    if (tenants == 0 && requests == 0)
        k->said[0] = 0;
    if (!k->told_supervisor)
        k->tend_at = now + TURN_MS;
    look_at_unrouted(k);
    if (now < k->idle_at)
        return;
    k->idle_at = now + IDLE_MS;
    stores_idle(k->api->stores);
}

static void *run(void *context)
{
    struct keeper *k = context;
    pthread_mutex_lock(&k->lock);
    while (!k->stop) {
        k->woken = false;
        pthread_mutex_unlock(&k->lock);
        turn(k);
        pthread_mutex_lock(&k->lock);
        while (!k->stop && !k->woken && clock_mono_ms() < k->tend_at)
            wait_until(k, k->tend_at);
    }
    pthread_mutex_unlock(&k->lock);
    return NULL;
}

int keeper_start(struct api *api, struct keeper **keeper, struct err *err)
{
    struct keeper *k = mem_zero(1, sizeof *k);
    k->api = api;
    k->unrouted = -1;
    pthread_mutex_init(&k->lock, NULL);
    pthread_cond_init(&k->changed, NULL);
    *keeper = k;
    if (pthread_create(&k->thread, NULL, run, k) == 0)
        return 0;
    free(k);
    *keeper = NULL;
    return err_set(err, ERR_INTERNAL, "cannot start the keeper's thread");
}

void keeper_wake(struct keeper *k)
{
    pthread_mutex_lock(&k->lock);
    k->woken = true;
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
}

void keeper_stop(struct keeper **keeper)
{
    struct keeper *k = *keeper;
    if (!k)
        return;
    pthread_mutex_lock(&k->lock);
    k->stop = true;
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
    pthread_join(k->thread, NULL);
    link_close(&k->link);
    while (k->busy)
        take_out(&k->busy);
    while (k->published)
        take_out(&k->published);
    pthread_mutex_destroy(&k->lock);
    pthread_cond_destroy(&k->changed);
    free(k);
    *keeper = NULL;
}
