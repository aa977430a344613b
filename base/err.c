#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
    va_list ap;
    err->code = code;
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    return -1;
}

static enum err_code code_of_errno(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
    case EROFS:
        return ERR_FULL;
    case ENOENT:
        return ERR_NOT_FOUND;
    case EACCES:
    case EPERM:
        return ERR_DENIED;
    case EEXIST:
        return ERR_EXISTS;
    case ECONNREFUSED:
    case ETIMEDOUT:
    case EHOSTUNREACH:
        return ERR_UNAVAILABLE;
    default:
        return ERR_INTERNAL;
    }
}

int err_set_errno(struct err *err, const char *fmt, ...)
{
    int number = errno;
    va_list ap;
    err->code = code_of_errno(number);
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    size_t len = strlen(err->text);
    snprintf(err->text + len, sizeof err->text - len, ": %s", strerror(number));
    return -1;
}

int err_prefix(struct err *err, const char *fmt, ...)
{
    char old[sizeof err->text];
    memcpy(old, err->text, sizeof old);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    size_t len = strlen(err->text);
    snprintf(err->text + len, sizeof err->text - len, ": %s", old);
    return -1;
}

const char *err_code_name(enum err_code code)
{
    static const char *const names[] = {
        [ERR_NONE] = "none",           [ERR_INVALID] = "invalid",         [ERR_NOT_FOUND] = "not-found",
        [ERR_EXISTS] = "exists",       [ERR_DENIED] = "denied",           [ERR_CONFLICT] = "conflict",
        [ERR_FENCED] = "fenced",       [ERR_UNAVAILABLE] = "unavailable", [ERR_UNKNOWN] = "unknown",
        [ERR_TOO_LARGE] = "too-large", [ERR_TIMEOUT] = "timeout",         [ERR_FULL] = "full",
        [ERR_INTERNAL] = "internal",   [ERR_DAMAGED] = "damaged",
    };
    return (unsigned)code < sizeof names / sizeof *names ? names[code] : "?";
}
