/* The log: one line per event on stderr (the supervisor takes its children's lines and adds nothing), logfmt:
 *   2026-01-01T00:00:00.000Z info stream tenant=acme message="..."
 * The context (process, tenant) is set once; call sites never build prefixes. Arguments of a disabled level are not
 * evaluated. */
#ifndef BELLTOWER_BASE_LOG_H
#define BELLTOWER_BASE_LOG_H

#include "base/err.h"

#include <stddef.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

extern enum log_level log_level; /* from BELLTOWER_LOG=debug|info|warn|error; default info */

/* process: "stream"; tenant may be NULL. Strings are copied. */
void log_begin(const char *process, const char *tenant);
void log_line(enum log_level level, const char *fmt, ...) PRINTF(2, 3);
/* Bytes of another process's log, as they are. */
void log_raw(const char *p, size_t len);
/* Appends to this file instead of stderr from now on (NULL: stderr); called again on SIGHUP to reopen. */
int log_to_file(const char *path, struct err *err) MUSTCHECK;

#define log_debug(...) (log_level <= LOG_DEBUG ? log_line(LOG_DEBUG, __VA_ARGS__) : (void)0)
#define log_info(...)  (log_level <= LOG_INFO ? log_line(LOG_INFO, __VA_ARGS__) : (void)0)
#define log_warn(...)  (log_level <= LOG_WARN ? log_line(LOG_WARN, __VA_ARGS__) : (void)0)
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)

#endif
