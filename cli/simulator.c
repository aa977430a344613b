#include "cli/simulator.h"

#include "base/mem.h"
#include "base/time_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a base station has. Values in hundredths; daily: how far the day's curve swings; spike: how far beyond the
 * threshold an alarm goes. */
static const struct sensor {
    uint32_t datapoint, alarm;
    int32_t base, daily, noise, threshold, spike;
    bool on_off;
} sensors[] = {
    {101, 1, 2200, 600, 80, 3500, 900, false},     /* cabin temperature, degrees C */
    {102, 2, 4500, 1500, 200, 8500, 1000, false},  /* relative humidity, % */
    {111, 3, 23000, 300, 250, 25300, 1200, false}, /* mains voltage, V */
    {112, 4, 5400, 40, 15, 5800, 250, false},      /* battery voltage, V */
    {113, 5, 4200, 900, 150, 8000, 1800, false},   /* rectifier current, A */
    {121, 6, 3100, 700, 120, 6000, 1500, false},   /* power amplifier temperature, degrees C */
    {131, 7, 120, 30, 12, 200, 90, false},         /* standing wave ratio */
    {141, 8, 2500, 0, 30, 8000, 800, false},       /* fuel used of the generator, % */
    {201, 9, 0, 0, 0, 50, 50, true},               /* door: 0 closed, 1 open */
    {202, 10, 0, 0, 0, 50, 50, true},              /* smoke: 0 none, 1 smoke */
};
#define SENSOR_COUNT         (sizeof sensors / sizeof *sensors)
#define NO_THRESHOLD         99999900 /* 999999, where nothing is to be watched */
#define UNWATCHED_PERCENT    30
#define SPIKE_ONE_IN         700 /* readings that exceed their threshold outside of storms */
#define STORM_MS             (20 * 60000)
#define STORM_STATION_ONE_IN 5
#define STORM_PERIOD_MS      10000 /* a sensor in alarm reports so often */
#define DAY_MS               86400000

struct reading {
    int64_t arrives, taken;
    uint32_t station, sensor;
    uint64_t order; /* of making, so that equal arrivals have one order */
};

struct simulator {
    struct simulation o;
    int64_t period_ms, step; /* the next moment of which readings are made */
    struct reading *heap;    /* by (arrives, order) */
    size_t count, cap;
    uint64_t made;
};

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014) over what names a reading. */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

enum purpose {
    FOR_VALUE = 1,
    FOR_SPIKE,
    FOR_DELAY,
    FOR_DUPLICATE,
    FOR_THRESHOLD,
    FOR_PHASE,
    FOR_STORM,
    FOR_STATION,
    FOR_ACTIVE
};

static uint64_t chance(const struct simulator *s, enum purpose purpose, uint64_t a, uint64_t b)
{
    return mix(mix(mix(s->o.seed * 31 + purpose) ^ a) ^ b);
}

uint32_t simulator_sensors(void)
{
    return SENSOR_COUNT;
}

struct simulator *simulator_new(const struct simulation *options)
{
    struct simulator *s = mem_zero(1, sizeof *s);
    s->o = *options;
    s->period_ms = 3600000 / options->per_hour;
    return s;
}

void simulator_free(struct simulator **s)
{
    if (*s)
        free((*s)->heap);
    free(*s);
    *s = NULL;
}

/* ---- storms ---- */

void simulator_storm(const struct simulator *s, uint32_t storm, int64_t *from_ms, int64_t *to_ms)
{
    int64_t room = s->o.duration_ms > 2 * STORM_MS ? s->o.duration_ms - 2 * STORM_MS : 1;
    *from_ms = s->o.start_ms + (int64_t)(chance(s, FOR_STORM, storm, 0) % (uint64_t)room) / 60000 * 60000;
    *to_ms = *from_ms + STORM_MS;
}

bool simulator_in_storm(const struct simulator *s, uint32_t storm, uint32_t station)
{
    uint32_t always = (uint32_t)(chance(s, FOR_STORM, storm, 1) % s->o.stations); /* at least one */
    return station == always + 1 || chance(s, FOR_STATION, storm, station) % STORM_STATION_ONE_IN == 0;
}

static bool stormy(const struct simulator *s, uint32_t station, int64_t at)
{
    for (uint32_t i = 0; i < s->o.storms; i++) {
        int64_t from, to;
        simulator_storm(s, i, &from, &to);
        if (at >= from && at < to && simulator_in_storm(s, i, station))
            return true;
    }
    return false;
}

/* ---- the heap of readings that have not arrived yet ---- */

static bool before(const struct reading *a, const struct reading *b)
{
    return a->arrives != b->arrives ? a->arrives < b->arrives : a->order < b->order;
}

static void push(struct simulator *s, struct reading r)
{
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 1024;
        s->heap = mem_resize(s->heap, s->cap, sizeof *s->heap);
    }
    r.order = s->made++;
    size_t i = s->count++;
    for (; i > 0 && before(&r, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = r;
}

static struct reading pop(struct simulator *s)
{
    struct reading top = s->heap[0], last = s->heap[--s->count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < s->count; i = child) {
        if (child + 1 < s->count && before(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (!before(&s->heap[child], &last))
            break;
        s->heap[i] = s->heap[child];
    }
    s->heap[i] = last;
    return top;
}

/* ---- making readings ---- */

static void take_reading(struct simulator *s, uint32_t station, uint32_t sensor, int64_t at)
{
    uint64_t who = (uint64_t)station << 8 | sensor;
    struct reading r = {.taken = at, .station = station, .sensor = sensor};
    int64_t delay =
        s->o.disorder_ms ? (int64_t)(chance(s, FOR_DELAY, who, (uint64_t)at) % (uint64_t)(s->o.disorder_ms + 1)) : 0;
    r.arrives = at + delay;
    push(s, r);
    uint64_t again = chance(s, FOR_DUPLICATE, who, (uint64_t)at);
    if (again % 1000 < s->o.duplicates) {
        r.arrives += (int64_t)(again / 1000 % 5000);
        push(s, r);
    }
}

/* Readings of one sensor in [from, from + period): one at its own phase, or, in a storm, one each ten seconds. */
static void make_sensor(struct simulator *s, uint32_t station, uint32_t sensor, int64_t from)
{
    uint64_t who = (uint64_t)station << 8 | sensor;
    int64_t phase = (int64_t)(chance(s, FOR_PHASE, who, 0) % (uint64_t)s->period_ms) / 1000 * 1000;
    int64_t at = from + phase, end = s->o.start_ms + s->o.duration_ms;
    if (stormy(s, station, at)) {
        int64_t next = at + s->period_ms;
        for (; at < next && at < end; at += STORM_PERIOD_MS)
            take_reading(s, station, sensor, at);
    } else if (at < end) {
        take_reading(s, station, sensor, at);
    }
}

static void make_step(struct simulator *s)
{
    int64_t from = s->o.start_ms + s->step * s->period_ms;
    for (uint32_t station = 1; station <= s->o.stations; station++)
        for (uint32_t i = 0; i < SENSOR_COUNT; i++)
            make_sensor(s, station, i, from);
    s->step++;
}

/* ---- values ---- */

static int64_t threshold_of(const struct simulator *s, const struct reading *r)
{
    uint64_t who = (uint64_t)r->station << 8 | r->sensor;
    bool unwatched = chance(s, FOR_THRESHOLD, who, 0) % 100 < UNWATCHED_PERCENT;
    return unwatched ? NO_THRESHOLD : sensors[r->sensor].threshold;
}

/* A day as a parabola: 0 at midnight, 1000 at noon. */
static int64_t day_curve(int64_t at)
{
    int64_t x = (at % DAY_MS) / (DAY_MS / 1000);
    return 4 * x * (1000 - x) / 1000;
}

static int64_t value_of(const struct simulator *s, const struct reading *r)
{
    const struct sensor *k = &sensors[r->sensor];
    uint64_t who = (uint64_t)r->station << 8 | r->sensor;
    uint64_t noise = chance(s, FOR_VALUE, who, (uint64_t)r->taken),
             spike = chance(s, FOR_SPIKE, who, (uint64_t)r->taken);
    bool alarm = stormy(s, r->station, r->taken) || spike % SPIKE_ONE_IN == 0;
    if (k->on_off)
        return alarm ? 100 : 0;
    if (alarm)
        return k->threshold + 1 + (int64_t)(spike / SPIKE_ONE_IN % (uint64_t)k->spike);
    int64_t wander = k->noise ? (int64_t)(noise % (uint64_t)(2 * k->noise + 1)) - k->noise : 0;
    int64_t value = k->base + k->daily * day_curve(r->taken) / 1000 + wander;
    return value < k->threshold ? value : k->threshold - 1;
}

/* ---- lines ---- */

static void put_time(int64_t ms, char out[40])
{
    char text[32];
    time_rfc3339(ms - ms % 1000, text); /* 2026-01-01T00:00:00Z */
    snprintf(out, 40, "%.10s %.8s UTC", text, text + 11);
}

static void put_hundredths(int64_t v, char out[32])
{
    if (v % 100 == 0)
        snprintf(out, 32, "%" PRId64, v / 100);
    else
        snprintf(out, 32, v % 10 ? "%" PRId64 ".%02d" : "%" PRId64 ".%d", v / 100,
                 (int)(v % 10 ? v % 100 : v % 100 / 10));
}

void simulator_header(const struct simulator *s, struct buf *out)
{
    if (s->o.csv)
        buf_add_str(out, "station_id,datapoint_id,alarm_id,event_time,value,valueThreshold,isActive,storedtime\n");
}

static void put_line(const struct simulator *s, const struct reading *r, struct buf *out)
{
    char taken[40], stored[40], value[32], threshold[32];
    const struct sensor *k = &sensors[r->sensor];
    uint64_t who = (uint64_t)r->station << 8 | r->sensor;
    bool active =
        chance(s, FOR_ACTIVE, who, (uint64_t)(r->taken / 3600000)) % 50 != 0; /* now and then out for service */
    put_time(r->taken, taken);
    put_time(r->arrives, stored);
    put_hundredths(value_of(s, r), value);
    put_hundredths(threshold_of(s, r), threshold);
    buf_printf(out,
               s->o.csv ? "%u,%u,%u,%s,%s,%s,%s,%s\n"
                        : "{\"station_id\":%u,\"datapoint_id\":%u,\"alarm_id\":%u,\"event_time\":\"%s\",\"value\":%s,"
                          "\"valueThreshold\":%s,\"isActive\":%s,\"storedtime\":\"%s\"}\n",
               r->station, k->datapoint, k->alarm, taken, value, threshold, active ? "true" : "false", stored);
}

bool simulator_line(struct simulator *s, struct buf *out)
{
    /* What is made later than the earliest that waits cannot arrive before it. */
    while (s->step * s->period_ms < s->o.duration_ms &&
           (s->count == 0 || s->heap[0].arrives >= s->o.start_ms + s->step * s->period_ms))
        make_step(s);
    if (s->count == 0)
        return false;
    struct reading r = pop(s);
    put_line(s, &r, out);
    return true;
}
