/* Results of a store in their order (stream, window_start, key), one at a time; and two such streams side by side. */
#ifndef BELLTOWER_CLI_ROW_STREAM_H
#define BELLTOWER_CLI_ROW_STREAM_H

#include "coredms/coredms.h"

/* Each pair of rows of the same stream, window and key; NULL: that side has none. Borrowed during the call. */
typedef void row_pair(void *context, const struct result_row *a, const struct result_row *b);
int row_streams_compare(struct coredms *a, struct coredms *b, const struct history_filter *filter, row_pair *each,
                        void *context, struct err *err) MUSTCHECK;

#endif
