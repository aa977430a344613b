/* Objects of one layout whose values also have the lengths of an earlier one's are compared with its whole text at
 * once, and only values that have changed are looked at, where they must be. What does not fit is left to the layouts
 * (layout.c), which learn the next shape from it. PURE. */
#ifndef BELLTOWER_STREAM_ENGINE_SHAPE_H
#define BELLTOWER_STREAM_ENGINE_SHAPE_H

#include "stream/engine/time_memory.h"
#include "tenants/app/app.h"

#define SHAPES         16  /* remembered: lengths of values come in a few combinations */
#define SHAPE_TEXT_MAX 512 /* bytes of an object; longer ones are read by their layout */
#define SHAPE_VALUES   32  /* of an object; the same */

enum hole_kind {
    HOLE_SKIP,
    HOLE_NULL,
    HOLE_INT, /* from here on with a value */
    HOLE_FLOAT,
    HOLE_BOOL,
    HOLE_STRING,
    HOLE_TIME_TEXT, /* from here on the time */
    HOLE_TIME_S,
    HOLE_TIME_MS
};

struct shape_value { /* of an object that was read */
    const char *token;
    uint32_t len;
    uint32_t slot; /* of the app's fields */
    enum hole_kind kind;
};

/* Zero-initialised is empty. */
struct shapes {
    struct shape *at[SHAPES]; /* mostly those that fitted more often before those that did less */
    uint32_t count;
    struct time_memory times;
    uint32_t misses, patience; /* a new one is learnt after so many misses; more when the one forgotten had no time to
                                  be of use */
};

void shapes_free(struct shapes *m);
/* Is the next to be learnt, of an object with so many bytes and values? To be asked once for each that fitted none. */
bool shapes_want(struct shapes *m, size_t len, uint32_t count);
/* Learns from an object that was read. values: all that it has, in their order; slots, time: what was read, all of
 * app's fields. */
void shapes_learn(struct shapes *m, const struct app *app, const char *object, size_t len,
                  const struct shape_value *values, uint32_t count, const struct value *slots, int64_t time);
/* An object at s: as layouts_read, but returns what is behind it, or NULL. */
const char *shapes_read(struct shapes *m, const struct app *app, const char *s, const char *end, struct value *slots,
                        int64_t *time);

#endif
