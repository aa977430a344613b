#include "cli/send.h"

#include "base/json.h"
#include "tenants/app/app_csv.h"

#include <stdio.h>
#include <string.h>

static int begin_csv(struct send_source *s, const char *line, size_t len, struct err *err)
{
    return s->app ? app_csv_begin(s->app, line, len, &s->header, err) : csv_begin(line, len, NULL, 0, &s->header, err);
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
    if (!s->csv)
        buf_add(&s->body, line, len);
    else if (csv_row(s->header, line, len, &s->body, err) < 0)
        reject(s, number, err);
    if (s->body.len == before)
        return 0;
    s->rows++;
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

void send_source_free(struct send_source *s)
{
    csv_free(&s->header);
    buf_free(&s->body);
}
