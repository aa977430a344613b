/* Events out of JSON objects: only what the app names is taken, but every byte is checked (design.md, "Decoding").
 * PURE. */
#ifndef BELLTOWER_STREAM_ENGINE_DECODE_H
#define BELLTOWER_STREAM_ENGINE_DECODE_H

#include "base/json.h"
#include "stream/engine/engine.h"
#include "stream/engine/layout.h"
#include "tenants/app/app.h"

struct capture { /* the last value of one path in the object; JSON_END: none */
    enum json_type type;
    const char *token;
    size_t len;
};

struct path_node {
    const char *name;
    size_t len;
    size_t capture;           /* index, or NO_CAPTURE */
    size_t first_child, next; /* indexes of nodes; 0: none */
};

struct decoder {
    const struct app *app;
    struct path_node *nodes; /* nodes[0] is the object itself */
    size_t node_count, capture_count, time_capture;
    size_t *field_captures;
    struct capture *captures;
    struct value *slots; /* of the app's fields; strings point into the object or into text */
    struct buf text, name;
    struct layouts layouts;
    struct layout_target *targets; /* room for all */
};

void decoder_init(struct decoder *d, const struct app *app);
void decoder_free(struct decoder *d);

/* j at an object that looks like one before: reads it to its end and fills slots and *time, in one go. false: nothing
 * but slots has changed, and the object is to be scanned and converted. */
bool decoder_predict(struct decoder *d, struct json *j, struct value *slots, int64_t *time);
/* The object last scanned and converted, still in its place, was a good event: the next may look like it. */
void decoder_learn(struct decoder *d, const char *object, size_t len);

/* j at an object: reads it to its end. false with j->error: it is no JSON. */
bool decoder_scan(struct decoder *d, struct json *j);
/* Of the object last scanned, still in its place: fills slots and *time. false: *reason, and *detail replaced by a
 * sentence. */
bool decoder_convert(struct decoder *d, int64_t *time, enum dead_reason *reason, struct buf *detail);

/* Reads an object and fills slots, whatever its time. false: a field does not fit, or it is no JSON. detail: room. */
bool decoder_fields(struct decoder *d, const char *object, size_t len, struct buf *detail);

#endif
