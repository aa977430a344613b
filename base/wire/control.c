#include "base/wire/control.h"

#include "base/hash.h"

#include <stdio.h>
#include <string.h>

void control_id(const char *type, size_t type_len, const void *body, size_t len, char id[CONTROL_ID_SIZE])
{
    uint32_t sum = type_len ? hash_crc32c(0, type, type_len) : 0;
    sum = hash_crc32c(sum, "", 1);
    if (len)
        sum = hash_crc32c(sum, body, len);
    snprintf(id, CONTROL_ID_SIZE, CONTROL_SUM "%08x", (unsigned)sum);
}

bool control_has_sum(const char *id, size_t len)
{
    return len >= strlen(CONTROL_SUM) && memcmp(id, CONTROL_SUM, strlen(CONTROL_SUM)) == 0;
}
