/* Which windows hold an instant: those that start at multiples of `every` from the Unix epoch and last `size`. Windows
 * are known by their ends. All times in ms; windows may begin before 1970. PURE. */
#ifndef BELLTOWER_STREAM_ENGINE_WINDOWS_H
#define BELLTOWER_STREAM_ENGINE_WINDOWS_H

#include "tenants/app/app.h"

#include <stdint.h>

/* The highest multiple of `step` that is not above t. */
static inline int64_t multiple_below(int64_t t, int64_t step)
{
    int64_t rest = t % step;
    return t - (rest < 0 ? rest + step : rest);
}

/* The end of the earliest window that ends after t. */
static inline int64_t window_end_after(const struct app_stream *s, int64_t t)
{
    return multiple_below(t - s->size, s->every) + s->every + s->size;
}

/* The ends of the earliest and the latest window that hold t. */
static inline int64_t window_first_end(const struct app_stream *s, int64_t t)
{
    return window_end_after(s, t);
}

static inline int64_t window_last_end(const struct app_stream *s, int64_t t)
{
    return multiple_below(t, s->every) + s->size;
}

/* The width of a pane: each window is whole panes. */
static inline int64_t window_grain(const struct app_stream *s)
{
    int64_t a = s->size, b = s->every;
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

#endif
