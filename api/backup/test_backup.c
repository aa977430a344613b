/* Backups without a server: from one store into another; each damage refused; the format as it was in version 1. */
#include "api/backup/check.h"
#include "api/backup/load.h"
#include "api/backup/save.h"
#include "api/backup/spool.h"

#include "base/json.h"
#include "base/files.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FIXTURES 2 /* a version each, from 1 */
static const char app_text[] = "tenant: acme\n"
                               "events: { time: { field: t, format: unix_ms }, fields: { n: int } }\n"
                               "streams: [ { name: a, key: [n], window: { tumbling: 5m }, select: { c: count() } } ]\n"
                               "jobs: [ { name: daily, from: a, period: day, schedule: \"5 0 * * *\", timezone: UTC,"
                               " select: { c: sum(c) } } ]\n";

struct test {
    char directory[64], *uri, *other; /* two stores */
    struct err err;
};

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        if ((call) != 0)                                                                                               \
            fail_msg("%s: %s: %s", #call, err_code_name(t->err.code), t->err.text);                                    \
    } while (0)

static int set_up(void **state)
{
    struct test *t = mem_zero(1, sizeof *t);
    strcpy(t->directory, "/tmp/belltower-backup-XXXXXX");
    assert_non_null(mkdtemp(t->directory));
    t->uri = mem_printf("sqlite:%s/one", t->directory);
    t->other = mem_printf("sqlite:%s/other", t->directory);
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct test *t = *state;
    assert_int_equal(files_remove_tree(t->directory), 0);
    free(t->uri);
    free(t->other);
    free(t);
    return 0;
}

/* ---- a tenant that has all there is ---- */

#define WRITES (COREDMS_WRITES_REGISTRY | COREDMS_WRITES_STREAM | COREDMS_WRITES_BATCH)

static void fill_registry(struct test *t, struct coredms *db)
{
    struct tenant_row row = {.tenant = (char *)"acme",
                             .title = (char *)"Acme \"A\"",
                             .state = TENANT_RUNNING,
                             .token_hash = (char *)"00ff",
                             .created_ms = 1700000000000,
                             .changed_ms = 1700000000001};
    const struct run_row request = {.id = (char *)"asked",
                                    .job = (char *)"daily",
                                    .cause = RUN_ON_DEMAND,
                                    .generation = 1,
                                    .version = 1,
                                    .from = -1,
                                    .to = -1,
                                    .created_ms = 5,
                                    .request = (char *)"{\"id\":\"asked\"}"};
    uint32_t version;
    OK(registry_add(db, &row, app_text, strlen(app_text), &t->err));
    for (uint32_t v = 1; v <= 2; v++)
        OK(registry_add_app(db, "acme", v, NULL, app_text, strlen(app_text), &version, &t->err));
    OK(registry_app_published(db, "acme", 2, &t->err));
    OK(request_add(db, "acme", &request, &t->err));
}

static void save_state(struct test *t, struct coredms *db, struct checkpoint_head *raised, const char *state,
                       size_t len)
{
    struct checkpoint_head h = {.epoch = raised->epoch,
                                .number = ++raised->number,
                                .generation = raised->generation,
                                .chunk_count = (uint32_t)((len + CHECKPOINT_CHUNK_BYTES - 1) / CHECKPOINT_CHUNK_BYTES),
                                .bytes = len,
                                .offset = (int64_t)raised->number * 10,
                                .message_hash = UINT64_MAX - raised->number,
                                .saved_ms = 1700000001000 + (int64_t)raised->number,
                                .info = (char *)"{\"result_number\":3}"};
    OK(checkpoint_save(db, &h, state, len, &t->err));
}

static void fill_checkpoints(struct test *t, struct coredms *db)
{
    static char large[CHECKPOINT_CHUNK_BYTES + 1000];
    struct checkpoint_head first, second;
    const struct skip_row skip = {1, 7, 7, SKIP_POISON, 1700000000500};
    struct rewind_row rewind = {.to_ms = INT64_MIN, .to_offset = 9, .version = 3, .at_ms = 6, .log_generation = 1};
    OK(checkpoint_raise(db, 1, &first, &t->err));
    save_state(t, db, &first, "of generation 1", 15);
    OK(checkpoint_keep(db, first.epoch, 1, &t->err));
    rewind.base_epoch = first.epoch;
    rewind.base_number = first.number;
    OK(registry_rewind(db, "acme", 1, &rewind, &t->err));
    OK(checkpoint_raise(db, 2, &second, &t->err));
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (char)(i * 7 >> 3);
    save_state(t, db, &second, large, sizeof large);
    OK(skip_add(db, &skip, &t->err));
    checkpoint_head_free(&first);
    checkpoint_head_free(&second);
}

static struct result_row result(uint64_t generation, const char *key, int64_t start, int64_t number)
{
    static const char body[] = "{\"n\":1,\"s\":\"\\u0000\\n\xc3\xa4\"}";
    return (struct result_row){.generation = generation,
                               .number = number,
                               .stream = "a",
                               .key = key,
                               .window_start = start,
                               .window_end = start + 300000,
                               .body = body,
                               .body_len = sizeof body - 1,
                               .first_offset = 3,
                               .last_offset = 5};
}

static void fill_runs(struct test *t, struct coredms *db, const struct source *source)
{
    static const char report[] = "{\"rows\":[]}";
    const struct run_row runs[] = {{.id = (char *)"r1",
                                    .job = (char *)"daily",
                                    .cause = RUN_ON_SCHEDULE,
                                    .state = RUN_DONE,
                                    .to = 86400000,
                                    .created_ms = 10,
                                    .started_ms = 11,
                                    .ended_ms = 12,
                                    .complete = true,
                                    .published = true,
                                    .row_count = 1},
                                   {.id = (char *)"r2",
                                    .job = (char *)"daily",
                                    .cause = RUN_ON_TRIGGER,
                                    .state = RUN_QUEUED,
                                    .from = -1,
                                    .to = -1,
                                    .created_ms = 20,
                                    .request = (char *)"{\"trigger\":\"x\"}"},
                                   {.id = (char *)"r3",
                                    .job = (char *)"gone",
                                    .cause = RUN_ON_DEMAND,
                                    .state = RUN_FAILED,
                                    .created_ms = 30,
                                    .ended_ms = 31,
                                    .error = (char *)"too slow"}};
    bool inserted;
    for (size_t i = 0; i < 3; i++)
        OK(run_insert(db, &runs[i], &inserted, &t->err));
    OK(run_update(db, &runs[0], source->epoch, report, sizeof report - 1, &t->err));
}

static void fill_history(struct test *t, struct coredms *db)
{
    struct source source;
    size_t count;
    const struct result_row first[] = {result(1, "[1]", 0, 1), result(1, "[1]", 300000, 2),
                                       result(1, "[2]", 300000, 3)};
    const struct result_row again = result(2, "[1]", 300000, 1);
    OK(history_raise(db, 1, &source, &t->err));
    OK(history_put(db, first, 3, &source, &t->err));
    OK(history_raise(db, 2, &source, &t->err));
    source.offset = 17;
    source.number = 5;
    source.stored_ms = 1700000002000;
    OK(history_put(db, &again, 1, &source, &t->err));
    OK(history_withdraw(db, 300000, &source, &count, &t->err));
    assert_int_equal(count, 1);
    fill_runs(t, db, &source);
}

static void fill(struct test *t)
{
    struct coredms *db;
    OK(coredms_open(t->uri, "acme", WRITES, &db, &t->err));
    fill_registry(t, db);
    fill_checkpoints(t, db);
    fill_history(t, db);
    coredms_close(&db);
}

/* ---- saving, checking, loading ---- */

static int append(void *context, const void *p, size_t len, struct err *err)
{
    (void)err;
    buf_add(context, p, len);
    return 0;
}

static void save(struct test *t, const char *uri, struct buf *out)
{
    struct backup_out o;
    struct coredms *db;
    struct tenant_row row;
    struct app_diags diags;
    struct app *app = app_load(app_text, strlen(app_text), NULL, &diags);
    app_diags_free(&diags);
    assert_non_null(app);
    OK(coredms_open(uri, "acme", COREDMS_READS, &db, &t->err));
    OK(backup_begin(&o, append, out, &t->err));
    OK(backup_state(&o, db, "acme", &row, &t->err));
    OK(backup_history(&o, db, &row, app, &t->err));
    OK(backup_complete(&o, &t->err));
    backup_out_free(&o);
    tenant_row_free(&row);
    coredms_close(&db);
    app_free(&app);
}

typedef int each_record(void *context, struct record *r, struct err *err);
/* As the API does it, over a text. */
static int walk(struct test *t, const char *text, size_t len, each_record *each, void *context)
{
    struct backup_check check;
    struct spool *spool;
    const char *line;
    size_t n;
    int more = 0, status = 0;
    OK(spool_open(t->directory, &spool, &t->err));
    OK(spool_add(spool, text, len, &t->err));
    OK(spool_rewind(spool, &t->err));
    backup_check_begin(&check);
    while (status == 0 && (more = spool_line(spool, BACKUP_LINE_BYTES, &line, &n, &t->err)) > 0) {
        struct record r;
        status = backup_check_line(&check, line, n, &r, &t->err);
        if (status < 0)
            break;
        if (each)
            status = each(context, &r, &t->err);
        record_free(&r);
    }
    if (status == 0)
        status = more < 0 ? -1 : backup_check_complete(&check, &t->err);
    backup_check_end(&check);
    spool_close(&spool);
    return status;
}

struct loading {
    const char *uri;
    struct backup_load *load;
    struct backup_loaded loaded;
};

static int load_record(void *context, struct record *r, struct err *err)
{
    struct loading *l = context;
    if (r->type == RECORD_TENANT)
        return backup_load_begin(l->uri, r, &l->load, err);
    if (!l->load)
        return 0;
    if (backup_load_record(l->load, r, err) < 0)
        return -1;
    return r->type == RECORD_END ? backup_load_commit(l->load, &l->loaded, err) : 0;
}

static int load(struct test *t, const char *uri, const struct buf *text, struct backup_loaded *loaded)
{
    struct loading l = {.uri = uri};
    int status = walk(t, text->data, text->len, load_record, &l);
    if (status < 0 && l.load)
        backup_load_undo(l.load);
    backup_load_free(&l.load);
    *loaded = l.loaded;
    return status;
}

/* ---- the same on both sides ---- */

/* What may differ: when it was made, how checkpoints are named, how far the queue was read, sums over all that. */
static int write_comparable(void *context, struct record *r, struct err *err)
{
    (void)err;
    r->created_ms = 0;
    r->tenant.rewind.base_epoch = r->tenant.rewind.base_number = 0;
    if (r->type == RECORD_TENANT)
        r->tenant.state = TENANT_RUNNING;
    if (r->type == RECORD_CHECKPOINT) {
        r->head.state_epoch = r->head.number = 0;
        free(r->head.info);
        r->head.info = mem_strdup("{}");
    }
    r->source.offset = r->source.number = 0;
    if (r->type == RECORD_END || r->type == RECORD_COMPLETE) {
        free(r->checksum);
        r->checksum = mem_strdup("");
    }
    record_write(r, context);
    return 0;
}

static void set_running(struct test *t, const char *uri)
{
    struct coredms *db;
    struct tenant_row row;
    OK(coredms_open(uri, NULL, COREDMS_WRITES_REGISTRY, &db, &t->err));
    OK(registry_get(db, "acme", &row, &t->err));
    assert_int_equal(row.state, TENANT_CREATING);
    tenant_row_free(&row);
    OK(registry_set_state(db, "acme", TENANT_RUNNING, false, &t->err));
    coredms_close(&db);
}

/* Both backups say the same, save for when the tenant's state was set. */
static void assert_same(struct test *t, const struct buf *one, const struct buf *other)
{
    struct buf a = {0}, b = {0};
    OK(walk(t, one->data, one->len, write_comparable, &a));
    OK(walk(t, other->data, other->len, write_comparable, &b));
    memset(strstr(buf_cstr(&a), "\"changed_ms\":") + 13, '0', 13);
    memset(strstr(buf_cstr(&b), "\"changed_ms\":") + 13, '0', 13);
    assert_string_equal(a.data, b.data);
    buf_free(&a);
    buf_free(&b);
}

static void test_another_store_has_the_same_then(void **state)
{
    struct test *t = *state;
    struct buf one = {0}, other = {0};
    struct backup_loaded loaded;
    fill(t);
    save(t, t->uri, &one);
    OK(load(t, t->other, &one, &loaded));
    assert_int_equal(loaded.apps, 3);
    assert_int_equal(loaded.requests, 1);
    assert_int_equal(loaded.kept, 1);
    assert_int_equal(loaded.results, 3);
    assert_int_equal(loaded.runs, 3);
    assert_int_equal(loaded.reports, 1);
    set_running(t, t->other);
    save(t, t->other, &other);
    assert_same(t, &one, &other);
    buf_free(&one);
    buf_free(&other);
}

static void test_a_rewind_finds_its_base_again(void **state)
{
    struct test *t = *state;
    struct buf one = {0}, bytes = {0};
    struct backup_loaded loaded;
    struct coredms *db;
    struct tenant_row row;
    struct checkpoint_head *kept;
    size_t count;
    fill(t);
    save(t, t->uri, &one);
    OK(load(t, t->other, &one, &loaded));
    OK(coredms_open(t->other, "acme", COREDMS_READS, &db, &t->err));
    OK(registry_get(db, "acme", &row, &t->err));
    OK(checkpoint_kept(db, &kept, &count, &t->err));
    assert_int_equal(count, 1);
    assert_int_equal(row.rewind.base_epoch, kept[0].state_epoch);
    assert_int_equal(row.rewind.base_number, kept[0].number);
    OK(checkpoint_load(db, &kept[0], &bytes, &t->err));
    assert_string_equal(buf_cstr(&bytes), "of generation 1");
    checkpoint_head_free(&kept[0]);
    free(kept);
    tenant_row_free(&row);
    buf_free(&one);
    buf_free(&bytes);
    coredms_close(&db);
}

/* The checkpoint says result 3, the history is at 5: the queue is read again from result 4 on. */
static void test_results_ahead_of_the_checkpoint_come_again(void **state)
{
    struct test *t = *state;
    struct buf one = {0};
    struct backup_loaded loaded;
    struct coredms *db;
    struct source source;
    struct checkpoint_head head = {.lease_ms = 1};
    bool restored;
    fill(t);
    save(t, t->uri, &one);
    OK(load(t, t->other, &one, &loaded));
    OK(coredms_open(t->other, "acme", COREDMS_READS, &db, &t->err));
    OK(history_source(db, &source, &t->err));
    assert_int_equal(source.generation, 2);
    assert_int_equal(source.offset, -1);
    assert_int_equal(source.number, 3);
    OK(checkpoint_head(db, &head, &t->err));
    assert_int_equal(head.lease_ms, 0);
    assert_true(json_get_bool(head.info, strlen(head.info), "restored", &restored) && restored);
    checkpoint_head_free(&head);
    coredms_close(&db);
    buf_free(&one);
}

static void test_a_tenant_that_is_there_is_not_touched(void **state)
{
    struct test *t = *state;
    struct buf one = {0}, again = {0};
    struct backup_loaded loaded;
    fill(t);
    save(t, t->uri, &one);
    assert_int_equal(load(t, t->uri, &one, &loaded), -1);
    assert_int_equal(t->err.code, ERR_EXISTS);
    save(t, t->uri, &again);
    assert_same(t, &one, &again);
    buf_free(&one);
    buf_free(&again);
}

/* What a restore that was broken off has left is no tenant: the next one takes its place. */
static void test_a_half_made_tenant_makes_room(void **state)
{
    struct test *t = *state;
    struct buf one = {0};
    struct backup_loaded loaded;
    fill(t);
    save(t, t->uri, &one);
    OK(load(t, t->other, &one, &loaded));
    OK(load(t, t->other, &one, &loaded)); /* nobody set its state: it is TENANT_CREATING */
    assert_int_equal(loaded.results, 3);
    buf_free(&one);
}

/* Removed with its data kept: what was stored behind the backup stays, and nothing older takes its place. */
static void test_kept_data_is_not_lost(void **state)
{
    struct test *t = *state;
    struct buf one = {0}, other = {0};
    struct backup_loaded loaded;
    struct coredms *db;
    struct source source;
    const struct result_row later = result(2, "[9]", 900000, 6);
    fill(t);
    save(t, t->uri, &one);
    OK(coredms_open(t->uri, "acme", WRITES, &db, &t->err));
    OK(history_raise(db, 2, &source, &t->err));
    OK(history_put(db, &later, 1, &source, &t->err));
    save(t, t->uri, &other);
    OK(registry_set_state(db, "acme", TENANT_REMOVING, true, &t->err));
    OK(registry_drop(db, "acme", &t->err));
    coredms_close(&db);
    OK(load(t, t->uri, &one, &loaded));
    set_running(t, t->uri);
    buf_clear(&one);
    save(t, t->uri, &one);
    assert_same(t, &one, &other);
    buf_free(&one);
    buf_free(&other);
}

static void test_undoing_leaves_nothing(void **state)
{
    struct test *t = *state;
    struct buf one = {0};
    struct loading l = {.uri = t->other};
    struct coredms *db;
    struct tenant_row row;
    struct checkpoint_head head;
    fill(t);
    save(t, t->uri, &one);
    OK(walk(t, one.data, one.len, load_record, &l));
    backup_load_undo(l.load);
    backup_load_free(&l.load);
    OK(coredms_open(t->other, "acme", COREDMS_READS, &db, &t->err));
    assert_int_equal(registry_get(db, "acme", &row, &t->err), -1);
    assert_int_equal(t->err.code, ERR_NOT_FOUND);
    assert_int_equal(checkpoint_head(db, &head, &t->err), -1);
    assert_int_equal(t->err.code, ERR_NOT_FOUND);
    coredms_close(&db);
    buf_free(&one);
}

/* ---- damage ---- */

static void read_fixture(int version, struct buf *out)
{
    char bytes[4096], path[64];
    size_t n;
    snprintf(path, sizeof path, "api/backup/fixtures/version_%d.backup", version);
    FILE *in = fopen(path, "r");
    if (!in)
        fail_msg("%s: run this test in the source's directory", path);
    buf_clear(out);
    while ((n = fread(bytes, 1, sizeof bytes, in)) > 0)
        buf_add(out, bytes, n);
    fclose(in);
}

static void test_version_1_is_read(void **state)
{
    struct test *t = *state;
    struct buf text = {0};
    struct backup_loaded loaded;
    read_fixture(1, &text);
    OK(load(t, t->other, &text, &loaded));
    assert_int_equal(loaded.results, 3);
    assert_int_equal(loaded.kept, 1);
    assert_int_equal(loaded.runs, 3);
    buf_free(&text);
}

static void refused(struct test *t, const char *text, size_t len)
{
    memset(&t->err, 0, sizeof t->err);
    if (walk(t, text, len, NULL, NULL) == 0)
        fail_msg("taken: %.200s", text);
    assert_true(t->err.code == ERR_INVALID || t->err.code == ERR_TOO_LARGE);
    assert_true(t->err.text[0] != 0);
}

static int count_left_out(void *context, struct record *r, struct err *err)
{
    (void)err;
    if (r->type == RECORD_LEFT_OUT)
        ++*(int *)context;
    return 0;
}

/* The fixture has one that was left out in the middle, and one before it began. */
static void test_version_2_is_read(void **state)
{
    struct test *t = *state;
    struct buf text = {0};
    int left_out = 0;
    read_fixture(2, &text);
    OK(walk(t, text.data, text.len, count_left_out, &left_out));
    assert_int_equal(left_out, 2);
    buf_free(&text);
}

static void test_one_that_fails_in_the_middle_is_left_out(void **state)
{
    struct test *t = *state;
    struct backup_out o;
    struct coredms *db;
    struct tenant_row row;
    struct buf out = {0};
    struct err why;
    int left_out = 0;
    fill(t);
    err_set(&why, ERR_DAMAGED, "batch.db: is damaged");
    OK(coredms_open(t->uri, "acme", COREDMS_READS, &db, &t->err));
    OK(backup_begin(&o, append, &out, &t->err));
    OK(backup_left_out(&o, "before", &why, &t->err));
    OK(backup_state(&o, db, "acme", &row, &t->err));
    OK(backup_left_out(&o, "acme", &why, &t->err));
    OK(backup_complete(&o, &t->err));
    backup_out_free(&o);
    tenant_row_free(&row);
    coredms_close(&db);
    OK(walk(t, out.data, out.len, count_left_out, &left_out));
    assert_int_equal(left_out, 2);
    buf_free(&out);
}

static void cut_at_every_byte(struct test *t, struct buf *text)
{
    for (size_t len = 0; len < text->len; len++)
        refused(t, text->data, len);
}

static void flip_every_bit(struct test *t, struct buf *text)
{
    for (size_t i = 0; i < text->len; i++)
        for (int bit = 0; bit < 8; bit++) {
            text->data[i] = (char)(text->data[i] ^ 1 << bit);
            refused(t, text->data, text->len);
            text->data[i] = (char)(text->data[i] ^ 1 << bit);
        }
    OK(walk(t, text->data, text->len, NULL, NULL));
}

static void drop_and_repeat_every_line(struct test *t, struct buf *text)
{
    struct buf without = {0};
    for (const char *line = text->data, *end = text->data + text->len; line < end;) {
        const char *next = (const char *)memchr(line, '\n', (size_t)(end - line)) + 1;
        buf_clear(&without);
        buf_add(&without, text->data, (size_t)(line - text->data));
        buf_add(&without, next, (size_t)(end - next));
        refused(t, without.data, without.len);
        buf_clear(&without);
        buf_add(&without, text->data, (size_t)(next - text->data));
        buf_add(&without, line, (size_t)(end - line)); /* twice */
        refused(t, without.data, without.len);
        line = next;
    }
    buf_free(&without);
}

static void of_all_versions(struct test *t, void (*damage)(struct test *t, struct buf *text))
{
    struct buf text = {0};
    for (int version = 1; version <= FIXTURES; version++) {
        read_fixture(version, &text);
        damage(t, &text);
    }
    buf_free(&text);
}

static void test_cut_at_every_byte(void **state)
{
    of_all_versions(*state, cut_at_every_byte);
}

static void test_flipped_in_every_bit(void **state)
{
    of_all_versions(*state, flip_every_bit);
}

static void test_every_line_is_needed(void **state)
{
    of_all_versions(*state, drop_and_repeat_every_line);
}

#define BACKUP_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BACKUP_TEST(test_another_store_has_the_same_then),
        BACKUP_TEST(test_a_rewind_finds_its_base_again),
        BACKUP_TEST(test_results_ahead_of_the_checkpoint_come_again),
        BACKUP_TEST(test_a_tenant_that_is_there_is_not_touched),
        BACKUP_TEST(test_a_half_made_tenant_makes_room),
        BACKUP_TEST(test_kept_data_is_not_lost),
        BACKUP_TEST(test_undoing_leaves_nothing),
        BACKUP_TEST(test_version_1_is_read),
        BACKUP_TEST(test_version_2_is_read),
        BACKUP_TEST(test_one_that_fails_in_the_middle_is_left_out),
        BACKUP_TEST(test_cut_at_every_byte),
        BACKUP_TEST(test_flipped_in_every_bit),
        BACKUP_TEST(test_every_line_is_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
