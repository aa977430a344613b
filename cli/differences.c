#include "cli/differences.h"

#include "base/json.h"

#include <string.h>

static void put_side(struct buf *b, const char *name, const struct result_row *row)
{
    json_w_name(b, name);
    if (row)
        json_w_raw(b, row->body, row->body_len);
    else
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
    json_w_name(b, "key");
    json_w_raw(b, any->key, strlen(any->key));
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
