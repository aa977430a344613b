/* Small helpers around files. */
#ifndef BELLTOWER_BASE_FILES_H
#define BELLTOWER_BASE_FILES_H

#include "base/buf.h"
#include "base/err.h"

/* mkdir -p with mode 0700 for what is missing. */
int files_make_directories(const char *path, struct err *err) MUSTCHECK;
/* The whole file appended to out; ERR_TOO_LARGE beyond max bytes. "-" is standard input. */
int files_read(const char *path, size_t max, struct buf *out, struct err *err) MUSTCHECK;
/* Written beside and renamed, mode 0600, synced: a reader never sees half of it. */
int files_write_secret(const char *path, const void *p, size_t len, struct err *err) MUSTCHECK;

/* Removes a directory with all that is in it, links not followed. 0, or -1 with errno: some of it may be left. */
int files_remove_tree(const char *path);

#endif
