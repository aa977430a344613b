/* Time, one turn after another, and the run from its beginning to the verdict. */
#include "tests/simulation/private.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define FAULT_TURNS 4000
#define LEAST_TURNS 150
#define PEACE_TURNS 20000

const char *sabotage_name(enum sabotage s)
{
    static const char *const names[] = {"none",           "confirm-early", "offset-apart", "no-epoch",
                                        "blind-tick",     "blind-tail",    "source-apart", "trigger-early",
                                        "no-batch-epoch", "report-early"};
    return names[s];
}

void note(const struct world *w, const struct worker *k, const char *fmt, ...)
{
    va_list ap;
    if (!w->trace)
        return;
    printf("%8" PRId64 "  %-6s %3u  ", w->wall - START_WALL, k->side->name, k->number);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

static void let_time_pass(struct world *w)
{
    int64_t ms = one_in(w, 20) ? (int64_t)below(w, 40000) : (int64_t)below(w, 700);
    w->mono += ms;
    w->wall += ms;
    if (fault(w, FAULT_CLOCK)) /* within what clocks may differ by: the tail is read from 60 s before */
        w->wall += (int64_t)below(w, 20000) - 10000;
}

static void turn(struct world *w)
{
    let_time_pass(w);
    if (fault(w, FAULT_LOSE))
        broker_lose(w);
    if (fault(w, FAULT_AWAY))
        w->away_until = w->mono + (int64_t)below(w, 60000);
    if (one_in(w, 3))
        produce(w);
    if (w->store.postponed.row.id && one_in(w, 4))
        store_settle(w);
    life_fate(w, w->streams);
    life_fate(w, w->batches);
    for (int i = 0; i < 2; i++) {
        life_live(w, &w->streams[i]);
        life_live(w, &w->batches[i]);
    }
    w->v->steps++;
}

/* ---- rest ---- */

static bool stream_rests(const struct world *w)
{
    const struct worker *k = &w->streams[0];
    struct stream_status s;
    if (!k->stream || k->generation != w->generation || k->late_count || !link_is_idle(&k->link) ||
        !stream_core_engine(k->stream))
        return false;
    stream_core_status(k->stream, &s);
    return s.unconfirmed == 0 && s.offset == (int64_t)w->log.count - 1 &&
           engine_tick_at(stream_core_engine(k->stream)) == INT64_MAX;
}

static bool runs_are_finished(const struct world *w)
{
    for (size_t i = 0; i < w->store.run_count; i++)
        if (run_is_pending(&w->store.runs[i].row))
            return false;
    return true;
}

static bool batch_rests(const struct world *w)
{
    const struct worker *k = &w->batches[0];
    struct batch_status s;
    if (!k->batch || k->generation != w->generation || k->late_count || !link_is_idle(&k->link) ||
        w->store.postponed.row.id)
        return false;
    batch_core_status(k->batch, &s);
    return s.connected && s.runs_pending == 0 && runs_are_finished(w) &&
           w->store.source.offset == (int64_t)w->results.count - 1;
}

static bool triggers_are_gone(const struct world *w)
{
    for (size_t i = 0; i < w->triggers.count; i++)
        if (w->triggers.at[i].state != ENTRY_GONE)
            return false;
    return true;
}

static bool peaceful(const struct world *w)
{
    return !w->to_produce && stream_rests(w) && batch_rests(w) && triggers_are_gone(w);
}

static void accuse_of_unrest(struct world *w)
{
    accuse(w,
           "it does not come to rest: %zu messages in the log, %zu results in their queue, stored up to offset %" PRId64
           "; stream %s, batch %s, triggers %s",
           w->log.count, w->results.count, w->store.source.offset, stream_rests(w) ? "rests" : "does not",
           batch_rests(w) ? "rests" : "does not", triggers_are_gone(w) ? "are gone" : "remain");
}

/* ---- a run ---- */

static void begin(struct world *w)
{
    w->generation = w->store.generation = 1;
    w->store.head.offset = w->store.stored_to[0] = w->store.stored_to[1] = -1;
    w->store.source = (struct source){.generation = 1, .offset = -1};
    for (int i = 0; i < 2; i++) {
        w->streams[i] = (struct worker){.side = &stream_side, .link.position = -1};
        w->batches[i] = (struct worker){.side = &batch_side, .link.position = -1};
    }
    chance_draw_odds(w);
    apps_first(w);
    w->to_produce = 15 + below(w, 40);
    w->punctual = one_in(w, 2);
    w->store_rows = one_in(w, 4) ? 1 + below(w, 3) : 0;
    w->retention = one_in(w, 4) ? 300000 : INT64_C(604800000);
}

static void end(struct world *w)
{
    struct list *const lists[] = {&w->log, &w->results, &w->dead, &w->triggers, &w->reports, &w->requests};
    w->faults = false;
    for (int i = 0; i < 2; i++) {
        life_die(w, &w->streams[i]);
        life_die(w, &w->batches[i]);
        broker_end_ghost(w, &w->streams[i]);
        broker_end_ghost(w, &w->batches[i]);
    }
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        list_clear(lists[i]);
    store_free(&w->store);
    apps_free(w);
}

void world_run(uint64_t seed, enum sabotage sabotage, bool trace, struct verdict *v)
{
    struct world w = {.random = seed * UINT64_C(0xbf58476d1ce4e5b9) + 1,
                      .sabotage = sabotage,
                      .trace = trace,
                      .mono = 1000,
                      .seen = -1,
                      .poison.offset = -1,
                      .wall = START_WALL,
                      .v = v,
                      .faults = true};
    *v = (struct verdict){.well = true};
    begin(&w);
    for (unsigned i = 0; i < FAULT_TURNS && v->well && (w.to_produce || i < LEAST_TURNS); i++)
        turn(&w);
    w.faults = false;
    for (unsigned i = 0; i < PEACE_TURNS && v->well && !peaceful(&w); i++)
        turn(&w);
    if (!peaceful(&w))
        accuse_of_unrest(&w);
    if (v->well)
        judge(&w);
    end(&w);
}
