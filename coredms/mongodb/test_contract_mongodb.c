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
    return contract_tests_run(&(struct store_under_test){"mongodb", begin, end});
}
