#include "api/auth.h"
#include "api/openapi.h"
#include "api/problem.h"
#include "api/routes.h"

#include "base/files.h"
#include "base/json.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>

/* ---- addresses ---- */

static void finds_each_row_of_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < route_count; i++) {
        struct route_match m;
        char path[200] = "";
        size_t len = 0;
        for (const char *p = routes[i].pattern; *p; p++) {
            path[len++] = *p == '{' ? 'a' : *p;
            if (*p == '{')
                p += strcspn(p, "}");
        }
        route_find(routes, route_count, routes[i].method, path, &m);
        assert_ptr_equal(m.route, &routes[i]);
        assert_non_null(strstr(m.allow, routes[i].method));
    }
}

static void decodes_parameters(void **state)
{
    struct route_match m;
    (void)state;
    route_find(routes, route_count, "GET", "/v1/tenants/acme/runs/storm%3Aab:2026-01-01T00%3A00%3A00Z/report", &m);
    assert_non_null(m.route);
    assert_string_equal(m.parameters[0], "acme");
    assert_string_equal(m.parameters[1], "storm:ab:2026-01-01T00:00:00Z");
    route_find(routes, route_count, "HEAD", "/v1/tenants/%61cme", &m);
    assert_non_null(m.route);
    assert_string_equal(m.parameters[0], "acme");
}

static void folds_nothing(void **state)
{
    static const char *const paths[] = {"",
                                        "x",
                                        "//",
                                        "/healthz/",
                                        "//healthz",
                                        "/Healthz",
                                        "/v1/tenants/",
                                        "/v1/tenants/..",
                                        "/v1/tenants/.",
                                        "/v1/./tenants",
                                        "/v1/tenants/acme/../acme",
                                        "/v1/tenants/ACME",
                                        "/v1/tenants/acme%2Fapp",
                                        "/v1/tenants/acme%2fapp",
                                        "/v1/tenants/acme/%61pp",
                                        "/v1/tenants/acme/appx",
                                        "/v1/tenants/acme/app/x",
                                        "/v1/tenants/acme/runs/a%2Fb",
                                        "/v1/tenants/acme/runs/a b",
                                        "/v1/tenants/acme/runs/a%20b",
                                        "/v1/tenants/acme/runs/%FF"};
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct route_match m;
        route_find(routes, route_count, "GET", paths[i], &m);
        assert_null(m.route);
        assert_string_equal(m.allow, "");
        assert_false(m.bad);
    }
}

static void tells_malformed_from_missing(void **state)
{
    static const char *const paths[] = {"/v1/tenants/a%", "/v1/tenants/a%2", "/v1/tenants/a%zz", "/v1/tenants/a%00",
                                        "/v1/tenants/acme/runs/%0"};
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct route_match m;
        route_find(routes, route_count, "GET", paths[i], &m);
        assert_null(m.route);
        assert_true(m.bad);
    }
}

static void keeps_long_names_out(void **state)
{
    char path[700] = "/v1/tenants/acme/runs/";
    struct route_match m;
    (void)state;
    memset(path + strlen(path), 'a', 200);
    route_find(routes, route_count, "GET", path, &m);
    assert_non_null(m.route);
    memset(path + strlen(path), 'a', 300);
    route_find(routes, route_count, "GET", path, &m);
    assert_null(m.route);
    char tenant[100] = "/v1/tenants/";
    memset(tenant + strlen(tenant), 'a', 49);
    route_find(routes, route_count, "GET", tenant, &m);
    assert_null(m.route);
}

static void names_the_methods_of_an_address(void **state)
{
    struct route_match m;
    (void)state;
    route_find(routes, route_count, "PATCH", "/v1/tenants/acme", &m);
    assert_null(m.route);
    assert_string_equal(m.allow, "GET, HEAD, DELETE");
    route_find(routes, route_count, "get", "/healthz", &m);
    assert_null(m.route);
    assert_string_equal(m.allow, "GET, HEAD");
}

/* ---- table, handlers, contract ---- */

static bool in_table(const char *name)
{
    for (size_t i = 0; i < route_count; i++)
        if (strcmp(routes[i].name, name) == 0)
            return true;
    return false;
}

static size_t check_handlers_of(const char *path)
{
    struct buf text = {0};
    struct err err;
    char name[100];
    size_t found = 0;
    assert_int_equal(files_read(path, 1 << 20, &text, &err), 0);
    for (const char *p = buf_cstr(&text); (p = strstr(p, "\nvoid handle_")); p++) {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(p + 13, "("), p + 13);
        assert_true(in_table(name));
        found++;
    }
    buf_free(&text);
    return found;
}

static void each_handler_has_a_row_and_each_row_a_handler(void **state)
{
    DIR *d = opendir("api/handlers");
    size_t handlers = 0, names = 0;
    (void)state;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char path[400];
        snprintf(path, sizeof path, "api/handlers/%s", e->d_name);
        if (strstr(e->d_name, ".c"))
            handlers += check_handlers_of(path);
    }
    closedir(d);
    for (size_t i = 0; i < route_count; i++) {
        size_t k = 0;
        assert_non_null(routes[i].handler);
        assert_true(routes[i].answers && routes[i].answers->status && *routes[i].summary);
        while (strcmp(routes[k].name, routes[i].name) != 0)
            k++;
        names += k == i;
    }
    assert_int_equal(handlers, names);
}

static void the_contract_names_each_row(void **state)
{
    struct buf out = {0};
    const char *why = NULL, *paths, *item, *operation;
    size_t len, item_len, operation_len;
    (void)state;
    openapi_write(routes, route_count, &out);
    assert_true(json_valid(out.data, out.len, &why));
    assert_int_equal(json_find(out.data, out.len, "paths", &paths, &len), JSON_OBJECT);
    for (size_t i = 0; i < route_count; i++) {
        char method[8] = "";
        for (size_t k = 0; routes[i].method[k]; k++)
            method[k] = (char)(routes[i].method[k] + 32);
        assert_int_equal(json_find(paths, len, routes[i].pattern, &item, &item_len), JSON_OBJECT);
        assert_int_equal(json_find(item, item_len, method, &operation, &operation_len), JSON_OBJECT);
    }
    buf_free(&out);
}

static void the_page_of_the_docs_is_fresh(void **state)
{
    struct buf made = {0}, kept = {0};
    struct err err;
    (void)state;
    rest_markdown(routes, route_count, &made);
    assert_int_equal(files_read("docs/rest.md", 1 << 20, &kept, &err), 0);
    if (strcmp(buf_cstr(&made), buf_cstr(&kept)) != 0)
        fail_msg("docs/rest.md is stale: rest-doc >docs/rest.md");
    buf_free(&made);
    buf_free(&kept);
}

/* ---- problems ---- */

static void every_error_is_a_problem(void **state)
{
    (void)state;
    for (int code = ERR_NONE; code <= ERR_INTERNAL; code++) {
        struct request r = {.id = "abc"};
        struct err err = {.code = (enum err_code)code, .text = "a \"quoted\" text"};
        struct buf text = {0};
        int64_t status;
        problem_err(&r, &err);
        assert_true(r.status >= 400);
        assert_string_equal(r.content_type, "application/problem+json");
        assert_true(json_get_int(r.body.data, r.body.len, "status", &status) && status == r.status);
        assert_true(json_get_string(r.body.data, r.body.len, "detail", &text));
        assert_string_equal(buf_cstr(&text), err.text);
        assert_true(json_get_string(r.body.data, r.body.len, "instance", &text));
        assert_string_equal(buf_cstr(&text), "urn:belltower:request:abc");
        assert_int_equal(strstr(buf_cstr(&r.headers), "Retry-After") != NULL, r.status == 503);
        request_end(&r);
        buf_free(&text);
    }
}

static void a_problem_takes_more_members(void **state)
{
    struct request r = {.id = "abc"};
    const char *errors, *why;
    size_t len;
    int64_t n;
    (void)state;
    problem_errors(&r, PROBLEM_INVALID_APP, 400, "[{\"line\":1}]", 12, "%d mistakes", 1);
    problem_open(&r);
    put_number(&r.body, "accepted", 7);
    problem_close(&r);
    assert_true(json_valid(r.body.data, r.body.len, &why));
    assert_int_equal(json_find(r.body.data, r.body.len, "errors", &errors, &len), JSON_ARRAY);
    assert_true(json_get_int(r.body.data, r.body.len, "accepted", &n) && n == 7);
    assert_int_equal(r.status, 400);
    request_end(&r);
}

static void headers_cannot_be_broken(void **state)
{
    struct request r = {0};
    (void)state;
    answer_header(&r, "X-Next-Cursor", "%s", "a\r\nSet-Cookie: b");
    assert_string_equal(buf_cstr(&r.headers), "X-Next-Cursor: a  Set-Cookie: b\r\n");
    request_end(&r);
}

/* ---- tokens ---- */

static void tokens_are_random_and_hashed(void **state)
{
    char a[TOKEN_SIZE], b[TOKEN_SIZE], hash[TOKEN_HASH_SIZE], other[TOKEN_HASH_SIZE];
    (void)state;
    token_make(a);
    token_make(b);
    assert_int_equal(strlen(a), 64);
    assert_string_not_equal(a, b);
    token_hash("abc", 3, hash); /* FIPS 180-2, example B.1 */
    assert_string_equal(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    token_hash("abd", 3, other);
    assert_true(token_hash_equal(hash, hash));
    assert_false(token_hash_equal(hash, other));
    assert_false(token_hash_equal(hash, NULL));
    assert_false(token_hash_equal("", ""));
    assert_false(token_hash_equal(hash, "ba"));
}

static void reads_the_bearer(void **state)
{
    static const struct {
        const char *header, *token; /* NULL: none */
    } cases[] = {{"Bearer abc", "abc"}, {"bearer abc", "abc"}, {"Bearer  abc ", NULL}, {"Bearer ", NULL},
                 {"Bearer a b", NULL},  {"Basic abc", NULL},   {"abc", NULL},          {"", NULL},
                 {NULL, NULL}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t len = 0;
        const char *token = bearer_token(cases[i].header, &len);
        if (!cases[i].token) {
            assert_null(token);
            continue;
        }
        assert_non_null(token);
        assert_int_equal(len, strlen(cases[i].token));
        assert_memory_equal(token, cases[i].token, len);
    }
}

/* ---- queries and media types ---- */

static const char *one_header(void *context, const char *name)
{
    const char *const *pair = context;
    return strcmp(pair[0], name) == 0 ? pair[1] : NULL;
}

static void prefers_csv_only_when_asked(void **state)
{
    static const struct {
        const char *accept;
        bool csv;
    } cases[] = {{NULL, false},
                 {"*/*", false},
                 {"text/csv", true},
                 {"TEXT/CSV", true},
                 {"text/csvx", false},
                 {"application/json, text/csv", false},
                 {"application/json;q=0.5, text/csv", true},
                 {"text/csv;q=0", false},
                 {"text/html, text/csv;q=0.9, */*;q=0.1", true}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *pair[] = {"Accept", cases[i].accept};
        struct request r = {.source = {.context = pair, .header = one_header}};
        assert_int_equal(request_wants_csv(&r), cases[i].csv);
    }
}

static void reads_the_query(void **state)
{
    struct request r = {.query = "a=1&b=x%20y+z&c&d=%&a=2"};
    struct buf text = {0};
    struct err err;
    bool flag;
    size_t limit;
    (void)state;
    assert_true(request_query(&r, "a", &text));
    assert_string_equal(text.data, "1");
    assert_true(request_query(&r, "b", &text));
    assert_string_equal(text.data, "x y z");
    assert_int_equal(request_flag(&r, "c", &flag, &err), 0);
    assert_true(flag);
    assert_int_equal(request_flag(&r, "b", &flag, &err), -1);
    assert_int_equal(request_flag(&r, "missing", &flag, &err), 0);
    assert_false(flag);
    r.query = "limit=5";
    assert_int_equal(request_limit(&r, 1, 10, &limit, &err), 0);
    assert_int_equal(limit, 5);
    r.query = "limit=11";
    assert_int_equal(request_limit(&r, 1, 10, &limit, &err), -1);
    r.query = "limit=99999999999999999999";
    assert_int_equal(request_limit(&r, 1, 10, &limit, &err), -1);
    r.query = "";
    assert_int_equal(request_limit(&r, 1, 10, &limit, &err), 0);
    assert_int_equal(limit, 1);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_each_row_of_the_table),
        cmocka_unit_test(decodes_parameters),
        cmocka_unit_test(folds_nothing),
        cmocka_unit_test(tells_malformed_from_missing),
        cmocka_unit_test(keeps_long_names_out),
        cmocka_unit_test(names_the_methods_of_an_address),
        cmocka_unit_test(each_handler_has_a_row_and_each_row_a_handler),
        cmocka_unit_test(the_contract_names_each_row),
        cmocka_unit_test(the_page_of_the_docs_is_fresh),
        cmocka_unit_test(every_error_is_a_problem),
        cmocka_unit_test(a_problem_takes_more_members),
        cmocka_unit_test(headers_cannot_be_broken),
        cmocka_unit_test(tokens_are_random_and_hashed),
        cmocka_unit_test(reads_the_bearer),
        cmocka_unit_test(prefers_csv_only_when_asked),
        cmocka_unit_test(reads_the_query),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
