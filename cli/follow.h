/* Results as they come. */
#ifndef BELLTOWER_CLI_FOLLOW_H
#define BELLTOWER_CLI_FOLLOW_H

#include "cli/client.h"
#include "cli/table.h"

struct follow {
    struct client *client;
    const char *tenant, *url; /* url: the list with its filters, but for `from` */
    const char *from;         /* NULL = all */
    size_t limit;             /* rows shown at first, the newest; 0 = all */
    enum table_format format;
};
/* Shows the newest rows, then each row that is new, also corrections; ends with an error alone. Memory: the rows that
 * may still change, 8 bytes each, and those shown at once. */
int follow_results(const struct follow *f, struct err *err) MUSTCHECK;

#endif
