/* What may be wrong with the log. A guard stops the worker, or, by an
 * operator's word, has the loss written into the store and reads on behind it. */
#include "stream/core_private.h"

#include "base/hash.h"

#include <inttypes.h>
#include <stdio.h>

#define SKIP_RETRY_MS 1000

/* ---- losses ---- */

static void ask_skip(struct stream_core *c, enum skip_reason reason, int64_t from, int64_t to)
{
    struct stream_effect *e = core_effect(c, STREAM_SKIP);
    e->skip = (struct skip_row){
        .generation = c->options.generation, .from = from, .to = to, .reason = reason, .at_ms = c->wall_ms};
    c->skip_asked = e->skip;
    c->skipping = true;
}

static enum guard lost(struct stream_core *c, enum skip_reason reason, int64_t from, int64_t to, const char *words)
{
    if (c->options.skip) {
        ask_skip(c, reason, from, to);
        return GUARD_HOLD;
    }
    c->status.lost.reason = reason;
    c->status.lost.from = from;
    c->status.lost.to = to;
    core_exit(c, EXIT_STOPPED, words);
    return GUARD_HOLD;
}

void core_skipped(struct stream_core *c, const struct stream_event *e)
{
    c->skipping = false;
    if (e->err && e->err->code == ERR_FENCED) {
        core_exit(c, EXIT_SUPERSEDED, e->err->text);
        return;
    }
    if (e->err) {
        c->skip_retry_at = c->mono_ms + SKIP_RETRY_MS;
        core_say(c, e->err->text);
        return;
    }
    left_out_add(&c->left_out, &c->skip_asked);
    if (c->skip_asked.reason != SKIP_NEW_LOG)
        return;
    struct err err;
    c->offset = -1;
    c->hash = 0;
    c->skipped = 0;
    c->dirty = true;
    err_set(&err, ERR_UNAVAILABLE, "by an operator's word the new log is read from its first message");
    core_reconnect(c, &err);
}

/* ---- attaching ---- */

static enum guard overtaken(struct stream_core *c, int64_t offset)
{
    char words[PAGE_WORDS];
    int64_t from = c->offset + 1, to = offset - 1;
    if (from > to && c->options.skip) {
        c->state = CORE_RUNNING;
        return GUARD_READ;
    }
    if (from > to)
        snprintf(words, sizeof words,
                 "retention overtook the reader: offset %" PRId64
                 ", the last one read, is gone; nothing else is missing, but nothing proves that this is the same log",
                 c->offset);
    else
        snprintf(words, sizeof words, "retention overtook the reader: offsets %" PRId64 " to %" PRId64 " are lost",
                 from, to);
    return lost(c, SKIP_OVERTAKEN, from, to, words);
}

/* The first message after attaching must be the one that the checkpoint names. */
static enum guard guard_attach(struct stream_core *c, const struct engine_message *m)
{
    char words[PAGE_WORDS];
    int64_t offset = (int64_t)m->offset;
    if (offset < c->offset)
        return GUARD_PASS;
    if (offset == c->offset && hash_message(m->body.p, m->body.len) == c->hash) {
        c->state = CORE_RUNNING;
        return GUARD_PASS;
    }
    if (offset > c->offset + 1 && left_out_all(&c->left_out, c->offset + 1, offset - 1)) {
        c->state = CORE_RUNNING;
        return GUARD_READ;
    }
    if (offset > c->offset)
        return overtaken(c, offset);
    snprintf(words, sizeof words, "foreign log: the message at offset %" PRId64 " is not the one that was read",
             c->offset);
    return lost(c, SKIP_NEW_LOG, c->offset + 1, INT64_MAX, words);
}

void core_beyond_tail(struct stream_core *c)
{
    char words[PAGE_WORDS];
    if (c->skipping)
        return;
    snprintf(words, sizeof words, "offset %" PRId64 " is beyond the tail of the log: was the log made anew?",
             c->offset);
    (void)lost(c, SKIP_NEW_LOG, c->offset + 1, INT64_MAX, words);
}

/* ---- reading ---- */

/* A segment roll takes one offset, more is a loss. */
static enum guard guard_gap(struct stream_core *c, int64_t offset)
{
    char words[PAGE_WORDS];
    int64_t from = c->offset + 1, to = offset - 1;
    if (offset <= c->offset + 2 + c->skipped || left_out_all(&c->left_out, from, to))
        return GUARD_READ;
    if (c->offset < 0) {
        snprintf(words, sizeof words,
                 "retention overtook the reader: the log begins at offset %" PRId64 ", all before it is lost", offset);
        return lost(c, SKIP_OVERTAKEN, from, to, words);
    }
    snprintf(words, sizeof words, "gap in the log: offsets %" PRId64 " to %" PRId64 " are missing", from, to);
    return lost(c, SKIP_GAP, from, to, words);
}

/* A message that killed the worker twice is read only when all before it is saved. */
static enum guard guard_alone(struct stream_core *c, int64_t offset)
{
    if (offset != c->options.alone)
        return GUARD_READ;
    if (c->dirty || c->snapshot_taken || c->saving || outbox_count(c->outbox)) {
        c->next_checkpoint = c->mono_ms;
        return GUARD_HOLD;
    }
    c->options.alone = -1;
    c->next_checkpoint = c->mono_ms;
    return GUARD_READ;
}

enum guard core_guard(struct stream_core *c, const struct engine_message *m)
{
    int64_t offset = (int64_t)m->offset;
    enum guard guard = GUARD_READ;
    if (c->state == CORE_ATTACHING)
        guard = guard_attach(c, m);
    else if (offset <= c->offset)
        guard = GUARD_PASS;
    else
        guard = guard_gap(c, offset);
    return guard == GUARD_READ ? guard_alone(c, offset) : guard;
}
