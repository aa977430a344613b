/* Messages of the result queue of version 1, kept as files (tests/data/batch: the headers x-number, x-generation,
 * x-first-offset, x-last-offset and x-crc32c, then x-key, then the body): read whole, cut short at every byte, with
 * every bit flipped. What is not whole stops the worker before anything of it is stored. */
#include "base/wire/control.h"
#include "batch/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOON INT64_C(1767268800000) /* 2026-01-01T12:00:00Z */

static const char app_text[] =
    "tenant: acme\nevents:\n  time: { field: t, format: unix }\n  fields: { k: int }\n"
    "streams:\n  - { name: s, key: [k], window: { tumbling: 1h }, select: { n: count() } }\n";

enum { NUMBER, GENERATION, FIRST, LAST, SUM, NUMBERS };

struct message {
    char file[1024];
    int64_t numbers[NUMBERS];
    char *key, *body;
    size_t key_len, len;
    bool rewound, no_sum;
};

static void read_kept(const char *name, struct message *m)
{
    char path[64];
    *m = (struct message){.rewound = strcmp(name, "rewound-1") == 0};
    snprintf(path, sizeof path, "tests/data/batch/%s", name);
    FILE *in = fopen(path, "rb");
    if (!in)
        fail_msg("%s: run this test in the source's directory", path);
    size_t n = fread(m->file, 1, sizeof m->file - 1, in);
    fclose(in);
    char *at = m->file;
    for (int i = 0; i < NUMBERS; i++)
        m->numbers[i] = strtoll(at, &at, 10);
    m->key = at + 1;
    at = strchr(m->key, '\n');
    assert_non_null(at);
    m->key_len = (size_t)(at - m->key);
    m->body = at + 1;
    m->len = n - (size_t)(m->body - m->file);
}

static void step(struct batch_core *core, struct batch_event *e, int64_t mono)
{
    e->mono_ms = mono;
    e->wall_ms = NOON + mono;
    batch_core_step(core, e);
}

static bool take(struct batch_core *core, enum batch_effect_kind kind, struct batch_effect *e)
{
    while (batch_core_effect(core, e))
        if (e->kind == kind)
            return true;
    return false;
}

static struct batch_core *new_core(void)
{
    const struct batch_options o = {.tenant = "acme", .generation = 2, .prefetch = 100};
    struct batch_event begin = {.kind = BATCH_START}, loaded = {.kind = BATCH_LOADED},
                       connected = {.kind = BATCH_CONNECTED};
    struct app_diags diags;
    struct batch_effect e;
    struct batch_core *core = batch_core_new(&o);
    step(core, &begin, 0);
    assert_true(take(core, BATCH_LOAD, &e));
    loaded.op = e.op;
    loaded.loaded.source = (struct source){.epoch = 3, .generation = 2, .offset = -1};
    loaded.loaded.app = app_load(app_text, sizeof app_text - 1, "acme", &diags);
    loaded.loaded.version = 1;
    assert_non_null(loaded.loaded.app);
    app_diags_free(&diags);
    step(core, &loaded, 0);
    assert_true(take(core, BATCH_CONNECT, &e));
    connected.op = e.op;
    step(core, &connected, 0);
    return core;
}

static char *exact(const char *p, size_t len) /* the sanitizer sees a read behind its end */
{
    char *copy = malloc(len ? len : 1);
    memcpy(copy, p, len);
    return copy;
}

static void deliver(struct batch_core *core, const struct message *m, int64_t offset)
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
    step(core, &e, 10);
    free(key);
    free(body);
    step(core, &(struct batch_event){.kind = BATCH_TIMER}, 10000);
}

static void expect_stored(const struct message *m)
{
    struct batch_effect e;
    struct batch_core *core = new_core();
    deliver(core, m, 0);
    assert_true(take(core, BATCH_STORE, &e));
    assert_int_equal(e.source.number, 1);
    assert_int_equal(e.withdraw, m->rewound);
    assert_int_equal(e.row_count, !m->rewound);
    if (m->rewound)
        assert_int_equal(e.withdraw_from, INT64_C(1767261600000));
    else {
        assert_string_equal(e.rows[0].key, "[1161114001,\"näyt\"]");
        assert_int_equal(e.rows[0].window_start, NOON - 7200000);
        assert_int_equal(e.rows[0].revision, 2);
        assert_int_equal(e.rows[0].last_offset, 40017);
        assert_int_equal(e.rows[0].body_len, m->len);
        assert_memory_equal(e.rows[0].body, m->body, m->len);
    }
    batch_core_free(&core);
}

/* With nothing of it stored; true: it says so. */
static bool has_stopped(struct batch_core *core, const char *words, const char *what, size_t where)
{
    struct batch_effect e;
    bool stopped = false;
    while (batch_core_effect(core, &e)) {
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
    struct batch_core *core = new_core();
    deliver(core, m, 0);
    bool stopped = has_stopped(core, "the message at offset 0 of the result queue is damaged", what, where);
    if (!stopped && m->numbers[GENERATION] != 2) {
        struct message next = *m;
        next.numbers[GENERATION] = 2;
        next.numbers[NUMBER] = 2;
        next.no_sum = true;
        deliver(core, &next, 1);
        stopped = has_stopped(core, "numbers 1 to 1 are missing", what, where);
    }
    if (!stopped)
        fail_msg("%s %zu: does not stop the worker", what, where);
    batch_core_free(&core);
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
