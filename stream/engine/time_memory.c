#include "stream/engine/time_memory.h"

#include "base/scan.h"

#include <string.h>

#define WASTED_MAX 8  /* so many learnt in vain: times of this kind are not worth it */
#define PATIENCE   64 /* ... but for one of so many */

static uint32_t fraction_digits(const char *text, size_t len, size_t at)
{
    uint32_t n = 0;
    if (at >= len || text[at] != '.')
        return 0;
    while (at + 1 + n < len && n < 9 && scan_is_digit(text[at + 1 + n]))
        n++;
    return n;
}

/* Two digits that stand alone, and whose change from 00 to 59 changes the time by as many seconds. */
static bool seconds_at(struct time_place *m, const struct time_format *f, uint32_t at)
{
    char *text = m->text;
    int64_t zero, one, most;
    bool alone = scan_is_digit(text[at]) && scan_is_digit(text[at + 1]) && (at == 0 || !scan_is_digit(text[at - 1])) &&
                 (at + 2 == m->len || !scan_is_digit(text[at + 2]));
    if (!alone)
        return false;
    m->digits = fraction_digits(text, m->len, at + 2);
    for (uint32_t i = 0; i < m->digits; i++)
        text[at + 3 + i] = '0';
    bool good = (memcpy(text + at, "00", 2), time_format_parse(f, text, m->len, &zero)) &&
                (memcpy(text + at, "01", 2), time_format_parse(f, text, m->len, &one)) &&
                (memcpy(text + at, "59", 2), time_format_parse(f, text, m->len, &most)) && one - zero == 1000 &&
                most - zero == 59000;
    m->minute_ms = zero;
    m->seconds = at;
    return good;
}

static void learn(struct time_place *m, uint32_t guess, const struct time_format *f, const char *text, size_t len)
{
    *m = (struct time_place){.len = (uint32_t)len};
    for (uint32_t i = 0; i + 2 <= len; i++) {
        memcpy(m->text, text, len);
        if (seconds_at(m, f, (guess + i) % (uint32_t)(len - 1)))
            return;
    }
    m->len = 0;
}

static void remember(struct time_memory *m, const struct time_format *f, const char *text, size_t len)
{
    struct time_place *p = &m->places[m->next];
    if (len < 2 || len > TIME_MEMORY_TEXT || (m->wasted > WASTED_MAX && m->misses++ % PATIENCE))
        return;
    m->wasted = p->hits ? 0 : m->wasted + 1;
    learn(p, m->places[m->last].seconds, f, text, len);
    m->next = (m->next + 1) % TIME_MEMORY_PLACES;
}

static bool fraction(const struct time_place *m, const char *p, int64_t *ms)
{
    static const int scale[] = {100, 10, 1};
    if (*p != '.')
        return false;
    for (uint32_t i = 0; i < m->digits; i++) {
        if (!scan_is_digit(p[1 + i]))
            return false;
        *ms += i < 3 ? (p[1 + i] - '0') * scale[i] : 0;
    }
    return true;
}

static bool recall(const struct time_place *m, const char *text, size_t len, int64_t *ms)
{
    uint32_t at = m->seconds, behind = at + 2 + (m->digits ? 1 + m->digits : 0);
    if (!m->len || len != m->len || memcmp(text, m->text, at) != 0 ||
        memcmp(text + behind, m->text + behind, len - behind) != 0)
        return false;
    unsigned tens = (unsigned char)(text[at] - '0'), ones = (unsigned char)(text[at + 1] - '0');
    if (tens > 5 || ones > 9)
        return false;
    *ms = m->minute_ms + (tens * 10 + ones) * 1000;
    return !m->digits || fraction(m, text + at + 2, ms);
}

bool time_memory_parse(struct time_memory *m, const struct time_format *f, const char *text, size_t len, int64_t *ms)
{
    for (uint32_t i = 0; i < TIME_MEMORY_PLACES; i++) {
        uint32_t which = (m->last + i) % TIME_MEMORY_PLACES;
        struct time_place *p = &m->places[which];
        if (!recall(p, text, len, ms))
            continue;
        p->hits++;
        m->last = which;
        return true;
    }
    if (!time_format_parse(f, text, len, ms))
        return false;
    remember(m, f, text, len);
    return true;
}
