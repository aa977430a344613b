#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A number token as its digits from the first to the last that is not 0 (maybe with a point between) times 10^exponent.
 */
struct decimal {
    bool negative;
    const char *first, *last; /* NULL: it is 0 */
    size_t digits;
    int64_t exponent; /* of the last digit */
};

#define EXPONENT_MAX INT64_C(1000000000000) /* beyond any that a text could make up for by its length */

static int64_t scan_exponent(const char *s, const char *end)
{
    int64_t e = 0;
    bool negative = s < end && *s == '-';
    if (s < end && (*s == '-' || *s == '+'))
        s++;
    for (; s < end; s++)
        e = e < EXPONENT_MAX ? e * 10 + (*s - '0') : e;
    return negative ? -e : e;
}

static struct decimal decimal_of(const char *token, size_t len)
{
    struct decimal d = {0};
    const char *s = token, *end = token + len, *point = NULL, *mantissa_end;
    d.negative = s < end && *s == '-';
    if (d.negative)
        s++;
    for (; s < end && *s != 'e' && *s != 'E'; s++) {
        if (*s == '.') {
            point = s;
        } else if (*s != '0') {
            d.first = d.first ? d.first : s;
            d.last = s;
        }
    }
    mantissa_end = s;
    if (!d.first)
        return d;
    d.exponent = s < end ? scan_exponent(s + 1, end) : 0;
    if (!point)
        point = mantissa_end;
    d.digits = (size_t)(d.last - d.first) + 1 - (d.first < point && point < d.last);
    d.exponent += d.last < point ? point - d.last - 1 : point - d.last;
    return d;
}

/* The first `count` digits as an integer; count <= 19. */
static uint64_t leading(const struct decimal *d, size_t count)
{
    uint64_t v = 0;
    for (const char *s = d->first; count; s++) {
        if (*s == '.')
            continue;
        v = v * 10 + (uint64_t)(*s - '0');
        count--;
    }
    return v;
}

bool json_int(const char *token, size_t len, int64_t *value)
{
    struct decimal d = decimal_of(token, len);
    if (!d.first) {
        *value = 0;
        return true;
    }
    if (d.exponent < 0 || d.exponent > 18 || d.digits + (size_t)d.exponent > 19)
        return false;
    uint64_t v = leading(&d, d.digits);
    for (int64_t i = 0; i < d.exponent; i++)
        v *= 10; /* below 10^19 < 2^64 */
    if (v > (uint64_t)INT64_MAX + d.negative)
        return false;
    *value = d.negative ? (int64_t)-v : (int64_t)v;
    return true;
}

/* No double needs more than 768 digits to be told from the middle between it and its neighbour; what follows only tips
 * the scale. */
#define DIGITS_MAX 770

static double slow_float(const struct decimal *d)
{
    char text[DIGITS_MAX + 40];
    size_t n = 0, kept = d->digits < DIGITS_MAX ? d->digits : DIGITS_MAX;
    for (const char *s = d->first; n < kept; s++) {
        if (*s != '.')
            text[n++] = *s;
    }
    int64_t exponent = d->exponent + (int64_t)(d->digits - kept);
    if (kept < d->digits) { /* the last digit is not 0 */
        text[n++] = '1';
        exponent--;
    }
    if (exponent > EXPONENT_MAX)
        return INFINITY;
    snprintf(text + n, sizeof text - n, "e%lld", (long long)exponent);
    return strtod(text, NULL);
}

/* The powers of ten that a double holds exactly. */
static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                              1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

bool json_float(const char *token, size_t len, double *value)
{
    struct decimal d = decimal_of(token, len);
    double v = 0;
    uint64_t m;
    if (d.first && d.digits <= 19 && d.exponent >= -22 && d.exponent <= 22 &&
        (m = leading(&d, d.digits)) <= UINT64_C(1) << 53)
        v = d.exponent < 0 ? (double)m / tens[-d.exponent]
                           : (double)m * tens[d.exponent]; /* both exact: rounded once */
    else if (d.first)
        v = slow_float(&d);
    if (!isfinite(v))
        return false;
    *value = d.negative ? -v : v;
    return true;
}

/* ---- writing ---- */

static int try_precision(double f, int precision, char out[32])
{
    int n = snprintf(out, 32, "%.*g", precision, f);
    return strtod(out, NULL) == f ? n : 0;
}

static int shortest(double f, char out[32])
{
    int n = 0;
    /* With 15 digits every normal number that was written with as many comes back as it was, and %g drops the zeros. */
    for (int precision = fpclassify(f) == FP_SUBNORMAL ? 1 : 15; precision <= 17 && !n; precision++)
        n = try_precision(f, precision, out);
    return n;
}

/* A whole number of ten-thousandths, with at most 15 digits: the decimal that reads back as f is found without trying.
 * Length of the text, 0 if f is no such number. */
static size_t few_decimals(double f, char out[32])
{
    double n = 0, size = fabs(f);
    int decimals = 0;
    if (!(size < 1e10) || f == 0)
        return 0;
    while (decimals < 5 && (n = nearbyint(size * tens[decimals]), n / tens[decimals] != size))
        decimals++;
    if (decimals == 5)
        return 0;
    uint64_t digits = (uint64_t)n;
    char text[32];
    size_t at = sizeof text;
    for (int i = 0; i < decimals || i < 1; i++, digits /= decimals ? 10 : 1)
        text[--at] = decimals ? (char)('0' + digits % 10) : '0';
    text[--at] = '.';
    do
        text[--at] = (char)('0' + digits % 10);
    while (digits /= 10);
    if (f < 0)
        text[--at] = '-';
    memcpy(out, text + at, sizeof text - at);
    return sizeof text - at;
}

void json_w_float(struct buf *b, double f)
{
    char text[32];
    size_t len = few_decimals(f, text);
    if (len) {
        json_w_raw(b, text, len);
        return;
    }
    if (!isfinite(f)) {
        json_w_null(b);
        return;
    }
    int n = shortest(f, text);
    if (!strpbrk(text, ".e")) {
        memcpy(text + n, ".0", 3);
        n += 2;
    }
    json_w_raw(b, text, (size_t)n);
}
