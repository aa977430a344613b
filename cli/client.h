/* The REST API over libcurl. */
#ifndef BELLTOWER_CLI_CLIENT_H
#define BELLTOWER_CLI_CLIENT_H

#include "base/buf.h"
#include "base/settings.h"

#include <stdbool.h>
#include <stdio.h>

struct client {
    struct settings settings;
    char *token, *server; /* server: without a slash at its end */
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
    FILE *from, *into; /* instead of body and answer, for what must not fill the memory; no limit of time then */
};
/* The answer's body replaces *answer; *status (may be NULL) its code. Not 2xx: -1 with the problem's text, by its code:
 * ERR_DENIED (401, 403), ERR_NOT_FOUND, ERR_CONFLICT (409, 412), ERR_INVALID (400, 413, 415, 422), ERR_UNAVAILABLE
 * (502, 503, 504, or nobody there), ERR_INTERNAL. */
int client_call(struct client *c, const struct client_request *r, struct buf *answer, long *status,
                struct err *err) MUSTCHECK;
/* GET path. */
int client_get(struct client *c, const char *path, struct buf *answer, struct err *err) MUSTCHECK;
/* GET of a paged list: each row of the array `member` of every page, at most `limit` (0 = all). *more (may be NULL):
 * there are others behind. */
typedef void client_row(void *context, const char *row, size_t len);
int client_each(struct client *c, const char *path, const char *member, size_t limit, client_row *each, void *context,
                bool *more, struct err *err) MUSTCHECK;
/* The same as one JSON array, appended to rows. */
int client_list(struct client *c, const char *path, const char *member, size_t limit, struct buf *rows, bool *more,
                struct err *err) MUSTCHECK;
/* Appends s percent-encoded for a path segment or a query value. */
void client_encode(struct buf *out, const char *s);
/* Appends a parameter to an address; none if value is NULL. */
void client_query(struct buf *url, const char *name, const char *value);

#endif
