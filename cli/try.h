/* belltower try: an app over a file, without broker or server. */
#ifndef BELLTOWER_CLI_TRY_H
#define BELLTOWER_CLI_TRY_H

#include "cli/lines.h"
#include "cli/table.h"
#include "stream/engine/engine.h"

#include <stdio.h>

/* ---- where results, triggers and dead letters go ---- */

#define TRY_REASONS 12

struct try_reason { /* dead letters of one reason, with the first as the example */
    const char *name;
    uint64_t count, line;
    char detail[200];
};

struct try_output {
    enum table_format format;
    const char *stream;              /* only results of this one; NULL: all */
    FILE *results, *dead, *triggers; /* dead, triggers: NULL if nobody asked */
    const struct line *line;         /* that is being read; NULL behind the last */
    uint64_t header_lines;           /* a dead letter's line is its offset, these, and 1 */
    const struct app *app;
    struct buf *rows; /* per stream: results as a JSON array that lacks its end; only for tables and CSV */
    uint64_t shown;
    struct try_reason reasons[TRY_REASONS];
    size_t reason_count;
    struct buf text;
};

void try_output_begin(struct try_output *o, const struct app *app);
struct engine_sink try_output_sink(struct try_output *o);
void try_output_not_csv(struct try_output *o, const struct line *line, const char *why);
/* Prints what waits for its table. */
int try_output_end(struct try_output *o, struct err *err) MUSTCHECK;
void try_output_free(struct try_output *o);

/* ---- what is said of a run ---- */

void try_summary(const struct engine *e, const struct try_output *o, uint64_t messages, bool ended, FILE *to);

#endif
