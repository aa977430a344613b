/* The engine with which a reading of the log begins: of a checkpoint, of an empty log, or of a rewind. PURE. */
#ifndef BELLTOWER_STREAM_BEGIN_H
#define BELLTOWER_STREAM_BEGIN_H

#include "coredms/rows.h"
#include "stream/engine/engine.h"

struct beginning {
    const char *tenant;
    uint64_t generation;
    struct bytes state;    /* engine snapshot; NULL = from the beginning of the log */
    struct bytes app_text; /* without state: version 1; when a rewind begins: the version that holds from there on */
    const struct rewind_row *rewind; /* how the generation began; NULL = with an empty log */
    bool begins;                     /* the rewind begins now: state is that of its base */
};

/* *to_offset: what begin_pass needs. ERR_INVALID for a state or an app that does not load. */
int begin_engine(const struct beginning *b, struct engine **e, int64_t *to_offset, struct err *err) MUSTCHECK;
/* Before the message at offset is read: a rewind to an offset gives results of windows that begin behind the highest
 * time of all that is before it. */
void begin_pass(struct engine *e, int64_t *to_offset, int64_t offset);

#endif
