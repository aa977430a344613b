/* belltower-provision: one shot. Makes or removes the broker objects and users of one tenant (or of the platform)
 * through RabbitMQ's management API. It alone knows the broker's administrator. Prints the customer's credentials as
 * JSON on stdout; exit code 0, or 69/77/1 with one line on stderr. */
#include "base/clock.h"
#include "base/files.h"
#include "base/json.h"
#include "base/log.h"
#include "base/runtime.h"
#include "base/settings.h"
#include "base/wire/names.h"
#include "tenants/provision/http.h"
#include "tenants/provision/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PASSWORD_BYTES 24

struct provisioner {
    struct settings settings;
    const char *tenant;
    char vhost[256];
    struct http http;
};

static void random_password(char out[2 * PASSWORD_BYTES + 1])
{
    unsigned char bytes[PASSWORD_BYTES];
    random_bytes(bytes, sizeof bytes);
    for (int i = 0; i < PASSWORD_BYTES; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

/* Credentials that exist are kept, so that a second run changes no password under a running process. */
static int keep_or_make(const char *path, const char *user, struct credentials *c, struct err *err)
{
    if (credentials_read(path, c, err) == 0)
        return 0;
    if (err->code != ERR_NOT_FOUND)
        return -1;
    snprintf(c->user, sizeof c->user, "%s", user);
    random_password(c->password);
    return credentials_write(path, c, err);
}

static int carry_out(struct provisioner *v, struct plan *plan, struct err *err)
{
    int status = 0;
    for (size_t i = 0; i < plan->count && status == 0; i++)
        status = http_call(&v->http, &plan->calls[i], err);
    plan_free(plan);
    return status;
}

static int do_platform(struct provisioner *v, struct err *err)
{
    char path[4096], name[NAME_SIZE];
    struct credentials api;
    struct plan plan = {0};
    if (files_make_directories(v->settings.data, err) < 0)
        return -1;
    path_data(&v->settings, "api.credentials", path, sizeof path);
    if (keep_or_make(path, name_user_in(name, USER_API, v->vhost), &api, err) < 0)
        return -1;
    plan_platform(&plan, v->vhost, v->http.user, api.password);
    return carry_out(v, &plan, err);
}

static void print_credentials(const struct provisioner *v, const struct credentials *c, const char *worker)
{
    struct buf b = {0};
    char exchange[NAME_SIZE];
    json_w_open(&b, '{');
    json_w_name(&b, "user");
    json_w_str(&b, c->user);
    json_w_name(&b, "password");
    json_w_str(&b, c->password);
    json_w_name(&b, "vhost");
    json_w_str(&b, v->vhost);
    json_w_name(&b, "exchange");
    json_w_str(&b, name_exchange_in(exchange, v->tenant));
    json_w_name(&b, "worker"); /* whose user_id a reader believes */
    json_w_str(&b, worker);
    json_w_close(&b, '}');
    printf("%s\n", buf_cstr(&b));
    buf_free(&b);
}

static int do_create(struct provisioner *v, struct err *err)
{
    char path[4096];
    struct plan_users users;
    struct credentials worker, customer;
    struct plan plan = {0};
    const struct settings *s = &v->settings;
    const struct plan_retention retention = {.events = s->retention_events,
                                             .results = s->retention_results,
                                             .reports = s->retention_reports,
                                             .dead = s->retention_dead,
                                             .segment_bytes = atoll(s->segment_bytes)};
    plan_users(&users, v->vhost, v->tenant);
    path_tenant(s, v->tenant, "", path, sizeof path);
    if (files_make_directories(path, err) < 0)
        return -1;
    path_tenant(s, v->tenant, "worker.credentials", path, sizeof path);
    if (keep_or_make(path, users.worker, &worker, err) < 0)
        return -1;
    snprintf(customer.user, sizeof customer.user, "%s", users.customer);
    random_password(customer.password);
    plan_create(&plan, v->vhost, v->tenant, &retention, worker.password, customer.password);
    if (carry_out(v, &plan, err) < 0)
        return -1;
    print_credentials(v, &customer, users.worker);
    return 0;
}

static int do_remove(struct provisioner *v, struct err *err)
{
    char path[4096];
    struct plan plan = {0};
    plan_remove(&plan, v->vhost, v->tenant);
    if (carry_out(v, &plan, err) < 0)
        return -1;
    path_tenant(&v->settings, v->tenant, "worker.credentials", path, sizeof path);
    if (unlink(path) < 0 && access(path, F_OK) == 0)
        return err_set_errno(err, "cannot remove %s", path);
    return 0;
}

static const struct verb {
    const char *name;
    bool needs_tenant;
    int (*run)(struct provisioner *v, struct err *err);
} verbs[] = {
    {"platform", false, do_platform},
    {"create", true, do_create},
    {"remove", true, do_remove},
};

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; name && i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

static int usage(const char *why)
{
    fprintf(
        stderr,
        "belltower-provision: %s\nusage: belltower-provision platform | create --tenant NAME | remove --tenant NAME\n",
        why);
    return EXIT_USAGE;
}

static int exit_code_of(const struct err *err)
{
    switch (err->code) {
    case ERR_UNAVAILABLE:
    case ERR_TIMEOUT:
        return EXIT_UNAVAILABLE;
    case ERR_DENIED:
        return EXIT_DENIED;
    default:
        return EXIT_FAULT;
    }
}

int main(int argc, char **argv)
{
    struct provisioner v = {0};
    struct err err;
    if (settings_load(&argc, argv, &v.settings, &err) < 0)
        return usage(err.text);
    const struct verb *verb = find_verb(argc > 1 ? argv[1] : NULL);
    v.tenant = runtime_argument(argc, argv, "tenant");
    if (!verb || (verb->needs_tenant && !v.tenant))
        return usage(verb ? "--tenant NAME is missing" : "which verb?");
    log_begin("provision", v.tenant);
    int status = http_open(&v.http, v.settings.management, v.settings.broker, v.vhost, sizeof v.vhost, &err);
    if (status == 0)
        status = verb->run(&v, &err);
    http_close(&v.http);
    if (status == 0)
        return EXIT_DONE;
    fprintf(stderr, "%s\n", err.text);
    return exit_code_of(&err);
}
