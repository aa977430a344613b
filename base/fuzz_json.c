#include "base/json.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void demand(bool holds)
{
    if (!holds)
        abort();
}

static void check_string(const char *token, size_t len)
{
    struct json j = json_begin(token, len);
    const char *raw;
    size_t raw_len;
    bool escaped;
    demand(json_string(&j, &raw, &raw_len, &escaped));
    char *plain = malloc(raw_len + 1);
    size_t n = json_unescape(raw, raw_len, plain);
    demand(n <= raw_len && utf8_valid(plain, n));
    struct buf again = {0};
    json_w_string(&again, plain, n);
    demand(json_valid(again.data, again.len, NULL));
    char *back = malloc(again.len);
    demand(json_unescape(again.data + 1, again.len - 2, back) == n && memcmp(plain, back, n) == 0);
    free(back);
    free(plain);
    buf_free(&again);
}

static void check_number(const char *token, size_t len)
{
    int64_t i;
    double f, g;
    char *text = strndup(token, len);
    double want = strtod(text, NULL);
    bool good = json_float(token, len, &f);
    demand(good == !!isfinite(want));
    demand(!good || memcmp(&f, &want, sizeof f) == 0);
    if (good) {
        struct buf b = {0};
        json_w_float(&b, f);
        demand(json_float(b.data, b.len, &g) && memcmp(&f, &g, sizeof f) == 0);
        buf_free(&b);
    }
    if (json_int(token, len, &i))
        demand(good && (double)i == f);
    free(text);
}

/* Walks by json_enter and json_next; what json_skip accepts, this must too, to the same byte. */
static void walk(struct json *j)
{
    enum json_type type = json_peek(j);
    const char *from, *name, *raw;
    size_t len;
    bool escaped, first = true;
    if (type == JSON_OBJECT && json_enter(j, '{')) {
        while (json_next(j, &first, &name, &len)) {
            check_string(name, len);
            walk(j);
        }
    } else if (type == JSON_ARRAY && json_enter(j, '[')) {
        while (json_next(j, &first, NULL, NULL))
            walk(j);
    } else if (type == JSON_STRING && json_string(j, &raw, &len, &escaped)) {
        check_string(raw - 1, len + 2);
    } else if (type == JSON_NUMBER && json_number(j, &raw, &len)) {
        check_number(raw, len);
    } else if (!j->error) {
        (void)json_skip(j, &from);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json skipped = json_begin(data, size), walked = skipped;
    const char *from, *value;
    size_t len;
    bool good = json_skip(&skipped, &from);
    walk(&walked);
    demand(good == !walked.error);
    demand(!good || skipped.at == walked.at);
    demand(good || skipped.at <= skipped.end);
    (void)json_find((const char *)data, size, "a", &value, &len);
    return 0;
}
