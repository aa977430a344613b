/* Several processes: a writer killed in the middle of its work, epochs raised at once. */
#include "coredms/contract.h"

#include "base/clock.h"
#include "base/mem.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define BATCH        40
#define ENOUGH_TURNS 8
#define LIMIT_MS     120000

/* Turn n stores results n * BATCH ... with source number n, and a checkpoint whose state repeats the letter of n. */
static void write_turn(struct test *t, struct coredms *db, struct source *s, struct checkpoint_head *head)
{
    struct result_row rows[BATCH];
    char keys[BATCH][32];
    static char state[3 * CHECKPOINT_CHUNK_BYTES / 2];
    s->number++;
    for (int i = 0; i < BATCH; i++) {
        snprintf(keys[i], sizeof keys[i], "[%lld]", (long long)s->number * BATCH + i);
        rows[i] = contract_result("a", keys[i], 300000 * s->number, "{\"n\":1}");
    }
    s->offset = s->number * 3;
    OK(history_put(db, rows, BATCH, s, &t->err));
    memset(state, (int)('a' + s->number % 26), sizeof state);
    head->number++;
    head->offset = s->number;
    head->chunk_count = 2;
    head->bytes = sizeof state;
    OK(checkpoint_save(db, head, state, sizeof state, &t->err));
}

static void write_until_killed(const char *uri, int ready)
{
    struct test own = {.uri = (char *)uri}, *t = &own;
    struct coredms *db = contract_open(t, "acme", COREDMS_WRITES_STREAM | COREDMS_WRITES_BATCH);
    struct source s;
    struct checkpoint_head head;
    OK(history_raise(db, 1, &s, &t->err));
    OK(checkpoint_raise(db, 1, &head, &t->err));
    for (int turn = 1;; turn++) {
        write_turn(t, db, &s, &head);
        if (turn == ENOUGH_TURNS && write(ready, "x", 1) != 1)
            _exit(1);
    }
}

/* Starts a writer and kills it while it writes. */
static void kill_a_writer(const char *uri)
{
    int ends[2], status;
    char byte;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        write_until_killed(uri, ends[1]);
        _exit(1);
    }
    close(ends[1]);
    struct pollfd p = {.fd = ends[0], .events = POLLIN};
    int woken = poll(&p, 1, LIMIT_MS);
    ssize_t got = woken > 0 ? read(ends[0], &byte, 1) : 0;
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(ends[0]);
    assert_int_equal(got, 1);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static bool count_up_to(void *context, const struct result_row *row)
{
    int64_t *counts = context; /* [0]: the stored number; [1]: rows up to it; [2]: rows beyond */
    counts[row->window_start / 300000 <= counts[0] ? 1 : 2]++;
    return true;
}

static void check_store(struct test *t, int64_t at_least)
{
    struct source s;
    struct checkpoint_head head;
    struct buf state = {0};
    const struct history_filter f = {.stream = "a", .to = INT64_MAX};
    OK(history_raise(t->db, 1, &s, &t->err));
    assert_true(s.number >= at_least);
    assert_int_equal(s.offset, s.number * 3);
    int64_t counts[3] = {s.number};
    OK(history_query(t->db, &f, 1000000, NULL, NULL, count_up_to, counts, &t->err));
    assert_int_equal(counts[1], s.number * BATCH); /* all that the source vouches for is there */
    assert_true(counts[2] <= BATCH);               /* at most the batch that was being written is ahead of it */
    OK(checkpoint_raise(t->db, 1, &head, &t->err));
    OK(checkpoint_load(t->db, &head, &state, &t->err));
    assert_int_equal(state.len, 3 * CHECKPOINT_CHUNK_BYTES / 2);
    for (size_t i = 0; i < state.len; i++)
        if (state.data[i] != 'a' + head.offset % 26)
            fail_msg("the state is mixed at byte %zu", i);
    assert_true(head.offset == s.number || head.offset + 1 == s.number);
    buf_free(&state);
    checkpoint_head_free(&head);
}

static void test_killed_writers(void **state)
{
    struct test *t = *state;
    coredms_close(&t->db); /* no handle lives across the fork */
    for (int round = 1; round <= 3; round++) {
        kill_a_writer(t->uri);
        t->db = contract_open(t, "acme", WRITES_ALL);
        check_store(t, round * ENOUGH_TURNS - 1);
        coredms_close(&t->db);
    }
    t->db = contract_open(t, "acme", WRITES_ALL);
}

#define RAISERS 3
#define RAISES  15

/* Writes each epoch it was given. */
static void raise_many(const char *uri, int out)
{
    struct test own = {.uri = (char *)uri}, *t = &own;
    struct coredms *db = contract_open(t, "acme", COREDMS_WRITES_STREAM | COREDMS_WRITES_BATCH);
    for (int i = 0; i < RAISES; i++) {
        struct source s;
        struct checkpoint_head head;
        OK(history_raise(db, 1, &s, &t->err));
        OK(checkpoint_raise(db, 1, &head, &t->err));
        const uint64_t epochs[2] = {s.epoch, head.epoch};
        checkpoint_head_free(&head);
        if (write(out, epochs, sizeof epochs) != sizeof epochs)
            _exit(1);
    }
    coredms_close(&db);
    _exit(0);
}

static void test_no_epoch_is_given_twice(void **state)
{
    struct test *t = *state;
    bool seen[2][RAISERS * RAISES + 1] = {0};
    uint64_t epochs[2];
    int ends[2], status, count = 0;
    coredms_close(&t->db); /* no handle lives across the fork */
    assert_int_equal(pipe(ends), 0);
    pid_t pids[RAISERS];
    for (int i = 0; i < RAISERS; i++) {
        assert_true((pids[i] = fork()) >= 0);
        if (pids[i] == 0) {
            close(ends[0]);
            raise_many(t->uri, ends[1]);
        }
    }
    close(ends[1]);
    for (; read(ends[0], epochs, sizeof epochs) == sizeof epochs; count++) {
        for (int kind = 0; kind < 2; kind++) {
            assert_in_range(epochs[kind], 1, RAISERS * RAISES);
            assert_false(seen[kind][epochs[kind]]);
            seen[kind][epochs[kind]] = true;
        }
    }
    close(ends[0]);
    for (int i = 0; i < RAISERS; i++) {
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    assert_int_equal(count, RAISERS * RAISES);
    t->db = contract_open(t, "acme", WRITES_ALL);
}

int contract_crash(const char *group)
{
    const struct CMUnitTest tests[] = {CONTRACT_TEST(test_killed_writers), CONTRACT_TEST(test_no_epoch_is_given_twice)};
    return cmocka_run_group_tests_name(group, tests, NULL, NULL);
}
