/* One loop over libyaml's events builds the nodes. What the loader never wants (aliases, anchors, tags, a second
 * document, depth) is refused here, before anything could walk it. */
#include "base/json.h"
#include "base/utf8.h"
#include "tenants/app/node.h"

#include <string.h>
#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    struct arena *arena;
    struct app_diags *diags;
    struct node *open[NODE_MAX_DEPTH]; /* sequences and mappings we are in */
    size_t depth;
    struct node *key[NODE_MAX_DEPTH]; /* of each open mapping: the key whose value comes next, or NULL */
    struct node *root;
    size_t documents;
    bool failed, ended, no_yaml;
};

static struct mark mark_at(const yaml_mark_t *from, const yaml_mark_t *to)
{
    size_t length = to->line == from->line ? to->column - from->column : 1;
    return (struct mark){(unsigned)from->line + 1, (unsigned)from->column + 1, (unsigned)length};
}

static void refuse_at(struct reader *r, struct mark at, const char *pointer, const char *expected, const char *text)
{
    diag_add(r->diags, at, pointer, (struct diag_extra){.expected = expected}, "%s", text);
}

/* ---- building ---- */

static struct node *new_node(struct reader *r, enum node_kind kind, const yaml_event_t *e)
{
    struct node *n = arena_alloc(r->arena, sizeof *n);
    n->kind = kind;
    n->mark = mark_at(&e->start_mark, &e->end_mark);
    return n;
}

static void append(struct node *parent, struct node *n)
{
    n->index = parent->count++;
    if (parent->last)
        parent->last->next = n;
    else
        parent->first = n;
    parent->last = n;
}

static const struct node *same_key(const struct node *mapping, const struct node *key)
{
    for (const struct node *n = mapping->first; n; n = n->next)
        if (n->key_len == key->len && !memcmp(n->key, key->text, key->len))
            return n;
    return NULL;
}

static bool place_in_mapping(struct reader *r, struct node *n)
{
    struct node *mapping = r->open[r->depth - 1], **key = &r->key[r->depth - 1];
    if (!*key) {
        if (n->kind != NODE_SCALAR) {
            refuse_at(r, n->mark, "", "a name", "a key must be plain text");
            return false;
        }
        *key = n;
        return true;
    }
    n->key = (*key)->text;
    n->key_len = (*key)->len;
    n->key_mark = (*key)->mark;
    const struct node *first = same_key(mapping, *key);
    *key = NULL;
    if (first) {
        complain_key(r->diags, n, NULL, NULL, "duplicate key; line %u has it already", first->key_mark.line);
        return true; /* the first one counts */
    }
    if (mapping->count == NODE_MAX_KEYS) {
        complain_key(r->diags, n, NULL, NULL, "more than %d keys", NODE_MAX_KEYS);
        return false;
    }
    append(mapping, n);
    return true;
}

static bool place(struct reader *r, struct node *n)
{
    if (!r->depth) {
        r->root = n;
        return true;
    }
    struct node *parent = r->open[r->depth - 1];
    n->parent = parent;
    if (parent->kind == NODE_MAPPING)
        return place_in_mapping(r, n);
    append(parent, n);
    return true;
}

static bool open_node(struct reader *r, struct node *n)
{
    if (!place(r, n))
        return false;
    if (r->depth == NODE_MAX_DEPTH) {
        refuse_at(r, n->mark, "", NULL, "nested more than 32 levels deep");
        return false;
    }
    r->key[r->depth] = NULL;
    r->open[r->depth++] = n;
    return true;
}

static void check_properties(struct reader *r, const yaml_event_t *e, const yaml_char_t *anchor, const yaml_char_t *tag)
{
    struct mark at = mark_at(&e->start_mark, &e->end_mark);
    if (anchor)
        refuse_at(r, at, "", NULL, "anchors (&name) are not allowed; write the value out");
    if (tag)
        refuse_at(r, at, "", NULL, "tags (!name) are not allowed; the schema knows each value's type");
}

/* ---- events ---- */

/* Whether a scalar's text stands in the file as it is, so that places in it can be shown: 1 + how far behind the mark.
 */
static unsigned verbatim(const yaml_event_t *e, const struct node *n)
{
    if (e->start_mark.line != e->end_mark.line)
        return 0;
    size_t source = e->end_mark.column - e->start_mark.column, length = 0;
    for (size_t i = 0; i < n->len; i++)
        length += ((unsigned char)n->text[i] & 0xc0) != 0x80;
    if (n->plain)
        return source == length ? 1 : 0;
    return source == length + 2 ? 2 : 0; /* quotes, no escapes */
}

static bool on_scalar(struct reader *r, const yaml_event_t *e)
{
    struct node *n = new_node(r, NODE_SCALAR, e);
    n->len = e->data.scalar.length;
    n->text = arena_strndup(r->arena, (const char *)e->data.scalar.value, n->len);
    n->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    n->verbatim = verbatim(e, n);
    check_properties(r, e, e->data.scalar.anchor, e->data.scalar.tag);
    return place(r, n);
}

static bool on_alias(struct reader *r, const yaml_event_t *e)
{
    struct node *n = new_node(r, NODE_SCALAR, e);
    n->text = "";
    n->bad = true;
    refuse_at(r, n->mark, "", NULL, "aliases (*name) are not allowed; write the value out");
    return place(r, n);
}

static bool on_sequence(struct reader *r, const yaml_event_t *e)
{
    check_properties(r, e, e->data.sequence_start.anchor, e->data.sequence_start.tag);
    return open_node(r, new_node(r, NODE_SEQUENCE, e));
}

static bool on_mapping(struct reader *r, const yaml_event_t *e)
{
    check_properties(r, e, e->data.mapping_start.anchor, e->data.mapping_start.tag);
    return open_node(r, new_node(r, NODE_MAPPING, e));
}

static bool on_close(struct reader *r, const yaml_event_t *e)
{
    (void)e;
    r->depth--;
    return true;
}

static bool on_document(struct reader *r, const yaml_event_t *e)
{
    if (++r->documents == 1)
        return true;
    struct mark at = {(unsigned)e->start_mark.line + 1, (unsigned)e->start_mark.column + 1, 3};
    refuse_at(r, at, "", NULL, "a second YAML document; an app file holds one");
    return false;
}

static bool on_end(struct reader *r, const yaml_event_t *e)
{
    (void)e;
    r->ended = true;
    return true;
}

static bool on_other(struct reader *r, const yaml_event_t *e)
{
    (void)r;
    (void)e;
    return true;
}

static bool handle(struct reader *r, const yaml_event_t *e)
{
    static bool (*const handlers[])(struct reader *, const yaml_event_t *) = {
        [YAML_NO_EVENT] = on_other,           [YAML_STREAM_START_EVENT] = on_other,
        [YAML_STREAM_END_EVENT] = on_end,     [YAML_DOCUMENT_START_EVENT] = on_document,
        [YAML_DOCUMENT_END_EVENT] = on_other, [YAML_ALIAS_EVENT] = on_alias,
        [YAML_SCALAR_EVENT] = on_scalar,      [YAML_SEQUENCE_START_EVENT] = on_sequence,
        [YAML_SEQUENCE_END_EVENT] = on_close, [YAML_MAPPING_START_EVENT] = on_mapping,
        [YAML_MAPPING_END_EVENT] = on_close,
    };
    return handlers[e->type](r, e);
}

/* ---- errors of the syntax ---- */

static struct mark mark_of_byte(const char *text, size_t at)
{
    struct mark m = {1, 1, 1};
    for (size_t i = 0; i < at; i++) {
        if (text[i] == '\n') {
            m.line++;
            m.column = 1;
        } else {
            m.column += ((unsigned char)text[i] & 0xc0) != 0x80;
        }
    }
    return m;
}

static void report_syntax(struct reader *r, const char *text, size_t len)
{
    const yaml_parser_t *p = &r->parser;
    struct mark at = {(unsigned)p->problem_mark.line + 1, (unsigned)p->problem_mark.column + 1, 1};
    const char *problem = p->problem ? p->problem : "unreadable";
    if (p->error == YAML_READER_ERROR) /* has no mark, but an offset */
        at = mark_of_byte(text, p->problem_offset < len ? p->problem_offset : len);
    struct mark context = {(unsigned)p->context_mark.line + 1, (unsigned)p->context_mark.column + 1, 1};
    const bool in_flow = p->context && strstr(p->context, "flow");
    struct diag_extra none = {
        .expected = in_flow ? "`,` or the closing bracket; put a text that holds [ ] { } or , in quotes" : NULL};
    if (p->context && strstr(problem, "end of stream")) /* what is not ended matters, not the end of the file */
        diag_add(r->diags, context, "", none, "not valid YAML: %s that begins here, %s", p->context, problem);
    else if (p->context && context.line != at.line)
        diag_add(r->diags, at, "", none, "not valid YAML: %s (begun in line %u), %s", p->context, context.line,
                 problem);
    else if (p->context)
        diag_add(r->diags, at, "", none, "not valid YAML: %s, %s", p->context, problem);
    else
        diag_add(r->diags, at, "", none, "not valid YAML: %s", problem);
}

static void read_events(struct reader *r, const char *text, size_t len)
{
    while (!r->failed && !r->ended) {
        yaml_event_t event;
        if (!yaml_parser_parse(&r->parser, &event)) {
            report_syntax(r, text, len);
            r->failed = r->no_yaml = true;
            return;
        }
        r->failed = !handle(r, &event);
        yaml_event_delete(&event);
    }
}

static size_t first_bad_byte(const char *text, size_t len)
{
    size_t at = 0, n = 1;
    while (at < len && (n = utf8_sequence((const unsigned char *)text + at, len - at)))
        at += n;
    return at;
}

static bool check_bytes(const char *text, size_t len, struct app_diags *diags)
{
    if (len > APP_MAX_BYTES) {
        diag_add(diags, (struct mark){1, 1, 1}, "", (struct diag_extra){0},
                 "the file has %zu bytes; at most %d (256 KiB) are allowed", len, APP_MAX_BYTES);
        return false;
    }
    if (!utf8_valid(text, len)) {
        struct mark at = mark_of_byte(text, first_bad_byte(text, len));
        diag_add(diags, at, "", (struct diag_extra){.expected = "a file in UTF-8"}, "not valid UTF-8");
        return false;
    }
    return true;
}

struct node *node_read(const char *text, size_t len, struct arena *arena, struct app_diags *diags)
{
    struct reader r = {.arena = arena, .diags = diags};
    if (!check_bytes(text, len, diags))
        return NULL;
    if (!yaml_parser_initialize(&r.parser)) {
        diag_add(diags, (struct mark){1, 1, 1}, "", (struct diag_extra){0}, "out of memory");
        return NULL;
    }
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
    read_events(&r, text, len);
    yaml_parser_delete(&r.parser);
    diags->parsed = !r.no_yaml;
    if (!r.failed && !r.root)
        diag_add(diags, (struct mark){1, 1, 1}, "",
                 (struct diag_extra){.expected = "an app: tenant, events, streams, ..."}, "the file is empty");
    return r.failed ? NULL : r.root;
}
