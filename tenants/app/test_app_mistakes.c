/* Every mistake that an app file can hold: where it is said to be, and that nothing else is said. */
#include "tenants/app/test_app.h"

struct mistake_case {
    const char *old, *new;
    unsigned line, column;
    const char *pointer, *says, *suggestion;
};

static const struct mistake_case mistakes[] = {
    /* structure */
    {"tenant: t\n", "", 1, 1, "", "`tenant` is missing", NULL},
    {"tenant: t", "tenant: 9", 1, 9, "tenant", "no tenant name", NULL},
    {"tenant: t", "tenant:", 1, 8, "tenant", "nothing stands here", NULL},
    {"tenant: t", "tenant: t\ntenants: u", 2, 1, "tenants", "unknown field", "tenant"},
    {"tenant: t", "tenant: [t]", 1, 9, "tenant", "a list stands here", NULL},
    {"tenant: t", "tenant: t\ntenant: u", 2, 1, "tenant", "line 1 has it already", NULL},
    {"tenant: t", "tenant: &x t", 1, 9, "", "anchors", NULL},
    {"tenant: t", "tenant: !!str t", 1, 9, "", "tags", NULL},
    {"tenant: t", "tenant: t\n? [a]\n: b", 2, 3, "", "a key must be plain text", NULL},
    {"streams:\n", "streams:\n  - 5\n", 9, 5, "streams[0]", "wrong kind of entry", NULL},
    /* events */
    {"{ field: at, format: unix }", "{ format: unix }", 3, 3, "events.time", "`field` is missing", NULL},
    {"format: unix", "format: '%Y'", 3, 30, "events.time.format", "month and day", NULL},
    {"field: at", "field: a..b", 3, 18, "events.time.field", "no path", NULL},
    {"format: unix", "format: unix, idle_after: 90", 3, 48, "events.time.idle_after", "`90` is no duration", NULL},
    {"format: unix", "format: unix, idle_after: 2d", 3, 48, "events.time.idle_after", "out of range", NULL},
    {"format: unix", "format: unix, aheda: 1d", 3, 36, "events.time.aheda", "unknown field", "ahead"},
    {"v: float", "v: flaot", 6, 8, "events.fields.v", "no type", "float"},
    {"v: float", "v: { type: float, default: abc }", 6, 32, "events.fields.v.default", "does not fit", NULL},
    {"v: float", "v: { type: float, default: '1' }", 6, 32, "events.fields.v.default", "does not fit", NULL},
    {"id: int", "id: { type: int, default: 01 }", 5, 31, "events.fields.id.default", "does not fit", NULL},
    {"id: int", "id: { type: int, default: 1.5 }", 5, 31, "events.fields.id.default", "does not fit", NULL},
    {"optional: true", "optional: yes", 7, 34, "events.fields.s.optional", "`yes` is no bool", NULL},
    {"v: float", "v: float\n    not: int", 7, 5, "events.fields.not", "no name for a field", NULL},
    {"v: float", "v: float\n    a-b: int", 7, 5, "events.fields.a-b", "no name for a field", NULL},
    {"  fields:", "  watermark_per: [idd]\n  fields:", 4, 19, "events.watermark_per[0]", "unknown name", "id"},
    {"  fields:", "  watermark_per: [s]\n  fields:", 12, 10, "streams[0].key", "lacks `s`", NULL},
    /* streams */
    {"name: a\n", "name: A\n", 9, 11, "streams[0].name", "no name", NULL},
    {"where: v > 3", "where: v > ss", 10, 16, "streams[0].where", "unknown name", "s"},
    {"where: v > 3", "where: v = 3", 10, 14, "streams[0].where", "no operator", "=="},
    {"where: v > 3", "where: v + 3", 10, 12, "streams[0].where", "float, not bool", NULL},
    {"where: v > 3", "where: \"v > 'x'\"", 10, 13, "streams[0].where", "cannot compare", NULL},
    {"where: v > 3", "where: [v]", 10, 12, "streams[0].where", "a list stands here", NULL},
    {"where: v > 3", "where: count() > 3", 10, 12, "streams[0].where", "is an aggregate", NULL},
    {"key: [id]", "key: [di]", 11, 11, "streams[0].key[0]", "unknown name", "id"},
    {"key: [id]", "key: [id, v]", 11, 15, "streams[0].key[1]", "is a float", NULL},
    {"key: [id]", "key: [id, id]", 11, 15, "streams[0].key[1]", "twice", NULL},
    {"key: [id]", "key: id", 11, 10, "streams[0].key", "a single value stands here", NULL},
    {"    key: [id]\n", "", 9, 5, "streams[0]", "`key` is missing", NULL},
    {"tumbling: 5m", "tumblng: 5m", 12, 15, "streams[0].window.tumblng", "unknown field", "tumbling"},
    {"tumbling: 5m", "tumbling: 5m, sliding: 5m", 12, 29, "streams[0].window.sliding", "either tumbling or sliding",
     NULL},
    {"tumbling: 5m", "tumbling: 5m, every: 5m", 12, 29, "streams[0].window.every", "only sliding", NULL},
    {"tumbling: 5m", "sliding: 5m", 12, 15, "streams[0].window.sliding", "needs `every`", NULL},
    {"tumbling: 5m", "sliding: 5m, every: 10m", 12, 35, "streams[0].window.every", "longer than the window", NULL},
    {"tumbling: 5m", "sliding: 5m, every: 7ms", 12, 35, "streams[0].window.every", "too fine", NULL},
    {"tumbling: 5m", "sliding: 5m, every: 1ms", 12, 35, "streams[0].window.every", "too fine", NULL},
    {"tumbling: 5m", "allowed_lateness: 5m", 12, 5, "streams[0].window", "no size", NULL},
    {"tumbling: 5m", "tumbling: 0s", 12, 25, "streams[0].window.tumbling", "out of range", NULL},
    {"top: max(v)", "top: max(w)", 13, 36, "streams[0].select.top", "unknown name", NULL},
    {"top: max(v)", "top: v", 13, 32, "streams[0].select.top", "not part of the key", NULL},
    {"top: max(v)", "top: maxx(v)", 13, 32, "streams[0].select.top", "unknown function", "max"},
    {"top: max(v)", "id: max(v)", 13, 27, "streams[0].select.id", "a column of the key has this name", NULL},
    {"top: max(v)", "revision: max(v)", 13, 27, "streams[0].select.revision", "this name is taken", NULL},
    {"top: max(v)", "top: 'max(v'", 13, 38, "streams[0].select.top", "ends too early", NULL},
    /* triggers */
    {"on: a,", "on: b,", 15, 21, "triggers[0].on", "no stream `b`", NULL},
    {"run: j }", "run: jj }", 15, 57, "triggers[0].run", "no job `jj`", "j"},
    {"when: n > 3", "when: nn > 3", 15, 30, "triggers[0].when", "unknown name", "n"},
    {"when: n > 3", "when: n", 15, 30, "triggers[0].when", "int, not bool", NULL},
    {"triggers:\n", "triggers:\n  - { name: t1, on: a, when: n > 1, run: j }\n", 16, 13, "triggers[1].name",
     "line 15 has a trigger", NULL},
    /* jobs */
    {"from: a", "from: aa", 18, 11, "jobs[0].from", "no stream `aa`", "a"},
    {"    range: 1h\n", "", 17, 5, "jobs[0]", "no `range` and no `period`", NULL},
    {"range: 1h", "range: 1h\n    period: day", 20, 5, "jobs[0].period", "beside `range`", NULL},
    {"range: 1h", "period: dya", 19, 13, "jobs[0].period", "no period", "day"},
    {"range: 1h", "range: 1h\n    schedule: '5 0 * *'", 20, 15, "jobs[0].schedule", "no day of the week", NULL},
    {"range: 1h", "range: 1h\n    schedule: '0 0 31 2 *'", 20, 15, "jobs[0].schedule", "never due", NULL},
    {"range: 1h", "range: 1h\n    timezone: Europe/Helsinky", 20, 15, "jobs[0].timezone", "no time zone", NULL},
    {"by: [id]", "by: [v]", 20, 10, "jobs[0].by[0]", "unknown name", NULL},
    {"by: [id]", "by: [top]", 20, 10, "jobs[0].by[0]", "is a float", NULL},
    {"select: { n: sum(n) }", "select: { n: sum(v) }", 21, 22, "jobs[0].select.n", "unknown name", NULL},
    {"select: { n: sum(n) }", "select: { time_period: sum(n) }", 21, 15, "jobs[0].select.time_period",
     "this name is taken", NULL},
    {"by: [id]", "where: n >> 3", 20, 15, "jobs[0].where", "unexpected `>`", NULL},
    /* limits, tests */
    {"event: 1KiB", "event: 2MiB", 22, 18, "limits.event", "out of range: 1 to 1MiB", NULL},
    {"event: 1KiB", "event: 1kb", 22, 18, "limits.event", "no size", NULL},
    {"event: 1KiB", "event: 1MiB, message: 1KiB", 22, 18, "limits.event", "larger than a whole message", NULL},
    {"event: 1KiB", "keys: 0x10", 22, 17, "limits.keys", "no number", NULL},
    {"event: 1KiB", "keys: 010", 22, 17, "limits.keys", "no number", NULL},
    {"results: [{ n: 1 }]", "results: [{ nn: 1 }]", 24, 57, "tests[0].results[0].nn", "no stream has this column", "n"},
    {"results: [{ n: 1 }]", "results: [5]", 24, 55, "tests[0].results[0]", "wrong kind of entry", NULL},
    {"events: [{ id: 1, v: 4 }]", "x: 1", 24, 5, "tests[0]", "has no events", NULL},
    {"events: [{ id: 1, v: 4 }]", "file: ../x", 24, 24, "tests[0].file", "leads away", NULL},
    {"events: [{ id: 1, v: 4 }]", "file: /etc/passwd", 24, 24, "tests[0].file", "leads away", NULL},
};

static const struct app_diag *find_diag(const struct app_diags *diags, const struct mistake_case *c)
{
    for (size_t i = 0; i < diags->count; i++) {
        const struct app_diag *d = &diags->list[i];
        bool same_suggestion = c->suggestion ? d->suggestion && !strcmp(d->suggestion, c->suggestion) : !d->suggestion;
        if (!d->warning && d->line == c->line && d->column == c->column && !strcmp(d->pointer, c->pointer) &&
            strstr(d->message, c->says) && same_suggestion)
            return d;
    }
    return NULL;
}

static void show(const struct app_diags *diags, const char *text, const struct mistake_case *c)
{
    struct buf out = {0};
    app_diags_text(diags, "app.yaml", text, strlen(text), &out);
    print_error("expected only %u:%u %s: %s (%s)\ngot:\n%s", c->line, c->column, c->pointer, c->says,
                c->suggestion ? c->suggestion : "-", buf_cstr(&out));
    buf_free(&out);
}

/* Each is reported at its place, and nothing that only follows from it. */
static void each_mistake_once(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < COUNT(mistakes); i++) {
        const struct mistake_case *c = &mistakes[i];
        struct app_diags diags;
        struct buf text = {0};
        replace(&text, c->old, c->new);
        struct app *app = load(text.data, &diags);
        size_t allowed = strstr(c->new, "x: 1") ? 2 : 1; /* that one has an unknown key besides */
        if (app || !find_diag(&diags, c) || diags.count != allowed || !diags.parsed) {
            show(&diags, text.data, c);
            wrong++;
        }
        app_free(&app);
        app_diags_free(&diags);
        buf_free(&text);
    }
    assert_int_equal(wrong, 0);
}

static void counts_over_sliding_windows_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *select;
        bool right;
    } cases[] = {{"sum(n)", false}, {"count()", false}, {"count_if(n > 1)", false}, {"max(n) + sum(n)", false},
                 {"max(n)", true},  {"avg(n)", true},   {"max(n) - min(n)", true}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf text = {0};
        struct app_diags diags;
        replace(&text, "tumbling: 5m", "sliding: 10m, every: 5m");
        const char *at = strstr(buf_cstr(&text), "sum(n)");
        struct buf whole = {0};
        buf_add(&whole, text.data, (size_t)(at - text.data));
        buf_add_str(&whole, cases[i].select);
        buf_add_str(&whole, at + 6);
        struct app *app = load(buf_cstr(&whole), &diags);
        assert_int_equal(app != NULL, cases[i].right);
        if (!cases[i].right) {
            assert_non_null(strstr(diags.list[0].message, "would count each event 2 times"));
            assert_string_equal(diags.list[0].pointer, "jobs[0].select.n");
        }
        app_free(&app);
        app_diags_free(&diags);
        buf_free(&whole);
        buf_free(&text);
    }
}

static void ten_mistakes_at_once(void **state)
{
    (void)state;
    static const struct {
        unsigned line;
        const char *pointer;
    } expected[] = {{2, "tenant"},
                    {4, "events.time.format"},
                    {4, "events.time.out_of_orderness"},
                    {6, "events.fields.station_id"},
                    {11, "streams[0].where"},
                    {12, "streams[0].key[0]"},
                    {13, "streams[0].window.tumblng"},
                    {14, "streams[0].select.highest"},
                    {17, "triggers[0].on"},
                    {24, "jobs[0].schedule"}};
    struct buf text = {0};
    struct app_diags diags;
    read_whole("tests/data/ten-mistakes.yaml", &text);
    assert_null(app_load(text.data, text.len, NULL, &diags));
    assert_int_equal(diags.count, 10);
    assert_int_equal(diags.errors, 10);
    for (size_t i = 0; i < COUNT(expected); i++) {
        assert_int_equal(diags.list[i].line, expected[i].line);
        assert_string_equal(diags.list[i].pointer, expected[i].pointer);
    }
    app_diags_free(&diags);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mistake_once),
        cmocka_unit_test(counts_over_sliding_windows_are_refused),
        cmocka_unit_test(ten_mistakes_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
