/* The store: its client, its options, and the calls about the store itself. */
#include "coredms/mongodb/store.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define DATABASE       "belltower"
#define SELECTION_MS   5000
#define CONNECT_MS     3000
#define SOCKET_MS      10000
#define WRITE_LIMIT_MS 10000

extern const struct coredms_backend coredms_mongodb_backend;

int store_ready(struct store *s, struct err *err)
{
    if (s->checked)
        return 0;
    if (mongo_check_schema(s, err) < 0)
        return -1;
    s->checked = true;
    return 0;
}

/* ---- options: what the URI leaves open ---- */

static void set_default(mongoc_uri_t *uri, const char *option, int32_t value)
{
    if (!mongoc_uri_has_option(uri, option))
        mongoc_uri_set_option_as_int32(uri, option, value);
}

/* A replica set that elects a primary answers within the selection's time, so tries go on until then. */
static void set_options(mongoc_uri_t *uri)
{
    set_default(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, SELECTION_MS);
    set_default(uri, MONGOC_URI_CONNECTTIMEOUTMS, CONNECT_MS);
    set_default(uri, MONGOC_URI_SOCKETTIMEOUTMS, SOCKET_MS);
    if (!mongoc_uri_has_option(uri, MONGOC_URI_SERVERSELECTIONTRYONCE))
        mongoc_uri_set_option_as_bool(uri, MONGOC_URI_SERVERSELECTIONTRYONCE, false);
    if (!mongoc_uri_has_option(uri, MONGOC_URI_APPNAME))
        mongoc_uri_set_appname(uri, "belltower");
    if (!mongoc_uri_get_database(uri))
        mongoc_uri_set_database(uri, DATABASE);
}

/* What was acknowledged survives the loss of a server; what was read was acknowledged. A URI cannot weaken the former.
 */
static void set_concerns(mongoc_client_t *client, const mongoc_uri_t *uri)
{
    mongoc_write_concern_t *writes = mongoc_write_concern_new();
    mongoc_write_concern_set_wmajority(writes, WRITE_LIMIT_MS);
    mongoc_write_concern_set_journal(writes, true);
    mongoc_client_set_write_concern(client, writes);
    mongoc_write_concern_destroy(writes);
    if (!mongoc_uri_has_option(uri, MONGOC_URI_READCONCERNLEVEL)) {
        mongoc_read_concern_t *reads = mongoc_read_concern_new();
        mongoc_read_concern_set_level(reads, MONGOC_READ_CONCERN_LEVEL_MAJORITY);
        mongoc_client_set_read_concern(client, reads);
        mongoc_read_concern_destroy(reads);
    }
    mongoc_read_prefs_t *primary = mongoc_read_prefs_new(MONGOC_READ_PRIMARY);
    mongoc_client_set_read_prefs(client, primary);
    mongoc_read_prefs_destroy(primary);
}

static mongoc_client_t *new_client(const mongoc_uri_t *uri)
{
    mongoc_client_t *client = mongoc_client_new_from_uri(uri);
    if (client) {
        mongoc_client_set_error_api(client, MONGOC_ERROR_API_VERSION_2);
        set_concerns(client, uri);
    }
    return client;
}

mongoc_client_t *mongo_patient_client(const struct store *s, int64_t limit_ms)
{
    mongoc_uri_t *uri = mongoc_uri_copy(s->uri);
    int64_t socket_ms = limit_ms + SOCKET_MS;
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS,
                                   socket_ms < INT32_MAX ? (int32_t)socket_ms : INT32_MAX);
    mongoc_client_t *client = new_client(uri);
    mongoc_uri_destroy(uri);
    return client;
}

/* ---- open, close ---- */

static void store_close(struct coredms *db)
{
    struct store *s = store_of(db);
    for (int i = 0; i < COLLECTION_COUNT; i++)
        if (s->collections[i])
            mongoc_collection_destroy(s->collections[i]);
    if (s->client)
        mongoc_client_destroy(s->client);
    if (s->uri)
        mongoc_uri_destroy(s->uri);
    free(s->base.tenant);
    free(s);
}

static int connect_store(struct store *s, const char *uri, struct err *err)
{
    bson_error_t error;
    s->uri = mongoc_uri_new_with_error(uri, &error);
    if (!s->uri) /* the message quotes no password: it names the option or part that is wrong */
        return err_set(err, ERR_INVALID, "coredms: not a valid MongoDB URI: %s", error.message);
    set_options(s->uri);
    s->client = new_client(s->uri);
    if (!s->client)
        return err_set(err, ERR_INVALID,
                       "coredms: this MongoDB URI cannot be used (TLS, or a name of a service that "
                       "cannot be resolved)");
    for (int i = 0; i < COLLECTION_COUNT; i++)
        s->collections[i] =
            mongoc_client_get_collection(s->client, mongoc_uri_get_database(s->uri), mongo_collection_names[i]);
    return 0;
}

static int store_open(const char *uri, const char *tenant, unsigned writes, struct coredms **db, struct err *err)
{
    struct store *s = mem_zero(1, sizeof *s);
    mongoc_init();
    mongoc_log_set_handler(NULL, NULL); /* what goes wrong is in the errors */
    s->base = (struct coredms){&coredms_mongodb_backend, mem_strdup(tenant), writes};
    if (connect_store(s, uri, err) < 0) {
        store_close(&s->base);
        return -1;
    }
    *db = &s->base;
    return 0;
}

/* ---- the small calls ---- */

int mongodb_coredms_ping(struct coredms *db, struct err *err)
{
    struct store *s = store_of(db);
    bson_error_t error;
    bson_t *command = BCON_NEW("ping", BCON_INT32(1));
    mongoc_read_prefs_t *primary = mongoc_read_prefs_new(MONGOC_READ_PRIMARY); /* only there can be written */
    bool good = mongoc_client_command_simple(s->client, "admin", command, primary, NULL, &error);
    mongoc_read_prefs_destroy(primary);
    bson_destroy(command);
    return good ? store_ready(s, err) : mongo_fail(&error, false, err);
}

/* Selection, connection and answer, each twice (a retry), for the few calls that one of ours makes at most when each is
 * slow but answers. */
int64_t mongodb_coredms_block_ms(const struct coredms *db)
{
    const mongoc_uri_t *uri = ((const struct store *)db)->uri;
    int64_t once = (int64_t)mongoc_uri_get_option_as_int32(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, SELECTION_MS) +
                   mongoc_uri_get_option_as_int32(uri, MONGOC_URI_CONNECTTIMEOUTMS, CONNECT_MS) +
                   mongoc_uri_get_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS, SOCKET_MS);
    return 4 * once;
}

int mongodb_coredms_inspect(struct coredms *db, damage_each *each, void *context, int64_t *looked_at, struct err *err)
{
    (void)db;
    (void)each;
    (void)context;
    (void)err;
    *looked_at = 0;
    return 0;
}

int mongodb_coredms_idle(struct coredms *db, struct err *err)
{
    (void)db;
    (void)err;
    return 0;
}

int mongodb_coredms_purge(struct coredms *db, const char *tenant, struct err *err)
{
    /* The heads and the source go first: what they no longer name is not found. */
    static const enum collection order[] = {IN_HEADS,   IN_SOURCES, IN_KEPT,    IN_SKIPS,    IN_CHUNKS,
                                            IN_RESULTS, IN_RUNS,    IN_REPORTS, IN_SCHEDULES};
    struct store *s = store_of(db);
    if (store_ready(s, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (mongo_delete_some(s, order[i], BCON_NEW("tenant", BCON_UTF8(tenant)), SIZE_MAX, NULL, err) < 0)
            return -1;
    return 0;
}

#define BACKEND_ENTRY(name) .name = mongodb_##name,
__attribute__((visibility("default"))) const struct coredms_backend coredms_mongodb_backend = {
    .version = COREDMS_BACKEND_VERSION, .open = store_open, .close = store_close, COREDMS_CALLS(BACKEND_ENTRY)};
