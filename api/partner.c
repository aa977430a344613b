#include "api/partner.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#define STACK_BYTES (8 * 1024 * 1024) /* of address space; only what is used becomes memory */

struct partner {
    struct partner *next; /* of those idle */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    void (*work)(void *argument); /* NULL = at rest */
    void *argument;
    bool stop;
};

struct partners {
    pthread_mutex_t lock;
    struct partner *idle; /* the last to rest is the first to work, so that few stacks are touched */
    unsigned idle_count;
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

static struct partner *partner_new(void)
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
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->changed);
    free(p);
    return NULL;
}

static void partner_free(struct partner *p)
{
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->changed);
    free(p);
}

static void partner_run(struct partner *p, void (*work)(void *argument), void *argument)
{
    pthread_mutex_lock(&p->lock);
    p->argument = argument;
    p->work = work;
    pthread_cond_broadcast(&p->changed);
    while (p->work)
        pthread_cond_wait(&p->changed, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

struct partners *partners_new(void)
{
    struct partners *all = mem_zero(1, sizeof *all);
    pthread_mutex_init(&all->lock, NULL);
    return all;
}

static struct partner *take_idle(struct partners *all)
{
    pthread_mutex_lock(&all->lock);
    struct partner *p = all->idle;
    if (p) {
        all->idle = p->next;
        all->idle_count--;
    }
    pthread_mutex_unlock(&all->lock);
    return p;
}

static bool give_idle(struct partners *all, struct partner *p)
{
    pthread_mutex_lock(&all->lock);
    bool keep = all->idle_count < PARTNERS_IDLE;
    if (keep) {
        p->next = all->idle;
        all->idle = p;
        all->idle_count++;
    }
    pthread_mutex_unlock(&all->lock);
    return keep;
}

void partners_free(struct partners **partners)
{
    struct partners *all = *partners;
    struct partner *p;
    if (!all)
        return;
    while ((p = take_idle(all)))
        partner_free(p);
    pthread_mutex_destroy(&all->lock);
    free(all);
    *partners = NULL;
}

bool partners_run(struct partners *all, void (*work)(void *argument), void *argument)
{
    struct partner *p = take_idle(all);
    if (!p)
        p = partner_new();
    if (!p)
        return false;
    partner_run(p, work, argument);
    if (!give_idle(all, p))
        partner_free(p);
    return true;
}
