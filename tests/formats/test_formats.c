/* What passes between our processes, as version 1 wrote it: read whole, cut short at every byte, with every bit
 * flipped. Neither has a checksum: the kernel carries them between processes of one machine. So what is not refused
 * must be read as just the bytes that came, and within its bounds. */
#include "tests/formats/formats.h"

#include "base/files_fixture.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fcntl.h>

#include <cmocka.h>

static const int kinds[] = {CTL_RELOAD,  CTL_WANT,        CTL_WANT_END, CTL_PROVISION, CTL_LIST,
                            CTL_RESTART, CTL_PROVISIONED, CTL_WORKER,   CTL_LIST_END,  CTL_GONE};

static void read_kept(const char *name, const char *suffix, struct buf *out)
{
    char path[128];
    snprintf(path, sizeof path, "tests/formats/%s%s", name, suffix);
    read_whole(path, out);
}

static void expect_text(const char *name, struct buf *text)
{
    struct buf kept = {0};
    read_kept(name, ".txt", &kept);
    assert_string_equal(buf_cstr(text), kept.data);
    buf_free(&kept);
    buf_free(text);
}

static void each_control(void (*check)(const char *name, struct buf *kept))
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct buf kept = {0};
        char name[64];
        snprintf(name, sizeof name, "control-1-%d", kinds[i]);
        read_kept(name, "", &kept);
        check(name, &kept);
        buf_free(&kept);
    }
}

static void control_is_read(const char *name, struct buf *kept)
{
    struct control c;
    struct err err;
    struct buf text = {0}, again = {0};
    if (control_decode(kept->data, kept->len, &c, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    describe_control(&c, &text);
    expect_text(name, &text);
    control_encode(&c, &again);
    assert_int_equal(again.len, kept->len);
    assert_memory_equal(again.data, kept->data, kept->len);
    buf_free(&again);
}

static void refused(const void *p, size_t len)
{
    struct control c;
    struct err err = {0};
    assert_int_equal(control_decode(p, len, &c, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_true(err.text[0] != 0);
}

static void control_is_cut(const char *name, struct buf *kept)
{
    (void)name;
    for (size_t len = 0; len < kept->len; len++) {
        char *exact = malloc(len ? len : 1); /* of just this size, so that a read behind it is caught */
        memcpy(exact, kept->data, len);
        refused(exact, len);
        free(exact);
    }
    buf_add_char(kept, 0);
    refused(kept->data, kept->len);
}

static void control_is_flipped(const char *name, struct buf *kept)
{
    size_t refusals = 0;
    for (size_t bit = 0; bit < kept->len * 8; bit++) {
        struct control c;
        struct err err = {0};
        struct buf again = {0};
        kept->data[bit / 8] ^= (char)(1 << bit % 8);
        if (control_decode(kept->data, kept->len, &c, &err) == 0) {
            control_encode(&c, &again);
            assert_int_equal(again.len, kept->len);
            assert_memory_equal(again.data, kept->data, kept->len);
        } else {
            assert_int_equal(err.code, ERR_INVALID);
            assert_true(err.text[0] != 0);
            refusals++;
        }
        buf_free(&again);
        kept->data[bit / 8] ^= (char)(1 << bit % 8);
    }
    if (refusals < 80) /* the version, lengths, enumerations */
        fail_msg("%s: only %zu flips are refused", name, refusals);
}

static void control_messages_are_read(void **state)
{
    (void)state;
    each_control(control_is_read);
}

static void control_messages_cut_short_are_refused(void **state)
{
    (void)state;
    each_control(control_is_cut);
}

static void control_messages_with_a_bit_flipped(void **state)
{
    (void)state;
    each_control(control_is_flipped);
}

/* ---- the page ---- */

static int page_file(const void *p, size_t len, bool sealed)
{
    int fd = memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, p, len), len);
    if (sealed)
        assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    return fd;
}

static void page_refused(const void *p, size_t len, bool sealed)
{
    const struct status_page *page = NULL;
    struct err err = {0};
    int fd = page_file(p, len, sealed);
    assert_int_equal(page_map(fd, &page, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_true(err.text[0] != 0);
    assert_null(page);
    close(fd);
}

static void the_page_is_read(void **state)
{
    struct buf kept = {0}, text = {0};
    const struct status_page *page;
    struct err err;
    (void)state;
    read_kept("page-1", "", &kept);
    assert_int_equal(kept.len, sizeof *page);
    int fd = page_file(kept.data, kept.len, true);
    if (page_map(fd, &page, &err) < 0)
        fail_msg("%s", err.text);
    describe_page(page, &text);
    expect_text("page-1", &text);
    page_unmap(&page);
    close(fd);
    buf_free(&kept);
}

static void a_page_cut_short_is_refused(void **state)
{
    struct buf kept = {0};
    (void)state;
    read_kept("page-1", "", &kept);
    for (size_t len = 0; len < kept.len; len++)
        page_refused(kept.data, len, true);
    page_refused(kept.data, kept.len, false);
    buf_add_char(&kept, 0);
    page_refused(kept.data, kept.len, true);
    buf_free(&kept);
}

/* Counters are whatever they are; texts stay within their bounds and are valid. */
static void look_at(const struct status_page *page)
{
    char words[PAGE_WORDS];
    struct buf detail = {0};
    page_words(page, words);
    assert_true(memchr(words, 0, sizeof words) != NULL);
    assert_true(utf8_valid(words, strlen(words)));
    assert_non_null(page_state_name(atomic_load(&page->state)));
    if (page_detail(page, &detail))
        assert_true(detail.len <= PAGE_DETAIL);
    buf_free(&detail);
}

static void a_page_with_a_bit_flipped(void **state)
{
    struct buf kept = {0};
    (void)state;
    read_kept("page-1", "", &kept);
    for (size_t bit = 0; bit < 8 * 8; bit++) { /* its magic and version */
        kept.data[bit / 8] ^= (char)(1 << bit % 8);
        page_refused(kept.data, kept.len, true);
        kept.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    int fd = page_file(kept.data, kept.len, true);
    unsigned char *bytes = mmap(NULL, kept.len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(bytes != MAP_FAILED);
    const struct status_page *page;
    struct err err;
    assert_int_equal(page_map(fd, &page, &err), 0);
    size_t flipped = offsetof(struct status_page, detail) + 256;
    for (size_t bit = 64; bit < flipped * 8; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        look_at(page);
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    page_unmap(&page);
    munmap(bytes, kept.len);
    close(fd);
    buf_free(&kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_messages_are_read),           cmocka_unit_test(control_messages_cut_short_are_refused),
        cmocka_unit_test(control_messages_with_a_bit_flipped), cmocka_unit_test(the_page_is_read),
        cmocka_unit_test(a_page_cut_short_is_refused),         cmocka_unit_test(a_page_with_a_bit_flipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
