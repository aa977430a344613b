/* Raising an epoch: of a checkpoint's head, of a history's source. */
#include "coredms/mongodb/store.h"

#define TRIES 3

static bson_t *one_higher(const bson_t *set)
{
    bson_t *change = BCON_NEW("$inc", "{", "epoch", BCON_INT64(1), "}");
    if (set)
        put_doc(change, "$set", set);
    return change;
}

/* The document of this generation, else of a lower one, which is set back. */
static int raise_existing(struct store *s, const struct raising *r, bson_t **doc, struct err *err)
{
    const char *tenant = s->base.tenant;
    bson_t *same = doc_id(tenant, tenant);
    put_int(same, "generation", r->generation);
    int found = mongo_find_and_update(s, r->in, same, one_higher(NULL), false, doc, err);
    if (found != 0)
        return found;
    bson_t *lower = doc_id(tenant, tenant);
    BCON_APPEND(lower, "generation", "{", "$lt", BCON_INT64((int64_t)r->generation), "}");
    return mongo_find_and_update(s, r->in, lower, one_higher(r->fresh), false, doc, err);
}

static int insert_first(struct store *s, const struct raising *r, bson_t **doc, struct err *err)
{
    bson_t *first = doc_id(s->base.tenant, s->base.tenant);
    put_int(first, "epoch", 1);
    bson_concat(first, r->fresh);
    *doc = bson_copy(first);
    if (mongo_insert(s, r->in, first, err) == 0)
        return 1;
    bson_destroy(*doc);
    *doc = NULL;
    return err->code == ERR_EXISTS ? 0 : -1; /* another was quicker */
}

/* 1: *doc; 0: try again. */
static int try_raise(struct store *s, const struct raising *r, bson_t **doc, struct err *err)
{
    bson_t *now;
    int done = raise_existing(s, r, doc, err);
    if (done != 0)
        return done;
    int found = mongo_find_one(s, r->in, doc_id(s->base.tenant, s->base.tenant), NULL, &now, err);
    if (found <= 0)
        return found < 0 ? -1 : insert_first(s, r, doc, err);
    uint64_t generation = (uint64_t)get_int(now, "generation", 0);
    bson_destroy(now);
    return generation <= r->generation
               ? 0
               : err_set(err, ERR_FENCED, "%s: belongs to generation %llu, this worker to %llu", r->what,
                         (unsigned long long)generation, (unsigned long long)r->generation);
}

int mongo_raise(struct store *s, const struct raising *r, bson_t **doc, struct err *err)
{
    int done = 0;
    *doc = NULL;
    for (int i = 0; i < TRIES && done == 0; i++)
        done = try_raise(s, r, doc, err);
    if (done == 0)
        return err_set(err, ERR_UNAVAILABLE, "%s: others keep changing it", r->what);
    return done < 0 ? -1 : 0;
}
