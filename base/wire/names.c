#include "base/wire/names.h"

#include "base/hash.h"

#include <stdio.h>
#include <string.h>

char *name_exchange_in(char out[NAME_SIZE], const char *tenant)
{
    snprintf(out, NAME_SIZE, "belltower.in.%s", tenant);
    return out;
}

char *name_queue(char out[NAME_SIZE], const char *exchange, const char *tenant)
{
    snprintf(out, NAME_SIZE, "%s.%s", exchange, tenant);
    return out;
}

char *name_user_worker(char out[NAME_SIZE], const char *tenant)
{
    snprintf(out, NAME_SIZE, "belltower-worker-%s", tenant);
    return out;
}

char *name_user_tenant(char out[NAME_SIZE], const char *tenant)
{
    snprintf(out, NAME_SIZE, "belltower-tenant-%s", tenant);
    return out;
}

char *name_user_in(char out[NAME_SIZE], const char *user, const char *vhost)
{
    if (strcmp(vhost, VHOST_DEFAULT) == 0)
        snprintf(out, NAME_SIZE, "%s", user);
    else
        snprintf(out, NAME_SIZE, "%s.%016llx", user, (unsigned long long)hash_fnv64(vhost, strlen(vhost)));
    return out;
}

char *name_user_beside(char out[NAME_SIZE], const char *user, const char *like, const char *like_user)
{
    size_t len = strlen(like_user);
    snprintf(out, NAME_SIZE, "%s%s", user, strncmp(like, like_user, len) == 0 ? like + len : "");
    return out;
}
