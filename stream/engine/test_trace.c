/* What became of each event. */
#include "stream/engine/fixture.h"

static const char app[] =
    "tenant: acme\nevents:\n  time: { field: t, format: unix_ms, ahead: 1m }\n"
    "  fields: { id: int, v: { type: int, default: 1 } }\nstreams:\n"
    "  - { name: a, where: v > 0, key: [id], window: { tumbling: 10s, allowed_lateness: 5s }, select: { n: count() } "
    "}\n"
    "  - { name: b, where: v > 5, key: [], window: { sliding: 20s, every: 10s }, select: { n: count() } }\n"
    "limits: { keys: 2 }\n";

struct traced {
    struct fixture f;
    struct buf text;
};

/* kind offset.index stream key time ends/size v=value */
static void on_trace(void *context, const struct engine_trace *t)
{
    static const char *const kinds[] = {"counted",       "counted-late", "late", "filtered",
                                        "too-many-keys", "repeat",       "ahead"};
    struct traced *c = context;
    assert_true(json_valid(t->key.p, t->key.len, NULL) && json_valid(t->body.p, t->body.len, NULL));
    buf_printf(&c->text, "%s %llu.%u %s %.*s %lld %lld-%lld/%lld", kinds[t->kind], (unsigned long long)t->offset,
               t->index, t->stream_name, (int)t->key.len, t->key.p, (long long)t->time, (long long)t->first_end,
               (long long)t->last_end, (long long)t->size);
    for (size_t i = 0; i < t->app->field_count; i++)
        if (strcmp(t->app->fields[i].name, "v") == 0)
            buf_printf(&c->text, " v=%lld", (long long)t->values[i].i);
    buf_add_char(&c->text, '\n');
}

static void give_result(void *context, const struct engine_result *r)
{
    fixture_result(&((struct traced *)context)->f, r);
}

static void give_trigger(void *context, const struct engine_trigger *t)
{
    fixture_trigger(&((struct traced *)context)->f, t);
}

static void give_dead(void *context, const struct engine_dead *d)
{
    fixture_dead(&((struct traced *)context)->f, d);
}

static void send(struct traced *c, const char *id, const char *type, const char *body)
{
    const struct engine_sink sink = {
        .context = c, .result = give_result, .trigger = give_trigger, .dead = give_dead, .trace = on_trace};
    const struct engine_message m = {.offset = c->f.offset++,
                                     .body = bytes_of_text(body),
                                     .message_id = bytes_of_text(id),
                                     .type = bytes_of_text(type),
                                     .user_id = bytes_of_text(USER_API)};
    engine_message(c->f.engine, &m, &sink);
}

static void expect_trace(struct traced *c, const char *want)
{
    if (strcmp(buf_cstr(&c->text), want) != 0)
        fail_msg("expected:\n%sgot:\n%s", want, buf_cstr(&c->text));
    buf_clear(&c->text);
}

static struct traced traced_new(void)
{
    return (struct traced){.f = fixture_new(app)};
}

static void traced_free(struct traced *c)
{
    fixture_free(&c->f);
    buf_free(&c->text);
}

static void each_stream_says_what_it_did(void **state)
{
    (void)state;
    struct traced c = traced_new();
    send(&c, "", "", "[{\"t\":12000,\"id\":1,\"v\":9},{\"t\":13000,\"id\":1},{\"t\":13000,\"id\":1,\"v\":0}]");
    expect_trace(&c, "counted 0.0 a [1] 12000 20000-20000/10000 v=9\ncounted 0.0 b [] 12000 20000-30000/20000 v=9\n"
                     "counted 0.1 a [1] 13000 20000-20000/10000 v=1\nfiltered 0.1 b [] 13000 20000-30000/20000 v=1\n"
                     "filtered 0.2 a [1] 13000 20000-20000/10000 v=0\nfiltered 0.2 b [] 13000 20000-30000/20000 v=0\n");
    send(&c, "", "", "[{\"t\":20000,\"id\":2},{\"t\":19000,\"id\":3},{\"t\":19000,\"id\":2},{\"t\":9999,\"id\":1}]");
    expect_trace(&c, "counted 1.0 a [2] 20000 30000-30000/10000 v=1\nfiltered 1.0 b [] 20000 30000-40000/20000 v=1\n"
                     "too-many-keys 1.1 a [3] 19000 20000-20000/10000 v=1\n"
                     "filtered 1.1 b [] 19000 20000-30000/20000 v=1\n"
                     "counted-late 1.2 a [2] 19000 20000-20000/10000 v=1\n"
                     "filtered 1.2 b [] 19000 20000-30000/20000 v=1\n"
                     "late 1.3 a [1] 9999 10000-10000/10000 v=1\nfiltered 1.3 b [] 9999 10000-20000/20000 v=1\n");
    traced_free(&c);
}

static void repeats_are_read_but_change_nothing(void **state)
{
    (void)state;
    struct traced c = traced_new();
    struct buf before = {0}, after = {0};
    static const char body[] = "{\"t\":12000,\"id\":1} {\"t\":12000} {broken\n{\"t\":5000000,\"id\":2,\"v\":0} 7";
    send(&c, "p:1", "", "{\"t\":12000,\"id\":1}");
    buf_clear(&c.text);
    send(&c, "p:1", "", body);
    engine_snapshot(c.f.engine, &before);
    expect_trace(&c, "repeat 1.0 a [1] 12000 20000-20000/10000 v=1\nfiltered 1.0 b [] 12000 20000-30000/20000 v=1\n"
                     "filtered 1.3 a [2] 5000000 5010000-5010000/10000 v=0\n"
                     "filtered 1.3 b [] 5000000 5010000-5020000/20000 v=0\n");
    expect(&c.f, "");
    struct fixture silent = fixture_new(app); /* the same without anybody who asks */
    feed_numbered(&silent, "p:1", "{\"t\":12000,\"id\":1}");
    feed_numbered(&silent, "p:1", body);
    engine_snapshot(silent.engine, &after);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.data, after.data, before.len);
    fixture_free(&silent);
    buf_free(&before);
    buf_free(&after);
    traced_free(&c);
}

static void held_events_are_traced_again_when_they_are_let_in(void **state)
{
    (void)state;
    struct traced c = traced_new();
    send(&c, "", "", "{\"t\":1000,\"id\":1}");
    buf_clear(&c.text);
    send(&c, "", "", "{\"t\":100000,\"id\":1}");
    expect_trace(&c,
                 "ahead 1.0 a [1] 100000 110000-110000/10000 v=1\nfiltered 1.0 b [] 100000 110000-120000/20000 v=1\n");
    for (int i = 0; i < 9; i++)
        send(&c, "", "", "{\"t\":100000,\"id\":1}");
    assert_non_null(strstr(buf_cstr(&c.text), "ahead 10.0 a [1]"));
    assert_non_null(strstr(buf_cstr(&c.text), "\ncounted 1.0 a [1] 100000 110000-110000/10000 v=1\n"));
    assert_non_null(strstr(buf_cstr(&c.text), "\ncounted 10.0 a [1] 100000 110000-110000/10000 v=1\n"));
    traced_free(&c);
}

static void an_older_version_speaks_for_its_stream(void **state)
{
    (void)state;
    struct traced c = traced_new();
    send(&c, "", "", "{\"t\":1000,\"id\":1}");
    buf_clear(&c.text);
    send(&c, "", CONTROL_VERSION,
         "{\"version\":2,\"app\":\"tenant: acme\\nevents:\\n  time: { field: t, format: unix_ms }\\n"
         "  fields: { v: { type: int, from: w }, id: int }\\nstreams:\\n"
         "  - { name: a, key: [id], window: { tumbling: 10s }, select: { n: count(), m: max(v) } }\\n\"}");
    send(&c, "", "", "[{\"t\":2000,\"id\":1,\"v\":7,\"w\":8},{\"t\":2000,\"id\":1,\"v\":\"x\",\"w\":8}]");
    expect_trace(&c, "counted 2.0 a [1] 2000 10000-10000/10000 v=7\nlate 2.1 a [1] 2000 10000-10000/10000 v=8\n");
    send(&c, "", "", "{\"t\":10000,\"id\":1,\"v\":7,\"w\":8}");
    expect_trace(&c, "counted 3.0 a [1] 10000 20000-20000/10000 v=8\n");
    traced_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_stream_says_what_it_did),
        cmocka_unit_test(repeats_are_read_but_change_nothing),
        cmocka_unit_test(held_events_are_traced_again_when_they_are_let_in),
        cmocka_unit_test(an_older_version_speaks_for_its_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
