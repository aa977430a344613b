/* bench-engine [--events N] [--runs N] [--only CASE]: the engine alone, one core, no broker; next to each case its
 * baseline in the same run on the same bytes. One JSON object a line: see bench/run. */
#include "bench/baselines.h"
#include "bench/events.h"

#include "stream/engine/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RUNS_MAX 50

#define APP_HEAD                                                                                                       \
    "tenant: acme\n"                                                                                                   \
    "events:\n"                                                                                                        \
    "  time: { field: event_time, format: \"%Y-%m-%d %H:%M:%S UTC\", out_of_orderness: 1m }\n"                         \
    "  fields:\n"                                                                                                      \
    "    station_id: int\n"                                                                                            \
    "    datapoint_id: int\n"                                                                                          \
    "    value: float\n"                                                                                               \
    "    valueThreshold: { type: float, default: 999999 }\n"                                                           \
    "    isActive: bool\n"                                                                                             \
    "limits: { keys: 1000000 }\n"                                                                                      \
    "streams:\n"                                                                                                       \
    "  - name: alarms\n"
#define WHERE    "    where: value > valueThreshold and isActive\n"
#define KEY      "    key: [station_id, datapoint_id]\n"
#define TUMBLING "    window: { tumbling: 5m }\n"
#define SLIDING  "    window: { sliding: 10m, every: 10s }\n"
#define TEN      "    window: { tumbling: 10m }\n"
#define SELECT   "    select: { alarm_fire_count: count(), highest: max(value) }\n"
#define FLOATS   "    select: { alarm_fire_count: count(), total: sum(value) }\n"

static const char app_usual[] = APP_HEAD WHERE KEY TUMBLING SELECT;
static const char app_all[] = APP_HEAD KEY TUMBLING SELECT;
static const char app_ten[] = APP_HEAD KEY TEN SELECT;
static const char app_sliding[] = APP_HEAD KEY SLIDING SELECT;
static const char app_floats[] = APP_HEAD KEY SLIDING FLOATS;

enum baseline { SIMDJSON, SIMDJSON_LINES, CJSON, SINGLE /* the engine's usual case */, KEYS_2000, TUMBLING_10M };

struct bench_case {
    const char *name, *app;
    struct event_shape shape;
    enum event_layout layout;
    size_t per_message;
    size_t times; /* the usual number of events: many keys need more */
    enum baseline baseline;
    const char *baseline_name;
};

#define USUAL                                                                                                          \
    {                                                                                                                  \
        200, 10, 10, 1000                                                                                              \
    }
static const struct bench_case cases[] = {
    {"json", app_usual, USUAL, EVENT_SINGLE, 1, 1, SIMDJSON, "simdjson on-demand"},
    {"json, cJSON", app_usual, USUAL, EVENT_SINGLE, 1, 1, CJSON, "cJSON parse"},
    {"ndjson of 500", app_usual, USUAL, EVENT_LINES, 500, 1, SIMDJSON_LINES, "simdjson on-demand, many"},
    {"array of 500", app_usual, USUAL, EVENT_ARRAY, 500, 1, SINGLE, "single objects"},
    {"ndjson of 500, single", app_usual, USUAL, EVENT_LINES, 500, 1, SINGLE, "single objects"},
    {"nothing matches", app_usual, {200, 10, 0, 1000}, EVENT_SINGLE, 1, 1, SINGLE, "10 % match"},
    {"all match", app_all, USUAL, EVENT_SINGLE, 1, 1, SINGLE, "10 % match"},
    {"1 key", app_all, {1, 1, 10, 1000}, EVENT_SINGLE, 1, 1, KEYS_2000, "2,000 keys"},
    {"1,000 keys", app_all, {100, 10, 10, 1000}, EVENT_SINGLE, 1, 1, KEYS_2000, "2,000 keys"},
    {"1,000,000 keys", app_all, {100000, 10, 10, 20000}, EVENT_SINGLE, 1, 4, KEYS_2000, "2,000 keys"},
    {"1,000,000 keys, ndjson", app_all, {100000, 10, 10, 20000}, EVENT_LINES, 500, 4, KEYS_2000, "2,000 keys"},
    {"sliding 10m every 10s", app_sliding, USUAL, EVENT_SINGLE, 1, 1, TUMBLING_10M, "tumbling 10m"},
    {"sliding, a sum of floats", app_floats, USUAL, EVENT_SINGLE, 1, 1, TUMBLING_10M, "tumbling 10m"},
};

/* ---- what is measured ---- */

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint64_t taken; /* so that nothing is left out by the compiler */

static void on_result(void *context, const struct engine_result *r)
{
    (void)context;
    taken += r->body.len;
}

static void on_trigger(void *context, const struct engine_trigger *t)
{
    (void)context;
    taken += t->body.len;
}

static void on_dead(void *context, const struct engine_dead *d)
{
    (void)context;
    (void)d;
    fprintf(stderr, "bench: an event was set aside: %s\n", d->detail);
    exit(1);
}

static struct app *load(const char *text)
{
    struct app_diags diags;
    struct app *app = app_load(text, strlen(text), NULL, &diags);
    if (!app) {
        fprintf(stderr, "bench: line %u: %s\n", diags.list[0].line, diags.list[0].message);
        exit(1);
    }
    app_diags_free(&diags);
    return app;
}

static double engine_ns(const char *app, const struct events *e)
{
    const struct engine_sink sink = {.result = on_result, .trigger = on_trigger, .dead = on_dead};
    struct engine *engine = engine_new(load(app), 1, 1);
    double from = cpu_ns();
    for (size_t i = 0; i < e->count; i++) {
        const struct engine_message m = {.offset = i,
                                         .body = {e->text.data + e->begin[i], e->begin[i + 1] - e->begin[i]}};
        engine_message(engine, &m, &sink);
    }
    double ns = (cpu_ns() - from) / (double)e->events;
    engine_free(&engine);
    return ns;
}

static double parser_ns(enum baseline b, const struct events *e)
{
    uint64_t (*const parsers[])(const char *, const size_t *, size_t) = {
        [SIMDJSON] = baseline_simdjson, [SIMDJSON_LINES] = baseline_simdjson_lines, [CJSON] = baseline_cjson};
    double from = cpu_ns();
    taken += parsers[b](e->text.data, e->begin, e->count);
    return (cpu_ns() - from) / (double)e->events;
}

/* ---- a case ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(const struct bench_case *c, const struct events *e, const double *ns, const double *ratio, int runs)
{
    printf("{\"case\":\"%s\",\"baseline\":\"%s\",\"events\":%zu,\"bytes_per_event\":%.1f,\"runs\":%d,"
           "\"ns_per_event\":[%.1f,%.1f,%.1f],\"ratio\":[%.3f,%.3f,%.3f]}\n",
           c->name, c->baseline_name, e->events, (double)e->begin[e->count] / (double)e->events, runs, ns[0],
           ns[runs / 2], ns[runs - 1], ratio[0], ratio[runs / 2], ratio[runs - 1]);
    fflush(stdout);
}

/* What the engine itself is compared with. */
static const char *engine_baseline(enum baseline b, struct event_shape *shape)
{
    *shape = event_shape_usual;
    return b == SINGLE ? app_usual : b == KEYS_2000 ? app_all : app_ten;
}

static void run_case(const struct bench_case *c, size_t events, int runs)
{
    struct events e, other = {0};
    struct event_shape shape;
    double ns[RUNS_MAX], ratio[RUNS_MAX];
    bool parser = c->baseline <= CJSON;
    const char *app = parser ? NULL : engine_baseline(c->baseline, &shape);
    events_make(&e, &c->shape, c->layout, events * c->times, c->per_message);
    bool single = c->baseline == SINGLE; /* else itself, in messages of the same kind */
    if (!parser)
        events_make(&other, &shape, single ? EVENT_SINGLE : c->layout, events, single ? 1 : c->per_message);
    for (int i = 0; i < runs; i++) {
        double base = parser ? parser_ns(c->baseline, &e) : engine_ns(app, &other);
        ns[i] = engine_ns(c->app, &e);
        ratio[i] = base / ns[i]; /* rate of the engine in units of the baseline's */
    }
    qsort(ns, (size_t)runs, sizeof *ns, by_value);
    qsort(ratio, (size_t)runs, sizeof *ratio, by_value);
    print(c, &e, ns, ratio, runs);
    events_free(&e);
    events_free(&other);
}

int main(int argc, char **argv)
{
    size_t events = 500000;
    int runs = 5;
    const char *only = NULL;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--events") == 0)
            events = strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--runs") == 0)
            runs = atoi(argv[i + 1]);
        else
            only = argv[i + 1];
    }
    runs = runs < 1 ? 1 : runs > RUNS_MAX ? RUNS_MAX : runs;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (!only || strcmp(only, cases[i].name) == 0)
            run_case(&cases[i], events, runs);
    return taken == 0;
}
