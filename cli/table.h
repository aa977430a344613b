/* Rows for people and programs: an array of flat JSON objects as an aligned table, as CSV, or as it is. */
#ifndef BELLTOWER_CLI_TABLE_H
#define BELLTOWER_CLI_TABLE_H

#include "base/buf.h"
#include "base/err.h"

#include <stdio.h>

enum table_format { TABLE_TABLE, TABLE_JSON, TABLE_CSV };

/* "table", "json", "csv"; NULL is a table. */
int table_format_parse(const char *text, enum table_format *format, struct err *err) MUSTCHECK;

struct table_column {
    const char *name;   /* member of the row; "a.b" goes down into an object */
    const char *header; /* NULL: the name */
};

/* rows: the text of a JSON array of objects. columns NULL: the members of the first row. Strings are printed without
 * quotes, control characters as \xNN (nothing from outside can play with the terminal), null as an empty cell. JSON:
 * one row a line. */
int table_print(FILE *to, enum table_format format, const char *rows, size_t len, const struct table_column *columns,
                size_t column_count, struct err *err) MUSTCHECK;

#endif
