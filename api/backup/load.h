/* From the records of one tenant, which have been checked, into the store. Until backup_load_commit nothing of it can
 * be seen: the registry does not know the tenant. */
#ifndef BELLTOWER_API_BACKUP_LOAD_H
#define BELLTOWER_API_BACKUP_LOAD_H

#include "api/backup/record.h"

struct backup_load;

struct backup_loaded {
    uint64_t apps, requests, kept, results, runs, reports; /* how many */
    bool only_data;                                        /* beside the tenant's row and app, which stayed */
    uint32_t version;                                      /* of its app now */
};

/* first: its RECORD_TENANT. One whose making was broken off makes room; of one that is TENANT_PAUSED and whose data is
 * gone only the data is put back. ERR_EXISTS if there is such a tenant otherwise, ERR_CONFLICT if its name has had a
 * higher generation since. */
int backup_load_begin(const char *uri, const struct record *first, struct backup_load **load,
                      struct err *err) MUSTCHECK;
/* The next record; may take what r owns. */
int backup_load_record(struct backup_load *l, struct record *r, struct err *err) MUSTCHECK;
/* After RECORD_END: the tenant is in the registry, as TENANT_CREATING, or as it was. */
int backup_load_commit(struct backup_load *l, struct backup_loaded *loaded, struct err *err) MUSTCHECK;
/* Takes back what was written, also after a commit; what a removal had kept of the tenant stays. */
void backup_load_undo(struct backup_load *l);
void backup_load_free(struct backup_load **l); /* no-op on NULL */

#endif
