#include "coredms/paging.h"

#include "base/json.h"
#include "coredms/backend.h"

#include <stdlib.h>
#include <string.h>

static bool give(const struct result_page *page, size_t count, history_each *each, void *context)
{
    for (size_t i = 0; i < count; i++)
        if (!each(context, &page->rows[i]))
            return false;
    return true;
}

static void go_behind(struct paging *p, const struct result_row *row)
{
    paging_end(p);
    p->start = row->window_start;
    p->stream = mem_strdup(row->stream);
    p->key = mem_strdup(row->key);
}

/* ---- cursors: of one stream (start, key), of all (start, "<length of the stream> <stream><key>") ---- */

static char *cursor_of(const struct paging *p)
{
    if (p->filter->stream)
        return coredms_cursor_text(p->start, p->key);
    char *text = mem_printf("%zu %s%s", strlen(p->stream), p->stream, p->key);
    char *cursor = coredms_cursor_text(p->start, text);
    free(text);
    return cursor;
}

/* Cuts "<length> <stream><key>" into p. */
static int split(struct paging *p, const char *text, struct err *err)
{
    char *end = NULL;
    unsigned long len = *text >= '0' && *text <= '9' ? strtoul(text, &end, 10) : 0;
    bool good = end && *end == ' ' && len < strlen(end + 1) && utf8_valid(end + 1, len);
    if (!good)
        return err_set(err, ERR_INVALID, "cursor: not one of a listing of all streams; leave it out to begin anew");
    p->stream = mem_strndup(end + 1, len);
    p->key = mem_strdup(end + 1 + len);
    return 0;
}

int paging_begin(struct paging *p, const char *cursor, struct err *err)
{
    char *text;
    if (!cursor)
        return 0;
    if (coredms_cursor_parse(cursor, &p->start, &text, err) < 0)
        return -1;
    if (p->filter->stream) {
        p->key = text;
        return 0;
    }
    int status = split(p, text, err);
    free(text);
    return status;
}

void paging_end(struct paging *p)
{
    free(p->stream);
    free(p->key);
    p->stream = p->key = NULL;
}

int paging_query(struct paging *p, size_t limit, char **next, history_each *each, void *context, struct err *err)
{
    struct result_page *page = mem_zero(1, sizeof *page);
    bool more = limit > 0;
    int status = 0;
    if (next)
        *next = NULL;
    while (more && status == 0) {
        /* one row more than asked for tells whether there are more */
        size_t want = limit < RESULT_PAGE_ROWS ? limit + 1 : RESULT_PAGE_ROWS;
        page->count = 0;
        status = p->read(p, want, page, err);
        size_t count = page->count < limit ? page->count : limit;
        bool ended = page->count < want;
        limit -= count;
        more = status == 0 && give(page, count, each, context) && !ended;
        if (more && count)
            go_behind(p, &page->rows[count - 1]);
        if (more && limit == 0) {
            if (next)
                *next = cursor_of(p);
            more = false;
        }
        arena_free(&page->arena);
    }
    free(page);
    return status;
}
