#include "api/handlers/plan.h"

#include "base/json.h"
#include "base/time_format.h"
#include "tenants/app/app_plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct windows { /* that a stream has now */
    bool known;
    int64_t open, last_end; /* INT64_MIN: none is open or kept for late events */
};

static struct windows windows_of(const struct buf *detail, const char *stream)
{
    struct windows w = {.last_end = INT64_MIN};
    struct buf name = {0};
    const char *list, *item;
    size_t len;
    bool first = true;
    if (json_find(detail->data, detail->len, "streams", &list, &len) != JSON_ARRAY)
        return w;
    struct json j = json_begin(list, len);
    (void)json_enter(&j, '[');
    while (!w.known && json_next(&j, &first, NULL, NULL) && json_skip(&j, &item)) {
        size_t item_len = (size_t)(j.at - item);
        w.known = json_get_string(item, item_len, "name", &name) && strcmp(buf_cstr(&name), stream) == 0;
        if (!w.known)
            continue;
        json_get_int(item, item_len, "open_windows", &w.open);
        json_get_int(item, item_len, "last_end", &w.last_end);
    }
    buf_free(&name);
    return w;
}

static void put_differs(struct buf *out, uint32_t differs)
{
    struct buf names = {0};
    for (unsigned i = 0; i < APP_DIFF_COUNT; i++)
        if (differs >> i & 1)
            buf_printf(&names, "%s%s", names.len ? ", " : "", app_difference_name((enum app_difference)i));
    json_w_name(out, "differs");
    json_w_str(out, buf_cstr(&names));
    buf_free(&names);
}

static void put_row(struct buf *out, const char *what, const char *name, const char *change, uint32_t differs,
                    const char *effect)
{
    json_w_open(out, '{');
    json_w_name(out, "what");
    json_w_str(out, what);
    json_w_name(out, "name");
    json_w_str(out, name);
    json_w_name(out, "change");
    json_w_str(out, change);
    put_differs(out, differs);
    json_w_name(out, "effect");
    json_w_str(out, effect);
    json_w_close(out, '}');
}

static void stream_effect(const struct app_plan_item *item, bool all_end, const struct windows *w, char *out,
                          size_t size)
{
    char until[32] = "";
    bool has = w->last_end != INT64_MIN;
    if (has)
        time_rfc3339(w->last_end, until);
    if (item->kind == APP_ADDED)
        snprintf(out, size, "begins at once");
    else if (all_end)
        snprintf(out, size, "its %" PRId64 " open windows end at the update; begins anew", w->open);
    else if (item->kind == APP_UNCHANGED)
        snprintf(out, size, "goes on with its %" PRId64 " open windows", w->open);
    else if (!has)
        snprintf(out, size, item->kind == APP_CHANGED ? "has no open windows: begins anew at once" : "ends at once");
    else if (item->kind == APP_CHANGED)
        snprintf(out, size,
                 "keeps its %" PRId64
                 " open windows and counts on for them; the new version begins with windows from %s",
                 w->open, until);
    else
        snprintf(out, size, "keeps its %" PRId64 " open windows up to %s and opens no more", w->open, until);
}

static void put_streams(struct buf *out, const struct app_plan *plan, const struct buf *detail)
{
    char effect[200];
    bool all_end = plan->differs >> APP_DIFF_WATERMARK_PER & 1;
    for (size_t i = 0; i < plan->streams.count; i++) {
        const struct app_plan_item *item = &plan->streams.items[i];
        struct windows w = windows_of(detail, item->name);
        stream_effect(item, all_end, &w, effect, sizeof effect);
        put_row(out, "stream", item->name, app_plan_kind_name(item->kind), item->differs, effect);
    }
}

static void put_list(struct buf *out, const char *what, const struct app_plan_list *list, const char *const *effects)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct app_plan_item *item = &list->items[i];
        put_row(out, what, item->name, app_plan_kind_name(item->kind), item->differs, effects[item->kind]);
    }
}

void plan_write(struct buf *out, const struct app *from, const struct app *to, const struct buf *detail)
{
    static const char *const triggers[] = {[APP_UNCHANGED] = "goes on, with its cooldowns",
                                           [APP_CHANGED] = "looks at results published from the update on",
                                           [APP_ADDED] = "looks at results published from the update on",
                                           [APP_REMOVED] = "fires no more"};
    static const char *const jobs[] = {[APP_UNCHANGED] = "goes on",
                                       [APP_CHANGED] = "runs taken from the update on are computed by the new version",
                                       [APP_ADDED] = "runs from the update on",
                                       [APP_REMOVED] = "runs no more; its reports stay"};
    struct app_plan plan;
    app_plan(from, to, &plan);
    json_w_open(out, '[');
    put_streams(out, &plan, detail);
    put_list(out, "trigger", &plan.triggers, triggers);
    put_list(out, "job", &plan.jobs, jobs);
    if (plan.differs)
        put_row(out, "app", to->tenant, app_plan_kind_name(APP_CHANGED), plan.differs, "holds from the update on");
    json_w_close(out, ']');
    app_plan_free(&plan);
}
