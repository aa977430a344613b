#include "api/damage.h"

#include "base/log.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct finding {
    char *tenant, *text;
    struct finding *next;
};

struct damage {
    pthread_mutex_t lock;
    struct finding *first;
};

struct damage *damage_new(void)
{
    struct damage *d = mem_zero(1, sizeof *d);
    pthread_mutex_init(&d->lock, NULL);
    return d;
}

/* With the lock held. */
static struct finding **find(struct damage *d, const char *tenant)
{
    struct finding **at = &d->first;
    while (*at && strcmp((*at)->tenant, tenant) != 0)
        at = &(*at)->next;
    return at;
}

static void take_out(struct finding **at)
{
    struct finding *f = *at;
    if (!f)
        return;
    *at = f->next;
    free(f->tenant);
    free(f->text);
    free(f);
}

void damage_free(struct damage **damage)
{
    struct damage *d = *damage;
    if (!d)
        return;
    while (d->first)
        take_out(&d->first);
    pthread_mutex_destroy(&d->lock);
    free(d);
    *damage = NULL;
}

void damage_found(struct damage *d, const char *tenant, const struct err *err)
{
    pthread_mutex_lock(&d->lock);
    struct finding **at = find(d, tenant);
    bool fresh = !*at;
    if (fresh) {
        *at = mem_zero(1, sizeof **at);
        **at = (struct finding){.tenant = mem_strdup(tenant), .text = mem_strdup(err->text)};
    }
    pthread_mutex_unlock(&d->lock);
    if (fresh)
        log_error("tenant %s: %s", tenant, err->text);
}

void damage_mended(struct damage *d, const char *tenant)
{
    pthread_mutex_lock(&d->lock);
    take_out(find(d, tenant));
    pthread_mutex_unlock(&d->lock);
}

char *damage_text(struct damage *d, const char *tenant)
{
    pthread_mutex_lock(&d->lock);
    struct finding *f = *find(d, tenant);
    char *text = f ? mem_strdup(f->text) : NULL;
    pthread_mutex_unlock(&d->lock);
    return text;
}
