/* Scanning text many bytes at a time. Each way that takes vector instructions has a twin, *_bytes or below it, that
 * takes none and says the same; with BELLTOWER_SCAN_BYTES only those are built. PURE. */
#ifndef BELLTOWER_BASE_SCAN_H
#define BELLTOWER_BASE_SCAN_H

#include "base/scan_sixteen.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline bool scan_is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static inline bool scan_is_special(char c)
{
    return (unsigned char)c < 0x20 || (unsigned char)c >= 0x80 || c == '"' || c == '\\';
}

#if defined(SCAN_SIXTEEN)
/* Which bytes need a look within a JSON string, see scan_plain. Signed: bytes beyond ASCII are below a space, too. */
static inline scan_sixteen scan_special(scan_sixteen w)
{
    return scan_or(scan_below(w, scan_all(0x20)), scan_or(scan_equal(w, scan_all('"')), scan_equal(w, scan_all('\\'))));
}
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
    while (s < end && !scan_is_special(*s))
        s++;
    return s;
}

#define SCAN_SPECIAL 16 /* bytes looked at together */

/* Which of them need a look within a JSON string, see scan_plain: bit i for the one at i. */
static inline unsigned scan_special_bits_bytes(const char *s)
{
    unsigned bits = 0;
    for (unsigned i = 0; i < SCAN_SPECIAL; i++)
        bits |= (unsigned)scan_is_special(s[i]) << i;
    return bits;
}

static inline unsigned scan_special_bits(const char *s)
{
#if defined(SCAN_SIXTEEN)
    return scan_bits(scan_special(scan_load(s)));
#else
    return scan_special_bits_bytes(s);
#endif
}

static inline const char *scan_plain(const char *s, const char *end)
{
#if defined(SCAN_SIXTEEN)
    while (end - s >= SCAN_SPECIAL) {
        unsigned mask = scan_special_bits(s);
        if (mask)
            return s + __builtin_ctz(mask);
        s += SCAN_SPECIAL;
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

static inline bool scan_cells(const char *s, uint64_t *commas)
{
#if defined(SCAN_SIXTEEN)
    scan_sixteen special = scan_all(0);
    *commas = 0;
    for (unsigned i = 0; i < SCAN_CELLS; i += 16) {
        scan_sixteen w = scan_load(s + i);
        special = scan_or(special, scan_special(w));
        *commas |= (uint64_t)scan_bits(scan_equal(w, scan_all(','))) << i;
    }
    return !scan_bits(special);
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

#define SCAN_SAME 16 /* bytes compared together */

/* Which of them are the same: bit i for the one at i. */
static inline unsigned scan_same_bits_bytes(const char *a, const char *b)
{
    unsigned bits = 0;
    for (unsigned i = 0; i < SCAN_SAME; i++)
        bits |= (unsigned)(a[i] == b[i]) << i;
    return bits;
}

static inline unsigned scan_same_bits(const char *a, const char *b)
{
#if defined(SCAN_SIXTEEN)
    return scan_bits(scan_equal(scan_load(a), scan_load(b)));
#else
    return scan_same_bits_bytes(a, b);
#endif
}

static inline uint64_t scan_word(const char *s)
{
    uint64_t w;
    memcpy(&w, s, 8);
    return w;
}

static inline uint64_t scan_ten_to(unsigned n) /* n: up to 15 */
{
    static const uint64_t tens[] = {1,
                                    10,
                                    100,
                                    1000,
                                    10000,
                                    100000,
                                    1000000,
                                    10000000,
                                    100000000,
                                    1000000000,
                                    10000000000,
                                    100000000000,
                                    1000000000000,
                                    10000000000000,
                                    100000000000000,
                                    1000000000000000};
    return tens[n];
}

/* The value of eight digits, as numbers from 0 to 9, the first in the lowest byte. Pairs, fours and eights are put
 * together side by side. */
static inline uint64_t scan_eight_value(uint64_t w)
{
    w = w * 10 + (w >> 8);
    return (((w & UINT64_C(0x000000FF000000FF)) * UINT64_C(0x000F424000000064)) +
            (((w >> 16) & UINT64_C(0x000000FF000000FF)) * UINT64_C(0x0000271000000001))) >>
           32;
}

/* Is each of eight bytes a number from 0 to 9? */
static inline bool scan_eight_digits(uint64_t w)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
    return !((((w & ~tops) + ones * 0x76) | w) & tops);
}

#define SCAN_ZEROS UINT64_C(0x3030303030303030)

/* The value of the first `count` (1 to 8) of eight characters, the first in the lowest byte, all digits; what is behind
 * them may be anything. */
static inline uint64_t scan_digits_value(uint64_t w, unsigned count)
{
    return scan_eight_value((w ^ SCAN_ZEROS) << (64 - 8 * count));
}

/* The first in the lowest byte. */
static inline uint64_t scan_first_low(const char *s)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return scan_word(s);
#else
    return __builtin_bswap64(scan_word(s));
#endif
}

/* Which of the 16 bytes at s are decimal digits: bit i for s[i]; above them none. */
static inline unsigned scan_digit_bits_bytes(const char *s)
{
    unsigned bits = 0;
    for (unsigned i = 0; i < 16; i++)
        bits |= (unsigned)scan_is_digit(s[i]) << i;
    return bits;
}

static inline unsigned scan_digit_bits(const char *s)
{
#if defined(SCAN_SIXTEEN)
    /* signed: 0 to 9 become the lowest of all */
    return scan_bits(scan_below(scan_plus(scan_load(s), scan_all((char)(128 - '0'))), scan_all(-128 + 10)));
#else
    return scan_digit_bits_bytes(s);
#endif
}

/* The `count` (1 to 16) digits at s, where 16 bytes are. */
static inline uint64_t scan_digits(const char *s, unsigned count)
{
    if (count <= 8)
        return scan_digits_value(scan_first_low(s), count);
    return scan_digits_value(scan_first_low(s), 8) * scan_ten_to(count - 8) +
           scan_digits_value(scan_first_low(s + 8), count - 8);
}

/* The same of eight at most with one byte between, behind the first `whole` of them. */
static inline uint64_t scan_digits_around(const char *s, unsigned whole, unsigned count)
{
    uint64_t first = (UINT64_C(1) << 8 * whole) - 1;
    return scan_digits_value((scan_first_low(s) & first) | (scan_first_low(s + 1) & ~first), count);
}

/* A number of JSON's grammar at s that is plain, up to the byte behind it; NULL: there is none, or it is not plain.
 * What follows is not looked at: a number that goes on is the caller's to see. scan_int, plain: up to 18 digits.
 * scan_float, plain: digits that a double holds exactly, divided by a power of ten that it holds exactly, which rounds
 * correctly. */
static inline const char *scan_int_bytes(const char *s, const char *end, int64_t *i)
{
    bool negative = s < end && *s == '-';
    const char *from = s += negative;
    uint64_t n = 0;
    for (; s < end && s - from < 19 && scan_is_digit(*s); s++)
        n = n * 10 + (uint64_t)(*s - '0');
    if (s == from || s - from > 18 || (*from == '0' && s - from > 1))
        return NULL;
    *i = negative ? -(int64_t)n : (int64_t)n;
    return s;
}

static inline const char *scan_float_bytes(const char *s, const char *end, double *f)
{
    bool negative = s < end && *s == '-';
    s += negative;
    const char *from = s, *point = NULL;
    uint64_t n = 0;
    for (; s < end && s - from < 16; s++) {
        if (scan_is_digit(*s))
            n = n * 10 + (uint64_t)(*s - '0');
        else if (*s == '.' && !point && s > from)
            point = s;
        else
            break;
    }
    if (s == from || s - from > 15 || point == s - 1 || (*from == '0' && s - from > 1 && from[1] != '.'))
        return NULL;
    double v = (double)n / (double)scan_ten_to(point ? (unsigned)(s - point - 1) : 0);
    *f = negative ? -v : v;
    return s;
}

#define SCAN_NUMBER 17 /* bytes at s, and a plain number needs no look at where the text ends */

/* The same of a number of few digits (an int up to 15, a float up to 15 or, with a fraction, 8). */
static inline const char *scan_int_within(const char *s, int64_t *i)
{
    int64_t negative = *s == '-';
    s += negative;
    unsigned digits = (unsigned)__builtin_ctz(~scan_digit_bits(s));
    if (digits - 1 >= 15 || (*s == '0' && digits > 1))
        return NULL;
    *i = ((int64_t)scan_digits(s, digits) ^ -negative) + negative;
    return s + digits;
}

static inline const char *scan_float_within(const char *s, double *f)
{
    bool negative = *s == '-';
    s += negative;
    unsigned bits = scan_digit_bits(s), whole = (unsigned)__builtin_ctz(~bits), behind = 0;
    if (whole - 1 >= 15 || (*s == '0' && whole > 1))
        return NULL;
    uint64_t n;
    if (s[whole] == '.') {
        behind = (unsigned)__builtin_ctz(~(bits >> whole >> 1));
        if (behind == 0 || whole + behind > 8)
            return NULL;
        n = scan_digits_around(s, whole, whole + behind);
        whole++;
    } else {
        n = scan_digits(s, whole);
    }
    double v = (double)(int64_t)n / (double)(int64_t)scan_ten_to(behind);
    *f = negative ? -v : v;
    return s + whole + behind;
}

static inline const char *scan_int(const char *s, const char *end, int64_t *i)
{
    const char *behind = end - s >= SCAN_NUMBER ? scan_int_within(s, i) : NULL;
    return behind ? behind : scan_int_bytes(s, end, i);
}

static inline const char *scan_float(const char *s, const char *end, double *f)
{
    const char *behind = end - s >= SCAN_NUMBER ? scan_float_within(s, f) : NULL;
    return behind ? behind : scan_float_bytes(s, end, f);
}

#endif
