/* The policy, state by state. Time is a number here, processes are events. */
#include "tenants/supervisor/policy.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

struct fixture {
    struct child_policy c;
    int64_t now;
    uint64_t beat;
};

static enum child_action step(struct fixture *f, enum child_event_kind kind)
{
    const struct child_event e = {.kind = kind};
    return policy_step(&f->c, &e, f->now);
}

static enum child_action look(struct fixture *f, enum page_state state, int64_t blocked_until)
{
    const struct child_event e = {
        .kind = CHILD_LOOK, .beat = f->beat, .page_state = state, .blocked_until = blocked_until};
    return policy_step(&f->c, &e, f->now);
}

static void leave_in(struct fixture *f, int code, int signal, int64_t in_message)
{
    const struct child_event e = {
        .kind = CHILD_EXITED, .code = code, .signal = signal, .in_message = in_message, .random = 0};
    policy_step(&f->c, &e, f->now);
}

static void leave(struct fixture *f, int code, int signal)
{
    leave_in(f, code, signal, -1);
}

static void start(struct fixture *f)
{
    step(f, CHILD_WANT);
    f->now = f->c.next_start > f->now ? f->c.next_start : f->now;
    assert_int_equal(look(f, PAGE_STARTING, 0), ACTION_SPAWN);
    step(f, CHILD_SPAWNED);
    assert_int_equal(f->c.state, CHILD_STARTING);
}

static void up(struct fixture *f)
{
    start(f);
    f->beat++;
    look(f, PAGE_READY, 0);
    assert_int_equal(f->c.state, CHILD_UP);
}

static void a_wanted_child_starts_and_gets_ready(void **state)
{
    (void)state;
    struct fixture f = {.now = 1000};
    up(&f);
    assert_int_equal(f.c.starts, 1);
}

static void not_ready_in_time_is_killed(void **state)
{
    (void)state;
    struct fixture f = {.now = 1000};
    start(&f);
    for (int64_t t = 0; t < READY_MS; t += 1000, f.now += 1000, f.beat++)
        assert_int_equal(look(&f, PAGE_STARTING, 0), ACTION_NONE);
    assert_int_equal(look(&f, PAGE_STARTING, 0), ACTION_KILL);
    leave(&f, 0, 9);
    assert_int_equal(f.c.state, CHILD_WAITING);
    assert_int_equal(f.c.next_start, f.now + BACKOFF_FIRST_MS / 2);
}

static void waiting_for_a_broker_has_no_deadline(void **state)
{
    (void)state;
    struct fixture f = {.now = 1000};
    start(&f);
    for (int i = 0; i < 100; i++, f.now += 10000, f.beat++)
        assert_int_equal(look(&f, PAGE_WAITING, 0), ACTION_NONE);
    assert_int_equal(f.c.state, CHILD_STARTING);
}

static void a_lost_heartbeat_is_killed_unless_a_call_may_block(void **state)
{
    (void)state;
    struct fixture f = {.now = 1000};
    up(&f);
    f.now += HEARTBEAT_LOST_MS + 1;
    assert_int_equal(look(&f, PAGE_READY, f.now + 5000), ACTION_NONE);
    f.now += 5001;
    assert_int_equal(look(&f, PAGE_READY, f.now - 1), ACTION_KILL);
    assert_int_equal(f.c.state, CHILD_KILLED);
}

static void backoff_doubles_and_a_healthy_time_resets_it(void **state)
{
    (void)state;
    struct fixture f = {.now = 1000};
    int64_t expected = BACKOFF_FIRST_MS;
    for (int i = 0; i < 4; i++, expected *= 2) {
        up(&f);
        leave(&f, EXIT_UNAVAILABLE, 0);
        assert_int_equal(f.c.next_start, f.now + expected / 2);
    }
    up(&f);
    f.now += HEALTHY_MS;
    leave(&f, EXIT_UNAVAILABLE, 0);
    assert_int_equal(f.c.next_start, f.now + BACKOFF_FIRST_MS / 2);
}

static void the_first_death_of_a_healthy_one_is_made_good_at_once(void **state)
{
    (void)state;
    struct fixture f = {.now = 1000};
    up(&f);
    struct child_event died = {.kind = CHILD_EXITED, .signal = 11, .in_message = -1, .random = UINT32_MAX};
    policy_step(&f.c, &died, f.now);
    assert_true(f.c.next_start <= f.now + AT_ONCE_MS);
    up(&f);
    policy_step(&f.c, &died, f.now); /* again, soon */
    assert_true(f.c.next_start >= f.now + BACKOFF_FIRST_MS);
    up(&f);
    f.now += HEALTHY_MS;
    policy_step(&f.c, &died, f.now);
    assert_true(f.c.next_start <= f.now + AT_ONCE_MS);
    start(&f); /* dies before it is ready */
    f.c.failures = 0;
    policy_step(&f.c, &died, f.now);
    assert_true(f.c.next_start >= f.now + BACKOFF_FIRST_MS / 2);
}

static void a_crash_loop_is_parked_until_an_operators_word(void **state)
{
    (void)state;
    struct fixture f = {.now = 1000};
    for (int i = 0; i < CRASH_LOOP_COUNT; i++) {
        up(&f);
        leave(&f, 0, 11);
        assert_int_equal(f.c.state, CHILD_WAITING);
    }
    up(&f);
    leave(&f, 0, 11);
    assert_int_equal(f.c.state, CHILD_FAILING);
    f.now += 10 * CRASH_LOOP_MS;
    assert_int_equal(look(&f, 0, 0), ACTION_NONE);
    step(&f, CHILD_WANT);
    assert_int_equal(f.c.state, CHILD_FAILING);
    step(&f, CHILD_RETRY);
    assert_int_equal(f.c.state, CHILD_WAITING);
}

static void a_broker_that_is_away_never_counts_towards_failing(void **state)
{
    (void)state;
    struct fixture f = {.now = 1000};
    for (int i = 0; i < 10 * CRASH_LOOP_COUNT; i++) {
        up(&f);
        leave(&f, EXIT_UNAVAILABLE, 0);
        assert_int_equal(f.c.state, CHILD_WAITING);
    }
    assert_true(f.c.next_start <= f.now + BACKOFF_MAX_MS);
}

static void a_kill_from_outside_is_no_fault_of_its_own(void **state)
{
    (void)state;
    struct fixture f = {.now = 1000};
    for (int i = 0; i < 10 * CRASH_LOOP_COUNT; i++) {
        up(&f);
        f.now += 3000;
        leave(&f, 0, SIGKILL);
        assert_int_equal(f.c.state, CHILD_WAITING);
        assert_true(f.c.next_start <= f.now + 300);
    }
    start(&f);
    leave(&f, 0, SIGKILL);
    assert_true(f.c.next_start <= f.now + BACKOFF_FIRST_MS);
}

static void a_hanging_one_that_we_kill_is_a_fault_of_its_own(void **state)
{
    (void)state;
    struct fixture f = {.now = 1000};
    for (int i = 0; i <= CRASH_LOOP_COUNT; i++) {
        assert_int_not_equal(f.c.state, CHILD_FAILING);
        up(&f);
        f.now += HEARTBEAT_LOST_MS + 1;
        assert_int_equal(look(&f, PAGE_READY, 0), ACTION_KILL);
        leave(&f, 0, SIGKILL);
    }
    assert_int_equal(f.c.state, CHILD_FAILING);
}

static void faults_far_apart_are_no_crash_loop(void **state)
{
    (void)state;
    struct fixture f = {.now = 1000};
    for (int i = 0; i < 5 * CRASH_LOOP_COUNT; i++) {
        up(&f);
        f.now += CRASH_LOOP_MS / CRASH_LOOP_COUNT + 1;
        f.beat++;
        look(&f, PAGE_READY, 0);
        leave(&f, EXIT_FAULT, 0);
        assert_int_equal(f.c.state, CHILD_WAITING);
    }
}

static void a_broken_guarantee_parks_at_once(void **state)
{
    (void)state;
    struct fixture f = {.now = 1000};
    up(&f);
    leave(&f, EXIT_STOPPED, 0);
    assert_int_equal(f.c.state, CHILD_PARKED);
    step(&f, CHILD_UNWANT);
    assert_int_equal(f.c.state, CHILD_STOPPED);
}

static void unwanted_drains_then_is_killed(void **state)
{
    (void)state;
    struct fixture f = {.now = 1000};
    up(&f);
    assert_int_equal(step(&f, CHILD_UNWANT), ACTION_TERM);
    f.now += DRAIN_MS - 1;
    assert_int_equal(look(&f, PAGE_DRAINING, 0), ACTION_NONE);
    f.now += 1;
    assert_int_equal(look(&f, PAGE_DRAINING, INT64_MAX), ACTION_KILL);
    leave(&f, 0, 9);
    assert_int_equal(f.c.state, CHILD_STOPPED);
}

static void wanted_again_while_it_drains_starts_at_once_after(void **state)
{
    (void)state;
    struct fixture f = {.now = 1000};
    up(&f);
    step(&f, CHILD_UNWANT);
    step(&f, CHILD_WANT);
    leave(&f, EXIT_DONE, 0);
    assert_int_equal(f.c.state, CHILD_WAITING);
    assert_int_equal(f.c.next_start, f.now);
}

static void die_in(struct fixture *f, int code, int signal, int64_t in_message)
{
    up(f);
    leave_in(f, code, signal, in_message);
}

static void a_message_that_kills_twice_is_tried_alone_then_set_aside(void **state)
{
    (void)state;
    struct fixture f = {.now = 1000};
    die_in(&f, 0, SIGSEGV, 42);
    assert_int_equal(policy_trial(&f.c), TRIAL_NONE);
    die_in(&f, EXIT_OOM, 0, 42);
    assert_int_equal(policy_trial(&f.c), TRIAL_ALONE);
    assert_int_equal(f.c.suspect, 42);
    die_in(&f, 0, SIGABRT, 42);
    assert_int_equal(policy_trial(&f.c), TRIAL_SET_ASIDE);
}

static void only_faults_of_its_own_make_a_message_suspect(void **state)
{
    (void)state;
    struct fixture f = {.now = 1000};
    die_in(&f, 0, SIGKILL, 42);
    die_in(&f, 0, SIGKILL, 42);
    die_in(&f, EXIT_FAULT, 0, 42);
    assert_int_equal(policy_trial(&f.c), TRIAL_NONE);
    die_in(&f, 0, SIGSEGV, -1);
    die_in(&f, 0, SIGSEGV, -1);
    assert_int_equal(policy_trial(&f.c), TRIAL_NONE);
}

static void another_message_is_another_suspect(void **state)
{
    (void)state;
    struct fixture f = {.now = 1000};
    die_in(&f, 0, SIGSEGV, 42);
    die_in(&f, 0, SIGSEGV, 43);
    assert_int_equal(policy_trial(&f.c), TRIAL_NONE);
    die_in(&f, 0, SIGSEGV, 43);
    assert_int_equal(policy_trial(&f.c), TRIAL_ALONE);
}

static void a_message_set_aside_ends_the_crash_loop(void **state)
{
    (void)state;
    struct fixture f = {.now = 1000};
    for (int64_t message = 0; message < 10; message++)
        for (int i = 0; i < 3; i++)
            die_in(&f, 0, SIGSEGV, message);
    assert_int_equal(f.c.state, CHILD_WAITING);
}

static void superseded_yields_at_its_next_start(void **state)
{
    (void)state;
    struct fixture f = {.now = 1000};
    die_in(&f, EXIT_SUPERSEDED, 0, -1);
    assert_true(f.c.yields);
    up(&f);
    assert_true(f.c.yields);
    leave(&f, 0, SIGKILL);
    assert_false(f.c.yields);
}

static void a_word_to_skip_lasts_until_it_was_of_use(void **state)
{
    (void)state;
    struct fixture f = {.now = 1000};
    die_in(&f, EXIT_STOPPED, 0, -1);
    const struct child_event word = {.kind = CHILD_RETRY, .skip = true};
    policy_step(&f.c, &word, f.now);
    assert_true(f.c.skips);
    start(&f);
    leave(&f, 0, SIGKILL);
    assert_true(f.c.skips);
    up(&f);
    assert_true(f.c.skips);
    leave(&f, 0, SIGKILL);
    assert_false(f.c.skips);
}

static void a_failed_spawn_backs_off(void **state)
{
    (void)state;
    struct fixture f = {.now = 1000};
    step(&f, CHILD_WANT);
    assert_int_equal(look(&f, 0, 0), ACTION_SPAWN);
    step(&f, CHILD_SPAWN_FAILED);
    assert_true(f.c.next_start > f.now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wanted_child_starts_and_gets_ready),
        cmocka_unit_test(not_ready_in_time_is_killed),
        cmocka_unit_test(waiting_for_a_broker_has_no_deadline),
        cmocka_unit_test(a_lost_heartbeat_is_killed_unless_a_call_may_block),
        cmocka_unit_test(backoff_doubles_and_a_healthy_time_resets_it),
        cmocka_unit_test(the_first_death_of_a_healthy_one_is_made_good_at_once),
        cmocka_unit_test(a_crash_loop_is_parked_until_an_operators_word),
        cmocka_unit_test(a_broker_that_is_away_never_counts_towards_failing),
        cmocka_unit_test(a_kill_from_outside_is_no_fault_of_its_own),
        cmocka_unit_test(a_hanging_one_that_we_kill_is_a_fault_of_its_own),
        cmocka_unit_test(faults_far_apart_are_no_crash_loop),
        cmocka_unit_test(a_broken_guarantee_parks_at_once),
        cmocka_unit_test(unwanted_drains_then_is_killed),
        cmocka_unit_test(wanted_again_while_it_drains_starts_at_once_after),
        cmocka_unit_test(a_message_that_kills_twice_is_tried_alone_then_set_aside),
        cmocka_unit_test(only_faults_of_its_own_make_a_message_suspect),
        cmocka_unit_test(another_message_is_another_suspect),
        cmocka_unit_test(a_message_set_aside_ends_the_crash_loop),
        cmocka_unit_test(superseded_yields_at_its_next_start),
        cmocka_unit_test(a_word_to_skip_lasts_until_it_was_of_use),
        cmocka_unit_test(a_failed_spawn_backs_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
