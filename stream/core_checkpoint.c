/* Checkpoints: a snapshot is taken at once, and saved when all that was published before it is confirmed; reading goes
 * on meanwhile. */
#include "stream/core_private.h"

#include "base/json.h"

#include <stdio.h>

#define SAVE_RETRY_MS 1000
#define SHARE         9 /* a save that took d rests for 9 d: at most a tenth of the time goes into saving */

static void put_number(struct buf *b, const char *name, int64_t value)
{
    json_w_name(b, name);
    json_w_int(b, value);
}

static void stream_json(struct stream_core *c, size_t i, bool at_end)
{
    struct buf *b = &c->info;
    struct engine_stream_info info;
    engine_stream_info(c->engine, i, &info);
    json_w_name(b, engine_app(c->engine)->streams[i].name);
    json_w_open(b, '{');
    put_number(b, "complete_to", engine_complete_to(c->engine, i, core_quiet_now(c), at_end));
    put_number(b, "open_windows", (int64_t)info.open_windows);
    put_number(b, "keys", (int64_t)info.keys);
    put_number(b, "next_close", info.next_close);
    json_w_close(b, '}');
}

static bool has_passed_the_tail(const struct stream_core *c)
{
    return c->state == CORE_RUNNING && c->known_results.count == 0;
}

/* What readers of the head need: see docs/formats.md. */
static void write_info(struct stream_core *c)
{
    c->restored = c->restored && !has_passed_the_tail(c);
    struct buf *b = &c->info;
    struct engine_info info;
    bool at_end = core_at_end(c);
    engine_info(c->engine, &info);
    buf_clear(b);
    json_w_open(b, '{');
    put_number(b, "version", info.version);
    put_number(b, "result_number", (int64_t)info.result_number);
    put_number(b, "dead_number", (int64_t)info.dead_number);
    put_number(b, "watermark", info.watermark);
    put_number(b, "highest", info.highest);
    put_number(b, "last_received", info.last_received_ms);
    json_w_name(b, "at_end");
    json_w_bool(b, at_end);
    json_w_name(b, "catching_up");
    json_w_bool(b, info.from != INT64_MIN);
    if (c->restored) {
        json_w_name(b, "restored");
        json_w_bool(b, true);
    }
    json_w_name(b, "streams");
    json_w_open(b, '{');
    for (size_t i = 0; i < engine_app(c->engine)->stream_count; i++)
        stream_json(c, i, at_end);
    json_w_close(b, '}');
    json_w_close(b, '}');
}

/* While a replay has not passed all that it found in the queues, the next restart must look for it from as far back. */
static struct stream_head head_now(struct stream_core *c)
{
    if (c->known_results.count == 0 && c->known_dead.count == 0)
        c->tail_base_ms = c->wall_ms;
    return (struct stream_head){.offset = c->offset, .hash = c->hash, .saved_ms = c->tail_base_ms};
}

static void take_snapshot(struct stream_core *c)
{
    buf_clear(&c->snapshot);
    engine_snapshot(c->engine, &c->snapshot);
    write_info(c);
    c->snapshot_head = head_now(c);
    c->snapshot_sequence = outbox_sequence(c->outbox);
    c->snapshot_taken = true;
    c->dirty = false;
}

static void save(struct stream_core *c)
{
    struct stream_effect *e = core_effect(c, STREAM_SAVE);
    e->save.epoch = c->epoch;
    e->save.head = c->snapshot_head;
    if (!c->refresh_only)
        e->save.state = (struct bytes){c->snapshot.data, c->snapshot.len};
    e->save.info = (struct bytes){c->info.data, c->info.len};
    c->saving = true;
    c->save_began = c->mono_ms;
}

/* An idle worker keeps its lease and its info fresh. */
static void refresh(struct stream_core *c)
{
    write_info(c);
    c->snapshot_head = head_now(c);
    c->snapshot_sequence = outbox_sequence(c->outbox);
    c->refresh_only = true;
    save(c);
}

void core_checkpoint(struct stream_core *c)
{
    if (c->saving || c->mono_ms < c->save_retry_at)
        return;
    bool due = c->mono_ms >= c->next_checkpoint;
    if (!c->snapshot_taken && c->dirty && due)
        take_snapshot(c);
    if (c->snapshot_taken) {
        c->refresh_only = false;
        if (outbox_settled(c->outbox) >= c->snapshot_sequence)
            save(c);
        return;
    }
    bool idle = !c->dirty && outbox_count(c->outbox) == 0;
    if (c->state == CORE_DRAINING) {
        if (idle)
            core_exit(c, EXIT_DONE, "drained");
    } else if (idle && due && c->mono_ms >= c->next_checkpoint + REFRESH_MS) {
        refresh(c);
    }
}

/* One a day, for as long as the log: what a rewind, verify and explain start from. */
static void keep(struct stream_core *c)
{
    c->keeping_day = c->wall_ms / DAY_MS;
    if (c->keeping || c->keeping_day == c->kept_day)
        return;
    c->keeping = true;
    struct stream_effect *e = core_effect(c, STREAM_KEEP);
    e->save.epoch = c->epoch;
    e->forget_before_ms = c->wall_ms - c->options.retention_events_ms - DAY_MS;
}

void core_kept(struct stream_core *c, const struct stream_event *e)
{
    c->keeping = false;
    if (!e->err)
        c->kept_day = c->keeping_day;
    else if (e->err->code == ERR_FENCED)
        core_exit(c, EXIT_SUPERSEDED, e->err->text);
}

static void saved_well(struct stream_core *c)
{
    int64_t took = c->mono_ms - c->save_began;
    int64_t rest = took * SHARE > c->options.checkpoint_interval_ms ? took * SHARE : c->options.checkpoint_interval_ms;
    c->next_checkpoint = c->state == CORE_DRAINING ? c->mono_ms : c->mono_ms + rest;
    c->tail_since_ms = c->snapshot_head.saved_ms - TAIL_MARGIN_MS;
    c->status.checkpoint_at_ms = c->wall_ms;
    if (c->refresh_only)
        return;
    c->snapshot_taken = false;
    c->status.checkpoints++;
    c->status.checkpoint_ms = took;
    c->status.checkpoint_bytes = (int64_t)c->snapshot.len;
    keep(c);
}

void core_saved(struct stream_core *c, const struct stream_event *e)
{
    c->saving = false;
    if (!e->err) {
        if (c->store_away)
            c->words[0] = 0;
        c->store_away = false;
        saved_well(c);
        return;
    }
    if (e->err->code == ERR_FENCED) {
        core_exit(c, EXIT_SUPERSEDED, e->err->text);
        return;
    }
    if (e->err->code == ERR_DAMAGED || e->err->code == ERR_INVALID) { /* trying again does not mend it */
        core_exit(c, EXIT_STOPPED, e->err->text);
        return;
    }
    /* The store is away or full: the snapshot stays and is tried again; a repeated save is harmless. */
    c->store_away = true;
    c->save_retry_at = c->mono_ms + SAVE_RETRY_MS;
    snprintf(c->words, sizeof c->words, "cannot save the checkpoint: %.200s", e->err->text);
}

int64_t core_checkpoint_wake(const struct stream_core *c)
{
    if (c->saving)
        return INT64_MAX;
    if (c->snapshot_taken)
        return outbox_settled(c->outbox) >= c->snapshot_sequence ? c->save_retry_at : INT64_MAX;
    int64_t at = c->dirty || c->state == CORE_DRAINING ? c->next_checkpoint : c->next_checkpoint + REFRESH_MS;
    return at > c->save_retry_at ? at : c->save_retry_at;
}
