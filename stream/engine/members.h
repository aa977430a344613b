/* Values of a body that are read before their turn. Where a stream has many keys, a group of events is decoded, then
 * the streams say what they want of each (`where`, the key), then the memory of its keys is asked for, and then each is
 * counted, in order. Nothing of this changes what an event does: it meets the state only when it is counted. */
#ifndef BELLTOWER_STREAM_ENGINE_MEMBERS_H
#define BELLTOWER_STREAM_ENGINE_MEMBERS_H

#include "stream/engine/state.h"

#define MEMBERS_GROUP 16 /* events that are looked at together */

void members_free(struct members *m);
/* None, of the present app. */
void members_begin(struct engine *e);
/* Room for very many is not kept. */
void members_end(struct engine *e);
/* Reads the event at j into a new member if it looks like one before; false: nothing has changed. */
bool members_predict(struct engine *e, struct json *j);
/* Reads whatever value is at j into a new member. false: it is no JSON, and j->error says so. */
bool members_read(struct engine *e, struct json *j);
/* Takes all of them, in order, as values of e->source. */
void members_take(struct engine *e);

#endif
