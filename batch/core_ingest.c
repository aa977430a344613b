/* Results into the store, in batches with the offset of their queue; triggers into runs. */
#include "batch/core_private.h"

#include "base/json.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- one result ---- */

static bool parse_time(const struct batch_delivery *d, const char *name, struct buf *scratch, int64_t *ms)
{
    return json_get_string(d->body.p, d->body.len, name, scratch) &&
           time_parse_rfc3339(scratch->data, scratch->len, ms);
}

/* Fills *row from the message; the stream's name and the body point into it, the key text too. false: it is no result.
 */
static bool parse_result(const struct batch_delivery *d, struct buf *stream, struct result_row *row)
{
    struct buf scratch = {0};
    int64_t revision;
    bool ok = d->key.p && json_get_string(d->body.p, d->body.len, "stream", stream) &&
              parse_time(d, "window_start", &scratch, &row->window_start) &&
              parse_time(d, "window_end", &scratch, &row->window_end) &&
              json_get_int(d->body.p, d->body.len, "revision", &revision) && revision >= 0 && revision <= UINT32_MAX;
    buf_free(&scratch);
    if (!ok)
        return false;
    row->generation = (uint64_t)d->generation;
    row->number = d->number;
    row->revision = (uint32_t)revision;
    row->first_offset = d->first_offset;
    row->last_offset = d->last_offset;
    row->body = d->body.p;
    row->body_len = d->body.len;
    return true;
}

static void keep(struct batch_core *c, const struct batch_delivery *d, const struct result_row *row,
                 const struct buf *stream)
{
    if (c->kept_count == c->kept_cap) {
        c->kept_cap = c->kept_cap ? c->kept_cap * 2 : STORE_ROWS;
        c->kept = mem_resize(c->kept, c->kept_cap, sizeof *c->kept);
    }
    struct kept_row *k = &c->kept[c->kept_count++];
    k->row = *row;
    char *p = k->block = mem_alloc(stream->len + 1 + d->key.len + 1 + d->body.len + 1);
    memcpy(p, stream->data, stream->len);
    p[stream->len] = 0;
    k->row.stream = p;
    p += stream->len + 1;
    memcpy(p, d->key.p, d->key.len);
    p[d->key.len] = 0;
    k->row.key = p;
    p += d->key.len + 1;
    memcpy(p, d->body.p, d->body.len);
    p[d->body.len] = 0;
    k->row.body = p;
}

/* Numbers are gapless per generation: a hole means that results were lost between the workers. */
static bool guard_number(struct batch_core *c, const struct batch_delivery *d)
{
    char words[PAGE_WORDS];
    if (d->number <= c->read_number + 1)
        return true;
    snprintf(words, sizeof words,
             "gap in the results: numbers %" PRId64 " to %" PRId64 " are missing (queue offset %" PRId64 ")",
             c->read_number + 1, d->number - 1, d->offset);
    batch_exit(c, EXIT_STOPPED, words);
    return false;
}

/* What the generation has not given again up to here does not exist. */
static void take_rewound(struct batch_core *c, const struct batch_delivery *d)
{
    int64_t from;
    if (!json_get_int(d->body.p, d->body.len, "from", &from))
        return;
    c->withdraw = true;
    c->withdraw_from = from;
}

/* What a lower generation published before this one began counts: nobody may have stored it before the rewind. */
static bool is_earlier(const struct batch_core *c, const struct batch_delivery *d)
{
    return d->trusted && !d->marker && !d->rewound && c->read_number == 0 && d->generation > 0 &&
           d->generation < (int64_t)c->options.generation;
}

static void take_result(struct batch_core *c, const struct batch_delivery *d)
{
    struct buf stream = {0};
    struct result_row row = {0};
    if (d->offset <= c->read_offset)
        return;
    bool ours = d->trusted && !d->marker && d->generation == (int64_t)c->options.generation;
    if (!d->trusted)
        c->status.forged++;
    if (is_earlier(c, d) && parse_result(d, &stream, &row))
        keep(c, d, &row, &stream);
    if (ours && !guard_number(c, d))
        return;
    if (ours && d->number > c->read_number) {
        if (d->rewound)
            take_rewound(c, d);
        else if (parse_result(d, &stream, &row))
            keep(c, d, &row, &stream);
        c->read_number = d->number;
    }
    buf_free(&stream);
    c->read_offset = d->offset;
    if (!c->store_needed)
        c->kept_since = c->mono_ms;
    c->store_needed = true;
}

void ingest_delivery(struct batch_core *c, const struct batch_delivery *d)
{
    if (d->trigger) {
        if (d->tag < c->trigger_low)
            c->trigger_low = d->tag;
        runs_trigger(c, d);
        return;
    }
    c->ack_tag = d->tag;
    c->result_at = c->mono_ms;
    c->stalls = 0;
    take_result(c, d);
}

/* ---- storing ---- */

/* Of what is kept all but what the same change withdraws. */
static size_t choose_rows(struct batch_core *c)
{
    size_t count = 0;
    for (size_t i = 0; i < c->kept_count; i++) {
        const struct result_row *row = &c->kept[i].row;
        bool withdrawn =
            c->withdraw && row->generation < c->options.generation && row->window_start >= c->withdraw_from;
        if (!withdrawn)
            c->rows[count++] = *row;
    }
    return count;
}

void ingest_store(struct batch_core *c)
{
    bool due = c->kept_count >= STORE_ROWS || c->mono_ms - c->kept_since >= STORE_AFTER_MS || c->state == CORE_DRAINING;
    if (c->storing || !c->store_needed || !due || c->mono_ms < c->store_retry_at)
        return;
    if (c->rows_cap < c->kept_count) {
        c->rows_cap = c->kept_count;
        c->rows = mem_resize(c->rows, c->rows_cap, sizeof *c->rows);
    }
    size_t row_count = choose_rows(c);
    c->storing = true;
    c->store_needed = false;
    c->storing_count = c->kept_count;
    c->storing_offset = c->read_offset;
    c->storing_number = c->read_number;
    c->storing_tag = c->ack_tag;
    c->storing_withdraw = c->withdraw;
    c->withdraw = false;
    struct batch_effect *e = batch_add_effect(c, BATCH_STORE);
    c->store_op = e->op;
    e->rows = c->rows;
    e->row_count = row_count;
    e->withdraw = c->storing_withdraw;
    e->withdraw_from = c->withdraw_from;
    e->source = c->source;
    e->source.offset = c->read_offset;
    e->source.number = c->read_number;
    e->source.stored_ms = c->wall_ms;
}

void ingest_stored(struct batch_core *c, const struct batch_event *e)
{
    if (e->op != c->store_op)
        return;
    c->storing = false;
    if (e->err) {
        if (e->err->code == ERR_FENCED) {
            batch_exit(c, EXIT_SUPERSEDED, e->err->text);
            return;
        }
        if (e->err->code == ERR_DAMAGED || e->err->code == ERR_INVALID) { /* trying again does not mend it */
            batch_exit(c, EXIT_STOPPED, e->err->text);
            return;
        }
        c->store_needed = true;
        c->withdraw = c->withdraw || c->storing_withdraw;
        c->store_retry_at = c->mono_ms + STORE_RETRY_MS;
        batch_say(c, e->err->text);
        return;
    }
    if (c->store_retry_at)
        batch_say(c, "");
    c->store_retry_at = 0;
    c->source.offset = c->storing_offset;
    c->source.number = c->storing_number;
    c->status.stored += (int64_t)c->storing_count;
    size_t done = c->storing_count < c->kept_count ? c->storing_count : c->kept_count;
    for (size_t i = 0; i < done; i++)
        free(c->kept[i].block);
    if (done)
        memmove(c->kept, c->kept + done, (c->kept_count - done) * sizeof *c->kept);
    c->kept_count -= done;
    c->stored_tag = c->storing_tag;
    ingest_acknowledge(c);
}

/* Tags of both consumers rise together on the channel, so "all up to" must stop below a trigger that is not in the
 * store yet. */
void ingest_acknowledge(struct batch_core *c)
{
    if (!c->stored_tag || c->stored_tag >= c->trigger_low || c->state != CORE_RUNNING)
        return;
    struct batch_effect *e = batch_add_effect(c, BATCH_ACK);
    e->tag = c->stored_tag;
    e->multiple = true;
    c->stored_tag = 0;
}

void ingest_reset(struct batch_core *c)
{
    for (size_t i = 0; i < c->kept_count; i++)
        free(c->kept[i].block);
    c->kept_count = c->storing_count = 0;
    c->storing = c->store_needed = c->withdraw = false;
    c->store_op = 0; /* a late answer concerns rows that come again: storing them twice is harmless */
    c->read_offset = c->source.offset;
    c->read_number = c->source.number;
    c->ack_tag = c->stored_tag = c->storing_tag = 0;
    c->trigger_low = UINT64_MAX;
}

int64_t ingest_wake(const struct batch_core *c)
{
    if (c->storing || !c->store_needed)
        return INT64_MAX;
    int64_t at = c->kept_since + STORE_AFTER_MS;
    return at > c->store_retry_at ? at : c->store_retry_at;
}
