/* Who waits for a slot of a page is woken by the process that writes it. */
#include "base/clock.h"
#include "base/wire/contract.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SLOT     7
#define LONG_MS  60000
#define STEPS    200
#define HIGH_BIT INT64_C(0x100000000)

struct pages {
    int fd;
    struct status_page *mine;       /* the writer's */
    const struct status_page *seen; /* the reader's: mapped read-only */
};

static int set_up(void **state)
{
    static struct pages p;
    struct err err;
    p.fd = page_create(1, &p.mine, &err);
    assert_true(p.fd >= 0);
    assert_int_equal(page_map(p.fd, &p.seen, &err), 0);
    *state = &p;
    return 0;
}

static int tear_down(void **state)
{
    struct pages *p = *state;
    const struct status_page *mine = p->mine;
    page_unmap(&p->seen);
    page_unmap(&mine);
    close(p->fd);
    return 0;
}

static int64_t value(const struct pages *p)
{
    return atomic_load(&p->seen->slots[SLOT]);
}

/* Counts up one by one, each step answered by the other process before the next: a wake that was lost costs LONG_MS. */
static void test_each_change_wakes(void **state)
{
    struct pages *p = *state;
    int64_t began = clock_mono_ms();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        for (int64_t i = 0; i < STEPS; i++) {
            while (value(p) != 2 * i + 1)
                page_await(p->seen, SLOT, 2 * i, LONG_MS);
            page_set_waking(p->mine, SLOT, 2 * i + 2);
        }
        _exit(0);
    }
    for (int64_t i = 0; i < STEPS; i++) {
        page_set_waking(p->mine, SLOT, 2 * i + 1);
        while (value(p) != 2 * i + 2)
            page_await(p->seen, SLOT, 2 * i + 1, LONG_MS);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(clock_mono_ms() - began < LONG_MS);
}

static void test_a_change_before_is_no_wait(void **state)
{
    struct pages *p = *state;
    int64_t began = clock_mono_ms();
    page_set_waking(p->mine, SLOT, HIGH_BIT + 5);
    page_await(p->seen, SLOT, HIGH_BIT + 4, LONG_MS);
    assert_true(clock_mono_ms() - began < LONG_MS);
}

static void test_the_limit_ends_it(void **state)
{
    struct pages *p = *state;
    page_set_waking(p->mine, SLOT, HIGH_BIT + 5);
    page_await(p->seen, SLOT, HIGH_BIT + 5, 1);
    assert_true(value(p) == HIGH_BIT + 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_change_wakes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_change_before_is_no_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_limit_ends_it, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
