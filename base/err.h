/* One error idiom for all of Belltower: a function that can fail returns 0, or -1 with *err filled (what, on what,
 * why). err may not be NULL. On failure outputs are untouched unless the header says otherwise. Only bugs and OOM end a
 * process. */
#ifndef BELLTOWER_BASE_ERR_H
#define BELLTOWER_BASE_ERR_H

#include <stdarg.h>

#define MUSTCHECK    __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))

enum err_code {
    ERR_NONE = 0,
    ERR_INVALID, /* input is wrong: the sender's fault */
    ERR_NOT_FOUND,
    ERR_EXISTS,
    ERR_DENIED,      /* not allowed: credentials or permissions */
    ERR_CONFLICT,    /* precondition or state does not fit */
    ERR_FENCED,      /* a newer epoch owns this */
    ERR_UNAVAILABLE, /* a server or disk is away: try again later */
    ERR_UNKNOWN,     /* it may or may not have happened */
    ERR_TOO_LARGE,
    ERR_TIMEOUT,
    ERR_FULL, /* disk or quota full */
    ERR_INTERNAL,
    ERR_DAMAGED /* what is stored is damaged or not ours: somebody must act */
};

struct err {
    enum err_code code;
    char text[1000]; /* one sentence without a final full stop; NUL-terminated, cut if longer */
};

/* Fills *err; always returns -1, so that `return err_set(...)` reads well. */
int err_set(struct err *err, enum err_code code, const char *fmt, ...) PRINTF(3, 4);
/* As err_set, with ": strerror(errno)" behind; ENOSPC/EDQUOT/EROFS become ERR_FULL, ENOENT ERR_NOT_FOUND, EACCES
 * ERR_DENIED. */
int err_set_errno(struct err *err, const char *fmt, ...) PRINTF(2, 3);
/* Puts "fmt: " before the text of an error on its way up; returns -1. */
int err_prefix(struct err *err, const char *fmt, ...) PRINTF(2, 3);
const char *err_code_name(enum err_code code);

#endif
