/* Reading a tenant's retained log again, beside its workers: for verify, explain and what-if. Changes nothing: the
 * store is only read, the log is only read, nothing is published.
 *
 * It runs where the platform's data directory and broker can be reached (store, and the worker's broker credentials).
 */
#ifndef BELLTOWER_STREAM_REPLAY_H
#define BELLTOWER_STREAM_REPLAY_H

#include "base/settings.h"
#include "coredms/kept.h"
#include "stream/engine/engine.h"
#include "stream/left_out.h"

struct replay {
    const struct settings *settings;
    const char *tenant;
    struct coredms *store;
    struct tenant_row row;
    struct checkpoint_head head; /* of the stream worker, as it was at replay_open */
    struct checkpoint_head *kept;
    size_t kept_count;
    struct left_out left_out;
    struct credentials credentials;
    struct engine *engine; /* since replay_begin */
    int64_t to_offset;     /* see begin_engine */
    int64_t begin_offset;  /* of the last message that the engine had read when it began; -1 = none */
    int64_t offset;        /* of the last message that it has read */
    uint64_t hash;         /* of its body */
};

/* reads: COREDMS_READS, or with COREDMS_READS_DAMAGED. tenant and settings must outlive it. ERR_NOT_FOUND: no such
 * tenant, or it has read nothing yet. */
int replay_open(struct replay *r, const struct settings *s, const char *tenant, unsigned reads,
                struct err *err) MUSTCHECK;
void replay_close(struct replay *r);

/* The engine of the present generation, in the latest kept state that holds nothing of a window that starts at or after
 * the point; before NULL: in the earliest from which the log can be read. */
int replay_begin(struct replay *r, const struct log_point *before, struct err *err) MUSTCHECK;
/* The engine of a changed app, giving results of windows that start at or after from_ms, or as early as the log can be
 * read: engine_info's `from` says. The text must be a valid app of that tenant. */
int replay_begin_changed(struct replay *r, const char *app, size_t len, int64_t from_ms, struct err *err) MUSTCHECK;

/* Reads on until `enough` (asked after each message) says so, or the log's end is reached: nothing has come for some
 * seconds. A log that is not the one that was read, or lacks messages, is ERR_CONFLICT. */
typedef bool replay_enough(void *context, const struct replay *r);
int replay_run(struct replay *r, const struct engine_sink *sink, replay_enough *enough, void *context,
               struct err *err) MUSTCHECK;

#endif
