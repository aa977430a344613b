/* Hashes. PURE. */
#ifndef BELLTOWER_BASE_HASH_H
#define BELLTOWER_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* FNV-1a, 128 bit (http://www.isthe.com/chongo/tech/comp/fnv/): the stable hash in message ids. Not for hash tables or
 * secrets. */
void hash_fnv128_hex(const void *p, size_t len, char out[33]); /* 32 lower-case hex digits and NUL */
/* FNV-1a, 64 bit: the stable hash of log messages in checkpoints. */
uint64_t hash_fnv64(const void *p, size_t len);
/* To know a message of a log again by its body: of its length and all bytes, of a long one the first and the last
 * HASH_MESSAGE_END. */
#define HASH_MESSAGE_END 2048
uint64_t hash_message(const void *body, size_t len);
/* A quick hash for tables in memory; its values may differ between versions and never leave the process. */
uint64_t hash_quick(const void *p, size_t len, uint64_t seed);
/* CRC-32C (Castagnoli), for formats on disk; crc = 0 to begin, or the sum so far. */
uint32_t hash_crc32c(uint32_t crc, const void *p, size_t len);
uint32_t hash_crc32c_portable(uint32_t crc, const void *p, size_t len); /* the same, without the CPU's instruction */

#endif
