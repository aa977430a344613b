/* Files cut short, and with bits flipped: every call answers, with what there was or with an error that says so. SQLite
 * has no checksum over its pages: a flip within a value is not seen here (docs/formats.md tells what sees it); one in
 * the file's head and the structure of its pages is. */
#include "coredms/contract.h"
#include "coredms/sqlite/store.h"

#include "base/files.h"
#include "base/mem.h"

#include <unistd.h>

#define EVERY_BIT 100 /* bytes: SQLite's own head of the file */

struct damaged {
    struct test test;
    char directory[64], path[128];
    struct buf file;
};

static const char *const names[] = {"registry.db", "tenants/acme/stream.db", "tenants/acme/batch.db"};

static void fill(struct test *t)
{
    const struct result_row rows[] = {contract_result("a", "[1]", 0, "{\"n\":7}"),
                                      contract_result("a", "[2]", 300000, "{\"n\":8}")};
    struct checkpoint_head head;
    struct source source;
    OK(coredms_open(t->uri, "acme", WRITES_ALL, &t->db, &t->err));
    OK(checkpoint_raise(t->db, 1, &head, &t->err));
    head.number = 1;
    head.state_epoch = head.epoch;
    head.chunk_count = 1;
    head.bytes = 5;
    head.offset = 41;
    OK(checkpoint_save(t->db, &head, "state", 5, &t->err));
    checkpoint_head_free(&head);
    OK(history_raise(t->db, 1, &source, &t->err));
    source.number = 2;
    OK(history_put(t->db, rows, 2, &source, &t->err));
    coredms_close(&t->db);
}

static int set_up(void **state)
{
    struct damaged *d = mem_zero(1, sizeof *d);
    strcpy(d->directory, "/tmp/belltower-damage-XXXXXX");
    assert_non_null(mkdtemp(d->directory));
    d->test.uri = mem_printf("sqlite:%s", d->directory);
    fill(&d->test);
    *state = d;
    return 0;
}

static int tear_down(void **state)
{
    struct damaged *d = *state;
    coredms_close(&d->test.db);
    assert_int_equal(files_remove_tree(d->directory), 0);
    free(d->test.uri);
    buf_free(&d->file);
    free(d);
    return 0;
}

static void take_file(struct damaged *d, const char *name)
{
    snprintf(d->path, sizeof d->path, "%s/%s", d->directory, name);
    FILE *in = fopen(d->path, "rb");
    size_t n;
    assert_non_null(in);
    buf_clear(&d->file);
    while ((n = fread(buf_reserve(&d->file, 4096), 1, 4096, in)) > 0)
        d->file.len += n;
    fclose(in);
    assert_true(d->file.len >= 4096);
}

static void put_file(const struct damaged *d, size_t len)
{
    FILE *out = fopen(d->path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(d->file.data, 1, len, out), len);
    assert_int_equal(fclose(out), 0);
}

static bool see(void *context, const struct result_row *r)
{
    buf_printf(context, "%s %s %lld %s\n", r->stream, r->key, (long long)r->window_start, r->body);
    return true;
}

/* What a reader sees of all three files, or why it does not. */
static bool look(struct test *t, struct buf *seen)
{
    const struct history_filter all = {.to = INT64_MAX};
    struct checkpoint_head head = {0};
    struct tenant_row *tenants = NULL;
    struct buf bytes = {0};
    size_t count = 0;
    buf_clear(seen);
    t->err = (struct err){0};
    bool ok = coredms_open(t->uri, "acme", COREDMS_READS, &t->db, &t->err) == 0 &&
              registry_list(t->db, &tenants, &count, &t->err) == 0;
    for (size_t i = 0; i < count; i++)
        tenant_row_free(&tenants[i]);
    free(tenants);
    if (ok && checkpoint_head(t->db, &head, &t->err) == 0) {
        ok = checkpoint_load(t->db, &head, &bytes, &t->err) == 0;
        buf_printf(seen, "%lld %.*s\n", (long long)head.offset, (int)bytes.len, bytes.len ? bytes.data : "");
        checkpoint_head_free(&head);
    } else {
        ok = false;
    }
    ok = ok && history_query(t->db, &all, 10, NULL, NULL, see, seen, &t->err) == 0;
    buf_printf(seen, "%zu tenants", count);
    coredms_close(&t->db);
    buf_free(&bytes);
    if (!ok)
        assert_true(t->err.code != ERR_NONE && t->err.text[0]);
    return ok;
}

/* true: refused; *changed counts what is seen otherwise than it was. */
static bool refused(struct damaged *d, const char *whole, size_t *changed)
{
    struct buf seen = {0};
    bool ok = look(&d->test, &seen);
    *changed += ok && strcmp(buf_cstr(&seen), whole) != 0;
    buf_free(&seen);
    return !ok;
}

static void whole_text(struct damaged *d, struct buf *whole)
{
    if (!look(&d->test, whole))
        fail_msg("%s", d->test.err.text);
    assert_non_null(strstr(buf_cstr(whole), "41 state\na [1] 0 {\"n\":7}\na [2] 300000 {\"n\":8}\n"));
}

static void test_cut_short(void **state)
{
    struct damaged *d = *state;
    struct buf whole = {0};
    whole_text(d, &whole);
    for (size_t i = 1; i < COUNT(names); i++) {
        size_t changed = 0, refusals = 0, tries = 0;
        take_file(d, names[i]);
        for (size_t len = 1; len < d->file.len; len += len < EVERY_BIT ? 1 : 97, tries++) {
            put_file(d, len);
            refusals += refused(d, buf_cstr(&whole), &changed);
            if (changed)
                fail_msg("%s: cut to %zu of %zu bytes it reads as another", names[i], len, d->file.len);
        }
        put_file(d, d->file.len);
        assert_true(refusals > tries / 2);
    }
    buf_free(&whole);
}

static void test_bits_flipped(void **state)
{
    struct damaged *d = *state;
    struct buf whole = {0};
    whole_text(d, &whole);
    for (size_t i = 0; i < COUNT(names); i++) {
        size_t changed = 0, refusals = 0;
        take_file(d, names[i]);
        for (size_t bit = 0; bit < d->file.len * 8; bit += bit < EVERY_BIT * 8     ? 1
                                                           : d->file.data[bit / 8] ? 41
                                                                                   : 1021) {
            d->file.data[bit / 8] ^= (char)(1 << bit % 8);
            put_file(d, d->file.len);
            refusals += refused(d, buf_cstr(&whole), &changed);
            d->file.data[bit / 8] ^= (char)(1 << bit % 8);
            if (bit < EVERY_BIT * 8 && changed)
                fail_msg("%s: bit %zu of its head changes what is read", names[i], bit);
        }
        put_file(d, d->file.len);
        assert_true(refusals > 100);
        print_message("%s: %zu flips refused, %zu within values\n", names[i], refusals, changed);
    }
    buf_free(&whole);
}

#define DAMAGE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {DAMAGE_TEST(test_cut_short), DAMAGE_TEST(test_bits_flipped)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
