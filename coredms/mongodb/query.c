/* Results, listed page by page: no cursor stays open on the server while a caller works on the rows. */
#include "coredms/mongodb/store.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct page {
    struct result_row rows[PAGE_ROWS]; /* stream, key and body live in the arena */
    size_t count;
    struct arena arena;
    const char *stream;
};

struct querying {
    const struct history_filter *filter;
    int64_t start; /* rows behind (start, key) */
    char *key;     /* NULL = from the beginning */
};

static const char *kept_text(struct page *page, const bson_t *doc, const char *name, size_t *len)
{
    bson_iter_t it;
    uint32_t n = 0;
    const char *text = bson_iter_init_find(&it, doc, name) && BSON_ITER_HOLDS_UTF8(&it) ? bson_iter_utf8(&it, &n) : "";
    if (len)
        *len = n;
    return arena_strndup(&page->arena, text, n);
}

static bool keep_row(void *context, const bson_t *doc)
{
    struct page *page = context;
    if (page->count == PAGE_ROWS)
        return false;
    struct result_row *r = &page->rows[page->count++];
    *r = (struct result_row){.generation = (uint64_t)get_int(doc, "generation", 0),
                             .revision = (uint32_t)get_int(doc, "revision", 0),
                             .number = get_int(doc, "number", 0),
                             .stream = page->stream,
                             .key = kept_text(page, doc, "key", NULL),
                             .window_start = get_int(doc, "window_start", 0),
                             .window_end = get_int(doc, "window_end", 0)};
    r->body = kept_text(page, doc, "body", &r->body_len);
    return true;
}

/* Behind (start, key), in the order of the index. */
static void add_position(bson_t *selector, const struct querying *q)
{
    if (!q->key)
        return;
    BCON_APPEND(selector, "$or", "[", "{", "window_start", "{", "$gt", BCON_DATE_TIME(q->start), "}", "}", "{",
                "window_start", BCON_DATE_TIME(q->start), "key", "{", "$gt", BCON_UTF8(q->key), "}", "}", "]");
}

static int read_page(struct store *s, const struct querying *q, size_t limit, struct page *page, struct err *err)
{
    bson_t *selector = BCON_NEW("tenant", BCON_UTF8(s->base.tenant));
    bson_t *opts = BCON_NEW("sort", "{", "window_start", BCON_INT32(1), "key", BCON_INT32(1), "}", "projection", "{",
                            "v", BCON_INT32(0), "}", "limit", BCON_INT64((int64_t)limit));
    struct history_filter from_here = *q->filter;
    if (q->key && q->start > from_here.from)
        from_here.from = q->start;
    add_filter(selector, &from_here);
    add_position(selector, q);
    page->count = 0;
    page->stream = q->filter->stream;
    return mongo_find(s, IN_RESULTS, selector, opts, keep_row, page, err);
}

static bool give_page(const struct page *page, size_t count, history_each *each, void *context)
{
    for (size_t i = 0; i < count; i++)
        if (!each(context, &page->rows[i]))
            return false;
    return true;
}

static void go_behind(struct querying *q, const struct result_row *row)
{
    free(q->key);
    q->start = row->window_start;
    q->key = mem_strdup(row->key);
}

static int query_pages(struct store *s, struct querying *q, size_t limit, char **next, history_each *each,
                       void *context, struct err *err)
{
    struct page *page = mem_zero(1, sizeof *page);
    bool more = limit > 0;
    int status = 0;
    while (more && status == 0) {
        /* one row more than asked for tells whether there are more */
        size_t want = limit < PAGE_ROWS ? limit + 1 : PAGE_ROWS;
        status = read_page(s, q, want, page, err);
        size_t give = page->count < limit ? page->count : limit;
        bool ended = page->count < want;
        limit -= give;
        more = status == 0 && give_page(page, give, each, context) && !ended;
        if (more && give)
            go_behind(q, &page->rows[give - 1]);
        if (more && limit == 0) {
            if (next)
                *next = coredms_cursor_text(q->start, q->key);
            more = false;
        }
        arena_free(&page->arena);
    }
    free(page);
    return status;
}

int mongodb_history_query(struct coredms *db, const struct history_filter *filter, size_t limit, const char *cursor,
                          char **next, history_each *each, void *context, struct err *err)
{
    struct store *s = store_of(db);
    struct querying q = {.filter = filter};
    if (store_ready(s, err) < 0 || (cursor && coredms_cursor_parse(cursor, &q.start, &q.key, err) < 0))
        return -1;
    if (next)
        *next = NULL;
    int status = query_pages(s, &q, limit, next, each, context, err);
    free(q.key);
    return status;
}
