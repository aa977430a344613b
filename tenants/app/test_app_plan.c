/* What an update changes. */
#include "tenants/app/app_plan.h"
#include "tenants/app/test_app.h"

/* "name kind what,what ..." of a list, and of the settings. */
static void describe_bits(struct buf *out, uint32_t differs)
{
    const char *between = " ";
    for (unsigned i = 0; i < APP_DIFF_COUNT; i++) {
        if (!(differs >> i & 1))
            continue;
        buf_printf(out, "%s%s", between, app_difference_name((enum app_difference)i));
        between = ",";
    }
}

static void describe(struct buf *out, const struct app_plan_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].kind == APP_UNCHANGED)
            continue;
        buf_printf(out, "%s%s %s", out->len ? "; " : "", list->items[i].name, app_plan_kind_name(list->items[i].kind));
        describe_bits(out, list->items[i].differs);
    }
}

static void check_plan(const char *old, const char *new, const char *want)
{
    struct buf text = {0}, got = {0};
    struct app_plan plan;
    struct app_diags diags;
    struct app *from = load_good(base);
    replace(&text, old, new);
    struct app *to = load(text.data, &diags);
    if (!to) {
        fail_msg("\"%s\" does not load: %s", new, diags.list[0].message);
        return; /* fail_msg has not come back */
    }
    app_plan(from, to, &plan);
    describe(&got, &plan.streams);
    describe(&got, &plan.triggers);
    describe(&got, &plan.jobs);
    if (plan.differs) {
        buf_printf(&got, "%sapp", got.len ? "; " : "");
        describe_bits(&got, plan.differs);
    }
    if (strcmp(buf_cstr(&got), want) != 0)
        fail_msg("\"%s\" for \"%s\": expected \"%s\", got \"%s\"", new, old, want, buf_cstr(&got));
    for (size_t i = 0; i < plan.streams.count; i++) {
        const struct app_plan_item *s = &plan.streams.items[i];
        if (s->from != SIZE_MAX && s->to != SIZE_MAX)
            assert_int_equal(s->kind == APP_UNCHANGED,
                             app_devices_same(from, to) &&
                                 app_stream_same(from, &from->streams[s->from], to, &to->streams[s->to]));
    }
    app_plan_free(&plan);
    app_free(&from);
    app_free(&to);
    app_diags_free(&diags);
    buf_free(&text);
    buf_free(&got);
}

static void says_what_differs(void **state)
{
    (void)state;
    static const struct {
        const char *old, *new, *want;
    } cases[] = {
        {"tenant: t\n", "tenant: t\n# a comment\n", ""},
        {"where: v > 3", "where:   (v) > 3", ""},
        {"where: v > 3", "where: v > 4", "a changed where"},
        {"    where: v > 3\n", "", "a changed where"},
        {"key: [id]", "key: [id, s]", "a changed key"},
        {"tumbling: 5m", "tumbling: 300s", ""},
        {"tumbling: 5m", "tumbling: 10m", "a changed window"},
        {"tumbling: 5m", "tumbling: 5m, allowed_lateness: 1s", "a changed window"},
        {"top: max(v)", "top: min(v)", "a changed select"},
        {"top: max(v)", "peak: max(v)", "a changed select"},
        {"top: max(v)", "top: distinct(v)", "a changed select"},
        {"v: float", "v: { type: float, default: 1 }", "a changed fields; app fields"},
        {"v: float", "v: { type: float, from: x.v }", "a changed fields; app fields"},
        {"v: float", "v: int", "a changed fields; app fields"},
        {"s: { type: string, optional: true }", "s: string", "app fields"},
        {"s: { type: string, optional: true }", "other: bool", "app fields"},
        {"    id: int\n    v: float\n", "    v: float\n    id: int\n", ""},
        {"- name: a\n", "- { name: b, key: [], window: { tumbling: 1m }, select: { n: count() } }\n  - name: a\n",
         "b added"},
        {"when: n > 3", "when: n > 4", "t1 changed when"},
        {"when: n > 3", "when: (n > 3)", ""},
        {"cooldown: 10m", "cooldown: 600s", ""},
        {"cooldown: 10m, ", "", "t1 changed cooldown"},
        {"name: t1", "name: t2", "t2 added; t1 removed"},
        {"range: 1h", "range: 2h", "j changed range"},
        {"range: 1h", "period: day", "j changed range,period"},
        {"range: 1h",
         "range: 1h\n    schedule: \"@hourly\"\n    timezone: Europe/Helsinki\n    wait: 1m\n    limit: 5m",
         "j changed schedule,timezone,wait,limit"},
        {"by: [id]", "by: []", "j changed by"},
        {"by: [id]", "by: [id]\n    where: n > 1", "j changed where"},
        {"n: sum(n)", "n: max(n)", "j changed select"},
        {"field: at", "field: time.at", "app time"},
        {"format: unix", "format: unix_ms", "app time"},
        {"format: unix", "format: unix, out_of_orderness: 1s, idle_after: 2s, ahead: 1d",
         "app out_of_orderness,idle_after,ahead"},
        {"  fields:\n", "  watermark_per: [id]\n  fields:\n", "a changed watermark_per; app watermark_per"},
        {"event: 1KiB", "event: 1KiB, keys: 5", "app limits"},
        {"event: 1KiB", "event: 1KiB, distinct: 5", "app limits"},
        {"tenant: t\n", "tenant: t\ntitle: T\nkeep: 30d\n", "app keep,title"},
        {"v: 4 }", "v: 5 }", "app tests"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        check_plan(cases[i].old, cases[i].new, cases[i].want);
}

static void lists_the_new_apps_order_then_what_is_removed(void **state)
{
    (void)state;
#define HEAD       "tenant: t\nevents:\n  time: { field: at, format: unix }\n  fields: { id: int }\nstreams:\n"
#define S(name, n) "  - { name: " name ", key: [id], window: { tumbling: " n " }, select: { n: count() } }\n"
    struct app *from = load_good(HEAD S("a", "1m") S("b", "1m") S("c", "1m") S("d", "1m"));
    struct app *to = load_good(HEAD S("e", "1m") S("d", "2m") S("b", "1m"));
    struct app_plan plan;
    struct buf got = {0};
    app_plan(from, to, &plan);
    assert_int_equal(plan.streams.count, 5);
    describe(&got, &plan.streams);
    assert_string_equal(buf_cstr(&got), "e added; d changed window; a removed; c removed");
    assert_int_equal(plan.streams.items[2].from, 1);
    assert_int_equal(plan.streams.items[2].to, 2);
    assert_true(plan.streams.items[0].from == SIZE_MAX && plan.streams.items[4].to == SIZE_MAX);
    buf_free(&got);
    app_plan_free(&plan);
    app_free(&from);
    app_free(&to);
}

static void limits_of_distinct_change_the_streams_that_use_it(void **state)
{
    (void)state;
    struct buf got = {0};
    struct app_plan plan;
    struct app *from = load_good(
        HEAD "  - { name: a, key: [], window: { tumbling: 1m }, select: { n: distinct(id) } }\n" S("b", "1m"));
    struct app *to =
        load_good(HEAD "  - { name: a, key: [], window: { tumbling: 1m }, select: { n: distinct(id) } }\n" S(
            "b", "1m") "limits: { distinct: 7 }\n");
    app_plan(from, to, &plan);
    describe(&got, &plan.streams);
    assert_string_equal(buf_cstr(&got), "a changed limits");
    buf_free(&got);
    app_plan_free(&plan);
    app_free(&from);
    app_free(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_differs),
        cmocka_unit_test(lists_the_new_apps_order_then_what_is_removed),
        cmocka_unit_test(limits_of_distinct_change_the_streams_that_use_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
