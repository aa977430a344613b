/* CSV (RFC 4180, comma, quotes) to JSON, a line at a time. A row is one line: no cell holds a line end, so that one
 * open quote spoils one row and not the rest of the file. PURE. */
#ifndef BELLTOWER_BASE_CSV_H
#define BELLTOWER_BASE_CSV_H

#include "base/buf.h"
#include "base/err.h"
#include "base/scan.h"
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

/* Reads a row (the line is copied): what is said of it below holds until the next is read. ERR_INVALID: the line is no
 * row of this file. */
int csv_read(struct csv *csv, const char *line, size_t len, struct err *err) MUSTCHECK;

struct csv_cell {
    const char *p; /* SCAN_NUMBER bytes are here */
    size_t len;
};

/* A row's JSON is fixed text with the cells' values between: each step is some of that text, then a cell. */
struct csv_step {
    uint32_t lead; /* bytes of fixed text */
    uint32_t column;
    enum value_type type; /* of the column */
};

/* A row of ASCII without quotes, backslashes and control characters: an empty cell is null in its JSON, a cell of a
 * string column is itself in quotes, a plain number (csv_cell_int, csv_cell_float) of another is itself. */
struct csv_plain {
    const struct buf *fixed; /* all fixed text, one behind the other */
    const struct csv_step *steps;
    size_t step_count;
    const struct csv_cell *cells; /* by column */
    size_t json_most;             /* its JSON is not longer */
};
const struct csv_plain *csv_plain(const struct csv *csv); /* the row read last; NULL: it is not plain, or empty */

/* The cell as a whole is a number of JSON's grammar of few digits (scan.h), or true, or false. */
static inline bool csv_cell_int(const struct csv_cell *c, int64_t *i)
{
    return scan_int_within(c->p, i) == c->p + c->len;
}

static inline bool csv_cell_float(const struct csv_cell *c, double *f)
{
    return scan_float_within(c->p, f) == c->p + c->len || scan_float_bytes(c->p, c->p + c->len, f) == c->p + c->len;
}

static inline bool csv_cell_bool(const struct csv_cell *c, bool *b)
{
    *b = c->len == 4;
    return *b ? memcmp(c->p, "true", 4) == 0 : c->len == 5 && memcmp(c->p, "false", 5) == 0;
}

/* Appends the row read last as one JSON object, without a line end: an int or float cell by JSON's grammar for numbers,
 * a bool cell true or false, an empty cell null; what does not fit its type stays a string. Columns without a type are
 * strings. Nothing is appended for an empty line. */
void csv_write(struct csv *csv, struct buf *out);
/* Both; ERR_INVALID leaves out unchanged. */
int csv_row(struct csv *csv, const char *line, size_t len, struct buf *out, struct err *err) MUSTCHECK;

/* The column of the row written last whose cell does not fit its type (nan, 1.5 for an int, 1e400); NULL: all fit.
 * *type: the column's. */
const char *csv_misfit(const struct csv *csv, enum value_type *type);

/* Appends a cell, in quotes if it needs them. No comma, no line end. */
void csv_w_cell(struct buf *out, const char *s, size_t len);

#endif
