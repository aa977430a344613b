/* Fleets of devices send the same layout over and over: the text between the values of an object is predicted from an
 * earlier one and compared as it is, so that only the values are looked at. What is not exactly as predicted, or not
 * plain, is left to the general way (decode.c), which alone says what is wrong with an event. PURE. */
#ifndef BELLTOWER_STREAM_ENGINE_LAYOUT_H
#define BELLTOWER_STREAM_ENGINE_LAYOUT_H

#include "base/buf.h"
#include "base/csv.h"
#include "base/json.h"
#include "stream/engine/shape.h"
#include "tenants/app/app.h"

#define LAYOUTS          4  /* remembered, of a fleet with several kinds of devices */
#define LAYOUT_HOLES_MAX 64 /* values of an object */
#define LAYOUT_TEXT_MAX  4096
#define LAYOUT_DEPTH_MAX 16

struct hole {           /* a value */
    uint32_t lead;      /* bytes of fixed text before it */
    uint32_t lead_bits; /* a bit for each of the first 16 */
    uint32_t room;      /* so many bytes from the lead on, and no read of lead or plain value goes beyond */
    uint32_t slot;      /* of the app's fields */
    enum hole_kind kind;
};

struct layout {
    struct buf text; /* all fixed text, one behind the other; the rest behind the last hole is the object's end */
    struct hole holes[LAYOUT_HOLES_MAX];
    uint32_t hole_count, tail;
    uint32_t *missing; /* fields that it does not have: they take what they take when they are missing */
    uint32_t missing_count;
    uint64_t hits;
};

struct layouts {
    struct layout at[LAYOUTS];
    uint32_t count, last;      /* last: that fitted; it is tried first */
    uint32_t misses, patience; /* a new one is learnt after so many misses; more when what was learnt was of no use */
    const char *ends[LAYOUT_HOLES_MAX]; /* of the object that was read last: what is behind each value */
    struct shapes shapes;               /* tried before them */
};

void layouts_free(struct layouts *l);
/* One target of a value: which field, or the time (slot == LAYOUT_TIME). */
#define LAYOUT_TIME UINT32_MAX
struct layout_target {
    const char *token; /* where the value begins */
    uint32_t slot;
};
/* Learns from an object that was read in the general way and is a good event. targets: the values that the app takes.
 */
void layouts_learn(struct layouts *l, const struct app *app, const char *object, size_t len,
                   const struct layout_target *targets, size_t count);
/* j at a {: reads the object if it is as predicted, fills all slots and *time, and moves j behind it; else false, and
 * nothing but slots has changed. Strings point into the object. */
bool layouts_read(struct layouts *l, const struct app *app, struct json *j, struct value *slots, int64_t *time);
/* The same of the object that a row is, without making it: its cells are what is in the holes. Strings point into the
 * row's line. */
bool layouts_read_row(struct layouts *l, const struct app *app, const struct csv_plain *row, struct value *slots,
                      int64_t *time);

#endif
