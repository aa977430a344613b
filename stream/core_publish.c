/* What the engine says, into the outbox. */
#include "stream/core_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define KEY_SIZE 160

static const char *key_of(const struct stream_core *c, const char *word, char key[KEY_SIZE])
{
    snprintf(key, KEY_SIZE, "%s.%s", c->tenant, word);
    return key;
}

static void header_number(struct outbox_message *m, const char *name, uint64_t number)
{
    m->headers[m->header_count++] = (struct outbox_header){.name = name, .number = (int64_t)number};
}

static void header_text(struct outbox_message *m, const char *name, const char *text)
{
    m->headers[m->header_count++] = (struct outbox_header){.name = name, .text = text};
}

/* Of a result or a rewind's end, whose other headers are there. */
static void header_sum(struct outbox_message *m, struct bytes key, int64_t first, int64_t last,
                       const struct stream_core *c)
{
    const int64_t numbers[4] = {m->number, (int64_t)c->options.generation, first, last};
    header_number(m, HEADER_SUM, control_result_sum(m->body, m->len, key.p, key.len, numbers));
}

/* true: it was found in its queue when the worker (re)connected, so it is not published again. */
static bool known(struct stream_core *c, struct number_set *set, uint64_t number)
{
    if (!number_set_take(set, (int64_t)number))
        return false;
    c->status.already_published++;
    return true;
}

static void take_result(void *context, const struct engine_result *r)
{
    struct stream_core *c = context;
    char key[KEY_SIZE];
    if (known(c, &c->known_results, r->number))
        return;
    buf_clear(&c->scratch);
    buf_add(&c->scratch, r->key.p, r->key.len);
    struct outbox_message m = {.kind = OUT_RESULT,
                               .number = (int64_t)r->number,
                               .exchange = EXCHANGE_RESULTS,
                               .key = key_of(c, r->stream_name, key),
                               .message_id = r->message_id,
                               .content_type = "application/json",
                               .body = r->body.p,
                               .len = r->body.len};
    header_number(&m, HEADER_NUMBER, r->number);
    header_number(&m, HEADER_EPOCH, c->epoch);
    header_text(&m, HEADER_FIRED, r->fired);
    header_number(&m, HEADER_GENERATION, c->options.generation);
    header_text(&m, HEADER_KEY, buf_cstr(&c->scratch));
    header_number(&m, HEADER_FIRST_OFFSET, r->first_offset);
    header_number(&m, HEADER_LAST_OFFSET, r->last_offset);
    header_sum(&m, r->key, (int64_t)r->first_offset, (int64_t)r->last_offset, c);
    outbox_add(c->outbox, &m);
}

/* To whoever stores results: see control.h. */
static void take_rewound(void *context, uint64_t number, int64_t from)
{
    struct stream_core *c = context;
    char key[KEY_SIZE], body[100];
    if (known(c, &c->known_results, number))
        return;
    snprintf(body, sizeof body, "{\"generation\":%" PRIu64 ",\"from\":%" PRId64 "}", c->options.generation, from);
    struct outbox_message m = {.kind = OUT_RESULT,
                               .number = (int64_t)number,
                               .exchange = EXCHANGE_RESULTS,
                               .key = key_of(c, "rewound", key),
                               .type = CONTROL_REWOUND,
                               .content_type = "application/json",
                               .body = body,
                               .len = strlen(body)};
    header_number(&m, HEADER_NUMBER, number);
    header_number(&m, HEADER_EPOCH, c->epoch);
    header_number(&m, HEADER_GENERATION, c->options.generation);
    header_sum(&m, (struct bytes){0}, -1, -1, c);
    outbox_add(c->outbox, &m);
}

static void count_fired(struct stream_core *c, const char *name)
{
    size_t i = 0;
    while (i < c->fired_count && strcmp(c->fired[i].name, name) != 0)
        i++;
    if (i == FIRED_MAX)
        return;
    if (i == c->fired_count)
        snprintf(c->fired[c->fired_count++].name, sizeof c->fired[0].name, "%s", name);
    c->fired[i].count++;
}

int64_t stream_core_fired(const struct stream_core *c, const char *trigger)
{
    for (size_t i = 0; i < c->fired_count; i++)
        if (strcmp(c->fired[i].name, trigger) == 0)
            return c->fired[i].count;
    return 0;
}

static void take_trigger(void *context, const struct engine_trigger *t)
{
    struct stream_core *c = context;
    char key[KEY_SIZE];
    count_fired(c, t->name);
    if (number_set_has(&c->known_results, (int64_t)t->result_number) && !c->restored)
        return; /* its result is in the queue, and a trigger is published before its result */
    struct outbox_message m = {.kind = OUT_TRIGGER,
                               .exchange = EXCHANGE_TRIGGERS,
                               .key = key_of(c, t->job, key),
                               .message_id = t->id,
                               .content_type = "application/json",
                               .body = t->body.p,
                               .len = t->body.len};
    header_number(&m, HEADER_NUMBER, t->result_number);
    header_number(&m, HEADER_EPOCH, c->epoch);
    header_number(&m, HEADER_GENERATION, c->options.generation);
    outbox_add(c->outbox, &m);
}

static void keep_example(struct stream_core *c, const struct engine_dead *d)
{
    struct dead_example *e = &c->dead_examples[d->reason];
    e->offset = (int64_t)d->offset;
    snprintf(e->detail, sizeof e->detail, "%s", d->detail);
    e->len = d->body.len < sizeof e->body ? d->body.len : sizeof e->body;
    memcpy(e->body, d->body.p, e->len);
}

const struct dead_example *stream_core_dead_example(const struct stream_core *c, enum dead_reason reason)
{
    return &c->dead_examples[reason];
}

static void take_dead(void *context, const struct engine_dead *d)
{
    struct stream_core *c = context;
    char key[KEY_SIZE], id[64];
    keep_example(c, d);
    if (known(c, &c->known_dead, d->number))
        return;
    snprintf(id, sizeof id, "%" PRIu64 ":%" PRIu32, d->offset, d->index);
    struct outbox_message m = {.kind = OUT_DEAD,
                               .number = (int64_t)d->number,
                               .exchange = EXCHANGE_DEAD,
                               .key = key_of(c, dead_reason_name(d->reason), key),
                               .message_id = id,
                               .body = d->body.p,
                               .len = d->body.len};
    header_text(&m, HEADER_REASON, dead_reason_name(d->reason));
    header_text(&m, HEADER_DETAIL, d->detail);
    header_number(&m, HEADER_OFFSET, d->offset);
    header_number(&m, HEADER_INDEX, d->index);
    header_number(&m, HEADER_NUMBER, d->number);
    header_number(&m, HEADER_EPOCH, c->epoch);
    header_number(&m, HEADER_GENERATION, c->options.generation);
    outbox_add(c->outbox, &m);
}

static void read_by(struct stream_core *c, const struct engine_message *m,
                    void (*read)(struct engine *, const struct engine_message *, const struct engine_sink *))
{
    const struct engine_sink sink = {
        .context = c, .result = take_result, .trigger = take_trigger, .dead = take_dead, .rewound = take_rewound};
    struct engine_message timed = *m;
    timed.received_ms = core_quiet_now(c);
    read(c->engine, &timed, &sink);
}

void core_read(struct stream_core *c, const struct engine_message *m)
{
    read_by(c, m, engine_message);
}

void core_set_aside(struct stream_core *c, const struct engine_message *m)
{
    read_by(c, m, engine_set_aside);
}

void core_tick(struct stream_core *c)
{
    bool pending = c->tick_pending && c->mono_ms < c->tick_sent_at + ATTACH_LIMIT_MS;
    if (pending || !core_at_end(c) || c->blocked)
        return;
    buf_clear(&c->scratch);
    if (!engine_tick(c->engine, core_quiet_now(c), &c->scratch))
        return;
    char id[CONTROL_ID_SIZE];
    control_id(CONTROL_TICK, strlen(CONTROL_TICK), c->scratch.data, c->scratch.len, id);
    struct outbox_message m = {.kind = OUT_TICK,
                               .exchange = c->in_exchange,
                               .key = c->tenant,
                               .message_id = id,
                               .type = CONTROL_TICK,
                               .content_type = "application/json",
                               .body = c->scratch.data,
                               .len = c->scratch.len};
    outbox_add(c->outbox, &m);
    c->tick_pending = true;
    c->tick_sent_at = c->mono_ms;
}
