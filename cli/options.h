/* Options of a verb: a table of rows, each with its help. */
#ifndef BELLTOWER_CLI_OPTIONS_H
#define BELLTOWER_CLI_OPTIONS_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum option_kind {
    OPTION_FLAG,     /* bool: --name */
    OPTION_TEXT,     /* const char *: --name VALUE or --name=VALUE */
    OPTION_NUMBER,   /* int64_t, from 0 */
    OPTION_DURATION, /* int64_t ms */
    OPTION_TIME      /* int64_t ms: RFC 3339 or a date */
};

struct option {
    const char *name; /* "rate"; a one-letter name is -o VALUE */
    enum option_kind kind;
    void *to; /* keeps its default when the option is not given */
    const char *value_name, *help;
};

/* Takes the options out of argv (argv[0] is the verb); what is left are the arguments. "--" ends them. ERR_INVALID
 * names what is unknown or wrong. */
int options_parse(int *argc, char **argv, const struct option *options, size_t count, struct err *err) MUSTCHECK;
void options_help(const struct option *options, size_t count, struct buf *out);

#endif
