/* The app file's schema: one table that is the validation, the defaults, the suggestions and the reference page. */
#ifndef BELLTOWER_TENANTS_APP_SCHEMA_H
#define BELLTOWER_TENANTS_APP_SCHEMA_H

#include "tenants/app/node.h"

enum schema_type {
    SCHEMA_MAPPING, /* keys: the rows whose `in` is this row's path */
    SCHEMA_LIST,    /* of mappings, whose rows are in "path[]" */
    SCHEMA_FIELDS,  /* name: type, or name: mapping with the rows in "path.*" */
    SCHEMA_COLUMNS, /* name: expression */
    SCHEMA_NAMES,   /* list of names of fields or columns */
    SCHEMA_EVENTS,  /* list of mappings, or of texts */
    SCHEMA_RESULTS, /* list of mappings */
    SCHEMA_TENANT,  /* the scalars: */
    SCHEMA_NAME,    /* of a stream, trigger, job */
    SCHEMA_TEXT,
    SCHEMA_PATH, /* a.b */
    SCHEMA_TIME_FORMAT,
    SCHEMA_EXPRESSION,
    SCHEMA_SCHEDULE,
    SCHEMA_TIMEZONE,
    SCHEMA_WORD,
    SCHEMA_BOOL,
    SCHEMA_INT,
    SCHEMA_SIZE,
    SCHEMA_DURATION,
    SCHEMA_DURATION_OR_OFF, /* off: number is APP_OFF */
    SCHEMA_ANY_SCALAR
};

struct schema_row {
    const char *in, *key; /* the mapping's path and the key */
    enum schema_type type;
    bool required;
    const char *default_text; /* NULL: none */
    int64_t min, max;         /* of numbers, durations (ms), sizes (bytes); of lists and maps: how many */
    const char *const *words; /* of SCHEMA_WORD, NULL-terminated */
    const char *help;         /* Markdown, one or two sentences */
};

extern const struct schema_row schema_rows[];
extern const size_t schema_row_count;
extern const char *const schema_field_types[]; /* bool int float string, NULL-terminated */

struct loader {
    struct app *app;
    struct app_diags *diags;
    struct arena *nodes; /* of the nodes; gone after loading */
};

/* Checks the whole tree; fills node->number, adds the defaults as nodes. Mistakes are reported, their nodes marked bad.
 */
void schema_check(struct loader *l, struct node *root);

/* One value against its row's type; false: reported. */
bool schema_check_value(struct loader *l, const struct schema_row *row, struct node *n);
const char *schema_type_name(enum schema_type type); /* "duration" */

bool schema_name_ok(const char *s, size_t len);       /* [a-z][a-z0-9_-]{0,63} */
bool schema_field_name_ok(const char *s, size_t len); /* [A-Za-z_][A-Za-z0-9_]{0,63}, no word of the expressions */

#endif
