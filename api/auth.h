/* Who is asking. Tokens are kept as SHA-256 only and compared in constant time. */
#ifndef BELLTOWER_API_AUTH_H
#define BELLTOWER_API_AUTH_H

#include "api/request.h"
#include "api/router.h"

#define TOKEN_SIZE      65 /* 64 hex digits and NUL */
#define TOKEN_HASH_SIZE 65

void token_make(char out[TOKEN_SIZE]);
void token_hash(const char *token, size_t len, char out[TOKEN_HASH_SIZE]);
/* false for anything but two hashes that are equal. */
bool token_hash_equal(const char *a, const char *b);
/* What is behind "Bearer" of an Authorization header; NULL if it is none. */
const char *bearer_token(const char *authorization, size_t *len);

/* Finds the platform's token: the setting, else DATA/token, else a new one, kept there. */
int auth_begin(struct api *api, struct err *err) MUSTCHECK;
/* Lets the request through to its route, with r->platform and r->tenant set; else false, and the answer is made. Which
 * tenants exist is told to nobody but the platform. */
bool auth_check(struct request *r, const struct route *route);

#endif
