/* The REST API over libcurl. */
#ifndef BELLTOWER_CLI_CLIENT_H
#define BELLTOWER_CLI_CLIENT_H

#include "base/buf.h"
#include "base/settings.h"

struct client {
    struct settings settings;
    char *token;
    void *curl;
};

/* Settings from flags (taken out of argv), environment and file. The token is looked for at the first call: the
 * setting, else DATA/token. */
int client_open(struct client *c, int *argc, char **argv, struct err *err) MUSTCHECK;
void client_close(struct client *c);

struct client_request {
    const char *method, *path;                                      /* path with its query, already encoded */
    const char *content_type, *accept, *if_match, *idempotency_key; /* NULL = none */
    const void *body;
    size_t len;
};
/* The answer's body replaces *answer; *status (may be NULL) its code. Not 2xx: -1 with the problem's text, by its code:
 * ERR_DENIED (401, 403), ERR_NOT_FOUND, ERR_CONFLICT (409, 412), ERR_INVALID (400, 413, 415, 422), ERR_UNAVAILABLE
 * (502, 503, 504, or nobody there), ERR_INTERNAL. */
int client_call(struct client *c, const struct client_request *r, struct buf *answer, long *status,
                struct err *err) MUSTCHECK;
/* GET path. */
int client_get(struct client *c, const char *path, struct buf *answer, struct err *err) MUSTCHECK;
/* GET of a paged list: the array `member` of every page as one JSON array, at most `limit` rows (0 = all). */
int client_list(struct client *c, const char *path, const char *member, size_t limit, struct buf *rows,
                struct err *err) MUSTCHECK;
/* Appends s percent-encoded for a path segment or a query value. */
void client_encode(struct buf *out, const char *s);

#endif
