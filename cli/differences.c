#include "cli/differences.h"

#include "base/json.h"

#include <string.h>

bool differences_readable(const struct result_row *row)
{
    const char *error;
    return json_valid(row->body, row->body_len, &error) && json_valid(row->key, strlen(row->key), &error);
}

/* What a disk or another program made of it is shown as a text, so that the list stays JSON. */
static void put_stored(struct buf *b, const char *name, const char *text, size_t len)
{
    const char *error;
    json_w_name(b, name);
    if (json_valid(text, len, &error))
        json_w_raw(b, text, len);
    else
        json_w_string(b, text, len);
}

static void put_side(struct buf *b, const char *name, const struct result_row *row)
{
    if (row) {
        put_stored(b, name, row->body, row->body_len);
        return;
    }
    json_w_name(b, name);
    json_w_null(b);
}

void differences_begin(struct differences *d, int64_t limit, const char *stored_name, const char *other_name)
{
    *d = (struct differences){.limit = limit, .stored_name = stored_name, .other_name = other_name};
    json_w_open(&d->rows, '[');
}

void differences_add(struct differences *d, const char *kind, const struct result_row *stored,
                     const struct result_row *other)
{
    const struct result_row *any = stored ? stored : other;
    struct buf *b = &d->rows;
    if (d->count++ >= d->limit && d->limit)
        return;
    json_w_open(b, '{');
    json_w_name(b, "difference");
    json_w_str(b, kind);
    json_w_name(b, "stream");
    json_w_str(b, any->stream);
    json_w_name(b, "window_start");
    json_w_time(b, any->window_start);
    put_stored(b, "key", any->key, strlen(any->key));
    put_side(b, d->stored_name, stored);
    put_side(b, d->other_name, other);
    json_w_close(b, '}');
}

int differences_print(struct differences *d, enum table_format format, struct err *err)
{
    const struct table_column columns[] = {{"difference", NULL}, {"stream", NULL},       {"window_start", NULL},
                                           {"key", NULL},        {d->stored_name, NULL}, {d->other_name, NULL}};
    json_w_close(&d->rows, ']');
    if (!d->count && format == TABLE_TABLE)
        return 0;
    return table_print(stdout, format, d->rows.data, d->rows.len, columns, sizeof columns / sizeof *columns, err);
}

void differences_free(struct differences *d)
{
    buf_free(&d->rows);
}
