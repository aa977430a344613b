/* The contract tests on a server that speaks MongoDB's protocol, named by BELLTOWER_TEST_MONGODB. Each test has a
 * database of its own, which is dropped after it. */
#include "coredms/contract.h"

#include "base/clock.h"
#include "base/mem.h"

#include <mongoc/mongoc.h>
#include <unistd.h>

#define SKIPPED 77 /* CTest's word for it, see CMakeLists.txt */

static const char *server;

/* The server's URI with this database instead of its own. */
static char *with_database(const char *name)
{
    const char *hosts = strstr(server, "://");
    hosts = hosts ? hosts + 3 : server;
    size_t head = (size_t)(hosts - server) + strcspn(hosts, "/?");
    const char *options = strchr(server, '?');
    return mem_printf("%.*s/%s%s", (int)head, server, name, options ? options : "");
}

static char *begin(void)
{
    static unsigned count;
    char *name = mem_printf("belltower_test_%lld_%d_%u", (long long)clock_wall_ms(), (int)getpid(), count++);
    char *uri = with_database(name);
    free(name);
    return uri;
}

static void end(char *uri)
{
    bson_error_t error;
    mongoc_client_t *client = mongoc_client_new(uri);
    mongoc_database_t *database = mongoc_client_get_default_database(client);
    if (!mongoc_database_drop(database, &error))
        print_error("the test's database could not be dropped: %s\n", error.message);
    mongoc_database_destroy(database);
    mongoc_client_destroy(client);
    free(uri);
}

/* ---- a database as schema version 1 left it ---- */

static void lay_down(mongoc_database_t *database, const char *collection, bson_t *doc)
{
    bson_error_t error;
    mongoc_collection_t *c = mongoc_database_get_collection(database, collection);
    if (!mongoc_collection_insert_one(c, doc, NULL, NULL, &error))
        fail_msg("%s: %s", collection, error.message);
    mongoc_collection_destroy(c);
    bson_destroy(doc);
}

static void lay_down_version_1(const char *uri)
{
    mongoc_client_t *client = mongoc_client_new(uri);
    mongoc_database_t *database = mongoc_client_get_default_database(client);
    lay_down(database, "meta", BCON_NEW("_id", BCON_UTF8("schema"), "version", BCON_INT64(1)));
    lay_down(database, "generations", BCON_NEW("_id", "acme", "tenant", "acme", "generation", BCON_INT64(2)));
    lay_down(database, "apps",
             BCON_NEW("_id", "acme|2|1", "tenant", "acme", "generation", BCON_INT64(2), "version", BCON_INT64(1),
                      "text", BCON_BIN(BSON_SUBTYPE_BINARY, (const uint8_t *)"one", 3)));
    lay_down(database, "tenants",
             BCON_NEW("_id", "acme", "tenant", "acme", "title", "Acme", "state", BCON_INT64(TENANT_RUNNING),
                      "generation", BCON_INT64(2), "version", BCON_INT64(2), "unpublished", "[", "]", "app",
                      BCON_BIN(BSON_SUBTYPE_BINARY, (const uint8_t *)"two", 3)));
    lay_down(database, "results",
             BCON_NEW("_id", "acme|a|0|[1]", "tenant", "acme", "stream", "a", "window_start", BCON_DATE_TIME(0),
                      "window_end", BCON_DATE_TIME(300000), "key", BCON_UTF8("[1]"), "generation", BCON_INT64(2),
                      "revision", BCON_INT64(1), "rank", "0000000000000002000000010000000000000006", "number",
                      BCON_INT64(6), "v", "{", "n", BCON_INT64(7), "}", "body", BCON_UTF8("{\"n\":7}")));
    mongoc_database_destroy(database);
    mongoc_client_destroy(client);
}

static bool see_old(void *context, const struct result_row *row)
{
    ++*(int *)context;
    assert_string_equal(row->body, "{\"n\":7}");
    assert_int_equal(row->first_offset, -1);
    assert_int_equal(row->last_offset, -1);
    assert_false(row->withdrawn);
    return true;
}

static void assert_app(struct test *t, uint32_t version, const char *wanted)
{
    char *text;
    size_t len;
    uint32_t found;
    OK(registry_get_app(t->db, "acme", version, &text, &len, &found, &t->err));
    assert_string_equal(text, wanted);
    free(text);
}

static void test_version_1_is_migrated(void **state)
{
    struct test *t = *state;
    const struct history_filter all = {.to = INT64_MAX};
    struct rewind_row rewind = {.to_offset = 5};
    struct source source;
    struct skip_row *skips;
    size_t count;
    int seen = 0;
    lay_down_version_1(t->uri);
    struct coredms *reader = contract_open(t, "acme", 0);
    FAILS(ERR_UNAVAILABLE, skip_list(reader, &skips, &count, &t->err));
    OK(history_query(t->db, &all, 10, NULL, NULL, see_old, &seen, &t->err));
    assert_int_equal(seen, 1);
    OK(history_query(reader, &all, 10, NULL, NULL, see_old, &seen, &t->err));
    OK(registry_rewind(t->db, "acme", 2, &rewind, &t->err));
    assert_int_equal(rewind.generation, 3);
    assert_app(t, 1, "one");
    assert_app(t, 2, "two");
    OK(history_raise(t->db, 3, &source, &t->err));
    OK(history_withdraw(t->db, 0, &source, &count, &t->err));
    assert_int_equal(count, 1);
    coredms_close(&reader);
}

int main(void)
{
    server = getenv("BELLTOWER_TEST_MONGODB");
    if (!server || !*server) {
        const char *ci = getenv("CI");
        fprintf(stderr,
                "SKIPPED: no MongoDB-protocol server: set BELLTOWER_TEST_MONGODB (scripts/test-mongodb start DIR)\n");
        return ci && strcmp(ci, "true") == 0 ? 1 : SKIPPED;
    }
    mongoc_init();
    const struct CMUnitTest own[] = {CONTRACT_TEST(test_version_1_is_migrated)};
    int failed = contract_tests_run(&(struct store_under_test){"mongodb", begin, end});
    return cmocka_run_group_tests(own, NULL, NULL) || failed ? 1 : 0;
}
