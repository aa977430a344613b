/* When triggers last fired for a key. Those of one name and `cooldown` share a memory, whatever version of the app they
 * are of. */
#ifndef BELLTOWER_STREAM_ENGINE_COOLDOWNS_H
#define BELLTOWER_STREAM_ENGINE_COOLDOWNS_H

#include "stream/engine/state.h"

/* After triggers came or went: a memory for each name and cooldown that a living one has. What was remembered under
 * another is forgotten. */
void memories_arrange(struct engine *e);
void memories_add(struct engine *e, const char *name, size_t len, int64_t cooldown); /* at the end (restore) */
/* Whether they are sorted, each there once (restore). */
bool memories_ordered(const struct engine *e);
/* Finds the memories of all triggers. false: a living one has none (restore). */
bool memories_bind(struct engine *e);
void memories_free(struct engine *e);

/* Whether a window that ends at `end` is too early to fire again. */
bool cooldown_holds(struct engine *e, size_t memory, const struct key_row *key, int64_t end);
void cooldown_put(struct engine *e, size_t memory, const struct ident *key, struct device *d, int64_t end);
/* The key's bytes within the ident. */
struct bytes cooldown_key(const struct cooldown *c);
/* No window to come can be below it. */
bool cooldown_expired(const struct engine *e, const struct cooldown *c);
void cooldowns_forget_device(struct engine *e, struct device *d);
/* Forgets those for which `which` says so. */
void cooldowns_forget(struct engine *e, bool (*which)(const struct engine *e, const struct cooldown *c));

#endif
