/* Versions of the app that were replaced while their streams had windows: they count for these, and only these, until
 * they are gone. For each window of a name exactly one version counts. */
#ifndef BELLTOWER_STREAM_ENGINE_OLDS_H
#define BELLTOWER_STREAM_ENGINE_OLDS_H

#include "stream/engine/state.h"

/* More versions than this are not kept: the oldest then ends, its open windows are published at once. */
#define OLD_VERSIONS_MAX 16

/* Counts the event of e->source in the windows that are older versions'. Returns their verdicts, a bit each; marks the
 * present streams that have no say then (see struct stream). */
unsigned olds_judge(struct engine *e, struct device *d, int64_t t);
/* Forgets the streams without windows, and the versions without streams. */
void olds_sweep(struct engine *e);
/* Publishes the open windows of the oldest version and forgets it. */
void olds_end_first(struct engine *e);
void old_version_free(struct old_version *v);

#endif
