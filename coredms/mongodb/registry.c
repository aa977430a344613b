/* Tenants and their app versions. A tenant's document holds its present app text and the numbers of the versions not
 * yet published, so that a new version is one atomic change; texts of older versions are copied to `apps` before. */
#include "coredms/mongodb/store.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static int no_tenant(const char *tenant, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "tenant %s: not found", tenant);
}

static struct rewind_row read_rewind(const bson_t *doc)
{
    bson_iter_t it;
    bson_t r;
    const uint8_t *bytes;
    uint32_t len;
    if (!bson_iter_init_find(&it, doc, "rewind") || !BSON_ITER_HOLDS_DOCUMENT(&it))
        return (struct rewind_row){0};
    bson_iter_document(&it, &len, &bytes);
    if (!bson_init_static(&r, bytes, len))
        return (struct rewind_row){0};
    return (struct rewind_row){.generation = (uint64_t)get_int(&r, "generation", 0),
                               .to_ms = get_int(&r, "to_ms", 0),
                               .to_offset = get_int(&r, "to_offset", 0),
                               .base_epoch = (uint64_t)get_int(&r, "base_epoch", 0),
                               .base_number = (uint64_t)get_int(&r, "base_number", 0),
                               .version = (uint32_t)get_int(&r, "version", 0),
                               .at_ms = get_int(&r, "at", 0),
                               .log_generation = (uint64_t)get_int(&r, "log_generation", 0),
                               .published = get_flag(&r, "published")};
}

static void put_rewind(bson_t *doc, const struct rewind_row *w)
{
    bson_t r;
    bson_append_document_begin(doc, "rewind", -1, &r);
    put_int(&r, "generation", w->generation);
    put_int(&r, "to_ms", w->to_ms); /* no date: INT64_MIN is none */
    put_int(&r, "to_offset", w->to_offset);
    put_int(&r, "base_epoch", w->base_epoch);
    put_int(&r, "base_number", w->base_number);
    put_int(&r, "version", w->version);
    put_time(&r, "at", w->at_ms);
    put_int(&r, "log_generation", w->log_generation);
    put_flag(&r, "published", w->published);
    bson_append_document_end(doc, &r);
}

static void read_tenant(const bson_t *doc, struct tenant_row *row)
{
    *row = (struct tenant_row){.tenant = get_text(doc, "tenant"),
                               .title = get_text(doc, "title"),
                               .state = (enum tenant_state)get_int(doc, "state", TENANT_CREATING),
                               .keep_data = get_flag(doc, "keep_data"),
                               .generation = (uint64_t)get_int(doc, "generation", 0),
                               .version = (uint32_t)get_int(doc, "version", 0),
                               .token_hash = get_text(doc, "token_hash"),
                               .created_ms = get_int(doc, "created", 0),
                               .changed_ms = get_int(doc, "changed", 0),
                               .rewind = read_rewind(doc)};
}

/* 1: *doc is the caller's to destroy; 0: there is none. */
static int find_tenant(struct store *s, const char *tenant, bool with_app, bson_t **doc, struct err *err)
{
    bson_t *opts = with_app ? NULL : BCON_NEW("projection", "{", "app", BCON_INT32(0), "}");
    return mongo_find_one(s, IN_TENANTS, doc_id(tenant, tenant), opts, doc, err);
}

/* ---- adding ---- */

static int next_generation(struct store *s, const char *tenant, uint64_t *generation, struct err *err)
{
    bson_t *doc = NULL;
    bson_t *change = BCON_NEW("$inc", "{", "generation", BCON_INT64(1), "}");
    int found = mongo_find_and_update(s, IN_GENERATIONS, doc_id(tenant, tenant), change, true, &doc, err);
    if (found < 0)
        return -1;
    *generation = doc ? (uint64_t)get_int(doc, "generation", 0) : 0;
    bson_destroy(doc);
    return *generation ? 0 : err_set(err, ERR_INTERNAL, "tenant %s: its generation cannot be read", tenant);
}

int mongodb_registry_generation(struct coredms *db, const char *tenant, uint64_t *generation, struct err *err)
{
    bson_t *doc = NULL;
    int found = mongo_find_one(store_of(db), IN_GENERATIONS, doc_id(tenant, tenant), NULL, &doc, err);
    if (found < 0)
        return -1;
    *generation = found ? (uint64_t)get_int(doc, "generation", 0) : 0;
    bson_destroy(doc);
    return 0;
}

static void put_unpublished(bson_t *doc, uint32_t version)
{
    bson_t list;
    bson_append_array_begin(doc, "unpublished", -1, &list);
    for (uint32_t v = 2; v <= version; v++) { /* version 1 needs no message */
        char key[16];
        const char *index;
        bson_uint32_to_string(v - 2, &index, key, sizeof key);
        put_int(&list, index, v);
    }
    bson_append_array_end(doc, &list);
}

static bson_t *tenant_document(const struct tenant_row *row, uint64_t generation, uint32_t version, const char *app,
                               size_t app_len)
{
    bson_t *doc = doc_id(row->tenant, row->tenant);
    put_text(doc, "title", row->title);
    put_int(doc, "state", row->state);
    put_flag(doc, "keep_data", row->keep_data);
    put_int(doc, "generation", generation);
    put_int(doc, "apps_generation", generation);
    put_int(doc, "version", version);
    put_text(doc, "token_hash", row->token_hash);
    put_time(doc, "created", row->created_ms);
    put_time(doc, "changed", row->changed_ms);
    put_unpublished(doc, version);
    put_bytes_field(doc, "app", app, app_len);
    return doc;
}

static int exists(const char *tenant, struct err *err)
{
    return err_set(err, ERR_EXISTS, "tenant %s: exists", tenant);
}

static int check_absent(struct store *s, const char *tenant, struct err *err)
{
    bson_t *doc;
    int found = find_tenant(s, tenant, false, &doc, err);
    bson_destroy(doc);
    return found ? (found < 0 ? -1 : exists(tenant, err)) : 0;
}

int mongodb_registry_add(struct coredms *db, struct tenant_row *row, const char *app_text, size_t app_len,
                         struct err *err)
{
    struct store *s = store_of(db);
    uint64_t generation;
    if (store_ready(s, err) < 0 || check_absent(s, row->tenant, err) < 0 ||
        next_generation(s, row->tenant, &generation, err) < 0)
        return -1;
    if (mongo_insert(s, IN_TENANTS, tenant_document(row, generation, 1, app_text, app_len), err) < 0)
        return err->code == ERR_EXISTS ? exists(row->tenant, err) : -1;
    row->generation = generation;
    row->version = 1;
    return 0;
}

/* ---- reading ---- */

int mongodb_registry_get(struct coredms *db, const char *tenant, struct tenant_row *row, struct err *err)
{
    struct store *s = store_of(db);
    bson_t *doc;
    if (store_ready(s, err) < 0)
        return -1;
    int found = find_tenant(s, tenant, false, &doc, err);
    if (found <= 0)
        return found < 0 ? -1 : no_tenant(tenant, err);
    read_tenant(doc, row);
    bson_destroy(doc);
    return 0;
}

struct tenants {
    struct tenant_row *rows;
    size_t count, cap;
};

static bool add_tenant(void *context, const bson_t *doc)
{
    struct tenants *t = context;
    if (t->count == t->cap)
        t->rows = mem_resize(t->rows, t->cap = t->cap ? 2 * t->cap : 16, sizeof *t->rows);
    read_tenant(doc, &t->rows[t->count++]);
    return true;
}

int mongodb_registry_list(struct coredms *db, struct tenant_row **rows, size_t *count, struct err *err)
{
    struct store *s = store_of(db);
    struct tenants t = {.rows = mem_alloc(0)};
    bson_t *opts = BCON_NEW("projection", "{", "app", BCON_INT32(0), "}", "sort", "{", "_id", BCON_INT32(1), "}");
    if (store_ready(s, err) < 0) {
        bson_destroy(opts);
        free(t.rows);
        return -1;
    }
    if (mongo_find(s, IN_TENANTS, bson_new(), opts, add_tenant, &t, err) < 0) {
        for (size_t i = 0; i < t.count; i++)
            tenant_row_free(&t.rows[i]);
        free(t.rows);
        return -1;
    }
    *rows = t.rows;
    *count = t.count;
    return 0;
}

/* ---- changing ---- */

/* {$set: {changed: now, ...}} to be added to. */
static bson_t *changed_now(void)
{
    bson_t *set = bson_new();
    put_time(set, "changed", clock_wall_ms());
    return set;
}

/* The selector took nothing: is the tenant missing, or in a state that forbids it? */
static int refused(struct store *s, const char *tenant, const char *why, struct err *err)
{
    bson_t *doc;
    int found = find_tenant(s, tenant, false, &doc, err);
    bson_destroy(doc);
    if (found <= 0)
        return found < 0 ? -1 : no_tenant(tenant, err);
    return err_set(err, ERR_CONFLICT, "tenant %s: %s", tenant, why);
}

int mongodb_registry_set_state(struct coredms *db, const char *tenant, enum tenant_state state, bool keep_data,
                               struct err *err)
{
    struct store *s = store_of(db);
    if (store_ready(s, err) < 0)
        return -1;
    bson_t *selector = doc_id(tenant, tenant), *set = changed_now();
    if (state != TENANT_REMOVING)
        BCON_APPEND(selector, "state", "{", "$ne", BCON_INT64(TENANT_REMOVING), "}");
    put_int(set, "state", state);
    put_flag(set, "keep_data", keep_data);
    int matched = mongo_update_one(s, IN_TENANTS, selector, wrap("$set", set), err);
    if (matched == 0)
        return refused(s, tenant, "is being removed", err);
    return matched < 0 ? -1 : 0;
}

int mongodb_registry_set_token(struct coredms *db, const char *tenant, const char *token_hash, struct err *err)
{
    struct store *s = store_of(db);
    if (store_ready(s, err) < 0)
        return -1;
    bson_t *set = changed_now();
    put_text(set, "token_hash", token_hash);
    int matched = mongo_update_one(s, IN_TENANTS, doc_id(tenant, tenant), wrap("$set", set), err);
    if (matched == 0)
        return no_tenant(tenant, err);
    return matched < 0 ? -1 : 0;
}

/* ---- app versions ---- */

/* That names the texts of the tenant's versions: with which it was onboarded or restored, whatever rewinds came since.
 */
static int64_t apps_generation(const bson_t *doc)
{
    return get_int(doc, "apps_generation", get_int(doc, "generation", 0));
}

/* free() */
static char *app_id(const char *tenant, int64_t generation, int64_t version)
{
    return mem_printf("%s|%lld|%lld", tenant, (long long)generation, (long long)version);
}

static int put_app(struct store *s, const char *tenant, int64_t generation, int64_t version, const char *text,
                   size_t len, struct err *err)
{
    char *id = app_id(tenant, generation, version);
    bson_t *set = bson_new();
    put_int(set, "generation", generation);
    put_int(set, "version", version);
    put_bytes_field(set, "text", text, len);
    int matched = mongo_upsert_one(s, IN_APPS, doc_id(tenant, id), wrap("$set", set), err);
    free(id);
    return matched < 0 ? -1 : 0;
}

/* Copies the present text to `apps`, before the tenant's document loses it. */
static int keep_present_app(struct store *s, const char *tenant, const bson_t *doc, struct err *err)
{
    size_t len;
    const char *text = get_binary(doc, "app", &len);
    return put_app(s, tenant, apps_generation(doc), get_int(doc, "version", 0), text, len, err);
}

static int replace_app(struct store *s, const char *tenant, const bson_t *doc, const char *title, const char *text,
                       size_t len, struct err *err)
{
    int64_t version = get_int(doc, "version", 0);
    bson_t *selector = doc_id(tenant, tenant), *set = changed_now(), *change = bson_new();
    put_int(selector, "generation", get_int(doc, "generation", 0));
    put_int(selector, "version", version);
    put_int(set, "version", version + 1);
    put_bytes_field(set, "app", text, len);
    if (title)
        put_text(set, "title", title);
    put_doc(change, "$set", set);
    bson_destroy(set);
    BCON_APPEND(change, "$push", "{", "unpublished", BCON_INT64(version + 1), "}");
    int matched = mongo_update_one(s, IN_TENANTS, selector, change, err);
    if (matched == 0)
        return refused(s, tenant, "its app was changed meanwhile", err);
    return matched < 0 ? -1 : 0;
}

int mongodb_registry_add_app(struct coredms *db, const char *tenant, uint32_t expected_version, const char *title,
                             const char *text, size_t len, uint32_t *version, struct err *err)
{
    struct store *s = store_of(db);
    bson_t *doc;
    if (store_ready(s, err) < 0)
        return -1;
    int found = find_tenant(s, tenant, true, &doc, err);
    if (found <= 0)
        return found < 0 ? -1 : no_tenant(tenant, err);
    int64_t now = get_int(doc, "version", 0);
    int status;
    if (now != expected_version)
        status = err_set(err, ERR_CONFLICT, "tenant %s: its app has version %lld now, not %u", tenant, (long long)now,
                         expected_version);
    else if ((status = keep_present_app(s, tenant, doc, err)) == 0)
        status = replace_app(s, tenant, doc, title, text, len, err);
    bson_destroy(doc);
    if (status == 0)
        *version = expected_version + 1;
    return status;
}

static int old_app(struct store *s, const char *tenant, int64_t generation, uint32_t version, bson_t **doc,
                   struct err *err)
{
    char *id = app_id(tenant, generation, version);
    int found = mongo_find_one(s, IN_APPS, doc_id(tenant, id), NULL, doc, err);
    free(id);
    return found;
}

static void give_app(const bson_t *doc, const char *field, char **text, size_t *len)
{
    const char *bytes = get_binary(doc, field, len);
    *text = mem_strndup(bytes, *len);
}

int mongodb_registry_get_app(struct coredms *db, const char *tenant, uint32_t version, char **text, size_t *len,
                             uint32_t *version_found, struct err *err)
{
    struct store *s = store_of(db);
    bson_t *doc, *old = NULL;
    if (store_ready(s, err) < 0)
        return -1;
    int found = find_tenant(s, tenant, true, &doc, err);
    if (found <= 0)
        return found < 0 ? -1 : no_tenant(tenant, err);
    uint32_t present = (uint32_t)get_int(doc, "version", 0);
    if (version == 0 || version == present) {
        version = present;
        give_app(doc, "app", text, len);
    } else if ((found = old_app(s, tenant, apps_generation(doc), version, &old, err)) > 0) {
        give_app(old, "text", text, len);
    }
    bson_destroy(old);
    bson_destroy(doc);
    if (found <= 0)
        return found < 0 ? -1 : err_set(err, ERR_NOT_FOUND, "tenant %s: has no app version %u", tenant, version);
    *version_found = version;
    return 0;
}

int mongodb_registry_app_published(struct coredms *db, const char *tenant, uint32_t version, struct err *err)
{
    struct store *s = store_of(db);
    if (store_ready(s, err) < 0)
        return -1;
    bson_t *selector = doc_id(tenant, tenant);
    BCON_APPEND(selector, "version", "{", "$gte", BCON_INT64(version), "}");
    bson_t *change = BCON_NEW("$pull", "{", "unpublished", BCON_INT64(version), "}");
    int matched = mongo_update_one(s, IN_TENANTS, selector, change, err);
    if (matched == 0)
        return err_set(err, ERR_NOT_FOUND, "tenant %s: has no app version %u", tenant, version);
    return matched < 0 ? -1 : 0;
}

static uint32_t lowest(const bson_t *doc, const char *name)
{
    bson_iter_t it, list;
    int64_t least = 0;
    if (!bson_iter_init_find(&it, doc, name) || !BSON_ITER_HOLDS_ARRAY(&it) || !bson_iter_recurse(&it, &list))
        return 0;
    while (bson_iter_next(&list))
        if (least == 0 || bson_iter_as_int64(&list) < least)
            least = bson_iter_as_int64(&list);
    return (uint32_t)least;
}

int mongodb_registry_app_unpublished(struct coredms *db, const char *tenant, uint32_t *version, struct err *err)
{
    struct store *s = store_of(db);
    bson_t *doc;
    if (store_ready(s, err) < 0)
        return -1;
    int found = find_tenant(s, tenant, false, &doc, err);
    if (found < 0)
        return -1;
    *version = found ? lowest(doc, "unpublished") : 0;
    bson_destroy(doc);
    return 0;
}

/* ---- rewinds ---- */

/* The tenant's document as it must be for a rewind; the caller's to destroy. */
static int check_rewind(struct store *s, const char *tenant, uint64_t expected, bson_t **doc, struct err *err)
{
    int found = find_tenant(s, tenant, false, doc, err);
    if (found <= 0)
        return found < 0 ? -1 : no_tenant(tenant, err);
    int64_t state = get_int(*doc, "state", TENANT_CREATING), now = get_int(*doc, "generation", 0);
    if ((state == TENANT_RUNNING || state == TENANT_PAUSED) && (uint64_t)now == expected)
        return 0;
    bson_destroy(*doc);
    if ((uint64_t)now == expected)
        return err_set(err, ERR_CONFLICT, "tenant %s: is being set up or removed", tenant);
    return err_set(err, ERR_CONFLICT, "tenant %s: has generation %lld now, not %llu", tenant, (long long)now,
                   (unsigned long long)expected);
}

static int replace_generation(struct store *s, const char *tenant, const bson_t *doc, const struct rewind_row *rewind,
                              struct err *err)
{
    bson_t *selector = doc_id(tenant, tenant), *set = changed_now();
    put_int(selector, "generation", get_int(doc, "generation", 0));
    BCON_APPEND(selector, "state", "{", "$in", "[", BCON_INT64(TENANT_RUNNING), BCON_INT64(TENANT_PAUSED), "]", "}");
    put_int(set, "generation", rewind->generation);
    put_int(set, "apps_generation", apps_generation(doc));
    put_rewind(set, rewind);
    int matched = mongo_update_one(s, IN_TENANTS, selector, wrap("$set", set), err);
    if (matched == 0)
        return refused(s, tenant, "was changed meanwhile", err);
    return matched < 0 ? -1 : 0;
}

int mongodb_registry_rewind(struct coredms *db, const char *tenant, uint64_t expected_generation,
                            struct rewind_row *rewind, struct err *err)
{
    struct store *s = store_of(db);
    struct rewind_row begun = *rewind;
    bson_t *doc;
    begun.published = false;
    if (store_ready(s, err) < 0 || check_rewind(s, tenant, expected_generation, &doc, err) < 0)
        return -1;
    int status = next_generation(s, tenant, &begun.generation, err);
    if (status == 0)
        status = replace_generation(s, tenant, doc, &begun, err);
    bson_destroy(doc);
    if (status == 0)
        *rewind = begun;
    return status;
}

int mongodb_registry_rewind_published(struct coredms *db, const char *tenant, uint64_t generation, struct err *err)
{
    struct store *s = store_of(db);
    if (store_ready(s, err) < 0)
        return -1;
    bson_t *selector = doc_id(tenant, tenant);
    put_int(selector, "rewind.generation", generation);
    bson_t *change = BCON_NEW("$set", "{", "rewind.published", BCON_BOOL(true), "}");
    int matched = mongo_update_one(s, IN_TENANTS, selector, change, err);
    if (matched == 0)
        return err_set(err, ERR_NOT_FOUND, "tenant %s: has no rewind that began generation %llu", tenant,
                       (unsigned long long)generation);
    return matched < 0 ? -1 : 0;
}

/* ---- restoring ---- */

/* The name's generation becomes the row's, unless it is higher. */
static int restore_generation(struct store *s, const struct tenant_row *row, struct err *err)
{
    bson_t *selector = doc_id(row->tenant, row->tenant);
    BCON_APPEND(selector, "generation", "{", "$lte", BCON_INT64((int64_t)row->generation), "}");
    bson_t *change = BCON_NEW("$set", "{", "generation", BCON_INT64((int64_t)row->generation), "}");
    if (mongo_upsert_one(s, IN_GENERATIONS, selector, change, err) >= 0)
        return 0;
    if (err->code != ERR_EXISTS)
        return -1;
    return err_set(err, ERR_CONFLICT, "tenant %s: the name has had a generation above %llu since", row->tenant,
                   (unsigned long long)row->generation);
}

static bson_t *restored_document(const struct tenant_row *row, const struct app_text *present)
{
    bson_t *doc = tenant_document(row, row->generation, row->version, present->text, present->len);
    if (row->rewind.generation > 0)
        put_rewind(doc, &row->rewind);
    return doc;
}

/* The older texts first: the tenant's document, which comes last, is what makes them be there. */
int mongodb_registry_restore(struct coredms *db, const struct tenant_row *row, const struct app_text *texts,
                             struct err *err)
{
    struct store *s = store_of(db);
    if (store_ready(s, err) < 0 || check_absent(s, row->tenant, err) < 0 || restore_generation(s, row, err) < 0)
        return -1;
    for (uint32_t i = 0; i + 1 < row->version; i++)
        if (put_app(s, row->tenant, (int64_t)row->generation, i + 1, texts[i].text, texts[i].len, err) < 0)
            return -1;
    if (mongo_insert(s, IN_TENANTS, restored_document(row, &texts[row->version - 1]), err) < 0)
        return err->code == ERR_EXISTS ? exists(row->tenant, err) : -1;
    return 0;
}

/* ---- removal ---- */

/* The tenant's document goes last, so that a removal that failed half-way is found and repeated. */
int mongodb_registry_drop(struct coredms *db, const char *tenant, struct err *err)
{
    struct store *s = store_of(db);
    bson_t *doc;
    if (store_ready(s, err) < 0)
        return -1;
    int found = find_tenant(s, tenant, false, &doc, err);
    if (found < 0)
        return -1;
    int64_t state = found ? get_int(doc, "state", -1) : TENANT_REMOVING;
    bson_destroy(doc);
    if (state != TENANT_REMOVING && state != TENANT_CREATING)
        return err_set(err, ERR_CONFLICT, "tenant %s: is not being removed", tenant);
    if (mongo_delete_many(s, IN_APPS, BCON_NEW("tenant", BCON_UTF8(tenant)), err) < 0 ||
        mongo_delete_many(s, IN_REQUESTS, BCON_NEW("tenant", BCON_UTF8(tenant)), err) < 0)
        return -1;
    bson_t *selector = doc_id(tenant, tenant);
    put_int(selector, "state", state);
    return mongo_delete_many(s, IN_TENANTS, selector, err);
}
