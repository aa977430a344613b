#include "api/stores.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HANDLES_MAX 48 /* each is up to three open files */
#define WAIT_S      10

struct handle {
    char *tenant;       /* "" = the registry alone */
    struct coredms *db; /* NULL = being opened */
    bool busy;
    uint64_t used; /* rises; the lowest idle one makes room */
};

struct stores {
    pthread_mutex_t lock;
    pthread_cond_t freed;
    char *uri;
    struct handle handles[HANDLES_MAX];
    size_t count;
    uint64_t clock;
};

struct stores *stores_new(const char *uri)
{
    struct stores *s = mem_zero(1, sizeof *s);
    s->uri = mem_strdup(uri);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->freed, NULL);
    return s;
}

/* With the lock held; the last takes its place. */
static void drop(struct stores *s, size_t i)
{
    coredms_close(&s->handles[i].db);
    free(s->handles[i].tenant);
    s->handles[i] = s->handles[--s->count];
    pthread_cond_signal(&s->freed);
}

void stores_free(struct stores **stores)
{
    struct stores *s = *stores;
    if (!s)
        return;
    while (s->count)
        drop(s, 0);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->freed);
    free(s->uri);
    free(s);
    *stores = NULL;
}

static struct handle *find_idle(struct stores *s, const char *tenant)
{
    for (size_t i = 0; i < s->count; i++)
        if (!s->handles[i].busy && strcmp(s->handles[i].tenant, tenant) == 0)
            return &s->handles[i];
    return NULL;
}

/* A free place, if need be that of the handle longest unused; false: all are busy. */
static bool make_room(struct stores *s)
{
    size_t oldest = HANDLES_MAX;
    if (s->count < HANDLES_MAX)
        return true;
    for (size_t i = 0; i < s->count; i++)
        if (!s->handles[i].busy && (oldest == HANDLES_MAX || s->handles[i].used < s->handles[oldest].used))
            oldest = i;
    if (oldest == HANDLES_MAX)
        return false;
    drop(s, oldest);
    return true;
}

static struct handle *find(struct stores *s, struct coredms *db)
{
    size_t i = 0;
    while (s->handles[i].db != db)
        i++;
    return &s->handles[i];
}

/* Opens without the lock: a place is kept meanwhile. */
static int open_new(struct stores *s, const char *tenant, struct coredms **db, struct err *err)
{
    char *name = mem_strdup(tenant);
    s->handles[s->count++] = (struct handle){.tenant = name, .busy = true};
    pthread_mutex_unlock(&s->lock);
    struct coredms *fresh = NULL;
    int status = coredms_open(s->uri, *tenant ? tenant : NULL, COREDMS_WRITES_REGISTRY | COREDMS_BEGUN, &fresh, err);
    pthread_mutex_lock(&s->lock);
    size_t i = 0;
    while (s->handles[i].tenant != name)
        i++;
    if (status < 0) {
        drop(s, i);
        return -1;
    }
    s->handles[i].db = *db = fresh;
    return 0;
}

int stores_take(struct stores *s, const char *tenant, struct coredms **db, struct err *err)
{
    struct timespec until;
    struct handle *h = NULL;
    int status = 0;
    bool room = false;
    tenant = tenant ? tenant : "";
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    pthread_mutex_lock(&s->lock);
    while (!(h = find_idle(s, tenant)) && !(room = make_room(s)) && status == 0)
        status = pthread_cond_timedwait(&s->freed, &s->lock, &until);
    if (h) {
        h->busy = true;
        *db = h->db;
        status = 0;
    } else if (!room) {
        status = err_set(err, ERR_UNAVAILABLE, "the store is busy: all of the API's connections to it are in use");
    } else {
        status = open_new(s, tenant, db, err);
    }
    pthread_mutex_unlock(&s->lock);
    return status;
}

void stores_give(struct stores *s, struct coredms *db)
{
    pthread_mutex_lock(&s->lock);
    struct handle *h = find(s, db);
    h->busy = false;
    h->used = ++s->clock;
    pthread_cond_signal(&s->freed);
    pthread_mutex_unlock(&s->lock);
}

void stores_forget(struct stores *s, const char *tenant)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = s->count; i-- > 0;)
        if (!s->handles[i].busy && strcmp(s->handles[i].tenant, tenant) == 0)
            drop(s, i);
    pthread_mutex_unlock(&s->lock);
}

void stores_idle(struct stores *s)
{
    struct coredms *db = NULL;
    struct err err;
    if (stores_take(s, NULL, &db, &err) < 0)
        return;
    if (coredms_idle(db, &err) < 0) /* said by whoever writes next */
        err.code = ERR_NONE;
    stores_give(s, db);
}
