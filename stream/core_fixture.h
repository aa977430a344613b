/* Drives the stream worker's core by hand, for its tests. */
#ifndef BELLTOWER_STREAM_CORE_FIXTURE_H
#define BELLTOWER_STREAM_CORE_FIXTURE_H

#include "stream/core.h"

#include "base/hash.h"
#include "base/wire/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const char app_text[] = "tenant: acme\n"
                               "events:\n"
                               "  time: { field: t, format: unix, idle_after: 5s }\n"
                               "  fields: { k: int }\n"
                               "streams:\n"
                               "  - name: s\n"
                               "    key: [k]\n"
                               "    window: { tumbling: 10s }\n"
                               "    select: { n: count() }\n";

struct fixture {
    struct stream_core *core;
    bool skip;     /* options and what LOADED says, set before start */
    int64_t alone; /* 0 = none */
    const struct skip_row *skips;
    size_t skip_count;
    const struct rewind_row *rewind;
    int64_t mono, wall;
    struct stream_effect e; /* the last taken */
    struct buf state;       /* copied from the last SAVE */
    struct stream_head head;
};

static inline void step(struct fixture *f, struct stream_event *e)
{
    e->mono_ms = f->mono;
    e->wall_ms = f->wall;
    stream_core_step(f->core, e);
}

static inline void advance(struct fixture *f, int64_t ms)
{
    struct stream_event e = {.kind = STREAM_TIMER};
    f->mono += ms;
    f->wall += ms;
    step(f, &e);
}

/* The next effect of that kind, passing over others that need no answer. */
static inline bool take(struct fixture *f, enum stream_effect_kind kind)
{
    while (stream_core_effect(f->core, &f->e)) {
        if (f->e.kind == kind) {
            if (kind == STREAM_SAVE) {
                buf_clear(&f->state);
                buf_add(&f->state, f->e.save.state.p, f->e.save.state.len);
                f->head = f->e.save.head;
            }
            return true;
        }
        assert_true(f->e.kind == STREAM_SEND || f->e.kind == STREAM_ACK || f->e.kind == STREAM_ASK_STORED ||
                    f->e.kind == STREAM_KEEP);
    }
    return false;
}

static inline void start(struct fixture *f, const struct stream_head *head, const struct buf *state)
{
    const struct stream_options o = {.tenant = "acme",
                                     .generation = 1,
                                     .checkpoint_interval_ms = 1000,
                                     .retention_results_ms = 604800000,
                                     .retention_events_ms = 604800000,
                                     .prefetch = 10,
                                     .alone = f->alone ? f->alone : -1,
                                     .skip = f->skip};
    struct stream_event begin = {.kind = STREAM_START}, loaded = {.kind = STREAM_LOADED};
    f->core = stream_core_new(&o);
    step(f, &begin);
    assert_true(take(f, STREAM_LOAD));
    loaded.op = f->e.op;
    loaded.loaded.epoch = 1;
    loaded.loaded.head = *head;
    if (state)
        loaded.loaded.state = (struct bytes){state->data, state->len};
    loaded.loaded.skips = f->skips;
    loaded.loaded.skip_count = f->skip_count;
    loaded.loaded.rewind = f->rewind;
    loaded.loaded.begins = f->rewind;
    loaded.loaded.kept_ms = INT64_MIN;
    loaded.loaded.app_text = (struct bytes){app_text, sizeof app_text - 1};
    step(f, &loaded);
}

static inline void connect_reading(struct fixture *f, const int64_t *published, size_t count)
{
    struct stream_event checked = {.kind = STREAM_CHECKED}, connected = {.kind = STREAM_CONNECTED},
                        results = {.kind = STREAM_TAIL_READ}, dead = {.kind = STREAM_TAIL_READ};
    assert_true(take(f, STREAM_CONNECT));
    connected.op = f->e.op;
    step(f, &connected);
    assert_true(take(f, STREAM_CHECK));
    checked.op = f->e.op;
    step(f, &checked);
    assert_true(take(f, STREAM_READ_TAIL));
    assert_string_equal(f->e.exchange, EXCHANGE_RESULTS);
    results.op = f->e.op;
    results.tail.numbers = published;
    results.tail.count = count;
    step(f, &results);
    assert_true(take(f, STREAM_READ_TAIL));
    assert_string_equal(f->e.exchange, EXCHANGE_DEAD);
    dead.op = f->e.op;
    step(f, &dead);
    assert_true(take(f, STREAM_CONSUME));
}

static inline int begin(void **state)
{
    static struct fixture f;
    static const struct stream_head none = {.offset = -1};
    f = (struct fixture){.mono = 1000, .wall = 1767225600000};
    start(&f, &none, NULL);
    *state = &f;
    return 0;
}

static inline int end(void **state)
{
    struct fixture *f = *state;
    stream_core_free(&f->core);
    buf_free(&f->state);
    return 0;
}

static inline void deliver(struct fixture *f, int64_t offset, const char *body, uint64_t tag)
{
    struct stream_event e = {.kind = STREAM_DELIVERY};
    e.delivery.tag = tag;
    e.delivery.message.offset = (uint64_t)offset;
    e.delivery.message.body = (struct bytes){body, strlen(body)};
    step(f, &e);
}

static inline size_t send_all(struct fixture *f)
{
    size_t n = 0;
    while (stream_core_send(f->core))
        n++;
    return n;
}

static inline void confirm(struct fixture *f, uint64_t tag)
{
    struct stream_event e = {.kind = STREAM_CONFIRM};
    e.confirm.tag = tag;
    e.confirm.multiple = true;
    e.confirm.ack = true;
    step(f, &e);
}

static inline void saved(struct fixture *f, const struct err *err)
{
    struct stream_event e = {.kind = STREAM_SAVED, .op = f->e.op, .err = err};
    step(f, &e);
}

/* Two events: the second closes the first's window, so one result is to be published. */
static inline void two_events(struct fixture *f)
{
    deliver(f, 0, "{\"t\":100,\"k\":1}", 1);
    deliver(f, 1, "{\"t\":120,\"k\":1}", 2);
}

#endif
