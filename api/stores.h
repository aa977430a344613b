/* Handles of the CoreDMS for many threads: a handle is one thread's at a time, kept open for the next, and bounded in
 * number. */
#ifndef BELLTOWER_API_STORES_H
#define BELLTOWER_API_STORES_H

#include "coredms/coredms.h"

struct stores;
struct stores *stores_new(const char *uri);
void stores_free(struct stores **s);

/* A handle that reads `tenant` (NULL: the registry alone) and writes the registry. Waits for a free one at most some
 * seconds. */
int stores_take(struct stores *s, const char *tenant, struct coredms **db, struct err *err) MUSTCHECK;
void stores_give(struct stores *s, struct coredms *db);
/* Closes the idle handles of a tenant that is gone. */
void stores_forget(struct stores *s, const char *tenant);
/* Housekeeping, worth a call a minute. */
void stores_idle(struct stores *s);

#endif
