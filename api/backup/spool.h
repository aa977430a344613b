/* A body kept in an unnamed file of a directory, to be read more than once, line by line. */
#ifndef BELLTOWER_API_BACKUP_SPOOL_H
#define BELLTOWER_API_BACKUP_SPOOL_H

#include "base/err.h"

#include <stddef.h>

struct spool;
/* The directory must be there. ERR_FULL, ERR_DENIED, ... */
int spool_open(const char *directory, struct spool **s, struct err *err) MUSTCHECK;
int spool_add(struct spool *s, const void *p, size_t len, struct err *err) MUSTCHECK;
/* To the first line. */
int spool_rewind(struct spool *s, struct err *err) MUSTCHECK;
/* 1: a line without its LF, borrowed until the next call; 0: there are no more; -1: ERR_TOO_LARGE for a line of more
 * than max bytes, ERR_INVALID for a last line without LF. */
int spool_line(struct spool *s, size_t max, const char **line, size_t *len, struct err *err) MUSTCHECK;
void spool_close(struct spool **s); /* no-op on NULL; the file is gone */

#endif
