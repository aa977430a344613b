#include "stream/engine/publish.h"
#include "base/json.h"
#include "stream/engine/body.h"
#include "stream/engine/cooldowns.h"
#include "stream/engine/key.h"
#include "stream/engine/sums.h"
#include "stream/engine/timeline.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what a result says ---- */

/* What a stream says of one key in one window, ready to be sent. */
struct outcome {
    struct stream *stream;
    struct key_row *key;
    int64_t start, end;
    uint32_t revision;
    const struct value *columns; /* the key's, then the selected ones */
    const char *hash;            /* of the key text */
    uint64_t first_offset, last_offset;
};

/* Panes of a window as one row, one after the other: the only pane itself, or a merged one that the caller releases.
 * Finds the offsets of their events, too. */
static const void *merged_row(const struct stream *s, struct outcome *o, void *room, const struct row_context *c)
{
    struct pane *p = pane_in(s, o->key->panes, o->end), *next = p ? pane_in(s, p->next_in_key, o->end) : NULL;
    const void *row = p && !next ? pane_row(p) : room;
    o->first_offset = p ? p->first_offset : 0;
    for (; p; p = next, next = p ? pane_in(s, p->next_in_key, o->end) : NULL) {
        o->first_offset = p->first_offset < o->first_offset ? p->first_offset : o->first_offset;
        o->last_offset = p->last_offset > o->last_offset ? p->last_offset : o->last_offset;
        if (row == room)
            row_merge(&s->layout, room, pane_row(p), c);
    }
    return row;
}

static const void *window_row(struct engine *e, struct stream *s, struct outcome *o, void *room,
                              const struct row_context *c)
{
    struct sum offsets;
    const void *row = sums_row(e, s, o->key, o->end, room, &offsets);
    if (!row)
        return merged_row(s, o, room, c);
    o->first_offset = offsets.first_offset;
    o->last_offset = offsets.last_offset;
    return row;
}

/* The stream's select over its aggregates. values: the key's columns are there already, the aggregates come behind
 * them, and behind those the outcome: key and selected values, as results name them. */
static struct value *compute_columns(struct engine *e, struct stream *s, struct outcome *o, void *room)
{
    const struct app_query *q = &s->app->query;
    struct row_context c = row_context_of(e, s);
    struct value *slots = e->values, *columns = slots + q->key_count + q->agg_count;
    row_results(&s->layout, window_row(e, s, o, room, &c), &c, slots + q->key_count);
    memcpy(columns, slots, q->key_count * sizeof *columns);
    for (size_t i = 0; i < q->column_count; i++)
        columns[q->key_count + i] = expr_eval(q->columns[i].expr, slots, &e->scratch);
    return columns;
}

/* ---- triggers ---- */

static bool fired_before(const struct window_record *r, size_t i)
{
    return r && (r->fired[i / 8] >> (i % 8) & 1);
}

static void send_trigger(struct engine *e, const struct app_trigger *t, const struct outcome *o)
{
    const char *job = o->stream->of->jobs[t->job].name;
    struct buf *b = &e->trigger_body, *id = &e->id;
    buf_clear(id);
    buf_printf(id, "%s:%s:%lld", t->name, o->hash, (long long)o->start);
    buf_clear(b);
    json_w_open(b, '{');
    json_w_name(b, "tenant_id");
    json_w_str(b, e->app->tenant);
    json_w_name(b, "trigger");
    json_w_str(b, t->name);
    json_w_name(b, "id");
    json_w_str(b, buf_cstr(id));
    json_w_name(b, "job");
    json_w_str(b, job);
    json_w_name(b, "number");
    json_w_uint(b, e->result_number);
    json_w_name(b, "result");
    json_w_raw(b, e->body.data, e->body.len);
    json_w_close(b, '}');
    e->counters.triggers++;
    struct engine_trigger out = {.id = buf_cstr(id),
                                 .name = t->name,
                                 .job = job,
                                 .result_number = e->result_number,
                                 .window_start = o->start,
                                 .window_end = o->end,
                                 .body = {b->data, b->len}};
    e->sink->trigger(e->sink->context, &out);
}

/* What fired is remembered as long as the window can be published again. */
static void remember_fired(struct engine *e, const struct outcome *o, struct window_record **r, size_t i)
{
    const struct device *d = o->key->device;
    if (!*r && o->end <= gone_to(o->stream, timeline_of(o->stream, d), d->target))
        return;
    if (!*r)
        *r = record_new(e, o->stream, o->key, o->end);
    (*r)->fired[i / 8] |= (unsigned char)(1u << (i % 8));
}

static bool holds(struct engine *e, const struct app_trigger *t, const struct outcome *o)
{
    struct value v = expr_eval(t->when, o->columns, &e->scratch);
    return v.type == VALUE_BOOL && v.b;
}

static void run_triggers(struct engine *e, const struct outcome *o, struct window_record *r)
{
    buf_clear(&e->fired);
    for (size_t i = 0; i < o->stream->trigger_count; i++) {
        const struct stream *s = o->stream;
        const struct app_trigger *t = &s->of->triggers[s->triggers[i]];
        if (s->gone[i] || !holds(e, t, o) || fired_before(r, i) ||
            (t->cooldown > 0 && cooldown_holds(e, s->memories[i], o->key, o->end)))
            continue;
        send_trigger(e, t, o);
        remember_fired(e, o, &r, i);
        if (t->cooldown > 0)
            cooldown_put(e, s->memories[i], &o->key->ident, o->key->device, o->end);
        if (e->fired.len)
            buf_add_char(&e->fired, ',');
        buf_add_str(&e->fired, t->name);
    }
}

/* ---- results ---- */

static void send_result(struct engine *e, const struct outcome *o)
{
    struct buf *id = &e->id;
    buf_clear(id);
    buf_add_str(id, o->stream->app->name);
    buf_add_char(id, ':');
    buf_add_str(id, o->hash);
    buf_add(id, o->stream->text.id.data, o->stream->text.id.len);
    buf_add_uint(id, e->generation);
    buf_add_char(id, '.');
    buf_add_uint(id, o->revision);
    struct engine_result out = {.number = e->result_number,
                                .stream = o->stream->shown,
                                .stream_name = o->stream->app->name,
                                .message_id = buf_cstr(id),
                                .fired = buf_cstr(&e->fired),
                                .window_start = o->start,
                                .window_end = o->end,
                                .revision = o->revision,
                                .key = {e->key_text.data, e->key_text.len},
                                .body = {e->body.data, e->body.len},
                                .first_offset = o->first_offset,
                                .last_offset = o->last_offset};
    e->sink->result(e->sink->context, &out);
}

static void count_result(struct engine *e, const struct stream *s, struct window_record *r)
{
    e->result_number++;
    e->counters.results++;
    e->counters.corrected += r && r->revision;
    if (s->shown != NO_STREAM)
        e->streams[s->shown]->closed += !r || !r->revision || r->fresh;
    if (r)
        r->dirty = r->fresh = false;
}

void publish_window(struct engine *e, struct stream *s, struct key_row *key, struct window_record *record, int64_t end)
{
    if (end - s->app->size < e->from || end - s->app->size < s->whole_from) {
        if (record)
            record->dirty = record->fresh = false;
        return;
    }
    char hash[33];
    size_t key_count = s->app->query.key_count;
    void *room = slab_alloc(&e->slab, s->layout.size);
    struct row_context c = row_context_of(e, s);
    (void)key_get(key->ident.bytes, key->ident.len, e->values, key_count, &e->strings);
    key_text(e->values, key_count, &e->key_text);
    hash_fnv128_hex(e->key_text.data, e->key_text.len, hash);
    struct outcome o = {.stream = s,
                        .key = key,
                        .start = end - s->app->size,
                        .end = end,
                        .revision = record ? record->revision : 0,
                        .hash = hash};
    o.columns = compute_columns(e, s, &o, room);
    result_text_window(&s->text, s->app, end);
    result_text_body(&s->text, o.columns, o.revision, &e->body);
    count_result(e, s, record);
    run_triggers(e, &o, record);
    send_result(e, &o);
    row_release(&s->layout, room, &c);
    slab_free(&e->slab, room, s->layout.size);
    if (e->scratch.head)
        arena_free(&e->scratch);
}

/* ---- rewinds ---- */

void publish_rewound(struct engine *e)
{
    e->result_number++;
    if (e->sink->rewound)
        e->sink->rewound(e->sink->context, e->result_number, e->from);
}

/* ---- dead letters ---- */

void publish_dead(struct engine *e, enum dead_reason reason, const char *fmt, ...)
{
    char detail[600];
    va_list ap;
    if (e->only_traced)
        return;
    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    e->counters.dead[reason]++;
    struct engine_dead out = {.number = ++e->dead_number,
                              .offset = e->source.offset,
                              .index = e->source.index,
                              .reason = reason,
                              .detail = detail,
                              .body = source_body(e)};
    e->sink->dead(e->sink->context, &out);
}
