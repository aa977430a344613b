#include "coredms/contract.h"

#include "base/mem.h"

static const struct store_under_test *under_test;

struct coredms *contract_open(struct test *t, const char *tenant, unsigned writes)
{
    struct coredms *db = NULL;
    OK(coredms_open(t->uri, tenant, writes, &db, &t->err));
    assert_non_null(db);
    return db;
}

int contract_setup(void **state)
{
    struct test *t = mem_zero(1, sizeof *t);
    t->uri = under_test->begin();
    t->db = contract_open(t, "acme", WRITES_ALL);
    *state = t;
    return 0;
}

int contract_teardown(void **state)
{
    struct test *t = *state;
    coredms_close(&t->db);
    assert_null(t->db);
    under_test->end(t->uri);
    free(t);
    return 0;
}

struct result_row contract_result(const char *stream, const char *key, int64_t window_start, const char *body)
{
    return (struct result_row){.generation = 1,
                               .number = 1,
                               .stream = stream,
                               .key = key,
                               .window_start = window_start,
                               .window_end = window_start + 300000,
                               .body = body,
                               .body_len = strlen(body),
                               .first_offset = -1,
                               .last_offset = -1};
}

struct source contract_raise(struct test *t)
{
    struct source s;
    OK(history_raise(t->db, 1, &s, &t->err));
    return s;
}

void contract_put(struct test *t, struct source *s, const struct result_row *rows, size_t count)
{
    s->number++;
    s->offset += 2;
    s->stored_ms = 1700000000000 + s->number;
    OK(history_put(t->db, rows, count, s, &t->err));
}

int contract_tests_run(const struct store_under_test *store)
{
    static const struct {
        int (*run)(const char *group);
        const char *what;
    } parts[] = {
        {contract_registry, "registry"},
        {contract_begin, "beginning"},
        {contract_checkpoints, "checkpoints"},
        {contract_history, "history"},
        {contract_group, "grouping"},
        {contract_runs, "runs"},
        {contract_crash, "crashes"},
        {contract_kept, "kept checkpoints"},
        {contract_withdrawn, "withdrawn results"},
        {contract_rewind, "rewinds, restoring"},
    };
    int failed = 0;
    under_test = store;
    for (size_t i = 0; i < COUNT(parts); i++) {
        char group[64];
        snprintf(group, sizeof group, "%s: %s", store->name, parts[i].what);
        failed += parts[i].run(group);
    }
    return failed ? 1 : 0;
}
