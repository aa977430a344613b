#include "stream/engine/layout.h"

#include "base/mem.h"
#include "base/scan.h"

#include <stdlib.h>
#include <string.h>

#define PATIENCE_MAX 1024

void layouts_free(struct layouts *l)
{
    for (uint32_t i = 0; i < LAYOUTS; i++) {
        buf_free(&l->at[i].text);
        free(l->at[i].missing);
    }
    shapes_free(&l->shapes);
    *l = (struct layouts){0};
}

/* ---- learning ---- */

struct walk {                     /* over a valid object */
    const char *at, *end, *fixed; /* fixed: where the text before the next hole begins */
    char open[LAYOUT_DEPTH_MAX];
    unsigned depth;
    bool name; /* a string here would be a member's name */
};

static const char *behind_string(const char *s)
{
    for (s++; *s != '"'; s++)
        s += *s == '\\';
    return s + 1;
}

static const char *behind_scalar(const char *s, const char *end)
{
    if (*s == '"')
        return behind_string(s);
    while (s < end && *s != ',' && *s != '}' && *s != ']' && *s != ' ' && *s != '\n' && *s != '\r' && *s != '\t')
        s++;
    return s;
}

static bool enter(struct walk *w)
{
    if (w->depth == LAYOUT_DEPTH_MAX)
        return false;
    w->open[w->depth++] = *w->at;
    w->name = *w->at++ == '{';
    return true;
}

/* Moves over fixed text to the next value that is no object or array; false at the object's end, or if it is too deep.
 */
static bool next_scalar(struct walk *w, bool *too_deep)
{
    for (*too_deep = false; w->at < w->end;) {
        switch (*w->at) {
        case '{':
        case '[':
            *too_deep = !enter(w);
            if (*too_deep)
                return false;
            break;
        case '}':
        case ']':
            w->depth--;
            w->at++;
            break;
        case ',':
            w->name = w->open[w->depth - 1] == '{';
            w->at++;
            break;
        case ':':
            w->name = false;
            w->at++;
            break;
        case ' ':
        case '\n':
        case '\r':
        case '\t':
            w->at++;
            break;
        default:
            if (!w->name)
                return true;
            w->at = behind_string(w->at);
        }
    }
    return false;
}

static enum hole_kind time_kind(const struct app *app)
{
    switch (app->time.format.kind) {
    case TIME_UNIX:
        return HOLE_TIME_S;
    case TIME_UNIX_MS:
        return HOLE_TIME_MS;
    default:
        return HOLE_TIME_TEXT;
    }
}

static enum hole_kind field_kind(enum value_type type)
{
    switch (type) {
    case VALUE_INT:
        return HOLE_INT;
    case VALUE_FLOAT:
        return HOLE_FLOAT;
    case VALUE_BOOL:
        return HOLE_BOOL;
    default:
        return HOLE_STRING;
    }
}

/* false: one value is taken twice. */
static bool hole_at(const struct app *app, const char *token, const struct layout_target *targets, size_t count,
                    struct hole *h)
{
    h->kind = HOLE_SKIP;
    for (size_t i = 0; i < count; i++) {
        if (targets[i].token != token)
            continue;
        if (h->kind != HOLE_SKIP)
            return false;
        h->slot = targets[i].slot;
        if (*token == 'n')
            h->kind = HOLE_NULL;
        else
            h->kind = h->slot == LAYOUT_TIME ? time_kind(app) : field_kind(app->fields[h->slot].type);
    }
    return true;
}

static struct hole hole_behind(uint32_t lead)
{
    return (struct hole){.lead = lead,
                         .lead_bits = lead < 16 ? (1U << lead) - 1 : 0xFFFF,
                         .room = (lead < 16 ? 16 : lead) + SCAN_NUMBER};
}

static bool learn_holes(struct layout *l, const struct app *app, struct walk *w, const struct layout_target *targets,
                        size_t count)
{
    bool too_deep;
    while (next_scalar(w, &too_deep)) {
        if (l->hole_count == LAYOUT_HOLES_MAX)
            return false;
        struct hole *h = &l->holes[l->hole_count++];
        *h = hole_behind((uint32_t)(w->at - w->fixed));
        if (!hole_at(app, w->at, targets, count, h))
            return false;
        buf_add(&l->text, w->fixed, h->lead);
        w->fixed = w->at = behind_scalar(w->at, w->end);
    }
    l->tail = (uint32_t)(w->end - w->fixed);
    buf_add(&l->text, w->fixed, l->tail);
    memset(buf_reserve(&l->text, SCAN_SAME), 0, SCAN_SAME); /* a lead may be compared beyond its end */
    return !too_deep && l->text.len <= LAYOUT_TEXT_MAX;
}

static void learn_missing(struct layout *l, const struct app *app, const struct layout_target *targets, size_t count)
{
    l->missing = mem_resize(l->missing, app->field_count, sizeof *l->missing);
    l->missing_count = 0;
    for (uint32_t f = 0; f < app->field_count; f++) {
        size_t i = 0;
        while (i < count && (targets[i].slot != f || *targets[i].token == 'n'))
            i++;
        if (i == count)
            l->missing[l->missing_count++] = f;
    }
}

static bool same_layout(const struct layout *a, const struct layout *b)
{
    if (a->text.len != b->text.len || a->hole_count != b->hole_count ||
        memcmp(a->text.data, b->text.data, a->text.len) != 0)
        return false;
    for (uint32_t i = 0; i < a->hole_count; i++)
        if (a->holes[i].lead != b->holes[i].lead || a->holes[i].kind != b->holes[i].kind)
            return false;
    return true;
}

/* Then it was the values that were not plain: what was learnt is of no use. */
static bool known(const struct layouts *l, const struct layout *n)
{
    for (uint32_t i = 0; i < l->count; i++)
        if (&l->at[i] != n && same_layout(&l->at[i], n))
            return true;
    return false;
}

static void forget(struct layout *l) /* it fits nothing: no object begins with an empty text */
{
    buf_clear(&l->text);
    l->hole_count = l->tail = 0;
    l->hits = 0;
}

/* The next is learnt over the one that was of the least use. */
static struct layout *place(struct layouts *l)
{
    if (l->count < LAYOUTS)
        return &l->at[l->count++];
    uint32_t least = 0;
    for (uint32_t i = 1; i < LAYOUTS; i++)
        if (l->at[i].hits < l->at[least].hits)
            least = i;
    for (uint32_t i = 0; i < LAYOUTS; i++)
        l->at[i].hits /= 2;
    return &l->at[least];
}

void layouts_learn(struct layouts *l, const struct app *app, const char *object, size_t len,
                   const struct layout_target *targets, size_t count)
{
    if (l->misses++ < l->patience)
        return;
    struct layout *n = place(l);
    struct walk w = {.at = object, .end = object + len, .fixed = object};
    forget(n);
    l->misses = 0;
    if (learn_holes(n, app, &w, targets, count) && !known(l, n)) {
        learn_missing(n, app, targets, count);
        l->patience = l->patience / 2;
        return;
    }
    forget(n);
    l->patience = l->patience * 2 + 8 < PATIENCE_MAX ? l->patience * 2 + 8 : PATIENCE_MAX;
}

/* ---- values ---- */

static inline const char *read_bool(const char *s, const char *end, bool *b)
{
    if (end - s < 5) /* the object's end is behind it */
        return NULL;
    *b = memcmp(s, "true", 4) == 0;
    if (*b)
        return s + 4;
    return end - s > 5 && memcmp(s, "false", 5) == 0 ? s + 5 : NULL;
}

/* A string without escapes in plain ASCII. */
static inline const char *read_plain(const char *s, const char *end, const char **text, size_t *len)
{
    if (*s != '"')
        return NULL;
    const char *close = scan_plain(s + 1, end);
    if (close == end || *close != '"')
        return NULL;
    *text = s + 1;
    *len = (size_t)(close - *text);
    return close + 1;
}

/* Escapes, text beyond ASCII, fractions, exponents, true, false, null. */
static __attribute__((noinline)) const char *skip_checked(const char *s, const char *end)
{
    struct json j = json_begin(s, (size_t)(end - s));
    const char *from;
    if (*s == '{' || *s == '[')
        return NULL; /* the layout is another one */
    return json_skip(&j, &from) ? j.at : NULL;
}

static inline bool goes_on(const char *behind_int)
{
    return *behind_int == '.' || (*behind_int | 0x20) == 'e';
}

static inline const char *read_any(const char *s, const char *end)
{
    const char *text, *behind;
    size_t len;
    int64_t number;
    behind = *s == '"' ? read_plain(s, end, &text, &len) : scan_int(s, end, &number);
    return behind && (behind == end || !goes_on(behind)) ? behind : skip_checked(s, end);
}

/* A number must end where it ends: 1x is no value of a valid object, and what follows is compared anyway. */
static __attribute__((noinline)) const char *read_hole(const struct hole *h, struct layouts *l, const struct app *app,
                                                       const char *s, const char *end, struct value *slots,
                                                       int64_t *time)
{
    struct value *v = &slots[h->slot];
    const char *text, *behind;
    size_t len;
    switch (h->kind) {
    case HOLE_NULL:
        return end - s > 4 && memcmp(s, "null", 4) == 0 ? s + 4 : NULL;
    case HOLE_INT:
        v->type = VALUE_INT;
        return scan_int(s, end, &v->i);
    case HOLE_FLOAT:
        v->type = VALUE_FLOAT;
        return scan_float(s, end, &v->f);
    case HOLE_BOOL:
        v->type = VALUE_BOOL;
        return read_bool(s, end, &v->b);
    case HOLE_STRING:
        if (!(behind = read_plain(s, end, &text, &len)))
            return NULL;
        *v = (struct value){.type = VALUE_STRING, .s = text, .len = (uint32_t)len};
        return behind;
    case HOLE_TIME_TEXT:
        if (!(behind = read_plain(s, end, &text, &len)) ||
            !time_memory_parse(&l->shapes.times, &app->time.format, text, len, time))
            return NULL;
        return behind;
    case HOLE_TIME_MS:
        behind = scan_int(s, end, time);
        return behind && *time >= 0 && *time <= TIME_MAX_MS ? behind : NULL;
    case HOLE_TIME_S:
        behind = scan_int(s, end, time);
        if (!behind || *time < 0 || *time > TIME_MAX_MS / 1000)
            return NULL;
        *time *= 1000;
        return behind;
    case HOLE_SKIP:
        break;
    }
    return read_any(s, end);
}

/* As read_hole of a value that has SCAN_NUMBER bytes, where no look at the end is needed; what it does not know is left
 * to that. */
static inline const char *read_roomy(const struct hole *h, struct layouts *l, const struct app *app, const char *s,
                                     const char *end, struct value *slots, int64_t *time)
{
    struct value *v = &slots[h->slot];
    const char *behind = NULL, *text;
    size_t len;
    int64_t number;
    switch (h->kind) {
    case HOLE_INT:
        v->type = VALUE_INT;
        behind = scan_int_within(s, &v->i);
        break;
    case HOLE_FLOAT:
        v->type = VALUE_FLOAT;
        behind = scan_float_within(s, &v->f);
        break;
    case HOLE_BOOL:
        v->type = VALUE_BOOL;
        v->b = memcmp(s, "true", 4) == 0;
        behind = v->b ? s + 4 : memcmp(s, "false", 5) == 0 ? s + 5 : NULL;
        break;
    case HOLE_TIME_TEXT:
        len = *s == '"' ? time_memory_begins(&l->shapes.times, s + 1, (size_t)(end - s) - 1, time) : 0;
        if (len && end - s > (ptrdiff_t)len + 2 && s[len + 1] == '"') /* plain, as the one remembered was */
            behind = s + len + 2;
        break;
    case HOLE_SKIP:
        if (*s == '"')
            behind = read_plain(s, end, &text, &len);
        else if ((behind = scan_int_within(s, &number)) && goes_on(behind))
            behind = NULL;
        break;
    default:
        break;
    }
    return behind ? behind : read_hole(h, l, app, s, end, slots, time);
}

/* ---- the object ---- */

static const char *read_layout(const struct layout *n, struct layouts *l, const struct app *app, const char *s,
                               const char *end, struct value *slots, int64_t *time)
{
    const char *text = n->text.data;
    for (const struct hole *h = n->holes, *last = h + n->hole_count; h < last; h++) {
        size_t left = (size_t)(end - s);
        if (left >= h->room) {
            if (~scan_same_bits(s, text) & h->lead_bits ||
                (h->lead > 16 && !scan_same(s + 16, text + 16, h->lead - 16)))
                return NULL;
            s = read_roomy(h, l, app, s + h->lead, end, slots, time);
        } else {
            if (left <= h->lead || !scan_same(s, text, h->lead))
                return NULL;
            s = read_hole(h, l, app, s + h->lead, end, slots, time);
        }
        text += h->lead;
        if (!s)
            return NULL;
        l->ends[h - n->holes] = s;
    }
    return (size_t)(end - s) >= n->tail && scan_same(s, text, n->tail) ? s + n->tail : NULL;
}

static void fill_missing(const struct layout *n, const struct app *app, struct value *slots)
{
    for (uint32_t i = 0; i < n->missing_count; i++) {
        const struct app_field *f = &app->fields[n->missing[i]];
        slots[n->missing[i]] = f->has_default ? f->default_value : (struct value){.type = VALUE_NULL};
    }
}

static inline struct layout *nth(struct layouts *l, uint32_t i)
{
    return &l->at[(l->last + i) % l->count];
}

static void fits(struct layouts *l, struct layout *n, const struct app *app, struct value *slots)
{
    fill_missing(n, app, slots);
    n->hits++;
    l->last = (uint32_t)(n - l->at);
}

/* The object at s was read: the next may have values as long as its. */
static void learn_shape(struct layouts *l, const struct layout *n, const struct app *app, const char *s, size_t len,
                        const struct value *slots, int64_t time)
{
    struct shape_value values[SHAPE_VALUES];
    const char *at = s;
    if (!shapes_want(&l->shapes, len, n->hole_count))
        return;
    for (uint32_t i = 0; i < n->hole_count; i++) {
        const struct hole *h = &n->holes[i];
        const char *token = at + h->lead;
        at = l->ends[i];
        values[i] = (struct shape_value){token, (uint32_t)(at - token), h->slot, h->kind};
    }
    shapes_learn(&l->shapes, app, s, len, values, n->hole_count, slots, time);
}

static __attribute__((noinline)) const char *read_by_layout(struct layouts *l, const struct app *app, const char *s,
                                                            const char *end, struct value *slots, int64_t *time)
{
    for (uint32_t i = 0; i < l->count; i++) {
        struct layout *n = nth(l, i);
        const char *behind = n->text.len ? read_layout(n, l, app, s, end, slots, time) : NULL;
        if (!behind)
            continue;
        fits(l, n, app, slots);
        learn_shape(l, n, app, s, (size_t)(behind - s), slots, *time);
        return behind;
    }
    return NULL;
}

bool layouts_read(struct layouts *l, const struct app *app, struct json *j, struct value *slots, int64_t *time)
{
    const char *s = j->at, *behind;
    if (!s)
        return false;
    behind = shapes_read(&l->shapes, app, s, j->end, slots, time);
    if (!behind)
        behind = read_by_layout(l, app, s, j->end, slots, time);
    if (behind)
        j->at = behind;
    return behind;
}

/* ---- the object that a row is ---- */

/* As read_hole of what the cell is in JSON; false: so it says, or the cell is not plain. */
static inline bool read_cell(const struct hole *h, enum value_type type, struct layouts *l, const struct app *app,
                             const struct csv_cell *c, struct value *slots, int64_t *time)
{
    const bool number = type == VALUE_INT || type == VALUE_FLOAT;
    struct value *v = &slots[h->slot];
    switch (h->kind) {
    case HOLE_NULL:
        return !c->len;
    case HOLE_INT:
        v->type = VALUE_INT;
        return number && csv_cell_int(c, &v->i);
    case HOLE_FLOAT:
        v->type = VALUE_FLOAT;
        return number && csv_cell_float(c, &v->f);
    case HOLE_BOOL:
        v->type = VALUE_BOOL;
        return type == VALUE_BOOL && csv_cell_bool(c, &v->b);
    case HOLE_STRING:
        *v = (struct value){.type = VALUE_STRING, .s = c->p, .len = (uint32_t)c->len};
        return type == VALUE_STRING && c->len;
    case HOLE_TIME_TEXT:
        return type == VALUE_STRING && c->len &&
               (time_memory_begins(&l->shapes.times, c->p, c->len, time) == c->len ||
                time_memory_parse(&l->shapes.times, &app->time.format, c->p, c->len, time));
    case HOLE_TIME_MS:
        return number && csv_cell_int(c, time) && *time >= 0 && *time <= TIME_MAX_MS;
    case HOLE_TIME_S:
        if (!number || !csv_cell_int(c, time) || *time < 0 || *time > TIME_MAX_MS / 1000)
            return false;
        *time *= 1000;
        return true;
    case HOLE_SKIP:
        break;
    }
    return false;
}

static bool read_cells(const struct layout *n, struct layouts *l, const struct app *app, const struct csv_plain *row,
                       struct value *slots, int64_t *time)
{
    if (n->hole_count != row->step_count || n->text.len != row->fixed->len ||
        memcmp(n->text.data, row->fixed->data, n->text.len) != 0)
        return false;
    const struct csv_step *step = row->steps;
    for (const struct hole *h = n->holes, *last = h + n->hole_count; h < last; h++, step++) {
        if (step->lead != h->lead)
            return false;
        const bool fits = h->kind == HOLE_SKIP
                              ? step->type == VALUE_STRING
                              : read_cell(h, step->type, l, app, &row->cells[step->column], slots, time);
        if (!fits)
            return false;
    }
    return true;
}

bool layouts_read_row(struct layouts *l, const struct app *app, const struct csv_plain *row, struct value *slots,
                      int64_t *time)
{
    for (uint32_t i = 0; i < l->count; i++) {
        struct layout *n = nth(l, i);
        if (!read_cells(n, l, app, row, slots, time))
            continue;
        fits(l, n, app, slots);
        return true;
    }
    return false;
}
