/* Results, listed: the documents of a page. */
#include "coredms/mongodb/store.h"
#include "coredms/paging.h"

#include <string.h>

static const char *kept_text(struct result_page *page, const bson_t *doc, const char *name, size_t *len)
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
    struct result_page *page = context;
    if (page->count == RESULT_PAGE_ROWS)
        return false;
    struct result_row *r = &page->rows[page->count++];
    *r = (struct result_row){.generation = (uint64_t)get_int(doc, "generation", 0),
                             .revision = (uint32_t)get_int(doc, "revision", 0),
                             .number = get_int(doc, "number", 0),
                             .stream = kept_text(page, doc, "stream", NULL),
                             .key = kept_text(page, doc, "key", NULL),
                             .window_start = get_int(doc, "window_start", 0),
                             .window_end = get_int(doc, "window_end", 0),
                             .first_offset = get_int(doc, "first_offset", -1),
                             .last_offset = get_int(doc, "last_offset", -1),
                             .withdrawn = get_flag(doc, "withdrawn")};
    r->body = kept_text(page, doc, "body", &r->body_len);
    return true;
}

/* Behind (start, key), or (stream, start, key), in the order of the index. */
static void add_position(bson_t *selector, const struct paging *q)
{
    bson_t *later = BCON_NEW("window_start", "{", "$gt", BCON_DATE_TIME(q->start), "}");
    bson_t *behind = BCON_NEW("window_start", BCON_DATE_TIME(q->start), "key", "{", "$gt", BCON_UTF8(q->key), "}");
    if (q->stream && !q->filter->stream) {
        put_text(later, "stream", q->stream);
        put_text(behind, "stream", q->stream);
        BCON_APPEND(selector, "stream", "{", "$gte", BCON_UTF8(q->stream), "}", "$or", "[", "{", "stream", "{", "$gt",
                    BCON_UTF8(q->stream), "}", "}", BCON_DOCUMENT(later), BCON_DOCUMENT(behind), "]");
    } else {
        BCON_APPEND(selector, "$or", "[", BCON_DOCUMENT(later), BCON_DOCUMENT(behind), "]");
    }
    bson_destroy(later);
    bson_destroy(behind);
}

static int read_page(const struct paging *q, size_t limit, struct result_page *page, struct err *err)
{
    struct store *s = q->store;
    bson_t *selector = BCON_NEW("tenant", BCON_UTF8(s->base.tenant));
    bson_t *opts = BCON_NEW("sort", "{", "stream", BCON_INT32(1), "window_start", BCON_INT32(1), "key", BCON_INT32(1),
                            "}", "projection", "{", "v", BCON_INT32(0), "}", "limit", BCON_INT64((int64_t)limit));
    struct history_filter from_here = *q->filter;
    if (q->key && q->filter->stream && q->start > from_here.from)
        from_here.from = q->start;
    add_filter(selector, &from_here);
    if (q->key)
        add_position(selector, q);
    return mongo_find(s, IN_RESULTS, selector, opts, keep_row, page, err);
}

int mongodb_history_query(struct coredms *db, const struct history_filter *filter, size_t limit, const char *cursor,
                          char **next, history_each *each, void *context, struct err *err)
{
    struct store *s = store_of(db);
    struct paging p = {.filter = filter, .store = s, .read = read_page};
    if (store_ready(s, err) < 0 || paging_begin(&p, cursor, err) < 0)
        return -1;
    int status = paging_query(&p, limit, next, each, context, err);
    paging_end(&p);
    return status;
}
