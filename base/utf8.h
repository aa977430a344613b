/* UTF-8, byte by byte (utf8_valid is in json.h). PURE. */
#ifndef BELLTOWER_BASE_UTF8_H
#define BELLTOWER_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Length (1 to 4) of the well-formed sequence at s, of which `left` > 0 bytes exist; 0 if there is none. */
size_t utf8_sequence(const unsigned char *s, size_t left);
/* code: below 0x110000, no surrogate. Writes 1 to 4 bytes; returns how many. */
size_t utf8_encode(uint32_t code, char *out);

#endif
