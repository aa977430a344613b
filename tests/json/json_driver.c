/* What Belltower reads in JSON documents, for comparison with another parser (compare.py). Input: documents, each
 * behind its length in four bytes, little-endian. Output: a line of each: what the document is, and, of an event
 * {"t":1,"f":DOCUMENT,"z":0}, what field f is as an int, a float, a bool, a string, and to an app that does not take
 * it.
 *
 *   document   ! no JSON; n, t, f; #INT or #- (integral in 64 bits or not) with the double's bits (- if it is not
 * finite); "HEX; [A,B]; {"HEX:A} field      ! no JSON; n missing; - of the wrong type; else the value as above; . not
 * taken
 *
 * Every way of reading must say the same: json_skip and json_next, the general way of events and the predicted one. */
#include "base/json.h"
#include "stream/engine/decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void demand(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "json_driver: %s\n", what);
        abort();
    }
}

/* ---- documents ---- */

static void write_text(struct buf *out, const char *s, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    buf_add_char(out, '"');
    for (size_t i = 0; i < len; i++) {
        buf_add_char(out, hex[(unsigned char)s[i] >> 4]);
        buf_add_char(out, hex[s[i] & 15]);
    }
}

static void write_raw_text(struct buf *out, const char *raw, size_t len)
{
    char *plain = malloc(len + 1);
    write_text(out, plain, json_unescape(raw, len, plain));
    free(plain);
}

static void write_double(struct buf *out, double f)
{
    uint64_t bits;
    memcpy(&bits, &f, sizeof bits);
    buf_printf(out, "%016llx", (unsigned long long)bits);
}

static void write_number(struct buf *out, const char *token, size_t len)
{
    int64_t i;
    double f;
    if (json_int(token, len, &i))
        buf_printf(out, "#%lld:", (long long)i);
    else
        buf_add_str(out, "#-:");
    if (json_float(token, len, &f))
        write_double(out, f);
    else
        buf_add_char(out, '-');
}

static void write_value(struct buf *out, struct json *j);

static void write_members(struct buf *out, struct json *j, bool object)
{
    const char *name;
    size_t len;
    bool first = true;
    if (!json_enter(j, object ? '{' : '['))
        return;
    buf_add_char(out, object ? '{' : '[');
    while (json_next(j, &first, object ? &name : NULL, object ? &len : NULL)) {
        if (object) {
            write_raw_text(out, name + 1, len - 2);
            buf_add_char(out, ':');
        }
        write_value(out, j);
        buf_add_char(out, ',');
    }
    buf_add_char(out, object ? '}' : ']');
}

static void write_value(struct buf *out, struct json *j)
{
    const char *from;
    size_t len;
    bool escaped;
    enum json_type type = json_peek(j);
    switch (type) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        write_members(out, j, type == JSON_OBJECT);
        break;
    case JSON_STRING:
        if (json_string(j, &from, &len, &escaped))
            write_raw_text(out, from, len);
        break;
    case JSON_NUMBER:
        if (json_number(j, &from, &len))
            write_number(out, from, len);
        break;
    default:
        if (json_skip(j, &from))
            buf_add_char(out, *from);
    }
}

static void write_document(struct buf *out, const char *text, size_t len)
{
    struct json j = json_begin(text, len);
    size_t from = out->len;
    bool valid = json_valid(text, len, NULL);
    write_value(out, &j);
    demand(valid == (!j.error && json_peek(&j) == JSON_END && j.at == j.end), "json_valid and json_next differ");
    if (!valid) {
        out->len = from;
        buf_add_char(out, '!');
    }
}

/* ---- fields of an event ---- */

#define HEAD "{\"t\":1,\"f\":"
#define TAIL ",\"z\":0}"

struct reader {
    const char *type, *sample; /* type NULL: the app does not take f */
    struct app *app;
    struct decoder decoder;
};

static void learn(struct reader *r, const char *value)
{
    struct buf text = {0}, detail = {0};
    enum dead_reason reason;
    int64_t time;
    buf_printf(&text, HEAD "%s" TAIL, value);
    for (int i = 0; i < 2; i++) { /* the first is only counted */
        struct json j = json_begin(text.data, text.len);
        demand(decoder_scan(&r->decoder, &j) && decoder_convert(&r->decoder, &time, &reason, &detail),
               "a sample is refused");
        decoder_learn(&r->decoder, text.data, text.len);
    }
    buf_free(&text);
    buf_free(&detail);
}

static void reader_init(struct reader *r)
{
    struct buf text = {0};
    struct app_diags diags;
    buf_add_str(&text, "tenant: acme\nevents:\n  time: { field: t, format: unix_ms }\n  fields:\n"
                       "    z: { type: int, optional: true }\n");
    if (r->type)
        buf_printf(&text, "    f: { type: %s, optional: true }\n", r->type);
    buf_add_str(&text, "streams:\n  - { name: s, key: [z], window: { tumbling: 1m }, select: { n: count() } }\n");
    r->app = app_load(text.data, text.len, NULL, &diags);
    demand(r->app, "the app is refused");
    buf_free(&text);
    decoder_init(&r->decoder, r->app);
    learn(r, r->sample);
    learn(r, "null");
}

static void write_slot(struct buf *out, const struct value *v)
{
    switch (v->type) {
    case VALUE_NULL:
        buf_add_char(out, 'n');
        break;
    case VALUE_BOOL:
        buf_add_char(out, v->b ? 't' : 'f');
        break;
    case VALUE_INT:
        buf_printf(out, "#%lld", (long long)v->i);
        break;
    case VALUE_FLOAT:
        write_double(out, v->f);
        break;
    case VALUE_STRING:
        write_text(out, v->s, v->len);
    }
}

static bool same_slot(const struct value *a, const struct value *b)
{
    struct buf x = {0}, y = {0};
    write_slot(&x, a);
    write_slot(&y, b);
    bool same = x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
    buf_free(&x);
    buf_free(&y);
    return same;
}

/* The event alone, to its last byte. */
static void write_field(struct buf *out, struct reader *r, const char *text, size_t len)
{
    struct value predicted[2];
    struct json j = json_begin(text, len), p = j;
    struct buf detail = {0};
    enum dead_reason reason;
    int64_t time = 0, predicted_time = 0;
    bool as_predicted = decoder_predict(&r->decoder, &p, predicted, &predicted_time) && p.at == p.end;
    bool good = decoder_scan(&r->decoder, &j) && json_peek(&j) == JSON_END && j.at == j.end;
    bool fits = good && decoder_convert(&r->decoder, &time, &reason, &detail);
    demand(!as_predicted || (fits && time == predicted_time && same_slot(&predicted[0], &r->decoder.slots[0])),
           "an event is read otherwise than predicted");
    if (as_predicted && r->type)
        demand(same_slot(&predicted[1], &r->decoder.slots[1]), "a field is read otherwise than predicted");
    buf_add_char(out, ' ');
    if (!good)
        buf_add_char(out, '!');
    else if (!fits)
        buf_add_char(out, '-');
    else if (!r->type)
        buf_add_char(out, '.');
    else
        write_slot(out, &r->decoder.slots[1]);
    buf_free(&detail);
}

/* ---- all ---- */

static struct reader readers[] = {{.type = "int", .sample = "1"},
                                  {.type = "float", .sample = "1.5"},
                                  {.type = "bool", .sample = "true"},
                                  {.type = "string", .sample = "\"\""},
                                  {.type = NULL, .sample = "1"}};
#define READERS (sizeof readers / sizeof *readers)

/* Read from memory that ends with the text. */
static void answer(const struct buf *document, struct buf *event, struct buf *out)
{
    buf_clear(event);
    buf_add_str(event, HEAD);
    buf_add(event, document->data, document->len);
    buf_add_str(event, TAIL);
    char *text = malloc(document->len ? document->len : 1);
    memcpy(text, document->data, document->len);
    write_document(out, text, document->len);
    free(text);
    text = malloc(event->len);
    memcpy(text, event->data, event->len);
    for (size_t i = 0; i < READERS; i++)
        write_field(out, &readers[i], text, event->len);
    free(text);
    buf_add_char(out, '\n');
}

int main(void)
{
    struct buf document = {0}, event = {0}, out = {0};
    unsigned char head[4];
    for (size_t i = 0; i < READERS; i++)
        reader_init(&readers[i]);
    while (fread(head, 1, sizeof head, stdin) == sizeof head) {
        size_t len = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
        buf_clear(&document);
        buf_clear(&out);
        document.len = fread(buf_reserve(&document, len + 1), 1, len, stdin);
        demand(document.len == len, "the input ends within a document");
        answer(&document, &event, &out);
        fwrite(out.data, 1, out.len, stdout);
    }
    for (size_t i = 0; i < READERS; i++) {
        decoder_free(&readers[i].decoder);
        app_free(&readers[i].app);
    }
    buf_free(&document);
    buf_free(&event);
    buf_free(&out);
    return fflush(stdout) != 0;
}
