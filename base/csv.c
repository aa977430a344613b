#include "base/csv.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/scan.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_DEPTH 32 /* of a column's path */

struct column {
    char *name;
    enum value_type type;
};

/* Columns as the objects they make: a node is a cell or an object of nodes. */
struct node {
    const char *name; /* a part of a column's name */
    size_t len;
    struct buf label;         /* "name": as JSON */
    size_t column;            /* of a cell */
    size_t first_child, next; /* indexes; 0: none */
};

#define STEP_COPY 32 /* so many bytes (or half of them) are copied at once, and what is too much is written over */

enum row_kind { ROW_EMPTY, ROW_PLAIN, ROW_OTHER };

struct csv {
    struct column *columns;
    size_t column_count;
    struct node *nodes; /* nodes[0] is the row */
    size_t node_count;
    struct csv_cell *cells;
    struct buf fixed; /* all fixed text, one behind the other, and STEP_COPY bytes */
    struct csv_step *steps;
    size_t step_count, tail; /* tail: fixed text behind the last cell */
    struct buf text;         /* of cells with quotes in them */
    /* of the last row */
    struct buf line;
    enum row_kind kind;
    struct csv_plain plain;
    const struct column *misfit;
};

/* ---- a line to cells ---- */

struct reader {
    const char *at, *end;
    struct buf *text;
    const char *error;
};

static bool unquote(struct reader *r, struct csv_cell *c)
{
    size_t begin = r->text->len;
    for (const char *s = r->at + 1; s < r->end; s++) {
        if (*s != '"') {
            buf_add_char(r->text, *s);
            continue;
        }
        if (s + 1 < r->end && s[1] == '"') {
            buf_add_char(r->text, '"');
            s++;
            continue;
        }
        *c = (struct csv_cell){r->text->data + begin, r->text->len - begin};
        r->at = s + 1;
        if (r->at < r->end && *r->at != ',')
            r->error = "text behind a closing quote";
        return !r->error;
    }
    r->error = "a quote is not closed on its line";
    return false;
}

static bool read_cell(struct reader *r, struct csv_cell *c)
{
    if (r->at < r->end && *r->at == '"')
        return unquote(r, c);
    const char *comma = memchr(r->at, ',', (size_t)(r->end - r->at)), *end = comma ? comma : r->end;
    *c = (struct csv_cell){r->at, (size_t)(end - r->at)};
    if (memchr(r->at, '"', c->len))
        r->error = "a quote within a cell that does not begin with one";
    r->at = end;
    return !r->error;
}

static const char too_many_cells[] = "too many cells";

/* Room for all text is made before, so that cells do not move. At most `most` cells; -1 on error. */
static long read_cells(const char *line, size_t len, struct buf *text, struct csv_cell *cells, size_t most,
                       const char **error)
{
    struct reader r = {.at = line, .end = line + len, .text = text};
    size_t n = 0;
    buf_clear(text);
    (void)buf_reserve(text, len + 1);
    for (;;) {
        if (n == most)
            r.error = too_many_cells;
        if (r.error || !read_cell(&r, &cells[n])) {
            *error = r.error;
            return -1;
        }
        n++;
        if (r.at >= r.end)
            return (long)n;
        r.at++;
    }
}

static size_t without_line_end(const char *line, size_t len)
{
    if (len && line[len - 1] == '\n')
        len--;
    if (len && line[len - 1] == '\r')
        len--;
    return len;
}

/* ---- the header ---- */

static size_t child_of(struct csv *c, size_t parent, const char *name, size_t len)
{
    size_t *link = &c->nodes[parent].first_child;
    while (*link) {
        struct node *n = &c->nodes[*link];
        if (n->len == len && memcmp(n->name, name, len) == 0)
            return *link;
        link = &n->next;
    }
    size_t child = *link = c->node_count++;
    c->nodes = mem_resize(c->nodes, c->node_count, sizeof *c->nodes);
    c->nodes[child] = (struct node){.name = name, .len = len};
    json_w_string(&c->nodes[child].label, name, len);
    buf_add_char(&c->nodes[child].label, ':');
    return child;
}

static size_t depth_of(const char *path)
{
    size_t n = 1;
    for (; *path; path++)
        n += *path == '.';
    return n;
}

/* A column that has a type is nested by the dots in its name, another is only carried along. */
static void add_node(struct csv *c, size_t column, bool typed)
{
    const char *name = c->columns[column].name;
    size_t node = 0;
    if (typed && depth_of(name) <= MAX_DEPTH) {
        for (const char *dot; (dot = strchr(name, '.')); name = dot + 1)
            node = child_of(c, node, name, (size_t)(dot - name));
    }
    node = child_of(c, node, name, strlen(name)); /* may move the nodes */
    c->nodes[node].column = column;
}

static int add_column(struct csv *c, const struct csv_cell *name, const struct csv_type *types, size_t count,
                      struct err *err)
{
    if (!name->len)
        return err_set(err, ERR_INVALID, "column %zu has no name", c->column_count + 1);
    if (memchr(name->p, 0, name->len) || !utf8_valid(name->p, name->len))
        return err_set(err, ERR_INVALID, "the name of column %zu is no text", c->column_count + 1);
    struct column *column = &c->columns[c->column_count];
    *column = (struct column){.name = mem_strndup(name->p, name->len), .type = VALUE_STRING};
    c->column_count++;
    for (size_t i = 0; i + 1 < c->column_count; i++) {
        if (strcmp(c->columns[i].name, column->name) == 0)
            return err_set(err, ERR_INVALID, "column `%.100s` is there twice", column->name);
    }
    bool typed = false;
    for (size_t i = 0; i < count && !typed; i++) {
        typed = strcmp(types[i].name, column->name) == 0;
        if (typed)
            column->type = types[i].type;
    }
    add_node(c, c->column_count - 1, typed);
    return 0;
}

/* The nodes as steps; `from` is where the fixed text before the next cell begins. */
static void add_steps(struct csv *c, size_t node, size_t *from)
{
    const struct node *n = &c->nodes[node];
    if (node && !n->first_child) {
        c->steps[c->step_count++] =
            (struct csv_step){(uint32_t)(c->fixed.len - *from), (uint32_t)n->column, c->columns[n->column].type};
        *from = c->fixed.len;
        return;
    }
    buf_add_char(&c->fixed, '{');
    for (size_t child = n->first_child; child; child = c->nodes[child].next) {
        if (child != n->first_child)
            buf_add_char(&c->fixed, ',');
        buf_add(&c->fixed, c->nodes[child].label.data, c->nodes[child].label.len);
        add_steps(c, child, from);
    }
    buf_add_char(&c->fixed, '}');
}

static void plan(struct csv *c)
{
    size_t from = 0;
    c->steps = mem_zero(c->column_count, sizeof *c->steps);
    add_steps(c, 0, &from);
    c->tail = c->fixed.len - from;
    memset(buf_reserve(&c->fixed, STEP_COPY), 0, STEP_COPY);
    c->plain =
        (struct csv_plain){.fixed = &c->fixed, .steps = c->steps, .step_count = c->step_count, .cells = c->cells};
}

static int read_header(struct csv *c, const char *line, size_t len, const struct csv_type *types, size_t count,
                       struct err *err)
{
    const char *error = NULL;
    c->cells = mem_zero(CSV_MAX_COLUMNS, sizeof *c->cells);
    c->columns = mem_zero(CSV_MAX_COLUMNS, sizeof *c->columns);
    c->nodes = mem_zero(1, sizeof *c->nodes);
    c->node_count = 1;
    long n = read_cells(line, len, &c->text, c->cells, CSV_MAX_COLUMNS, &error);
    if (n < 0)
        return err_set(err, ERR_INVALID, "%s", error);
    for (long i = 0; i < n; i++) {
        if (add_column(c, &c->cells[i], types, count, err) < 0)
            return -1;
    }
    plan(c);
    return 0;
}

/* What would spoil every row is told at once. */
static int check_kind(const char *line, size_t len, struct err *err)
{
    if (memchr(line, '\r', len))
        return err_set(err, ERR_INVALID, "lines end with CR alone: LF or CR LF is expected");
    if (memchr(line, ',', len))
        return 0;
    const char *other = memchr(line, ';', len) ? "semicolons" : memchr(line, '\t', len) ? "tabs" : NULL;
    return other ? err_set(err, ERR_INVALID, "cells are separated by %s: commas are expected", other) : 0;
}

int csv_begin(const char *line, size_t len, const struct csv_type *types, size_t count, struct csv **csv,
              struct err *err)
{
    if (len >= 3 && memcmp(line, "\xEF\xBB\xBF", 3) == 0) {
        line += 3;
        len -= 3;
    }
    struct csv *c = mem_zero(1, sizeof *c);
    len = without_line_end(line, len);
    if (check_kind(line, len, err) < 0 || read_header(c, line, len, types, count, err) < 0) {
        csv_free(&c);
        return err_prefix(err, "CSV header");
    }
    *csv = c;
    return 0;
}

void csv_free(struct csv **csv)
{
    struct csv *c = *csv;
    if (!c)
        return;
    for (size_t i = 0; i < c->column_count; i++)
        free(c->columns[i].name);
    free(c->columns);
    for (size_t i = 0; i < c->node_count; i++)
        buf_free(&c->nodes[i].label);
    free(c->nodes);
    free(c->cells);
    free(c->steps);
    buf_free(&c->fixed);
    buf_free(&c->text);
    buf_free(&c->line);
    free(c);
    *csv = NULL;
}

/* ---- a row to JSON ---- */

static bool is_number(const struct csv_cell *c)
{
    struct json j = json_begin(c->p, c->len);
    const char *token;
    size_t len;
    return json_number(&j, &token, &len) && len == c->len;
}

static bool is_word(const struct csv_cell *c, const char *word)
{
    return c->len == strlen(word) && strncasecmp(c->p, word, c->len) == 0;
}

/* So many characters without an exponent are a finite number. */
#define SURELY_FINITE 300

static bool number_fits(const struct csv_cell *c, enum value_type type)
{
    int64_t i;
    double f;
    if (type == VALUE_INT)
        return json_int(c->p, c->len, &i);
    bool surely = c->len < SURELY_FINITE && !memchr(c->p, 'e', c->len) && !memchr(c->p, 'E', c->len);
    return surely || json_float(c->p, c->len, &f);
}

/* false: it does not fit its type. */
static bool write_cell(struct buf *out, const struct csv_cell *c, enum value_type type)
{
    bool fits = true;
    if (!c->len) {
        json_w_null(out);
    } else if ((type == VALUE_INT || type == VALUE_FLOAT) && is_number(c)) {
        json_w_raw(out, c->p, c->len);
        fits = number_fits(c, type);
    } else if (type == VALUE_BOOL && (is_word(c, "true") || is_word(c, "false"))) {
        json_w_bool(out, c->len == 4);
    } else {
        json_w_string(out, c->p, c->len);
        fits = type == VALUE_STRING;
    }
    return fits;
}

static void write_row(struct csv *c, struct buf *out)
{
    const char *fixed = c->fixed.data;
    for (size_t i = 0; i < c->step_count; i++) {
        const struct csv_step *step = &c->steps[i];
        buf_add(out, fixed, step->lead);
        fixed += step->lead;
        if (!write_cell(out, &c->cells[step->column], step->type))
            c->misfit = &c->columns[step->column];
    }
    buf_add(out, fixed, c->tail);
}

/* ---- a plain row to JSON ---- */

/* Only what needs no quotes here and no escapes there: cells are what is between commas. false: it is another line.
 * SCAN_CELLS spaces are behind it. */
static bool split_plain(struct csv *c, const char *line, size_t len)
{
    const char *from = line, *end = line + len;
    size_t n = 0, most = c->column_count - 1; /* the last cell has no comma */
    uint64_t commas;
    for (const char *s = line; s < end; s += SCAN_CELLS) {
        if (!scan_cells(s, &commas))
            return false;
        for (; commas; commas &= commas - 1) {
            const char *comma = s + __builtin_ctzll(commas);
            if (n == most)
                return false;
            c->cells[n++] = (struct csv_cell){from, (size_t)(comma - from)};
            from = comma + 1;
        }
    }
    c->cells[n] = (struct csv_cell){from, (size_t)(end - from)};
    return n == most;
}

/* STEP_COPY bytes are at `from`, and room for so many more than len behind `to`. */
static inline char *copy_few(char *to, const char *from, size_t len)
{
    if (len <= STEP_COPY / 2)
        memcpy(to, from, STEP_COPY / 2);
    else if (len <= STEP_COPY)
        memcpy(to, from, STEP_COPY);
    else
        memcpy(to, from, len);
    return to + len;
}

/* As write_cell of a cell that needs no look at its type's small print; NULL: it does. */
static inline char *write_plain(char *to, const struct csv_cell *c, enum value_type type)
{
    int64_t i;
    double f;
    bool b;
    if (type == VALUE_STRING) {
        if (!c->len)
            return NULL;
        *to = '"';
        to = copy_few(to + 1, c->p, c->len);
        *to = '"';
        return to + 1;
    }
    bool plain = type == VALUE_INT     ? csv_cell_int(c, &i)
                 : type == VALUE_FLOAT ? csv_cell_float(c, &f)
                                       : csv_cell_bool(c, &b);
    return plain ? copy_few(to, c->p, c->len) : NULL;
}

/* The cells' text is as it is in JSON. */
static void write_plain_row(struct csv *c, struct buf *out)
{
    char *to = buf_reserve(out, c->plain.json_most + 2 * STEP_COPY);
    const char *fixed = c->fixed.data;
    for (size_t i = 0; i < c->step_count; i++) {
        const struct csv_step *step = &c->steps[i];
        const struct csv_cell *cell = &c->cells[step->column];
        to = copy_few(to, fixed, step->lead);
        fixed += step->lead;
        char *behind = write_plain(to, cell, step->type);
        if (!behind) {
            out->len = (size_t)(to - out->data);
            if (!write_cell(out, cell, step->type)) /* within the room */
                c->misfit = &c->columns[step->column];
            behind = out->data + out->len;
        }
        to = behind;
    }
    memcpy(to, fixed, c->tail);
    out->len = (size_t)(to - out->data) + c->tail;
}

/* ---- rows ---- */

static int read_other(struct csv *c, const char *line, size_t len, struct err *err)
{
    const char *error = NULL;
    if (!utf8_valid(line, len))
        return err_set(err, ERR_INVALID, "the line is no valid UTF-8");
    long n = read_cells(line, len, &c->text, c->cells, c->column_count, &error);
    if (n < 0 && error != too_many_cells)
        return err_set(err, ERR_INVALID, "%s", error);
    if (n != (long)c->column_count)
        return err_set(err, ERR_INVALID, "the line has %s cells than the header's %zu", n < 0 ? "more" : "fewer",
                       c->column_count);
    c->kind = ROW_OTHER;
    return 0;
}

/* So that no look at where the line ends is needed later. */
static char *keep_line(struct csv *c, const char *line, size_t len)
{
    buf_clear(&c->line);
    char *own = buf_reserve(&c->line, len + SCAN_CELLS);
    memcpy(own, line, len);
    memset(own + len, ' ', SCAN_CELLS);
    return own;
}

int csv_read(struct csv *c, const char *line, size_t len, struct err *err)
{
    len = without_line_end(line, len);
    c->kind = ROW_EMPTY;
    if (!len)
        return 0;
    char *own = keep_line(c, line, len);
    if (!split_plain(c, own, len))
        return read_other(c, own, len, err);
    c->kind = ROW_PLAIN;
    c->plain.json_most = c->fixed.len + len + c->step_count * strlen("null");
    return 0;
}

const struct csv_plain *csv_plain(const struct csv *c)
{
    return c->kind == ROW_PLAIN ? &c->plain : NULL;
}

void csv_write(struct csv *c, struct buf *out)
{
    c->misfit = NULL;
    if (c->kind == ROW_PLAIN)
        write_plain_row(c, out);
    else if (c->kind == ROW_OTHER)
        write_row(c, out);
}

int csv_row(struct csv *c, const char *line, size_t len, struct buf *out, struct err *err)
{
    c->misfit = NULL;
    if (csv_read(c, line, len, err) < 0)
        return -1;
    csv_write(c, out);
    return 0;
}

const char *csv_misfit(const struct csv *csv, enum value_type *type)
{
    if (!csv->misfit)
        return NULL;
    *type = csv->misfit->type;
    return csv->misfit->name;
}

void csv_w_cell(struct buf *out, const char *s, size_t len)
{
    bool quoted = false;
    for (size_t i = 0; i < len && !quoted; i++)
        quoted = s[i] == ',' || s[i] == '"' || s[i] == '\n' || s[i] == '\r';
    if (!quoted) {
        buf_add(out, s, len);
        return;
    }
    buf_add_char(out, '"');
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '"')
            buf_add_char(out, '"');
        buf_add_char(out, s[i]);
    }
    buf_add_char(out, '"');
}
