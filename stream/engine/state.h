/* The engine's state, shared by its files and by nobody else.
 *
 * Each stream keeps its keys in a hash table; a key has panes (the aggregates of one grain of time, the greatest common
 * divisor of `size` and `every`) and, only for windows that were late or fired, records. A window is the panes within
 * it, merged when it closes. Each device (without watermark_per there is one) has its watermark and, per stream, a
 * timeline: the panes of all its keys by their start, so that closing and forgetting touch just what closes and goes.
 */
#ifndef BELLTOWER_STREAM_ENGINE_STATE_H
#define BELLTOWER_STREAM_ENGINE_STATE_H

#include "base/slab.h"
#include "stream/engine/aggregates.h"
#include "stream/engine/decode.h"
#include "stream/engine/engine.h"
#include "stream/engine/result_text.h"
#include "stream/engine/table.h"
#include "stream/engine/windows.h"

#define NEVER  INT64_MAX
#define BEFORE INT64_MIN /* no time yet */

struct pane {                                 /* its row is behind it */
    struct pane *next_in_key, *before_in_key; /* younger first; of one start the unbound one first */
    struct pane *next_in_bucket;              /* no order */
    struct key_row *key;
    int64_t start;
    int64_t bound; /* windows with an end up to here do not contain it: they were gone when time was set back. Usually
                      BEFORE */
    uint64_t first_offset, last_offset; /* of the events in it */
};

static inline void *pane_row(struct pane *p)
{
    return p + 1;
}

/* What cannot be computed again of a window: late events in it, triggers that it fired. */
struct window_record {
    struct window_record *next; /* no order */
    int64_t end;
    uint32_t revision;
    bool dirty;            /* changed since it was published */
    bool closed;           /* although its end is above the watermark: time was set back */
    bool fresh;            /* first made by late events, not yet published */
    unsigned char fired[]; /* bit i: the stream's trigger i */
};

struct key_row {
    struct ident ident; /* key_put of its columns */
    struct pane *panes;
    struct window_record *records;
    struct device *device;
    struct sums *sums;   /* NULL: none yet */
    uint64_t mark : 63;  /* see struct engine */
    uint64_t rolled : 1; /* it is on the roll of its line */
};

struct bucket {
    int64_t start;
    struct pane *panes;
};

/* Of a stream whose windows overlap: the keys that may have a window yet to close; see roll.h. */
struct roll {
    struct key_row **keys;            /* in their order, behind them those that are new, in none */
    uint32_t sorted, count, capacity; /* how many are in order, how many there are */
    bool broken;                      /* a key on it is gone: nothing of it is true */
};

/* Which windows are a stream's: those that end after `ended`, start at or after `begin` and end up to `until`. */
struct timeline {
    struct bucket *buckets; /* by start, from `first` on */
    uint32_t first, count, capacity;
    struct roll roll;
    int64_t closed_to; /* the watermark; while time moves, how far windows have closed */
    int64_t ended;     /* the watermark when the stream began */
    int64_t begin;     /* up to here older versions of the stream had windows */
    int64_t until;     /* of an older version: the latest end of its windows when it was replaced; else NEVER */
    int64_t floor;     /* made of `ended` and `begin`: windows with an end up to here are not the stream's */
};

struct device {
    struct ident ident;            /* key_put of the watermark_per fields */
    int64_t highest, watermark;    /* BEFORE the first event */
    int64_t highest_event;         /* without what ticks made of it */
    int64_t target;                /* == watermark, save while time moves */
    int64_t next_close, next_gone; /* no later than the end of any open window, than any pane's going */
    bool heard;
    uint64_t last_offset; /* of the last message with an event of it */
    int64_t last_received;
    struct timeline *lines; /* one per stream */
    uint64_t panes;         /* in all of them */
    struct cooldown *cooldowns;
    bool idle; /* in the list of those without windows; only with watermark_per */
    struct device *idle_before, *idle_behind;
};

/* A version of the app that was replaced while streams of it had windows: it counts for those until they are gone. */
struct old_version {
    struct app *app;
    uint32_t version;
    struct decoder decoder;
    uint64_t read_sequence; /* of the event that it was last asked to read */
    bool readable;          /* whether it could */
};

#define NO_STREAM SIZE_MAX

#ifndef FAR_SLOTS           /* the tests look ahead early */
#define FAR_SLOTS (1 << 14) /* of a table that is no longer in the nearest cache */
#endif

/* Streams of the present app come first, in its order; behind them those of older versions, oldest first. */
struct stream {
    const struct app *of; /* the version's whose stream it is */
    const struct app_stream *app;
    struct old_version *old; /* NULL: of the present app */
    size_t index;            /* among all */
    size_t place;            /* in its app */
    size_t shown;            /* the present stream of the same name, or NO_STREAM: it was removed */
    size_t rank;             /* in the order of publication */
    uint64_t judged;         /* of the present app: number of the event that an older version judged in its place */
    int64_t grain;
    bool overlaps;               /* a pane may be in several windows */
    int64_t ended, begin, floor; /* as in struct timeline, for all devices alike */
    int64_t whole_from; /* windows that start earlier lack events that came before a rewind began this stream: they are
                           not given. BEFORE: there are none */
    struct row_layout layout;
    struct result_text text;
    size_t *triggers; /* the app's, on this stream, in its order */
    size_t *memories; /* of each, where its cooldown is remembered; of those without any, not used */
    bool *gone;       /* of each: a later version has it no more */
    size_t trigger_count;
    size_t *device_columns; /* of the key: the watermark_per fields, in their order */
    struct table keys;
    uint64_t closed;
    size_t closed_records; /* records with `closed` */
};

struct dirty { /* a closed window that late events changed */
    struct stream *stream;
    struct key_row *key;
    struct window_record *record;
};

struct closing { /* a key whose window is to be published */
    struct key_row *key;
    struct window_record *record; /* or NULL */
};

struct held { /* an event `ahead` */
    struct held *next;
    uint64_t offset;
    int64_t received;
    uint32_t index;
    size_t len;
    char bytes[];
};

#define PRODUCER_BITS 1024

struct producer {
    struct ident ident;             /* its name */
    struct producer *older, *newer; /* by when it was last heard of in the log */
    uint64_t highest;
    uint64_t seen[PRODUCER_BITS / 64]; /* bit i: highest - 1 - i */
};

/* Triggers of one name and cooldown remember together, whatever their version. */
struct memory {
    char *name;
    int64_t cooldown;
};

struct cooldown {       /* the highest window end at which a trigger fired for a key */
    struct ident ident; /* the memory's index and the key's length in 4 bytes each, the key, the device */
    struct device *device;
    struct cooldown *before, *behind; /* of the device */
    size_t memory;
    int64_t end;
};

struct source { /* the value that is being read, for dead letters */
    uint64_t offset;
    int64_t received;
    uint32_t index;
    struct csv *row; /* not NULL: body is still to be made of it, see source_body */
    struct bytes body;
};

struct member { /* a value of a body, read before its turn */
    const char *from;
    size_t len;
    int64_t time;
    enum json_type type;
    bool decoded; /* time and its slots are filled */
};

struct seen { /* what a stream says of an event without a look at its state */
    uint64_t hash;
    size_t key; /* key_put of its columns: where in the buffer that was given */
    uint32_t key_len;
    bool accepted; /* `where` holds; else there is no key */
};

struct members {
    struct member *list;
    struct value *slots; /* the app's fields of each */
    struct seen *seen;   /* of the group that is looked at together: of each, by the present app's streams */
    struct buf keys;     /* of `seen` */
    size_t count, capacity, fields, streams;
};

struct engine {
    struct app *app;
    uint32_t version;
    uint64_t generation;
    int64_t from;     /* results of windows that start earlier are not given; BEFORE: all are */
    struct slab slab; /* all of keys, panes, records, devices, producers, held events, cooldowns */
    struct decoder decoder;
    struct stream **streams;
    size_t stream_count;       /* app->stream_count and those of older versions */
    int64_t lateness;          /* the longest of all */
    struct old_version **olds; /* oldest first; each has a stream with windows */
    size_t old_count;
    struct memory *memories; /* by name, then cooldown */
    size_t memory_count;

    struct table devices;
    struct device *only;                   /* without watermark_per, once time has begun */
    struct device *idle_first, *idle_last; /* without windows, the longest first */
    int64_t highest;                       /* of all events and ticks that counted, for `ahead` */
    uint64_t event_sequence, result_number, dead_number;

    bool has_last, has_control;
    uint64_t last_offset; /* of the last message that is no tick */
    int64_t last_received;
    uint64_t control_offset; /* of the last control message from the API */
    int64_t control_received;

    struct table producers;
    struct producer *oldest, *newest;
    struct held *held_first, *held_last;
    size_t held_count, held_messages;
    struct table cooldowns;
    size_t cooldown_sweep; /* forget those that have run out when there are as many */
    struct engine_counters counters;

    /* only while a message is read */
    const struct engine_sink *sink;
    struct source source;
    bool only_traced; /* the message is a repeat */
    struct members members;
    bool far; /* a stream has had so many keys that they are worth looking ahead for */
    struct dirty *dirty;
    size_t dirty_count, dirty_capacity;
    struct closing *closing; /* what is published together */
    size_t closing_count, closing_capacity;
    uint64_t mark; /* a key with this mark was met already in the present walk over panes */
    struct buf key_bytes, ident_bytes, detail, body, trigger_body, id, key_text, fired, strings, row_body;
    struct value *values; /* room for any stream's key, aggregates and selected values */
    struct arena scratch;
};

static inline struct row_context row_context_of(struct engine *e, const struct stream *s)
{
    return (struct row_context){
        .slab = &e->slab, .distinct_limit = s->of->limits.distinct, .sequence = e->event_sequence};
}

#endif
