#include "base/wire/control.h"
#include "stream/engine/body.h"
#include "stream/engine/control.h"
#include "stream/engine/cooldowns.h"
#include "stream/engine/events.h"
#include "stream/engine/members.h"
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
    struct buf *all[] = {&e->key_bytes, &e->ident_bytes, &e->detail, &e->body,    &e->trigger_body,
                         &e->id,        &e->key_text,    &e->fired,  &e->strings, &e->row_body};
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
    members_free(&e->members);
    free(e->values);
    free(e->dirty);
    free(e->closing);
    free_buffers(e);
    app_free(&e->app);
    free(e);
    *engine = NULL;
}

/* ---- messages ---- */

/* A repeat is dropped whole; it is read only if somebody wants to know what is in it. */
static void take_repeat(struct engine *e)
{
    e->counters.repeats++;
    if (!e->sink->trace)
        return;
    e->only_traced = true;
    body_take(e, e->source.body);
    e->only_traced = false;
}

static void take_control(struct engine *e, const struct engine_message *m)
{
    struct engine_message message = *m;
    message.body = e->source.body; /* never NULL */
    control_message(e, &message);
}

static bool has_control_type(struct bytes type)
{
    size_t len = strlen(CONTROL_PREFIX);
    return type.len >= len && memcmp(type.p, CONTROL_PREFIX, len) == 0;
}

/* What bears the sum of one and comes from those who write them is none of the events, whatever its type says. */
static bool is_control(const struct engine *e, const struct engine_message *m)
{
    return has_control_type(m->type) ||
           (control_has_sum(m->message_id.p, m->message_id.len) && control_is_from_ours(e, m->user_id));
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
    if (!is_tick(m->type) && !m->nameless_header) {
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
    if (m->nameless_header)
        publish_dead(e, DEAD_POISON, "a header of this message has no name");
    else if (is_control(e, m))
        take_control(e, m);
    else if (sequence_seen(e, m->message_id))
        take_repeat(e);
    else
        body_take(e, e->source.body);
    publish_corrections(e);
    end_message(e, m);
}

void engine_row(struct engine *e, uint64_t offset, struct csv *row, const struct engine_sink *sink)
{
    const struct engine_message m = {.offset = offset};
    begin_message(e, &m, sink);
    e->source.row = row;
    if (!row_take(e, row))
        body_take(e, source_body(e));
    publish_corrections(e);
    end_message(e, &m);
}

void engine_set_aside(struct engine *e, const struct engine_message *m, const struct engine_sink *sink)
{
    begin_message(e, m, sink);
    publish_dead(e, DEAD_POISON, "reading this message ended the worker more than once");
    end_message(e, m);
}
