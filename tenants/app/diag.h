/* Inside of the app loader: collecting mistakes. Texts are copied. */
#ifndef BELLTOWER_TENANTS_APP_DIAG_H
#define BELLTOWER_TENANTS_APP_DIAG_H

#include "tenants/app/app.h"

#define DIAG_MAX 100 /* more are not shown */

struct mark {
    unsigned line, column, length; /* from 1, in characters */
};

struct diag_extra {
    bool warning;
    const char *expected, *suggestion; /* or NULL */
};

void diag_add(struct app_diags *d, struct mark at, const char *pointer, struct diag_extra extra, const char *fmt, ...)
    PRINTF(5, 6);
/* To file order. */
void diag_sort(struct app_diags *d);

#endif
