/* The records of a backup (docs/formats.md, "Backup"): one JSON object a line. Strict: each record has just its fields.
 * PURE. */
#ifndef BELLTOWER_API_BACKUP_RECORD_H
#define BELLTOWER_API_BACKUP_RECORD_H

#include "base/buf.h"
#include "base/err.h"
#include "coredms/coredms.h"

#define BACKUP_FORMAT     "belltower-backup"
#define BACKUP_VERSION    2                  /* 1 had no RECORD_LEFT_OUT */
#define BACKUP_DATA_BYTES (1024 * 1024)      /* of one chunk or part of a report, before base64 */
#define BACKUP_LINE_BYTES (16 * 1024 * 1024) /* no line is longer */
#define BACKUP_HEX_SHA256 65

/* In the order in which a tenant's records come. */
enum record_type {
    RECORD_BACKUP, /* the first of the file */
    RECORD_TENANT,
    RECORD_APP,
    RECORD_REQUEST,
    RECORD_CHECKPOINT,
    RECORD_CHUNK, /* of the checkpoint before it */
    RECORD_SKIP,
    RECORD_SCHEDULE,
    RECORD_SOURCE,
    RECORD_RESULT,
    RECORD_RUN,
    RECORD_REPORT,   /* a part of the report of the run before it */
    RECORD_END,      /* of the tenant */
    RECORD_LEFT_OUT, /* instead of a tenant, or anywhere in it: what is there of it does not count */
    RECORD_COMPLETE,
    RECORD_TYPE_COUNT
};
const char *record_type_name(enum record_type type);

/* Only the members of its type mean something; what has a pointer or a buffer is the record's own. */
struct record {
    enum record_type type;
    char *format, *belltower; /* backup: of the program that wrote it */
    uint64_t format_version;
    int64_t created_ms;
    struct tenant_row tenant;
    uint64_t published; /* tenant: app versions up to this one are known to be in the log */
    uint64_t version;   /* app */
    struct run_row run; /* run, request */
    uint64_t report_bytes;
    struct checkpoint_head head;
    bool kept;
    struct skip_row skip;
    char *job; /* schedule */
    int64_t latest_to;
    struct source source;
    struct result_row result; /* its texts are the record's own */
    struct buf data;          /* app, chunk, report */
    char *name;               /* end, left-out */
    char *reason;             /* left-out: one sentence */
    uint64_t records;         /* end: of the tenant with its first, without the end */
    uint64_t tenants;         /* complete */
    char *checksum;           /* end, complete: SHA-256, hex */
};
void record_free(struct record *r); /* leaves it empty */

/* Appends the line, with its LF. */
void record_write(const struct record *r, struct buf *out);
/* Reads a line without its LF into an empty record. ERR_INVALID says what is wrong with it; *r is empty then. */
int record_read(const char *line, size_t len, struct record *r, struct err *err) MUSTCHECK;

#endif
