/* Calls of the store, one after the other in a thread of their own: while a disk takes its time over a checkpoint,
 * events are read and results leave. Whoever asks is the loop's thread; it takes the answers when `answered` is
 * readable. */
#ifndef BELLTOWER_STREAM_CALLS_H
#define BELLTOWER_STREAM_CALLS_H

#include "stream/core.h"

#include <pthread.h>
#include <stdatomic.h>

struct call {
    struct stream_effect effect; /* what is asked; its bytes are the core's, see core.h */
    struct stream_event answer;
    struct err err; /* answer.err points here, if it failed */
    struct call *next;
};

/* Carries out call->effect and fills in call->answer (kind and op are there already). In the thread. */
typedef void calls_perform(void *context, struct call *call);

struct call_list {
    struct call *first, *last;
};

struct calls {
    calls_perform *perform;
    void *context;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct call_list asked, done; /* under the lock */
    bool closing;                 /* the same */
    _Atomic int64_t under_way_ms; /* mono: when the call that is under way began; 0 = none is */
    int answered;                 /* an eventfd */
};

int calls_open(struct calls *c, calls_perform *perform, void *context, struct err *err) MUSTCHECK;
/* Waits for the call that is under way; what has not begun never does, and no answer comes any more. No-op on one that
 * could not be opened. */
void calls_close(struct calls *c);
void calls_ask(struct calls *c, const struct stream_effect *effect, enum stream_event_kind answer);
struct call *calls_answer(struct calls *c); /* the oldest that was not taken, the caller's to free(); NULL = none */
/* Since when a call has been under way, mono ms; 0 = none is. */
int64_t calls_under_way(const struct calls *c);
void calls_await(struct calls *c); /* until no call is under way, or there is an answer to take */

#endif
