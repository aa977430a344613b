/* For the engine's tests: feeds messages, and gives what came out as lines of text.
 *
 *   alarms 0-10000 r0 {"id":1,"n":3} storm      a result: stream, window in ms, revision, key and selected values, what
 * it fired trigger storm #1                            of result number 1 dead late 5.0 {"t":1} reason, offset and
 * index, body */
#ifndef BELLTOWER_STREAM_ENGINE_FIXTURE_H
#define BELLTOWER_STREAM_ENGINE_FIXTURE_H

#include "base/json.h"
#include "base/wire/control.h"
#include "base/wire/names.h"
#include "stream/engine/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct engine *engine;
    struct buf out;
    uint64_t offset;                    /* of the next message */
    int64_t received_ms;                /* of the next messages */
    uint64_t first_offset, last_offset; /* of the last result */
};

static inline void fixture_result(void *context, const struct engine_result *r)
{
    struct fixture *f = context;
    const char *end = memmem(r->body.p, r->body.len, "\"tenant_id\"", 11);
    size_t len = (size_t)(end - r->body.p);
    if (len > 1 && r->body.p[len - 1] == ',')
        len--;
    assert_true(json_valid(r->body.p, r->body.len, NULL));
    assert_true(r->first_offset <= r->last_offset);
    f->first_offset = r->first_offset;
    f->last_offset = r->last_offset;
    buf_printf(&f->out, "%s %lld-%lld r%u ", r->stream_name, (long long)r->window_start, (long long)r->window_end,
               r->revision);
    buf_add(&f->out, r->body.p, len);
    buf_printf(&f->out, "}%s%s\n", *r->fired ? " " : "", r->fired);
}

static inline void fixture_trigger(void *context, const struct engine_trigger *t)
{
    struct fixture *f = context;
    assert_true(json_valid(t->body.p, t->body.len, NULL));
    buf_printf(&f->out, "trigger %s #%llu\n", t->name, (unsigned long long)t->result_number);
}

static inline void fixture_rewound(void *context, uint64_t number, int64_t from)
{
    struct fixture *f = context;
    buf_printf(&f->out, "rewound #%llu %lld\n", (unsigned long long)number, (long long)from);
}

static inline void fixture_dead(void *context, const struct engine_dead *d)
{
    struct fixture *f = context;
    assert_true(*d->detail != 0);
    buf_printf(&f->out, "dead %s %llu.%u ", dead_reason_name(d->reason), (unsigned long long)d->offset, d->index);
    buf_add(&f->out, d->body.p, d->body.len);
    buf_add_char(&f->out, '\n');
}

static inline struct app *fixture_app(const char *yaml)
{
    struct app_diags diags = {0};
    struct app *app = app_load(yaml, strlen(yaml), NULL, &diags);
    if (!app) {
        struct buf text = {0};
        app_diags_text(&diags, "app.yaml", yaml, strlen(yaml), &text);
        fail_msg("%s", buf_cstr(&text));
    }
    app_diags_free(&diags);
    return app;
}

static inline struct fixture fixture_new(const char *yaml)
{
    return (struct fixture){.engine = engine_new(fixture_app(yaml), 1, 1)};
}

static inline void fixture_free(struct fixture *f)
{
    engine_free(&f->engine);
    buf_free(&f->out);
}

static inline struct engine_sink fixture_sink(struct fixture *f)
{
    return (struct engine_sink){.context = f,
                                .result = fixture_result,
                                .trigger = fixture_trigger,
                                .dead = fixture_dead,
                                .rewound = fixture_rewound};
}

static inline void feed_message(struct fixture *f, struct engine_message *m)
{
    struct engine_sink sink = fixture_sink(f);
    char *body = malloc(m->body.len + 1); /* the sanitizer sees a read behind its end */
    memcpy(body, m->body.p, m->body.len);
    m->body.p = body;
    m->offset = f->offset++;
    m->received_ms = f->received_ms;
    engine_message(f->engine, m, &sink);
    free(body);
}

static inline struct bytes bytes_of_text(const char *text)
{
    return (struct bytes){text, strlen(text)};
}

static inline void feed(struct fixture *f, const char *body)
{
    feed_message(f, &(struct engine_message){.body = bytes_of_text(body)});
}

static inline void feed_numbered(struct fixture *f, const char *id, const char *body)
{
    feed_message(f, &(struct engine_message){.body = bytes_of_text(body), .message_id = bytes_of_text(id)});
}

static inline void feed_control(struct fixture *f, const char *type, const char *user, const char *body)
{
    feed_message(f, &(struct engine_message){
                        .body = bytes_of_text(body), .type = bytes_of_text(type), .user_id = bytes_of_text(user)});
}

static inline void feed_end(struct fixture *f)
{
    feed_control(f, CONTROL_END, USER_API, "{}");
}

static inline void feed_tick(struct fixture *f, const char *body)
{
    feed_control(f, CONTROL_TICK, "belltower-worker-acme", body);
}

static inline void feed_version(struct fixture *f, int version, const char *yaml)
{
    struct buf b = {0};
    json_w_open(&b, '{');
    json_w_name(&b, "version");
    json_w_int(&b, version);
    json_w_name(&b, "app");
    json_w_str(&b, yaml);
    json_w_close(&b, '}');
    feed_control(f, CONTROL_VERSION, USER_API, buf_cstr(&b));
    buf_free(&b);
}

/* Logs by chance, the same for the same seed. */
static inline uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33);
}

/* All that came out since the last call. */
static inline void expect_at(struct fixture *f, const char *want, const char *file, int line)
{
    const char *got = buf_cstr(&f->out);
    if (strcmp(got, want) != 0) {
        print_error("%s:%d: expected:\n%sgot:\n%s", file, line, want, got);
        fail();
    }
    buf_clear(&f->out);
}
#define expect(f, want) expect_at(f, want, __FILE__, __LINE__)

/* Goes on as after a restart; equal states give equal bytes. */
static inline void fixture_reload(struct fixture *f)
{
    struct buf one = {0}, two = {0};
    struct err err;
    engine_snapshot(f->engine, &one);
    engine_free(&f->engine);
    if (engine_restore(one.data, one.len, &f->engine, &err) < 0)
        fail_msg("%s", err.text);
    engine_snapshot(f->engine, &two);
    assert_int_equal(one.len, two.len);
    assert_memory_equal(one.data, two.data, one.len);
    buf_free(&one);
    buf_free(&two);
}

#endif
