/* Tenants and their app versions: registry.db. */
#include "coredms/sqlite/store.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>

#define TENANT_COLUMNS "tenant, title, state, keep_data, generation, version, token_hash, created_ms, changed_ms"
#define REWIND_COLUMNS                                                                                                 \
    "rewind_generation, rewind_to_ms, rewind_to_offset, rewind_base_epoch, rewind_base_number, rewind_version, "       \
    "rewind_at_ms, rewind_log_generation, rewind_published"
#define REWIND_ARGS(w)                                                                                                 \
    arg_int((int64_t)(w)->generation), arg_int((w)->to_ms), arg_int((w)->to_offset),                                   \
        arg_int((int64_t)(w)->base_epoch), arg_int((int64_t)(w)->base_number), arg_int((w)->version),                  \
        arg_int((w)->at_ms), arg_int((int64_t)(w)->log_generation), arg_int((w)->published)

static int writer(struct coredms *db, struct connection **c, struct err *err)
{
    return store_connection(store_of(db), DB_REGISTRY, c, err);
}

static int no_tenant(const char *tenant, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "tenant %s: not found", tenant);
}

/* REWIND_COLUMNS beginning at column `first`. */
static struct rewind_row read_rewind(sqlite3_stmt *stmt, int first)
{
    return (struct rewind_row){.generation = (uint64_t)sqlite3_column_int64(stmt, first),
                               .to_ms = sqlite3_column_int64(stmt, first + 1),
                               .to_offset = sqlite3_column_int64(stmt, first + 2),
                               .base_epoch = (uint64_t)sqlite3_column_int64(stmt, first + 3),
                               .base_number = (uint64_t)sqlite3_column_int64(stmt, first + 4),
                               .version = (uint32_t)sqlite3_column_int64(stmt, first + 5),
                               .at_ms = sqlite3_column_int64(stmt, first + 6),
                               .log_generation = (uint64_t)sqlite3_column_int64(stmt, first + 7),
                               .published = sqlite3_column_int(stmt, first + 8) != 0};
}

static void read_tenant(sqlite3_stmt *stmt, struct tenant_row *row)
{
    *row = (struct tenant_row){.tenant = sql_text(stmt, 0),
                               .title = sql_text(stmt, 1),
                               .state = (enum tenant_state)sqlite3_column_int(stmt, 2),
                               .keep_data = sqlite3_column_int(stmt, 3) != 0,
                               .generation = (uint64_t)sqlite3_column_int64(stmt, 4),
                               .version = (uint32_t)sqlite3_column_int64(stmt, 5),
                               .token_hash = sql_text(stmt, 6),
                               .created_ms = sqlite3_column_int64(stmt, 7),
                               .changed_ms = sqlite3_column_int64(stmt, 8),
                               .rewind = read_rewind(stmt, 9)};
}

/* ---- adding ---- */

struct adding {
    const struct tenant_row *row;
    const char *app;
    size_t app_len;
    int64_t generation;
};

static int insert_app(struct connection *c, const char *tenant, int64_t version, const char *text, size_t len,
                      struct err *err)
{
    return sql_run(
        c, "INSERT INTO apps(tenant, version, published, created_ms, text) VALUES(?, ?, ?, ?, ?)",
        ARGS(arg_text(tenant), arg_int(version), arg_int(version == 1), arg_int(clock_wall_ms()), arg_blob(text, len)),
        err);
}

static int next_generation(struct connection *c, const char *tenant, int64_t *generation, struct err *err)
{
    if (sql_run(c,
                "INSERT INTO generations(tenant, generation) VALUES(?, 1)"
                " ON CONFLICT(tenant) DO UPDATE SET generation = generation + 1",
                ARGS(arg_text(tenant)), err) < 0)
        return -1;
    return sql_int(c, "SELECT generation FROM generations WHERE tenant = ?", ARGS(arg_text(tenant)), 0, generation,
                   err);
}

static int add(struct connection *c, void *context, struct err *err)
{
    struct adding *a = context;
    const struct tenant_row *r = a->row;
    if (sql_run(c, "INSERT INTO tenants(" TENANT_COLUMNS ") VALUES(?, ?, ?, ?, 0, 1, ?, ?, ?) ON CONFLICT DO NOTHING",
                ARGS(arg_text(r->tenant), arg_text(r->title), arg_int(r->state), arg_int(r->keep_data),
                     arg_text(r->token_hash), arg_int(r->created_ms), arg_int(r->changed_ms)),
                err) < 0)
        return -1;
    if (sqlite3_changes(c->db) == 0)
        return err_set(err, ERR_EXISTS, "tenant %s: exists", r->tenant);
    if (next_generation(c, r->tenant, &a->generation, err) < 0 ||
        sql_run(c, "UPDATE tenants SET generation = ? WHERE tenant = ?",
                ARGS(arg_int(a->generation), arg_text(r->tenant)), err) < 0)
        return -1;
    return insert_app(c, r->tenant, 1, a->app, a->app_len, err);
}

int sqlite_registry_add(struct coredms *db, struct tenant_row *row, const char *app_text, size_t app_len,
                        struct err *err)
{
    struct connection *c;
    struct adding a = {row, app_text, app_len, 0};
    if (writer(db, &c, err) < 0 || sql_transaction(c, add, &a, err) < 0)
        return -1;
    row->generation = (uint64_t)a.generation;
    row->version = 1;
    return 0;
}

/* ---- reading ---- */

int sqlite_registry_get(struct coredms *db, const char *tenant, struct tenant_row *row, struct err *err)
{
    struct connection *c;
    sqlite3_stmt *stmt;
    if (store_connection(store_of(db), DB_REGISTRY, &c, err) < 0)
        return -1;
    if (!c)
        return no_tenant(tenant, err);
    int found = sql_first(c, "SELECT " TENANT_COLUMNS ", " REWIND_COLUMNS " FROM tenants WHERE tenant = ?",
                          ARGS(arg_text(tenant)), &stmt, err);
    if (found <= 0)
        return found < 0 ? -1 : no_tenant(tenant, err);
    read_tenant(stmt, row);
    sqlite3_reset(stmt);
    return 0;
}

static void free_tenants(struct tenant_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        tenant_row_free(&rows[i]);
    free(rows);
}

int sqlite_registry_list(struct coredms *db, struct tenant_row **rows, size_t *count, struct err *err)
{
    struct connection *c;
    sqlite3_stmt *stmt;
    struct tenant_row *list = NULL;
    size_t n = 0, cap = 0;
    int more = 0;
    if (store_connection(store_of(db), DB_REGISTRY, &c, err) < 0)
        return -1;
    if (c)
        more = sql_first(c, "SELECT " TENANT_COLUMNS ", " REWIND_COLUMNS " FROM tenants ORDER BY tenant", NULL, 0,
                         &stmt, err);
    for (; more > 0; more = sql_step(c, stmt, err)) {
        if (n == cap)
            list = mem_resize(list, cap = cap ? 2 * cap : 16, sizeof *list);
        read_tenant(stmt, &list[n++]);
    }
    if (more < 0) {
        free_tenants(list, n);
        return -1;
    }
    *rows = list ? list : mem_alloc(0);
    *count = n;
    return 0;
}

int sqlite_registry_generation(struct coredms *db, const char *tenant, uint64_t *generation, struct err *err)
{
    struct connection *c;
    int64_t found = 0;
    if (store_connection(store_of(db), DB_REGISTRY, &c, err) < 0)
        return -1;
    if (c &&
        sql_int(c, "SELECT generation FROM generations WHERE tenant = ?", ARGS(arg_text(tenant)), 0, &found, err) < 0)
        return -1;
    *generation = (uint64_t)found;
    return 0;
}

/* ---- changing ---- */

struct state_change {
    const char *tenant;
    enum tenant_state state;
    bool keep_data;
};

static int state_of(struct connection *c, const char *tenant, int64_t *state, struct err *err)
{
    return sql_int(c, "SELECT state FROM tenants WHERE tenant = ?", ARGS(arg_text(tenant)), -1, state, err);
}

static int set_state(struct connection *c, void *context, struct err *err)
{
    const struct state_change *s = context;
    int64_t now;
    if (state_of(c, s->tenant, &now, err) < 0)
        return -1;
    if (now < 0)
        return no_tenant(s->tenant, err);
    if (now == TENANT_REMOVING && s->state != TENANT_REMOVING)
        return err_set(err, ERR_CONFLICT, "tenant %s: is being removed", s->tenant);
    return sql_run(c, "UPDATE tenants SET state = ?, keep_data = ?, changed_ms = ? WHERE tenant = ?",
                   ARGS(arg_int(s->state), arg_int(s->keep_data), arg_int(clock_wall_ms()), arg_text(s->tenant)), err);
}

int sqlite_registry_set_state(struct coredms *db, const char *tenant, enum tenant_state state, bool keep_data,
                              struct err *err)
{
    struct connection *c;
    struct state_change s = {tenant, state, keep_data};
    return writer(db, &c, err) < 0 ? -1 : sql_transaction(c, set_state, &s, err);
}

struct token_change {
    const char *tenant, *token_hash;
};

static int set_token(struct connection *c, void *context, struct err *err)
{
    const struct token_change *t = context;
    if (sql_run(c, "UPDATE tenants SET token_hash = ?, changed_ms = ? WHERE tenant = ?",
                ARGS(arg_text(t->token_hash), arg_int(clock_wall_ms()), arg_text(t->tenant)), err) < 0)
        return -1;
    return sqlite3_changes(c->db) ? 0 : no_tenant(t->tenant, err);
}

int sqlite_registry_set_token(struct coredms *db, const char *tenant, const char *token_hash, struct err *err)
{
    struct connection *c;
    struct token_change t = {tenant, token_hash};
    return writer(db, &c, err) < 0 ? -1 : sql_transaction(c, set_token, &t, err);
}

/* ---- app versions ---- */

struct app_change {
    const char *tenant, *title, *text;
    size_t len;
    int64_t expected;
};

static int add_app(struct connection *c, void *context, struct err *err)
{
    const struct app_change *a = context;
    int64_t now;
    if (sql_int(c, "SELECT version FROM tenants WHERE tenant = ?", ARGS(arg_text(a->tenant)), -1, &now, err) < 0)
        return -1;
    if (now < 0)
        return no_tenant(a->tenant, err);
    if (now != a->expected)
        return err_set(err, ERR_CONFLICT, "tenant %s: its app has version %lld now, not %lld", a->tenant,
                       (long long)now, (long long)a->expected);
    if (insert_app(c, a->tenant, now + 1, a->text, a->len, err) < 0)
        return -1;
    return sql_run(c, "UPDATE tenants SET version = ?, title = coalesce(?, title), changed_ms = ? WHERE tenant = ?",
                   ARGS(arg_int(now + 1), arg_text(a->title), arg_int(clock_wall_ms()), arg_text(a->tenant)), err);
}

int sqlite_registry_add_app(struct coredms *db, const char *tenant, uint32_t expected_version, const char *title,
                            const char *text, size_t len, uint32_t *version, struct err *err)
{
    struct connection *c;
    struct app_change a = {tenant, title, text, len, expected_version};
    if (writer(db, &c, err) < 0 || sql_transaction(c, add_app, &a, err) < 0)
        return -1;
    *version = expected_version + 1;
    return 0;
}

int sqlite_registry_get_app(struct coredms *db, const char *tenant, uint32_t version, char **text, size_t *len,
                            uint32_t *version_found, struct err *err)
{
    struct connection *c;
    sqlite3_stmt *stmt;
    if (store_connection(store_of(db), DB_REGISTRY, &c, err) < 0)
        return -1;
    if (!c)
        return no_tenant(tenant, err);
    int found = sql_first(c,
                          "SELECT a.version, a.text FROM apps a JOIN tenants t USING(tenant)"
                          " WHERE a.tenant = ?1 AND a.version = iif(?2 = 0, t.version, ?2)",
                          ARGS(arg_text(tenant), arg_int(version)), &stmt, err);
    if (found < 0)
        return -1;
    if (found == 0)
        return err_set(err, ERR_NOT_FOUND, "tenant %s: has no app version %u", tenant, version);
    *version_found = (uint32_t)sqlite3_column_int64(stmt, 0);
    const void *bytes = sqlite3_column_blob(stmt, 1);
    *len = (size_t)sqlite3_column_bytes(stmt, 1);
    *text = mem_strndup(bytes, *len);
    sqlite3_reset(stmt);
    return 0;
}

struct version_of {
    const char *tenant;
    uint32_t version;
};

static int mark_published(struct connection *c, void *context, struct err *err)
{
    const struct version_of *v = context;
    if (sql_run(c, "UPDATE apps SET published = 1 WHERE tenant = ? AND version = ?",
                ARGS(arg_text(v->tenant), arg_int(v->version)), err) < 0)
        return -1;
    if (sqlite3_changes(c->db) == 0)
        return err_set(err, ERR_NOT_FOUND, "tenant %s: has no app version %u", v->tenant, v->version);
    return 0;
}

int sqlite_registry_app_published(struct coredms *db, const char *tenant, uint32_t version, struct err *err)
{
    struct connection *c;
    struct version_of v = {tenant, version};
    return writer(db, &c, err) < 0 ? -1 : sql_transaction(c, mark_published, &v, err);
}

int sqlite_registry_app_unpublished(struct coredms *db, const char *tenant, uint32_t *version, struct err *err)
{
    struct connection *c;
    int64_t found = 0;
    if (store_connection(store_of(db), DB_REGISTRY, &c, err) < 0)
        return -1;
    if (c && sql_int(c, "SELECT min(version) FROM apps WHERE tenant = ? AND published = 0", ARGS(arg_text(tenant)), 0,
                     &found, err) < 0)
        return -1;
    *version = (uint32_t)found;
    return 0;
}

/* ---- rewinds ---- */

struct rewinding {
    const char *tenant;
    uint64_t expected;
    struct rewind_row rewind;
};

static int check_rewind(struct connection *c, const struct rewinding *w, struct err *err)
{
    int64_t state, now;
    if (state_of(c, w->tenant, &state, err) < 0 ||
        sql_int(c, "SELECT generation FROM tenants WHERE tenant = ?", ARGS(arg_text(w->tenant)), 0, &now, err) < 0)
        return -1;
    if (state < 0)
        return no_tenant(w->tenant, err);
    if (state != TENANT_RUNNING && state != TENANT_PAUSED)
        return err_set(err, ERR_CONFLICT, "tenant %s: is being set up or removed", w->tenant);
    if ((uint64_t)now != w->expected)
        return err_set(err, ERR_CONFLICT, "tenant %s: has generation %lld now, not %llu", w->tenant, (long long)now,
                       (unsigned long long)w->expected);
    return 0;
}

static int begin_rewind(struct connection *c, void *context, struct err *err)
{
    struct rewinding *w = context;
    int64_t generation;
    if (check_rewind(c, w, err) < 0 || next_generation(c, w->tenant, &generation, err) < 0)
        return -1;
    w->rewind.generation = (uint64_t)generation;
    return sql_run(c,
                   "UPDATE tenants SET (" REWIND_COLUMNS ", generation, changed_ms) = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                   " WHERE tenant = ?",
                   ARGS(REWIND_ARGS(&w->rewind), arg_int(generation), arg_int(clock_wall_ms()), arg_text(w->tenant)),
                   err);
}

int sqlite_registry_rewind(struct coredms *db, const char *tenant, uint64_t expected_generation,
                           struct rewind_row *rewind, struct err *err)
{
    struct connection *c;
    struct rewinding w = {tenant, expected_generation, *rewind};
    w.rewind.published = false;
    if (writer(db, &c, err) < 0 || sql_transaction(c, begin_rewind, &w, err) < 0)
        return -1;
    *rewind = w.rewind;
    return 0;
}

struct generation_of {
    const char *tenant;
    uint64_t generation;
};

static int mark_rewind(struct connection *c, void *context, struct err *err)
{
    const struct generation_of *g = context;
    if (sql_run(c, "UPDATE tenants SET rewind_published = 1 WHERE tenant = ? AND rewind_generation = ?",
                ARGS(arg_text(g->tenant), arg_int((int64_t)g->generation)), err) < 0)
        return -1;
    if (sqlite3_changes(c->db) == 0)
        return err_set(err, ERR_NOT_FOUND, "tenant %s: has no rewind that began generation %llu", g->tenant,
                       (unsigned long long)g->generation);
    return 0;
}

int sqlite_registry_rewind_published(struct coredms *db, const char *tenant, uint64_t generation, struct err *err)
{
    struct connection *c;
    struct generation_of g = {tenant, generation};
    return writer(db, &c, err) < 0 ? -1 : sql_transaction(c, mark_rewind, &g, err);
}

/* ---- restoring ---- */

struct restoring {
    const struct tenant_row *row;
    const struct app_text *texts;
};

static int restore_generation(struct connection *c, const struct tenant_row *r, struct err *err)
{
    if (sql_run(c,
                "INSERT INTO generations(tenant, generation) VALUES(?, ?) ON CONFLICT(tenant) DO UPDATE"
                " SET generation = excluded.generation WHERE generation <= excluded.generation",
                ARGS(arg_text(r->tenant), arg_int((int64_t)r->generation)), err) < 0)
        return -1;
    if (sqlite3_changes(c->db) == 0)
        return err_set(err, ERR_CONFLICT, "tenant %s: the name has had a generation above %llu since", r->tenant,
                       (unsigned long long)r->generation);
    return 0;
}

static int restore_row(struct connection *c, const struct tenant_row *r, struct err *err)
{
    if (sql_run(c,
                "INSERT INTO tenants(" TENANT_COLUMNS ", " REWIND_COLUMNS
                ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                ARGS(arg_text(r->tenant), arg_text(r->title), arg_int(r->state), arg_int(r->keep_data),
                     arg_int((int64_t)r->generation), arg_int(r->version), arg_text(r->token_hash),
                     arg_int(r->created_ms), arg_int(r->changed_ms), REWIND_ARGS(&r->rewind)),
                err) < 0)
        return -1;
    return sqlite3_changes(c->db) ? 0 : err_set(err, ERR_EXISTS, "tenant %s: exists", r->tenant);
}

static int restore(struct connection *c, void *context, struct err *err)
{
    const struct restoring *r = context;
    if (restore_row(c, r->row, err) < 0 || restore_generation(c, r->row, err) < 0)
        return -1;
    for (uint32_t i = 0; i < r->row->version; i++)
        if (insert_app(c, r->row->tenant, i + 1, r->texts[i].text, r->texts[i].len, err) < 0)
            return -1;
    return 0;
}

int sqlite_registry_restore(struct coredms *db, const struct tenant_row *row, const struct app_text *texts,
                            struct err *err)
{
    struct connection *c;
    struct restoring r = {row, texts};
    return writer(db, &c, err) < 0 ? -1 : sql_transaction(c, restore, &r, err);
}

/* ---- removal ---- */

static int drop(struct connection *c, void *context, struct err *err)
{
    const char *tenant = context;
    int64_t state;
    if (state_of(c, tenant, &state, err) < 0)
        return -1;
    if (state >= 0 && state != TENANT_REMOVING && state != TENANT_CREATING)
        return err_set(err, ERR_CONFLICT, "tenant %s: is not being removed", tenant);
    if (sql_run(c, "DELETE FROM tenants WHERE tenant = ?", ARGS(arg_text(tenant)), err) < 0 ||
        sql_run(c, "DELETE FROM apps WHERE tenant = ?", ARGS(arg_text(tenant)), err) < 0)
        return -1;
    return sql_run(c, "DELETE FROM requests WHERE tenant = ?", ARGS(arg_text(tenant)), err);
}

int sqlite_registry_drop(struct coredms *db, const char *tenant, struct err *err)
{
    struct connection *c;
    return writer(db, &c, err) < 0 ? -1 : sql_transaction(c, drop, (void *)tenant, err);
}
