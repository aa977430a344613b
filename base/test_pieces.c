/* Pieces depend on the bytes alone, not on how they are read. */
#include "base/pieces.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct seen {
    size_t lens[4000];
    uint64_t lines[4000];
    size_t count;
    struct buf all;
};

static int take(void *context, const struct piece *piece, struct err *err)
{
    struct seen *s = context;
    (void)err;
    assert_int_equal(piece->number, s->count);
    s->lens[s->count] = piece->len;
    s->lines[s->count++] = piece->line;
    buf_add(&s->all, piece->p, piece->len);
    return 0;
}

static void cut(const struct buf *file, size_t step, size_t max_lines, struct seen *s)
{
    struct pieces c = {.max_lines = max_lines, .each = take, .context = s};
    struct err err;
    *s = (struct seen){0};
    for (size_t at = 0; at < file->len; at += step)
        assert_int_equal(pieces_add(&c, file->data + at, file->len - at < step ? file->len - at : step, &err), 0);
    assert_int_equal(pieces_end(&c, &err), 0);
    pieces_free(&c);
    assert_int_equal(s->all.len, file->len);
    assert_memory_equal(s->all.data, file->data, file->len);
}

static void make_file(struct buf *file)
{
    unsigned x = 12345;
    for (int i = 0; i < 3000; i++) {
        x = x * 1103515245 + 12345;
        size_t len = x >> 16 & 0xff;
        if (i % 500 == 77)
            len = 300 * 1024;
        if (i % 300 == 200)
            len = 100 * 1024;
        memset(buf_reserve(file, len), 'a' + i % 26, len);
        file->len += len;
        if (i != 2999)
            buf_add_char(file, '\n');
    }
}

static void any_split_of_reads_gives_the_same_pieces(void **state)
{
    (void)state;
    static const size_t steps[] = {7, 1000, 65536, 100000000};
    struct buf file = {0};
    struct seen *first = mem_zero(1, sizeof *first), *other = mem_zero(1, sizeof *other);
    make_file(&file);
    cut(&file, 4096, 0, first);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        cut(&file, steps[i], 0, other);
        assert_int_equal(other->count, first->count);
        assert_memory_equal(other->lens, first->lens, sizeof first->lens);
        assert_memory_equal(other->lines, first->lines, sizeof first->lines);
        buf_free(&other->all);
    }
    for (size_t i = 0; i < first->count; i++) {
        uint64_t next = i + 1 < first->count ? first->lines[i + 1] : 3001;
        assert_true(next - first->lines[i] <= PIECE_LINES);
        assert_true(first->lens[i] <= PIECE_BYTES || next - first->lines[i] == 1);
    }
    buf_free(&first->all);
    buf_free(&file);
    mem_free(first);
    mem_free(other);
}

static void five_hundred_lines_make_a_piece(void **state)
{
    (void)state;
    struct buf file = {0};
    struct seen *s = mem_zero(1, sizeof *s);
    for (int i = 0; i < 1200; i++)
        buf_add_str(&file, "x\n");
    cut(&file, 100, 0, s);
    assert_int_equal(s->count, 3);
    assert_int_equal(s->lines[1], 501);
    assert_int_equal(s->lens[2], 400);
    buf_free(&s->all);
    cut(&file, 100, 100, s);
    assert_int_equal(s->count, 12);
    buf_free(&s->all);
    buf_free(&file);
    mem_free(s);
}

static void lines_of_a_piece(void **state)
{
    (void)state;
    const struct piece p = {.p = "a\r\n\nbc", .len = 6};
    const char *line;
    size_t at = 0, len;
    assert_true(piece_line(&p, &at, &line, &len));
    assert_int_equal(len, 1);
    assert_true(piece_line(&p, &at, &line, &len));
    assert_int_equal(len, 0);
    assert_true(piece_line(&p, &at, &line, &len));
    assert_memory_equal(line, "bc", 2);
    assert_false(piece_line(&p, &at, &line, &len));
}

static void a_line_without_end_is_refused(void **state)
{
    (void)state;
    struct pieces c = {.each = take};
    struct err err = {0};
    char *block = mem_zero(1, 1024 * 1024);
    memset(block, 'x', 1024 * 1024);
    int status = 0;
    for (int i = 0; i < 17 && status == 0; i++)
        status = pieces_add(&c, block, 1024 * 1024, &err);
    assert_int_equal(status, -1);
    assert_int_equal(err.code, ERR_TOO_LARGE);
    pieces_free(&c);
    mem_free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_split_of_reads_gives_the_same_pieces),
        cmocka_unit_test(five_hundred_lines_make_a_piece),
        cmocka_unit_test(lines_of_a_piece),
        cmocka_unit_test(a_line_without_end_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
