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

uint32_t control_result_sum(const void *body, size_t len, const char *key, size_t key_len, const int64_t numbers[4])
{
    unsigned char tail[1 + 4 * 8] = {0}; /* the NUL that ends the key, and the numbers */
    size_t n = 1;
    uint32_t sum = len ? hash_crc32c(0, body, len) : 0;
    sum = hash_crc32c(sum, tail, 1);
    if (key_len)
        sum = hash_crc32c(sum, key, key_len);
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 8; k++)
            tail[n++] = (unsigned char)((uint64_t)numbers[i] >> 8 * k);
    return hash_crc32c(sum, tail, n);
}
