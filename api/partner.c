#include "api/partner.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#define STACK_BYTES (8 * 1024 * 1024) /* of address space; only what is used becomes memory */

struct partner {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    void (*work)(void *argument); /* NULL = at rest */
    void *argument;
    bool stop;
};

static void *run(void *context)
{
    struct partner *p = context;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->work && !p->stop)
            pthread_cond_wait(&p->changed, &p->lock);
        if (!p->work)
            break;
        pthread_mutex_unlock(&p->lock);
        p->work(p->argument);
        pthread_mutex_lock(&p->lock);
        p->work = NULL;
        pthread_cond_broadcast(&p->changed);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

struct partner *partner_new(void)
{
    struct partner *p = mem_zero(1, sizeof *p);
    pthread_attr_t attributes;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    int failed = pthread_create(&p->thread, &attributes, run, p);
    pthread_attr_destroy(&attributes);
    if (!failed)
        return p;
    free(p);
    return NULL;
}

void partner_free(struct partner **partner)
{
    struct partner *p = *partner;
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->changed);
    free(p);
    *partner = NULL;
}

void partner_run(struct partner *p, void (*work)(void *argument), void *argument)
{
    pthread_mutex_lock(&p->lock);
    p->argument = argument;
    p->work = work;
    pthread_cond_broadcast(&p->changed);
    while (p->work)
        pthread_cond_wait(&p->changed, &p->lock);
    pthread_mutex_unlock(&p->lock);
}
