/* Sixteen bytes at once: what base/scan.h needs of the processor's vector instructions, SSE2 or NEON. Where there are
 * none, or with BELLTOWER_SCAN_BYTES, SCAN_SIXTEEN is not defined. PURE. */
#ifndef BELLTOWER_BASE_SCAN_SIXTEEN_H
#define BELLTOWER_BASE_SCAN_SIXTEEN_H

#if defined(__SSE2__) && !defined(BELLTOWER_SCAN_BYTES)
#define SCAN_SIXTEEN
#include <emmintrin.h>

typedef __m128i scan_sixteen;

static inline scan_sixteen scan_load(const char *s)
{
    return _mm_loadu_si128((const __m128i *)(const void *)s);
}

static inline scan_sixteen scan_all(char c)
{
    return _mm_set1_epi8(c);
}

static inline scan_sixteen scan_or(scan_sixteen a, scan_sixteen b)
{
    return _mm_or_si128(a, b);
}

static inline scan_sixteen scan_plus(scan_sixteen a, scan_sixteen b)
{
    return _mm_add_epi8(a, b);
}

static inline scan_sixteen scan_equal(scan_sixteen a, scan_sixteen b) /* all bits of a byte, or none */
{
    return _mm_cmpeq_epi8(a, b);
}

static inline scan_sixteen scan_below(scan_sixteen a, scan_sixteen b) /* the same, of signed bytes */
{
    return _mm_cmplt_epi8(a, b);
}

static inline unsigned scan_bits(scan_sixteen v) /* bit i for byte i; of what scan_equal or scan_below gave */
{
    return (unsigned)_mm_movemask_epi8(v);
}
#elif defined(__ARM_NEON) && defined(__aarch64__) && !defined(BELLTOWER_SCAN_BYTES)
#define SCAN_SIXTEEN
#include <arm_neon.h>

typedef uint8x16_t scan_sixteen;

static inline scan_sixteen scan_load(const char *s)
{
    return vld1q_u8((const uint8_t *)s);
}

static inline scan_sixteen scan_all(char c)
{
    return vdupq_n_u8((uint8_t)c);
}

static inline scan_sixteen scan_or(scan_sixteen a, scan_sixteen b)
{
    return vorrq_u8(a, b);
}

static inline scan_sixteen scan_plus(scan_sixteen a, scan_sixteen b)
{
    return vaddq_u8(a, b);
}

static inline scan_sixteen scan_equal(scan_sixteen a, scan_sixteen b)
{
    return vceqq_u8(a, b);
}

static inline scan_sixteen scan_below(scan_sixteen a, scan_sixteen b)
{
    return vcltq_s8(vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(b));
}

static inline unsigned scan_bits(scan_sixteen v)
{
    const uint8x16_t bits = vandq_u8(v, vreinterpretq_u8_u64(vdupq_n_u64(UINT64_C(0x8040201008040201))));
    return vaddv_u8(vget_low_u8(bits)) | (unsigned)vaddv_u8(vget_high_u8(bits)) << 8;
}
#endif

#endif
