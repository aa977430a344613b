#include "cli/send.h"

#include "base/json.h"
#include "tenants/app/app_csv.h"

#include <stdio.h>
#include <string.h>

/* ---- what the app needs ---- */

static bool holds(const char *row, size_t len, const char *const *path, size_t path_len)
{
    enum json_type type = JSON_OBJECT;
    for (size_t i = 0; i < path_len; i++)
        if (type != JSON_OBJECT || (type = json_find(row, len, path[i], &row, &len)) == JSON_END)
            return false;
    return true;
}

static void add_missing(const char *row, size_t len, const char *const *path, size_t path_len, struct buf *missing)
{
    if (holds(row, len, path, path_len))
        return;
    buf_add_str(missing, missing->len ? ", `" : "`");
    for (size_t i = 0; i < path_len; i++)
        buf_printf(missing, "%s%s", i ? "." : "", path[i]);
    buf_add_char(missing, '`');
}

/* The fields that the app cannot do without and the row has not. */
static void find_missing(const struct app *app, const char *row, size_t len, struct buf *missing)
{
    add_missing(row, len, app->time.path, app->time.path_len, missing);
    for (size_t i = 0; i < app->field_count; i++)
        if (!app->fields[i].optional && !app->fields[i].has_default)
            add_missing(row, len, app->fields[i].path, app->fields[i].path_len, missing);
}

/* The header, read as a row of itself, has every column. */
static int check_header(struct send_source *s, const char *line, size_t len, struct err *err)
{
    struct buf row = {0}, missing = {0};
    int status = csv_row(s->header, line, len, &row, err);
    if (status == 0 && row.len)
        find_missing(s->app, row.data, row.len, &missing);
    if (missing.len)
        status = err_set(err, ERR_INVALID,
                         "the first line must be a header row, with commas; the app needs the columns %.300s, and it "
                         "has %.*s",
                         buf_cstr(&missing), (int)(len > 300 ? 300 : len), line);
    buf_free(&row);
    buf_free(&missing);
    return status;
}

static int begin_csv(struct send_source *s, const char *line, size_t len, struct err *err)
{
    int status =
        s->app ? app_csv_begin(s->app, line, len, &s->header, err) : csv_begin(line, len, NULL, 0, &s->header, err);
    if (status < 0)
        return err_prefix(err, "the first line must be a header row, with commas");
    return s->app ? check_header(s, line, len, err) : 0;
}

/* ---- rows ---- */

static bool is_json(const char *line, size_t len)
{
    struct json j = json_begin(line, len);
    const char *from;
    enum json_type type = json_peek(&j);
    return (type == JSON_OBJECT || type == JSON_ARRAY) && json_skip(&j, &from);
}

/* An array of events counts as one that fits: the worker looks into it. */
static void judge_row(struct send_source *s, const char *row, size_t len)
{
    struct json j = json_begin(row, len);
    struct buf missing = {0};
    if (json_peek(&j) == JSON_OBJECT)
        find_missing(s->app, row, len, &missing);
    if (missing.len == 0)
        s->fitting++;
    else if (!*s->first_missing)
        snprintf(s->first_missing, sizeof s->first_missing, "%s", buf_cstr(&missing));
    buf_free(&missing);
}

static int64_t time_of(const struct send_source *s, const char *row, size_t len)
{
    const struct app_time *t = &s->app->time;
    const char *p = row, *raw;
    bool escaped;
    int64_t ms;
    enum json_type type = JSON_OBJECT;
    for (size_t i = 0; i < t->path_len && type == JSON_OBJECT; i++)
        type = json_find(p, len, t->path[i], &p, &len);
    struct json j = json_begin(p, len);
    if (type == JSON_STRING && json_string(&j, &raw, &len, &escaped) && !escaped)
        p = raw;
    else if (type != JSON_NUMBER)
        return INT64_MIN;
    return time_format_parse(&t->format, p, len, &ms) ? ms : INT64_MIN;
}

static void reject(struct send_source *s, uint64_t line, const struct err *err)
{
    if (s->rejected++ == 0)
        snprintf(s->first_reason, sizeof s->first_reason, "line %llu: %.150s", (unsigned long long)line, err->text);
}

static int convert_line(struct send_source *s, uint64_t number, const char *line, size_t len, struct err *err)
{
    size_t before = s->body.len;
    if (s->csv && !s->header)
        return begin_csv(s, line, len, err);
    if (!s->csv && s->guessed && s->rows == 0 && len && !is_json(line, len))
        return err_set(err, ERR_INVALID,
                       "line %llu is no JSON object: is it CSV? --format csv, or --format ndjson to send it as it is",
                       (unsigned long long)number);
    if (!s->csv)
        buf_add(&s->body, line, len);
    else if (csv_row(s->header, line, len, &s->body, err) < 0)
        reject(s, number, err);
    if (s->body.len == before)
        return 0;
    s->rows++;
    if (s->app && s->fitting == 0)
        judge_row(s, s->body.data + before, s->body.len - before);
    if (s->app && s->first_time == INT64_MIN)
        s->first_time = time_of(s, s->body.data + before, s->body.len - before);
    buf_add_char(&s->body, '\n');
    return 0;
}

int send_convert(struct send_source *s, const struct piece *piece, struct err *err)
{
    const char *line;
    size_t at = 0, len;
    uint64_t number = piece->line;
    buf_clear(&s->body);
    s->first_time = INT64_MIN;
    while (piece_line(piece, &at, &line, &len))
        if (convert_line(s, number++, line, len, err) < 0)
            return -1;
    return 0;
}

int send_source_judge(const struct send_source *s, struct err *err)
{
    if (s->rows == 0 && s->rejected)
        return err_set(err, ERR_INVALID, "nothing was sent: none of %llu rows can be read, the first: %s",
                       (unsigned long long)s->rejected, s->first_reason);
    if (s->rows == 0)
        return err_set(err, ERR_INVALID, "there is nothing to send: %s",
                       s->header ? "no row stands behind the header" : "the file holds no event");
    if (s->app && s->fitting == 0)
        return err_set(err, ERR_INVALID,
                       "none of the %llu events has what the app needs; the first lacks %s. They were sent, and are "
                       "set aside: belltower dead",
                       (unsigned long long)s->rows, s->first_missing);
    return 0;
}

void send_source_free(struct send_source *s)
{
    csv_free(&s->header);
    buf_free(&s->body);
}
