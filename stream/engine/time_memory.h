/* The last event times that were parsed: the next one mostly differs from one of them in its seconds alone. PURE. */
#ifndef BELLTOWER_STREAM_ENGINE_TIME_MEMORY_H
#define BELLTOWER_STREAM_ENGINE_TIME_MEMORY_H

#include "base/time_format.h"

#define TIME_MEMORY_TEXT   40
#define TIME_MEMORY_PLACES 4 /* late events belong to a minute or two before */

struct time_place {
    char text[TIME_MEMORY_TEXT];
    unsigned char
        fixed[TIME_MEMORY_TEXT]; /* 255 where a text must be the same, 0 where the seconds and their fraction are */
    uint32_t len;                /* 0 = none */
    uint32_t seconds, digits;    /* where the seconds are in it; digits of their fraction, behind a point */
    int64_t minute_ms;           /* of the text with 0 seconds */
    uint32_t hits;
};

struct time_memory {
    struct time_place places[TIME_MEMORY_PLACES];
    uint32_t last, next;     /* that was of use last; that is learnt over next */
    uint32_t wasted, misses; /* places in a row that were of no use; since then */
};

/* Do the `left` bytes at text begin with one of the times remembered, seconds apart? Its length; 0: with none. */
size_t time_memory_begins(struct time_memory *m, const char *text, size_t left, int64_t *ms);
/* As time_format_parse of a text. */
bool time_memory_parse(struct time_memory *m, const struct time_format *f, const char *text, size_t len, int64_t *ms);
/* Of a text whose time is remembered, seconds apart: where they are in it, and its time with 0 of them. false: it is
 * not, or they have a fraction. */
bool time_memory_seconds(const struct time_memory *m, const char *text, size_t len, uint32_t *seconds,
                         int64_t *minute_ms);

#endif
