/* The contract tests on SQLite. */
#include "coredms/contract.h"

#include "base/mem.h"

#include <ftw.h>
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

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

static void end(char *uri)
{
    *strrchr(uri, '/') = 0;
    assert_int_equal(nftw(uri + strlen("sqlite:"), remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    free(uri);
}

int main(void)
{
    return contract_tests_run(&(struct store_under_test){"sqlite", begin, end});
}
