/* What if: a changed app over a tenant's real log, beside the results that it has. */
#ifndef BELLTOWER_CLI_AGAINST_H
#define BELLTOWER_CLI_AGAINST_H

#include "base/settings.h"
#include "cli/table.h"
#include "tenants/app/app.h"

struct against_options {
    const char *tenant;
    int64_t range;      /* ms, back from the highest event time that the tenant has read */
    const char *stream; /* only this one; NULL = all */
    int64_t limit;      /* rows shown; 0 = all */
    enum table_format table;
};

/* Returns 0 when the results are the same or the differences were shown. */
int against_run(const struct settings *s, const struct app *app, const struct against_options *o,
                struct err *err) MUSTCHECK;

#endif
