/* Inside of the app loader: from checked nodes to the app. What is wrong in itself has been reported; what follows from
 * it is not reported again. */
#ifndef BELLTOWER_TENANTS_APP_BUILD_H
#define BELLTOWER_TENANTS_APP_BUILD_H

#include "tenants/app/schema.h"

/* Names that expressions and keys can use. */
struct scope {
    struct expr_name *names;
    bool *broken; /* its type is not known, after a mistake */
    size_t count;
    bool open; /* it would have more names but for a mistake, so that no name can be called unknown */
};

struct builder {
    struct loader *loader;
    struct app *app;
    struct app_diags *diags;
    struct arena *arena; /* the app's */
    struct node *root;
    struct scope fields;
    struct scope *results; /* of each stream */
};

/* base/build parts, in this order */
void build_events(struct builder *b);
void build_streams(struct builder *b);
void build_jobs(struct builder *b);
void build_triggers(struct builder *b);
void build_tests(struct builder *b);

/* ---- shared ---- */
struct node *build_get(const struct node *mapping, const char *key); /* as node_child, but NULL if it is bad too */
int64_t build_number(const struct node *mapping, const char *key, int64_t otherwise);
const char *build_text(struct builder *b, const struct node *n); /* a copy of a scalar's text; NULL gives NULL */
size_t build_list(const struct node *mapping, const char *key, struct node **first);
void scope_add(struct builder *b, struct scope *s, const char *name, enum value_type type, bool broken);

/* The number of the entry (a mapping) of list that has this name; reports and gives SIZE_MAX if there is none. */
size_t build_find(struct builder *b, struct node *name, const char *list_key, const char *what);
void build_check_unique(struct builder *b, const char *list_key, const char *what);

/* NULL if there is no text, or it is wrong, or uses a broken name. */
const struct expr *build_expr(struct builder *b, struct node *n, const struct scope *s, enum value_type want);

struct query_nodes {
    struct node *where, *keys, *select; /* each may be NULL */
    bool keys_required;
    const char *const *reserved_keys, *const *reserved; /* names that no key, no selected column may have */
};
/* query over s; result gets the keys' and the selected columns' names. */
void build_query(struct builder *b, const struct query_nodes *nodes, const struct scope *s, struct app_query *query,
                 struct scope *result);

extern const char *const build_result_reserved[]; /* what every result says of itself; NULL-terminated */

#endif
