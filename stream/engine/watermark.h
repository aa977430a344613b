/* Watermarks: time moves on, windows close and go. */
#ifndef BELLTOWER_STREAM_ENGINE_WATERMARK_H
#define BELLTOWER_STREAM_ENGINE_WATERMARK_H

#include "stream/engine/state.h"

/* The device with this key; made if there is none. */
struct device *device_of(struct engine *e, const void *bytes, size_t len);
struct device *device_find(const struct engine *e, const void *bytes, size_t len);
void devices_free_lines(struct engine *e);

/* The device with this key, with watermark_per, of whom an event comes: to be settled when that was counted. One that
 * is new may make the device forgotten that has been longest without a window; NULL if there are too many that have
 * some.
 */
struct device *device_heard(struct engine *e, const void *bytes, size_t len);
/* Takes note of whether the device has windows; of all, in the order of their keys. */
void device_settle(struct engine *e, struct device *d);
void devices_settle(struct engine *e);
void idle_add(struct engine *e, struct device *d); /* restore */
/* Forgets a device without windows, its watermark and cooldowns. */
void device_forget(struct engine *e, struct device *d);

/* An event or a tick says that it is t: highest times and one device's target rise. Returns whether its watermark will
 * move. */
bool device_sees(struct engine *e, struct device *d, int64_t t);
/* Moves the watermarks of these devices to their targets; what closes and goes is published in the one order. */
void watermarks_move(struct engine *e, struct device **devices, size_t count);
/* Publishes the open windows of the streams for which ended[index] holds, on all devices, as if their time had come;
 * moves nothing. */
void streams_close(struct engine *e, const bool *ended);
/* All devices in the order of their keys, to free(). */
struct device **devices_all(const struct engine *e, size_t *count);

/* After each message: what late events changed and has not been published. */
void publish_corrections(struct engine *e);
/* Time is set back (or left) to `highest` on every device. */
void watermarks_fall(struct engine *e, int64_t highest);

/* A pane was added or a watermark set: keeps next_close and next_gone true. */
void device_note(const struct stream *s, struct device *d, int64_t pane_start);
void device_refresh(struct engine *e, struct device *d);

#endif
