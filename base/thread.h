/* Threads of a process whose main thread hears the signals. */
#ifndef BELLTOWER_BASE_THREAD_H
#define BELLTOWER_BASE_THREAD_H

#include "base/err.h"

#include <pthread.h>

/* Starts one with all signals blocked. what: what it is for, in the words of a failure (ERR_UNAVAILABLE). */
int thread_start(pthread_t *thread, void *(*run)(void *context), void *context, const char *what,
                 struct err *err) MUSTCHECK;

#endif
