#include "stream/calls.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void append(struct call_list *l, struct call *call)
{
    call->next = NULL;
    if (l->first)
        l->last->next = call;
    else
        l->first = call;
    l->last = call;
}

static struct call *take(struct call_list *l)
{
    struct call *call = l->first;
    if (call)
        l->first = call->next;
    return call;
}

static void drop(struct call_list *l)
{
    struct call *call;
    while ((call = take(l)))
        free(call);
}

/* ---- the thread ---- */

/* With the lock held: NULL when the thread shall end. */
static struct call *next(struct calls *c)
{
    while (!c->asked.first && !c->closing)
        pthread_cond_wait(&c->changed, &c->lock);
    return c->closing ? NULL : take(&c->asked);
}

/* The descriptor is readable as long as there is an answer to take: both change under the lock. */
static void answer(struct calls *c, struct call *call)
{
    uint64_t one = 1;
    append(&c->done, call);
    atomic_store(&c->under_way_ms, 0);
    pthread_cond_signal(&c->changed);
    if (write(c->answered, &one, sizeof one) != (ssize_t)sizeof one)
        abort();
}

static void *thread_main(void *context)
{
    struct calls *c = context;
    struct call *call;
    pthread_mutex_lock(&c->lock);
    while ((call = next(c))) {
        atomic_store(&c->under_way_ms, clock_mono_ms());
        pthread_mutex_unlock(&c->lock);
        c->perform(c->context, call);
        pthread_mutex_lock(&c->lock);
        answer(c, call);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* ---- the loop ---- */

int calls_open(struct calls *c, calls_perform *perform, void *context, struct err *err)
{
    *c = (struct calls){.perform = perform, .context = context};
    c->answered = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (c->answered < 0)
        return err_set_errno(err, "cannot make an eventfd");
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    if (thread_start(&c->thread, thread_main, c, "the store", err) == 0)
        return 0;
    close(c->answered);
    c->perform = NULL;
    return -1;
}

void calls_close(struct calls *c)
{
    if (!c->perform)
        return;
    pthread_mutex_lock(&c->lock);
    c->closing = true;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    drop(&c->asked);
    drop(&c->done);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    close(c->answered);
    c->perform = NULL;
}

void calls_ask(struct calls *c, const struct stream_effect *effect, enum stream_event_kind answer_kind)
{
    struct call *call = mem_zero(1, sizeof *call);
    call->effect = *effect;
    call->answer.kind = answer_kind;
    call->answer.op = effect->op;
    pthread_mutex_lock(&c->lock);
    append(&c->asked, call);
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

struct call *calls_answer(struct calls *c)
{
    uint64_t count;
    pthread_mutex_lock(&c->lock);
    struct call *call = take(&c->done);
    if (call && !c->done.first && read(c->answered, &count, sizeof count) != (ssize_t)sizeof count)
        abort();
    pthread_mutex_unlock(&c->lock);
    return call;
}

int64_t calls_under_way(const struct calls *c)
{
    return atomic_load(&c->under_way_ms);
}

void calls_await(struct calls *c)
{
    pthread_mutex_lock(&c->lock);
    while (calls_under_way(c) && !c->done.first)
        pthread_cond_wait(&c->changed, &c->lock);
    pthread_mutex_unlock(&c->lock);
}
