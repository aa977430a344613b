/* Bytes as messages for one of a few apps. Whatever comes: no crash, dead letters within what was given, results that
 * are JSON, and an engine that was saved and restored half-way says the same.
 *
 * The input: a byte that chooses the app; then messages, each a byte of flags, two bytes of length and the body. */
#include "base/json.h"
#include "base/wire/control.h"
#include "base/wire/names.h"
#include "stream/engine/engine.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS                                                                                                         \
    "  fields: { id: { type: int, optional: true }, site: { type: string, default: x, from: d.site }, v: { type: "     \
    "float, optional: true }, up: { type: bool, optional: true } }\n"
#define STREAMS                                                                                                        \
    "streams:\n"                                                                                                       \
    "  - { name: a, where: not (v < 0), key: [id, site], window: { tumbling: 10s, allowed_lateness: 5s }, select: { "  \
    "n: count(), t: sum(v), f: first(site), d: distinct(v) } }\n"                                                      \
    "  - { name: b, key: [id], window: { sliding: 9s, every: 4s }, select: { n: count_if(up), m: max(site), s: "       \
    "stddev(v), w: sum(id), l: last(up) } }\n"                                                                         \
    "  - { name: c, key: [site, id], window: { sliding: 8s, every: 1s, allowed_lateness: 2s }, select: { n: count(), " \
    "m: "                                                                                                              \
    "max(v), w: min(site) } }\n"                                                                                       \
    "triggers:\n  - { name: g, on: a, when: n > 1, cooldown: 20s, run: j }\n  - { name: h, on: b, when: n > 0, run: "  \
    "k }\n"                                                                                                            \
    "jobs:\n  - { name: j, from: a, range: 1h, by: [id], select: { n: max(n) } }\n  - { name: k, from: b, range: 1h, " \
    "by: [id], select: { n: max(n) } }\n"

static const char *const apps[] = {
    "tenant: acme\nevents:\n  time: { field: t, format: unix, out_of_orderness: 2s, ahead: 1m }\n" EVENTS STREAMS,
    "tenant: acme\nevents:\n  time: { field: d.t, format: rfc3339 }\n  watermark_per: [id]\n" EVENTS STREAMS
    "limits: { devices: 2 }\n",
    "tenant: acme\nevents:\n  time: { field: t, format: unix_ms, ahead: 1s }\n" EVENTS STREAMS
    "limits: { event: 64, message: 300, keys: 2, producers: 2, distinct: 2 }\n",
};

static void demand(bool holds)
{
    if (!holds)
        abort();
}

struct seen {
    struct buf out; /* all that came, for comparison */
    struct bytes body;
    uint64_t results, dead;
};

static void on_result(void *context, const struct engine_result *r)
{
    struct seen *s = context;
    demand(json_valid(r->body.p, r->body.len, NULL) && json_valid(r->key.p, r->key.len, NULL));
    demand(r->number == ++s->results && r->window_start < r->window_end);
    buf_printf(&s->out, "%s %s %llu\n", r->message_id, r->fired, (unsigned long long)r->number);
    buf_add(&s->out, r->body.p, r->body.len);
}

static void on_trigger(void *context, const struct engine_trigger *t)
{
    struct seen *s = context;
    demand(json_valid(t->body.p, t->body.len, NULL));
    demand(t->result_number == s->results + 1);
    buf_printf(&s->out, "%s\n", t->id);
}

static void on_dead(void *context, const struct engine_dead *d)
{
    struct seen *s = context;
    demand(d->number == ++s->dead && (unsigned)d->reason < DEAD_REASON_COUNT);
    demand(d->reason == DEAD_AHEAD || d->reason == DEAD_LATE || d->reason == DEAD_TOO_MANY_KEYS ||
           (d->body.p >= s->body.p && d->body.p + d->body.len <= s->body.p + s->body.len) || d->body.len == 0);
    buf_printf(&s->out, "%s %llu %u %s\n", dead_reason_name(d->reason), (unsigned long long)d->offset, d->index,
               d->detail);
    buf_add(&s->out, d->body.p, d->body.len);
}

static void on_rewound(void *context, uint64_t number, int64_t from)
{
    struct seen *s = context;
    demand(number == ++s->results && from == INT64_MIN);
    buf_printf(&s->out, "rewound %llu\n", (unsigned long long)number);
}

static struct engine_sink sink_of(struct seen *s)
{
    return (struct engine_sink){
        .context = s, .result = on_result, .trigger = on_trigger, .dead = on_dead, .rewound = on_rewound};
}

static struct engine *new_engine(unsigned which)
{
    const char *text = apps[which % (sizeof apps / sizeof *apps)];
    struct app_diags diags = {0};
    struct app *app = app_load(text, strlen(text), NULL, &diags);
    demand(app != NULL);
    app_diags_free(&diags);
    return engine_new(app, 1, 1);
}

static struct engine *copy_of(const struct engine *e)
{
    struct buf one = {0}, two = {0};
    struct engine *copy = NULL;
    struct err err;
    engine_snapshot(e, &one);
    demand(engine_restore(one.data, one.len, &copy, &err) == 0);
    engine_snapshot(copy, &two);
    demand(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
    buf_free(&one);
    buf_free(&two);
    return copy;
}

static struct bytes text(const char *s)
{
    return (struct bytes){s, strlen(s)};
}

static void describe(struct engine_message *m, uint8_t flags)
{
    static const char *const types[] = {
        "", CONTROL_TICK, CONTROL_END, CONTROL_TIME, CONTROL_VERSION, "belltower.x", CONTROL_REWIND, ""};
    static const char *const users[] = {USER_API, "belltower-worker-acme", "belltower-tenant-acme"};
    static const char *const ids[] = {"", "p:1", "p:2", "q:0", "q:1030", "r:5"};
    if (flags & 0x80) {
        m->type = text(types[flags & 7]);
        m->user_id = text(users[(flags >> 3) % 3]);
    } else {
        m->message_id = text(ids[flags % 6]);
    }
}

static void ask(const struct engine *e)
{
    struct engine_info info;
    struct engine_stream_info stream;
    struct buf tick = {0};
    engine_info(e, &info);
    for (size_t i = 0; i < engine_app(e)->stream_count; i++) {
        engine_stream_info(e, i, &stream);
        (void)engine_complete_to(e, i, 5000000, true);
    }
    int64_t at = engine_tick_at(e);
    demand(at == INT64_MAX || (engine_tick(e, at, &tick) && json_valid(tick.data, tick.len, NULL)));
    demand(at != INT64_MAX || !engine_tick(e, INT64_MAX - 1, &tick));
    buf_free(&tick);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    struct engine *e = new_engine(data[0]), *copy = NULL;
    struct seen one = {0}, two = {0};
    const struct engine_sink sink = sink_of(&one), second = sink_of(&two);
    const uint8_t *at = data + 1, *end = data + size;
    for (uint64_t offset = 0; end - at >= 3; offset++) {
        size_t len = at[1] | (size_t)at[2] << 8;
        uint8_t flags = at[0];
        at += 3;
        len = len < (size_t)(end - at) ? len : (size_t)(end - at);
        char *body = malloc(len + 1);
        memcpy(body, at, len);
        struct engine_message m = {.offset = offset, .received_ms = (int64_t)offset * 1000, .body = {body, len}};
        describe(&m, flags);
        one.body = two.body = m.body;
        if (copy)
            engine_message(copy, &m, &second);
        engine_message(e, &m, &sink);
        ask(e);
        if (offset == 2) {
            copy = copy_of(e);
            two.results = one.results;
            two.dead = one.dead;
            buf_clear(&one.out);
        }
        free(body);
        at += len;
    }
    demand(!copy ||
           (one.out.len == two.out.len && (!one.out.len || memcmp(one.out.data, two.out.data, one.out.len) == 0)));
    engine_free(&e);
    engine_free(&copy);
    buf_free(&one.out);
    buf_free(&two.out);
    return 0;
}
