#include "stream/engine/result_text.h"
#include "base/calendar.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/time_format.h"
#include "stream/engine/windows.h"

#include <stdio.h>
#include <stdlib.h>

/* Windows may begin before 1970 and end in the year 10000, which event times cannot. */
static void write_time(struct buf *b, int64_t ms)
{
    if (ms >= 0 && ms <= TIME_MAX_MS) {
        json_w_time(b, ms);
        return;
    }
    const int64_t day_ms = 86400000;
    int64_t year, in_day = ms - multiple_below(ms, day_ms), seconds = in_day / 1000;
    unsigned month, day;
    char text[64], fraction[8] = "";
    civil_from_days(multiple_below(ms, day_ms) / day_ms, &year, &month, &day);
    if (in_day % 1000)
        snprintf(fraction, sizeof fraction, ".%03d", (int)(in_day % 1000));
    int n = snprintf(text, sizeof text, "%04lld-%02u-%02uT%02d:%02d:%02d%sZ", (long long)year, month, day,
                     (int)(seconds / 3600), (int)(seconds / 60 % 60), (int)(seconds % 60), fraction);
    json_w_string(b, text, (size_t)n);
}

/* As json_w_name where a value that is filled in later stands before. */
static void add_name(struct buf *b, const char *name)
{
    struct buf text = {0};
    json_w_name(&text, name);
    buf_add_char(b, ',');
    buf_add(b, text.data, text.len);
    buf_free(&text);
}

void result_text_init(struct result_text *r, const struct app *app, const struct app_stream *s)
{
    struct buf *b = &r->fixed;
    *r = (struct result_text){.names = s->result_name_count, .end = INT64_MIN};
    r->ends = mem_zero(r->names + 1, sizeof *r->ends);
    for (size_t i = 0; i < r->names; i++) {
        add_name(b, s->result_names[i].name);
        r->ends[i] = b->len;
    }
    add_name(b, "tenant_id");
    b->data[0] = '{';
    json_w_str(b, app->tenant);
    json_w_name(b, "stream");
    json_w_str(b, s->name);
    json_w_name(b, "window_start");
    r->ends[r->names] = b->len;
}

void result_text_free(struct result_text *r)
{
    free(r->ends);
    buf_free(&r->fixed);
    buf_free(&r->window);
    buf_free(&r->id);
}

void result_text_window(struct result_text *r, const struct app_stream *s, int64_t end)
{
    if (r->end == end)
        return;
    r->end = end;
    buf_clear(&r->window);
    write_time(&r->window, end - s->size);
    json_w_name(&r->window, "window_end");
    write_time(&r->window, end);
    json_w_name(&r->window, "revision");
    buf_clear(&r->id);
    buf_add_char(&r->id, ':');
    buf_add_int(&r->id, end - s->size);
    buf_add_char(&r->id, ':');
}

void result_text_body(const struct result_text *r, const struct value *columns, uint32_t revision, struct buf *b)
{
    size_t from = 0;
    buf_clear(b);
    for (size_t i = 0; i < r->names; from = r->ends[i++]) {
        buf_add(b, r->fixed.data + from, r->ends[i] - from);
        json_w_value(b, &columns[i]);
    }
    buf_add(b, r->fixed.data + from, r->fixed.len - from);
    buf_add(b, r->window.data, r->window.len);
    buf_add_uint(b, revision);
    buf_add_char(b, '}');
}
