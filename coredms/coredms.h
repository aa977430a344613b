/* CoreDMS: the store of tenants, checkpoints, results, runs and reports. One interface; `sqlite:DIR` (linked in) and
 * `mongodb://...` (a module, loaded only for such a URI) pass the same contract tests (coredms/contract_tests.c).
 * Their tables and documents: docs/formats.md.
 *
 * Who writes what (one writing process per SQLite file): the API the registry (registry.db), a tenant's stream worker
 * its checkpoints (stream.db), its batch worker its history (batch.db). Everybody may read everything.
 *
 * Errors of all calls: ERR_UNAVAILABLE (server or file away, locked, moved: try again later on the same handle),
 * ERR_FULL (disk, or the file system is read-only), ERR_DENIED (permissions, credentials), ERR_FENCED, ERR_NOT_FOUND,
 * ERR_EXISTS, ERR_CONFLICT, ERR_INVALID (an argument, the URI, a cursor; a file that is another's or of a newer
 * version), ERR_DAMAGED (what is stored cannot be read: somebody must act), ERR_UNKNOWN (it may have happened; every
 * write here may be repeated with the same arguments, save that registry_add, registry_add_app, registry_rewind,
 * registry_restore and request_add may then meet their own outcome: ERR_EXISTS, ERR_CONFLICT), ERR_INTERNAL. On failure
 * nothing has changed, save after ERR_UNKNOWN; outputs are untouched. Texts are UTF-8; times UTC ms; strings given are
 * copied, strings received are freed by the *_free named with the struct. No call is thread-safe on one handle; one
 * handle per thread; handles do not survive fork; callbacks must not use the handle that calls them. A call that writes
 * what the handle was not opened for is ERR_INTERNAL; so is one about a tenant's own data on a handle opened without
 * one. */
#ifndef BELLTOWER_COREDMS_H
#define BELLTOWER_COREDMS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/value.h"
#include "coredms/rows.h"
#include "tenants/app/expr.h"

struct coredms;

enum coredms_writes {
    COREDMS_READS = 0,
    COREDMS_WRITES_REGISTRY = 1,
    COREDMS_WRITES_STREAM = 2,
    COREDMS_WRITES_BATCH = 4,
    COREDMS_READS_DAMAGED =
        8,             /* reads what has lost its checksum as it is: to show what became of it, never to go on */
    COREDMS_BEGUN = 16 /* the tenant's own data was begun before, by coredms_begin: what of it is missing or empty is
                          gone (ERR_DAMAGED), and is not begun anew */
};

/* uri: "sqlite:DIR", "mongodb://...", "mongodb+srv://...". tenant: NULL for the registry alone. Opening creates and
 * migrates what this handle writes. For reading, what does not exist yet reads as empty (ERR_NOT_FOUND where one thing
 * is asked for). A MongoDB server that is away does not fail the opening, but the calls. */
int coredms_open(const char *uri, const char *tenant, unsigned writes, struct coredms **db, struct err *err) MUSTCHECK;
void coredms_close(struct coredms **db);
/* Begins what the tenant has in the store from its first day, where it is missing: an empty checkpoint and an empty
 * history of this generation. *begun: which, as COREDMS_WRITES_STREAM and _BATCH; what is there stays as it is, and
 * what is damaged is ERR_DAMAGED. None of its workers may run. After this whoever opens the tenant's data says
 * COREDMS_BEGUN.
 */
int coredms_begin(const char *uri, const char *tenant, uint64_t generation, unsigned *begun, struct err *err) MUSTCHECK;
/* Has the tenant been begun: is there a head of its checkpoint, a source of its history? */
int coredms_has_checkpoint(struct coredms *db, bool *there, struct err *err) MUSTCHECK;
int coredms_has_history(struct coredms *db, bool *there, struct err *err) MUSTCHECK;
/* Can the store be reached and, if it writes, written to now? */
int coredms_ping(struct coredms *db, struct err *err) MUSTCHECK;
/* Longest time that one call may block, in ms (for page_blocking). */
int64_t coredms_block_ms(const struct coredms *db);
/* Housekeeping while idle (SQLite: folds the write-ahead log back into the file); worth a call a minute. */
int coredms_idle(struct coredms *db, struct err *err) MUSTCHECK;

/* Looks at every page of the tenant's own files, those that hold nothing too, against its checksum; each that is
 * damaged is told to `each` in words ("DIR/.../batch.db: page 17"). *looked_at: pages with checksums. Nothing to look
 * at on MongoDB, which has its own. Workers may be at work. */
typedef void damage_each(void *context, const char *where);
int coredms_inspect(struct coredms *db, damage_each *each, void *context, int64_t *looked_at,
                    struct err *err) MUSTCHECK;

/* ================= registry ================= */
enum tenant_state { TENANT_CREATING, TENANT_RUNNING, TENANT_PAUSED, TENANT_REMOVING };

struct tenant_row {
    char *tenant, *title;
    enum tenant_state state;
    bool keep_data;      /* of a TENANT_REMOVING */
    uint64_t generation; /* rises with every onboarding of the name, also after a removal */
    uint32_t version;    /* of the app now */
    char *token_hash;    /* hex */
    int64_t created_ms, changed_ms;
    struct rewind_row rewind; /* the last one */
};
void tenant_row_free(struct tenant_row *row); /* its strings */

/* Inserts a tenant with app version 1 (row->version is not read) and the next generation of that name (set in
 * row->generation). ERR_EXISTS if there is one. */
int registry_add(struct coredms *db, struct tenant_row *row, const char *app_text, size_t app_len,
                 struct err *err) MUSTCHECK;
int registry_get(struct coredms *db, const char *tenant, struct tenant_row *row, struct err *err) MUSTCHECK;
/* All tenants by name; *rows is the caller's to free (each row and the array). */
int registry_list(struct coredms *db, struct tenant_row **rows, size_t *count, struct err *err) MUSTCHECK;
/* The highest generation that the name has had; 0: none. It outlives the tenant. */
int registry_generation(struct coredms *db, const char *tenant, uint64_t *generation, struct err *err) MUSTCHECK;
/* ERR_CONFLICT for another state once it is TENANT_REMOVING: there is no way back. */
int registry_set_state(struct coredms *db, const char *tenant, enum tenant_state state, bool keep_data,
                       struct err *err) MUSTCHECK;
int registry_set_token(struct coredms *db, const char *tenant, const char *token_hash, struct err *err) MUSTCHECK;
/* Adds app version row.version + 1, if the present version is expected_version (else ERR_CONFLICT); title may change
 * with it (NULL: stays). */
int registry_add_app(struct coredms *db, const char *tenant, uint32_t expected_version, const char *title,
                     const char *text, size_t len, uint32_t *version, struct err *err) MUSTCHECK;
/* An app version of the tenant's generation; version 0 = the present one. *text NUL-terminated, the caller's to free().
 */
int registry_get_app(struct coredms *db, const char *tenant, uint32_t version, char **text, size_t *len,
                     uint32_t *version_found, struct err *err) MUSTCHECK;
/* Whether the version's control message is known to be in the log (API's bookkeeping: published until confirmed, again
 * at its start). Version 1 needs none and counts as published. */
int registry_app_published(struct coredms *db, const char *tenant, uint32_t version, struct err *err) MUSTCHECK;
int registry_app_unpublished(struct coredms *db, const char *tenant, uint32_t *version,
                             struct err *err) MUSTCHECK; /* lowest; 0 = none */
/* Begins the next generation of the name with a rewind: sets row.generation and row.rewind (rewind->generation is set
 * to the new one, `published` to false). App versions stay. ERR_CONFLICT if expected_generation is not the present one
 * or the tenant is TENANT_CREATING or TENANT_REMOVING. */
int registry_rewind(struct coredms *db, const char *tenant, uint64_t expected_generation, struct rewind_row *rewind,
                    struct err *err) MUSTCHECK;
int registry_rewind_published(struct coredms *db, const char *tenant, uint64_t generation, struct err *err) MUSTCHECK;
/* Puts back a tenant from a backup: row as given (generation, version, state, token_hash, rewind, times), with all its
 * app versions texts[0] = version 1 ... texts[row->version - 1], of which all above 1 count as not published.
 * ERR_EXISTS if there is such a tenant; ERR_CONFLICT if the name has had a higher generation since. */
struct app_text {
    const char *text;
    size_t len;
};
int registry_restore(struct coredms *db, const struct tenant_row *row, const struct app_text *texts,
                     struct err *err) MUSTCHECK;
/* Ends a TENANT_REMOVING, or a TENANT_CREATING that was broken off: its row, app versions and requests go; only the
 * generation counter of the name stays. No-op if gone; ERR_CONFLICT in another state. */
int registry_drop(struct coredms *db, const char *tenant, struct err *err) MUSTCHECK;
/* Checkpoints and history of a tenant go (its workers must have ended); for handles with COREDMS_WRITES_REGISTRY. No-op
 * if gone; a purge that failed half-way is repeated. */
int coredms_purge(struct coredms *db, const char *tenant, struct err *err) MUSTCHECK;

/* ================= checkpoints (stream worker) ================= */
#define CHECKPOINT_CHUNK_BYTES (1024 * 1024)

struct checkpoint_head {
    uint64_t epoch;       /* who may replace it */
    uint64_t number;      /* of this checkpoint; with state_epoch it names its chunks */
    uint64_t state_epoch; /* the epoch that wrote its chunks; set by the store, not read by checkpoint_save */
    uint64_t generation;
    uint32_t chunk_count;
    uint64_t bytes;        /* of all chunks */
    int64_t offset;        /* of the last message read; -1 = none yet */
    uint64_t message_hash; /* hash_message of that message's body; 0 if none */
    int64_t saved_ms;      /* wall */
    int64_t lease_ms;      /* wall: until then the writer is taken to be alive */
    char *info; /* JSON object for readers: watermark, result_number, complete_to per stream, ... (docs/formats.md);
                   free() */
};
void checkpoint_head_free(struct checkpoint_head *head);
void checkpoint_heads_free(struct checkpoint_head *heads, size_t count); /* each, and the array */
/* A number of its info; *value is left if there is none. */
void checkpoint_info_int(const struct checkpoint_head *head, const char *name, int64_t *value);

/* Raises the epoch of (tenant), then reads the head: after this no writer of a lower epoch can save. Creates it at the
 * first time (number 0, chunk_count 0, offset -1, info "{}"). A head of a lower generation is set back to that state
 * (its epoch still rises); of a higher one: ERR_FENCED. */
int checkpoint_raise(struct coredms *db, uint64_t generation, struct checkpoint_head *head, struct err *err) MUSTCHECK;
/* The head as it is (readers). ERR_NOT_FOUND before the first. */
int checkpoint_head(struct coredms *db, struct checkpoint_head *head, struct err *err) MUSTCHECK;
/* The chunks that head names, concatenated into out (replaced). ERR_NOT_FOUND if one is missing or cut (a newer save
 * may have replaced them since the head was read). */
int checkpoint_load(struct coredms *db, const struct checkpoint_head *head, struct buf *out, struct err *err) MUSTCHECK;
/* One atomic change: chunks first (named (epoch, number), never reused), then the head, filtered on its epoch and
 * generation (ERR_FENCED if others are there); chunks of older numbers go afterwards. state may be NULL (length 0) when
 * there is nothing new to say: then only offset, message_hash, saved_ms, lease_ms and info change (number, chunk_count
 * and bytes are not read). chunk_count and bytes of a save must fit len (ERR_INVALID). */
int checkpoint_save(struct coredms *db, const struct checkpoint_head *head, const void *state, size_t len,
                    struct err *err) MUSTCHECK;

/* Kept checkpoints: what a rewind, verify and explain start from. Keeps what the present head names (of this epoch and
 * generation, else ERR_FENCED) until checkpoint_forget, whatever is saved later; keeping it twice changes nothing, nor
 * does keeping a head that names no chunks. A new generation leaves what was kept.
 * Nothing is copied where the store can do without. */
int checkpoint_keep(struct coredms *db, uint64_t epoch, uint64_t generation, struct err *err) MUSTCHECK;
/* All kept, oldest first (generation, offset); each is good for checkpoint_load. *heads: the caller's to free, each
 * head and the array. */
int checkpoint_kept(struct coredms *db, struct checkpoint_head **heads, size_t *count, struct err *err) MUSTCHECK;
/* Those kept whose saved_ms is below before_ms go, save the newest of them that is older than before_ms (a point
 * between it and the next may still be asked for). */
int checkpoint_forget(struct coredms *db, int64_t before_ms, struct err *err) MUSTCHECK;

/* Skipped offsets, written by the stream worker before it reads on. The same (generation, from, to) twice changes
 * nothing.
 */
int skip_add(struct coredms *db, const struct skip_row *row, struct err *err) MUSTCHECK;
/* All, by generation, then from; *rows the caller's to free(). */
int skip_list(struct coredms *db, struct skip_row **rows, size_t *count, struct err *err) MUSTCHECK;

/* ================= history (batch worker) ================= */
/* Raises the batch worker's epoch, then reads. Lower generation: set back to offset -1, number 0; higher: ERR_FENCED.
 */
int history_raise(struct coredms *db, uint64_t generation, struct source *source, struct err *err) MUSTCHECK;
int history_source(struct coredms *db, struct source *source,
                   struct err *err) MUSTCHECK; /* zeros and -1 before the first */
/* Stores each row unless the stored (generation, revision, number) of the same (stream, key, window_start) is equal or
 * higher (the number counts when the highest time was set back and a window that was gone began anew), and the source,
 * filtered on its epoch and generation (ERR_FENCED). Rows may repeat a key; the highest wins. */
int history_put(struct coredms *db, const struct result_row *rows, size_t count, const struct source *source,
                struct err *err) MUSTCHECK;

/* Marks every result of a lower generation whose window starts at or after from_ms as withdrawn: it stays as a row, but
 * queries, groups and history_latest leave it out; a history_put of a higher generation brings it back. Guarded like
 * history_put by source's epoch and generation; does not change the source. */
int history_withdraw(struct coredms *db, int64_t from_ms, const struct source *source, size_t *count,
                     struct err *err) MUSTCHECK;

struct history_filter {
    const char *stream;            /* NULL: all streams (history_query only), in the order stream, window_start, key */
    bool withdrawn;                /* history_query: those withdrawn too */
    int64_t from, to;              /* windows that start in [from, to) */
    const struct expr_name *names; /* equal-filters on columns of the body (key fields); a null value asks for null */
    const struct value *values;
    size_t filter_count;
};
/* Rows in the order (window_start, key text by bytes). cursor: NULL = from the beginning, else what *next gave; *next:
 * NULL = no more, else free() it. Each row's pointers are borrowed during the callback; returning false stops (no *next
 * then). next may be NULL. The callback may take its time: nothing is locked meanwhile. */
typedef bool history_each(void *context, const struct result_row *row);
int history_query(struct coredms *db, const struct history_filter *filter, size_t limit, const char *cursor,
                  char **next, history_each *each, void *context, struct err *err) MUSTCHECK;
/* The first stream with results whose name is behind `after` by its bytes (NULL: the first of all); ERR_NOT_FOUND if
 * there is no more. *stream: free(). */
int history_next_stream(struct coredms *db, const char *after, char **stream, struct err *err) MUSTCHECK;
/* The latest window_end stored of a stream; ERR_NOT_FOUND if none. */
int history_latest(struct coredms *db, const char *stream, int64_t *window_end, struct err *err) MUSTCHECK;

/* The value of a result's column: `name` in the object `body`, null if it is missing or not of that type (an int does
 * as a float). A string's bytes go to out->s, borrowed from scratch (replaced). */
struct value coredms_column(const char *body, size_t len, const char *name, enum value_type type, struct buf *scratch);

/* Grouping pushed down to the store. by: columns of the body; aggs: kind in {count, sum, min, max, avg}, over column
 * (NULL for count()) of `type`. Rows come ordered by value_compare over `by`. A row's values: by columns, then aggs;
 * design.md's table holds for empty and null, int sums that overflow are null. bucket_ms > 0 adds a leading column: the
 * start of the bucket (window_start floored to it). A value of another type than the declared one counts as null (an
 * int does as a float, and an integral float as an int). Where no row matches there is no group, even with by_count 0.
 */
struct history_agg {
    enum agg_kind kind;
    const char *column;
    enum value_type type;
};
struct history_group {
    struct history_filter filter;
    const struct expr_name *by;
    size_t by_count;
    const struct history_agg *aggs;
    size_t agg_count;
    int64_t bucket_ms; /* 0 = no buckets */
};
/* Borrowed during the call; false stops. */
typedef bool group_each(void *context, const struct value *values, size_t count);
/* deadline_mono_ms: ERR_TIMEOUT past it (checked by the store). */
int history_group(struct coredms *db, const struct history_group *group, int64_t deadline_mono_ms, group_each *each,
                  void *context, struct err *err) MUSTCHECK;

/* ---- runs and reports ---- */
/* Inserts unless the id exists (any job): *inserted tells. After ERR_UNKNOWN a repetition may say false of its own
 * row. Not guarded by the epoch: whoever gets false looks at what run_get says before taking the run for known. */
int run_insert(struct coredms *db, const struct run_row *row, bool *inserted, struct err *err) MUSTCHECK;
/* Replaces the row of that id (all fields); with report != NULL its report, in one atomic change, guarded by the batch
 * epoch (ERR_FENCED). ERR_NOT_FOUND if there is no such row. Without a report, that a run is under way or published may
 * be lost with the machine's power (not with a process): it is computed, or published, again. */
int run_update(struct coredms *db, const struct run_row *row, uint64_t epoch, const char *report, size_t report_len,
               struct err *err) MUSTCHECK;
int run_get(struct coredms *db, const char *id, struct run_row *row, struct err *err) MUSTCHECK;
/* NUL-terminated; free(). ERR_NOT_FOUND if the run or its report is missing. */
int run_report(struct coredms *db, const char *id, char **report, size_t *len, struct err *err) MUSTCHECK;
/* Newest first; job, cause < 0, state < 0 = all; cursor as in history_query. */
int run_list(struct coredms *db, const char *job, int cause, int state, size_t limit, const char *cursor,
             struct run_row **rows, size_t *count, char **next, struct err *err) MUSTCHECK;
/* Runs that are queued or running, and those done but not published: what a batch worker goes on with; oldest first. */
int run_pending(struct coredms *db, struct run_row **rows, size_t *count, struct err *err) MUSTCHECK;
/* The latest period end (`to`) that a schedule of job has had a run for, expired ones too; ERR_NOT_FOUND if none. */
int run_last_scheduled(struct coredms *db, const char *job, int64_t *to, struct err *err) MUSTCHECK;
/* Results whose window ended, runs (with reports) that ended before before_ms: at most `limit` rows go; *gone how many.
 */
int history_expire(struct coredms *db, int64_t before_ms, size_t limit, size_t *gone, struct err *err) MUSTCHECK;

/* ---- requests of the API for runs, until the batch worker has them (written with COREDMS_WRITES_REGISTRY) ---- */
int request_add(struct coredms *db, const char *tenant, const struct run_row *row,
                struct err *err) MUSTCHECK; /* ERR_EXISTS by (tenant, id) */
int request_get(struct coredms *db, const char *tenant, const char *id, struct run_row *row, struct err *err) MUSTCHECK;
/* Oldest first; tenant NULL: all tenants. */
int request_list(struct coredms *db, const char *tenant, struct run_row **rows, size_t *count,
                 struct err *err) MUSTCHECK;
/* No-op if gone; may be lost with the machine's power: it is published, and dropped, again. */
int request_drop(struct coredms *db, const char *tenant, const char *id, struct err *err) MUSTCHECK;

#endif
