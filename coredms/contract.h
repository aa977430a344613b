/* The contract tests of the store interface: the same for every store. A store's own test program (sqlite/, mongodb/)
 * says how to make an empty store and hands over to contract_tests_run. */
#ifndef BELLTOWER_COREDMS_CONTRACT_H
#define BELLTOWER_COREDMS_CONTRACT_H

#include "coredms/coredms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct store_under_test {
    const char *name;
    char *(*begin)(void);   /* the URI of an empty store; free() */
    void (*end)(char *uri); /* removes the store and frees uri */
};

/* Runs all; the exit code of the program. */
int contract_tests_run(const struct store_under_test *store);

/* ---- what the tests share ---- */
struct test {
    char *uri;
    struct coredms *db; /* of tenant "acme", writes everything */
    struct err err;
};

#define COUNT(a) (sizeof(a) / sizeof *(a))
/* The call must succeed; on failure its error is shown. */
#define OK(call)                                                                                                       \
    do {                                                                                                               \
        if ((call) != 0)                                                                                               \
            fail_msg("%s: %s: %s", #call, err_code_name(t->err.code), t->err.text);                                    \
    } while (0)
/* The call must fail with this code. */
#define FAILS(wanted, call)                                                                                            \
    do {                                                                                                               \
        t->err.text[0] = 0;                                                                                            \
        if ((call) == 0)                                                                                               \
            fail_msg("%s: succeeded", #call);                                                                          \
        if (t->err.code != (wanted))                                                                                   \
            fail_msg("%s: %s: %s", #call, err_code_name(t->err.code), t->err.text);                                    \
        assert_true(t->err.text[0] != 0);                                                                              \
    } while (0)

struct coredms *contract_open(struct test *t, const char *tenant, unsigned writes);
#define WRITES_ALL (COREDMS_WRITES_REGISTRY | COREDMS_WRITES_STREAM | COREDMS_WRITES_BATCH)

int contract_setup(void **state);
int contract_teardown(void **state);
#define CONTRACT_TEST(name) cmocka_unit_test_setup_teardown(name, contract_setup, contract_teardown)

/* One file of tests each. */
int contract_registry(const char *group);
int contract_checkpoints(const char *group);
int contract_history(const char *group);
int contract_withdrawn(const char *group);
int contract_kept(const char *group);
int contract_rewind(const char *group);
int contract_group(const char *group);
int contract_runs(const char *group);
int contract_crash(const char *group);
int contract_begin(const char *group);

/* A result whose body is the given JSON; revision and generation may be set afterwards. */
struct result_row contract_result(const char *stream, const char *key, int64_t window_start, const char *body);
/* Takes the epoch of a batch worker of generation 1. */
struct source contract_raise(struct test *t);
/* Stores rows as that worker, its number rising by one with each call. */
void contract_put(struct test *t, struct source *s, const struct result_row *rows, size_t count);

#endif
