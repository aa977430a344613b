#include "stream/left_out.h"

#include "base/mem.h"

#include <stdlib.h>

void left_out_free(struct left_out *l)
{
    free(l->rows);
    *l = (struct left_out){0};
}

void left_out_add(struct left_out *l, const struct skip_row *row)
{
    if (row->reason == SKIP_NEW_LOG) {
        l->count = 0;
        l->messages = 0;
        return;
    }
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 8;
        l->rows = mem_resize(l->rows, l->cap, sizeof *l->rows);
    }
    l->rows[l->count++] = *row;
    l->messages += row->to - row->from + 1;
}

void left_out_take(struct left_out *l, const struct skip_row *rows, size_t count, uint64_t log_generation)
{
    int64_t anew = INT64_MIN;
    l->count = 0;
    l->messages = 0;
    for (size_t i = 0; i < count; i++)
        if (rows[i].reason == SKIP_NEW_LOG && rows[i].at_ms > anew)
            anew = rows[i].at_ms;
    for (size_t i = 0; i < count; i++)
        if (rows[i].generation >= log_generation && rows[i].reason != SKIP_NEW_LOG && rows[i].at_ms >= anew)
            left_out_add(l, &rows[i]);
}

static const struct skip_row *row_of(const struct left_out *l, int64_t from, int64_t to)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->rows[i].from <= from && l->rows[i].to >= to)
            return &l->rows[i];
    return NULL;
}

bool left_out_all(const struct left_out *l, int64_t from, int64_t to)
{
    return row_of(l, from, to) != NULL;
}

enum left_out_how left_out_how(const struct left_out *l, int64_t offset)
{
    const struct skip_row *row = l->count ? row_of(l, offset, offset) : NULL;
    if (!row)
        return LEFT_OUT_NOT;
    return row->reason == SKIP_POISON ? LEFT_OUT_SET_ASIDE : LEFT_OUT_SILENTLY;
}
