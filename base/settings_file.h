/* belltower.yaml: a mapping of settings, one level of nesting ("retention: {events: 7d}" is retention.events). */
#ifndef BELLTOWER_BASE_SETTINGS_FILE_H
#define BELLTOWER_BASE_SETTINGS_FILE_H

#include "base/err.h"

/* origin: "belltower.yaml:3". Returning -1 with *err ends the reading. */
typedef int settings_each(void *context, const char *name, const char *value, const char *origin, struct err *err);
int settings_file_read(const char *path, settings_each *each, void *context, struct err *err) MUSTCHECK;

#endif
