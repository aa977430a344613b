#include "base/time_format.h"
#include "base/scan.h"
#include "base/calendar.h"

#include <string.h>
#include <strings.h>

#define DAY_MS INT64_C(86400000)

enum part { YEAR, MONTH, DAY, YDAY, HOUR, HOUR12, PM, MINUTE, SECOND, FRACTION, ZONE, PARTS };

struct reader {
    const char *at, *end;
    int part[PARTS]; /* ZONE: seconds east of UTC; FRACTION: ms */
};

/* Between least and most digits, as many as there are. */
static bool read_digits(struct reader *r, int least, int most, int *value)
{
    int n = 0, v = 0;
    while (n < most && r->at + n < r->end && scan_is_digit(r->at[n]))
        v = v * 10 + (r->at[n++] - '0');
    r->at += n;
    *value = v;
    return n >= least;
}

static bool read_char(struct reader *r, char c)
{
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static bool read_word(struct reader *r, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(r->end - r->at) < len || strncasecmp(r->at, word, len) != 0)
        return false;
    r->at += len;
    return true;
}

static bool read_short_year(struct reader *r)
{
    int y;
    if (!read_digits(r, 2, 2, &y))
        return false;
    r->part[YEAR] = y + (y < 69 ? 2000 : 1900); /* as POSIX has it */
    return true;
}

static bool read_padded_day(struct reader *r)
{
    (void)read_char(r, ' ');
    return read_digits(r, 1, 2, &r->part[DAY]) && r->part[DAY] >= 1 && r->part[DAY] <= 31;
}

static bool read_month_name(struct reader *r)
{
    static const char names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    for (int m = 0; m < 12; m++)
        if (read_word(r, names[m])) {
            r->part[MONTH] = m + 1;
            return true;
        }
    return false;
}

static bool read_am_pm(struct reader *r)
{
    r->part[PM] = read_word(r, "PM");
    return r->part[PM] || read_word(r, "AM");
}

/* Digits of a fraction of a second; what is finer than a millisecond is cut. */
static bool read_fraction(struct reader *r, int most)
{
    int n = 0, ms = 0;
    for (; n < most && r->at < r->end && scan_is_digit(*r->at); n++, r->at++)
        if (n < 3)
            ms = ms * 10 + (*r->at - '0');
    for (int i = n; i < 3; i++)
        ms *= 10;
    r->part[FRACTION] = ms;
    return n > 0;
}

static bool read_nine_digits(struct reader *r)
{
    return read_fraction(r, 9);
}

/* +hh:mm, +hhmm, +hh or Z. */
static bool read_offset(struct reader *r)
{
    int hours, minutes = 0;
    if (read_word(r, "Z"))
        return true;
    bool west = read_char(r, '-');
    if (!west && !read_char(r, '+'))
        return false;
    if (!read_digits(r, 2, 2, &hours))
        return false;
    bool colon = read_char(r, ':');
    if ((colon || (r->at < r->end && scan_is_digit(*r->at))) && !read_digits(r, 2, 2, &minutes))
        return false;
    r->part[ZONE] = (hours * 3600 + minutes * 60) * (west ? -1 : 1);
    return hours < 24 && minutes < 60;
}

static bool read_utc_name(struct reader *r)
{
    return read_word(r, "UTC") || read_word(r, "GMT") || read_word(r, "Z");
}

struct directive {
    enum part part;
    int least_digits, most_digits, min, max;
    bool (*read)(struct reader *); /* instead of plain digits */
    const char *expands;           /* stands for other directives */
};

static const struct directive directives[128] = {
    ['Y'] = {YEAR, 4, 4, 1970, 9999, NULL, NULL},
    ['y'] = {.part = YEAR, .read = read_short_year},
    ['m'] = {MONTH, 1, 2, 1, 12, NULL, NULL},
    ['b'] = {.part = MONTH, .read = read_month_name},
    ['d'] = {DAY, 1, 2, 1, 31, NULL, NULL},
    ['e'] = {.part = DAY, .read = read_padded_day},
    ['j'] = {YDAY, 1, 3, 1, 366, NULL, NULL},
    ['H'] = {HOUR, 1, 2, 0, 23, NULL, NULL},
    ['I'] = {HOUR12, 1, 2, 1, 12, NULL, NULL},
    ['p'] = {.part = PM, .read = read_am_pm},
    ['M'] = {MINUTE, 1, 2, 0, 59, NULL, NULL},
    ['S'] = {SECOND, 1, 2, 0, 59, NULL, NULL},
    ['f'] = {.part = FRACTION, .read = read_nine_digits},
    ['z'] = {.part = ZONE, .read = read_offset},
    ['Z'] = {.part = ZONE, .read = read_utc_name},
    ['F'] = {.expands = "%Y-%m-%d"},
    ['T'] = {.expands = "%H:%M:%S"},
};

static const struct directive *find_directive(char c)
{
    const struct directive *d = (unsigned char)c < 128 ? &directives[(unsigned char)c] : NULL;
    return d && (d->read || d->most_digits || d->expands) ? d : NULL;
}

/* ---- compiling ---- */

struct rule {
    unsigned has, needs; /* bits of parts: all of `has` demands all of `needs` */
    const char *text;
};

#define BIT(part) (1u << (part))

static int check_whole(unsigned parts, struct err *err)
{
    static const struct rule rules[] = {
        {0, BIT(YEAR), "a year (%Y or %y)"},
        {BIT(MONTH), BIT(DAY), "a day (%d or %e) beside the month"},
        {BIT(DAY), BIT(MONTH), "a month (%m or %b) beside the day"},
        {BIT(PM), BIT(HOUR12), "%I beside %p"},
        {BIT(HOUR12), BIT(PM), "%p beside %I"},
        {BIT(SECOND), BIT(MINUTE), "a minute (%M) beside the second"},
        {BIT(FRACTION), BIT(SECOND), "a second (%S) beside the fraction"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if ((parts & rules[i].has) == rules[i].has && (parts & rules[i].needs) != rules[i].needs)
            return err_set(err, ERR_INVALID, "time format: needs %s", rules[i].text);
    bool by_month = parts & BIT(MONTH), by_yday = parts & BIT(YDAY);
    if (by_month == by_yday)
        return err_set(err, ERR_INVALID,
                       "time format: needs either a month and day (%%m, %%d) or a day of the year (%%j)");
    bool hour = parts & BIT(HOUR), hour12 = parts & BIT(HOUR12);
    if (hour && hour12)
        return err_set(err, ERR_INVALID, "time format: has both %%H and %%I");
    if ((parts & BIT(MINUTE)) && !hour && !hour12)
        return err_set(err, ERR_INVALID, "time format: needs an hour (%%H) beside the minute");
    return 0;
}

static int add(struct time_format *f, size_t *len, const char *text, size_t n, struct err *err)
{
    if (*len + n >= sizeof f->pattern)
        return err_set(err, ERR_TOO_LARGE, "time format: longer than %zu bytes", sizeof f->pattern - 1);
    memcpy(f->pattern + *len, text, n);
    *len += n;
    f->pattern[*len] = 0;
    return 0;
}

static int note_parts(const char *text, size_t at, const char *expanded, unsigned *parts, struct err *err)
{
    for (const char *p = expanded; *p; p++) {
        if (*p != '%')
            continue;
        unsigned bit = BIT(find_directive(*++p)->part);
        if (*parts & bit)
            return err_set(err, ERR_INVALID, "time format: %%%c at byte %zu repeats what an earlier directive says",
                           text[at + 1], at + 1);
        *parts |= bit;
    }
    return 0;
}

/* One literal byte or one directive at text[*at]. */
static int compile_one(const char *text, size_t len, size_t *at, struct time_format *f, size_t *out, unsigned *parts,
                       struct err *err)
{
    char c = text[*at];
    if (c != '%') {
        if ((unsigned char)c < 0x20 || c == 0x7f)
            return err_set(err, ERR_INVALID, "time format: control character at byte %zu", *at + 1);
        return add(f, out, text + (*at)++, 1, err);
    }
    if (*at + 1 == len)
        return err_set(err, ERR_INVALID, "time format: a lone %% at byte %zu; write %%%% for a percent sign", *at + 1);
    char expanded[16] = {'%', text[*at + 1], 0};
    if (text[*at + 1] != '%') {
        const struct directive *d = find_directive(text[*at + 1]);
        if (!d)
            return err_set(
                err, ERR_INVALID,
                "time format: unknown directive at byte %zu; known are %%Y %%m %%d %%H %%M %%S %%f %%z %%Z %%j "
                "%%b %%e %%p %%I %%y %%T %%F %%%%, or the words rfc3339, unix, unix_ms",
                *at + 1);
        if (d->expands)
            strcpy(expanded, d->expands);
        if (note_parts(text, *at, expanded, parts, err) < 0)
            return -1;
    }
    *at += 2;
    return add(f, out, expanded, strlen(expanded), err);
}

static bool compile_word(const char *text, size_t len, struct time_format *f)
{
    static const struct {
        const char *word;
        enum time_kind kind;
    } words[] = {{"rfc3339", TIME_RFC3339}, {"unix", TIME_UNIX}, {"unix_ms", TIME_UNIX_MS}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].word) == len && memcmp(words[i].word, text, len) == 0) {
            *f = (struct time_format){.kind = words[i].kind};
            return true;
        }
    return false;
}

int time_format_compile(const char *text, size_t len, struct time_format *f, struct err *err)
{
    struct time_format made = {.kind = TIME_PATTERN};
    size_t at = 0, out = 0;
    unsigned parts = 0;
    if (compile_word(text, len, f))
        return 0;
    if (!memchr(text, '%', len))
        return err_set(
            err, ERR_INVALID,
            "time format: neither a pattern such as \"%%Y-%%m-%%d %%H:%%M:%%S UTC\" nor rfc3339, unix or unix_ms");
    while (at < len)
        if (compile_one(text, len, &at, &made, &out, &parts, err) < 0)
            return -1;
    if (check_whole(parts, err) < 0)
        return -1;
    *f = made;
    return 0;
}

/* ---- parsing ---- */

static int days_in_month(int year, int month)
{
    static const char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

/* The parts to an instant; false if the date does not exist or lies outside 1970..9999. */
static bool assemble(const struct reader *r, int64_t *ms)
{
    const int *p = r->part;
    int64_t day;
    if (p[YDAY]) {
        day = days_from_civil(p[YEAR], 1, 1) + p[YDAY] - 1;
        if (p[YDAY] == 366 && days_in_month(p[YEAR], 2) != 29)
            return false;
    } else {
        if (p[DAY] > days_in_month(p[YEAR], p[MONTH]))
            return false;
        day = days_from_civil(p[YEAR], (unsigned)p[MONTH], (unsigned)p[DAY]);
    }
    int hour = p[HOUR12] ? p[HOUR12] % 12 + (p[PM] ? 12 : 0) : p[HOUR];
    int64_t seconds = hour * 3600 + p[MINUTE] * 60 + p[SECOND] - p[ZONE];
    int64_t t = day * DAY_MS + seconds * 1000 + p[FRACTION];
    if (t < 0 || t > TIME_MAX_MS)
        return false;
    *ms = t;
    return true;
}

static bool read_directive(struct reader *r, const struct directive *d)
{
    if (d->read)
        return d->read(r);
    int *value = &r->part[d->part];
    return read_digits(r, d->least_digits, d->most_digits, value) && *value >= d->min && *value <= d->max;
}

static bool parse_pattern(const char *pattern, struct reader *r, int64_t *ms)
{
    for (const char *p = pattern; *p; p++) {
        bool literal = *p != '%' || *++p == '%';
        if (literal ? !read_char(r, *p) : !read_directive(r, &directives[(unsigned char)*p]))
            return false;
    }
    return r->at == r->end && assemble(r, ms);
}

static bool read_fixed(struct reader *r, enum part part, int digits, int min, int max, char before)
{
    if (before && !read_char(r, before))
        return false;
    return read_digits(r, digits, digits, &r->part[part]) && r->part[part] >= min && r->part[part] <= max;
}

bool time_parse_rfc3339(const char *text, size_t len, int64_t *ms)
{
    struct reader r = {.at = text, .end = text + len};
    bool date = read_fixed(&r, YEAR, 4, 0, 9999, 0) && read_fixed(&r, MONTH, 2, 1, 12, '-') &&
                read_fixed(&r, DAY, 2, 1, 31, '-');
    if (!date || !read_word(&r, "T"))
        return false;
    if (!read_fixed(&r, HOUR, 2, 0, 23, 0) || !read_fixed(&r, MINUTE, 2, 0, 59, ':') ||
        !read_fixed(&r, SECOND, 2, 0, 59, ':'))
        return false;
    if (read_char(&r, '.') && !read_fraction(&r, (int)(len < 100 ? len : 100)))
        return false;
    /* RFC 3339 knows Z and +hh:mm only */
    bool zulu = r.end - r.at == 1, offset = r.end - r.at == 6 && r.at[3] == ':';
    return (zulu || offset) && read_offset(&r) && r.at == r.end && assemble(&r, ms);
}

/* A decimal number in JSON's spelling. Its digits, and how many of them are before the point (any number, also
 * negative). */
struct decimal {
    bool negative, zero;
    char digits[32]; /* the first ones that are significant; the rest is cut */
    int count;
    int64_t point;
};

static void take_digit(struct decimal *d, char c, bool before_point)
{
    if (c != '0')
        d->zero = false;
    if (!d->count && c == '0') { /* leading zeros carry nothing but the place */
        d->point -= !before_point;
        return;
    }
    if (d->count < (int)sizeof d->digits)
        d->digits[d->count++] = c;
    d->point += before_point;
}

static bool read_exponent(struct reader *r, struct decimal *d)
{
    bool negative = read_char(r, '-');
    if (!negative)
        (void)read_char(r, '+');
    const char *start = r->at;
    int64_t exponent = 0;
    for (; r->at < r->end && scan_is_digit(*r->at); r->at++)
        if (exponent < 100000000)
            exponent = exponent * 10 + (*r->at - '0');
    d->point += negative ? -exponent : exponent;
    return r->at > start;
}

static bool read_decimal(struct reader *r, struct decimal *d)
{
    *d = (struct decimal){.zero = true};
    d->negative = read_char(r, '-');
    const char *start = r->at;
    for (; r->at < r->end && scan_is_digit(*r->at); r->at++)
        take_digit(d, *r->at, true);
    if (r->at == start)
        return false;
    if (read_char(r, '.')) {
        start = r->at;
        for (; r->at < r->end && scan_is_digit(*r->at); r->at++)
            take_digit(d, *r->at, false);
        if (r->at == start)
            return false;
    }
    bool exponent = r->at < r->end && (*r->at == 'e' || *r->at == 'E');
    if (exponent) {
        r->at++;
        if (!read_exponent(r, d))
            return false;
    }
    return r->at == r->end;
}

/* The number times 10^shift, cut to an integer: an instant in ms. */
static bool parse_unix(const char *text, size_t len, int shift, int64_t *ms)
{
    struct reader r = {.at = text, .end = text + len};
    struct decimal d;
    if (!read_decimal(&r, &d) || (d.negative && !d.zero))
        return false;
    int64_t places = d.zero ? 0 : d.point + shift, t = 0;
    if (places > 15)
        return false;
    for (int64_t i = 0; i < places; i++)
        t = t * 10 + (i < d.count ? d.digits[i] - '0' : 0);
    if (t > TIME_MAX_MS)
        return false;
    *ms = t;
    return true;
}

bool time_format_parse(const struct time_format *f, const char *text, size_t len, int64_t *ms)
{
    struct reader r = {.at = text, .end = text + len, .part = {[MONTH] = 1, [DAY] = 1}};
    switch (f->kind) {
    case TIME_PATTERN:
        return parse_pattern(f->pattern, &r, ms);
    case TIME_RFC3339:
        return time_parse_rfc3339(text, len, ms);
    case TIME_UNIX:
        return parse_unix(text, len, 3, ms);
    case TIME_UNIX_MS:
        return parse_unix(text, len, 0, ms);
    }
    return false;
}

static void put_digits(char *out, int digits, unsigned value)
{
    while (digits--) {
        out[digits] = (char)('0' + value % 10);
        value /= 10;
    }
}

size_t time_rfc3339(int64_t ms, char out[32])
{
    int64_t year;
    unsigned month, day, in_day = (unsigned)(ms % DAY_MS), seconds = in_day / 1000;
    civil_from_days(ms / DAY_MS, &year, &month, &day);
    memcpy(out, "0000-00-00T00:00:00.000Z", 25);
    put_digits(out, 4, (unsigned)year);
    put_digits(out + 5, 2, month);
    put_digits(out + 8, 2, day);
    put_digits(out + 11, 2, seconds / 3600);
    put_digits(out + 14, 2, seconds / 60 % 60);
    put_digits(out + 17, 2, seconds % 60);
    if (in_day % 1000 == 0) {
        out[19] = 'Z';
        out[20] = 0;
        return 20;
    }
    put_digits(out + 20, 3, in_day % 1000);
    return 24;
}
