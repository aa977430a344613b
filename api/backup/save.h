/* From the store to the lines of a backup, while the workers go on. What is read earlier is never ahead of what is read
 * later: the registry and the checkpoint before how far results are stored, that before the results. So a restored
 * tenant is one whose workers were killed: the history may be ahead of the checkpoint, and what comes again is the
 * same. */
#ifndef BELLTOWER_API_BACKUP_SAVE_H
#define BELLTOWER_API_BACKUP_SAVE_H

#include "api/backup/digest.h"
#include "api/backup/record.h"
#include "tenants/app/app.h"

/* Where the bytes go. -1 with *err ends the saving. */
typedef int backup_write(void *context, const void *p, size_t len, struct err *err);

struct backup_out {
    backup_write *write;
    void *context;
    /* private */
    struct buf lines; /* not written yet */
    struct digest *whole, *one;
    uint64_t records, tenants;
};

int backup_begin(struct backup_out *o, backup_write *write, void *context, struct err *err) MUSTCHECK;
/* The first half of a tenant; nobody may rewind, update or remove it meanwhile. *row is the caller's to free. */
int backup_state(struct backup_out *o, struct coredms *db, const char *tenant, struct tenant_row *row,
                 struct err *err) MUSTCHECK;
/* The second half. app: the present one, for its jobs. ERR_CONFLICT if the tenant was rewound or removed since. */
int backup_history(struct backup_out *o, struct coredms *db, const struct tenant_row *row, const struct app *app,
                   struct err *err) MUSTCHECK;
/* After one of these failed for the tenant's own sake: it is left out, with the reason, and the next may come. */
int backup_left_out(struct backup_out *o, const char *tenant, const struct err *why, struct err *err) MUSTCHECK;
int backup_complete(struct backup_out *o, struct err *err) MUSTCHECK;
void backup_out_free(struct backup_out *o);

#endif
