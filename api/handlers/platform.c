/* Probes, version, contract, problem pages, dashboard. */
#include "api/dashboard.h"
#include "api/keeper.h"
#include "api/openapi.h"
#include "api/problem.h"
#include "api/publisher.h"
#include "api/routes.h"
#include "api/stores.h"
#include "api/supervision.h"

#include <string.h>

void handle_healthz(struct request *r)
{
    buf_add_str(&r->body, "ok\n");
    answer(r, 200, "text/plain; charset=utf-8");
}

static bool line(struct request *r, const char *what, bool ok, const char *words)
{
    buf_printf(&r->body, "%s: %s%s%s\n", what, ok ? "ok" : "not ready", *words ? ": " : "", words);
    return ok;
}

static bool store_answers(struct request *r)
{
    struct coredms *db;
    struct err err = {.text = ""};
    int status = stores_take(r->api->stores, NULL, &db, &err);
    if (status == 0) {
        status = coredms_ping(db, &err);
        stores_give(r->api->stores, db);
    }
    return line(r, "store", status == 0, status == 0 ? "" : err.text);
}

void handle_readyz(struct request *r)
{
    struct publisher_status s;
    publisher_status(r->api->publisher, &s);
    bool there = supervision_there(r->api->supervision);
    bool broker = line(r, "broker", s.connected && !s.blocked, s.words);
    bool store = store_answers(r);
    bool supervisor = line(r, "supervisor", there, there ? "" : "the API runs alone, tenants cannot be changed");
    if (!broker || !store || !supervisor)
        answer_header(r, "Retry-After", "2");
    answer(r, broker && store && supervisor ? 200 : 503, "text/plain; charset=utf-8");
}

void handle_version(struct request *r)
{
    buf_add_str(&r->body, "{\"name\":\"belltower\",\"version\":\"" BELLTOWER_VERSION "\"}");
    answer_json(r, 200);
}

void handle_openapi(struct request *r)
{
    openapi_write(routes, route_count, &r->body);
    answer_json(r, 200);
}

void handle_problem_page(struct request *r)
{
    const char *slug = request_parameter(r, 0);
    for (int i = 0; i < PROBLEM_KIND_COUNT; i++) {
        const struct problem_row *p = &problems[i];
        if (strcmp(p->slug, slug) != 0)
            continue;
        buf_printf(&r->body, "%s (HTTP %d)\n\n%s\n", p->title, p->status, p->help);
        answer(r, 200, "text/plain; charset=utf-8");
        return;
    }
    problem(r, PROBLEM_NOT_FOUND, "there is no problem of this name");
}

void handle_dashboard(struct request *r)
{
    buf_add(&r->body, dashboard_html, dashboard_html_len);
    answer_header(r, "Content-Security-Policy",
                  "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; "
                  "frame-ancestors 'none'; base-uri 'none'; form-action 'none'");
    answer(r, 200, "text/html; charset=utf-8");
}
