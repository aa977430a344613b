/* Walks the nodes along the schema's table. */
#include "base/duration.h"
#include "tenants/app/expr_lex.h"
#include "tenants/app/nearest.h"
#include "tenants/app/schema.h"

#include <stdio.h>
#include <string.h>

/* ---- names ---- */

static bool in_set(char c, bool first, bool upper, const char *also)
{
    if ((c >= 'a' && c <= 'z') || (upper && c >= 'A' && c <= 'Z'))
        return true;
    return (!first && c >= '0' && c <= '9') || (c && strchr(also, c) && (!first || c == '_'));
}

static bool name_of(const char *s, size_t len, size_t max, bool upper, const char *also)
{
    if (!len || len > max)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!in_set(s[i], i == 0, upper, also))
            return false;
    return true;
}

bool schema_name_ok(const char *s, size_t len)
{
    return name_of(s, len, 64, false, "_-") && *s != '_';
}

bool schema_field_name_ok(const char *s, size_t len)
{
    return name_of(s, len, 64, true, "_") && !expr_is_keyword(s, len);
}

bool app_tenant_name_ok(const char *name, size_t len)
{
    return name_of(name, len, 48, false, "-");
}

/* ---- scalars ---- */

#define SHOWN(n) (int)((n)->len < 60 ? (n)->len : 60), (n)->text

static bool check_tenant(struct loader *l, const struct schema_row *row, struct node *n)
{
    (void)row;
    if (!app_tenant_name_ok(n->text, n->len))
        complain(l->diags, n, "[a-z][a-z0-9-]{0,47}: small letters, digits, hyphens; a letter first", NULL,
                 "`%.*s` is no tenant name", SHOWN(n));
    return !n->bad;
}

static bool check_name(struct loader *l, const struct schema_row *row, struct node *n)
{
    (void)row;
    if (!schema_name_ok(n->text, n->len))
        complain(l->diags, n, "[a-z][a-z0-9_-]{0,63}: small letters, digits, _ and -; a letter first", NULL,
                 "`%.*s` is no name", SHOWN(n));
    return !n->bad;
}

static bool check_text(struct loader *l, const struct schema_row *row, struct node *n)
{
    for (size_t i = 0; i < n->len && !n->bad; i++)
        if ((unsigned char)n->text[i] < 0x20 || n->text[i] == 0x7f)
            complain(l->diags, n, "one line of text", NULL, "a control character in the text");
    if (!n->bad && ((int64_t)n->len < row->min || (int64_t)n->len > row->max))
        complain(l->diags, n, NULL, NULL, n->len ? "longer than %lld bytes" : "empty text", (long long)row->max);
    return !n->bad;
}

static bool check_path(struct loader *l, const struct schema_row *row, struct node *n)
{
    (void)row;
    size_t segment = 0, segments = 1;
    bool ok = n->len > 0 && n->len <= 256 && !memchr(n->text, 0, n->len);
    for (size_t i = 0; i < n->len && ok; i++) {
        segment = n->text[i] == '.' ? 0 : segment + 1;
        segments += n->text[i] == '.';
        ok = segment > 0 || (i > 0 && n->text[i - 1] != '.');
    }
    if (!ok || !segment || segments > 16)
        complain(l->diags, n, "a name such as device or a path such as device.id", NULL, "`%.*s` is no path to a field",
                 SHOWN(n));
    return !n->bad;
}

static bool complain_err(struct loader *l, struct node *n, const char *prefix, const char *text)
{
    size_t skip = strncmp(text, prefix, strlen(prefix)) ? 0 : strlen(prefix);
    complain(l->diags, n, NULL, NULL, "%s", text + skip);
    return false;
}

static bool check_time_format(struct loader *l, const struct schema_row *row, struct node *n)
{
    (void)row;
    struct time_format f;
    struct err err;
    return time_format_compile(n->text, n->len, &f, &err) == 0 || complain_err(l, n, "time format: ", err.text);
}

static bool check_schedule(struct loader *l, const struct schema_row *row, struct node *n)
{
    (void)row;
    struct cron c;
    struct err err;
    return cron_parse(n->text, n->len, &c, &err) == 0 || complain_err(l, n, "schedule: ", err.text);
}

static bool check_timezone(struct loader *l, const struct schema_row *row, struct node *n)
{
    (void)row;
    struct zone *z = NULL;
    struct err err;
    bool is_name = !memchr(n->text, 0, n->len);
    int status = is_name ? zone_load(n->text, &z, &err) : -1;
    if (status < 0 && is_name && err.code == ERR_UNAVAILABLE) /* no mistake of the app: whoever needs it says so */
        return true;
    if (status < 0) {
        complain(l->diags, n, "an IANA name such as Europe/Helsinki or UTC", NULL, "no time zone `%.*s`", SHOWN(n));
        return false;
    }
    zone_free(&z);
    return true;
}

static bool check_word(struct loader *l, const struct schema_row *row, struct node *n)
{
    char expected[200] = "one of ";
    struct nearest near = nearest_begin(n->text, n->len);
    for (size_t i = 0; row->words[i]; i++) {
        if (node_is(n, row->words[i])) {
            n->number = (int64_t)i;
            return true;
        }
        nearest_offer(&near, row->words[i]);
        strcat(strcat(expected, i ? ", " : ""), row->words[i]);
    }
    complain(l->diags, n, expected, near.best, "`%.*s` is no %s", SHOWN(n), row->key);
    return false;
}

static bool check_bool(struct loader *l, const struct schema_row *row, struct node *n)
{
    (void)row;
    n->number = node_is(n, "true");
    if (!n->plain || (!n->number && !node_is(n, "false")))
        complain(l->diags, n, "true or false", NULL, "`%.*s` is no bool", SHOWN(n));
    return !n->bad;
}

/* Decimal, without sign or leading zeros; the length used, 0 if there is none or it does not fit. */
static size_t read_decimal(const char *s, size_t len, int64_t *value)
{
    size_t n = 0;
    int64_t v = 0;
    for (; n < len && s[n] >= '0' && s[n] <= '9'; n++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, s[n] - '0', &v))
            return 0;
    *value = v;
    return n > 1 && s[0] == '0' ? 0 : n;
}

static bool in_range(struct loader *l, const struct schema_row *row, struct node *n, const char *min, const char *max)
{
    if (n->number >= row->min && n->number <= row->max)
        return true;
    complain(l->diags, n, NULL, NULL, "%.*s is out of range: %s to %s", SHOWN(n), min, max);
    return false;
}

static bool check_int(struct loader *l, const struct schema_row *row, struct node *n)
{
    char min[24], max[24];
    if (!n->plain || !n->len || read_decimal(n->text, n->len, &n->number) != n->len) {
        complain(l->diags, n, "a whole number without leading zeros", NULL, "`%.*s` is no number", SHOWN(n));
        return false;
    }
    snprintf(min, sizeof min, "%lld", (long long)row->min);
    snprintf(max, sizeof max, "%lld", (long long)row->max);
    return in_range(l, row, n, min, max);
}

static bool read_size(const struct node *n, int64_t *bytes)
{
    static const struct {
        const char *name;
        int64_t bytes;
    } units[] = {{"", 1}, {"B", 1}, {"KiB", 1024}, {"MiB", 1024 * 1024}};
    size_t digits = read_decimal(n->text, n->len, bytes);
    for (size_t i = 0; digits && i < sizeof units / sizeof *units; i++)
        if (n->len - digits == strlen(units[i].name) && !memcmp(n->text + digits, units[i].name, n->len - digits))
            return !__builtin_mul_overflow(*bytes, units[i].bytes, bytes);
    return false;
}

static void size_text(int64_t bytes, char out[24])
{
    bool mib = bytes >= 1024 * 1024, kib = bytes >= 1024;
    snprintf(out, 24, "%lld%s",
             (long long)(mib   ? bytes >> 20
                         : kib ? bytes >> 10
                               : bytes),
             mib   ? "MiB"
             : kib ? "KiB"
                   : "");
}

static bool check_size(struct loader *l, const struct schema_row *row, struct node *n)
{
    char min[24], max[24];
    if (!read_size(n, &n->number)) {
        complain(l->diags, n, "bytes, as in 65536, 64KiB or 1MiB", NULL, "`%.*s` is no size", SHOWN(n));
        return false;
    }
    size_text(row->min, min);
    size_text(row->max, max);
    return in_range(l, row, n, min, max);
}

static bool check_duration(struct loader *l, const struct schema_row *row, struct node *n)
{
    char min[48], max[48];
    struct err err;
    if (duration_parse(n->text, n->len, &n->number, &err) < 0) {
        complain(l->diags, n, "a duration such as 250ms, 30s, 5m, 1h30m or 7d", NULL, "`%.*s` is no duration",
                 SHOWN(n));
        return false;
    }
    duration_text(row->min, min);
    duration_text(row->max, max);
    return in_range(l, row, n, min, max);
}

static bool check_duration_or_off(struct loader *l, const struct schema_row *row, struct node *n)
{
    if (!node_is(n, "off"))
        return check_duration(l, row, n);
    n->number = APP_OFF;
    return true;
}

static bool check_nothing(struct loader *l, const struct schema_row *row, struct node *n)
{
    (void)l;
    (void)row;
    (void)n;
    return true;
}

/* ---- lists and mappings ---- */

static bool check_count(struct loader *l, const struct schema_row *row, struct node *n)
{
    if ((int64_t)n->count < row->min)
        complain(l->diags, n, "at least one", NULL, "empty");
    else if ((int64_t)n->count > row->max)
        complain(l->diags, n, NULL, NULL, "%zu entries; at most %lld are allowed", n->count, (long long)row->max);
    return !n->bad;
}

/* Each member must be of a kind. */
static void check_members(struct loader *l, struct node *n, enum node_kind kind, bool or_scalar, const char *expected)
{
    for (struct node *m = n->first; m; m = m->next)
        if (m->kind != kind && !(or_scalar && m->kind == NODE_SCALAR && !node_is_null(m)))
            complain(l->diags, m, expected, NULL, "a wrong kind of entry");
}

static bool check_names(struct loader *l, const struct schema_row *row, struct node *n)
{
    if (!check_count(l, row, n))
        return false;
    check_members(l, n, NODE_SCALAR, false, "the name of a field");
    for (struct node *m = n->first; m; m = m->next)
        for (struct node *k = n->first; k != m && !m->bad; k = k->next)
            if (k->len == m->len && !memcmp(k->text, m->text, m->len))
                complain(l->diags, m, NULL, NULL, "`%.*s` stands here twice", SHOWN(m));
    return true;
}

static bool check_events(struct loader *l, const struct schema_row *row, struct node *n)
{
    check_members(l, n, NODE_MAPPING, true, "an event: a mapping of fields, or a text");
    return check_count(l, row, n);
}

static bool check_results(struct loader *l, const struct schema_row *row, struct node *n)
{
    check_members(l, n, NODE_MAPPING, false, "a result: a mapping of columns");
    return check_count(l, row, n);
}

static bool check_column_name(struct loader *l, struct node *n, const char *what)
{
    if (schema_field_name_ok(n->key, n->key_len))
        return true;
    int shown = n->key_len < 60 ? (int)n->key_len : 60;
    complain_key(l->diags, n, "[A-Za-z_][A-Za-z0-9_]{0,63}, and none of and, or, not, in, is, null, true, false", NULL,
                 "`%.*s` is no name for a %s", shown, n->key, what);
    n->bad = true;
    return false;
}

static bool check_columns(struct loader *l, const struct schema_row *row, struct node *n)
{
    for (struct node *m = n->first; m; m = m->next)
        if (check_column_name(l, m, "column") && (m->kind != NODE_SCALAR || node_is_null(m)))
            complain(l->diags, m, "an expression such as count() or max(value)", NULL, "no expression");
    return check_count(l, row, n);
}

static void check_mapping_at(struct loader *l, const char *path, struct node *n);

static bool check_mapping(struct loader *l, const struct schema_row *row, struct node *n)
{
    char path[64];
    snprintf(path, sizeof path, "%s%s%s", row->in, *row->in ? "." : "", row->key);
    check_mapping_at(l, path, n);
    return true;
}

static bool check_list(struct loader *l, const struct schema_row *row, struct node *n)
{
    char path[64];
    snprintf(path, sizeof path, "%s[]", row->key);
    check_members(l, n, NODE_MAPPING, false, "a mapping, as in `- name: ...`");
    for (struct node *m = n->first; m; m = m->next)
        if (!m->bad)
            check_mapping_at(l, path, m);
    return check_count(l, row, n);
}

static const struct schema_row *find_row(const char *path, const char *key, size_t key_len)
{
    for (size_t i = 0; i < schema_row_count; i++)
        if (!strcmp(schema_rows[i].in, path) && strlen(schema_rows[i].key) == key_len &&
            !memcmp(schema_rows[i].key, key, key_len))
            return &schema_rows[i];
    return NULL;
}

static bool check_field(struct loader *l, struct node *n)
{
    if (n->kind == NODE_SCALAR && !node_is_null(n))
        return schema_check_value(l, find_row("events.fields.*", "type", 4), n);
    if (n->kind != NODE_MAPPING) {
        complain(l->diags, n, "a type (bool, int, float, string) or a mapping such as { type: int, optional: true }",
                 NULL, "no type");
        return false;
    }
    check_mapping_at(l, "events.fields.*", n);
    return true;
}

static bool check_fields(struct loader *l, const struct schema_row *row, struct node *n)
{
    for (struct node *m = n->first; m; m = m->next)
        if (check_column_name(l, m, "field"))
            check_field(l, m);
    return check_count(l, row, n);
}

/* ---- the table of types ---- */

static const struct type {
    const char *name;
    enum node_kind kind;
    const char *expected; /* if the kind is another */
    bool (*check)(struct loader *, const struct schema_row *, struct node *);
} types[] = {
    [SCHEMA_MAPPING] = {"mapping", NODE_MAPPING, "a mapping: `name: value` lines below it", check_mapping},
    [SCHEMA_LIST] = {"list", NODE_SEQUENCE, "a list: lines below it that begin with `- `", check_list},
    [SCHEMA_FIELDS] = {"fields", NODE_MAPPING, "a mapping of names to types, as in `station_id: int`", check_fields},
    [SCHEMA_COLUMNS] = {"columns", NODE_MAPPING, "a mapping of names to expressions, as in { fired: count() }",
                        check_columns},
    [SCHEMA_NAMES] = {"list of names", NODE_SEQUENCE, "a list of names, as in [station_id, datapoint_id]", check_names},
    [SCHEMA_EVENTS] = {"list of events", NODE_SEQUENCE, "a list of events", check_events},
    [SCHEMA_RESULTS] = {"list of results", NODE_SEQUENCE, "a list of results ([] for none)", check_results},
    [SCHEMA_TENANT] = {"name", NODE_SCALAR, "a name", check_tenant},
    [SCHEMA_NAME] = {"name", NODE_SCALAR, "a name", check_name},
    [SCHEMA_TEXT] = {"text", NODE_SCALAR, "a text", check_text},
    [SCHEMA_PATH] = {"path", NODE_SCALAR, "a field's name", check_path},
    [SCHEMA_TIME_FORMAT] = {"time format", NODE_SCALAR, "a time format", check_time_format},
    [SCHEMA_EXPRESSION] = {"expression", NODE_SCALAR, "an expression such as value > 3", check_nothing},
    [SCHEMA_SCHEDULE] = {"schedule", NODE_SCALAR, "a schedule such as \"5 0 * * *\"", check_schedule},
    [SCHEMA_TIMEZONE] = {"time zone", NODE_SCALAR, "a time zone such as Europe/Helsinki", check_timezone},
    [SCHEMA_WORD] = {"word", NODE_SCALAR, "a word", check_word},
    [SCHEMA_BOOL] = {"bool", NODE_SCALAR, "true or false", check_bool},
    [SCHEMA_INT] = {"number", NODE_SCALAR, "a number", check_int},
    [SCHEMA_SIZE] = {"size", NODE_SCALAR, "a size such as 64KiB", check_size},
    [SCHEMA_DURATION] = {"duration", NODE_SCALAR, "a duration such as 5m", check_duration},
    [SCHEMA_DURATION_OR_OFF] = {"duration or `off`", NODE_SCALAR, "a duration such as 1d, or off",
                                check_duration_or_off},
    [SCHEMA_ANY_SCALAR] = {"value", NODE_SCALAR, "a value", check_nothing},
};

const char *schema_type_name(enum schema_type type)
{
    return types[type].name;
}

static const char *kind_name(const struct node *n)
{
    static const char *const names[] = {"a single value", "a list", "a mapping"};
    return node_is_null(n) ? "nothing" : names[n->kind];
}

bool schema_check_value(struct loader *l, const struct schema_row *row, struct node *n)
{
    const struct type *type = &types[row->type];
    if (n->bad)
        return false;
    if (n->kind != type->kind || node_is_null(n)) {
        complain(l->diags, n, type->expected, NULL, "%s stands here", kind_name(n));
        return false;
    }
    return type->check(l, row, n);
}

/* ---- mappings by the table ---- */

static void unknown_key(struct loader *l, const char *path, struct node *n)
{
    char expected[400] = "one of ";
    struct nearest near = nearest_begin(n->key, n->key_len);
    bool first = true;
    for (size_t i = 0; i < schema_row_count; i++) {
        if (strcmp(schema_rows[i].in, path) != 0)
            continue;
        nearest_offer(&near, schema_rows[i].key);
        strcat(strcat(expected, first ? "" : ", "), schema_rows[i].key);
        first = false;
    }
    complain_key(l->diags, n, expected, near.best, "unknown field");
    n->bad = true;
}

/* A missing key's default is put in as if it were written; a missing mapping is an empty one, so that its defaults are
 * there too. */
static void add_default(struct loader *l, const struct schema_row *row, struct node *mapping)
{
    struct node *n = arena_alloc(l->nodes, sizeof *n);
    n->kind = types[row->type].kind;
    n->parent = mapping;
    n->key = row->key;
    n->key_len = strlen(row->key);
    n->mark = n->key_mark = mapping->mark;
    n->text = row->default_text ? row->default_text : "";
    n->len = strlen(n->text);
    n->plain = true;
    n->next = mapping->first;
    mapping->first = n;
    mapping->last = mapping->last ? mapping->last : n;
    mapping->count++;
    (void)types[row->type].check(l, row, n);
}

static void complete(struct loader *l, const char *path, struct node *n)
{
    for (size_t i = 0; i < schema_row_count; i++) {
        const struct schema_row *row = &schema_rows[i];
        if (strcmp(row->in, path) != 0 || node_child(n, row->key))
            continue;
        if (row->required)
            complain_key(l->diags, n, types[row->type].expected, NULL, "`%s` is missing", row->key);
        else if (row->default_text || row->type == SCHEMA_MAPPING)
            add_default(l, row, n);
    }
}

static void check_mapping_at(struct loader *l, const char *path, struct node *n)
{
    for (struct node *m = n->first; m; m = m->next) {
        const struct schema_row *row = find_row(path, m->key, m->key_len);
        if (row)
            (void)schema_check_value(l, row, m);
        else
            unknown_key(l, path, m);
    }
    complete(l, path, n);
}

void schema_check(struct loader *l, struct node *root)
{
    if (root->kind != NODE_MAPPING) {
        complain(l->diags, root, "a mapping: tenant, events, streams, ...", NULL, "%s stands here", kind_name(root));
        return;
    }
    check_mapping_at(l, "", root);
}
