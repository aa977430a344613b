/* Inside of the app loader: a YAML document as nodes with their places. */
#ifndef BELLTOWER_TENANTS_APP_NODE_H
#define BELLTOWER_TENANTS_APP_NODE_H

#include "tenants/app/diag.h"

#define NODE_MAX_DEPTH 32
#define NODE_MAX_KEYS  1000 /* of one mapping */

enum node_kind { NODE_SCALAR, NODE_SEQUENCE, NODE_MAPPING };

struct node {
    enum node_kind kind;
    const struct node *parent;
    const char *key; /* in a mapping */
    size_t key_len, index;
    struct mark mark, key_mark;
    struct node *first, *last, *next;
    size_t count;
    /* scalars */
    const char *text; /* NUL-terminated */
    size_t len;
    bool plain;
    unsigned verbatim; /* the text stands in the file as it is, this far behind the mark (1 + offset); 0: it does not */
    /* set while the schema is checked */
    bool bad;       /* wrong in itself; already reported */
    int64_t number; /* of an int, a duration (ms), a size (bytes), a bool, a word (its index) */
};

/* The one document in text. NULL if it cannot be read at all (then there are errors). Reports aliases, anchors, tags,
 * duplicate keys. */
struct node *node_read(const char *text, size_t len, struct arena *arena, struct app_diags *diags);

struct node *node_child(const struct node *mapping,
                        const char *key);                 /* NULL if missing; mapping may be NULL or no mapping */
bool node_is_null(const struct node *n);                  /* nothing, ~ or null */
bool node_is(const struct node *n, const char *text);     /* a scalar of that text */
void node_pointer(const struct node *n, struct buf *out); /* "streams[0].window" */

/* Mistakes at a node, at its key, at bytes [at, at + len) of its text. */
void complain(struct app_diags *d, struct node *n, const char *expected, const char *suggestion, const char *fmt, ...)
    PRINTF(5, 6);
void complain_key(struct app_diags *d, const struct node *n, const char *expected, const char *suggestion,
                  const char *fmt, ...) PRINTF(5, 6);
void complain_within(struct app_diags *d, struct node *n, size_t at, size_t len, const char *expected,
                     const char *suggestion, const char *message);
/* The text reads on from the pointer. */
void warn_of(struct app_diags *d, const struct node *n, const char *fmt, ...) PRINTF(3, 4);

#endif
