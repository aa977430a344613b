/* App files on disk, for verbs that work without a server. */
#ifndef BELLTOWER_CLI_APP_FILE_H
#define BELLTOWER_CLI_APP_FILE_H

#include "tenants/app/app.h"

/* Loads path ("-": standard input); mistakes and warnings go to stderr, gcc-style. NULL: it is wrong, or err says that
 * it cannot be read (err->code ERR_NONE: the mistakes said it all). text: the file's text, replaced; the caller frees
 * it. */
struct app *app_file_load(const char *path, struct buf *text, struct err *err) MUSTCHECK;

#endif
