/* JSON objects as rows of CSV. */
#ifndef BELLTOWER_API_HANDLERS_CSV_ROWS_H
#define BELLTOWER_API_HANDLERS_CSV_ROWS_H

#include "base/buf.h"

/* The columns of a table, in order. */
struct csv_columns {
    char **names;
    size_t count;
};
void csv_columns_add(struct csv_columns *c, const char *name);
/* The members of an object that are not there yet. */
void csv_columns_of(struct csv_columns *c, const char *object, size_t len);
void csv_columns_free(struct csv_columns *c);

void csv_header_write(struct buf *out, const struct csv_columns *c);
/* Strings as they are, null and what is missing empty, the rest as JSON writes it. */
void csv_row_write(struct buf *out, const struct csv_columns *c, const char *object, size_t len);

#endif
