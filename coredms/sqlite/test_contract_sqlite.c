/* The contract tests on SQLite. */
#include "coredms/contract.h"

#include "base/files.h"
#include "base/mem.h"

#include <unistd.h>

static char *begin(void)
{
    const char *tmp = getenv("TMPDIR");
    char *directory = mem_printf("%s/belltower-coredms-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(directory));
    char *uri = mem_printf("sqlite:%s/data", directory);
    free(directory);
    return uri;
}

static void end(char *uri)
{
    *strrchr(uri, '/') = 0;
    assert_int_equal(files_remove_tree(uri + strlen("sqlite:")), 0);
    free(uri);
}

int main(void)
{
    return contract_tests_run(&(struct store_under_test){"sqlite", begin, end});
}
