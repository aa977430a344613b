/* Civetweb's threads have stacks of 100 KiB: too small for what a request may call (a YAML parser, an expression
 * compiler, SQLite), but there can be many of them, for connections that are slow to say what they want. So for a
 * request a thread borrows a partner with a stack of its own size, which does the work while it waits. */
#ifndef BELLTOWER_API_PARTNER_H
#define BELLTOWER_API_PARTNER_H

#include <stdbool.h>

#define PARTNERS_IDLE 16 /* are kept; others end after their work */

struct partners;
struct partners *partners_new(void);
void partners_free(struct partners **p); /* when none is at work; no-op on NULL */
/* Has a partner call work(argument), and waits until it has returned. false: no thread is to be had, nothing was done.
 * From any thread. */
bool partners_run(struct partners *p, void (*work)(void *argument), void *argument);

#endif
