/* Stored results, listed page by page, alike in every store: no cursor and no read transaction stays open while a
 * caller works on the rows. */
#ifndef BELLTOWER_COREDMS_PAGING_H
#define BELLTOWER_COREDMS_PAGING_H

#include "base/mem.h"
#include "coredms/coredms.h"

#define RESULT_PAGE_ROWS 500

struct result_page {
    struct result_row rows[RESULT_PAGE_ROWS];
    size_t count;
    struct arena arena; /* for what the rows point to */
};

struct paging {
    const struct history_filter *filter;
    char *stream; /* rows behind (stream, start, key); the filter's unless that is for all streams */
    int64_t start;
    char *key; /* NULL = from the beginning */
    void *store;
    /* Adds at most `limit` rows from there on to the empty page, in order; fewer only at the end. */
    int (*read)(const struct paging *p, size_t limit, struct result_page *page, struct err *err);
};

/* Puts p, whose filter is set, behind the cursor (NULL: at the beginning). ERR_INVALID; then there is nothing to end.
 */
int paging_begin(struct paging *p, const char *cursor, struct err *err) MUSTCHECK;
void paging_end(struct paging *p);

/* history_query, from where p stands. */
int paging_query(struct paging *p, size_t limit, char **next, history_each *each, void *context,
                 struct err *err) MUSTCHECK;

#endif
