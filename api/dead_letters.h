/* The newest messages of a tenant's dead-letter queue. A stream queue is read from an offset on only, so: its end is
 * looked up first, then it is read from as far before it as seems enough, in growing steps, over connections of their
 * own. */
#ifndef BELLTOWER_API_DEAD_LETTERS_H
#define BELLTOWER_API_DEAD_LETTERS_H

#include "api/api.h"
#include "base/buf.h"
#include "base/err.h"

#define DEAD_BODY_SHOWN 4096 /* bytes of a body that are given */

struct dead_letter {
    int64_t queue_offset, offset, index, number, time_s; /* offset, index: of the log; -1 unknown */
    char reason[40];
    struct buf detail, message_id, body;
    size_t body_len; /* of the whole */
};

struct dead_letters {
    struct dead_letter *list; /* oldest first */
    size_t count;
};
void dead_letters_free(struct dead_letters *d);

/* At most `most`, of that reason (NULL: all). Bounded in time: ERR_TIMEOUT; ERR_UNAVAILABLE: the broker is away. */
int dead_letters_read(struct api *api, const char *tenant, const char *reason, size_t most, struct dead_letters *out,
                      struct err *err) MUSTCHECK;

#endif
