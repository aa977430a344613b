/* Checkpoints: the chunks of a state, then the head that names them. */
#include "coredms/mongodb/store.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void mongo_read_head(const bson_t *doc, struct checkpoint_head *head)
{
    char *info = get_text(doc, "info");
    *head = (struct checkpoint_head){.epoch = (uint64_t)get_int(doc, "epoch", 0),
                                     .number = (uint64_t)get_int(doc, "number", 0),
                                     .state_epoch = (uint64_t)get_int(doc, "state_epoch", 0),
                                     .generation = (uint64_t)get_int(doc, "generation", 0),
                                     .chunk_count = (uint32_t)get_int(doc, "chunk_count", 0),
                                     .bytes = (uint64_t)get_int(doc, "bytes", 0),
                                     .offset = get_int(doc, "offset", -1),
                                     .message_hash = (uint64_t)get_int(doc, "message_hash", 0),
                                     .saved_ms = get_int(doc, "saved", 0),
                                     .lease_ms = get_int(doc, "lease", 0),
                                     .info = info ? info : mem_strdup("{}")};
}

struct names { /* an array under way */
    bson_t list;
    uint32_t count;
};

/* ---- raising ---- */

static bson_t *new_head_fields(uint64_t generation)
{
    bson_t *set = bson_new();
    put_int(set, "generation", generation);
    put_int(set, "number", 0);
    put_int(set, "state_epoch", 0);
    put_int(set, "chunk_count", 0);
    put_int(set, "bytes", 0);
    put_int(set, "offset", -1);
    put_int(set, "message_hash", 0);
    put_time(set, "saved", 0);
    put_time(set, "lease", 0);
    put_text(set, "info", "{}");
    return set;
}

int mongodb_checkpoint_raise(struct coredms *db, uint64_t generation, struct checkpoint_head *head, struct err *err)
{
    struct store *s = store_of(db);
    bson_t *doc;
    if (store_ready(s, err) < 0)
        return -1;
    bson_t *fresh = new_head_fields(generation);
    int status = mongo_raise(s, &(struct raising){IN_HEADS, generation, fresh, "checkpoint"}, &doc, err);
    bson_destroy(fresh);
    if (status < 0)
        return -1;
    mongo_read_head(doc, head);
    bson_destroy(doc);
    return 0;
}

/* ---- reading ---- */

int mongodb_checkpoint_head(struct coredms *db, struct checkpoint_head *head, struct err *err)
{
    struct store *s = store_of(db);
    bson_t *doc;
    if (store_ready(s, err) < 0)
        return -1;
    int found = mongo_find_one(s, IN_HEADS, doc_id(s->base.tenant, s->base.tenant), NULL, &doc, err);
    if (found <= 0)
        return found < 0 ? -1 : err_set(err, ERR_NOT_FOUND, "checkpoint: not found");
    mongo_read_head(doc, head);
    bson_destroy(doc);
    return 0;
}

int mongodb_checkpoint_load(struct coredms *db, const struct checkpoint_head *head, struct buf *out, struct err *err)
{
    struct store *s = store_of(db);
    if (store_ready(s, err) < 0)
        return -1;
    bson_t *selector = BCON_NEW("tenant", BCON_UTF8(s->base.tenant), "epoch", BCON_INT64((int64_t)head->state_epoch),
                                "number", BCON_INT64((int64_t)head->number));
    buf_clear(out);
    if (head->chunk_count == 0) {
        bson_destroy(selector);
        return 0;
    }
    if (parts_get(s, IN_CHUNKS, selector, head->chunk_count, out, err) < 0)
        return -1;
    if (out->len != head->bytes)
        return err_set(err, ERR_NOT_FOUND, "checkpoint %llu: %zu of its %llu bytes are there",
                       (unsigned long long)head->number, out->len, (unsigned long long)head->bytes);
    return 0;
}

/* ---- saving ---- */

static int put_chunks(struct store *s, const struct checkpoint_head *h, const char *state, size_t len, struct err *err)
{
    const char *tenant = s->base.tenant;
    bson_t *fields = bson_new();
    char *prefix = mem_printf("%s|%llu|%llu", tenant, (unsigned long long)h->epoch, (unsigned long long)h->number);
    put_text(fields, "tenant", tenant);
    put_int(fields, "epoch", h->epoch);
    put_int(fields, "number", h->number);
    int status = parts_put(s, &(struct parts){IN_CHUNKS, fields, prefix}, state, len, err);
    bson_destroy(fields);
    free(prefix);
    return status;
}

static int replace_head(struct store *s, const struct checkpoint_head *h, bool with_state, struct err *err)
{
    bson_t *selector = doc_id(s->base.tenant, s->base.tenant), *set = bson_new();
    put_int(selector, "epoch", h->epoch);
    put_int(selector, "generation", h->generation);
    put_int(set, "offset", h->offset);
    put_int(set, "message_hash", h->message_hash);
    put_time(set, "saved", h->saved_ms);
    put_time(set, "lease", h->lease_ms);
    put_text(set, "info", h->info);
    if (with_state) {
        put_int(set, "number", h->number);
        put_int(set, "state_epoch", h->epoch);
        put_int(set, "chunk_count", h->chunk_count);
        put_int(set, "bytes", h->bytes);
    }
    int matched = mongo_update_one(s, IN_HEADS, selector, wrap("$set", set), err);
    if (matched == 0)
        return err_set(err, ERR_FENCED, "checkpoint: epoch %llu has been replaced", (unsigned long long)h->epoch);
    return matched < 0 ? -1 : 0;
}

/* $nor of the kept checkpoints' names. */
static bool except_kept(void *context, const bson_t *doc)
{
    struct names *names = context;
    const char *index;
    char key[16];
    bson_t one;
    bson_uint32_to_string(names->count++, &index, key, sizeof key);
    bson_append_document_begin(&names->list, index, -1, &one);
    put_int(&one, "epoch", get_int(doc, "state_epoch", 0));
    put_int(&one, "number", get_int(doc, "number", 0));
    bson_append_document_end(&names->list, &one);
    return true;
}

/* Chunks that no head names any more, and none that was kept. A failure leaves them to the next save. */
static void delete_old_chunks(struct store *s, const struct checkpoint_head *h)
{
    struct err ignored;
    struct names kept = {.list = BSON_INITIALIZER};
    bson_t *selector = BCON_NEW("tenant", BCON_UTF8(s->base.tenant), "$or", "[", "{", "epoch", "{", "$lt",
                                BCON_INT64((int64_t)h->epoch), "}", "}", "{", "epoch", BCON_INT64((int64_t)h->epoch),
                                "number", "{", "$lt", BCON_INT64((int64_t)h->number), "}", "}", "]");
    bool known =
        mongo_find(s, IN_KEPT, BCON_NEW("tenant", BCON_UTF8(s->base.tenant)), NULL, except_kept, &kept, &ignored) == 0;
    if (kept.count > 0)
        bson_append_array(selector, "$nor", -1, &kept.list);
    bson_destroy(&kept.list);
    if (!known)
        bson_destroy(selector);
    else if (mongo_delete_many(s, IN_CHUNKS, selector, &ignored) < 0)
        return;
}

int mongodb_checkpoint_save(struct coredms *db, const struct checkpoint_head *head, const void *state, size_t len,
                            struct err *err)
{
    struct store *s = store_of(db);
    if (store_ready(s, err) < 0 || (state && put_chunks(s, head, state, len, err) < 0) ||
        replace_head(s, head, state != NULL, err) < 0)
        return -1;
    if (state)
        delete_old_chunks(s, head);
    return 0;
}
