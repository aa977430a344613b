/* Scanning text many bytes at a time. PURE. */
#ifndef BELLTOWER_BASE_SCAN_H
#define BELLTOWER_BASE_SCAN_H

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* The first byte of [s, end) that needs a look within a JSON string: a control character, a quote, a backslash, or one
 * beyond ASCII; end if there is none. */
static inline const char *scan_plain_bytes(const char *s, const char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
    while (end - s >= 8) {
        uint64_t w;
        memcpy(&w, s, 8);
        uint64_t quote = w ^ (ones * '"'), slash = w ^ (ones * '\\');
        uint64_t special = (w - ones * 0x20) | (quote - ones) | (slash - ones) | w;
        if (special & tops)
            break;
        s += 8;
    }
    while (s < end && (unsigned char)*s >= 0x20 && (unsigned char)*s < 0x80 && *s != '"' && *s != '\\')
        s++;
    return s;
}

static inline const char *scan_plain(const char *s, const char *end)
{
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(0x20);
    while (end - s >= 16) {
        __m128i w = _mm_loadu_si128((const __m128i *)(const void *)s);
        /* signed: bytes beyond ASCII are below a space, too */
        __m128i special =
            _mm_or_si128(_mm_cmplt_epi8(w, space), _mm_or_si128(_mm_cmpeq_epi8(w, quote), _mm_cmpeq_epi8(w, slash)));
        unsigned mask = (unsigned)_mm_movemask_epi8(special);
        if (mask)
            return s + __builtin_ctz(mask);
        s += 16;
    }
#endif
    return scan_plain_bytes(s, end);
}

#endif
