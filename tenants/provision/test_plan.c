/* The plan of calls: names, rights, repeatability. */
#include "tenants/provision/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct plan_call *find(const struct plan *p, const char *method, const char *path)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->calls[i].method, method) == 0 && strcmp(p->calls[i].path, path) == 0)
            return &p->calls[i];
    return NULL;
}

static void a_tenant_may_write_only_its_own_exchange(void **state)
{
    (void)state;
    struct plan p = {0};
    const struct plan_retention r = {.events = 604800000, .results = 1500, .reports = 1000, .dead = 1000};
    plan_create(&p, "belltower", "acme", &r, "secret\"1", "secret2");
    const struct plan_call *c = find(&p, "PUT", "/api/permissions/belltower/belltower-tenant-acme");
    assert_non_null(c);
    assert_string_equal(c->body, "{\"configure\":\"^$\",\"write\":\"^belltower\\\\.in\\\\.acme\\\\z\","
                                 "\"read\":\"^belltower\\\\.(results|reports|dead)\\\\.acme\\\\z\"}");
    c = find(&p, "PUT", "/api/users/belltower-worker-acme");
    assert_non_null(strstr(c->body, "\"secret\\\"1\"")); /* quoted as JSON */
    c = find(&p, "PUT", "/api/policies/belltower/belltower.results.acme");
    assert_non_null(strstr(c->body, "\"max-age\":\"2s\"")); /* one number and unit, rounded up */
    assert_non_null(find(&p, "POST", "/api/bindings/belltower/e/belltower.in.acme/q/belltower.events.acme"));
    plan_free(&p);
}

static void users_of_another_vhost_have_names_of_their_own(void **state)
{
    struct plan p = {0};
    struct plan_users users, others;
    char api[NAME_SIZE], beside[NAME_SIZE];
    (void)state;
    plan_users(&users, "one", "acme");
    plan_users(&others, "two", "acme");
    assert_string_not_equal(users.worker, others.worker);
    assert_string_not_equal(users.customer, others.customer);
    plan_remove(&p, "one", "acme");
    char path[2 * NAME_SIZE];
    snprintf(path, sizeof path, "/api/users/%s", users.worker);
    assert_non_null(find(&p, "DELETE", path));
    assert_null(find(&p, "DELETE", "/api/users/belltower-worker-acme"));
    plan_free(&p);
    name_user_in(api, USER_API, "one");
    assert_string_equal(name_user_beside(beside, USER_API, users.worker, "belltower-worker-acme"), api);
    assert_string_equal(name_user_beside(beside, "belltower-worker-acme", api, USER_API), users.worker);
    assert_string_equal(name_user_in(beside, USER_API, VHOST_DEFAULT), USER_API);
    assert_string_equal(name_user_beside(beside, "belltower-worker-acme", USER_API, USER_API), "belltower-worker-acme");
}

static void the_vhost_is_encoded(void **state)
{
    (void)state;
    struct plan p = {0};
    plan_platform(&p, "/", "guest", "x");
    assert_non_null(find(&p, "PUT", "/api/vhosts/%2F"));
    assert_non_null(find(&p, "PUT", "/api/exchanges/%2F/belltower.results"));
    plan_free(&p);
}

/* Whatever create makes and names the tenant, remove deletes: nothing of it stays. */
static void removal_covers_all_that_was_made(void **state)
{
    (void)state;
    struct plan made = {0}, gone = {0};
    const struct plan_retention r = {.events = 1, .results = 1, .reports = 1, .dead = 1};
    plan_create(&made, "v", "acme", &r, "a", "b");
    plan_remove(&gone, "v", "acme");
    for (size_t i = 0; i < made.count; i++) {
        const char *path = made.calls[i].path;
        bool made_by_name = strncmp(path, "/api/queues/", 12) == 0 || strncmp(path, "/api/exchanges/", 15) == 0 ||
                            strncmp(path, "/api/users/", 11) == 0 || strncmp(path, "/api/policies/", 14) == 0;
        if (made_by_name)
            assert_non_null(find(&gone, "DELETE", path));
    }
    assert_true(strncmp(gone.calls[0].path, "/api/users/", 11) == 0); /* users first: nobody writes meanwhile */
    plan_free(&made);
    plan_free(&gone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tenant_may_write_only_its_own_exchange),
        cmocka_unit_test(users_of_another_vhost_have_names_of_their_own),
        cmocka_unit_test(the_vhost_is_encoded),
        cmocka_unit_test(removal_covers_all_that_was_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
