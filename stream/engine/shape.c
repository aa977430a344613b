#include "stream/engine/shape.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/scan.h"

#include <string.h>

#define WORD         64 /* bytes that have their bits in one word */
#define WORDS        (2 * SHAPE_TEXT_MAX / WORD + 1)
#define FRESH        64 /* after so many reads the last object's text and values are those to compare with */
#define WORTH        64 /* reads: learning cost less than they saved */
#define PATIENCE_MAX 256

enum spot_way {
    SPOT_FEW,    /* digits: with a point up to 7, else up to 8 */
    SPOT_MANY,   /* up to 16, without a point */
    SPOT_NUMBER, /* any other */
    SPOT_TEXT,
    SPOT_TIME
};

/* A value that may change: the digits of a number, its sign and point stay; what is between the quotes of a string. */
struct spot {
    uint16_t at, len; /* in the object */
    uint16_t load;    /* from here on so many bytes as are looked at together: they are all within the object */
    uint8_t way, word;
    enum hole_kind kind;
    uint32_t slot;
    uint64_t low, high; /* of the eight bytes up to its end: digits that stay in place, and those before a point;
                           SPOT_MANY:   high is of the eight bytes before. SPOT_TEXT: low is of 16 bits */
    uint64_t least;     /* a number with fewer digits would begin with a zero */
    uint64_t loose;     /* bits in its word of what may change */
    int64_t sign;       /* -1: of a negative one, else 0 */
    double scale;       /* by which the digits' value is divided; negative as it is */
};

struct string { /* a field that is one: where its text is in the object */
    uint32_t slot, at;
};

/* The text is cut into words, which may overlap, such that each spot is within one. */
struct shape {
    uint32_t len, word_count, spot_count, string_count;
    uint32_t seconds, time_spot; /* where the time's seconds are; 0: not known */
    uint64_t hits;
    int64_t time;              /* of the object; with 0 seconds, if it is known where they are */
    uint16_t from[WORDS];      /* in the text */
    uint64_t fixed[WORDS];     /* bits of what must stay as it is */
    char text[SHAPE_TEXT_MAX]; /* of the object */
    struct spot spots[SHAPE_VALUES];
    struct string strings[SHAPE_VALUES];
    struct value values[]; /* of all fields */
};

void shapes_free(struct shapes *m)
{
    for (uint32_t i = 0; i < m->count; i++)
        mem_free(m->at[i]);
    *m = (struct shapes){0};
}

/* ---- learning ---- */

bool shapes_want(struct shapes *m, size_t len, uint32_t count)
{
    return len >= SCAN_SAME && len <= SHAPE_TEXT_MAX && count <= SHAPE_VALUES && m->misses++ >= m->patience;
}

/* The next is learnt over the one that was of the least use. */
static struct shape *place(struct shapes *m, const struct app *app)
{
    struct shape *p;
    m->misses = 0;
    if (m->count < SHAPES) {
        p = m->at[m->count++] = mem_alloc(sizeof *p + app->field_count * sizeof *p->values);
    } else {
        uint32_t least = 0;
        for (uint32_t i = 1; i < SHAPES; i++)
            if (m->at[i]->hits <= m->at[least]->hits)
                least = i;
        p = m->at[least];
        m->at[least] = m->at[SHAPES - 1];
        m->at[SHAPES - 1] = p;
        m->patience = p->hits >= WORTH                     ? m->patience / 2
                      : m->patience * 2 + 8 < PATIENCE_MAX ? m->patience * 2 + 8
                                                           : PATIENCE_MAX;
        for (uint32_t i = 0; i < SHAPES; i++)
            m->at[i]->hits /= 2;
    }
    memset(p, 0, sizeof *p);
    return p;
}

static inline uint64_t top_bytes(unsigned n) /* n: up to 8 */
{
    return n ? UINT64_MAX << (64 - 8 * n) : 0;
}

/* Digits that fill whole + behind places, the latter behind a point. */
static void few_digits(struct spot *t, unsigned whole, unsigned behind)
{
    t->way = SPOT_FEW;
    t->low = behind ? top_bytes(behind) : top_bytes(whole);
    t->high = behind ? top_bytes(whole + behind) & ~t->low : 0;
    t->scale = t->sign ? -(double)scan_ten_to(behind) : (double)scan_ten_to(behind);
}

static void many_digits(struct spot *t, unsigned count)
{
    t->way = SPOT_MANY;
    t->low = UINT64_MAX;
    t->high = top_bytes(count - 8);
    t->scale = t->sign ? -1 : 1;
}

static unsigned count_digits(const char *s, const char *end)
{
    unsigned n = 0;
    while (s + n < end && scan_is_digit(s[n]))
        n++;
    return n;
}

static void number_spot(struct spot *t, const char *text)
{
    const char *s = text + t->at, *end = s + t->len;
    t->sign = *s == '-' ? -1 : 0;
    s -= t->sign;
    unsigned whole = count_digits(s, end), behind = s + whole < end ? count_digits(s + whole + 1, end) : 0;
    unsigned places = whole + (behind ? behind + 1 : 0), until = (unsigned)t->at + t->len;
    bool plain = s + places == end && (!behind || s[whole] == '.');
    t->way = SPOT_NUMBER;
    t->load = (uint16_t)(until - 8);
    if (plain && places <= 8 && until >= 8)
        few_digits(t, whole, behind);
    else if (plain && !behind && places <= 15 && until >= 16)
        many_digits(t, places);
    t->least = whole > 1 && t->way != SPOT_NUMBER ? scan_ten_to(whole + behind - 1) : 0;
}

static void text_spot(const struct shape *p, struct spot *t)
{
    t->way = t->kind == HOLE_TIME_TEXT ? SPOT_TIME : SPOT_TEXT;
    t->at++; /* the quotes are fixed */
    t->len -= 2;
    t->load = t->at + 0U + SCAN_SPECIAL <= p->len ? t->at : (uint16_t)(p->len - SCAN_SPECIAL);
    t->low = t->len < SCAN_SPECIAL ? ((1U << t->len) - 1) << (t->at - t->load) : 0;
}

/* What has no spot is fixed: true, false, null, and long texts. */
static void add_spot(struct shape *p, const struct shape_value *v, uint16_t at)
{
    const bool text = *v->token == '"', number = *v->token == '-' || scan_is_digit(*v->token);
    struct spot *t = &p->spots[p->spot_count];
    if (v->kind == HOLE_STRING)
        p->strings[p->string_count++] = (struct string){v->slot, at + 1};
    if ((!text && !number) || v->len > WORD)
        return;
    *t = (struct spot){.at = at, .len = (uint16_t)v->len, .slot = v->slot, .kind = v->kind};
    if (text)
        text_spot(p, t);
    else
        number_spot(t, p->text);
    p->spot_count++;
}

/* Bits of what may change of a spot, in the word at `from`. */
static uint64_t loose_bits(const struct shape *p, const struct spot *t, uint32_t from)
{
    uint64_t bits = 0;
    for (uint32_t i = t->at; i < t->at + 0U + t->len; i++)
        if (i >= from && i < from + WORD && (t->way > SPOT_NUMBER || scan_is_digit(p->text[i])))
            bits |= UINT64_C(1) << (i - from);
    return bits;
}

/* The next word: from `at` on, or as near to the end as it must be. Returns where the one behind it is to begin: at a
 * spot that this one cuts. */
static uint32_t add_word(struct shape *p, uint32_t at)
{
    const uint32_t from = p->len < WORD ? 0 : at < p->len - WORD ? at : p->len - WORD;
    const uint32_t end = p->len < WORD ? p->len : from + WORD, w = p->word_count++;
    uint32_t next = end;
    p->from[w] = (uint16_t)from;
    p->fixed[w] = UINT64_MAX >> (WORD - (end - from));
    for (struct spot *t = p->spots, *last = t + p->spot_count; t < last; t++) {
        const uint64_t bits = loose_bits(p, t, from);
        p->fixed[w] &= ~bits;
        if (t->at >= from && t->at + 0U + t->len <= end) {
            t->word = (uint8_t)w;
            t->loose = t->way == SPOT_TIME && p->seconds ? bits & ~(UINT64_C(3) << (p->seconds - from)) : bits;
        } else if (bits && t->at >= from) {
            next = t->at;
        }
    }
    return next;
}

/* Two digits for the seconds, if the time has such: they are read each time, and no part of the spot. */
static void learn_time(struct shape *p, const struct time_memory *times, int64_t time)
{
    uint32_t seconds;
    p->time = time;
    for (uint32_t i = 0; i < p->spot_count; i++) {
        const struct spot *t = &p->spots[i];
        if (t->way != SPOT_TIME || !time_memory_seconds(times, p->text + t->at, t->len, &seconds, &p->time))
            continue;
        p->time_spot = i;
        p->seconds = t->at + seconds;
    }
}

void shapes_learn(struct shapes *m, const struct app *app, const char *object, size_t len,
                  const struct shape_value *values, uint32_t count, const struct value *slots, int64_t time)
{
    struct shape *p = place(m, app);
    p->len = (uint32_t)len;
    memcpy(p->text, object, len);
    memcpy(p->values, slots, app->field_count * sizeof *slots);
    for (uint32_t i = 0; i < count; i++)
        add_spot(p, &values[i], (uint16_t)(values[i].token - object));
    learn_time(p, &m->times, time);
    for (uint32_t at = 0; at < len;)
        at = add_word(p, at);
}

/* ---- values ---- */

static inline bool give_number(const struct spot *t, uint64_t n, struct value *slots, int64_t *time)
{
    const int64_t i = ((int64_t)n ^ t->sign) - t->sign;
    switch (t->kind) {
    case HOLE_INT:
        slots[t->slot].i = i;
        return true;
    case HOLE_FLOAT:
        slots[t->slot].f = (double)(int64_t)n / t->scale;
        return true;
    case HOLE_TIME_MS:
        *time = i;
        return i >= 0 && i <= TIME_MAX_MS;
    case HOLE_TIME_S:
        *time = i * 1000;
        return i >= 0 && i <= TIME_MAX_MS / 1000;
    default:
        return true;
    }
}

static inline bool read_few(const struct spot *t, const char *object, struct value *slots, int64_t *time)
{
    uint64_t w = scan_first_low(object + t->load) ^ SCAN_ZEROS;
    w = (w & t->low) | (w << 8 & t->high);
    uint64_t n = scan_eight_value(w);
    return scan_eight_digits(w) && n >= t->least && give_number(t, n, slots, time);
}

static inline bool read_many(const struct spot *t, const char *object, struct value *slots, int64_t *time)
{
    uint64_t low = scan_first_low(object + t->load) ^ SCAN_ZEROS,
             high = (scan_first_low(object + t->load - 8) ^ SCAN_ZEROS) & t->high;
    uint64_t n = scan_eight_value(high) * scan_ten_to(8) + scan_eight_value(low);
    return scan_eight_digits(low) && scan_eight_digits(high) && n >= t->least && give_number(t, n, slots, time);
}

static __attribute__((noinline)) bool read_number(const struct spot *t, const char *s, struct value *slots,
                                                  int64_t *time)
{
    const char *end = s + t->len, *from;
    struct json j = json_begin(s, t->len);
    int64_t i = 0;
    switch (t->kind) {
    case HOLE_SKIP:
        return json_skip(&j, &from) && j.at == end;
    case HOLE_FLOAT:
        return scan_float(s, end, &slots[t->slot].f) == end;
    default:
        return scan_int(s, end, &i) == end && give_number(t, (uint64_t)((i ^ t->sign) - t->sign), slots, time);
    }
}

static inline bool is_plain(const struct spot *t, const char *object)
{
    const char *s = object + t->at, *last = s + t->len - SCAN_SPECIAL;
    if (t->len < SCAN_SPECIAL)
        return !(scan_special_bits(object + t->load) & t->low);
    for (; s < last; s += SCAN_SPECIAL)
        if (scan_special_bits(s))
            return false;
    return !scan_special_bits(last);
}

static inline bool read_spot(const struct spot *t, struct time_memory *times, const struct app *app, const char *object,
                             struct value *slots, int64_t *time)
{
    const char *s = object + t->at;
    switch ((enum spot_way)t->way) {
    case SPOT_FEW:
        return read_few(t, object, slots, time);
    case SPOT_MANY:
        return read_many(t, object, slots, time);
    case SPOT_NUMBER:
        return read_number(t, s, slots, time);
    case SPOT_TEXT:
        return is_plain(t, object);
    case SPOT_TIME: /* what is remembered was plain */
        return time_memory_begins(times, s, t->len, time) == t->len ||
               (is_plain(t, object) && time_memory_parse(times, &app->time.format, s, t->len, time));
    }
    return false;
}

/* ---- the object ---- */

/* Which of the bytes are the same: bit i for the one at i. */
static inline uint64_t same_word(const char *a, const char *b)
{
    return (uint64_t)scan_same_bits(a, b) | (uint64_t)scan_same_bits(a + 16, b + 16) << 16 |
           (uint64_t)scan_same_bits(a + 32, b + 32) << 32 | (uint64_t)scan_same_bits(a + 48, b + 48) << 48;
}

/* The same of a text with fewer bytes. Its last ones are compared together with some before them, as nothing is behind
 * them. */
static uint64_t same_short(const char *a, const char *b, uint32_t len)
{
    uint64_t same = 0;
    for (uint32_t at = 0; at + SCAN_SAME <= len; at += SCAN_SAME)
        same |= (uint64_t)scan_same_bits(a + at, b + at) << at;
    return same | (uint64_t)scan_same_bits(a + len - SCAN_SAME, b + len - SCAN_SAME) << (len - SCAN_SAME);
}

/* Is all fixed text what it was? Then also which bytes have changed. */
static inline bool same_fixed(const struct shape *p, const char *s, uint64_t *changed)
{
    if (p->len < WORD) {
        *changed = ~same_short(s, p->text, p->len);
        return !(*changed & *p->fixed);
    }
    for (uint32_t w = 0; w < p->word_count; w++) {
        changed[w] = ~same_word(s + p->from[w], p->text + p->from[w]);
        if (changed[w] & p->fixed[w])
            return false;
    }
    return true;
}

static inline bool read_seconds(const char *two, int64_t *time)
{
    const unsigned tens = (unsigned char)(two[0] - '0'), ones = (unsigned char)(two[1] - '0');
    *time += (tens * 10 + ones) * 1000;
    return (tens < 6) & (ones < 10);
}

static inline bool read_shape(const struct shape *p, struct time_memory *times, const struct app *app, const char *s,
                              struct value *slots, int64_t *time)
{
    uint64_t changed[WORDS];
    int64_t t = p->time;
    if (!same_fixed(p, s, changed) || (p->seconds && !read_seconds(s + p->seconds, &t)))
        return false;
    memcpy(slots, p->values, app->field_count * sizeof *slots);
    for (uint32_t i = 0; i < p->string_count; i++) {
        slots[p->strings[i].slot].s = s + p->strings[i].at;
    }
    for (const struct spot *spot = p->spots, *last = spot + p->spot_count; spot < last; spot++)
        if (changed[spot->word] & spot->loose && !read_spot(spot, times, app, s, slots, &t))
            return false;
    *time = t;
    return true;
}

/* Values that stay for a while, such as minutes, are found unchanged. */
static void refresh(struct shape *p, const struct time_memory *times, const struct app *app, const char *s,
                    const struct value *slots, int64_t time)
{
    const struct spot *t = &p->spots[p->time_spot];
    uint32_t seconds;
    if (p->seconds &&
        (!time_memory_seconds(times, s + t->at, t->len, &seconds, &time) || t->at + seconds != p->seconds))
        return;
    memcpy(p->text, s, p->len);
    memcpy(p->values, slots, app->field_count * sizeof *slots);
    p->time = time;
}

const char *shapes_read(struct shapes *m, const struct app *app, const char *s, const char *end, struct value *slots,
                        int64_t *time)
{
    const size_t left = (size_t)(end - s);
    for (uint32_t i = 0; i < m->count; i++) {
        struct shape *p = m->at[i];
        if (p->len > left || s[p->len - 1] != '}' || !read_shape(p, &m->times, app, s, slots, time))
            continue;
        if (++p->hits % FRESH == 0)
            refresh(p, &m->times, app, s, slots, *time);
        if (i && p->hits > m->at[i - 1]->hits) {
            m->at[i] = m->at[i - 1];
            m->at[i - 1] = p;
        }
        return s + p->len;
    }
    return NULL;
}
