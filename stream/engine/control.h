/* Control messages (base/wire/control.h), and new versions of the app. */
#ifndef BELLTOWER_STREAM_ENGINE_CONTROL_H
#define BELLTOWER_STREAM_ENGINE_CONTROL_H

#include "stream/engine/state.h"

/* A message whose type begins with CONTROL_PREFIX; e->source is its whole body. */
void control_message(struct engine *e, const struct engine_message *m);
/* Is it the user of the API, or of the tenant's worker? */
bool control_is_from_ours(const struct engine *e, struct bytes user_id);
/* Takes the app, which loads and has a version above the present one. */
void version_begin(struct engine *e, struct app *app, uint32_t version);

#endif
