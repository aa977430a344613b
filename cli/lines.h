/* A data file for an app, line by line as messages: ndjson as it is, CSV with its header as JSON. Memory stays bounded.
 */
#ifndef BELLTOWER_CLI_LINES_H
#define BELLTOWER_CLI_LINES_H

#include "stream/engine/engine.h"

enum lines_format { LINES_GUESS, LINES_NDJSON, LINES_CSV }; /* guess: by the file's name, else by its first byte */

struct line {
    uint64_t offset;           /* of its message, from 0; a header is none */
    uint64_t number;           /* in the file, from 1 */
    struct bytes raw, message; /* message: JSON. Borrowed during the call */
};

struct lines_sink {
    void *context;
    void (*message)(void *context, const struct line *line);
    void (*not_csv)(void *context, const struct line *line, const char *why); /* a row that is none; message is empty */
};

struct lines_end {
    enum lines_format format; /* what it was */
    uint64_t messages;        /* lines without the header */
};

/* path "-": standard input. ERR_NOT_FOUND, ERR_DENIED, ...: it cannot be read; ERR_INVALID: no CSV header;
 * ERR_TOO_LARGE: a line without end. */
int lines_read(const char *path, enum lines_format format, const struct app *app, const struct lines_sink *sink,
               struct lines_end *end, struct err *err) MUSTCHECK;
int lines_format_parse(const char *text, enum lines_format *format, struct err *err) MUSTCHECK; /* NULL: guess */

#endif
