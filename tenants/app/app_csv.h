/* CSV as an app's producers write it: which column becomes what. */
#ifndef BELLTOWER_TENANTS_APP_APP_CSV_H
#define BELLTOWER_TENANTS_APP_APP_CSV_H

#include "base/csv.h"
#include "tenants/app/app.h"

/* csv_begin with the types of the app's fields and of its time, each known by its whole path. */
int app_csv_begin(const struct app *app, const char *line, size_t len, struct csv **csv, struct err *err) MUSTCHECK;

#endif
