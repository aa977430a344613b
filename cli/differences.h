/* Rows in which stored and recomputed results differ: kept up to a number, all counted, printed as a table. */
#ifndef BELLTOWER_CLI_DIFFERENCES_H
#define BELLTOWER_CLI_DIFFERENCES_H

#include "cli/table.h"
#include "coredms/rows.h"

struct differences {
    struct buf rows; /* a JSON array, open */
    int64_t limit, count, same;
    const char *stored_name, *other_name; /* of the two sides, as columns */
};

void differences_begin(struct differences *d, int64_t limit, const char *stored_name, const char *other_name);
/* Its key and body are JSON, as they were when they were stored. */
bool differences_readable(const struct result_row *row);
/* kind: one word. Either side may be NULL; what of it is no JSON is shown as a text. */
void differences_add(struct differences *d, const char *kind, const struct result_row *stored,
                     const struct result_row *other);
int differences_print(struct differences *d, enum table_format format, struct err *err) MUSTCHECK;
void differences_free(struct differences *d);

#endif
