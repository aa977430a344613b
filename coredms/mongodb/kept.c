/* Kept checkpoints and skipped offsets. A kept one is a copy of the head; checkpoint_save leaves the chunks that it
 * names alone. */
#include "coredms/mongodb/store.h"

#include "base/mem.h"
#include "base/time_format.h"

#include <stdlib.h>
#include <string.h>

/* ---- keeping ---- */

/* 1: *doc is the head of this epoch and generation, the caller's to destroy; else ERR_FENCED. */
static int own_head(struct store *s, uint64_t epoch, uint64_t generation, bson_t **doc, struct err *err)
{
    bson_t *selector = doc_id(s->base.tenant, s->base.tenant);
    put_int(selector, "epoch", epoch);
    put_int(selector, "generation", generation);
    int found = mongo_find_one(s, IN_HEADS, selector, NULL, doc, err);
    if (found == 0)
        return err_set(err, ERR_FENCED, "checkpoint: epoch %llu has been replaced", (unsigned long long)epoch);
    return found < 0 ? -1 : 0;
}

/* free() */
static char *kept_id(const struct store *s, const bson_t *head)
{
    return mem_printf("%s|%lld|%lld", s->base.tenant, (long long)get_int(head, "state_epoch", 0),
                      (long long)get_int(head, "number", 0));
}

static int copy_head(struct store *s, const bson_t *head, const char *id, struct err *err)
{
    bson_t *fields = bson_new();
    bson_copy_to_excluding_noinit(head, fields, "_id", "tenant", NULL);
    int matched = mongo_upsert_one(s, IN_KEPT, doc_id(s->base.tenant, id), wrap("$setOnInsert", fields), err);
    return matched < 0 && err->code != ERR_EXISTS ? -1 : 0;
}

/* Until the head is seen to be ours still, another may have replaced it and deleted the chunks; from then on whoever
 * deletes looks at what is kept first. */
static int keep_head(struct store *s, const bson_t *head, struct err *err)
{
    char *id = kept_id(s, head);
    bson_t *still = NULL;
    struct err ignored;
    int status = copy_head(s, head, id, err);
    if (status == 0) {
        status =
            own_head(s, (uint64_t)get_int(head, "epoch", 0), (uint64_t)get_int(head, "generation", 0), &still, err);
        if (status < 0 && err->code == ERR_FENCED &&
            mongo_delete_many(s, IN_KEPT, doc_id(s->base.tenant, id), &ignored) < 0)
            status = err_set(err, ERR_UNKNOWN, "%s", ignored.text);
        bson_destroy(still);
    }
    free(id);
    return status;
}

int mongodb_checkpoint_keep(struct coredms *db, uint64_t epoch, uint64_t generation, struct err *err)
{
    struct store *s = store_of(db);
    bson_t *head;
    if (store_ready(s, err) < 0 || own_head(s, epoch, generation, &head, err) < 0)
        return -1;
    /* one that names no chunks is where every log begins: there is nothing to keep */
    int status = get_int(head, "chunk_count", 0) > 0 ? keep_head(s, head, err) : 0;
    bson_destroy(head);
    return status;
}

/* ---- listing ---- */

struct heads {
    struct checkpoint_head *list;
    size_t count;
};

static bool add_head(void *context, const bson_t *doc)
{
    struct heads *h = context;
    h->list = mem_resize(h->list, h->count + 1, sizeof *h->list);
    mongo_read_head(doc, &h->list[h->count++]);
    return true;
}

int mongodb_checkpoint_kept(struct coredms *db, struct checkpoint_head **heads, size_t *count, struct err *err)
{
    struct store *s = store_of(db);
    if (store_ready(s, err) < 0)
        return -1;
    struct heads h = {.list = mem_alloc(0)};
    bson_t *opts = BCON_NEW("sort", "{", "generation", BCON_INT32(1), "offset", BCON_INT32(1), "state_epoch",
                            BCON_INT32(1), "number", BCON_INT32(1), "}");
    if (mongo_find(s, IN_KEPT, BCON_NEW("tenant", BCON_UTF8(s->base.tenant)), opts, add_head, &h, err) < 0) {
        checkpoint_heads_free(h.list, h.count);
        return -1;
    }
    *heads = h.list;
    *count = h.count;
    return 0;
}

/* ---- forgetting: the chunks go with the next save ---- */

static bson_t *older_than(const struct store *s, int64_t before_ms)
{
    bson_t *selector = BCON_NEW("tenant", BCON_UTF8(s->base.tenant));
    if (before_ms <= TIME_MAX_MS) /* what lies beyond the years that a date can have is no limit */
        BCON_APPEND(selector, "saved", "{", "$lt", BCON_DATE_TIME(before_ms), "}");
    return selector;
}

int mongodb_checkpoint_forget(struct coredms *db, int64_t before_ms, struct err *err)
{
    struct store *s = store_of(db);
    bson_t *newest;
    if (store_ready(s, err) < 0)
        return -1;
    bson_t *opts = BCON_NEW("sort", "{", "saved", BCON_INT32(-1), "generation", BCON_INT32(-1), "offset",
                            BCON_INT32(-1), "state_epoch", BCON_INT32(-1), "number", BCON_INT32(-1), "}");
    int found = mongo_find_one(s, IN_KEPT, older_than(s, before_ms), opts, &newest, err);
    if (found <= 0)
        return found;
    char *stays = get_text(newest, "_id");
    bson_t *others = older_than(s, before_ms);
    BCON_APPEND(others, "_id", "{", "$ne", BCON_UTF8(stays), "}");
    bson_destroy(newest);
    free(stays);
    return mongo_delete_many(s, IN_KEPT, others, err);
}

/* ---- skipped offsets ---- */

int mongodb_skip_add(struct coredms *db, const struct skip_row *row, struct err *err)
{
    struct store *s = store_of(db);
    if (store_ready(s, err) < 0)
        return -1;
    char *id = mem_printf("%s|%lld|%lld|%lld", s->base.tenant, (long long)row->generation, (long long)row->from,
                          (long long)row->to);
    bson_t *fields = bson_new();
    put_int(fields, "generation", row->generation);
    put_int(fields, "from", row->from);
    put_int(fields, "to", row->to);
    put_int(fields, "reason", row->reason);
    put_time(fields, "at", row->at_ms);
    int matched = mongo_upsert_one(s, IN_SKIPS, doc_id(s->base.tenant, id), wrap("$setOnInsert", fields), err);
    free(id);
    return matched < 0 && err->code != ERR_EXISTS ? -1 : 0;
}

struct skips {
    struct skip_row *list;
    size_t count;
};

static bool add_skip(void *context, const bson_t *doc)
{
    struct skips *k = context;
    k->list = mem_resize(k->list, k->count + 1, sizeof *k->list);
    k->list[k->count++] = (struct skip_row){.generation = (uint64_t)get_int(doc, "generation", 0),
                                            .from = get_int(doc, "from", 0),
                                            .to = get_int(doc, "to", 0),
                                            .reason = (enum skip_reason)get_int(doc, "reason", 0),
                                            .at_ms = get_int(doc, "at", 0)};
    return true;
}

int mongodb_skip_list(struct coredms *db, struct skip_row **rows, size_t *count, struct err *err)
{
    struct store *s = store_of(db);
    if (store_ready(s, err) < 0)
        return -1;
    struct skips k = {.list = mem_alloc(0)};
    bson_t *opts = BCON_NEW("sort", "{", "generation", BCON_INT32(1), "from", BCON_INT32(1), "to", BCON_INT32(1), "}");
    if (mongo_find(s, IN_SKIPS, BCON_NEW("tenant", BCON_UTF8(s->base.tenant)), opts, add_skip, &k, err) < 0) {
        free(k.list);
        return -1;
    }
    *rows = k.list;
    *count = k.count;
    return 0;
}
