#include "base/duration.h"

#include <stdio.h>
#include <string.h>

#define DURATION_MAX_MS (INT64_C(1000) * 366 * 86400000)

static const struct unit {
    const char *name;
    int64_t ms;
} units[] = {{"w", 604800000}, {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
#define UNIT_COUNT (sizeof units / sizeof *units)

static size_t unit_at(const char *p, size_t len)
{
    size_t n = 0;
    while (n < len && p[n] >= 'a' && p[n] <= 'z')
        n++;
    for (size_t u = 0; u < UNIT_COUNT; u++)
        if (strlen(units[u].name) == n && memcmp(units[u].name, p, n) == 0)
            return u;
    return UNIT_COUNT;
}

int duration_parse(const char *text, size_t len, int64_t *ms, struct err *err)
{
    static const char expected[] = "is no duration: expected e.g. 250ms, 30s, 5m, 1h30m or 7d";
    int64_t sum = 0;
    size_t at = 0, next_unit = 0;
    if (len == 0)
        return err_set(err, ERR_INVALID, "\"\" %s", expected);
    while (at < len) {
        int64_t n = 0;
        size_t digits = 0;
        for (; at < len && text[at] >= '0' && text[at] <= '9' && digits < 15; at++, digits++)
            n = n * 10 + (text[at] - '0');
        size_t u = unit_at(text + at, len - at);
        if (digits == 0 || u == UNIT_COUNT || u < next_unit)
            return err_set(err, ERR_INVALID, "\"%.*s\" %s", (int)(len < 40 ? len : 40), text, expected);
        if (n > (DURATION_MAX_MS - sum) / units[u].ms)
            return err_set(err, ERR_INVALID, "\"%.*s\" is longer than 1000 years", (int)(len < 40 ? len : 40), text);
        sum += n * units[u].ms;
        next_unit = u + 1;
        at += strlen(units[u].name);
    }
    *ms = sum;
    return 0;
}

size_t duration_text(int64_t ms, char out[48])
{
    size_t n = 0;
    out[0] = 0;
    for (size_t u = 1; u < UNIT_COUNT && ms > 0; u++) { /* weeks read as days */
        if (ms < units[u].ms)
            continue;
        n += (size_t)snprintf(out + n, 48 - n, "%lld%s", (long long)(ms / units[u].ms), units[u].name);
        ms %= units[u].ms;
    }
    return n ? n : (size_t)snprintf(out, 48, "0s");
}
