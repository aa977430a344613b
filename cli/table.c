#include "cli/table.h"

#include "base/csv.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX    64
#define WIDTH_MAX      60   /* of a cell of a table; longer ones are cut */
#define LAST_WIDTH_MAX 1000 /* of the last column, which pushes nothing aside: errors and bodies are there */

int table_format_parse(const char *text, enum table_format *format, struct err *err)
{
    static const char *const names[] = {"table", "json", "csv"};
    for (int i = 0; i < 3; i++) {
        if (text && strcmp(text, names[i]) != 0)
            continue;
        *format = (enum table_format)i;
        return 0;
    }
    return err_set(err, ERR_INVALID, "-o %s: expected table, json or csv", text);
}

struct cells {
    char **list; /* row by row */
    size_t count, cap;
};

static void add_cell(struct cells *c, char *text)
{
    if (c->count == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 256;
        c->list = mem_resize(c->list, c->cap, sizeof *c->list);
    }
    c->list[c->count++] = text;
}

static void free_cells(struct cells *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->list[i]);
    free(c->list);
}

/* ---- values ---- */

static bool go_down(const char **p, size_t *len, const char *name)
{
    for (const char *dot; (dot = strchr(name, '.')); name = dot + 1) {
        char part[128];
        snprintf(part, sizeof part, "%.*s", (int)(dot - name), name);
        if (json_find(*p, *len, part, p, len) != JSON_OBJECT)
            return false;
    }
    enum json_type type = json_find(*p, *len, name, p, len);
    return type != JSON_END && type != JSON_NULL;
}

static void put_clean(struct buf *b, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c < 0x20 || c == 0x7f)
            buf_printf(b, "\\x%02x", c);
        else
            buf_add_char(b, (char)c);
    }
}

static char *cell_text(const char *row, size_t row_len, const char *name)
{
    const char *p = row, *raw;
    size_t len = row_len, raw_len;
    bool escaped;
    struct buf b = {0};
    if (!go_down(&p, &len, name))
        return mem_strdup("");
    struct json j = json_begin(p, len);
    if (json_peek(&j) == JSON_STRING && json_string(&j, &raw, &raw_len, &escaped)) {
        char *plain = mem_alloc(raw_len + 1);
        size_t n = json_unescape(raw, raw_len, plain);
        put_clean(&b, plain, n);
        free(plain);
    } else {
        put_clean(&b, p, len);
    }
    char *text = mem_strndup(b.data, b.len);
    buf_free(&b);
    return text;
}

/* ---- layouts ---- */

static size_t characters(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static size_t bytes_of(const char *s, size_t max_characters)
{
    size_t i = 0, n = 0;
    for (; s[i]; i++)
        if (((unsigned char)s[i] & 0xc0) != 0x80 && n++ == max_characters)
            break;
    return i;
}

static void print_table(FILE *to, const struct cells *c, size_t columns)
{
    size_t width[COLUMNS_MAX] = {0};
    for (size_t i = 0; i < c->count; i++) {
        size_t n = characters(c->list[i]);
        n = n > WIDTH_MAX ? WIDTH_MAX : n;
        if (n > width[i % columns])
            width[i % columns] = n;
    }
    for (size_t i = 0; i < c->count; i++) {
        size_t col = i % columns, n = characters(c->list[i]);
        bool last = col + 1 == columns;
        size_t width_max = last ? LAST_WIDTH_MAX : WIDTH_MAX;
        n = n > width_max ? width_max : n;
        bool cut = bytes_of(c->list[i], width_max) < strlen(c->list[i]);
        fprintf(to, "%.*s%s%*s", (int)bytes_of(c->list[i], width_max - cut), c->list[i], cut ? "\u2026" : "",
                last ? 0 : (int)(width[col] - n + 2), "");
        if (last)
            fputc('\n', to);
    }
}

static void print_csv(FILE *to, const struct cells *c, size_t columns)
{
    struct buf b = {0};
    for (size_t i = 0; i < c->count; i++) {
        csv_w_cell(&b, c->list[i], strlen(c->list[i]));
        buf_add_char(&b, (i + 1) % columns ? ',' : '\n');
    }
    fwrite(b.data, 1, b.len, to);
    buf_free(&b);
}

/* ---- rows ---- */

static size_t names_of_first(const char *rows, size_t len, struct arena *arena, struct table_column *columns)
{
    struct json j = json_begin(rows, len);
    bool first = true, first_member = true;
    const char *name;
    size_t name_len, count = 0;
    const char *from;
    if (!json_enter(&j, '[') || !json_next(&j, &first, NULL, NULL) || !json_enter(&j, '{'))
        return 0;
    while (count < COLUMNS_MAX && json_next(&j, &first_member, &name, &name_len)) {
        columns[count++].name = arena_strndup(arena, name + 1, name_len - 2);
        if (!json_skip(&j, &from))
            break;
    }
    return count;
}

static int print_json(FILE *to, const char *rows, size_t len, struct err *err)
{
    struct json j = json_begin(rows, len);
    bool first = true;
    const char *from;
    if (!json_enter(&j, '['))
        return err_set(err, ERR_INVALID, "what is to be shown is no list");
    while (json_next(&j, &first, NULL, NULL) && json_skip(&j, &from))
        fprintf(to, "%.*s\n", (int)(j.at - from), from);
    return j.error ? err_set(err, ERR_INVALID, "what is to be shown is no JSON: %s", j.error) : 0;
}

static int collect(struct cells *c, const char *rows, size_t len, const struct table_column *columns, size_t count,
                   struct err *err)
{
    struct json j = json_begin(rows, len);
    bool first = true;
    const char *from;
    for (size_t i = 0; i < count; i++)
        add_cell(c, mem_strdup(columns[i].header ? columns[i].header : columns[i].name));
    if (!json_enter(&j, '['))
        return err_set(err, ERR_INVALID, "what is to be shown is no list");
    while (json_next(&j, &first, NULL, NULL) && json_skip(&j, &from))
        for (size_t i = 0; i < count; i++)
            add_cell(c, cell_text(from, (size_t)(j.at - from), columns[i].name));
    return j.error ? err_set(err, ERR_INVALID, "what is to be shown is no JSON: %s", j.error) : 0;
}

int table_print(FILE *to, enum table_format format, const char *rows, size_t len, const struct table_column *columns,
                size_t column_count, struct err *err)
{
    struct table_column found[COLUMNS_MAX] = {0};
    struct arena arena = {0};
    struct cells cells = {0};
    if (format == TABLE_JSON)
        return print_json(to, rows, len, err);
    if (!columns) {
        column_count = names_of_first(rows, len, &arena, found);
        columns = found;
    }
    int status = column_count ? collect(&cells, rows, len, columns, column_count, err) : 0;
    if (status == 0 && column_count && format == TABLE_TABLE)
        print_table(to, &cells, column_count);
    else if (status == 0 && column_count)
        print_csv(to, &cells, column_count);
    free_cells(&cells);
    arena_free(&arena);
    return status;
}
