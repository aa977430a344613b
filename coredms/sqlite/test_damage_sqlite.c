/* The kept files of the present schema (fixtures/, small pages): read whole, cut short at every byte, with every bit
 * flipped. All that can be read of a file is then what it held, or refused with words that name the file. A log that a
 * crash left may also lack its last transactions, whole: what it holds of them cannot be told from what was not written
 * to its end.
 *   test_damage_sqlite registry|stream|batch|log */
#include "base/files_fixture.h"
#include "coredms/sqlite/files_fixture.h"
#include "coredms/sqlite/fixtures/describe.h"

#include <fcntl.h>

static const char *file_name; /* of the argument */
static bool in_log;

struct damaged {
    struct files files; /* first: set_up and tear_down are those of its own */
    const struct described_file *what;
    char path[128]; /* of the file that is damaged: the database or its log */
    struct buf bytes, whole;
};

static void read_kept(const char *suffix, struct buf *out)
{
    char path[128];
    snprintf(path, sizeof path, "coredms/sqlite/fixtures/%s_3%s", file_name, suffix);
    read_whole(path, out);
}

static void put_file(const char *path, const struct buf *bytes, size_t len)
{
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes->data, 1, len, out), len);
    assert_int_equal(fclose(out), 0);
}

static int begin(void **state)
{
    void *files;
    struct damaged *d = mem_zero(1, sizeof *d);
    set_up(&files);
    d->files = *(struct files *)files;
    free(files);
    for (size_t i = 0; i < COUNT(described_files); i++)
        if (strcmp(described_files[i].name, file_name) == 0)
            d->what = &described_files[i];
    assert_non_null(d->what);
    assert_int_equal(mkdir(path_of(&d->files, "tenants"), 0700), 0);
    assert_int_equal(mkdir(path_of(&d->files, "tenants/acme"), 0700), 0);
    read_kept(".db", &d->bytes);
    put_file(path_of(&d->files, d->what->path), &d->bytes, d->bytes.len);
    snprintf(d->path, sizeof d->path, "%s%s", path_of(&d->files, d->what->path), in_log ? "-wal" : "");
    if (in_log) {
        buf_clear(&d->bytes);
        read_kept(".db-wal", &d->bytes);
        put_file(d->path, &d->bytes, d->bytes.len);
    }
    read_kept(in_log ? "_log.txt" : ".txt", &d->whole);
    *state = d;
    return 0;
}

static int end(void **state)
{
    struct damaged *d = *state;
    buf_free(&d->bytes);
    buf_free(&d->whole);
    return tear_down(state); /* frees d: its first member is what it expects */
}

/* Everything that a reader of its own sees; false: it is refused, with the reason in d->files.test.err. */
static bool look(struct damaged *d, struct buf *seen)
{
    struct test *t = &d->files.test;
    struct coredms *db;
    buf_clear(seen);
    t->err = (struct err){0};
    OK(coredms_open(t->uri, "acme", COREDMS_READS, &db, &t->err));
    bool good = d->what->describe(db, seen, &t->err) == 0;
    coredms_close(&db);
    buf_cstr(seen);
    return good;
}

static void expect_refusal(const struct damaged *d, const char *how, size_t where)
{
    const struct err *err = &d->files.test.err;
    if (err->code != ERR_DAMAGED || !strstr(err->text, d->what->path))
        fail_msg("%s %zu: %s: %s", how, where, err_code_name(err->code), err->text);
}

/* What the whole transactions at the beginning of the log give, the longest first. */
#define STATES_MAX 8
struct states {
    struct buf texts[STATES_MAX];
    size_t count;
};

static size_t state_of(const struct states *s, const struct buf *seen)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->texts[i].data, seen->data) == 0)
            return i;
    return s->count;
}

static void expect_whole(struct damaged *d)
{
    struct buf seen = {0};
    if (!look(d, &seen))
        fail_msg("%s", d->files.test.err.text);
    assert_string_equal(seen.data, d->whole.data);
    buf_free(&seen);
}

static void test_whole(void **state)
{
    expect_whole(*state);
}

/* ---- a database ---- */

static void test_cut_short(void **state)
{
    struct damaged *d = *state;
    struct buf seen = {0};
    for (size_t len = d->bytes.len; len-- > 1;) { /* an empty file is one that is being made */
        assert_int_equal(truncate(d->path, (off_t)len), 0);
        if (look(d, &seen))
            fail_msg("cut to %zu bytes of %zu: is read", len, d->bytes.len);
        expect_refusal(d, "cut to", len);
    }
    buf_free(&seen);
}

static void flip(const struct damaged *d, int fd, size_t bit)
{
    d->bytes.data[bit / 8] ^= (char)(1 << bit % 8);
    assert_int_equal(pwrite(fd, d->bytes.data + bit / 8, 1, (off_t)(bit / 8)), 1);
}

static void test_bits_flipped(void **state)
{
    struct damaged *d = *state;
    struct buf seen = {0};
    size_t refused = 0;
    int fd = open(d->path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    for (size_t bit = 0; bit < d->bytes.len * 8; bit++) {
        flip(d, fd, bit);
        if (!look(d, &seen)) {
            expect_refusal(d, "bit", bit);
            refused++;
        } else if (strcmp(seen.data, d->whole.data) != 0) {
            fail_msg("bit %zu changes what is read:\n%s", bit, seen.data);
        }
        flip(d, fd, bit);
    }
    close(fd);
    print_message("%s.db: %zu of %zu flips refused, the others change nothing that is read\n", file_name, refused,
                  d->bytes.len * 8);
    assert_true(refused > d->bytes.len * 8 / 2);
    expect_whole(d);
    buf_free(&seen);
}

/* ---- a log ---- */

#define LOG_HEAD   32
#define LOG_FRAME  (24 + 512)
#define FRAME_ENDS 4 /* four bytes in a frame's head: not 0 if a transaction ends with it */

static void find_states(struct damaged *d, struct states *s)
{
    *s = (struct states){0};
    for (size_t left = d->bytes.len / LOG_FRAME + 1; left-- > 0;) {
        size_t end = LOG_HEAD + left * LOG_FRAME;
        bool ends = end == LOG_HEAD || memcmp(d->bytes.data + end - LOG_FRAME + FRAME_ENDS, "\0\0\0", 4) != 0;
        if (!ends)
            continue;
        assert_true(s->count < STATES_MAX);
        assert_int_equal(truncate(d->path, (off_t)end), 0);
        if (!look(d, &s->texts[s->count++]))
            fail_msg("%s", d->files.test.err.text);
    }
    put_file(d->path, &d->bytes, d->bytes.len);
    assert_int_equal(s->count, 5); /* none to four transactions */
    assert_string_equal(s->texts[0].data, d->whole.data);
}

static void free_states(struct states *s)
{
    for (size_t i = 0; i < s->count; i++)
        buf_free(&s->texts[i]);
}

static void test_log_cut_short(void **state)
{
    struct damaged *d = *state;
    struct buf seen = {0};
    struct states states;
    size_t last = 0;
    find_states(d, &states);
    for (size_t len = d->bytes.len; len-- > 0;) {
        assert_int_equal(truncate(d->path, (off_t)len), 0);
        if (!look(d, &seen))
            fail_msg("cut to %zu bytes: %s", len, d->files.test.err.text);
        size_t now = state_of(&states, &seen);
        assert_true(now < states.count && now >= last && now <= last + 1);
        last = now;
    }
    assert_int_equal(last, 4);
    free_states(&states);
    buf_free(&seen);
}

static void test_log_bits_flipped(void **state)
{
    struct damaged *d = *state;
    struct buf seen = {0};
    struct states states;
    size_t counts[STATES_MAX] = {0}, refused = 0;
    find_states(d, &states);
    int fd = open(d->path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    for (size_t bit = 0; bit < d->bytes.len * 8; bit++) {
        flip(d, fd, bit);
        if (look(d, &seen)) {
            size_t now = state_of(&states, &seen);
            if (now > 2)
                fail_msg("bit %zu changes what is read:\n%s", bit, seen.data);
            counts[now]++;
        } else {
            expect_refusal(d, "bit", bit);
            refused++;
        }
        flip(d, fd, bit);
    }
    close(fd);
    print_message("%s.db-wal: of %zu flips %zu refused, %zu change nothing, %zu end it a transaction sooner, %zu two\n",
                  file_name, d->bytes.len * 8, refused, counts[0], counts[1], counts[2]);
    assert_true(refused > d->bytes.len * 8 / 3);
    expect_whole(d);
    free_states(&states);
    buf_free(&seen);
}

#define DAMAGE_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {DAMAGE_TEST(test_whole), DAMAGE_TEST(test_cut_short),
                                       DAMAGE_TEST(test_bits_flipped)};
    const struct CMUnitTest log_tests[] = {DAMAGE_TEST(test_whole), DAMAGE_TEST(test_log_cut_short),
                                           DAMAGE_TEST(test_log_bits_flipped)};
    if (argc != 2) {
        fprintf(stderr, "usage: test_damage_sqlite registry|stream|batch|log\n");
        return 2;
    }
    in_log = strcmp(argv[1], "log") == 0;
    file_name = in_log ? "batch" : argv[1];
    return in_log ? cmocka_run_group_tests(log_tests, NULL, NULL) : cmocka_run_group_tests(tests, NULL, NULL);
}
