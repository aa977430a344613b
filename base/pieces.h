/* Cutting a file of lines into messages by its raw bytes alone, before any line is judged (design.md, "Decoding" 4): a
 * piece ends after 500 lines or as soon as the next line would take it beyond 256 KiB, whichever comes first; a longer
 * line is a piece of its own. The same bytes give the same pieces however they are read, so the number of a piece is a
 * sequence that makes sending again harmless. PURE. */
#ifndef BELLTOWER_BASE_PIECES_H
#define BELLTOWER_BASE_PIECES_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>

#define PIECE_LINES    500
#define PIECE_BYTES    (256 * 1024)
#define LINE_BYTES_MAX (16 * 1024 * 1024) /* a line without end must not fill the memory */

struct piece {
    uint64_t number; /* from 0 */
    uint64_t line;   /* number of its first line, from 1 */
    const char *p;   /* whole lines with their LFs; the last line of a file may lack one. Borrowed during the call */
    size_t len;
};
/* Returning -1 with *err ends the cutting. */
typedef int piece_each(void *context, const struct piece *piece, struct err *err);

struct pieces {
    size_t max_lines; /* 0 = PIECE_LINES; another number makes other pieces */
    piece_each *each;
    void *context;
    /* private */
    struct buf kept;
    size_t lines, whole; /* whole lines in kept, and their bytes */
    uint64_t number, line;
};

/* Takes bytes as they come. ERR_TOO_LARGE for a line beyond LINE_BYTES_MAX (names it), or what `each` said. */
int pieces_add(struct pieces *c, const void *p, size_t len, struct err *err) MUSTCHECK;
/* The end of the file: what is left becomes the last piece. */
int pieces_end(struct pieces *c, struct err *err) MUSTCHECK;
void pieces_free(struct pieces *c);

/* The next line of a piece without its LF (and CR before it): false at the end. *at begins at 0. */
bool piece_line(const struct piece *piece, size_t *at, const char **line, size_t *len);

#endif
