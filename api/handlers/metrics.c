/* /metrics: what the workers' pages say (a dead worker's last page too), and the API's own. */
#include "api/damage.h"
#include "api/keeper.h"
#include "api/metrics_http.h"
#include "api/metrics_table.h"
#include "api/publisher.h"
#include "api/routes.h"
#include "api/supervision.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct seen {
    struct worker_view view;
    char *detail;
    size_t detail_len;
};

struct all {
    struct seen *list;
    size_t count, cap;
};

static void collect(void *context, const struct worker_view *view, const struct buf *detail)
{
    struct all *a = context;
    if (a->count == a->cap) {
        a->cap = a->cap ? 2 * a->cap : 16;
        a->list = mem_resize(a->list, a->cap, sizeof *a->list);
    }
    a->list[a->count++] =
        (struct seen){.view = *view, .detail = mem_strndup(detail->data, detail->len), .detail_len = detail->len};
}

static void put_scaled(struct buf *out, int64_t value, int64_t scale)
{
    if (scale == 1)
        buf_printf(out, "} %lld\n", (long long)value);
    else
        buf_printf(out, "} %.3f\n", (double)value / (double)scale);
}

/* ---- the table's metrics ---- */

static void write_table(const struct all *a, struct buf *out)
{
    for (int m = 0; m < METRIC_COUNT; m++) {
        slot_header(out, (enum metric_slot)m);
        for (size_t i = 0; i < a->count; i++) {
            const struct worker_view *v = &a->list[i].view;
            if (v->role != metrics[m].role || !v->has_page)
                continue;
            buf_printf(out, "%s{", metrics[m].name);
            metrics_label(out, "tenant", v->tenant);
            put_scaled(out, v->slots[m], metrics[m].scale);
        }
    }
}

/* ---- those with labels of their own, from the pages' detail ---- */

struct detail_metric {
    enum metric_family family;
    enum role role;
    const char *array, *label_member, *label, *value; /* {"array": [{label_member: ..., value: ...}]} */
    const char *result;                               /* label of that name; NULL = none */
};

/* Rows of one family stand together. */
static const struct detail_metric detail_metrics[] = {
    {F_WINDOWS_CLOSED, ROLE_STREAM, "streams", "name", "stream", "closed", NULL},
    {F_STREAM_WINDOWS_OPEN, ROLE_STREAM, "streams", "name", "stream", "open_windows", NULL},
    {F_TRIGGERS_FIRED, ROLE_STREAM, "triggers", "name", "trigger", "fired", NULL},
    {F_EVENTS_DEAD, ROLE_STREAM, "dead", "reason", "reason", "count", NULL},
    {F_JOB_RUNS, ROLE_BATCH, "jobs", "name", "job", "done", "done"},
    {F_JOB_RUNS, ROLE_BATCH, "jobs", "name", "job", "failed", "failed"},
    {F_JOB_RUNS, ROLE_BATCH, "jobs", "name", "job", "skipped", "skipped"},
};

static void write_detail_row(const struct detail_metric *m, const char *tenant, const char *row, size_t len,
                             struct buf *out)
{
    struct buf name = {0};
    int64_t value;
    if (json_get_string(row, len, m->label_member, &name) && json_get_int(row, len, m->value, &value)) {
        buf_printf(out, "%s{", families[m->family].name);
        metrics_label(out, "tenant", tenant);
        metrics_label(out, m->label, buf_cstr(&name));
        if (m->result)
            metrics_label(out, "result", m->result);
        put_scaled(out, value, 1);
    }
    buf_free(&name);
}

static void write_detail(const struct detail_metric *m, const struct seen *s, struct buf *out)
{
    const char *array, *from;
    size_t len;
    bool first = true;
    if (s->view.role != m->role || json_find(s->detail, s->detail_len, m->array, &array, &len) != JSON_ARRAY)
        return;
    struct json j = json_begin(array, len);
    json_enter(&j, '[');
    while (json_next(&j, &first, NULL, NULL) && json_skip(&j, &from))
        write_detail_row(m, s->view.tenant, from, (size_t)(j.at - from), out);
}

static void write_details(const struct all *a, struct buf *out)
{
    for (size_t k = 0; k < sizeof detail_metrics / sizeof *detail_metrics; k++) {
        const struct detail_metric *m = &detail_metrics[k];
        if (k == 0 || m->family != detail_metrics[k - 1].family)
            family_header(out, m->family);
        for (size_t i = 0; i < a->count; i++)
            write_detail(m, &a->list[i], out);
    }
}

/* ---- processes ---- */

static double up(const struct worker_view *v)
{
    return v->pid != 0 && (!v->has_page || v->page_state == PAGE_READY || v->page_state == PAGE_PAUSED);
}

static double wanted(const struct worker_view *v)
{
    return v->wanted == WANT_RUNNING;
}

static double restarts(const struct worker_view *v)
{
    return v->restarts;
}

static double memory(const struct worker_view *v)
{
    return (double)v->memory_bytes;
}

static double cpu(const struct worker_view *v)
{
    return v->cpu_seconds;
}

static const struct process_metric {
    enum metric_family family;
    double (*value)(const struct worker_view *v);
} process_metrics[] = {
    {F_WORKER_UP, up},         {F_WORKER_WANTED, wanted}, {F_WORKER_RESTARTS, restarts},
    {F_WORKER_MEMORY, memory}, {F_WORKER_CPU, cpu},
};

static void write_processes(const struct all *a, struct buf *out)
{
    for (size_t k = 0; k < sizeof process_metrics / sizeof *process_metrics; k++) {
        const struct process_metric *m = &process_metrics[k];
        family_header(out, m->family);
        for (size_t i = 0; i < a->count; i++) {
            const struct worker_view *v = &a->list[i].view;
            buf_printf(out, "%s{", families[m->family].name);
            metrics_label(out, "tenant", v->tenant);
            metrics_label(out, "role", role_name((int)v->role));
            buf_printf(out, "} %.15g\n", m->value(v));
        }
    }
}

static void write_damage(struct request *r, const struct all *a)
{
    family_header(&r->body, F_STORE_DAMAGED);
    for (size_t i = 0; i < a->count; i++) {
        const struct worker_view *v = &a->list[i].view;
        if (v->role != ROLE_BATCH) /* one sample a tenant */
            continue;
        char *damage = damage_text(r->api->damage, v->tenant);
        buf_printf(&r->body, "%s{", families[F_STORE_DAMAGED].name);
        metrics_label(&r->body, "tenant", v->tenant);
        put_scaled(&r->body, damage != NULL, 1);
        free(damage);
    }
}

static void write_own(struct request *r, struct buf *out)
{
    struct publisher_status s;
    int64_t unrouted = keeper_unrouted(r->api->keeper);
    publisher_status(r->api->publisher, &s);
    family_header(out, F_BUILD_INFO);
    buf_printf(out, "%s{version=\"" BELLTOWER_VERSION "\"} 1\n", families[F_BUILD_INFO].name);
    family_header(out, F_API_BROKER_CONNECTED);
    buf_printf(out, "%s %d\n", families[F_API_BROKER_CONNECTED].name, s.connected);
    family_header(out, F_UNROUTED);
    if (unrouted >= 0)
        buf_printf(out, "%s %lld\n", families[F_UNROUTED].name, (long long)unrouted);
    metrics_http_write(r->api->http, out);
}

void handle_metrics(struct request *r)
{
    struct all a = {0};
    supervision_each(r->api->supervision, collect, &a);
    write_table(&a, &r->body);
    write_details(&a, &r->body);
    write_processes(&a, &r->body);
    write_damage(r, &a);
    write_own(r, &r->body);
    for (size_t i = 0; i < a.count; i++)
        free(a.list[i].detail);
    free(a.list);
    answer(r, 200, "text/plain; version=0.0.4; charset=utf-8");
}
