#include "bench/events.h"

#include "base/mem.h"
#include "base/time_format.h"

#include <stdlib.h>
#include <string.h>

#define PADDING    64
#define SEED       1
#define FIRST_MS   INT64_C(1767225600000)
#define FIRST_NAME INT64_C(1161114001)
#define THRESHOLD  2400 /* tenths */

const struct event_shape event_shape_usual = {.stations = 200, .datapoints = 10, .alarms = 10, .per_second = 1000};

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (z ^ (z >> 31)) >> 1;
}

struct reading {
    int64_t station, second_ms;
    unsigned datapoint, tenths;
    bool active;
};

static struct reading reading_at(const struct event_shape *s, uint64_t i)
{
    uint64_t r = mix(SEED * UINT64_C(0x9E3779B97F4A7C15) + i);
    unsigned kind = (unsigned)((r >> 24) % 100), amount = 1 + (unsigned)((r >> 34) % 500);
    unsigned late = (r >> 45) % 5 == 0 ? (unsigned)((r >> 50) % 31) : 0;
    bool alarm = kind < s->alarms, high = kind < s->alarms + 10;
    return (struct reading){.station = FIRST_NAME + (int64_t)(r % s->stations),
                            .datapoint = 121 + (unsigned)((r >> 16) % s->datapoints),
                            .tenths = high ? THRESHOLD + amount : THRESHOLD - amount,
                            .active = alarm || !high,
                            .second_ms = FIRST_MS + (int64_t)(i / s->per_second) * 1000 - (int64_t)late * 1000};
}

static void put_time(struct buf *b, int64_t ms)
{
    char text[32];
    time_rfc3339(ms, text); /* 2026-01-01T00:00:00Z */
    buf_printf(b, "%.10s %.8s UTC", text, text + 11);
}

static void put_json(struct buf *b, const struct reading *r)
{
    buf_printf(b, "{\"tenant_id\":\"acme\",\"station_id\":%lld,\"datapoint_id\":%u,\"alarm_id\":303,\"event_time\":\"",
               (long long)r->station, r->datapoint);
    put_time(b, r->second_ms);
    buf_printf(b, "\",\"value\":%u.%u,\"valueThreshold\":240.0,\"isActive\":%s}", r->tenths / 10, r->tenths % 10,
               r->active ? "true" : "false");
}

static void put_csv(struct buf *b, const struct reading *r)
{
    buf_printf(b, "acme,%lld,%u,303,", (long long)r->station, r->datapoint);
    put_time(b, r->second_ms);
    buf_printf(b, ",%u.%u,240.0,%s", r->tenths / 10, r->tenths % 10, r->active ? "true" : "false");
}

static void put_message(struct buf *b, const struct event_shape *s, enum event_layout layout, uint64_t first, size_t n)
{
    if (layout == EVENT_ARRAY)
        buf_add_char(b, '[');
    for (size_t i = 0; i < n; i++) {
        struct reading r = reading_at(s, first + i);
        if (i)
            buf_add_char(b, layout == EVENT_ARRAY ? ',' : '\n');
        (layout == EVENT_CSV ? put_csv : put_json)(b, &r);
    }
    if (layout == EVENT_ARRAY)
        buf_add_char(b, ']');
}

void events_make(struct events *e, const struct event_shape *s, enum event_layout layout, size_t events,
                 size_t per_message)
{
    events_make_from(e, s, layout, 0, events, per_message);
}

void events_make_from(struct events *e, const struct event_shape *s, enum event_layout layout, uint64_t first,
                      size_t events, size_t per_message)
{
    *e = (struct events){.count = events / per_message, .events = events / per_message * per_message};
    e->begin = mem_zero(e->count + 1, sizeof *e->begin);
    for (size_t i = 0; i < e->count; i++) {
        e->begin[i] = e->text.len;
        put_message(&e->text, s, layout, first + i * per_message, per_message);
    }
    e->begin[e->count] = e->text.len;
    memset(buf_reserve(&e->text, PADDING), 0, PADDING);
}

void events_free(struct events *e)
{
    buf_free(&e->text);
    free(e->begin);
}
