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

static void fix(struct time_place *m)
{
    memset(m->fixed, 255, m->len);
    memset(m->fixed + m->seconds, 0, 2);
    memset(m->fixed + m->seconds + 3, 0, m->digits);
}

static void learn(struct time_place *m, uint32_t guess, const struct time_format *f, const char *text, size_t len)
{
    *m = (struct time_place){.len = (uint32_t)len};
    for (uint32_t i = 0; i + 2 <= len; i++) {
        memcpy(m->text, text, len);
        if (seconds_at(m, f, (guess + i) % (uint32_t)(len - 1))) {
            fix(m);
            return;
        }
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
    for (uint32_t i = 0; i < m->digits; i++) {
        if (!scan_is_digit(p[i]))
            return false;
        *ms += i < 3 ? (p[i] - '0') * scale[i] : 0;
    }
    return true;
}

static inline bool same_word(const struct time_place *m, const char *text, size_t at)
{
    return !((scan_word(text + at) ^ scan_word(m->text + at)) & scan_word((const char *)m->fixed + at));
}

static inline bool same_text(const struct time_place *m, const char *text, size_t len)
{
    if (len < 8) {
        for (size_t i = 0; i < len; i++)
            if ((text[i] ^ m->text[i]) & m->fixed[i])
                return false;
        return true;
    }
    for (size_t i = 0; i + 8 < len; i += 8)
        if (!same_word(m, text, i))
            return false;
    return same_word(m, text, len - 8);
}

/* Of a text that has as many bytes, or more. */
static inline bool recall(const struct time_place *m, const char *text, int64_t *ms)
{
    if (!m->len || !same_text(m, text, m->len))
        return false;
    const char *seconds = text + m->seconds;
    unsigned tens = (unsigned char)(seconds[0] - '0'), ones = (unsigned char)(seconds[1] - '0');
    if (tens > 5 || ones > 9)
        return false;
    *ms = m->minute_ms + (tens * 10 + ones) * 1000;
    return !m->digits || fraction(m, seconds + 3, ms);
}

size_t time_memory_begins(struct time_memory *m, const char *text, size_t left, int64_t *ms)
{
    for (uint32_t i = 0; i < TIME_MEMORY_PLACES; i++) {
        uint32_t which = (m->last + i) % TIME_MEMORY_PLACES;
        struct time_place *p = &m->places[which];
        if (p->len > left || !recall(p, text, ms))
            continue;
        p->hits++;
        m->last = which;
        return p->len;
    }
    return 0;
}

bool time_memory_parse(struct time_memory *m, const struct time_format *f, const char *text, size_t len, int64_t *ms)
{
    if (time_memory_begins(m, text, len, ms) == len && len)
        return true;
    if (!time_format_parse(f, text, len, ms))
        return false;
    remember(m, f, text, len);
    return true;
}

bool time_memory_seconds(const struct time_memory *m, const char *text, size_t len, uint32_t *seconds,
                         int64_t *minute_ms)
{
    int64_t ms;
    for (uint32_t i = 0; i < TIME_MEMORY_PLACES; i++) {
        const struct time_place *p = &m->places[i];
        if (p->len != len || p->digits || !recall(p, text, &ms))
            continue;
        *seconds = p->seconds;
        *minute_ms = p->minute_ms;
        return true;
    }
    return false;
}
