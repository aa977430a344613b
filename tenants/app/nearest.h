/* The valid name that somebody probably meant. PURE. */
#ifndef BELLTOWER_TENANTS_APP_NEAREST_H
#define BELLTOWER_TENANTS_APP_NEAREST_H

#include <stddef.h>

struct nearest {
    const char *word; /* what was written */
    size_t len;
    const char *best; /* of the names offered; NULL if none is near */
    size_t distance;
};

struct nearest nearest_begin(const char *word, size_t len);
/* name lives at least as long as *n. Of equally near names the first offered wins. */
void nearest_offer(struct nearest *n, const char *name);

#endif
