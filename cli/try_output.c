#include "cli/try.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define ROWS_MAX (16 * 1024 * 1024) /* bytes of results that wait to be one table */

void try_output_begin(struct try_output *o, const struct app *app)
{
    o->app = app;
    o->rows = mem_zero(app->stream_count, sizeof *o->rows);
}

void try_output_free(struct try_output *o)
{
    for (size_t i = 0; o->rows && i < o->app->stream_count; i++)
        buf_free(&o->rows[i]);
    free(o->rows);
    buf_free(&o->text);
}

/* ---- results ---- */

static size_t columns_of(const struct app_stream *s, struct table_column *columns)
{
    size_t n = 0;
    columns[n++].name = "window_start";
    columns[n++].name = "window_end";
    for (size_t i = 0; i < s->result_name_count; i++)
        columns[n++].name = s->result_names[i].name;
    columns[n++].name = "revision";
    return n;
}

static int print_rows(struct try_output *o, size_t stream, struct err *err)
{
    const struct app_stream *s = &o->app->streams[stream];
    struct buf *rows = &o->rows[stream];
    if (!rows->len)
        return 0;
    struct table_column *columns = mem_zero(s->result_name_count + 3, sizeof *columns);
    size_t count = columns_of(s, columns);
    json_w_close(rows, ']');
    if (o->app->stream_count > 1 && !o->stream)
        fprintf(o->results, "%s%s\n", o->shown++ ? "\n" : "", s->name);
    int rc = table_print(o->results, o->format, rows->data, rows->len, columns, count, err);
    buf_clear(rows);
    free(columns);
    return rc;
}

static void on_result(void *context, const struct engine_result *r)
{
    struct try_output *o = context;
    struct err err;
    if (o->stream && strcmp(o->stream, r->stream_name) != 0)
        return;
    if (o->format == TABLE_JSON) {
        fprintf(o->results, "%.*s\n", (int)r->body.len, r->body.p);
        return;
    }
    struct buf *rows = &o->rows[r->stream];
    if (!rows->len)
        json_w_open(rows, '[');
    json_w_raw(rows, r->body.p, r->body.len);
    if (rows->len > ROWS_MAX && print_rows(o, r->stream, &err) < 0)
        fprintf(stderr, "belltower: %s\n", err.text);
}

int try_output_end(struct try_output *o, struct err *err)
{
    for (size_t i = 0; i < o->app->stream_count; i++) {
        if (print_rows(o, i, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- triggers ---- */

static void on_trigger(void *context, const struct engine_trigger *t)
{
    struct try_output *o = context;
    if (o->triggers)
        fprintf(o->triggers, "%.*s\n", (int)t->body.len, t->body.p);
}

/* ---- dead letters ---- */

struct dead {
    const char *reason, *detail;
    uint64_t offset, line;
    uint32_t index;
    struct bytes body;
};

static void note(struct try_output *o, const struct dead *d)
{
    size_t i = 0;
    while (i < o->reason_count && strcmp(o->reasons[i].name, d->reason) != 0)
        i++;
    if (i == TRY_REASONS)
        return;
    struct try_reason *r = &o->reasons[i];
    if (i == o->reason_count) {
        o->reason_count++;
        *r = (struct try_reason){.name = d->reason, .line = d->line};
        snprintf(r->detail, sizeof r->detail, "%s", d->detail);
    }
    r->count++;
}

static void write_dead(struct try_output *o, const struct dead *d)
{
    struct buf *b = &o->text;
    buf_clear(b);
    json_w_open(b, '{');
    json_w_name(b, "reason");
    json_w_str(b, d->reason);
    json_w_name(b, "detail");
    json_w_str(b, d->detail);
    json_w_name(b, "offset");
    json_w_uint(b, d->offset);
    json_w_name(b, "index");
    json_w_uint(b, d->index);
    json_w_name(b, "line");
    json_w_uint(b, d->line);
    json_w_name(b, "body");
    json_w_string(b, d->body.p, d->body.len);
    json_w_close(b, '}');
    buf_add_char(b, '\n');
    fwrite(b->data, 1, b->len, o->dead);
}

static void take_dead(struct try_output *o, const struct dead *d)
{
    note(o, d);
    if (o->dead)
        write_dead(o, d);
}

/* Of a CSV row people want to see the row, not what it became. */
static struct bytes body_of(const struct try_output *o, const struct engine_dead *d)
{
    bool row = o->line && o->line->offset == d->offset && o->line->row;
    return row ? o->line->raw : d->body;
}

static void on_dead(void *context, const struct engine_dead *d)
{
    struct try_output *o = context;
    take_dead(o, &(struct dead){dead_reason_name(d->reason), d->detail, d->offset, d->offset + o->header_lines + 1,
                                d->index, body_of(o, d)});
}

void try_output_not_csv(struct try_output *o, const struct line *line, const char *why)
{
    take_dead(o, &(struct dead){"not-csv", why, line->offset, line->number, 0, line->raw});
}

struct engine_sink try_output_sink(struct try_output *o)
{
    return (struct engine_sink){.context = o, .result = on_result, .trigger = on_trigger, .dead = on_dead};
}
