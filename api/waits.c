#include "api/waits.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct waiting {
    char *tenant;
    unsigned count;
};

struct waits {
    pthread_mutex_t lock;
    struct waiting tenants[WAITS_MAX]; /* those with a count; there are no more of them than waits */
    size_t tenant_count;
    unsigned count;
};

struct waits *waits_new(void)
{
    struct waits *w = mem_zero(1, sizeof *w);
    pthread_mutex_init(&w->lock, NULL);
    return w;
}

void waits_free(struct waits **waits)
{
    struct waits *w = *waits;
    if (!w)
        return;
    for (size_t i = 0; i < w->tenant_count; i++)
        free(w->tenants[i].tenant);
    pthread_mutex_destroy(&w->lock);
    free(w);
    *waits = NULL;
}

static struct waiting *find(struct waits *w, const char *tenant)
{
    for (size_t i = 0; i < w->tenant_count; i++)
        if (strcmp(w->tenants[i].tenant, tenant) == 0)
            return &w->tenants[i];
    return NULL;
}

static bool count_one(struct waits *w, const char *tenant)
{
    if (w->count == WAITS_MAX)
        return false;
    struct waiting *t = find(w, tenant);
    if (t && t->count == WAITS_PER_TENANT)
        return false;
    if (!t) {
        t = &w->tenants[w->tenant_count++];
        *t = (struct waiting){.tenant = mem_strdup(tenant)};
    }
    t->count++;
    w->count++;
    return true;
}

bool waits_begin(struct waits *w, const char *tenant)
{
    pthread_mutex_lock(&w->lock);
    bool may = count_one(w, tenant);
    pthread_mutex_unlock(&w->lock);
    return may;
}

void waits_end(struct waits *w, const char *tenant)
{
    pthread_mutex_lock(&w->lock);
    struct waiting *t = find(w, tenant);
    w->count--;
    if (--t->count == 0) {
        free(t->tenant);
        *t = w->tenants[--w->tenant_count];
    }
    pthread_mutex_unlock(&w->lock);
}
