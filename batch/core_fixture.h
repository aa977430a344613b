/* A batch core with an app, its effects looked at one by one, its clock moved by hand. */
#ifndef BELLTOWER_BATCH_CORE_FIXTURE_H
#define BELLTOWER_BATCH_CORE_FIXTURE_H

#include "batch/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char app_text[] =
    "tenant: acme\n"
    "events:\n"
    "  time: { field: t, format: unix }\n"
    "  fields: { k: int }\n"
    "streams:\n"
    "  - name: s\n"
    "    key: [k]\n"
    "    window: { tumbling: 1h }\n"
    "    select: { n: count() }\n"
    "jobs:\n"
    "  - { name: last, from: s, range: 2h, by: [k], select: { n: sum(n) } }\n"
    "  - { name: daily, from: s, period: day, schedule: '5 0 * * *', wait: 1m, by: [k], select: { n: sum(n) } }\n";

#define HOUR INT64_C(3600000)
#define NOON INT64_C(1767268800000) /* 2026-01-01T12:00:00Z */

struct fixture {
    struct batch_core *core;
    int64_t mono, wall;
    struct batch_effect e;
    int64_t next_offset;
};

static inline void step(struct fixture *f, struct batch_event *e)
{
    e->mono_ms = f->mono;
    e->wall_ms = f->wall;
    batch_core_step(f->core, e);
}

static inline void advance(struct fixture *f, int64_t ms)
{
    struct batch_event e = {.kind = BATCH_TIMER};
    f->mono += ms;
    f->wall += ms;
    step(f, &e);
}

static inline bool take(struct fixture *f, enum batch_effect_kind kind)
{
    while (batch_core_effect(f->core, &f->e)) {
        if (f->e.kind == kind)
            return true;
        assert_true(f->e.kind == BATCH_SEND || f->e.kind == BATCH_ACK || f->e.kind == BATCH_EXPIRE ||
                    f->e.kind == BATCH_LIST);
    }
    return false;
}

static inline struct app *load(void)
{
    struct app_diags diags;
    struct app *app = app_load(app_text, sizeof app_text - 1, "acme", &diags);
    assert_non_null(app);
    app_diags_free(&diags);
    return app;
}

static inline void start(struct fixture *f, int64_t daily_to, const struct run_row *pending, size_t count)
{
    const struct batch_options o = {.tenant = "acme", .generation = 2, .prefetch = 100};
    const struct batch_anchor anchors[] = {{.job = "daily", .last_to = daily_to}};
    struct batch_event begin = {.kind = BATCH_START}, loaded = {.kind = BATCH_LOADED},
                       connected = {.kind = BATCH_CONNECTED};
    f->core = batch_core_new(&o);
    step(f, &begin);
    assert_true(take(f, BATCH_LOAD));
    loaded.op = f->e.op;
    loaded.loaded.source = (struct source){.epoch = 3, .generation = 2, .offset = -1};
    loaded.loaded.app = load();
    loaded.loaded.version = 1;
    loaded.loaded.anchors = anchors;
    loaded.loaded.anchor_count = 1;
    loaded.loaded.pending = (struct run_row *)(uintptr_t)pending;
    loaded.loaded.pending_count = count;
    step(f, &loaded);
    assert_true(take(f, BATCH_CONNECT));
    connected.op = f->e.op;
    step(f, &connected);
}

static inline int begin(void **state)
{
    static struct fixture f;
    f = (struct fixture){.mono = 1000, .wall = NOON};
    *state = &f;
    return 0;
}

static inline int end(void **state)
{
    batch_core_free(&((struct fixture *)*state)->core);
    return 0;
}

static inline void deliver_result_of(struct fixture *f, int64_t generation, int64_t number)
{
    static const char body[] =
        "{\"k\":1,\"n\":3,\"tenant_id\":\"acme\",\"stream\":\"s\",\"window_start\":\"2026-01-01T10:00:00Z\","
        "\"window_end\":\"2026-01-01T11:00:00Z\",\"revision\":0}";
    struct batch_event e = {.kind = BATCH_DELIVERY};
    e.delivery = (struct batch_delivery){.tag = (uint64_t)f->next_offset + 1,
                                         .offset = f->next_offset,
                                         .trusted = true,
                                         .number = number,
                                         .generation = generation,
                                         .key = {"[1]", 3},
                                         .body = {body, sizeof body - 1}};
    f->next_offset++;
    step(f, &e);
}

static inline void deliver_result(struct fixture *f, int64_t number)
{
    deliver_result_of(f, 2, number);
}

static inline void deliver_rewound(struct fixture *f, int64_t number, int64_t from)
{
    char body[64];
    struct batch_event e = {.kind = BATCH_DELIVERY};
    int len = snprintf(body, sizeof body, "{\"generation\":2,\"from\":%lld}", (long long)from);
    e.delivery = (struct batch_delivery){.tag = (uint64_t)f->next_offset + 1,
                                         .offset = f->next_offset,
                                         .trusted = true,
                                         .rewound = true,
                                         .number = number,
                                         .generation = 2,
                                         .body = {body, (size_t)len}};
    f->next_offset++;
    step(f, &e);
}

static inline void deliver_trigger(struct fixture *f, bool trusted, int64_t number)
{
    static const char body[] =
        "{\"tenant_id\":\"acme\",\"trigger\":\"storm\",\"id\":\"storm:1\",\"job\":\"last\",\"result\":"
        "{\"window_end\":\"2026-01-01T11:00:00Z\"}}";
    struct batch_event e = {.kind = BATCH_DELIVERY};
    e.delivery = (struct batch_delivery){.trigger = true,
                                         .tag = 50,
                                         .trusted = trusted,
                                         .number = number,
                                         .generation = 2,
                                         .body = {body, sizeof body - 1}};
    step(f, &e);
}

static inline void answer(struct fixture *f, enum batch_event_kind kind, const struct err *err)
{
    struct batch_event e = {.kind = kind, .op = f->e.op, .err = err};
    if (kind == BATCH_INSERTED)
        e.inserted.fresh = true;
    step(f, &e);
}

static inline void prepared(struct fixture *f, int64_t complete_to, int64_t number)
{
    struct batch_event e = {.kind = BATCH_PREPARED, .op = f->e.op};
    e.prepared.latest = NOON - HOUR;
    e.prepared.complete_to = complete_to;
    e.prepared.result_number = number;
    step(f, &e);
}

static inline void queried(struct fixture *f, const char *report)
{
    struct batch_event e = {.kind = BATCH_QUERIED, .op = f->e.op};
    e.queried.report = report;
    e.queried.len = strlen(report);
    e.queried.row_count = 1;
    step(f, &e);
}

static inline void confirm(struct fixture *f, uint64_t tag)
{
    struct batch_event e = {.kind = BATCH_CONFIRM};
    e.confirm.tag = tag;
    e.confirm.ack = true;
    step(f, &e);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif
