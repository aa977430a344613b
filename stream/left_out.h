/* Offsets of the log that every reading leaves out, as the store lists them (coredms/rows.h, struct skip_row). PURE. */
#ifndef BELLTOWER_STREAM_LEFT_OUT_H
#define BELLTOWER_STREAM_LEFT_OUT_H

#include "coredms/rows.h"

struct left_out {
    struct skip_row *rows; /* of the present log, save those that say that it was made anew */
    size_t count, cap;
    int64_t messages; /* how many they are */
};

void left_out_free(struct left_out *l);
/* Replaces the list by what of the store's rows concerns the present log: those of log_generation or later that came
 * after it was made anew. */
void left_out_take(struct left_out *l, const struct skip_row *rows, size_t count, uint64_t log_generation);
/* One more; SKIP_NEW_LOG empties the list. */
void left_out_add(struct left_out *l, const struct skip_row *row);
bool left_out_all(const struct left_out *l, int64_t from, int64_t to); /* is all of [from, to] left out by one row? */

enum left_out_how { LEFT_OUT_NOT, LEFT_OUT_SILENTLY, LEFT_OUT_SET_ASIDE /* dead-lettered as poison */ };
enum left_out_how left_out_how(const struct left_out *l, int64_t offset);

#endif
