/* How many calls may wait at a time, for a run to end: each holds a thread, and all tenants share the threads. Safe
 * from any thread. */
#ifndef BELLTOWER_API_WAITS_H
#define BELLTOWER_API_WAITS_H

#include <stdbool.h>

#define WAITS_PER_TENANT 16
#define WAITS_MAX        64

struct waits;
struct waits *waits_new(void);
void waits_free(struct waits **w); /* no-op on NULL */
/* false: so many wait already; nothing is counted. After true, waits_end. */
bool waits_begin(struct waits *w, const char *tenant);
void waits_end(struct waits *w, const char *tenant);

#endif
