/* Civetweb's threads have stacks of 100 KiB: too small for what a request may call (a YAML parser, an expression
 * compiler, SQLite). So each of them has a partner with a stack of its own size, which does the work while it waits. */
#ifndef BELLTOWER_API_PARTNER_H
#define BELLTOWER_API_PARTNER_H

struct partner;
struct partner *partner_new(void);     /* NULL: no thread is to be had */
void partner_free(struct partner **p); /* no-op on NULL */
/* Has the partner call work(argument), and waits until it has returned. */
void partner_run(struct partner *p, void (*work)(void *argument), void *argument);

#endif
