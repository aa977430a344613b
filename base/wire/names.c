#include "base/wire/names.h"

#include <stdio.h>

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
