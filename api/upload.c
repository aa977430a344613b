#include "api/upload.h"

#include "base/json.h"
#include "tenants/app/app_csv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool upload_format_of(const char *type, enum upload_format *format)
{
    static const struct {
        const char *type;
        enum upload_format format;
    } types[] = {{"application/json", UPLOAD_JSON},          {"application/x-ndjson", UPLOAD_NDJSON},
                 {"application/ndjson", UPLOAD_NDJSON},      {"application/jsonl", UPLOAD_NDJSON},
                 {"application/x-jsonlines", UPLOAD_NDJSON}, {"text/csv", UPLOAD_CSV}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].type, type) != 0)
            continue;
        *format = types[i].format;
        return true;
    }
    return false;
}

static void reject(struct upload *u, uint64_t line, const char *reason, const char *fmt, ...) PRINTF(4, 5);
static void reject(struct upload *u, uint64_t line, const char *reason, const char *fmt, ...)
{
    va_list ap;
    u->rejected++;
    if (u->error_count == UPLOAD_ERRORS_MAX)
        return;
    struct upload_error *e = &u->errors[u->error_count++];
    e->line = line;
    e->reason = reason;
    va_start(ap, fmt);
    vsnprintf(e->detail, sizeof e->detail, fmt, ap);
    va_end(ap);
}

/* ---- a message ---- */

static int flush(struct upload *u, uint64_t number, struct err *err)
{
    if (u->lines == 0)
        return 0;
    if (u->send(u->context, number, &u->message, u->lines, err) < 0)
        return -1;
    u->accepted += u->lines;
    u->lines = 0;
    buf_clear(&u->message);
    return 0;
}

/* One object that is right in itself. */
static int take(struct upload *u, uint64_t number, uint64_t line, const char *p, size_t len, struct err *err)
{
    size_t most = (size_t)u->app->limits.message_bytes;
    if (len > (size_t)u->app->limits.event_bytes) {
        reject(u, line, "too-large", "an event of %zu bytes; at most %lld are allowed", len,
               (long long)u->app->limits.event_bytes);
        return 0;
    }
    if (u->lines && u->message.len + len + 1 > most) {
        if (u->numbered) {
            reject(u, line, "too-large",
                   "with the lines before it, it is more than the %zu bytes that a message may have; an upload without "
                   "Idempotency-Key may be cut anew",
                   most);
            return 0;
        }
        if (flush(u, number, err) < 0)
            return -1;
    }
    buf_add(&u->message, p, len);
    buf_add_char(&u->message, '\n');
    u->lines++;
    return 0;
}

/* ---- lines ---- */

static bool is_blank(const char *p, size_t len)
{
    while (len && (p[len - 1] == ' ' || p[len - 1] == '\t' || p[len - 1] == '\r'))
        len--;
    return len == 0;
}

static int take_json(struct upload *u, uint64_t number, uint64_t line, const char *p, size_t len, struct err *err)
{
    const char *why = "not a value";
    struct json j = json_begin(p, len);
    if (is_blank(p, len))
        return 0;
    if (!json_valid(p, len, &why))
        reject(u, line, "not-json", "%s", why);
    else if (json_peek(&j) != JSON_OBJECT)
        reject(u, line, "wrong-type", "an event is one JSON object");
    else
        return take(u, number, line, p, len, err);
    return 0;
}

static int take_row(struct upload *u, uint64_t number, uint64_t line, const char *p, size_t len, struct err *err)
{
    struct err wrong;
    enum value_type type;
    buf_clear(&u->row);
    if (csv_row(u->csv, p, len, &u->row, &wrong) < 0) {
        reject(u, line, "not-csv", "%s", wrong.text);
        return 0;
    }
    const char *misfit = csv_misfit(u->csv, &type);
    if (misfit)
        reject(u, line, "wrong-type", "the cell of column `%.80s` is no %s", misfit, value_type_name(type));
    else if (u->row.len)
        return take(u, number, line, u->row.data, u->row.len, err);
    return 0;
}

/* ---- pieces ---- */

static int take_piece(void *context, const struct piece *piece, struct err *err)
{
    struct upload *u = context;
    const char *line;
    size_t at = 0, len;
    int status = 0;
    for (uint64_t number = piece->line; status == 0 && piece_line(piece, &at, &line, &len); number++) {
        if (u->format == UPLOAD_NDJSON)
            status = take_json(u, piece->number, number, line, len, err);
        else if (u->csv)
            status = take_row(u, piece->number, number, line, len, err);
        else
            status = app_csv_begin(u->app, line, len, &u->csv, err);
    }
    return status == 0 ? flush(u, piece->number, err) : -1;
}

/* ---- one JSON document ---- */

static uint64_t line_of(const struct buf *whole, const char *at)
{
    uint64_t line = 1;
    for (const char *p = whole->data; p < at; p++)
        line += *p == '\n';
    return line;
}

static int not_json(const struct upload *u, const struct json *j, struct err *err)
{
    return err_set(err, ERR_INVALID, "the body is no JSON: line %llu: %s",
                   (unsigned long long)line_of(&u->whole, j->at), j->error ? j->error : "a value is expected");
}

/* The next value of an array, or of a sequence; false at the end or at a fault. */
static bool next_value(struct json *j, bool array, bool *first)
{
    return array ? json_next(j, first, NULL, NULL) : json_peek(j) != JSON_END;
}

static int check_document(const struct upload *u, struct err *err)
{
    struct json j = json_begin(u->whole.data, u->whole.len);
    bool array = json_peek(&j) == JSON_ARRAY;
    const char *from;
    if (json_peek(&j) == JSON_END && !j.error)
        return err_set(err, ERR_INVALID, "the body is empty");
    while (json_skip(&j, &from) && !array && json_peek(&j) != JSON_END)
        ;
    return j.error || json_peek(&j) != JSON_END || j.at != j.end ? not_json(u, &j, err) : 0;
}

static int take_document(struct upload *u, struct err *err)
{
    struct json j = json_begin(u->whole.data, u->whole.len);
    bool first = true, array = json_peek(&j) == JSON_ARRAY;
    const char *from, *counted = u->whole.data;
    uint64_t number = 0, line = 1;
    size_t count = 0, bytes = 0;
    if (array)
        json_enter(&j, '[');
    while (next_value(&j, array, &first)) {
        (void)json_peek(&j);
        if (!json_skip(&j, &from))
            return not_json(u, &j, err);
        size_t len = (size_t)(j.at - from);
        for (; counted < from; counted++)
            line += *counted == '\n';
        if (count && (count == PIECE_LINES || bytes + len > PIECE_BYTES)) {
            if (flush(u, number++, err) < 0)
                return -1;
            count = bytes = 0;
        }
        count++;
        bytes += len;
        if (take_json(u, number, line, from, len, err) < 0)
            return -1;
    }
    return flush(u, number, err);
}

/* ---- the interface ---- */

void upload_begin(struct upload *u)
{
    u->pieces = (struct pieces){.each = take_piece, .context = u};
}

int upload_add(struct upload *u, const void *p, size_t len, struct err *err)
{
    if (u->format != UPLOAD_JSON)
        return pieces_add(&u->pieces, p, len, err);
    if (u->whole.len + len > UPLOAD_JSON_MAX)
        return err_set(err, ERR_TOO_LARGE,
                       "a JSON body is at most %d MiB; newline-delimited JSON (application/x-ndjson) has no such limit",
                       UPLOAD_JSON_MAX / 1024 / 1024);
    buf_add(&u->whole, p, len);
    return 0;
}

int upload_end(struct upload *u, struct err *err)
{
    if (u->format == UPLOAD_JSON)
        return check_document(u, err) < 0 ? -1 : take_document(u, err);
    if (pieces_end(&u->pieces, err) < 0)
        return -1;
    if (u->format == UPLOAD_CSV && !u->csv)
        return err_set(err, ERR_INVALID, "the body is empty: CSV begins with a header row");
    return 0;
}

void upload_free(struct upload *u)
{
    pieces_free(&u->pieces);
    csv_free(&u->csv);
    buf_free(&u->whole);
    buf_free(&u->message);
    buf_free(&u->row);
}
