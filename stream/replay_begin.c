/* From where the log is read again. */
#include "stream/replay.h"

#include "base/clock.h"
#include "stream/begin.h"

#include <stdlib.h>

int replay_open(struct replay *r, const struct settings *s, const char *tenant, unsigned reads, struct err *err)
{
    char path[4096];
    struct skip_row *skips = NULL;
    size_t skip_count = 0;
    *r = (struct replay){.settings = s, .tenant = tenant, .begin_offset = -1, .offset = -1, .to_offset = -1};
    path_tenant(s, tenant, "worker.credentials", path, sizeof path);
    if (coredms_open(s->coredms, tenant, reads, &r->store, err) < 0)
        return -1;
    int status = registry_get(r->store, tenant, &r->row, err) < 0 || checkpoint_head(r->store, &r->head, err) < 0 ||
                         checkpoint_kept(r->store, &r->kept, &r->kept_count, err) < 0 ||
                         skip_list(r->store, &skips, &skip_count, err) < 0 ||
                         credentials_read(path, &r->credentials, err) < 0
                     ? -1
                     : 0;
    if (status == 0)
        left_out_take(&r->left_out, skips, skip_count, kept_log_generation(&r->row));
    free(skips);
    if (status < 0)
        replay_close(r);
    return status;
}

void replay_close(struct replay *r)
{
    engine_free(&r->engine);
    left_out_free(&r->left_out);
    checkpoint_heads_free(r->kept, r->kept_count);
    r->kept = NULL;
    r->kept_count = 0;
    checkpoint_head_free(&r->head);
    tenant_row_free(&r->row);
    coredms_close(&r->store);
}

/* ---- beginning ---- */

/* base NULL: from the beginning of the log. */
static int begin_at(struct replay *r, const struct checkpoint_head *base, struct beginning *b, struct err *err)
{
    struct buf state = {0};
    int status = base ? checkpoint_load(r->store, base, &state, err) : 0;
    b->tenant = r->tenant;
    b->generation = r->row.generation;
    if (base)
        b->state = (struct bytes){state.data, state.len};
    engine_free(&r->engine);
    if (status == 0)
        status = begin_engine(b, &r->engine, &r->to_offset, err);
    buf_free(&state);
    if (status < 0)
        return -1;
    r->begin_offset = r->offset = base ? base->offset : -1;
    r->hash = base ? base->message_hash : 0;
    return 0;
}

/* The generation's own beginning: an empty log, or the base of its rewind. */
static int begin_generation(struct replay *r, struct err *err)
{
    const struct rewind_row *w = &r->row.rewind;
    bool rewound = w->generation == r->row.generation;
    struct beginning b = {.rewind = rewound ? w : NULL, .begins = rewound};
    char *app;
    size_t len;
    uint32_t version;
    if (registry_get_app(r->store, r->tenant, rewound ? w->version : 1, &app, &len, &version, err) < 0)
        return -1;
    b.app_text = (struct bytes){app, len};
    int status = begin_at(r, rewound ? kept_find(r->kept, r->kept_count, &r->row.rewind) : NULL, &b, err);
    free(app);
    return status;
}

/* When the log from which the generation began was certainly still whole. */
static int64_t generation_began(const struct replay *r)
{
    if (r->row.rewind.generation != r->row.generation || !r->row.rewind.base_epoch)
        return r->row.created_ms;
    const struct checkpoint_head *base = kept_find(r->kept, r->kept_count, &r->row.rewind);
    return base ? base->saved_ms : INT64_MIN;
}

int replay_begin(struct replay *r, const struct log_point *before, struct err *err)
{
    const struct kept_log log = {.generation = r->row.generation,
                                 .began_ms = generation_began(r),
                                 .retention_ms = r->settings->retention_events,
                                 .now_ms = clock_wall_ms()};
    struct log_point earliest = {.to_ms = kept_earliest(r->kept, r->kept_count, &log), .to_offset = -1};
    const struct checkpoint_head *base;
    const bool rewound = r->row.rewind.generation == r->row.generation;
    struct beginning b = {.rewind = rewound ? &r->row.rewind : NULL};
    if (kept_base(r->kept, r->kept_count, &log, before ? before : &earliest, &base, err) < 0)
        return -1;
    return base ? begin_at(r, base, &b, err) : begin_generation(r, err);
}

int replay_begin_changed(struct replay *r, const char *app, size_t len, int64_t from_ms, struct err *err)
{
    const struct kept_log log = {.generation = kept_log_generation(&r->row),
                                 .began_ms = r->row.created_ms,
                                 .retention_ms = r->settings->retention_events,
                                 .now_ms = clock_wall_ms()};
    int64_t earliest = kept_earliest(r->kept, r->kept_count, &log);
    struct log_point point = {.to_ms = from_ms > earliest ? from_ms : earliest, .to_offset = -1};
    const struct checkpoint_head *base;
    if (kept_base(r->kept, r->kept_count, &log, &point, &base, err) < 0)
        return -1;
    const struct rewind_row what_if = {
        .generation = r->row.generation, .to_ms = point.to_ms, .to_offset = -1, .version = r->row.version + 1};
    struct beginning b = {.rewind = &what_if, .begins = true, .app_text = {app, len}};
    return begin_at(r, base, &b, err);
}
