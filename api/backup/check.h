/* Is this a whole and undamaged backup? Takes it line by line: the order of its records, their sums, their checksums.
 * PURE. */
#ifndef BELLTOWER_API_BACKUP_CHECK_H
#define BELLTOWER_API_BACKUP_CHECK_H

#include "api/backup/digest.h"
#include "api/backup/record.h"

struct backup_check {
    struct digest *whole, *one; /* of the file; of the tenant at hand */
    bool begun, complete;
    bool in_tenant, has_head, has_source;
    enum record_type last;
    char tenant[64];
    uint64_t version;              /* of the format */
    uint64_t generation, versions; /* of that tenant */
    uint64_t apps, records;
    uint64_t left; /* bytes of a checkpoint or report that must still come */
    uint64_t tenants;
};
void backup_check_begin(struct backup_check *c);
void backup_check_end(struct backup_check *c); /* frees */

/* A line without its LF. *r (empty before) is the record, the caller's to free. ERR_INVALID says what is wrong, in
 * words for whoever gave the file. */
int backup_check_line(struct backup_check *c, const char *line, size_t len, struct record *r,
                      struct err *err) MUSTCHECK;
/* Behind the last line. */
int backup_check_complete(const struct backup_check *c, struct err *err) MUSTCHECK;

#endif
