#include "tenants/app/diag.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *copy(struct app_diags *d, const char *s)
{
    return s ? arena_strndup(&d->arena, s, strlen(s)) : NULL;
}

static void make_room(struct app_diags *d)
{
    if (d->count & (d->count - 1)) /* grown whenever the count is a power of two */
        return;
    struct app_diag *grown = arena_alloc(&d->arena, (d->count ? d->count * 2 : 1) * sizeof *grown);
    if (d->count)
        memcpy(grown, d->list, d->count * sizeof *grown);
    d->list = grown;
}

void diag_add(struct app_diags *d, struct mark at, const char *pointer, struct diag_extra extra, const char *fmt, ...)
{
    char text[1000];
    va_list ap;
    d->errors += !extra.warning;
    if (d->count > DIAG_MAX)
        return;
    if (d->count == DIAG_MAX) {
        snprintf(text, sizeof text, "more than %d mistakes; the others are not shown", DIAG_MAX);
        at = d->list[DIAG_MAX - 1].line > at.line ? (struct mark){d->list[DIAG_MAX - 1].line, 1, 1} : at;
        pointer = "";
        extra = (struct diag_extra){.warning = extra.warning};
    } else {
        va_start(ap, fmt);
        vsnprintf(text, sizeof text, fmt, ap);
        va_end(ap);
    }
    make_room(d);
    d->list[d->count++] = (struct app_diag){.warning = extra.warning,
                                            .line = at.line,
                                            .column = at.column,
                                            .length = at.length ? at.length : 1,
                                            .pointer = copy(d, pointer),
                                            .message = copy(d, text),
                                            .expected = copy(d, extra.expected),
                                            .suggestion = copy(d, extra.suggestion)};
}

static int compare(const void *a, const void *b)
{
    const struct app_diag *x = a, *y = b;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    if (x->column != y->column)
        return x->column < y->column ? -1 : 1;
    return strcmp(x->message, y->message);
}

void diag_sort(struct app_diags *d)
{
    if (d->count)
        qsort(d->list, d->count, sizeof *d->list, compare);
}

void app_diags_free(struct app_diags *diags)
{
    arena_free(&diags->arena);
    *diags = (struct app_diags){0};
}
