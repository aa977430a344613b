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
    int64_t start; /* rows behind (start, key) */
    char *key;     /* NULL = from the beginning; freed by paging_query */
    void *store;
    /* Adds at most `limit` rows from there on to the empty page, in order; fewer only at the end. */
    int (*read)(const struct paging *p, size_t limit, struct result_page *page, struct err *err);
};

/* history_query, from where p stands. */
int paging_query(struct paging *p, size_t limit, char **next, history_each *each, void *context,
                 struct err *err) MUSTCHECK;

#endif
