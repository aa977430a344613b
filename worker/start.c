#include "worker/start.h"

#include "base/clock.h"
#include "base/log.h"
#include "coredms/coredms.h"
#include "tenants/app/app.h"

#include "worker/yield.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int usage(enum role role, const char *why)
{
    struct buf help = {0};
    settings_help(role == ROLE_STREAM ? FOR_STREAM : FOR_BATCH, &help);
    fprintf(stderr, "belltower-%s: %s\nusage: belltower-%s --tenant NAME [--generation N] [settings]\n%s",
            role_name(role), why, role_name(role), buf_cstr(&help));
    buf_free(&help);
    return EXIT_USAGE;
}

/* The generation of a worker started by hand is the registry's. */
static int find_generation(struct worker_start *w, const char *text, struct err *err)
{
    struct coredms *registry;
    struct tenant_row row;
    w->generation = text ? strtoull(text, NULL, 10) : 0;
    if (w->generation)
        return 0;
    if (coredms_open(w->settings.coredms, NULL, COREDMS_READS, &registry, err) < 0)
        return -1;
    int status = registry_get(registry, w->tenant, &row, err);
    if (status == 0) {
        w->generation = row.generation;
        tenant_row_free(&row);
    }
    coredms_close(&registry);
    return status;
}

static int get_offset(const char *text, const char *name, int64_t *offset, struct err *err)
{
    char *end;
    *offset = -1;
    if (!text)
        return 0;
    errno = 0;
    *offset = strtoll(text, &end, 10);
    if (errno || !*text || *end || *offset < 0)
        return err_set(err, ERR_INVALID, "--%s %s is no offset", name, text);
    return 0;
}

static int get_trials(struct worker_start *w, int argc, char **argv, struct err *err)
{
    w->skip = runtime_flag(argc, argv, "skip");
    if (get_offset(runtime_argument(argc, argv, "alone"), "alone", &w->alone, err) < 0)
        return -1;
    return get_offset(runtime_argument(argc, argv, "set-aside"), "set-aside", &w->set_aside, err);
}

static int prepare(struct worker_start *w, enum role role, int argc, char **argv, struct err *err)
{
    char path[4096], name[NAME_SIZE];
    if (runtime_begin(&w->runtime, role, w->tenant, err) < 0 ||
        find_generation(w, runtime_argument(argc, argv, "generation"), err) < 0)
        return -1;
    path_tenant(&w->settings, w->tenant, "worker.credentials", path, sizeof path);
    if (credentials_read(path, &w->credentials, err) < 0)
        return -1;
    snprintf(w->user, sizeof w->user, "%s", w->credentials.user);
    name_user_beside(w->api_user, USER_API, w->user, name_user_worker(name, w->tenant));
    return 0;
}

static int exit_code_of(const struct err *err)
{
    switch (err->code) {
    case ERR_UNAVAILABLE:
        return EXIT_UNAVAILABLE;
    case ERR_DENIED:
        return EXIT_DENIED;
    case ERR_DAMAGED:
        return EXIT_STOPPED;
    default:
        return EXIT_CONFIG;
    }
}

int worker_start(struct worker_start *w, enum role role, int argc, char **argv)
{
    struct err err;
    if (settings_load(&argc, argv, &w->settings, &err) < 0)
        return usage(role, err.text);
    w->tenant = runtime_argument(argc, argv, "tenant");
    if (get_trials(w, argc, argv, &err) < 0)
        return usage(role, err.text);
    if (!w->tenant || !app_tenant_name_ok(w->tenant, strlen(w->tenant)))
        return usage(role, "--tenant NAME is missing or no tenant's name");
    if (prepare(w, role, argc, argv, &err) < 0) {
        log_error("%s", err.text);
        if (w->runtime.page)
            page_set_state(w->runtime.page, PAGE_WAITING, err.text);
        return exit_code_of(&err);
    }
    if (runtime_flag(argc, argv, "yield"))
        worker_yield(w, role);
    log_info("begins, generation %llu", (unsigned long long)w->generation);
    return 0;
}

void worker_blocking(struct worker_start *w, const char *what, int64_t limit_ms)
{
    page_blocking(w->runtime.page, what, what ? clock_mono_ms() + limit_ms : 0);
}
