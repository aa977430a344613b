/* CSV (RFC 4180, comma, quotes) to JSON, a line at a time. A row is one line: no cell holds a line end, so that one
 * open quote spoils one row and not the rest of the file. PURE. */
#ifndef BELLTOWER_BASE_CSV_H
#define BELLTOWER_BASE_CSV_H

#include "base/buf.h"
#include "base/err.h"
#include "base/value.h"

#define CSV_MAX_COLUMNS 1000

struct csv_type { /* what the cells of a column become; the name is a path with dots: a cell of `a.b` is {"a":{"b":...}}
                   */
    const char *name;
    enum value_type type;
};

struct csv; /* the header row of a file, ready to read its rows */

/* line: the header, with or without its line end; a byte order mark is skipped. ERR_INVALID: it is none, says why.
 * types are copied. */
int csv_begin(const char *line, size_t len, const struct csv_type *types, size_t count, struct csv **csv,
              struct err *err) MUSTCHECK;
void csv_free(struct csv **csv); /* no-op on NULL */

/* Appends the row as one JSON object, without a line end: an int or float cell by JSON's grammar for numbers, a bool
 * cell true or false, an empty cell null; what does not fit its type stays a string. Columns without a type are
 * strings. Nothing is appended for an empty line. ERR_INVALID (out unchanged): the line is no row of this file. */
int csv_row(struct csv *csv, const char *line, size_t len, struct buf *out, struct err *err) MUSTCHECK;

/* The column of the last row whose cell does not fit its type (nan, 1.5 for an int, 1e400); NULL: all fit. *type: the
 * column's. */
const char *csv_misfit(const struct csv *csv, enum value_type *type);

/* Appends a cell, in quotes if it needs them. No comma, no line end. */
void csv_w_cell(struct buf *out, const char *s, size_t len);

#endif
