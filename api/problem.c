#include "api/problem.h"
#include "api/damage.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>

#define RETRY_AFTER_S 2

const struct problem_row problems[PROBLEM_KIND_COUNT] = {
    [PROBLEM_INVALID_REQUEST] = {"invalid-request", "The request is wrong",
                                 "A parameter, a header or the body is not as it should be; `detail` says which.", 400},
    [PROBLEM_INVALID_APP] =
        {"invalid-app", "The app file has mistakes",
         "Every mistake is in `errors` with its line and column. 400: it is no YAML; 422: it is, but "
         "wrong. `belltower check FILE` shows the same on the command line.",
         422},
    [PROBLEM_UNAUTHENTICATED] = {"unauthenticated", "A valid token is missing",
                                 "Send the header `Authorization: Bearer TOKEN` with the platform's token (in the file "
                                 "`token` of the data directory) or the tenant's (answered when it was onboarded).",
                                 401},
    [PROBLEM_FORBIDDEN] = {"forbidden", "This token may not do that",
                           "A tenant's token is good for its own tenant's calls, except to onboard and to remove.",
                           403},
    [PROBLEM_NOT_FOUND] = {"not-found", "There is no such thing", "The address or what it names does not exist.", 404},
    [PROBLEM_METHOD_NOT_ALLOWED] = {"method-not-allowed", "The address knows no such method",
                                    "The header `Allow` names those it knows.", 405},
    [PROBLEM_TOO_SLOW] = {"too-slow", "The body came too slowly",
                          "Bodies must keep coming; send them again over a better connection or in smaller parts.",
                          408},
    [PROBLEM_CONFLICT] = {"conflict", "That does not fit the present state",
                          "`detail` names the state, and what to do first.", 409},
    [PROBLEM_PRECONDITION_FAILED] = {"precondition-failed", "Someone else has changed it",
                                     "`If-Match` names another version than the present one: get it, and decide anew.",
                                     412},
    [PROBLEM_TOO_LARGE] = {"too-large", "The body is too large", "`detail` names the limit.", 413},
    [PROBLEM_UNSUPPORTED_TYPE] = {"unsupported-type", "The body has another type than this call takes",
                                  "Set the header `Content-Type` to one of those that `detail` names.", 415},
    [PROBLEM_UNPROCESSABLE] = {"unprocessable", "It can be read, but makes no sense", "`detail` says why.", 422},
    [PROBLEM_INTERNAL] = {"internal", "A fault of the server", "The log has more under the request's id (`instance`).",
                          500},
    [PROBLEM_DAMAGED] =
        {"damaged", "What is stored is damaged or gone",
         "`detail` names the file and what to do; docs/operations.md tells it step by step. Trying again "
         "does not mend it.",
         500},
    [PROBLEM_UNAVAILABLE] = {"unavailable", "Something it needs is away",
                             "The broker, the store or the supervisor does not answer now; `GET /readyz` tells which. "
                             "Try again after `Retry-After` seconds.",
                             503},
    [PROBLEM_FULL] = {"full", "The disk is full or read-only", "Make room in the data directory.", 507},
};

static const enum problem_kind kinds_of_errors[] = {
    [ERR_NONE] = PROBLEM_INTERNAL,       [ERR_INVALID] = PROBLEM_INVALID_REQUEST, [ERR_NOT_FOUND] = PROBLEM_NOT_FOUND,
    [ERR_EXISTS] = PROBLEM_CONFLICT,     [ERR_DENIED] = PROBLEM_UNAVAILABLE,      [ERR_CONFLICT] = PROBLEM_CONFLICT,
    [ERR_FENCED] = PROBLEM_CONFLICT,     [ERR_UNAVAILABLE] = PROBLEM_UNAVAILABLE, [ERR_UNKNOWN] = PROBLEM_UNAVAILABLE,
    [ERR_TOO_LARGE] = PROBLEM_TOO_LARGE, [ERR_TIMEOUT] = PROBLEM_TOO_SLOW,        [ERR_FULL] = PROBLEM_FULL,
    [ERR_INTERNAL] = PROBLEM_INTERNAL,   [ERR_DAMAGED] = PROBLEM_DAMAGED,
};

static void begin(struct request *r, enum problem_kind kind, int status, const char *detail)
{
    struct buf *b = &r->body;
    buf_clear(b);
    json_w_open(b, '{');
    json_w_name(b, "type");
    buf_printf(b, "\"" PROBLEM_BASE "%s\"", problems[kind].slug);
    put_text(b, "title", problems[kind].title);
    put_number(b, "status", status);
    put_text(b, "detail", detail);
    json_w_name(b, "instance");
    buf_printf(b, "\"urn:belltower:request:%s\"", r->id);
    if (status == 503)
        answer_header(r, "Retry-After", "%d", RETRY_AFTER_S);
    if (status == 401)
        answer_header(r, "WWW-Authenticate", "Bearer realm=\"belltower\"");
    answer(r, status, "application/problem+json");
}

void problem_open(struct request *r)
{
    while (r->body.len && r->body.data[r->body.len - 1] != '}')
        r->body.len--;
    if (r->body.len)
        r->body.len--;
}

void problem_close(struct request *r)
{
    buf_add_str(&r->body, "}\n");
}

void problem(struct request *r, enum problem_kind kind, const char *fmt, ...)
{
    char detail[1200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    begin(r, kind, problems[kind].status, detail);
    problem_close(r);
}

void problem_err(struct request *r, const struct err *err)
{
    if (err->code == ERR_DAMAGED && r->has_tenant)
        damage_found(r->api->damage, r->tenant.tenant, err);
    problem(r, kinds_of_errors[err->code], "%s", err->text);
}

void problem_errors(struct request *r, enum problem_kind kind, int status, const char *errors, size_t len,
                    const char *fmt, ...)
{
    char detail[1200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    begin(r, kind, status, detail);
    json_w_name(&r->body, "errors");
    json_w_raw(&r->body, errors, len);
    problem_close(r);
}
