/* Scanning text many bytes at a time. PURE. */
#ifndef BELLTOWER_BASE_SCAN_H
#define BELLTOWER_BASE_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static inline bool scan_is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

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

#define SCAN_CELLS 64 /* bytes looked at together */

/* Bit i of *commas: s[i] is one. false: a byte needs a look within a JSON string, see scan_plain. */
static inline bool scan_cells_bytes(const char *s, uint64_t *commas)
{
    *commas = 0;
    for (unsigned i = 0; i < SCAN_CELLS; i++)
        *commas |= (uint64_t)(s[i] == ',') << i;
    return scan_plain_bytes(s, s + SCAN_CELLS) == s + SCAN_CELLS;
}

/* The same of the `left` bytes at s, if these are fewer. */
static inline bool scan_cells(const char *s, size_t left, uint64_t *commas)
{
    char padded[SCAN_CELLS];
    if (left < SCAN_CELLS) {
        memset(padded, ' ', sizeof padded);
        s = memcpy(padded, s, left);
    }
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(0x20);
    const __m128i comma = _mm_set1_epi8(',');
    __m128i special = _mm_setzero_si128();
    *commas = 0;
    for (unsigned i = 0; i < SCAN_CELLS; i += 16) {
        __m128i w = _mm_loadu_si128((const __m128i *)(const void *)(s + i));
        special = _mm_or_si128(special, _mm_or_si128(_mm_cmplt_epi8(w, space),
                                                     _mm_or_si128(_mm_cmpeq_epi8(w, quote), _mm_cmpeq_epi8(w, slash))));
        *commas |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(w, comma)) << i;
    }
    return !_mm_movemask_epi8(special);
#else
    return scan_cells_bytes(s, commas);
#endif
}

/* As memcmp == 0, for short texts whose length is known only here. */
static inline bool scan_same(const char *a, const char *b, size_t len)
{
    uint64_t x, y;
    uint32_t u, v, w, z;
    if (len >= 8) {
        for (size_t i = 0; i + 8 < len; i += 8) {
            memcpy(&x, a + i, 8);
            memcpy(&y, b + i, 8);
            if (x != y)
                return false;
        }
        memcpy(&x, a + len - 8, 8);
        memcpy(&y, b + len - 8, 8);
        return x == y;
    }
    if (len >= 4) {
        memcpy(&u, a, 4);
        memcpy(&v, b, 4);
        memcpy(&w, a + len - 4, 4);
        memcpy(&z, b + len - 4, 4);
        return u == v && w == z;
    }
    for (size_t i = 0; i < len; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

static inline uint64_t scan_word(const char *s)
{
    uint64_t w;
    memcpy(&w, s, 8);
    return w;
}

/* Are the eight bytes at s all decimal digits? */
static inline bool scan_eight_digits(const char *s)
{
    uint64_t w = scan_word(s);
    return ((w & UINT64_C(0xF0F0F0F0F0F0F0F0)) |
            (((w + UINT64_C(0x0606060606060606)) & UINT64_C(0xF0F0F0F0F0F0F0F0)) >> 4)) == UINT64_C(0x3333333333333333);
}

/* Their value: pairs, fours and eights of digits are put together side by side (little-endian machines; others read
 * them one by one). */
static inline uint64_t scan_eight_value(const char *s)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t w = scan_word(s) - UINT64_C(0x3030303030303030);
    w = w * 10 + (w >> 8);
    return (((w & UINT64_C(0x000000FF000000FF)) * UINT64_C(0x000F424000000064)) +
            (((w >> 16) & UINT64_C(0x000000FF000000FF)) * UINT64_C(0x0000271000000001))) >>
           32;
#else
    uint64_t n = 0;
    for (int i = 0; i < 8; i++)
        n = n * 10 + (uint64_t)(s[i] - '0');
    return n;
#endif
}

/* A number of JSON's grammar at s that is plain, up to the byte behind it; NULL: there is none, or it is not plain.
 * What follows it is not looked at, but for what could go on as a number. Plain: up to 18 digits and no fraction. */
static inline const char *scan_int(const char *s, const char *end, int64_t *i)
{
    bool negative = s < end && *s == '-';
    s += negative;
    const char *from = s, *most = end - s > 18 ? s + 18 : end;
    uint64_t n = 0;
    if (most - s >= 8 && scan_eight_digits(s)) {
        n = scan_eight_value(s);
        s += 8;
    }
    while (s < most && scan_is_digit(*s))
        n = n * 10 + (uint64_t)(*s++ - '0');
    if (s == from || (*from == '0' && s - from > 1) ||
        (s < end && (scan_is_digit(*s) || *s == '.' || *s == 'e' || *s == 'E')))
        return NULL;
    *i = negative ? -(int64_t)n : (int64_t)n;
    return s;
}

/* The same; plain: digits that a double holds exactly, divided by a power of ten that it holds exactly, which rounds
 * correctly; no exponent. */
static inline const char *scan_float(const char *s, const char *end, double *f)
{
    static const double tens[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    bool negative = s < end && *s == '-';
    s += negative;
    const char *from = s, *point = NULL, *most = end - s > 15 ? s + 16 : end;
    uint64_t n = 0;
    for (; s < most; s++) {
        if (scan_is_digit(*s))
            n = n * 10 + (uint64_t)(*s - '0');
        else if (*s == '.' && !point && s > from)
            point = s;
        else
            break;
    }
    if (s == from || s - from > 15 || point == s - 1 || (s < end && (*s == 'e' || *s == 'E' || *s == '.')))
        return NULL;
    if (*from == '0' && s - from > 1 && from[1] != '.')
        return NULL;
    double v = (double)n / tens[point ? s - point - 1 : 0];
    *f = negative ? -v : v;
    return s;
}

#endif
