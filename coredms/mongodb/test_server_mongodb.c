/* What only a server has: it is away, mute, cuts connections at the worst moment; and how documents look inside. */
#include "coredms/contract.h"

#include "base/clock.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <mongoc/mongoc.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#define SKIPPED 77

static const char *server;

/* ---- a proxy that breaks off: its client's n-th message is the last that passes, or not even that ---- */

enum cut { CUT_NOTHING, CUT_REQUEST, CUT_ANSWER };

struct proxy {
    int listener;
    uint16_t port;
    struct sockaddr_storage target;
    socklen_t target_len;
    pthread_t thread;
    atomic_int cut;   /* enum cut */
    atomic_long left; /* messages until then */
    atomic_bool over;
};

/* One whole message; false when the peer is gone. */
static bool read_message(int fd, struct buf *out)
{
    uint32_t len;
    buf_clear(out);
    if (recv(fd, &len, sizeof len, MSG_WAITALL) != sizeof len || len < 16 || len > 100000000)
        return false;
    buf_add(out, &len, sizeof len);
    char *rest = buf_reserve(out, len - sizeof len);
    if (recv(fd, rest, len - sizeof len, MSG_WAITALL) != (ssize_t)(len - sizeof len))
        return false;
    out->len = len;
    return true;
}

static bool write_message(int fd, const struct buf *b)
{
    for (size_t at = 0; at < b->len;) {
        ssize_t n = send(fd, b->data + at, b->len - at, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

/* Request and answer; false ends the connection. */
static bool pass_one(struct proxy *p, int client, int upstream, struct buf *message)
{
    if (!read_message(client, message))
        return false;
    int cut = atomic_load(&p->cut);
    bool now = cut != CUT_NOTHING && atomic_fetch_sub(&p->left, 1) == 1;
    if (now)
        atomic_store(&p->cut, CUT_NOTHING);
    if ((now && cut == CUT_REQUEST) || !write_message(upstream, message) || !read_message(upstream, message))
        return false;
    return !(now && cut == CUT_ANSWER) && write_message(client, message);
}

static void *serve(void *context)
{
    struct proxy *p = context;
    struct buf message = {0};
    while (!atomic_load(&p->over)) {
        int client = accept(p->listener, NULL, NULL);
        if (client < 0)
            break;
        int upstream = socket(p->target.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(upstream, (struct sockaddr *)&p->target, p->target_len) == 0)
            while (pass_one(p, client, upstream, &message))
                ;
        close(upstream);
        close(client);
    }
    buf_free(&message);
    return NULL;
}

static int listen_on_loopback(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static void find_target(struct proxy *p)
{
    bson_error_t error;
    struct addrinfo *found, hints = {.ai_socktype = SOCK_STREAM};
    mongoc_uri_t *uri = mongoc_uri_new_with_error(server, &error);
    assert_non_null(uri);
    const mongoc_host_list_t *host = mongoc_uri_get_hosts(uri);
    char port[8];
    snprintf(port, sizeof port, "%u", host->port);
    assert_int_equal(getaddrinfo(host->host, port, &hints, &found), 0);
    memcpy(&p->target, found->ai_addr, found->ai_addrlen);
    p->target_len = found->ai_addrlen;
    freeaddrinfo(found);
    mongoc_uri_destroy(uri);
}

static void proxy_start(struct proxy *p)
{
    *p = (struct proxy){0};
    find_target(p);
    p->listener = listen_on_loopback(&p->port);
    assert_int_equal(pthread_create(&p->thread, NULL, serve, p), 0);
}

/* Its client has closed its connection. */
static void proxy_stop(struct proxy *p)
{
    atomic_store(&p->over, true);
    shutdown(p->listener, SHUT_RDWR); /* wakes accept */
    assert_int_equal(pthread_join(p->thread, NULL), 0);
    close(p->listener);
}

/* ---- the test's own view of its database ---- */

struct fixture {
    struct test test; /* test.db: straight to the server */
    char *name;       /* of the database */
    mongoc_client_t *client;
    struct proxy proxy;
    struct coredms *through; /* through the proxy */
};

/* The server's URI with this database. */
static char *with_database(const char *name)
{
    const char *hosts = strstr(server, "://");
    hosts = hosts ? hosts + 3 : server;
    size_t head = (size_t)(hosts - server) + strcspn(hosts, "/?");
    const char *options = strchr(server, '?');
    return mem_printf("%.*s/%s%s", (int)head, server, name, options ? options : "");
}

static int set_up(void **state)
{
    static unsigned count;
    struct fixture *f = mem_zero(1, sizeof *f);
    struct test *t = &f->test;
    f->name = mem_printf("belltower_server_%lld_%d_%u", (long long)clock_wall_ms(), (int)getpid(), count++);
    t->uri = with_database(f->name);
    f->client = mongoc_client_new(t->uri);
    assert_non_null(f->client);
    OK(coredms_open(t->uri, "acme", WRITES_ALL, &t->db, &t->err));
    proxy_start(&f->proxy);
    char *uri = mem_printf("mongodb://127.0.0.1:%u/%s?directConnection=true&retryWrites=false", f->proxy.port, f->name);
    OK(coredms_open(uri, "acme", WRITES_ALL, &f->through, &t->err));
    free(uri);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    bson_error_t error;
    mongoc_database_t *database = mongoc_client_get_database(f->client, f->name);
    coredms_close(&f->through);
    proxy_stop(&f->proxy);
    coredms_close(&f->test.db);
    if (!mongoc_database_drop(database, &error))
        print_error("the test's database could not be dropped: %s\n", error.message);
    mongoc_database_destroy(database);
    mongoc_client_destroy(f->client);
    free(f->test.uri);
    free(f->name);
    free(f);
    return 0;
}

/* The only document of a collection; the caller destroys it. */
static bson_t *only_document(struct fixture *f, const char *collection)
{
    const bson_t *doc;
    bson_t none = BSON_INITIALIZER, *copy = NULL;
    mongoc_collection_t *c = mongoc_client_get_collection(f->client, f->name, collection);
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(c, &none, NULL, NULL);
    assert_true(mongoc_cursor_next(cursor, &doc));
    copy = bson_copy(doc);
    assert_false(mongoc_cursor_next(cursor, &doc));
    mongoc_cursor_destroy(cursor);
    mongoc_collection_destroy(c);
    return copy;
}

static int64_t count_documents(struct fixture *f, const char *collection)
{
    bson_error_t error;
    bson_t none = BSON_INITIALIZER;
    mongoc_collection_t *c = mongoc_client_get_collection(f->client, f->name, collection);
    int64_t n = mongoc_collection_count_documents(c, &none, NULL, NULL, NULL, &error);
    mongoc_collection_destroy(c);
    return n;
}

/* ---- servers that are not there ---- */

static void test_no_server(void **state)
{
    struct fixture *f = *state;
    struct test *t = &f->test;
    struct coredms *db;
    struct source s;
    uint16_t port;
    char uri[128];
    close(listen_on_loopback(&port)); /* nobody listens there now */
    snprintf(uri, sizeof uri, "mongodb://127.0.0.1:%u/?serverSelectionTimeoutMS=200&connectTimeoutMS=200", port);
    OK(coredms_open(uri, "acme", WRITES_ALL, &db, &t->err));
    int64_t begin = clock_mono_ms();
    FAILS(ERR_UNAVAILABLE, coredms_ping(db, &t->err));
    FAILS(ERR_UNAVAILABLE, history_raise(db, 1, &s, &t->err));
    assert_true(clock_mono_ms() - begin < coredms_block_ms(db));
    coredms_close(&db);
}

static void test_a_mute_server(void **state)
{
    struct fixture *f = *state;
    struct test *t = &f->test;
    struct coredms *db;
    uint16_t port;
    char uri[160];
    int listener = listen_on_loopback(&port); /* takes connections, says nothing */
    snprintf(uri, sizeof uri,
             "mongodb://127.0.0.1:%u/?serverSelectionTimeoutMS=300&connectTimeoutMS=200&socketTimeoutMS=200", port);
    OK(coredms_open(uri, "acme", WRITES_ALL, &db, &t->err));
    int64_t begin = clock_mono_ms();
    FAILS(ERR_UNAVAILABLE, coredms_ping(db, &t->err));
    assert_true(clock_mono_ms() - begin < coredms_block_ms(db));
    coredms_close(&db);
    close(listener);
}

static void test_bad_uris(void **state)
{
    struct fixture *f = *state;
    struct test *t = &f->test;
    struct coredms *db = NULL;
    static const char *const bad[] = {"mongodb://", "mongodb://user:se%cret@host/db",
                                      "mongodb://user:secret@host:99999/", "mongodb://user:secret@host/a b"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        FAILS(ERR_INVALID, coredms_open(bad[i], "acme", 0, &db, &t->err));
        assert_null(strstr(t->err.text, "cret"));
    }
    assert_null(db);
}

static void test_a_newer_schema(void **state)
{
    struct fixture *f = *state;
    struct test *t = &f->test;
    bson_error_t error;
    struct source s;
    mongoc_collection_t *meta = mongoc_client_get_collection(f->client, f->name, "meta");
    bson_t *doc = BCON_NEW("_id", BCON_UTF8("schema"), "version", BCON_INT64(99));
    assert_true(mongoc_collection_insert_one(meta, doc, NULL, NULL, &error));
    bson_destroy(doc);
    mongoc_collection_destroy(meta);
    FAILS(ERR_INVALID, history_raise(t->db, 1, &s, &t->err));
    assert_non_null(strstr(t->err.text, "newer Belltower"));
    struct coredms *reader = contract_open(t, "acme", 0);
    FAILS(ERR_INVALID, history_source(reader, &s, &t->err));
    coredms_close(&reader);
}

static void test_indexes(void **state)
{
    struct fixture *f = *state;
    struct test *t = &f->test;
    static const struct {
        const char *collection;
        int count; /* with _id's */
    } wanted[] = {{"results", 3}, {"checkpoint_chunks", 2}, {"reports", 2}, {"runs", 4}};
    OK(coredms_ping(t->db, &t->err));
    for (size_t i = 0; i < COUNT(wanted); i++) {
        const bson_t *doc;
        int count = 0;
        mongoc_collection_t *c = mongoc_client_get_collection(f->client, f->name, wanted[i].collection);
        mongoc_cursor_t *cursor = mongoc_collection_find_indexes_with_opts(c, NULL);
        while (mongoc_cursor_next(cursor, &doc)) {
            bson_iter_t it, keys;
            assert_true(bson_iter_init_find(&it, doc, "key") && bson_iter_recurse(&it, &keys) && bson_iter_next(&keys));
            assert_true(strcmp(bson_iter_key(&keys), "_id") == 0 || strcmp(bson_iter_key(&keys), "tenant") == 0);
            count++;
        }
        assert_int_equal(count, wanted[i].count);
        mongoc_cursor_destroy(cursor);
        mongoc_collection_destroy(c);
    }
    OK(coredms_ping(f->through, &t->err)); /* once more, by another handle */
}

/* ---- documents ---- */

static void assert_column(const bson_t *doc, const char *path, bson_type_t type)
{
    bson_iter_t it, found;
    assert_true(bson_iter_init(&it, doc));
    if (!bson_iter_find_descendant(&it, path, &found))
        fail_msg("%s is missing", path);
    assert_int_equal(bson_iter_type(&found), type);
}

static void test_columns_are_exact(void **state)
{
    struct fixture *f = *state;
    struct test *t = &f->test;
    struct source s = contract_raise(t);
    bson_iter_t it, found;
    const struct result_row row =
        contract_result("a", "[1]", 1700000100000,
                        "{\"i\":9007199254740993,\"f\":3.0,\"e\":1e3,\"s\":\"a\\u0000b\",\"b\":true,\"z\":null,\"big\":"
                        "18446744073709551616,"
                        "\"i\":-9223372036854775808,\"a.b\":1,\"$set\":1,\"deep\":{\"x\":1},\"list\":[1]}");
    contract_put(t, &s, &row, 1);
    bson_t *doc = only_document(f, "results");
    static const struct {
        const char *path;
        bson_type_t type;
    } wanted[] = {{"tenant", BSON_TYPE_UTF8},
                  {"window_start", BSON_TYPE_DATE_TIME},
                  {"window_end", BSON_TYPE_DATE_TIME},
                  {"generation", BSON_TYPE_INT64},
                  {"v.i", BSON_TYPE_INT64},
                  {"v.f", BSON_TYPE_DOUBLE},
                  {"v.e", BSON_TYPE_DOUBLE},
                  {"v.s", BSON_TYPE_UTF8},
                  {"v.b", BSON_TYPE_BOOL},
                  {"v.z", BSON_TYPE_NULL},
                  {"v.big", BSON_TYPE_DOUBLE}};
    for (size_t i = 0; i < COUNT(wanted); i++)
        assert_column(doc, wanted[i].path, wanted[i].type);
    assert_true(bson_iter_init_find(&it, doc, "v"));
    assert_true(bson_iter_recurse(&it, &found));
    size_t count = 0;
    while (bson_iter_next(&found))
        count++;
    assert_int_equal(count, 7);
    assert_true(bson_iter_init(&it, doc) && bson_iter_find_descendant(&it, "v.i", &found));
    assert_true(bson_iter_int64(&found) == INT64_MIN); /* of a repeated name the last counts */
    assert_true(bson_iter_init_find(&it, doc, "_id"));
    assert_string_equal(bson_iter_utf8(&it, NULL), "acme|a|1700000100000|[1]");
    bson_destroy(doc);
}

static void test_raising_takes_pending_runs_over(void **state)
{
    struct fixture *f = *state;
    struct test *t = &f->test;
    struct run_row run = {.id = (char *)"r", .job = (char *)"job", .from = -1, .to = -1, .created_ms = 5};
    bool inserted;
    contract_raise(t);
    OK(run_insert(t->db, &run, &inserted, &t->err));
    struct source s = contract_raise(t);
    bson_t *doc = only_document(f, "runs");
    bson_iter_t it;
    assert_true(bson_iter_init_find(&it, doc, "epoch"));
    assert_int_equal(bson_iter_as_int64(&it), s.epoch);
    bson_destroy(doc);
}

static void test_nothing_old_is_left(void **state)
{
    struct fixture *f = *state;
    struct test *t = &f->test;
    struct checkpoint_head head;
    struct run_row run = {.id = (char *)"r", .job = (char *)"job", .created_ms = 5};
    bool inserted;
    static char state_bytes[2 * CHECKPOINT_CHUNK_BYTES + 5];
    struct source s = contract_raise(t);
    OK(checkpoint_raise(t->db, 1, &head, &t->err));
    OK(run_insert(t->db, &run, &inserted, &t->err));
    for (int i = 1; i <= 3; i++) {
        head.number++;
        head.bytes = sizeof state_bytes;
        head.chunk_count = 3;
        OK(checkpoint_save(t->db, &head, state_bytes, sizeof state_bytes, &t->err));
        OK(run_update(t->db, &run, s.epoch, state_bytes, sizeof state_bytes, &t->err));
        assert_int_equal(count_documents(f, "checkpoint_chunks"), 3);
        assert_int_equal(count_documents(f, "reports"), 3);
    }
    FAILS(ERR_FENCED, run_update(t->db, &run, s.epoch + 1, "x", 1, &t->err));
    assert_int_equal(count_documents(f, "reports"), 3);
    checkpoint_head_free(&head);
    OK(coredms_purge(t->db, "acme", &t->err));
    static const char *const emptied[] = {"checkpoint_heads", "checkpoint_chunks", "sources", "results", "runs",
                                          "reports"};
    for (size_t i = 0; i < COUNT(emptied); i++)
        assert_int_equal(count_documents(f, emptied[i]), 0);
}

/* ---- connections cut at each message of a call ---- */

struct attempt { /* what is done again and again */
    int (*call)(struct fixture *f, struct err *err);
    void (*check)(struct fixture *f);     /* after it has succeeded */
    void (*unchanged)(struct fixture *f); /* after ERR_UNAVAILABLE */
};

/* Cuts at the n-th message for n = 1, 2, ... until the call ends before; after each cut the same call must succeed on
 * the same handle. */
static void cut_everywhere(struct fixture *f, enum cut cut, const struct attempt *a)
{
    struct test *t = &f->test;
    struct err *err = &t->err;
    int cuts = 0;
    OK(coredms_ping(f->through, err)); /* connected, schema looked at */
    for (long n = 1;; n++) {
        assert_true(n < 40);
        atomic_store(&f->proxy.left, n);
        atomic_store(&f->proxy.cut, cut);
        int status = a->call(f, err);
        bool was_cut = atomic_exchange(&f->proxy.cut, CUT_NOTHING) == CUT_NOTHING;
        if (!was_cut) {
            OK(status);
            break;
        }
        cuts++;
        if (status < 0 && err->code != ERR_UNKNOWN && err->code != ERR_UNAVAILABLE)
            fail_msg("cut %ld: %s: %s", n, err_code_name(err->code), err->text);
        if (status < 0 && err->code == ERR_UNAVAILABLE)
            a->unchanged(f);
        OK(a->call(f, err));
        a->check(f);
    }
    assert_true(cuts > 0);
}

static struct source cut_source;
static const struct result_row cut_rows[] = {{1, 0, 1, "a", "[1]", 0, 300000, "{\"n\":1}", 7, -1, -1, false},
                                             {1, 2, 2, "a", "[2]", 0, 300000, "{\"n\":2}", 7, -1, -1, false},
                                             {1, 1, 3, "a", "[2]", 0, 300000, "{\"n\":9}", 7, -1, -1, false}};

static int put_cut_rows(struct fixture *f, struct err *err)
{
    cut_source.number++;
    return history_put(f->through, cut_rows, 3, &cut_source, err);
}

static bool add_up(void *context, const struct result_row *row)
{
    *(int64_t *)context += 1000 + row->revision;
    return true;
}

static void check_cut_rows(struct fixture *f)
{
    struct test *t = &f->test;
    struct source now;
    int64_t sum = 0;
    const struct history_filter all = {.stream = "a", .to = INT64_MAX};
    OK(history_source(t->db, &now, &t->err));
    assert_int_equal(now.number, cut_source.number);
    OK(history_query(t->db, &all, 10, NULL, NULL, add_up, &sum, &t->err));
    assert_int_equal(sum, 2002);
}

/* The source tells: it is written last. */
static void source_unchanged(struct fixture *f)
{
    struct test *t = &f->test;
    struct source now;
    OK(history_source(t->db, &now, &t->err));
    assert_true(now.number < cut_source.number);
}

static void test_cut_while_storing(void **state)
{
    struct fixture *f = *state;
    cut_source = contract_raise(&f->test);
    cut_source.number = 3;
    cut_everywhere(f, CUT_REQUEST, &(struct attempt){put_cut_rows, check_cut_rows, source_unchanged});
    cut_everywhere(f, CUT_ANSWER, &(struct attempt){put_cut_rows, check_cut_rows, source_unchanged});
}

static struct checkpoint_head cut_head;
static char cut_state[CHECKPOINT_CHUNK_BYTES + 100];

static int save_cut_head(struct fixture *f, struct err *err)
{
    cut_head.number++;
    cut_head.offset = (int64_t)cut_head.number;
    cut_head.chunk_count = 2;
    cut_head.bytes = sizeof cut_state;
    memset(cut_state, (int)('a' + cut_head.number % 26), sizeof cut_state);
    return checkpoint_save(f->through, &cut_head, cut_state, sizeof cut_state, err);
}

static void check_cut_head(struct fixture *f)
{
    struct test *t = &f->test;
    struct checkpoint_head now;
    struct buf out = {0};
    OK(checkpoint_head(t->db, &now, &t->err));
    assert_int_equal(now.number, cut_head.number);
    OK(checkpoint_load(t->db, &now, &out, &t->err));
    assert_int_equal(out.len, sizeof cut_state);
    assert_memory_equal(out.data, cut_state, sizeof cut_state);
    buf_free(&out);
    checkpoint_head_free(&now);
}

static void head_unchanged(struct fixture *f)
{
    struct test *t = &f->test;
    struct checkpoint_head now;
    OK(checkpoint_head(t->db, &now, &t->err));
    assert_true(now.number < cut_head.number);
    checkpoint_head_free(&now);
}

static void test_cut_while_saving(void **state)
{
    struct fixture *f = *state;
    struct test *t = &f->test;
    OK(checkpoint_raise(t->db, 1, &cut_head, &t->err));
    cut_everywhere(f, CUT_REQUEST, &(struct attempt){save_cut_head, check_cut_head, head_unchanged});
    cut_everywhere(f, CUT_ANSWER, &(struct attempt){save_cut_head, check_cut_head, head_unchanged});
    checkpoint_head_free(&cut_head);
}

static struct run_row cut_run;

static int update_cut_run(struct fixture *f, struct err *err)
{
    char report[32];
    snprintf(report, sizeof report, "{\"count\":%lld}", (long long)++cut_run.row_count);
    return run_update(f->through, &cut_run, cut_source.epoch, report, strlen(report), err);
}

/* Row and report always fit each other. */
static void check_cut_run(struct fixture *f)
{
    struct test *t = &f->test;
    struct run_row now;
    char wanted[32], *report;
    size_t len;
    OK(run_get(t->db, "r", &now, &t->err));
    snprintf(wanted, sizeof wanted, "{\"count\":%lld}", (long long)now.row_count);
    assert_int_equal(now.row_count, cut_run.row_count);
    OK(run_report(t->db, "r", &report, &len, &t->err));
    assert_string_equal(report, wanted);
    free(report);
    run_row_free(&now);
}

static void run_unchanged(struct fixture *f)
{
    struct test *t = &f->test;
    struct run_row now;
    OK(run_get(t->db, "r", &now, &t->err));
    assert_true(now.row_count < cut_run.row_count);
    run_row_free(&now);
}

static void test_cut_while_reporting(void **state)
{
    struct fixture *f = *state;
    struct test *t = &f->test;
    bool inserted;
    cut_source = contract_raise(t);
    cut_run = (struct run_row){.id = (char *)"r", .job = (char *)"job", .created_ms = 5};
    OK(run_insert(t->db, &cut_run, &inserted, &t->err));
    cut_everywhere(f, CUT_REQUEST, &(struct attempt){update_cut_run, check_cut_run, run_unchanged});
    cut_everywhere(f, CUT_ANSWER, &(struct attempt){update_cut_run, check_cut_run, run_unchanged});
}

static uint64_t cut_epoch;

static int raise_cut_epoch(struct fixture *f, struct err *err)
{
    struct source s;
    struct checkpoint_head head;
    if (history_raise(f->through, 1, &s, err) < 0 || checkpoint_raise(f->through, 1, &head, err) < 0)
        return -1;
    checkpoint_head_free(&head);
    cut_epoch = s.epoch;
    return 0;
}

static void check_cut_epoch(struct fixture *f)
{
    struct test *t = &f->test;
    struct source s;
    OK(history_source(t->db, &s, &t->err));
    assert_int_equal(s.epoch, cut_epoch);
}

/* A raise too many does no harm. */
static void epoch_unchanged(struct fixture *f)
{
    (void)f;
}

static void test_cut_while_raising(void **state)
{
    struct fixture *f = *state;
    cut_everywhere(f, CUT_REQUEST, &(struct attempt){raise_cut_epoch, check_cut_epoch, epoch_unchanged});
    cut_everywhere(f, CUT_ANSWER, &(struct attempt){raise_cut_epoch, check_cut_epoch, epoch_unchanged});
}

#define SERVER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    server = getenv("BELLTOWER_TEST_MONGODB");
    if (!server || !*server) {
        const char *ci = getenv("CI");
        fprintf(stderr, "SKIPPED: no MongoDB-protocol server: set BELLTOWER_TEST_MONGODB (scripts/test-mongodb start "
                        "DIR)\n");
        return ci && strcmp(ci, "true") == 0 ? 1 : SKIPPED;
    }
    mongoc_init();
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_no_server),
        SERVER_TEST(test_a_mute_server),
        SERVER_TEST(test_bad_uris),
        SERVER_TEST(test_a_newer_schema),
        SERVER_TEST(test_indexes),
        SERVER_TEST(test_columns_are_exact),
        SERVER_TEST(test_raising_takes_pending_runs_over),
        SERVER_TEST(test_nothing_old_is_left),
        SERVER_TEST(test_cut_while_storing),
        SERVER_TEST(test_cut_while_saving),
        SERVER_TEST(test_cut_while_reporting),
        SERVER_TEST(test_cut_while_raising),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
