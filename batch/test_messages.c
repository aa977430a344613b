/* Messages of the result queue of version 1, kept as files (tests/data/batch: the headers x-number, x-generation,
 * x-first-offset, x-last-offset and x-crc32c, then x-key, then the body): read whole, cut short at every byte, with
 * every bit flipped. What is not whole stops the worker before anything of it is stored. */
#include "base/files_fixture.h"
#include "batch/core_fixture.h"

enum { NUMBER, GENERATION, FIRST, LAST, SUM, NUMBERS };

struct message {
    int64_t numbers[NUMBERS];
    char *key, *body;
    size_t key_len, len;
    bool rewound, no_sum;
};

/* Holds until the next is read. */
static void read_kept(const char *name, struct message *m)
{
    static struct buf file;
    char path[64];
    *m = (struct message){.rewound = strcmp(name, "rewound-1") == 0};
    snprintf(path, sizeof path, "tests/data/batch/%s", name);
    buf_clear(&file);
    read_whole(path, &file);
    char *at = file.data;
    for (int i = 0; i < NUMBERS; i++)
        m->numbers[i] = strtoll(at, &at, 10);
    m->key = at + 1;
    at = strchr(m->key, '\n');
    assert_non_null(at);
    m->key_len = (size_t)(at - m->key);
    m->body = at + 1;
    m->len = file.len - (size_t)(m->body - file.data);
}

static struct fixture started(void)
{
    struct fixture f = {.mono = 1000, .wall = NOON};
    start(&f, NOON - 12 * HOUR, NULL, 0);
    return f;
}

static char *exact(const char *p, size_t len) /* the sanitizer sees a read behind its end */
{
    char *copy = malloc(len ? len : 1);
    memcpy(copy, p, len);
    return copy;
}

static void deliver(struct fixture *f, const struct message *m, int64_t offset)
{
    struct batch_event e = {.kind = BATCH_DELIVERY};
    char *key = exact(m->key, m->key_len), *body = exact(m->body, m->len);
    e.delivery = (struct batch_delivery){.tag = (uint64_t)offset + 1,
                                         .offset = offset,
                                         .trusted = true,
                                         .rewound = m->rewound,
                                         .number = m->numbers[NUMBER],
                                         .generation = m->numbers[GENERATION],
                                         .first_offset = m->numbers[FIRST],
                                         .last_offset = m->numbers[LAST],
                                         .sum = m->numbers[SUM],
                                         .has_sum = !m->no_sum,
                                         .key = {m->rewound ? NULL : key, m->key_len},
                                         .body = {body, m->len}};
    step(f, &e);
    free(key);
    free(body);
    advance(f, 10000);
}

static void expect_stored(const struct message *m)
{
    struct fixture f = started();
    deliver(&f, m, 0);
    assert_true(take(&f, BATCH_STORE));
    assert_int_equal(f.e.source.number, 1);
    assert_int_equal(f.e.withdraw, m->rewound);
    assert_int_equal(f.e.row_count, !m->rewound);
    if (m->rewound)
        assert_int_equal(f.e.withdraw_from, INT64_C(1767261600000));
    else {
        assert_string_equal(f.e.rows[0].key, "[1161114001,\"näyt\"]");
        assert_int_equal(f.e.rows[0].window_start, NOON - 7200000);
        assert_int_equal(f.e.rows[0].revision, 2);
        assert_int_equal(f.e.rows[0].last_offset, 40017);
        assert_int_equal(f.e.rows[0].body_len, m->len);
        assert_memory_equal(f.e.rows[0].body, m->body, m->len);
    }
    batch_core_free(&f.core);
}

/* With nothing of it stored; true: it says so. */
static bool has_stopped(struct fixture *f, const char *words, const char *what, size_t where)
{
    struct batch_effect e;
    bool stopped = false;
    while (batch_core_effect(f->core, &e)) {
        if (e.kind == BATCH_STORE && (e.row_count || e.withdraw || e.source.number))
            fail_msg("%s %zu: is stored", what, where);
        if (e.kind != BATCH_EXIT)
            continue;
        stopped = true;
        assert_int_equal(e.code, EXIT_STOPPED);
        assert_non_null(strstr(e.words, words));
    }
    return stopped;
}

/* One that has become another generation's is passed over, and missing before the next of its own. */
static void expect_stopped(const struct message *m, const char *what, size_t where)
{
    struct fixture f = started();
    deliver(&f, m, 0);
    bool stopped = has_stopped(&f, "the message at offset 0 of the result queue is damaged", what, where);
    if (!stopped && m->numbers[GENERATION] != 2) {
        struct message next = *m;
        next.numbers[GENERATION] = 2;
        next.numbers[NUMBER] = 2;
        next.no_sum = true;
        deliver(&f, &next, 1);
        stopped = has_stopped(&f, "numbers 1 to 1 are missing", what, where);
    }
    if (!stopped)
        fail_msg("%s %zu: does not stop the worker", what, where);
    batch_core_free(&f.core);
}

static const char *const names[] = {"result-1", "rewound-1"};

static void test_read_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct message m;
        read_kept(names[i], &m);
        expect_stored(&m);
        m.no_sum = true; /* as before there were sums */
        expect_stored(&m);
    }
}

static void test_cut_short(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct message m;
        read_kept(names[i], &m);
        for (size_t len = m.len; len-- > 0;) {
            m.len = len;
            m.no_sum = false;
            expect_stopped(&m, "cut to", len);
            m.no_sum = true; /* it is no JSON then */
            expect_stopped(&m, "without a sum, cut to", len);
        }
        read_kept(names[i], &m);
        while (m.key_len > 0) {
            m.key_len--;
            expect_stopped(&m, "key cut to", m.key_len);
        }
    }
}

static void flip_each(struct message *m, void *p, size_t len, const char *what)
{
    for (size_t bit = 0; bit < len * 8; bit++) {
        ((char *)p)[bit / 8] ^= (char)(1 << bit % 8);
        expect_stopped(m, what, bit);
        ((char *)p)[bit / 8] ^= (char)(1 << bit % 8);
    }
}

static void test_bits_flipped(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct message m;
        read_kept(names[i], &m);
        flip_each(&m, m.body, m.len, "body, bit");
        flip_each(&m, m.key, m.key_len, "key, bit");
        flip_each(&m, m.numbers, sizeof m.numbers, "numbers, bit");
        expect_stored(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_read_whole), cmocka_unit_test(test_cut_short),
                                       cmocka_unit_test(test_bits_flipped)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
