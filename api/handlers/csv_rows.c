#include "api/handlers/csv_rows.h"

#include "base/csv.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void csv_columns_add(struct csv_columns *c, const char *name)
{
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->names[i], name) == 0)
            return;
    c->names = mem_resize(c->names, c->count + 1, sizeof *c->names);
    c->names[c->count++] = mem_strdup(name);
}

void csv_columns_of(struct csv_columns *c, const char *object, size_t len)
{
    struct json j = json_begin(object, len);
    bool first = true;
    const char *name, *value;
    size_t name_len;
    struct buf text = {0};
    json_enter(&j, '{');
    while (json_next(&j, &first, &name, &name_len) && json_skip(&j, &value)) {
        buf_clear(&text);
        char *room = buf_reserve(&text, name_len);
        text.len = json_unescape(name + 1, name_len - 2, room);
        csv_columns_add(c, buf_cstr(&text));
    }
    buf_free(&text);
}

void csv_columns_free(struct csv_columns *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->names[i]);
    free(c->names);
    *c = (struct csv_columns){0};
}

void csv_header_write(struct buf *out, const struct csv_columns *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (i)
            buf_add_char(out, ',');
        csv_w_cell(out, c->names[i], strlen(c->names[i]));
    }
    buf_add_str(out, "\r\n");
}

static void write_cell(struct buf *out, const char *object, size_t len, const char *name, struct buf *text)
{
    const char *value;
    size_t value_len;
    enum json_type type = json_find(object, len, name, &value, &value_len);
    if (type == JSON_STRING && json_get_string(object, len, name, text))
        csv_w_cell(out, text->data, text->len);
    else if (type != JSON_END && type != JSON_NULL)
        csv_w_cell(out, value, value_len);
}

void csv_row_write(struct buf *out, const struct csv_columns *c, const char *object, size_t len)
{
    struct buf text = {0};
    for (size_t i = 0; i < c->count; i++) {
        if (i)
            buf_add_char(out, ',');
        write_cell(out, object, len, c->names[i], &text);
    }
    buf_add_str(out, "\r\n");
    buf_free(&text);
}
