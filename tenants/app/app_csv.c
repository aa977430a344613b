#include "tenants/app/app_csv.h"

static const char *dotted(struct arena *a, const char *const *path, size_t len)
{
    struct buf b = {0};
    for (size_t i = 0; i < len; i++)
        buf_printf(&b, "%s%s", i ? "." : "", path[i]);
    const char *name = arena_strndup(a, b.data, b.len);
    buf_free(&b);
    return name;
}

int app_csv_begin(const struct app *app, const char *line, size_t len, struct csv **csv, struct err *err)
{
    struct arena a = {0};
    struct csv_type *types = arena_alloc(&a, (app->field_count + 1) * sizeof *types);
    const struct app_time *t = &app->time;
    bool numeric = t->format.kind == TIME_UNIX || t->format.kind == TIME_UNIX_MS;
    for (size_t i = 0; i < app->field_count; i++) {
        const struct app_field *f = &app->fields[i];
        types[i] = (struct csv_type){dotted(&a, f->path, f->path_len), f->type};
    }
    types[app->field_count] = (struct csv_type){dotted(&a, t->path, t->path_len), numeric ? VALUE_FLOAT : VALUE_STRING};
    int rc = csv_begin(line, len, types, app->field_count + 1, csv, err);
    arena_free(&a);
    return rc;
}
