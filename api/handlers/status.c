#include "api/handlers/status.h"
#include "api/damage.h"
#include "api/keeper.h"
#include "api/supervision.h"

#include "base/clock.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

const char *tenant_state_name(enum tenant_state state)
{
    static const char *const names[] = {"creating", "running", "paused", "removing"};
    return (unsigned)state < 4 ? names[state] : "?";
}

/* What it is in truth, in one word: the worst of its workers. */
static const char *actual_state(const struct tenant_row *t, const struct worker_view *stream,
                                const struct worker_view *batch)
{
    static const char *const worst_first[] = {"failing",  "parked",   "waiting", "killed",
                                              "stopping", "starting", "stopped"};
    if (t->state == TENANT_CREATING || t->state == TENANT_REMOVING)
        return tenant_state_name(t->state);
    if (!stream->known || !batch->known)
        return "unknown";
    for (size_t i = 0; i < sizeof worst_first / sizeof *worst_first; i++) {
        if (strcmp(stream->state, worst_first[i]) != 0 && strcmp(batch->state, worst_first[i]) != 0)
            continue;
        return t->state == TENANT_PAUSED && strcmp(worst_first[i], "stopped") == 0 ? "paused" : worst_first[i];
    }
    bool waits = stream->page_state == PAGE_WAITING || batch->page_state == PAGE_WAITING;
    return waits ? "waiting" : "running";
}

static void put_raw_member(struct buf *out, const char *name, const struct buf *detail, const char *member,
                           const char *fallback)
{
    const char *value = fallback;
    size_t len = strlen(fallback);
    (void)json_find(detail->data, detail->len, member, &value, &len);
    json_w_name(out, name);
    json_w_raw(out, value, len);
}

static void put_worker(struct buf *out, const struct worker_view *v)
{
    json_w_name(out, role_name((int)v->role));
    json_w_open(out, '{');
    put_text(out, "state", v->known ? v->state : "unknown");
    put_text(out, "does", v->pid && v->has_page ? page_state_name(v->page_state) : NULL);
    put_text(out, "words", v->words);
    put_time(out, "since", v->since_ms);
    json_w_name(out, "pid");
    if (v->pid)
        json_w_int(out, v->pid);
    else
        json_w_null(out);
    put_number(out, "restarts", v->restarts);
    put_time(out, "next_start", v->next_start_ms);
    put_text(out, "last_exit", *v->obituary ? v->obituary : NULL);
    put_number(out, "memory_bytes", v->memory_bytes);
    json_w_name(out, "cpu_seconds");
    json_w_float(out, v->cpu_seconds);
    json_w_close(out, '}');
}

static const struct counter {
    const char *name;
    enum metric_slot slot;
} counters[] = {
    {"messages", M_MESSAGES},
    {"events", M_EVENTS},
    {"counted", M_COUNTED},
    {"filtered", M_FILTERED},
    {"late_counted", M_LATE},
    {"repeats", M_REPEATS},
    {"dead", M_DEAD},
    {"results", M_RESULTS},
    {"corrected", M_CORRECTED},
    {"triggers", M_TRIGGERS},
    {"open_windows", M_OPEN_WINDOWS},
    {"keys", M_KEYS},
    {"held", M_HELD},
    {"offset", M_OFFSET},
    {"checkpoints", M_CHECKPOINTS},
    {"unconfirmed", M_UNCONFIRMED},
    {"reconnects", M_STREAM_RECONNECTS},
    {"results_stored", M_STORED},
    {"forged", M_FORGED},
    {"runs_done", M_RUNS_DONE},
    {"runs_failed", M_RUNS_FAILED},
    {"runs_skipped", M_RUNS_SKIPPED},
    {"runs_pending", M_RUNS_PENDING},
    {"reports_published", M_REPORTS},
};

static void put_counters(struct buf *out, const struct worker_view *stream, const struct worker_view *batch)
{
    json_w_name(out, "counters");
    json_w_open(out, '{');
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
        enum metric_slot slot = counters[i].slot;
        put_number(out, counters[i].name, (metrics[slot].role == ROLE_STREAM ? stream : batch)->slots[slot]);
    }
    json_w_close(out, '}');
}

static void put_lag(struct buf *out, const struct worker_view *stream, const struct buf *detail)
{
    bool at_end = false;
    (void)json_get_bool(detail->data, detail->len, "at_end", &at_end);
    put_number(out, "lag_messages", at_end ? 0 : stream->slots[M_LAG]);
    json_w_name(out, "lag_seconds");
    json_w_float(out, (double)stream->slots[M_LAG_MS] / 1000);
    put_bool(out, "at_end", at_end);
}

static void put_full(struct buf *out, const struct worker_view *stream, const struct worker_view *batch,
                     const struct buf *stream_detail, const struct buf *batch_detail)
{
    put_counters(out, stream, batch);
    put_raw_member(out, "log", stream_detail, "log", "{}");
    put_raw_member(out, "streams", stream_detail, "streams", "[]");
    put_raw_member(out, "triggers", stream_detail, "triggers", "[]");
    put_raw_member(out, "dead", stream_detail, "dead", "[]");
    put_raw_member(out, "jobs", batch_detail, "jobs", "[]");
    put_time(out, "checkpoint", stream->slots[M_CHECKPOINT_AT]);
}

void status_write(struct api *api, const struct tenant_row *t, bool full, struct buf *out)
{
    struct worker_view stream, batch;
    struct buf stream_detail = {0}, batch_detail = {0};
    supervision_view(api->supervision, t->tenant, ROLE_STREAM, &stream, &stream_detail);
    supervision_view(api->supervision, t->tenant, ROLE_BATCH, &batch, &batch_detail);
    json_w_open(out, '{');
    put_text(out, "tenant", t->tenant);
    put_text(out, "title", t->title);
    put_text(out, "state", actual_state(t, &stream, &batch));
    put_text(out, "desired", tenant_state_name(t->state));
    char *damage = damage_text(api->damage, t->tenant);
    put_text(out, "damage", damage);
    free(damage);
    put_time(out, "since", stream.since_ms > batch.since_ms ? stream.since_ms : batch.since_ms);
    put_number(out, "generation", (int64_t)t->generation);
    put_number(out, "version", t->version);
    put_time(out, "created", t->created_ms);
    put_time(out, "changed", t->changed_ms);
    put_number(out, "restarts", (int64_t)stream.restarts + batch.restarts);
    put_lag(out, &stream, &stream_detail);
    put_time(out, "watermark", stream.slots[M_WATERMARK]);
    put_time(out, "highest", stream.slots[M_HIGHEST]);
    json_w_name(out, "workers");
    json_w_open(out, '{');
    put_worker(out, &stream);
    put_worker(out, &batch);
    json_w_close(out, '}');
    if (full)
        put_full(out, &stream, &batch, &stream_detail, &batch_detail);
    json_w_close(out, '}');
    buf_free(&stream_detail);
    buf_free(&batch_detail);
}
