#include "cli/row_stream.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_ROWS 500

struct row_stream {
    struct coredms *db;
    const struct history_filter *filter;
    struct result_row rows[PAGE_ROWS]; /* their texts are owned */
    size_t count, at;
    char *cursor; /* of the next page; NULL = none */
    bool begun;
};

static bool take(void *context, const struct result_row *row)
{
    struct row_stream *s = context;
    struct result_row *copy = &s->rows[s->count++];
    *copy = *row;
    copy->stream = mem_strdup(row->stream);
    copy->key = mem_strdup(row->key);
    copy->body = mem_strndup(row->body, row->body_len);
    return true;
}

static void forget(struct row_stream *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free((char *)(uintptr_t)s->rows[i].stream);
        free((char *)(uintptr_t)s->rows[i].key);
        free((char *)(uintptr_t)s->rows[i].body);
    }
    s->count = s->at = 0;
}

/* *row: the present one; NULL at the end. */
static int peek(struct row_stream *s, const struct result_row **row, struct err *err)
{
    while (s->at == s->count && (s->cursor || !s->begun)) {
        char *next = NULL;
        forget(s);
        if (history_query(s->db, s->filter, PAGE_ROWS, s->cursor, &next, take, s, err) < 0)
            return -1;
        free(s->cursor);
        s->cursor = next;
        s->begun = true;
    }
    *row = s->at < s->count ? &s->rows[s->at] : NULL;
    return 0;
}

static int order(const struct result_row *a, const struct result_row *b)
{
    if (!a || !b)
        return a ? -1 : 1;
    int by = strcmp(a->stream, b->stream);
    if (by == 0)
        by = (a->window_start > b->window_start) - (a->window_start < b->window_start);
    return by ? by : strcmp(a->key, b->key);
}

static int walk(struct row_stream *x, struct row_stream *y, row_pair *each, void *context, struct err *err)
{
    for (;;) {
        const struct result_row *a, *b;
        if (peek(x, &a, err) < 0 || peek(y, &b, err) < 0)
            return -1;
        if (!a && !b)
            return 0;
        int by = order(a, b);
        each(context, by <= 0 ? a : NULL, by >= 0 ? b : NULL);
        x->at += by <= 0;
        y->at += by >= 0;
    }
}

int row_streams_compare(struct coredms *a, struct coredms *b, const struct history_filter *filter, row_pair *each,
                        void *context, struct err *err)
{
    struct row_stream *x = mem_zero(1, sizeof *x), *y = mem_zero(1, sizeof *y);
    x->db = a;
    y->db = b;
    x->filter = y->filter = filter;
    int status = walk(x, y, each, context, err);
    forget(x);
    forget(y);
    free(x->cursor);
    free(y->cursor);
    free(x);
    free(y);
    return status;
}
