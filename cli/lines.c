#include "cli/lines.h"
#include "base/pieces.h"
#include "tenants/app/app_csv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct reader {
    const struct app *app;
    const struct lines_sink *sink;
    enum lines_format format;
    uint64_t numbers, offsets; /* lines, messages so far */
    struct csv *csv;
};

int lines_format_parse(const char *text, enum lines_format *format, struct err *err)
{
    static const char *const names[] = {"ndjson", "csv"};
    *format = LINES_GUESS;
    for (int i = 0; text && i < 2; i++) {
        if (strcmp(text, names[i]) == 0)
            *format = i == 0 ? LINES_NDJSON : LINES_CSV;
    }
    if (text && *format == LINES_GUESS)
        return err_set(err, ERR_INVALID, "--format %s: expected ndjson or csv", text);
    return 0;
}

static bool ends_with(const char *path, const char *end)
{
    size_t len = strlen(path), n = strlen(end);
    return len > n && strcmp(path + len - n, end) == 0;
}

static enum lines_format by_name(const char *path)
{
    if (ends_with(path, ".csv"))
        return LINES_CSV;
    if (ends_with(path, ".ndjson") || ends_with(path, ".jsonl") || ends_with(path, ".json"))
        return LINES_NDJSON;
    return LINES_GUESS;
}

/* An empty line says nothing yet. */
static enum lines_format by_first_line(const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (p[i] != ' ' && p[i] != '\t' && p[i] != '\r')
            return p[i] == '{' || p[i] == '[' ? LINES_NDJSON : LINES_CSV;
    }
    return LINES_GUESS;
}

static size_t without_cr(const char *p, size_t len)
{
    return len && p[len - 1] == '\r' ? len - 1 : len;
}

static void take_row(struct reader *r, struct line *line)
{
    struct err err;
    line->raw.len = without_cr(line->raw.p, line->raw.len);
    if (csv_read(r->csv, line->raw.p, line->raw.len, &err) < 0) {
        r->sink->not_csv(r->sink->context, line, err.text);
        return;
    }
    line->row = r->csv;
    r->sink->message(r->sink->context, line);
}

static int take_line(struct reader *r, const char *p, size_t len, struct err *err)
{
    r->numbers++;
    if (r->format == LINES_GUESS)
        r->format = by_first_line(p, len);
    if (r->format == LINES_CSV && !r->csv) {
        r->offsets = 0;
        return without_cr(p, len) ? app_csv_begin(r->app, p, len, &r->csv, err) : 0;
    }
    if (r->format == LINES_GUESS) { /* an empty line in front: a message that says nothing, or nothing at all */
        r->offsets++;
        return 0;
    }
    struct line line = {.offset = r->offsets++, .number = r->numbers, .raw = {p, len}};
    if (r->format == LINES_CSV)
        take_row(r, &line);
    else
        r->sink->message(r->sink->context, &line);
    return 0;
}

static int take_piece(void *context, const struct piece *piece, struct err *err)
{
    for (size_t at = 0; at < piece->len;) {
        const char *p = piece->p + at, *lf = memchr(p, '\n', piece->len - at);
        size_t len = lf ? (size_t)(lf - p) : piece->len - at;
        if (take_line(context, p, len, err) < 0)
            return -1;
        at += len + 1;
    }
    return 0;
}

static int read_all(FILE *f, const char *path, struct pieces *pieces, struct err *err)
{
    static char chunk[64 * 1024];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0) {
        if (pieces_add(pieces, chunk, n, err) < 0)
            return -1;
    }
    return ferror(f) ? err_set_errno(err, "cannot read %s", path) : pieces_end(pieces, err);
}

void line_feed(const struct line *line, struct engine *e, const struct engine_sink *sink)
{
    if (line->row)
        engine_row(e, line->offset, line->row, sink);
    else
        engine_message(e, &(struct engine_message){.offset = line->offset, .body = line->raw}, sink);
}

int lines_read(const char *path, enum lines_format format, const struct app *app, const struct lines_sink *sink,
               struct lines_end *end, struct err *err)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *f = standard ? stdin : fopen(path, "rbe");
    if (!f)
        return err_set_errno(err, "cannot read %s", path);
    struct reader r = {.app = app, .sink = sink, .format = format == LINES_GUESS ? by_name(path) : format};
    struct pieces pieces = {.each = take_piece, .context = &r};
    int rc = read_all(f, path, &pieces, err);
    if (!standard)
        fclose(f);
    pieces_free(&pieces);
    csv_free(&r.csv);
    *end = (struct lines_end){r.format, r.offsets};
    return rc;
}
