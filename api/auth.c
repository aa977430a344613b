#include "api/auth.h"
#include "api/problem.h"
#include "api/stores.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void to_hex(const unsigned char *p, size_t len, char *out)
{
    for (size_t i = 0; i < len; i++)
        snprintf(out + 2 * i, 3, "%02x", p[i]);
}

void token_make(char out[TOKEN_SIZE])
{
    unsigned char bytes[32];
    random_bytes(bytes, sizeof bytes);
    to_hex(bytes, sizeof bytes, out);
}

void token_hash(const char *token, size_t len, char out[TOKEN_HASH_SIZE])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)token, len, digest);
    to_hex(digest, sizeof digest, out);
}

bool token_hash_equal(const char *a, const char *b)
{
    return a && b && strlen(a) == 64 && strlen(b) == 64 && CRYPTO_memcmp(a, b, 64) == 0;
}

const char *bearer_token(const char *authorization, size_t *len)
{
    if (!authorization || strncasecmp(authorization, "Bearer ", 7) != 0)
        return NULL;
    const char *token = authorization + 7 + strspn(authorization + 7, " ");
    *len = strcspn(token, " ");
    return *len && !token[*len] ? token : NULL;
}

/* ---- the platform's token ---- */

int auth_begin(struct api *api, struct err *err)
{
    char path[4096], made[TOKEN_SIZE];
    struct buf text = {0};
    const char *given = api->settings.token;
    if (*given) {
        token_hash(given, strlen(given), api->platform_token_hash);
        return 0;
    }
    path_data(&api->settings, "token", path, sizeof path);
    if (files_read(path, 4096, &text, err) == 0) {
        while (text.len && text.data[text.len - 1] == '\n')
            text.len--;
        token_hash(text.data, text.len, api->platform_token_hash);
        buf_free(&text);
        return 0;
    }
    buf_free(&text);
    if (err->code != ERR_NOT_FOUND)
        return -1;
    token_make(made);
    token_hash(made, strlen(made), api->platform_token_hash);
    if (files_make_directories(api->settings.data, err) < 0)
        return -1;
    return files_write_secret(path, made, strlen(made), err);
}

/* ---- the check ---- */

static int find_tenant(struct request *r, const char *name, bool *found, struct err *err)
{
    struct coredms *db;
    if (stores_take(r->api->stores, NULL, &db, err) < 0)
        return -1;
    int status = registry_get(db, name, &r->tenant, err);
    stores_give(r->api->stores, db);
    *found = status == 0;
    r->has_tenant = status == 0;
    return status == 0 || err->code == ERR_NOT_FOUND ? 0 : -1;
}

/* Some tenant has this token: looked at only when it is not the one asked about. */
static int known_token(struct request *r, const char *hash, bool *known, struct err *err)
{
    struct coredms *db;
    struct tenant_row *rows;
    size_t count;
    *known = false;
    if (stores_take(r->api->stores, NULL, &db, err) < 0)
        return -1;
    int status = registry_list(db, &rows, &count, err);
    stores_give(r->api->stores, db);
    if (status < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        *known |= token_hash_equal(rows[i].token_hash, hash);
        tenant_row_free(&rows[i]);
    }
    free(rows);
    return 0;
}

static bool refuse(struct request *r, const char *hash)
{
    struct err err;
    bool known;
    if (known_token(r, hash, &known, &err) < 0)
        problem_err(r, &err);
    else if (known)
        problem(r, PROBLEM_FORBIDDEN, "this token is not allowed to %s %s", r->method, r->path);
    else
        problem(r, PROBLEM_UNAUTHENTICATED, "this token is not valid");
    return false;
}

static bool check_tenant(struct request *r, const struct route *route, const char *hash)
{
    struct err err;
    bool found = false;
    const char *name = strstr(route->pattern, "{tenant}") ? request_parameter(r, 0) : NULL;
    if (name && find_tenant(r, name, &found, &err) < 0) {
        problem_err(r, &err);
        return false;
    }
    bool own = found && token_hash_equal(r->tenant.token_hash, hash);
    if (!r->platform && (!own || route->who == WHO_PLATFORM))
        return refuse(r, hash);
    if (name && !found) {
        problem(r, PROBLEM_NOT_FOUND, "there is no tenant %s", name);
        return false;
    }
    return true;
}

bool auth_check(struct request *r, const struct route *route)
{
    char hash[TOKEN_HASH_SIZE];
    size_t len;
    if (route->who == WHO_ANYONE)
        return true;
    const char *token = bearer_token(request_header(r, "Authorization"), &len);
    if (!token) {
        problem(r, PROBLEM_UNAUTHENTICATED, "the header `Authorization: Bearer TOKEN` is missing");
        return false;
    }
    token_hash(token, len, hash);
    r->platform = token_hash_equal(hash, r->api->platform_token_hash);
    return check_tenant(r, route, hash);
}
