/* A data file for an app, line by line as messages: ndjson as it is, CSV as rows under its header. Memory stays
 * bounded.
 */
#ifndef BELLTOWER_CLI_LINES_H
#define BELLTOWER_CLI_LINES_H

#include "stream/engine/engine.h"

enum lines_format { LINES_GUESS, LINES_NDJSON, LINES_CSV }; /* guess: by the file's name, else by its first byte */

struct line {
    uint64_t offset;  /* of its message, from 0; a header is none */
    uint64_t number;  /* in the file, from 1 */
    struct bytes raw; /* as it is in the file */
    struct csv *row;  /* that was read of it; NULL: raw is JSON. All borrowed during the call */
};

struct lines_sink {
    void *context;
    void (*message)(void *context, const struct line *line);
    void (*not_csv)(void *context, const struct line *line, const char *why); /* a row that is none */
};

struct lines_end {
    enum lines_format format; /* what it was */
    uint64_t messages;        /* lines without the header */
};

/* path "-": standard input. ERR_NOT_FOUND, ERR_DENIED, ...: it cannot be read; ERR_INVALID: no CSV header;
 * ERR_TOO_LARGE: a line without end. */
int lines_read(const char *path, enum lines_format format, const struct app *app, const struct lines_sink *sink,
               struct lines_end *end, struct err *err) MUSTCHECK;
void line_feed(const struct line *line, struct engine *e, const struct engine_sink *sink);      /* as a message */
int lines_format_parse(const char *text, enum lines_format *format, struct err *err) MUSTCHECK; /* NULL: guess */

#endif
