#include "tenants/app/build.h"
#include "tenants/app/nearest.h"

#include <string.h>

struct node *build_get(const struct node *mapping, const char *key)
{
    struct node *n = node_child(mapping, key);
    return n && !n->bad ? n : NULL;
}

int64_t build_number(const struct node *mapping, const char *key, int64_t otherwise)
{
    const struct node *n = build_get(mapping, key);
    return n ? n->number : otherwise;
}

const char *build_text(struct builder *b, const struct node *n)
{
    return n ? arena_strndup(b->arena, n->text, n->len) : NULL;
}

size_t build_list(const struct node *mapping, const char *key, struct node **first)
{
    const struct node *list = node_child(mapping, key);
    *first = list && list->kind == NODE_SEQUENCE && !list->bad ? list->first : NULL; /* bad: empty or too long */
    return *first ? list->count : 0;
}

void scope_add(struct builder *b, struct scope *s, const char *name, enum value_type type, bool broken)
{
    if ((s->count & (s->count - 1)) == 0) { /* grown whenever the count is a power of two */
        size_t cap = s->count ? s->count * 2 : 1;
        struct expr_name *names = arena_alloc(b->arena, cap * sizeof *names);
        bool *flags = arena_alloc(b->arena, cap * sizeof *flags);
        if (s->count) {
            memcpy(names, s->names, s->count * sizeof *names);
            memcpy(flags, s->broken, s->count * sizeof *flags);
        }
        s->names = names;
        s->broken = flags;
    }
    s->names[s->count] = (struct expr_name){name, type};
    s->broken[s->count++] = broken;
}

/* ---- names of streams and jobs ---- */

static bool same_text(const struct node *a, const struct node *b)
{
    return a && b && a->kind == NODE_SCALAR && b->kind == NODE_SCALAR && a->len == b->len &&
           !memcmp(a->text, b->text, a->len);
}

size_t build_find(struct builder *b, struct node *name, const char *list_key, const char *what)
{
    struct node *entry;
    size_t count = build_list(b->root, list_key, &entry);
    struct nearest near = nearest_begin(name->text, name->len);
    bool all_named = true;
    for (size_t i = 0; i < count; i++, entry = entry->next) {
        const struct node *other = build_get(entry, "name");
        if (same_text(name, node_child(entry, "name")))
            return i;
        all_named = all_named && other;
        if (other)
            nearest_offer(&near, other->text);
    }
    const struct node *list = node_child(b->root, list_key);
    bool required = !strcmp(list_key, "streams"); /* missing: reported */
    if (all_named && !(list ? list->bad : required))
        complain(b->diags, name, count ? NULL : "an entry of that name in this file", near.best, "no %s `%.64s`", what,
                 name->text);
    return SIZE_MAX;
}

void build_check_unique(struct builder *b, const char *list_key, const char *what)
{
    struct node *first;
    (void)build_list(b->root, list_key, &first);
    for (struct node *n = first; n; n = n->next) {
        struct node *name = build_get(n, "name");
        for (const struct node *m = first; name && m != n; m = m->next)
            if (same_text(name, node_child(m, "name"))) {
                complain(b->diags, name, "another name", NULL, "line %u has a %s `%.64s` already",
                         node_child(m, "name")->mark.line, what, name->text);
                break;
            }
    }
}

/* ---- expressions ---- */

static bool name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool mentions(const struct node *n, const char *word)
{
    size_t len = strlen(word);
    for (const char *p = n->text; (p = memmem(p, n->len - (size_t)(p - n->text), word, len)); p++) {
        bool begins = p == n->text || !name_character(p[-1]);
        if (begins && !name_character(p[len]))
            return true;
    }
    return false;
}

static bool uses_broken_name(const struct node *n, const struct scope *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->broken[i] && mentions(n, s->names[i].name))
            return true;
    return false;
}

static const struct expr *compile(struct builder *b, struct node *n, const struct scope *s,
                                  const struct expr_context *context, bool keys_open, enum value_type want)
{
    struct expr_mistake m = {0};
    if (!n || n->bad || n->kind != NODE_SCALAR || node_is_null(n) || uses_broken_name(n, s))
        return NULL;
    const struct expr *e = expr_compile(n->text, n->len, context, want, b->arena, &m);
    bool follows = (m.unknown_name && s->open) || (m.no_key && keys_open);
    if (!e && !follows)
        complain_within(b->diags, n, m.at, m.len, m.expected, m.suggestion, m.message);
    return e;
}

const struct expr *build_expr(struct builder *b, struct node *n, const struct scope *s, enum value_type want)
{
    const struct expr_context context = {.names = s->names, .name_count = s->count};
    return compile(b, n, s, &context, false, want);
}

/* ---- queries ---- */

const char *const build_result_reserved[] = {"tenant_id", "stream", "window_start", "window_end", "revision", NULL};

static size_t find_name(const struct scope *s, const char *name, size_t len)
{
    for (size_t i = 0; i < s->count; i++)
        if (strlen(s->names[i].name) == len && !memcmp(s->names[i].name, name, len))
            return i;
    return SIZE_MAX;
}

static bool is_reserved(const char *const *reserved, const char *name, size_t len)
{
    for (; *reserved; reserved++)
        if (strlen(*reserved) == len && !memcmp(*reserved, name, len))
            return true;
    return false;
}

static void unknown_column(struct builder *b, struct node *n, const struct scope *s)
{
    struct nearest near = nearest_begin(n->text, n->len);
    for (size_t i = 0; i < s->count; i++)
        nearest_offer(&near, s->names[i].name);
    complain(b->diags, n, s == &b->fields ? "a field of events.fields" : "a column of the stream's results", near.best,
             "unknown name `%.64s`", n->text);
}

/* The column that one name of a key means; false if it cannot be one. */
static bool resolve_key(struct builder *b, struct node *n, const struct scope *s, const char *const *reserved,
                        size_t *column)
{
    if (n->bad || n->kind != NODE_SCALAR)
        return false;
    *column = find_name(s, n->text, n->len);
    if (*column == SIZE_MAX && s->open)
        return false;
    if (*column == SIZE_MAX)
        unknown_column(b, n, s);
    else if (!s->broken[*column] && s->names[*column].type == VALUE_FLOAT)
        complain(b->diags, n, "a field of type int, string or bool", NULL,
                 "`%.64s` is a float: floats make no key, as nearly equal ones would be different", n->text);
    else if (is_reserved(reserved, n->text, n->len))
        complain(b->diags, n, "a field of another name, with `from: ` to say where it stands in the event", NULL,
                 "`%.64s` is what every result says of itself", n->text);
    return !n->bad;
}

static void build_keys(struct builder *b, const struct query_nodes *nodes, const struct scope *s,
                       struct app_query *query, struct scope *result)
{
    bool wrong = nodes->keys && (nodes->keys->kind != NODE_SEQUENCE || nodes->keys->bad);
    result->open = wrong || (!nodes->keys && nodes->keys_required);
    if (!nodes->keys || wrong)
        return;
    size_t *keys = arena_alloc(b->arena, nodes->keys->count * sizeof *keys), count = 0, column;
    for (struct node *n = nodes->keys->first; n; n = n->next) {
        if (resolve_key(b, n, s, nodes->reserved_keys, &column)) {
            keys[count++] = column;
            scope_add(b, result, s->names[column].name, s->names[column].type, s->broken[column]);
        } else {
            result->open = true;
        }
    }
    query->keys = keys;
    query->key_count = count;
}

static bool column_name_ok(struct builder *b, struct node *n, const struct query_nodes *nodes,
                           const struct scope *result)
{
    const char *problem = NULL;
    if (!schema_field_name_ok(n->key, n->key_len))
        return false; /* reported */
    if (find_name(result, n->key, n->key_len) != SIZE_MAX)
        problem = "a column of the key has this name already";
    else if (is_reserved(nodes->reserved, n->key, n->key_len))
        problem = "this name is taken: every result or report has it";
    if (problem)
        complain_key(b->diags, n, "another name", NULL, "%s", problem);
    return !problem;
}

static void build_columns(struct builder *b, const struct query_nodes *nodes, const struct scope *s,
                          struct app_query *query, struct scope *result)
{
    result->open = result->open || s->open;
    if (!nodes->select || nodes->select->kind != NODE_MAPPING || nodes->select->bad) {
        result->open = true;
        return;
    }
    struct app_column *columns = arena_alloc(b->arena, nodes->select->count * sizeof *columns);
    struct agg *aggs = NULL;
    const struct expr_context context = {s->names, s->count, query->keys, query->key_count, &aggs, &query->agg_count};
    const bool keys_open = result->open; /* what is no key may be one, misspelt */
    for (struct node *n = nodes->select->first; n; n = n->next) {
        bool name_ok = column_name_ok(b, n, nodes, result);
        struct app_column *c = &columns[query->column_count];
        c->name = arena_strndup(b->arena, n->key, n->key_len);
        c->text = n->kind == NODE_SCALAR ? build_text(b, n) : "";
        c->expr = compile(b, n, s, &context, keys_open, VALUE_NULL);
        c->type = c->expr ? expr_type(c->expr) : VALUE_NULL;
        query->column_count++;
        if (name_ok)
            scope_add(b, result, c->name, c->type, !c->expr);
        else
            result->open = true;
    }
    query->columns = columns;
    query->aggs = aggs;
}

void build_query(struct builder *b, const struct query_nodes *nodes, const struct scope *s, struct app_query *query,
                 struct scope *result)
{
    query->where = build_expr(b, nodes->where, s, VALUE_BOOL);
    build_keys(b, nodes, s, query, result);
    build_columns(b, nodes, s, query, result);
}
