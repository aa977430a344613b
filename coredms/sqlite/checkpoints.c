/* Checkpoints of a stream worker: stream.db. */
#include "coredms/sqlite/store.h"

#include "base/mem.h"

#include <stdlib.h>

#define HEAD_COLUMNS                                                                                                   \
    "epoch, number, state_epoch, generation, chunk_count, bytes, offset, message_hash, saved_ms, lease_ms, info"

static void read_head(sqlite3_stmt *stmt, struct checkpoint_head *head)
{
    *head = (struct checkpoint_head){.epoch = (uint64_t)sqlite3_column_int64(stmt, 0),
                                     .number = (uint64_t)sqlite3_column_int64(stmt, 1),
                                     .state_epoch = (uint64_t)sqlite3_column_int64(stmt, 2),
                                     .generation = (uint64_t)sqlite3_column_int64(stmt, 3),
                                     .chunk_count = (uint32_t)sqlite3_column_int64(stmt, 4),
                                     .bytes = (uint64_t)sqlite3_column_int64(stmt, 5),
                                     .offset = sqlite3_column_int64(stmt, 6),
                                     .message_hash = (uint64_t)sqlite3_column_int64(stmt, 7),
                                     .saved_ms = sqlite3_column_int64(stmt, 8),
                                     .lease_ms = sqlite3_column_int64(stmt, 9),
                                     .info = sql_text(stmt, 10)};
}

/* 1: *head filled; 0: there is none; -1. */
static int find_head(struct connection *c, struct checkpoint_head *head, struct err *err)
{
    sqlite3_stmt *stmt;
    int found = sql_first(c, "SELECT " HEAD_COLUMNS " FROM head", NULL, 0, &stmt, err);
    if (found <= 0)
        return found;
    read_head(stmt, head);
    sqlite3_reset(stmt);
    return 1;
}

/* ---- raising ---- */

struct raising {
    uint64_t generation;
    struct checkpoint_head head;
};

/* Those that nothing names any more. */
static int delete_old_chunks(struct connection *c, struct err *err)
{
    return sql_run(c,
                   "DELETE FROM chunks WHERE NOT EXISTS(SELECT 1 FROM head h WHERE h.state_epoch = chunks.epoch"
                   " AND h.number = chunks.number) AND NOT EXISTS(SELECT 1 FROM kept k"
                   " WHERE k.state_epoch = chunks.epoch AND k.number = chunks.number)",
                   NULL, 0, err);
}

static int begin_head(struct connection *c, uint64_t epoch, uint64_t generation, struct err *err)
{
    if (sql_run(c, "INSERT OR REPLACE INTO head(one, " HEAD_COLUMNS ") VALUES(1, ?, 0, 0, ?, 0, 0, -1, 0, 0, 0, '{}')",
                ARGS(arg_int((int64_t)epoch), arg_int((int64_t)generation)), err) < 0)
        return -1;
    return delete_old_chunks(c, err);
}

static int raise_epoch(struct connection *c, void *context, struct err *err)
{
    struct raising *r = context;
    struct checkpoint_head old = {0};
    int found = find_head(c, &old, err);
    if (found < 0)
        return -1;
    uint64_t epoch = old.epoch + 1, generation = old.generation;
    checkpoint_head_free(&old);
    if (found && generation > r->generation)
        return err_set(err, ERR_FENCED, "checkpoint: belongs to generation %llu, this worker to %llu",
                       (unsigned long long)generation, (unsigned long long)r->generation);
    if (!found || generation < r->generation) {
        if (begin_head(c, epoch, r->generation, err) < 0)
            return -1;
    } else if (sql_run(c, "UPDATE head SET epoch = ?", ARGS(arg_int((int64_t)epoch)), err) < 0) {
        return -1;
    }
    return find_head(c, &r->head, err) < 0 ? -1 : 0;
}

int sqlite_checkpoint_raise(struct coredms *db, uint64_t generation, struct checkpoint_head *head, struct err *err)
{
    struct connection *c;
    struct raising r = {.generation = generation};
    if (store_connection(store_of(db), DB_STREAM, &c, err) < 0)
        return -1;
    if (sql_transaction(c, raise_epoch, &r, err) < 0) {
        checkpoint_head_free(&r.head);
        return -1;
    }
    *head = r.head;
    return 0;
}

/* ---- reading ---- */

int sqlite_checkpoint_head(struct coredms *db, struct checkpoint_head *head, struct err *err)
{
    struct connection *c;
    if (store_existing(store_of(db), DB_STREAM, "checkpoint", &c, err) < 0)
        return -1;
    int found = find_head(c, head, err);
    return found ? (found < 0 ? -1 : 0) : err_set(err, ERR_NOT_FOUND, "checkpoint: not found");
}

static int append_chunks(struct connection *c, const struct checkpoint_head *head, struct buf *out, uint32_t *count,
                         struct err *err)
{
    sqlite3_stmt *stmt;
    int more =
        sql_first(c, "SELECT data FROM chunks WHERE epoch = ? AND number = ? AND part < ? ORDER BY part",
                  ARGS(arg_int((int64_t)head->state_epoch), arg_int((int64_t)head->number), arg_int(head->chunk_count)),
                  &stmt, err);
    for (; more > 0; more = sql_step(c, stmt, err)) {
        const void *bytes = sqlite3_column_blob(stmt, 0);
        buf_add(out, bytes, (size_t)sqlite3_column_bytes(stmt, 0));
        ++*count;
    }
    return more;
}

int sqlite_checkpoint_load(struct coredms *db, const struct checkpoint_head *head, struct buf *out, struct err *err)
{
    struct connection *c;
    uint32_t count = 0;
    if (store_existing(store_of(db), DB_STREAM, "checkpoint", &c, err) < 0)
        return -1;
    buf_clear(out);
    if (append_chunks(c, head, out, &count, err) < 0)
        return -1;
    if (count != head->chunk_count || out->len != head->bytes)
        return err_set(err, ERR_NOT_FOUND, "checkpoint %llu: %u of its %u chunks are there",
                       (unsigned long long)head->number, count, head->chunk_count);
    return 0;
}

/* ---- saving ---- */

struct saving {
    const struct checkpoint_head *head;
    const char *state; /* NULL: the head alone */
    size_t len;
};

static int put_chunks(struct connection *c, const struct saving *s, struct err *err)
{
    const struct checkpoint_head *h = s->head;
    for (uint32_t i = 0; i < h->chunk_count; i++) {
        size_t at = (size_t)i * CHECKPOINT_CHUNK_BYTES;
        size_t len = s->len - at < CHECKPOINT_CHUNK_BYTES ? s->len - at : CHECKPOINT_CHUNK_BYTES;
        if (sql_run(
                c, "INSERT OR REPLACE INTO chunks(epoch, number, part, data) VALUES(?, ?, ?, ?)",
                ARGS(arg_int((int64_t)h->epoch), arg_int((int64_t)h->number), arg_int(i), arg_blob(s->state + at, len)),
                err) < 0)
            return -1;
    }
    return delete_old_chunks(c, err);
}

static int update_head(struct connection *c, const struct checkpoint_head *h, struct err *err)
{
    return sql_run(c,
                   "UPDATE head SET offset = ?, message_hash = ?, saved_ms = ?, lease_ms = ?, info = ? WHERE epoch = ?"
                   " AND generation = ?",
                   ARGS(arg_int(h->offset), arg_int((int64_t)h->message_hash), arg_int(h->saved_ms),
                        arg_int(h->lease_ms), arg_text(h->info), arg_int((int64_t)h->epoch),
                        arg_int((int64_t)h->generation)),
                   err);
}

static int save(struct connection *c, void *context, struct err *err)
{
    const struct saving *s = context;
    const struct checkpoint_head *h = s->head;
    if (update_head(c, h, err) < 0)
        return -1;
    if (sqlite3_changes(c->db) == 0)
        return err_set(err, ERR_FENCED, "checkpoint: epoch %llu has been replaced", (unsigned long long)h->epoch);
    if (!s->state)
        return 0;
    if (sql_run(c, "UPDATE head SET number = ?, state_epoch = ?, chunk_count = ?, bytes = ?",
                ARGS(arg_int((int64_t)h->number), arg_int((int64_t)h->epoch), arg_int(h->chunk_count),
                     arg_int((int64_t)h->bytes)),
                err) < 0)
        return -1;
    return put_chunks(c, s, err);
}

int sqlite_checkpoint_save(struct coredms *db, const struct checkpoint_head *head, const void *state, size_t len,
                           struct err *err)
{
    struct connection *c;
    struct saving s = {head, state, len};
    return store_connection(store_of(db), DB_STREAM, &c, err) < 0 ? -1 : sql_transaction(c, save, &s, err);
}

/* ---- kept ---- */

struct keeping {
    uint64_t epoch, generation;
};

/* A head that names no chunks is where every log begins: there is nothing to keep. */
static int keep(struct connection *c, void *context, struct err *err)
{
    const struct keeping *k = context;
    int64_t ours;
    if (sql_int(c, "SELECT count(*) FROM head WHERE epoch = ? AND generation = ?",
                ARGS(arg_int((int64_t)k->epoch), arg_int((int64_t)k->generation)), 0, &ours, err) < 0)
        return -1;
    if (!ours)
        return err_set(err, ERR_FENCED, "checkpoint: epoch %llu has been replaced", (unsigned long long)k->epoch);
    return sql_run(c,
                   "INSERT INTO kept(" HEAD_COLUMNS ") SELECT " HEAD_COLUMNS
                   " FROM head WHERE chunk_count > 0 ON CONFLICT DO NOTHING",
                   NULL, 0, err);
}

int sqlite_checkpoint_keep(struct coredms *db, uint64_t epoch, uint64_t generation, struct err *err)
{
    struct connection *c;
    struct keeping k = {epoch, generation};
    return store_connection(store_of(db), DB_STREAM, &c, err) < 0 ? -1 : sql_transaction(c, keep, &k, err);
}

int sqlite_checkpoint_kept(struct coredms *db, struct checkpoint_head **heads, size_t *count, struct err *err)
{
    struct connection *c;
    sqlite3_stmt *stmt = NULL;
    struct checkpoint_head *list = mem_alloc(0);
    size_t n = 0;
    int more = store_connection(store_of(db), DB_STREAM, &c, err);
    if (more == 0 && c)
        more = sql_first(c, "SELECT " HEAD_COLUMNS " FROM kept ORDER BY generation, offset, state_epoch, number", NULL,
                         0, &stmt, err);
    for (; more > 0; more = sql_step(c, stmt, err)) {
        list = mem_resize(list, n + 1, sizeof *list);
        read_head(stmt, &list[n++]);
    }
    if (more < 0) {
        checkpoint_heads_free(list, n);
        return -1;
    }
    *heads = list;
    *count = n;
    return 0;
}

static int forget(struct connection *c, void *context, struct err *err)
{
    const int64_t *before = context;
    if (sql_run(
            c,
            "DELETE FROM kept WHERE saved_ms < ?1 AND (state_epoch, number) <> (SELECT state_epoch, number FROM kept"
            " WHERE saved_ms < ?1 ORDER BY saved_ms DESC, generation DESC, offset DESC, state_epoch DESC,"
            " number DESC LIMIT 1)",
            ARGS(arg_int(*before)), err) < 0)
        return -1;
    return delete_old_chunks(c, err);
}

int sqlite_checkpoint_forget(struct coredms *db, int64_t before_ms, struct err *err)
{
    struct connection *c;
    return store_connection(store_of(db), DB_STREAM, &c, err) < 0 ? -1 : sql_transaction(c, forget, &before_ms, err);
}

/* ---- skipped offsets ---- */

static int add_skip(struct connection *c, void *context, struct err *err)
{
    const struct skip_row *r = context;
    return sql_run(
        c,
        "INSERT INTO skips(generation, \"from\", \"to\", reason, at_ms) VALUES(?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        ARGS(arg_int((int64_t)r->generation), arg_int(r->from), arg_int(r->to), arg_int(r->reason), arg_int(r->at_ms)),
        err);
}

int sqlite_skip_add(struct coredms *db, const struct skip_row *row, struct err *err)
{
    struct connection *c;
    return store_connection(store_of(db), DB_STREAM, &c, err) < 0 ? -1 : sql_transaction(c, add_skip, (void *)row, err);
}

int sqlite_skip_list(struct coredms *db, struct skip_row **rows, size_t *count, struct err *err)
{
    struct connection *c;
    sqlite3_stmt *stmt = NULL;
    struct skip_row *list = mem_alloc(0);
    size_t n = 0;
    int more = store_connection(store_of(db), DB_STREAM, &c, err);
    if (more == 0 && c)
        more = sql_first(c,
                         "SELECT generation, \"from\", \"to\", reason, at_ms FROM skips"
                         " ORDER BY generation, \"from\", \"to\"",
                         NULL, 0, &stmt, err);
    for (; more > 0; more = sql_step(c, stmt, err)) {
        list = mem_resize(list, n + 1, sizeof *list);
        list[n++] = (struct skip_row){.generation = (uint64_t)sqlite3_column_int64(stmt, 0),
                                      .from = sqlite3_column_int64(stmt, 1),
                                      .to = sqlite3_column_int64(stmt, 2),
                                      .reason = (enum skip_reason)sqlite3_column_int(stmt, 3),
                                      .at_ms = sqlite3_column_int64(stmt, 4)};
    }
    if (more < 0) {
        free(list);
        return -1;
    }
    *rows = list;
    *count = n;
    return 0;
}
