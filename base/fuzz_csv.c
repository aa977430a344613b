/* The first line is the header, the others are rows: each is refused or becomes one JSON object, and the same one if
 * all its cells are put in quotes. */
#include "base/csv.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

static void demand(bool holds)
{
    if (!holds)
        abort();
}

static void quote_cells(struct buf *quoted, const char *line, size_t len)
{
    buf_add_char(quoted, '"');
    for (size_t i = 0; i < len; i++) {
        if (line[i] == ',')
            buf_add_str(quoted, "\",\"");
        else
            buf_add_char(quoted, line[i]);
    }
    buf_add_char(quoted, '"');
}

static void check_as_quoted(struct csv *csv, const char *line, size_t len, const struct buf *out)
{
    struct buf quoted = {0}, again = {0};
    struct err err;
    enum value_type type;
    const char *misfit = csv_misfit(csv, &type);
    while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
        len--;
    quote_cells(&quoted, line, len);
    demand(csv_row(csv, quoted.data, quoted.len, &again, &err) == 0);
    demand(again.len == out->len && memcmp(again.data, out->data, out->len) == 0);
    demand(csv_misfit(csv, &type) == misfit);
    buf_free(&quoted);
    buf_free(&again);
}

static void check_row(struct csv *csv, const char *line, size_t len)
{
    struct buf out = {0};
    struct err err = {0};
    int rc = csv_row(csv, line, len, &out, &err);
    demand(rc == 0 ? out.len == 0 || json_valid(out.data, out.len, NULL) : out.len == 0 && err.code == ERR_INVALID);
    if (rc == 0 && out.len && !memchr(line, '"', len) && !memchr(line, '\r', len))
        check_as_quoted(csv, line, len, &out);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct csv_type types[] = {
        {"a", VALUE_INT}, {"b", VALUE_FLOAT}, {"c", VALUE_BOOL}, {"d.e", VALUE_INT}, {"d.f", VALUE_STRING}};
    const char *at = (const char *)data, *end = at + size;
    struct csv *csv = NULL;
    struct err err;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t len = stop ? (size_t)(stop + 1 - at) : (size_t)(end - at);
        if (csv)
            check_row(csv, at, len);
        else if (csv_begin(at, len, types, 5, &csv, &err) < 0)
            return 0;
        at += len;
    }
    csv_free(&csv);
    return 0;
}
