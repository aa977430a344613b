/* Aggregates as cells in a row of fixed size: an empty cell is all zeros, cells of two panes merge. PURE. */
#ifndef BELLTOWER_STREAM_ENGINE_AGGREGATES_H
#define BELLTOWER_STREAM_ENGINE_AGGREGATES_H

#include "base/slab.h"
#include "base/wire/cursor.h"
#include "tenants/app/expr.h"

struct row_layout {
    const struct agg *aggs;
    size_t count;
    const struct agg_ops **ops; /* of each, and where its cell is in the row */
    size_t *offsets;
    size_t size;
    bool associative; /* merging in groups gives the same to the bit: not so where floats are added */
    bool owns;        /* cells own memory of the slab */
};

struct row_context {
    struct slab *slab; /* owns the strings and sets of cells */
    int64_t distinct_limit;
    uint64_t sequence; /* of the event that is added: rises in log order, from 1 */
    uint32_t format;   /* row_load: the version of the snapshot's format */
};

void row_layout_init(struct row_layout *l, const struct agg *aggs, size_t count);
void row_layout_free(struct row_layout *l);

/* slots: the event's fields. scratch: for expressions. */
void row_add(const struct row_layout *l, void *row, const struct value *slots, const struct row_context *c,
             struct arena *scratch);
void row_merge(const struct row_layout *l, void *row, const void *other, const struct row_context *c);
/* As row_merge with other in front: where two values are alike, that of the younger pane stays. Only if associative. */
void row_merge_younger(const struct row_layout *l, void *row, const void *other, const struct row_context *c);
/* Strings in values point into the row. */
void row_results(const struct row_layout *l, const void *row, const struct row_context *c, struct value *values);
void row_release(const struct row_layout *l, void *row, const struct row_context *c); /* what its cells own */

/* As version 2 of the snapshot's format. */
void row_save(const struct row_layout *l, const void *row, struct buf *out);
/* Into an empty row; what makes no sense marks the cursor bad. The row must be released in any case. */
void row_load(const struct row_layout *l, void *row, struct cursor *in, const struct row_context *c);

#endif
