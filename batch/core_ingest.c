/* Results into the store, in batches with the offset of their queue; triggers into runs. */
#include "batch/core_private.h"

#include "base/json.h"
#include "base/wire/control.h"
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
    bool ok = d->key.p && json_valid(d->body.p, d->body.len, NULL) &&
              json_get_string(d->body.p, d->body.len, "stream", stream) &&
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
    k->place = c->read;
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
    if (d->number <= c->read.number + 1)
        return true;
    snprintf(words, sizeof words,
             "gap in the results: numbers %" PRId64 " to %" PRId64 " are missing (queue offset %" PRId64 ")",
             c->read.number + 1, d->number - 1, d->offset);
    batch_exit(c, EXIT_STOPPED, words);
    return false;
}

/* To pass over what cannot be read would lose a result. */
static bool not_whole(struct batch_core *c, const struct batch_delivery *d, const char *why)
{
    char words[PAGE_WORDS];
    snprintf(words, sizeof words, "the message at offset %" PRId64 " of the result queue is damaged: %s", d->offset,
             why);
    batch_exit(c, EXIT_STOPPED, words);
    return false;
}

/* A message without a sum is one of before there were any. */
static bool sum_holds(const struct batch_delivery *d)
{
    const int64_t numbers[4] = {d->number, d->generation, d->first_offset, d->last_offset};
    return !d->has_sum || d->sum == (int64_t)control_result_sum(d->body.p, d->body.len, d->key.p, d->key.len, numbers);
}

/* What the generation has not given again up to here does not exist. */
static bool take_rewound(struct batch_core *c, const struct batch_delivery *d)
{
    int64_t from;
    if (!json_valid(d->body.p, d->body.len, NULL) || !json_get_int(d->body.p, d->body.len, "from", &from))
        return not_whole(c, d, "it is no end of a rewind");
    c->rewound.from = c->rewound.there && c->rewound.from < from ? c->rewound.from : from;
    c->rewound.there = true;
    c->rewound.rows = c->kept_count;
    c->rewound.place = c->read;
    return true;
}

static bool keep_result(struct batch_core *c, const struct batch_delivery *d)
{
    struct buf stream = {0};
    struct result_row row = {0};
    bool ok = parse_result(d, &stream, &row);
    if (ok)
        keep(c, d, &row, &stream);
    buf_free(&stream);
    return ok;
}

static bool take_ours(struct batch_core *c, const struct batch_delivery *d)
{
    if (!sum_holds(d))
        return not_whole(c, d, "it does not have its checksum");
    if (!guard_number(c, d))
        return false;
    if (d->number <= c->read.number)
        return true;
    c->read.number = d->number;
    if (d->rewound && !take_rewound(c, d))
        return false;
    if (!d->rewound && !keep_result(c, d))
        return not_whole(c, d, "it is no result");
    return true;
}

/* What a lower generation published before this one began counts: nobody may have stored it before the rewind. */
static bool is_earlier(const struct batch_core *c, const struct batch_delivery *d)
{
    return d->trusted && !d->marker && !d->rewound && c->read.number == 0 && d->generation > 0 &&
           d->generation < (int64_t)c->options.generation;
}

static void take_result(struct batch_core *c, const struct batch_delivery *d)
{
    bool repeated = d->offset <= c->read.offset;
    c->read.tag = d->tag;
    if (repeated)
        return;
    c->read.offset = d->offset;
    bool ours = d->trusted && !d->marker && d->generation == (int64_t)c->options.generation;
    if (!d->trusted)
        c->status.forged++;
    if (is_earlier(c, d) && sum_holds(d)) /* a rewind is the answer to one that does not hold */
        (void)keep_result(c, d);
    if (ours && !take_ours(c, d))
        return;
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
    c->result_at = c->mono_ms;
    c->stalls = 0;
    take_result(c, d);
}

/* ---- storing ---- */

/* How many of the rows kept are stored now, and up to which place that is: all, or what a store that is slow or failed
 * is given; the end of a rewind goes with the rows before it, never before one of them. */
static size_t choose_cut(const struct batch_core *c, struct place *place)
{
    if (c->kept_count <= c->store_rows) {
        *place = c->read;
        return c->kept_count;
    }
    if (c->rewound.there && c->rewound.rows <= c->store_rows) {
        *place = c->rewound.place;
        return c->rewound.rows;
    }
    *place = c->kept[c->store_rows - 1].place;
    return c->store_rows;
}

/* Of the rows kept all but what the same change withdraws. */
static size_t choose_rows(struct batch_core *c)
{
    const struct rewound *rewound = &c->storing_rewound;
    size_t count = 0;
    for (size_t i = 0; i < c->storing_count; i++) {
        const struct result_row *row = &c->kept[i].row;
        bool withdrawn =
            rewound->there && row->generation < c->options.generation && row->window_start >= rewound->from;
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
    c->storing = true;
    c->storing_since = c->mono_ms;
    c->store_needed = false;
    c->storing_count = choose_cut(c, &c->storing_place);
    c->storing_rewound = (struct rewound){0};
    if (c->rewound.there && c->rewound.place.offset <= c->storing_place.offset) {
        c->storing_rewound = c->rewound;
        c->rewound.there = false;
    }
    size_t row_count = choose_rows(c);
    struct batch_effect *e = batch_add_effect(c, BATCH_STORE);
    c->store_op = e->op;
    e->rows = c->rows;
    e->row_count = row_count;
    e->withdraw = c->storing_rewound.there;
    e->withdraw_from = c->storing_rewound.from;
    e->source = c->source;
    e->source.offset = c->storing_place.offset;
    e->source.number = c->storing_place.number;
    e->source.stored_ms = c->wall_ms;
}

/* The store may be slow rather than away, and give up on what is too much for it: so it gets less the next time. */
static void store_failed(struct batch_core *c, const struct err *err)
{
    c->store_needed = true;
    if (c->rewound.there && c->storing_rewound.there && c->storing_rewound.from < c->rewound.from)
        c->rewound.from = c->storing_rewound.from;
    if (!c->rewound.there)
        c->rewound = c->storing_rewound;
    c->store_rows = c->storing_count > 4 ? c->storing_count / 4 : 1;
    c->store_retry_at = c->mono_ms + STORE_RETRY_MS;
    batch_say(c, err->text);
}

static void size_batches(struct batch_core *c)
{
    int64_t took = c->mono_ms - c->storing_since;
    if (took < STORE_QUICK_MS && c->store_rows < STORE_ROWS_MAX)
        c->store_rows *= 2;
    else if (took > STORE_SLOW_MS)
        c->store_rows = c->storing_count > 2 ? c->storing_count / 2 : 1;
}

static void drop_stored(struct batch_core *c)
{
    size_t done = c->storing_count;
    for (size_t i = 0; i < done; i++)
        free(c->kept[i].block);
    if (done)
        memmove(c->kept, c->kept + done, (c->kept_count - done) * sizeof *c->kept);
    c->kept_count -= done;
    c->rewound.rows -= done < c->rewound.rows ? done : c->rewound.rows;
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
        if (e->err->code == ERR_INVALID) { /* trying again does not mend it */
            batch_exit(c, EXIT_STOPPED, e->err->text);
            return;
        }
        store_failed(c, e->err);
        return;
    }
    if (c->store_retry_at)
        batch_say(c, "");
    c->store_retry_at = 0;
    size_batches(c);
    c->source.offset = c->storing_place.offset;
    c->source.number = c->storing_place.number;
    c->status.stored += (int64_t)c->storing_count;
    drop_stored(c);
    c->stored_tag = c->storing_place.tag;
    c->store_needed = c->store_needed || c->kept_count > 0 || c->rewound.there;
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
    c->storing = c->store_needed = c->rewound.there = false;
    c->store_op = 0; /* a late answer concerns rows that come again: storing them twice is harmless */
    c->read = (struct place){c->source.offset, c->source.number, 0};
    c->stored_tag = 0;
    c->trigger_low = UINT64_MAX;
}

int64_t ingest_wake(const struct batch_core *c)
{
    if (c->storing || !c->store_needed)
        return INT64_MAX;
    int64_t at = c->kept_since + STORE_AFTER_MS;
    return at > c->store_retry_at ? at : c->store_retry_at;
}
