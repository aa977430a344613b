#include "base/wire/control.h"
#include "stream/engine/control.h"
#include "stream/engine/cooldowns.h"
#include "stream/engine/events.h"
#include "stream/engine/olds.h"
#include "stream/engine/publish.h"
#include "stream/engine/sequences.h"
#include "stream/engine/streams.h"
#include "stream/engine/watermark.h"

#include <stdlib.h>
#include <string.h>

const char *dead_reason_name(enum dead_reason reason)
{
    static const char *const names[DEAD_REASON_COUNT] = {
        [DEAD_NOT_JSON] = "not-json",
        [DEAD_MISSING_FIELD] = "missing-field",
        [DEAD_WRONG_TYPE] = "wrong-type",
        [DEAD_BAD_TIME] = "bad-time",
        [DEAD_LATE] = "late",
        [DEAD_AHEAD] = "ahead",
        [DEAD_TOO_LARGE] = "too-large",
        [DEAD_TOO_MANY_KEYS] = "too-many-keys",
        [DEAD_FORGED] = "forged",
        [DEAD_BAD_CONTROL] = "bad-control",
        [DEAD_POISON] = "poison",
    };
    return (unsigned)reason < DEAD_REASON_COUNT ? names[reason] : "?";
}

struct engine *engine_new(struct app *app, uint32_t version, uint64_t generation)
{
    struct engine *e = mem_zero(1, sizeof *e);
    e->app = app;
    e->version = version;
    e->generation = generation;
    e->highest = e->from = BEFORE;
    e->last_received = e->control_received = BEFORE;
    decoder_init(&e->decoder, app);
    streams_begin(e);
    memories_arrange(e);
    return e;
}

static void free_buffers(struct engine *e)
{
    struct buf *all[] = {&e->key_bytes, &e->ident_bytes, &e->detail, &e->body,   &e->trigger_body,
                         &e->id,        &e->key_text,    &e->fired,  &e->strings};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        buf_free(all[i]);
    arena_free(&e->scratch);
}

void engine_free(struct engine **engine)
{
    struct engine *e = *engine;
    if (!e)
        return;
    devices_free_lines(e);
    for (size_t i = 0; i < e->stream_count; i++)
        stream_free(e->streams[i]);
    free(e->streams);
    for (size_t i = 0; i < e->old_count; i++)
        old_version_free(e->olds[i]);
    free(e->olds);
    memories_free(e);
    table_free(&e->devices);
    table_free(&e->producers);
    table_free(&e->cooldowns);
    slab_free_all(&e->slab);
    decoder_free(&e->decoder);
    free(e->values);
    free(e->dirty);
    free(e->closing);
    free_buffers(e);
    app_free(&e->app);
    free(e);
    *engine = NULL;
}

/* ---- a body and its values ---- */

/* e->source is one whole value, scanned already if it is an object. */
static void take_value(struct engine *e, enum json_type type)
{
    if ((uint64_t)e->source.body.len > (uint64_t)e->app->limits.event_bytes)
        publish_dead(e, DEAD_TOO_LARGE, "the event has %zu bytes, allowed are %lld", e->source.body.len,
                     (long long)e->app->limits.event_bytes);
    else if (type != JSON_OBJECT)
        publish_dead(e, DEAD_WRONG_TYPE, "an event is a JSON object");
    else if (e->only_traced)
        event_repeat(e);
    else
        event_take(e);
    e->source.index++;
}

/* Reads the value at j, with an empty j->depth. */
static bool scan_value(struct engine *e, struct json *j, enum json_type *type, const char **from)
{
    *type = json_peek(j);
    *from = j->at;
    return *type == JSON_OBJECT ? decoder_scan(&e->decoder, j) : json_skip(j, from);
}

static bool ends_here(const struct json *j)
{
    return j->at >= j->end || *j->at == ' ' || *j->at == '\n' || *j->at == '\r' || *j->at == '\t';
}

/* A broken value is set aside up to the end of the line on which it began. */
static void reject_line(struct engine *e, struct json *j, const char *from)
{
    const char *line_end = memchr(from, '\n', (size_t)(j->end - from));
    const char *why = j->error ? j->error : "text directly behind a value";
    size_t at = (size_t)(j->at - from);
    *j = json_begin(line_end ? line_end : j->end, (size_t)(j->end - (line_end ? line_end : j->end)));
    e->source.body = (struct bytes){from, (size_t)(j->at - from)};
    publish_dead(e, DEAD_NOT_JSON, "%s, at byte %zu of it", why, at);
    e->source.index++;
}

static void take_sequence(struct engine *e, struct bytes body)
{
    struct json j = json_begin(body.p, body.len);
    enum json_type type;
    const char *from;
    while (json_peek(&j), j.at < j.end) {
        if (scan_value(e, &j, &type, &from) && ends_here(&j)) {
            e->source.body = (struct bytes){from, (size_t)(j.at - from)};
            take_value(e, type);
        } else {
            reject_line(e, &j, from);
        }
    }
}

/* The members are values of their own: the array's bracket does not count in their depth. */
static bool next_member(struct json *j, bool *first)
{
    if (!json_next(j, first, NULL, NULL))
        return false;
    j->depth = 0;
    return true;
}

static bool array_valid(struct bytes body, struct json *fault)
{
    struct json j = json_begin(body.p, body.len);
    bool first = true;
    const char *from;
    if (json_enter(&j, '[')) {
        while (next_member(&j, &first) && json_skip(&j, &from))
            continue;
    }
    bool good = !j.error && (json_peek(&j), j.at == j.end);
    if (!good && !j.error)
        j.error = "text behind the array";
    *fault = j;
    return good;
}

static void take_array(struct engine *e, struct bytes body)
{
    struct json j;
    enum json_type type;
    const char *from;
    bool first = true;
    if (!array_valid(body, &j)) {
        publish_dead(e, DEAD_NOT_JSON, "%s, at byte %zu of the array", j.error, (size_t)(j.at - body.p));
        return;
    }
    j = json_begin(body.p, body.len);
    if (!json_enter(&j, '['))
        return;
    while (next_member(&j, &first) && scan_value(e, &j, &type, &from)) {
        e->source.body = (struct bytes){from, (size_t)(j.at - from)};
        take_value(e, type);
    }
}

static void take_body(struct engine *e, const struct engine_message *m)
{
    struct json j = json_begin(m->body.p, m->body.len);
    if ((uint64_t)m->body.len > (uint64_t)e->app->limits.message_bytes)
        publish_dead(e, DEAD_TOO_LARGE, "the message has %zu bytes, allowed are %lld", m->body.len,
                     (long long)e->app->limits.message_bytes);
    else if (json_peek(&j) == JSON_ARRAY)
        take_array(e, m->body);
    else
        take_sequence(e, m->body);
}

/* A repeat is dropped whole; it is read only if somebody wants to know what is in it. */
static void take_repeat(struct engine *e, const struct engine_message *m)
{
    e->counters.repeats++;
    if (!e->sink->trace)
        return;
    e->only_traced = true;
    take_body(e, m);
    e->only_traced = false;
}

/* ---- messages ---- */

static bool is_control(struct bytes type)
{
    size_t len = strlen(CONTROL_PREFIX);
    return type.len >= len && memcmp(type.p, CONTROL_PREFIX, len) == 0;
}

static bool is_tick(struct bytes type)
{
    return type.len == strlen(CONTROL_TICK) && memcmp(type.p, CONTROL_TICK, type.len) == 0;
}

static void begin_message(struct engine *e, const struct engine_message *m, const struct engine_sink *sink)
{
    e->sink = sink;
    e->source = (struct source){
        .offset = m->offset, .received = m->received_ms, .body = {m->body.len ? m->body.p : "", m->body.len}};
    e->counters.messages++;
}

static void end_message(struct engine *e, const struct engine_message *m)
{
    if (!is_tick(m->type)) {
        e->has_last = true;
        e->last_offset = m->offset;
        e->last_received = m->received_ms;
    }
    if (e->old_count)
        olds_sweep(e);
    e->sink = NULL;
}

void engine_message(struct engine *e, const struct engine_message *m, const struct engine_sink *sink)
{
    begin_message(e, m, sink);
    struct engine_message message = *m;
    message.body = e->source.body;
    if (is_control(m->type))
        control_message(e, &message);
    else if (sequence_seen(e, m->message_id))
        take_repeat(e, &message);
    else
        take_body(e, &message);
    publish_corrections(e);
    end_message(e, m);
}

void engine_set_aside(struct engine *e, const struct engine_message *m, const struct engine_sink *sink)
{
    begin_message(e, m, sink);
    publish_dead(e, DEAD_POISON, "reading this message ended the worker more than once");
    end_message(e, m);
}
