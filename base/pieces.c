#include "base/pieces.h"

#include <string.h>

static size_t limit(const struct pieces *c)
{
    return c->max_lines ? c->max_lines : PIECE_LINES;
}

/* Gives the whole lines kept as a piece, and moves what is behind them to the front. */
static int give(struct pieces *c, struct err *err)
{
    const struct piece piece = {.number = c->number, .line = c->line + 1, .p = c->kept.data, .len = c->whole};
    if (c->lines == 0)
        return 0;
    c->number++;
    c->line += c->lines;
    int status = c->each(c->context, &piece, err);
    memmove(c->kept.data, c->kept.data + c->whole, c->kept.len - c->whole);
    c->kept.len -= c->whole;
    c->lines = c->whole = 0;
    return status;
}

/* A line ends at kept.len. */
static int end_line(struct pieces *c, struct err *err)
{
    if (c->lines && c->kept.len > PIECE_BYTES && give(c, err) < 0) /* the lines before it are a piece */
        return -1;
    c->lines++;
    c->whole = c->kept.len;
    return c->lines >= limit(c) || c->whole > PIECE_BYTES ? give(c, err) : 0;
}

int pieces_add(struct pieces *c, const void *bytes, size_t len, struct err *err)
{
    const char *p = bytes, *end = p + len;
    while (p < end) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        const char *next = lf ? lf + 1 : end;
        if (c->kept.len - c->whole + (size_t)(next - p) > LINE_BYTES_MAX)
            return err_set(err, ERR_TOO_LARGE, "line %llu is longer than %d MiB",
                           (unsigned long long)c->line + c->lines + 1, LINE_BYTES_MAX / 1024 / 1024);
        buf_add(&c->kept, p, (size_t)(next - p));
        if (lf && end_line(c, err) < 0)
            return -1;
        p = next;
    }
    return 0;
}

int pieces_end(struct pieces *c, struct err *err)
{
    if (c->kept.len > c->whole && end_line(c, err) < 0)
        return -1;
    return give(c, err);
}

void pieces_free(struct pieces *c)
{
    buf_free(&c->kept);
}

bool piece_line(const struct piece *piece, size_t *at, const char **line, size_t *len)
{
    if (*at >= piece->len)
        return false;
    const char *p = piece->p + *at, *lf = memchr(p, '\n', piece->len - *at);
    *line = p;
    *len = lf ? (size_t)(lf - p) : piece->len - *at;
    *at += *len + 1;
    if (*len && p[*len - 1] == '\r')
        (*len)--;
    return true;
}
