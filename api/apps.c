#include "api/apps.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define KEPT 64

struct kept {
    char *tenant;
    uint64_t generation;
    uint32_t version;
    struct app *app;
    unsigned users;
    uint64_t used; /* rises */
};

struct apps {
    pthread_mutex_t lock;
    struct kept *list; /* as many as are in use, and up to KEPT */
    size_t count, cap;
    uint64_t clock;
};

struct apps *apps_new(void)
{
    struct apps *a = mem_zero(1, sizeof *a);
    pthread_mutex_init(&a->lock, NULL);
    return a;
}

static void drop(struct apps *a, size_t i)
{
    app_free(&a->list[i].app);
    free(a->list[i].tenant);
    a->list[i] = a->list[--a->count];
}

void apps_free(struct apps **apps)
{
    struct apps *a = *apps;
    if (!a)
        return;
    while (a->count)
        drop(a, a->count - 1);
    free(a->list);
    pthread_mutex_destroy(&a->lock);
    free(a);
    *apps = NULL;
}

static struct kept *find(struct apps *a, const struct tenant_row *t)
{
    for (size_t i = 0; i < a->count; i++) {
        struct kept *k = &a->list[i];
        if (k->generation == t->generation && k->version == t->version && strcmp(k->tenant, t->tenant) == 0)
            return k;
    }
    return NULL;
}

static void drop_oldest(struct apps *a)
{
    while (a->count > KEPT) {
        size_t oldest = a->count;
        for (size_t i = 0; i < a->count; i++)
            if (!a->list[i].users && (oldest == a->count || a->list[i].used < a->list[oldest].used))
                oldest = i;
        if (oldest == a->count)
            return;
        drop(a, oldest);
    }
}

static int load(struct coredms *db, const struct tenant_row *t, struct app **app, struct err *err)
{
    char *text;
    size_t len;
    uint32_t found;
    struct app_diags diags;
    if (registry_get_app(db, t->tenant, t->version, &text, &len, &found, err) < 0)
        return -1;
    *app = app_load(text, len, t->tenant, &diags);
    app_diags_free(&diags);
    free(text);
    return *app ? 0 : err_set(err, ERR_INTERNAL, "version %u of the app of %s does not load", t->version, t->tenant);
}

static const struct app *use(struct apps *a, struct kept *k)
{
    k->users++;
    k->used = ++a->clock;
    return k->app;
}

static void add(struct apps *a, const struct tenant_row *t, struct app *app)
{
    if (a->count == a->cap) {
        a->cap = a->cap ? 2 * a->cap : 16;
        a->list = mem_resize(a->list, a->cap, sizeof *a->list);
    }
    a->list[a->count++] =
        (struct kept){.tenant = mem_strdup(t->tenant), .generation = t->generation, .version = t->version, .app = app};
}

int apps_take(struct apps *a, struct coredms *db, const struct tenant_row *tenant, const struct app **app,
              struct err *err)
{
    struct app *fresh = NULL;
    pthread_mutex_lock(&a->lock);
    struct kept *k = find(a, tenant);
    *app = k ? use(a, k) : NULL;
    pthread_mutex_unlock(&a->lock);
    if (*app)
        return 0;
    if (load(db, tenant, &fresh, err) < 0)
        return -1;
    pthread_mutex_lock(&a->lock);
    if (find(a, tenant)) /* another thread was quicker */
        app_free(&fresh);
    else
        add(a, tenant, fresh);
    *app = use(a, find(a, tenant));
    drop_oldest(a);
    pthread_mutex_unlock(&a->lock);
    return 0;
}

void apps_give(struct apps *a, const struct app *app)
{
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->count; i++)
        if (a->list[i].app == app)
            a->list[i].users--;
    pthread_mutex_unlock(&a->lock);
}

void apps_forget(struct apps *a, const char *tenant)
{
    pthread_mutex_lock(&a->lock);
    for (size_t i = a->count; i-- > 0;) {
        if (strcmp(a->list[i].tenant, tenant) != 0)
            continue;
        if (a->list[i].users)
            a->list[i].generation = 0; /* of none: nobody finds it any more, and it goes as one of the oldest */
        else
            drop(a, i);
    }
    pthread_mutex_unlock(&a->lock);
}

const struct app_stream *app_find_stream(const struct app *app, const char *name)
{
    for (size_t i = 0; i < app->stream_count; i++)
        if (strcmp(app->streams[i].name, name) == 0)
            return &app->streams[i];
    return NULL;
}

const struct app_job *app_find_job(const struct app *app, const char *name)
{
    for (size_t i = 0; i < app->job_count; i++)
        if (strcmp(app->jobs[i].name, name) == 0)
            return &app->jobs[i];
    return NULL;
}
