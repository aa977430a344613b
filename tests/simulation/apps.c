/* The tenant's app, which varies with the seed, and its later versions. */
#include "tests/simulation/private.h"

#include <stdio.h>
#include <stdlib.h>

static void write_events(struct buf *b, const struct shape *s)
{
    buf_printf(b, "tenant: %s\nevents:\n  time: { field: t, format: unix, out_of_orderness: %ds, idle_after: %ds",
               TENANT, s->order, s->idle);
    if (s->ahead)
        buf_printf(b, ", ahead: %ds", s->ahead);
    buf_add_str(b, " }\n  fields: { k: int, v: int }\n");
    if (s->per_device)
        buf_add_str(b, "  watermark_per: [k]\n");
}

static void write_streams(struct buf *b, const struct shape *s)
{
    buf_printf(b,
               "streams:\n  - name: s\n    where: v >= %d\n    key: [k]\n"
               "    window: { tumbling: %ds, allowed_lateness: %ds }\n    select: { n: count(), total: sum(v) }\n",
               s->threshold, s->size, s->lateness);
    if (s->wide)
        buf_printf(
            b, "  - name: wide\n    key: [%s]\n    window: { sliding: 20s, every: 10s }\n    select: { n: count() }\n",
            s->per_device ? "k" : "");
}

static void write_jobs(struct buf *b, const struct shape *s)
{
    buf_printf(b, "triggers:\n  - { name: many, on: s, when: n >= %d, cooldown: %ds, run: j }\n", s->when, s->cooldown);
    buf_add_str(b, "jobs:\n  - { name: j, from: s, range: 1m, by: [k], select: { n: sum(n) } }\n");
    if (s->scheduled)
        buf_printf(
            b,
            "  - { name: m, from: s, range: 1m, schedule: \"* * * * *\", wait: %ds, by: [k], select: { n: sum(n) "
            "} }\n",
            s->wait);
}

struct app *apps_load(const struct app_version *v)
{
    struct app_diags diags;
    struct app *app = app_load(v->text.data, v->text.len, TENANT, &diags);
    if (!app) {
        fprintf(stderr, "the app of the simulation has a mistake: line %u: %s\n", diags.list[0].line,
                diags.list[0].message);
        exit(2);
    }
    app_diags_free(&diags);
    return app;
}

static const struct app_version *add_version(struct world *w, const struct shape *s)
{
    struct app_version *v = &w->versions[w->version_count++];
    *v = (struct app_version){.shape = *s};
    write_events(&v->text, s);
    write_streams(&v->text, s);
    write_jobs(&v->text, s);
    v->app = apps_load(v);
    return v;
}

static int one_of(struct world *w, int a, int b, int c)
{
    const int all[] = {a, b, c};
    return all[below(w, 3)];
}

void apps_first(struct world *w)
{
    const struct shape s = {.lateness = one_of(w, 5, 5, 20),
                            .order = one_of(w, 0, 3, 3),
                            .idle = one_of(w, 10, 20, 40),
                            .ahead = one_of(w, 0, 0, 30),
                            .size = one_of(w, 10, 10, 20),
                            .threshold = (int)below(w, 2),
                            .when = one_of(w, 1, 2, 3),
                            .cooldown = one_of(w, 0, 0, 30),
                            .wait = one_of(w, 0, 20, 40),
                            .per_device = one_in(w, 3),
                            .wide = one_in(w, 2),
                            .scheduled = one_in(w, 2)};
    add_version(w, &s);
}

/* Changes one thing of the present version: of a stream, or only of a trigger. */
const struct app_version *apps_next(struct world *w)
{
    struct shape s = w->versions[w->version_count - 1].shape;
    switch (below(w, 5)) {
    case 0:
        s.threshold = 1 - s.threshold;
        break;
    case 1:
        s.size = 30 - s.size;
        break;
    case 2:
        s.wide = !s.wide;
        break;
    case 3:
        s.lateness = 25 - s.lateness;
        break;
    default:
        s.when = s.when % 3 + 1;
    }
    return add_version(w, &s);
}

void apps_free(struct world *w)
{
    for (size_t i = 0; i < w->version_count; i++) {
        buf_free(&w->versions[i].text);
        app_free(&w->versions[i].app);
    }
}
