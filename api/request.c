#include "api/request.h"
#include "api/router.h"

#include "base/json.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *request_header(const struct request *r, const char *name)
{
    return r->source.header(r->source.context, name);
}

void request_content_type(const struct request *r, char out[80])
{
    const char *text = request_header(r, "Content-Type");
    size_t n = 0;
    while (text && *text && *text != ';' && n < 79) {
        if (*text != ' ' && *text != '\t')
            out[n++] = (char)tolower((unsigned char)*text);
        text++;
    }
    out[n] = 0;
}

/* The quality that an Accept header gives a media type by its own name; -1 = not named. */
static double quality(const char *accept, const char *type)
{
    size_t len = strlen(type);
    for (const char *p = accept; *p;) {
        p += strspn(p, " \t,");
        size_t item = strcspn(p, ",");
        if (item >= len && strncasecmp(p, type, len) == 0 && (item == len || strchr("; \t", p[len]))) {
            const char *q = memmem(p, item, "q=", 2);
            return q ? strtod(q + 2, NULL) : 1;
        }
        p += item;
    }
    return -1;
}

bool request_wants_csv(const struct request *r)
{
    const char *accept = request_header(r, "Accept");
    return accept && quality(accept, "text/csv") > quality(accept, "application/json") &&
           quality(accept, "text/csv") > 0;
}

/* ---- the query ---- */

static int hex(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* Percent-encoding and + as space; false for % without two digits, and for a NUL. */
static bool decode(const char *p, size_t len, struct buf *out)
{
    buf_clear(out);
    for (size_t i = 0; i < len; i++) {
        char c = p[i] == '+' ? ' ' : p[i];
        if (c == '%') {
            if (i + 2 >= len || hex(p[i + 1]) < 0 || hex(p[i + 2]) < 0)
                return false;
            c = (char)(hex(p[i + 1]) * 16 + hex(p[i + 2]));
            i += 2;
        }
        if (!c)
            return false;
        buf_add_char(out, c);
    }
    buf_cstr(out);
    return true;
}

struct pair_of_query {
    struct buf name, value;
};

/* The next of the query's pairs; 0 at the end, -1 if it is malformed. */
static int next_pair(const char **at, struct pair_of_query *pair)
{
    while (**at == '&')
        (*at)++;
    if (!**at)
        return 0;
    const char *p = *at;
    size_t len = strcspn(p, "&"), name = strcspn(p, "=&");
    *at += len;
    size_t value = name < len ? name + 1 : len;
    return decode(p, name, &pair->name) && decode(p + value, len - value, &pair->value) ? 1 : -1;
}

int request_query_each(const struct request *r, query_each *each, void *context, struct err *err)
{
    struct pair_of_query pair = {0};
    const char *at = r->query;
    int status;
    while ((status = next_pair(&at, &pair)) > 0)
        if (each(context, pair.name.data, pair.value.data, pair.value.len, err) < 0)
            break;
    if (status < 0)
        err_set(err, ERR_INVALID, "the query of the address is malformed: %% needs two hex digits behind it");
    buf_free(&pair.name);
    buf_free(&pair.value);
    return status == 0 ? 0 : -1;
}

bool request_query(const struct request *r, const char *name, struct buf *out)
{
    struct pair_of_query pair = {0};
    const char *at = r->query;
    bool found = false;
    while (!found && next_pair(&at, &pair) > 0)
        found = strcmp(pair.name.data, name) == 0;
    if (found) {
        buf_clear(out);
        buf_add(out, pair.value.data, pair.value.len);
        buf_cstr(out);
    }
    buf_free(&pair.name);
    buf_free(&pair.value);
    return found;
}

int request_flag(const struct request *r, const char *name, bool *value, struct err *err)
{
    struct buf text = {0};
    int status = 0;
    *value = false;
    if (request_query(r, name, &text)) {
        bool on = text.len == 0 || strcmp(text.data, "true") == 0 || strcmp(text.data, "1") == 0;
        bool off = text.len && (strcmp(text.data, "false") == 0 || strcmp(text.data, "0") == 0);
        *value = on;
        status = on || off ? 0 : err_set(err, ERR_INVALID, "?%s: true or false", name);
    }
    buf_free(&text);
    return status;
}

int request_limit(const struct request *r, size_t fallback, size_t max, size_t *value, struct err *err)
{
    struct buf text = {0};
    int status = 0;
    *value = fallback;
    if (request_query(r, "limit", &text)) {
        size_t digits = strspn(text.data, "0123456789");
        unsigned long long n = digits ? strtoull(text.data, NULL, 10) : 0;
        if (!digits || digits != text.len || digits > 9 || n < 1 || n > max)
            status = err_set(err, ERR_INVALID, "?limit: a number from 1 to %zu", max);
        *value = (size_t)n;
    }
    buf_free(&text);
    return status;
}

static int check_name(void *context, const char *name, const char *value, size_t len, struct err *err)
{
    const struct route *route = context;
    (void)value;
    (void)len;
    if (route_takes(route, name))
        return 0;
    return err_set(err, ERR_INVALID, "?%.100s: this call has no such parameter", name);
}

int request_check_query(const struct request *r, struct err *err)
{
    if (r->route->any_query)
        return 0;
    return request_query_each(r, check_name, (void *)(uintptr_t)r->route, err);
}

/* ---- the body ---- */

long request_read(struct request *r, void *p, size_t len, struct err *err)
{
    long n = r->source.read(r->source.context, p, len, err);
    if (n > 0)
        r->body_bytes += (uint64_t)n;
    return n;
}

int request_read_all(struct request *r, size_t max, struct buf *out, struct err *err)
{
    size_t before = out->len;
    for (;;) {
        char *room = buf_reserve(out, 16384);
        long n = request_read(r, room, 16384, err);
        if (n <= 0)
            return n < 0 ? -1 : 0;
        out->len += (size_t)n;
        if (out->len - before > max)
            return err_set(err, ERR_TOO_LARGE, "the body is larger than %zu KiB", max / 1024);
    }
}

/* ---- the answer ---- */

void answer_header(struct request *r, const char *name, const char *fmt, ...)
{
    char value[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(value, sizeof value, fmt, ap);
    va_end(ap);
    for (char *p = value; *p; p++) /* nothing from outside begins a line of its own */
        if ((unsigned char)*p < 0x20)
            *p = ' ';
    buf_printf(&r->headers, "%s: %s\r\n", name, value);
}

void answer(struct request *r, int status, const char *content_type)
{
    r->status = status;
    r->content_type = content_type;
}

void answer_json(struct request *r, int status)
{
    buf_add_char(&r->body, '\n');
    answer(r, status, "application/json");
}

const char *status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {{200, "OK"},
                 {201, "Created"},
                 {202, "Accepted"},
                 {204, "No Content"},
                 {304, "Not Modified"},
                 {400, "Bad Request"},
                 {401, "Unauthorized"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {408, "Request Timeout"},
                 {409, "Conflict"},
                 {412, "Precondition Failed"},
                 {413, "Content Too Large"},
                 {415, "Unsupported Media Type"},
                 {422, "Unprocessable Content"},
                 {500, "Internal Server Error"},
                 {503, "Service Unavailable"},
                 {507, "Insufficient Storage"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "Unknown";
}

void request_end(struct request *r)
{
    if (r->has_tenant)
        tenant_row_free(&r->tenant);
    r->has_tenant = false;
    buf_free(&r->headers);
    buf_free(&r->body);
}

/* ---- JSON ---- */

void put_text(struct buf *b, const char *name, const char *text)
{
    json_w_name(b, name);
    json_w_str(b, text);
}

void put_number(struct buf *b, const char *name, int64_t value)
{
    json_w_name(b, name);
    json_w_int(b, value);
}

void put_bool(struct buf *b, const char *name, bool value)
{
    json_w_name(b, name);
    json_w_bool(b, value);
}

void put_time(struct buf *b, const char *name, int64_t ms)
{
    json_w_name(b, name);
    if (ms > 0)
        json_w_time(b, ms);
    else
        json_w_null(b);
}
