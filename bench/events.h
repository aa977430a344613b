/* Seeded events of a fleet: event i depends on (seed, i) alone. The same layout and numbers as bench/peers/flink's. */
#ifndef BELLTOWER_BENCH_EVENTS_H
#define BELLTOWER_BENCH_EVENTS_H

#include "base/buf.h"

struct event_shape {
    unsigned stations, datapoints; /* keys: their product */
    unsigned alarms;               /* of 100 events so many are over the threshold and active */
    unsigned per_second;           /* events in a second of event time */
};
extern const struct event_shape event_shape_usual; /* 200 x 10 keys, 10 % alarms, 1,000 a second */

enum event_layout { EVENT_SINGLE, EVENT_LINES, EVENT_ARRAY, EVENT_CSV };

struct events { /* messages one behind the other; behind the last there is room for a parser that reads ahead */
    struct buf text;
    size_t *begin; /* of each message; begin[count] is the end */
    size_t count, events;
};
/* per_message events in a message (1 for EVENT_SINGLE). */
void events_make(struct events *e, const struct event_shape *s, enum event_layout layout, size_t events,
                 size_t per_message);
/* The same from the event of that number on: what portions of a long row of events are made of. */
void events_make_from(struct events *e, const struct event_shape *s, enum event_layout layout, uint64_t first,
                      size_t events, size_t per_message);
void events_free(struct events *e);

#endif
