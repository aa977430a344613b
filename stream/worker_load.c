/* Loading: the checkpoint, or what a rewind begins from; the offsets to leave out. */
#include "stream/worker.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "coredms/kept.h"

#include <stdlib.h>
#include <string.h>

struct loading {
    struct checkpoint_head head; /* the present one */
    struct tenant_row tenant;
    struct checkpoint_head *kept;
    size_t kept_count;
    struct skip_row *skips;
    size_t skip_count;
    struct buf state;
    char *app;
};

void worker_loading_free(struct worker *w)
{
    struct loading *l = w->loading;
    if (!l)
        return;
    checkpoint_head_free(&l->head);
    tenant_row_free(&l->tenant);
    checkpoint_heads_free(l->kept, l->kept_count);
    free(l->skips);
    buf_free(&l->state);
    free(l->app);
    free(l);
    w->loading = NULL;
}

static struct stream_head head_of(const struct checkpoint_head *h)
{
    return (struct stream_head){.offset = h->offset, .hash = h->message_hash, .saved_ms = h->saved_ms};
}

/* ---- offsets left out ---- */

static int set_aside(struct worker *w, struct err *err)
{
    const struct skip_row row = {.generation = w->start.generation,
                                 .from = w->start.set_aside,
                                 .to = w->start.set_aside,
                                 .reason = SKIP_POISON,
                                 .at_ms = clock_wall_ms()};
    if (w->start.set_aside < 0)
        return 0;
    if (skip_add(w->store, &row, err) < 0)
        return -1;
    log_warn("the message at offset %lld is set aside as poison", (long long)w->start.set_aside);
    w->start.set_aside = -1;
    return 0;
}

static int load_skips(struct worker *w, struct loading *l, struct stream_event *e, struct err *err)
{
    if (set_aside(w, err) < 0 || skip_list(w->store, &l->skips, &l->skip_count, err) < 0)
        return -1;
    e->loaded.skips = l->skips;
    e->loaded.skip_count = l->skip_count;
    e->loaded.log_generation = kept_log_generation(&l->tenant);
    return 0;
}

/* ---- the state ---- */

static int load_app(struct worker *w, struct loading *l, uint32_t version, struct stream_event *e, struct err *err)
{
    size_t len;
    uint32_t found;
    if (registry_get_app(w->store, w->start.tenant, version, &l->app, &len, &found, err) < 0)
        return -1;
    e->loaded.app_text = (struct bytes){l->app, len};
    return 0;
}

static int load_chunks(struct worker *w, struct loading *l, const struct checkpoint_head *head, struct stream_event *e,
                       struct err *err)
{
    if (checkpoint_load(w->store, head, &l->state, err) < 0)
        return -1;
    e->loaded.state = (struct bytes){l->state.data, l->state.len};
    return 0;
}

/* What a rewind publishes is looked for from when it was asked for, however often it is begun. */
static int load_base(struct worker *w, struct loading *l, struct stream_event *e, struct err *err)
{
    const struct rewind_row *r = &l->tenant.rewind;
    e->loaded.begins = true;
    e->loaded.head = (struct stream_head){.offset = -1, .saved_ms = r->at_ms};
    if (load_app(w, l, r->version, e, err) < 0)
        return -1;
    if (!r->base_epoch)
        return 0;
    const struct checkpoint_head *base = kept_find(l->kept, l->kept_count, r);
    if (!base)
        return err_set(err, ERR_NOT_FOUND, "the checkpoint from which the rewind begins is no longer kept");
    e->loaded.head = head_of(base);
    e->loaded.head.saved_ms = r->at_ms;
    return load_chunks(w, l, base, e, err);
}

static int load_kept(struct worker *w, struct loading *l, struct stream_event *e, struct err *err)
{
    e->loaded.kept_ms = INT64_MIN;
    if (checkpoint_kept(w->store, &l->kept, &l->kept_count, err) < 0)
        return -1;
    for (size_t i = 0; i < l->kept_count; i++)
        if (l->kept[i].generation == w->start.generation && l->kept[i].saved_ms > e->loaded.kept_ms)
            e->loaded.kept_ms = l->kept[i].saved_ms;
    return 0;
}

static int load(struct worker *w, struct loading *l, struct stream_event *e, struct err *err)
{
    if (checkpoint_raise(w->store, w->start.generation, &l->head, err) < 0 ||
        registry_get(w->store, w->start.tenant, &l->tenant, err) < 0 || load_skips(w, l, e, err) < 0 ||
        load_kept(w, l, e, err) < 0)
        return -1;
    e->loaded.epoch = l->head.epoch;
    e->loaded.head = head_of(&l->head);
    w->checkpoint_number = l->head.number;
    json_get_bool(l->head.info, strlen(l->head.info), "restored", &e->loaded.restored);
    const bool rewound = l->tenant.rewind.generation == w->start.generation;
    if (rewound)
        e->loaded.rewind = &l->tenant.rewind;
    if (l->head.chunk_count)
        return load_chunks(w, l, &l->head, e, err);
    return rewound ? load_base(w, l, e, err) : load_app(w, l, 1, e, err);
}

int worker_load(struct worker *w, const struct stream_effect *effect, struct stream_event *e, struct err *err)
{
    (void)effect;
    worker_loading_free(w);
    w->loading = mem_zero(1, sizeof *w->loading);
    if (load(w, w->loading, e, err) < 0)
        return -1;
    log_info("%s loaded: epoch %llu, offset %lld, %zu bytes", e->loaded.begins ? "the base of a rewind" : "checkpoint",
             (unsigned long long)e->loaded.epoch, (long long)e->loaded.head.offset, w->loading->state.len);
    return 0;
}
