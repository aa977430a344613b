/* Choosing among kept checkpoints: where a reading of the retained log may begin. PURE. */
#ifndef BELLTOWER_COREDMS_KEPT_H
#define BELLTOWER_COREDMS_KEPT_H

#include "coredms/coredms.h"

/* The base of a rewind; NULL: it is no longer kept, or it is the beginning of the log. */
const struct checkpoint_head *kept_find(const struct checkpoint_head *kept, size_t count, const struct rewind_row *r);

struct log_point { /* to_ms, or to_offset if that is >= 0 */
    int64_t to_ms, to_offset;
};

struct kept_log {         /* what is known of the log */
    uint64_t generation;  /* with which it began */
    int64_t began_ms;     /* wall */
    int64_t retention_ms; /* how long events stay in it */
    int64_t now_ms;
};

/* With which generation the tenant's present log began. */
uint64_t kept_log_generation(const struct tenant_row *t);

/* The latest of the kept checkpoints (checkpoint_kept) of this log that holds nothing of a window that starts at or
 * after the point: *base points into kept, NULL = the beginning of the log. ERR_CONFLICT, with the earliest possible
 * point in its text, if nothing that is still kept or in the log is early enough. */
int kept_base(const struct checkpoint_head *kept, size_t count, const struct kept_log *log, const struct log_point *p,
              const struct checkpoint_head **base, struct err *err) MUSTCHECK;

/* The earliest to_ms that kept_base accepts: INT64_MIN = any, INT64_MAX = none. */
int64_t kept_earliest(const struct checkpoint_head *kept, size_t count, const struct kept_log *log);

#endif
