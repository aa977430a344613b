/* Errors as RFC 9457 problem details. Each type is served at its own address, so a person can look it up. */
#ifndef BELLTOWER_API_PROBLEM_H
#define BELLTOWER_API_PROBLEM_H

#include "api/request.h"

enum problem_kind {
    PROBLEM_INVALID_REQUEST,
    PROBLEM_INVALID_APP,
    PROBLEM_UNAUTHENTICATED,
    PROBLEM_FORBIDDEN,
    PROBLEM_NOT_FOUND,
    PROBLEM_METHOD_NOT_ALLOWED,
    PROBLEM_TOO_SLOW,
    PROBLEM_CONFLICT,
    PROBLEM_PRECONDITION_FAILED,
    PROBLEM_TOO_LARGE,
    PROBLEM_UNSUPPORTED_TYPE,
    PROBLEM_UNPROCESSABLE,
    PROBLEM_INTERNAL,
    PROBLEM_DAMAGED,
    PROBLEM_UNAVAILABLE,
    PROBLEM_FULL,
    PROBLEM_KIND_COUNT
};

struct problem_row {
    const char *slug, *title, *help;
    int status;
};
extern const struct problem_row problems[PROBLEM_KIND_COUNT];
#define PROBLEM_BASE "/v1/problems/"

/* Makes it the answer, replacing what is there. */
void problem(struct request *r, enum problem_kind kind, const char *fmt, ...) PRINTF(3, 4);
/* By the error's code; damage of the tenant's data is remembered (api/damage.h). */
void problem_err(struct request *r, const struct err *err);
/* As problem, with the member "errors": a JSON array. A status of 400 for what is not parseable. */
void problem_errors(struct request *r, enum problem_kind kind, int status, const char *errors, size_t len,
                    const char *fmt, ...) PRINTF(6, 7);
/* Reopens the problem's object: members may be written, then problem_close. */
void problem_open(struct request *r);
void problem_close(struct request *r);

#endif
