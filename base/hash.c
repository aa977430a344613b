#include "base/hash.h"

#include <string.h>

void hash_fnv128_hex(const void *p, size_t len, char out[33])
{
    const unsigned char *s = p;
    const unsigned __int128 prime = ((unsigned __int128)1 << 88) | 0x13B;
    unsigned __int128 h = ((unsigned __int128)UINT64_C(0x6c62272e07bb0142) << 64) | UINT64_C(0x62b821756295c58d);
    for (size_t i = 0; i < len; i++)
        h = (h ^ s[i]) * prime;
    for (int i = 31; i >= 0; i--, h >>= 4)
        out[i] = "0123456789abcdef"[(unsigned)h & 15];
    out[32] = 0;
}

uint64_t hash_fnv64(const void *p, size_t len)
{
    const unsigned char *s = p;
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++)
        h = (h ^ s[i]) * UINT64_C(0x100000001b3);
    return h;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 m = (unsigned __int128)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

uint64_t hash_quick(const void *p, size_t len, uint64_t seed)
{
    const unsigned char *s = p;
    uint64_t h = seed ^ UINT64_C(0x9e3779b97f4a7c15) ^ len, word;
    for (; len >= 8; s += 8, len -= 8) {
        memcpy(&word, s, 8);
        h = mix(h ^ word, UINT64_C(0xa0761d6478bd642f));
    }
    word = 0;
    if (len)
        memcpy(&word, s, len);
    return mix(h ^ word, UINT64_C(0xe7037ed1a0b428db));
}

/* ---- CRC-32C ---- */

static uint32_t crc_tables[8][256]; /* [k][b]: the byte b, then k zero bytes */

__attribute__((constructor)) static void make_crc_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int k = 0; k < 8; k++)
            crc = (crc >> 1) ^ (UINT32_C(0x82f63b78) & (0u - (crc & 1)));
        crc_tables[0][i] = crc;
    }
    for (int k = 1; k < 8; k++)
        for (int i = 0; i < 256; i++)
            crc_tables[k][i] = (crc_tables[k - 1][i] >> 8) ^ crc_tables[0][crc_tables[k - 1][i] & 255];
}

/* Eight bytes a turn, a table for each ("slicing by 8", Kounavis and Berry 2005). */
uint32_t hash_crc32c_portable(uint32_t crc, const void *p, size_t len)
{
    const unsigned char *s = p;
    crc = ~crc;
    for (; len >= 8; s += 8, len -= 8) {
        uint32_t low = crc ^ ((uint32_t)s[0] | (uint32_t)s[1] << 8 | (uint32_t)s[2] << 16 | (uint32_t)s[3] << 24);
        crc = crc_tables[7][low & 255] ^ crc_tables[6][low >> 8 & 255] ^ crc_tables[5][low >> 16 & 255] ^
              crc_tables[4][low >> 24] ^ crc_tables[3][s[4]] ^ crc_tables[2][s[5]] ^ crc_tables[1][s[6]] ^
              crc_tables[0][s[7]];
    }
    for (; len; s++, len--)
        crc = (crc >> 8) ^ crc_tables[0][(crc ^ *s) & 255];
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const unsigned char *s, size_t len)
{
    uint64_t word, c = ~crc;
    for (; len >= 8; s += 8, len -= 8) {
        memcpy(&word, s, 8);
        c = __builtin_ia32_crc32di(c, word);
    }
    uint32_t last = (uint32_t)c;
    for (; len; s++, len--)
        last = __builtin_ia32_crc32qi(last, *s);
    return ~last;
}

uint32_t hash_crc32c(uint32_t crc, const void *p, size_t len)
{
    return __builtin_cpu_supports("sse4.2") ? crc32c_sse42(crc, p, len) : hash_crc32c_portable(crc, p, len);
}
#else
uint32_t hash_crc32c(uint32_t crc, const void *p, size_t len)
{
    return hash_crc32c_portable(crc, p, len);
}
#endif

uint64_t hash_message(const void *body, size_t len)
{
    if (len <= 2 * HASH_MESSAGE_END)
        return hash_quick(body, len, len);
    const char *last = (const char *)body + len - HASH_MESSAGE_END;
    return hash_quick(last, HASH_MESSAGE_END, hash_quick(body, HASH_MESSAGE_END, len));
}
