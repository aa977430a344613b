/* An app file's own tests, run through the engine. */
#ifndef BELLTOWER_CLI_APP_TESTS_H
#define BELLTOWER_CLI_APP_TESTS_H

#include "tenants/app/app.h"

#include <stdbool.h>

struct app_test_outcome {
    const struct app_test *test;
    bool passed;
    const char *failure; /* what differs, "" if it passed; borrowed during the call */
};

/* Runs the tests of the app, each on an engine of its own, its data closed by an end tick. text: the app file. path:
 * where it is; a test's `file` is beside it. Returns how many failed. */
size_t app_tests_run(const struct app *app, const char *text, size_t len, const char *path,
                     void (*each)(void *context, const struct app_test_outcome *outcome), void *context);

/* got has all members of `expected` (both texts of JSON objects), numbers within 1e-9. Else *why (replaced) says the
 * first that differs. */
bool app_tests_fits(const char *expected, size_t expected_len, const char *got, size_t got_len, struct buf *why);

#endif
