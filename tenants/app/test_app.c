#include "tenants/app/schema_doc.h"
#include "tenants/app/test_app.h"

/* ---- right ones ---- */

static struct app *load_example(const char *path)
{
    struct buf text = {0};
    read_whole(path, &text);
    struct app *app = load_good(text.data);
    buf_free(&text);
    return app;
}

static void the_acme_example(void **state)
{
    (void)state;
    struct app *app = load_example("examples/acme/app.yaml");
    assert_string_equal(app->tenant, "acme");
    assert_string_equal(app->title, "Acme base stations");
    assert_string_equal(app->time.path[0], "event_time");
    assert_int_equal(app->time.path_len, 1);
    assert_int_equal(app->time.format.kind, TIME_PATTERN);
    assert_int_equal(app->time.out_of_orderness, 30000);
    assert_int_equal(app->time.idle_after, 60000);
    assert_int_equal(app->time.ahead, 86400000);
    assert_int_equal(app->watermark_per_count, 0);
    assert_int_equal(app->field_count, 6);
    assert_string_equal(app->fields[4].name, "valueThreshold");
    assert_int_equal(app->fields[4].type, VALUE_FLOAT);
    assert_true(app->fields[4].has_default && app->fields[4].default_value.f == 999999.0);
    const struct app_stream *s = &app->streams[0];
    assert_string_equal(s->name, "alarms");
    assert_string_equal(s->where_text, "value > valueThreshold");
    assert_true(s->size == 300000 && s->every == 300000 && s->lateness == 60000);
    assert_true(s->query.key_count == 2 && s->query.keys[0] == 0 && s->query.keys[1] == 1);
    assert_int_equal(s->query.agg_count, 2);
    assert_int_equal(s->result_name_count, 4);
    assert_string_equal(s->result_names[3].name, "highest");
    assert_int_equal(s->result_names[3].type, VALUE_FLOAT);
    const struct app_trigger *t = &app->triggers[0];
    assert_true(t->stream == 0 && t->job == 0 && t->cooldown == 900000 && t->when);
    const struct app_job *j = app->jobs;
    assert_true(j[0].range == 43200000 && j[0].period == APP_PERIOD_NONE && !j[0].schedule && j[0].pushdown);
    assert_true(j[1].range == APP_OFF && j[1].period == APP_PERIOD_DAY && j[1].wait == 600000 && j[1].limit == APP_OFF);
    assert_string_equal(j[1].timezone, "Europe/Helsinki");
    assert_string_equal(j[0].timezone, "UTC");
    assert_string_equal(j[1].schedule, "5 0 * * *");
    assert_true(app->limits.event_bytes == 65536 && app->limits.message_bytes == 1048576 &&
                app->limits.keys == 100000 && app->limits.devices == 100000 && app->limits.producers == 10000 &&
                app->limits.distinct == 10000);
    assert_true(app->keep == INT64_C(400) * 86400000);
    assert_int_equal(app->test_count, 3);
    app_free(&app);
    assert_null(app);
}

static void the_globex_example(void **state)
{
    (void)state;
    struct app *app = load_example("examples/globex/app.yaml");
    assert_true(app->watermark_per_count == 1 && app->watermark_per[0] == 0);
    assert_string_equal(app->fields[1].path[0], "datapoint_id");
    assert_true(app->fields[2].optional && !app->fields[0].optional);
    assert_true(app->fields[5].has_default && app->fields[5].default_value.b);
    assert_true(app->streams[0].size == 600000 && app->streams[0].every == 60000);
    assert_int_equal(app->streams[0].query.agg_count, 4); /* count() and count_if() once each */
    assert_int_equal(app->time.ahead, APP_OFF);
    assert_true(app->jobs[1].period == APP_PERIOD_WEEK && !app->jobs[1].pushdown && app->jobs[1].query.where);
    app_free(&app);
}

static void variants_that_are_right(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"where: v > 3", "where: true"},
        {"where: v > 3", "where: \"v > 3\""},
        {"where: v > 3", "where: >\n      v > 3\n      and id == 1"},
        {"key: [id]", "key: [id, s]"},
        {"tumbling: 5m", "tumbling: 300s, allowed_lateness: 0s"},
        {"  - name: j\n", "  - name: k\n    from: a\n    period: month\n    schedule: '@monthly'\n    select: { x: "
                          "max(n) + 1, c: count() }\n  - name: j\n"},
        {"format: unix", "format: unix, ahead: off"},
        {"    v: float", "    v: { type: float, default: -1e3, from: device.data.v }"},
        {"field: at", "field: meta.at"},
        {"{ event: 1KiB }", "{ event: 4096, message: 16MiB, keys: 5 }"},
        {"tests:", "keep: 7d\ntests:"},
        {"results: [{ n: 1 }]", "results: []"},
        {"events: [{ id: 1, v: 4 }]", "file: data/readings.csv"},
        {"events: [{ id: 1, v: 4 }]", "events: ['{\"id\": 1', { id: 1, v: {}, x: [] }]"},
        {"n > 3,", "'n > 3 and id in [1]',"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf text = {0};
        replace(&text, cases[i][0], cases[i][1]);
        struct app *app = load_good(text.data);
        app_free(&app);
        buf_free(&text);
    }
}

static void warnings_leave_the_app_valid(void **state)
{
    (void)state;
    static const struct {
        const char *old, *new, *pointer, *message;
    } cases[] = {
        {"cooldown: 10m", "cooldown: 1m", "triggers[0].cooldown",
         "1m is shorter than the window (5m): it has no effect"},
        {"cooldown: 10m", "cooldown: 5m", "triggers[0].cooldown",
         "5m is not longer than the window (5m): it has no effect"},
        {"range: 1h", "range: 7m", "jobs[0].range", "7m is no multiple of the window (5m)"},
        {"range: 1h", "period: day\n    timezone: Asia/Kathmandu", NULL, NULL},
        {"tumbling: 5m }", "tumbling: 7m }", "jobs[0].range", "1h is no multiple of the window (7m)"},
        {"optional: true", "optional: true, default: x", "events.fields.s.optional", "has no effect"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf text = {0};
        struct app_diags diags;
        replace(&text, cases[i].old, cases[i].new);
        struct app *app = load(text.data, &diags);
        assert_non_null(app);
        assert_int_equal(diags.errors, 0);
        assert_int_equal(diags.count, cases[i].pointer ? 1 : 0);
        if (cases[i].pointer) {
            assert_true(diags.list[0].warning);
            assert_string_equal(diags.list[0].pointer, cases[i].pointer);
            assert_non_null(strstr(diags.list[0].message, cases[i].message));
        }
        app_free(&app);
        app_diags_free(&diags);
        buf_free(&text);
    }
}

static void windows_out_of_step_with_a_zone_are_warned_of(void **state)
{
    (void)state;
    static const char text[] =
        "tenant: t\n"
        "events: { time: { field: at }, fields: { id: int } }\n"
        "streams: [{ name: a, key: [], window: { tumbling: 1d }, select: { n: count() } }]\n"
        "jobs:\n"
        "  - { name: j, from: a, period: day, timezone: Europe/Helsinki, select: { n: sum(n) } }\n"
        "  - { name: k, from: a, period: hour, select: { n: sum(n) } }\n"
        "  - { name: l, from: a, period: week, select: { n: sum(n) } }\n";
    struct app_diags diags;
    struct app *app = load(text, &diags);
    assert_non_null(app);
    assert_int_equal(diags.count, 2);
    assert_string_equal(diags.list[0].pointer, "jobs[0].timezone");
    assert_string_equal(diags.list[1].pointer, "jobs[1].period");
    app_free(&app);
    app_diags_free(&diags);
}

static void a_tenant_keeps_its_name(void **state)
{
    (void)state;
    struct app_diags diags;
    assert_null(app_load(base, strlen(base), "other", &diags));
    assert_string_equal(diags.list[0].pointer, "tenant");
    app_diags_free(&diags);
    struct app *app = app_load(base, strlen(base), "t", &diags);
    assert_non_null(app);
    app_free(&app);
    app_diags_free(&diags);
}

/* ---- hostile files ---- */

/* Loads `count` times `part`, between begin and end; must be refused with one mistake that says so. */
static void assert_refused(const char *begin, const char *part, size_t count, const char *end, const char *says,
                           bool parsed)
{
    struct buf text = {0};
    struct app_diags diags;
    buf_add_str(&text, begin);
    for (size_t i = 0; i < count; i++)
        buf_add_str(&text, part);
    buf_add_str(&text, end);
    char *exact = mem_alloc(text.len); /* not NUL-terminated, so that the sanitizer sees a read beyond */
    if (text.len)
        memcpy(exact, text.data, text.len);
    assert_null(app_load(exact, text.len, NULL, &diags));
    assert_true(diags.count >= 1 && diags.errors >= 1);
    if (!strstr(diags.list[0].message, says) || diags.parsed != parsed)
        fail_msg("\"%s\" does not say \"%s\"", diags.list[0].message, says);
    app_diags_free(&diags);
    free(exact);
    buf_free(&text);
}

static void hostile_files_are_refused(void **state)
{
    (void)state;
    assert_refused("", "", 0, "", "the file is empty", true);
    assert_refused("# nothing\n", "", 0, "", "the file is empty", true);
    assert_refused("tenant: t\n", "# 300 KB of a comment\n", 14000, "", "at most 262144 (256 KiB)", false);
    assert_refused("", "[", 200000, "", "32 levels", true);
    assert_refused("", "{a: ", 60000, "", "32 levels", true);
    assert_refused("a:\n", "- ", 100000, "", "32 levels", true);
    assert_refused("tenant: \xff\xfe", "", 0, "", "UTF-8", false);
    assert_refused("tenant: t\n---\ntenant: u\n", "", 0, "", "second YAML document", true);
    assert_refused("tenant: 'abc\n", "more\n", 5, "", "a quoted scalar that begins here", false);
    assert_refused("tenant: [a, b\n", "", 0, "", "not valid YAML", false);
    assert_refused("tenant: t\n\tevents: 1\n", "", 0, "", "not valid YAML", false);
    assert_refused("tenant: a\x01"
                   "b\n",
                   "", 0, "", "control characters", false);
    assert_refused("just text", "", 0, "", "a single value stands here", true);
    assert_refused("- a\n", "", 0, "", "a list stands here", true);
    assert_refused("x: [", "5, ", 80000, "5]\n", "`events` is missing", true);
}

static void an_alias_bomb_is_refused_at_every_alias(void **state)
{
    (void)state;
    static const char text[] = "a: &a [x, x, x, x, x, x, x, x, x]\n"
                               "b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
                               "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\n"
                               "d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\n";
    struct app_diags diags;
    assert_null(load(text, &diags));
    size_t aliases = 0, anchors = 0;
    for (size_t i = 0; i < diags.count; i++) {
        aliases += strstr(diags.list[i].message, "aliases") != NULL;
        anchors += strstr(diags.list[i].message, "anchors") != NULL;
    }
    assert_int_equal(aliases, 27);
    assert_int_equal(anchors, 4);
    app_diags_free(&diags);
}

static void no_more_than_a_hundred_mistakes_are_shown(void **state)
{
    (void)state;
    struct buf text = {0};
    struct app_diags diags;
    for (int i = 0; i < 900; i++)
        buf_printf(&text, "k%d: 1\n", i);
    assert_null(load(buf_cstr(&text), &diags));
    assert_int_equal(diags.count, 101);
    assert_true(diags.errors > 900);
    assert_non_null(strstr(diags.list[100].message, "the others are not shown"));
    app_diags_free(&diags);
    buf_free(&text);
    for (int i = 0; i < 3000; i++)
        buf_printf(&text, "k%d: 1\n", i);
    assert_null(load(buf_cstr(&text), &diags));
    app_diags_free(&diags);
    buf_free(&text);
}

/* A mistake that is a file's end must name where the thing began, not the end. */
static void an_open_quote_is_shown_where_it_begins(void **state)
{
    (void)state;
    struct app_diags diags;
    assert_null(load("tenant: t\ntitle: 'Acme\nevents: 1\nstreams: 2\n", &diags));
    assert_int_equal(diags.count, 1);
    assert_int_equal(diags.list[0].line, 2);
    assert_int_equal(diags.list[0].column, 8);
    app_diags_free(&diags);
}

/* ---- what people and programs see ---- */

static void text_is_clickable_and_shows_the_place(void **state)
{
    (void)state;
    static const char text[] = "tenant: t\n"
                               "events: { time: { field: at }, fields: { id: int, k\xc3\xa4y: int } }\n"
                               "streams:\n"
                               "  - name: a\n"
                               "    key: [id]\n"
                               "    window:\n"
                               "         tumblng: 5m\n"
                               "    select: { n: count() }\n"
                               "  - { name: b, key: [id], window: { tumbling: 5m }, select: { n: count() } }\n"
                               "triggers: [{ name: t, on: b, when: n > 1, cooldown: 1m, run: j }]\n"
                               "jobs: [{ name: j, from: b, range: 1h, select: { n: sum(n) } }]\n";
    static const char expected[] =
        "app.yaml:2:51: error: events.fields.k\xc3\xa4y: `k\xc3\xa4y` is no name for a field; expected "
        "[A-Za-z_][A-Za-z0-9_]{0,63}, and "
        "none of and, or, not, in, is, null, true, false\n"
        "    2 | events: { time: { field: at }, fields: { id: int, k\xc3\xa4y: int } }\n"
        "      |                                                   ^~~\n"
        "app.yaml:7:10: error: streams[0].window.tumblng: unknown field; did you mean `tumbling`?\n"
        "    7 |          tumblng: 5m\n"
        "      |          ^~~~~~~\n"
        "app.yaml:10:53: warning: triggers[0].cooldown 1m is shorter than the window (5m): it has no effect\n"
        "   10 | triggers: [{ name: t, on: b, when: n > 1, cooldown: 1m, run: j }]\n"
        "      |                                                     ^~\n"
        "2 errors, 1 warning\n";
    struct app_diags diags;
    struct buf out = {0};
    assert_null(load(text, &diags));
    app_diags_text(&diags, "app.yaml", text, strlen(text), &out);
    assert_string_equal(buf_cstr(&out), expected);
    buf_clear(&out);
    diags.list++;
    diags.count = 1;
    app_diags_json(&diags, "app.yaml", &out);
    assert_string_equal(
        buf_cstr(&out),
        "[{\"severity\":\"error\",\"file\":\"app.yaml\",\"line\":7,\"column\":10,\"pointer\":\"streams[0].window."
        "tumblng\","
        "\"message\":\"unknown field\",\"expected\":\"one of tumbling, sliding, every, allowed_lateness\","
        "\"suggestion\":\"tumbling\"}]");
    buf_free(&out);
    app_diags_free(&diags);
}

static void excerpts_of_long_lines_and_tabs(void **state)
{
    (void)state;
    struct buf text = {0}, out = {0};
    struct app_diags diags;
    buf_add_str(&text, "tenant: t\ntitle: \"");
    for (int i = 0; i < 400; i++)
        buf_add_char(&text, 'x');
    buf_add_str(&text, "\"\n");
    for (int i = 0; i < 200; i++)
        buf_add_char(&text, ' ');
    buf_add_str(&text, "evnts: \t1\n");
    assert_null(load(buf_cstr(&text), &diags));
    app_diags_text(&diags, "app.yaml", text.data, text.len, &out);
    for (char *line = strtok((char *)buf_cstr(&out), "\n"); line; line = strtok(NULL, "\n"))
        assert_true(strlen(line) < 300);
    app_diags_free(&diags);
    buf_free(&text);
    buf_free(&out);
    buf_add_str(&text, "tenant: t\nwhere:\t5\n");
    assert_null(load(buf_cstr(&text), &diags));
    app_diags_text(&diags, "f", text.data, text.len, &out);
    assert_non_null(strstr(buf_cstr(&out), "    2 | where:\t5\n      | ^~~~~\n"));
    app_diags_free(&diags);
    buf_free(&text);
    buf_free(&out);
}

static void tests_become_json(void **state)
{
    (void)state;
    struct buf text = {0};
    replace(&text, "events: [{ id: 1, v: 4 }]",
            "events: [{ id: 1, v: 4.50, s: \"4\", t: true, u: yes, n: null, z: ~, x: 0x10, l: [1, a], o: { p: -1e3 }, "
            "d: 2026-01-01 10:00:00 UTC, q: 'a\"b' "
            "}, '{broken']");
    struct app *app = load_good(text.data);
    assert_int_equal(app->tests[0].event_count, 2);
    assert_string_equal(app->tests[0].events[0], "{\"id\":1,\"v\":4.50,\"s\":\"4\",\"t\":true,\"u\":\"yes\",\"n\":null,"
                                                 "\"z\":null,\"x\":\"0x10\",\"l\":[1,\"a\"],\"o\":{\"p\":-1e3},"
                                                 "\"d\":\"2026-01-01 10:00:00 UTC\",\"q\":\"a\\\"b\"}");
    assert_string_equal(app->tests[0].events[1], "{broken");
    assert_string_equal(app->tests[0].results[0], "{\"n\":1}");
    assert_int_equal(app->tests[0].line, 24);
    app_free(&app);
    buf_free(&text);
}

/* ---- versions ---- */

static void which_streams_go_on_in_a_new_version(void **state)
{
    (void)state;
    static const struct {
        const char *old, *new;
        bool same;
    } cases[] = {
        {"tenant: t", "tenant: t\ntitle: x", true},
        {"    id: int\n    v: float\n", "    v: float\n    id: int\n", true},
        {"    id: int\n", "    another: string\n    id: int\n", true},
        {"s: { type: string, optional: true }", "s: string", true}, /* not used by the stream */
        {"where: v > 3", "where:  (v > 3)", true},
        {"where: v > 3", "where: v > 4", false},
        {"where: v > 3\n", "where: v > 3 and s is null\n", false},
        {"    where: v > 3\n", "", false},
        {"id: int", "id: { type: int, default: 1 }", false},
        {"v: float", "v: { type: float, from: w }", false},
        {"tumbling: 5m", "tumbling: 5m, allowed_lateness: 1m", false},
        {"tumbling: 5m", "tumbling: 6m", false},
        {"key: [id]", "key: [id, s]", false},
        {"top: max(v)", "top: min(v)", false},
        {"top: max(v)", "high: max(v)", false},
        {"top: max(v)", "top: max(v) + 1", false},
        {"top: max(v) }", "top: max(v), more: count() }", false},
        {"cooldown: 10m", "cooldown: 20m", true},
    };
    struct app *old = load_good(base);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf text = {0};
        replace(&text, cases[i].old, cases[i].new);
        struct app *new = load_good(text.data);
        if (app_stream_same(old, &old->streams[0], new, &new->streams[0]) != cases[i].same)
            fail_msg("\"%s\" for \"%s\"", cases[i].new, cases[i].old);
        app_free(&new);
        buf_free(&text);
    }
    app_free(&old);
}

static void tenant_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool ok;
    } cases[] = {{"a", true},
                 {"acme", true},
                 {"a-1", true},
                 {"", false},
                 {"1a", false},
                 {"-a", false},
                 {"A", false},
                 {"a_b", false},
                 {"a.b", false},
                 {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", true},
                 {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false}};
    for (size_t i = 0; i < COUNT(cases); i++)
        if (app_tenant_name_ok(cases[i].name, strlen(cases[i].name)) != cases[i].ok)
            fail_msg("%s", cases[i].name);
    assert_false(app_tenant_name_ok("a\0b", 3));
}

static void the_reference_page_is_fresh(void **state)
{
    (void)state;
    struct buf made = {0}, kept = {0};
    schema_doc(&made);
    read_whole("docs/app-file.md", &kept);
    if (kept.len != made.len || memcmp(kept.data, made.data, made.len) != 0)
        fail_msg("docs/app-file.md is not what the schema says; run build/bin/app-doc > docs/app-file.md");
    buf_free(&made);
    buf_free(&kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_acme_example),
        cmocka_unit_test(the_globex_example),
        cmocka_unit_test(variants_that_are_right),
        cmocka_unit_test(warnings_leave_the_app_valid),
        cmocka_unit_test(windows_out_of_step_with_a_zone_are_warned_of),
        cmocka_unit_test(a_tenant_keeps_its_name),
        cmocka_unit_test(hostile_files_are_refused),
        cmocka_unit_test(an_alias_bomb_is_refused_at_every_alias),
        cmocka_unit_test(no_more_than_a_hundred_mistakes_are_shown),
        cmocka_unit_test(an_open_quote_is_shown_where_it_begins),
        cmocka_unit_test(text_is_clickable_and_shows_the_place),
        cmocka_unit_test(excerpts_of_long_lines_and_tabs),
        cmocka_unit_test(tests_become_json),
        cmocka_unit_test(which_streams_go_on_in_a_new_version),
        cmocka_unit_test(tenant_names),
        cmocka_unit_test(the_reference_page_is_fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
