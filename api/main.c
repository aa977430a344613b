/* belltower-api: begin, loop, end. The main thread hears the supervisor, signals and slow connections; civetweb's
 * threads answer requests; one thread publishes, one keeps what was begun. */
#include "api/api.h"
#include "api/apps.h"
#include "api/auth.h"
#include "api/damage.h"
#include "api/keeper.h"
#include "api/metrics_http.h"
#include "api/publisher.h"
#include "api/server.h"
#include "api/stores.h"
#include "api/supervision.h"
#include "api/waits.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/runtime.h"

#include <stdio.h>

#define STOP_BLOCKS_MS     20000
#define LISTEN_PATIENCE_MS 10000 /* the API of a supervisor that was killed needs a moment to leave */

static int usage(const char *why)
{
    struct buf help = {0};
    settings_help(FOR_API, &help);
    fprintf(stderr, "belltower-api: %s\nusage: belltower-api [settings]\n%s", why, buf_cstr(&help));
    buf_free(&help);
    return EXIT_USAGE;
}

/* The runtime leaves the control socket to us: what comes for the API is more than it knows. */
static void take_control(struct api *api, struct runtime *rt)
{
    api->supervision = supervision_new(api, rt->control_fd);
    rt->control_fd = -1;
}

/* Waits for an address in use to become free, for a while. */
static int await_address(const struct api *api, struct runtime *rt, struct err *err)
{
    int64_t until = clock_mono_ms() + LISTEN_PATIENCE_MS;
    while (server_check(api, err) < 0) {
        bool gone = false;
        supervision_receive(api->supervision, &gone);
        if (err->code != ERR_CONFLICT || rt->drain || gone || clock_mono_ms() > until)
            return -1;
        if (rt->page->state != PAGE_WAITING)
            log_warn("%s; waiting for it to become free", err->text);
        page_set_state(rt->page, PAGE_WAITING, err->text);
        runtime_wait(rt, RUNTIME_TURN_MS);
    }
    return 0;
}

static int begin(struct api *api, struct runtime *rt, struct server **server, struct err *err)
{
    if (await_address(api, rt, err) < 0 || auth_begin(api, err) < 0)
        return -1;
    api->stores = stores_new(api->settings.coredms);
    api->apps = apps_new();
    api->http = metrics_http_new();
    api->waits = waits_new();
    api->damage = damage_new();
    if (publisher_start(api, &api->publisher, err) < 0 || keeper_start(api, &api->keeper, err) < 0)
        return -1;
    return server_start(api, server, err);
}

static void end(struct api *api, struct runtime *rt, struct server **server)
{
    atomic_store(&api->draining, true);
    page_set_state(rt->page, PAGE_DRAINING, "stopping");
    page_blocking(rt->page, "stopping", clock_mono_ms() + STOP_BLOCKS_MS);
    server_stop(server);
    keeper_stop(&api->keeper);
    publisher_stop(&api->publisher);
    apps_free(&api->apps);
    stores_free(&api->stores);
    metrics_http_free(&api->http);
    waits_free(&api->waits);
    damage_free(&api->damage);
    supervision_free(&api->supervision);
}

static void loop(struct api *api, struct runtime *rt, struct server *server)
{
    struct publisher_status s;
    while (!rt->drain) {
        bool gone = false;
        runtime_wait(rt, RUNTIME_TURN_MS);
        supervision_receive(api->supervision, &gone);
        rt->drain |= gone;
        server_watch(server);
        publisher_status(api->publisher, &s);
        page_set_state(rt->page, PAGE_READY, s.words);
    }
}

int main(int argc, char **argv)
{
    static struct api api;
    struct runtime rt;
    struct server *server = NULL;
    struct err err;
    if (settings_load(&argc, argv, &api.settings, &err) < 0)
        return usage(err.text);
    if (argc > 1)
        return usage("unknown argument");
    if (runtime_begin(&rt, ROLE_API, NULL, &err) < 0) {
        log_error("%s", err.text);
        return EXIT_FAULT;
    }
    take_control(&api, &rt);
    int status = begin(&api, &rt, &server, &err);
    if (status == 0) {
        log_info("listening on http://%s/", api.settings.listen);
        page_set_state(rt.page, PAGE_READY, "");
        supervision_list(api.supervision);
        loop(&api, &rt, server);
    } else {
        log_error("%s", err.text);
        page_set_state(rt.page, PAGE_DRAINING, err.text);
    }
    end(&api, &rt, &server);
    runtime_end(&rt);
    return status == 0 ? EXIT_DONE : EXIT_CONFIG;
}
