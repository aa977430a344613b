#include "coredms/paging.h"

#include "coredms/backend.h"

#include <stdlib.h>

static bool give(const struct result_page *page, size_t count, history_each *each, void *context)
{
    for (size_t i = 0; i < count; i++)
        if (!each(context, &page->rows[i]))
            return false;
    return true;
}

static void go_behind(struct paging *p, const struct result_row *row)
{
    free(p->key);
    p->start = row->window_start;
    p->key = mem_strdup(row->key);
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
                *next = coredms_cursor_text(p->start, p->key);
            more = false;
        }
        arena_free(&page->arena);
    }
    free(page);
    free(p->key);
    p->key = NULL;
    return status;
}
