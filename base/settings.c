#include "base/settings.h"
#include "base/duration.h"
#include "base/mem.h"
#include "base/settings_file.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum kind { KIND_text, KIND_duration };

static const struct row {
    const char *name, *fallback, *help;
    enum kind kind;
    unsigned who;
    size_t at;
} rows[] = {
#define SETTINGS_ROW(field, type, row_name, def, whom, row_help)                                                       \
    {.name = row_name,                                                                                                 \
     .fallback = def,                                                                                                  \
     .help = row_help,                                                                                                 \
     .kind = KIND_##type,                                                                                              \
     .who = whom,                                                                                                      \
     .at = offsetof(struct settings, field)},
    SETTINGS_TABLE(SETTINGS_ROW)
#undef SETTINGS_ROW
};
#define ROW_COUNT    (sizeof rows / sizeof *rows)
#define NAME_MAX_LEN 64

static struct arena texts; /* settings live until the process ends */

/* "retention.events" -> "BELLTOWER_RETENTION_EVENTS" */
static void environment_name(const struct row *r, char out[NAME_MAX_LEN])
{
    size_t n = (size_t)snprintf(out, NAME_MAX_LEN, "BELLTOWER_%s", r->name);
    for (size_t i = 0; i < n; i++)
        out[i] = out[i] == '.' ? '_' : (char)toupper((unsigned char)out[i]);
}

/* "retention.events" -> "retention-events" */
static void flag_name(const struct row *r, char out[NAME_MAX_LEN])
{
    size_t n = (size_t)snprintf(out, NAME_MAX_LEN, "%s", r->name);
    for (size_t i = 0; i < n; i++)
        if (out[i] == '.' || out[i] == '_')
            out[i] = '-';
}

static int set(struct settings *s, const struct row *r, const char *value, const char *origin, struct err *err)
{
    void *field = (char *)s + r->at;
    if (r->kind == KIND_text) {
        *(const char **)field = arena_strndup(&texts, value, strlen(value));
        return 0;
    }
    if (duration_parse(value, strlen(value), field, err) < 0)
        return err_prefix(err, "setting %s (from %s)", r->name, origin);
    return 0;
}

static void remove_arguments(int *argc, char **argv, int at, int count)
{
    memmove(argv + at, argv + at + count, (size_t)(*argc - at - count + 1) * sizeof *argv);
    *argc -= count;
}

/* The value of --name VALUE or --name=VALUE, taken out of argv; NULL if it is not there. */
static const char *take_flag(int *argc, char **argv, const char *name, struct err *err)
{
    size_t len = strlen(name);
    for (int i = 1; i < *argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--", 2) != 0 || strncmp(argv[i] + 2, name, len) != 0)
            continue;
        const char *rest = argv[i] + 2 + len;
        if (*rest == '=') {
            remove_arguments(argc, argv, i, 1);
            return rest + 1;
        }
        if (*rest)
            continue;
        if (i + 1 >= *argc) {
            err_set(err, ERR_INVALID, "--%s needs a value", name);
            return NULL;
        }
        const char *value = argv[i + 1];
        remove_arguments(argc, argv, i, 2);
        return value;
    }
    return NULL;
}

static int from_file(void *context, const char *name, const char *value, const char *origin, struct err *err)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (strcmp(rows[i].name, name) == 0)
            return set(context, &rows[i], value, origin, err);
    return err_set(err, ERR_INVALID, "%s: unknown setting %s", origin, name);
}

static int load_file(int *argc, char **argv, struct settings *s, struct err *err)
{
    static const char *const usual[] = {"belltower.yaml", "/etc/belltower/belltower.yaml"};
    const char *path = take_flag(argc, argv, "config", err);
    if (err->code)
        return -1;
    if (!path)
        path = getenv("BELLTOWER_CONFIG");
    if (path && *path)
        return settings_file_read(path, from_file, s, err);
    for (size_t i = 0; i < 2; i++)
        if (access(usual[i], R_OK) == 0)
            return settings_file_read(usual[i], from_file, s, err);
    return 0;
}

static int load_row(int *argc, char **argv, struct settings *s, const struct row *r, struct err *err)
{
    char name[NAME_MAX_LEN];
    environment_name(r, name);
    const char *value = getenv(name);
    if (value && set(s, r, value, name, err) < 0)
        return -1;
    flag_name(r, name);
    value = take_flag(argc, argv, name, err);
    if (!value)
        return err->code ? -1 : 0;
    return set(s, r, value, name, err);
}

static const char *text_of(const char *prefix, const char *rest)
{
    struct buf b = {0};
    buf_add_str(&b, prefix);
    buf_add_str(&b, rest);
    const char *text = arena_strndup(&texts, b.data, b.len);
    buf_free(&b);
    return text;
}

static void derive(struct settings *s)
{
    if (!*s->data) {
        const char *home = getenv("HOME");
        s->data = geteuid() == 0 || !home ? "/var/lib/belltower" : text_of(home, "/.local/share/belltower");
    }
    if (!*s->coredms)
        s->coredms = text_of("sqlite:", s->data);
    if (!*s->server)
        s->server = text_of("http://", s->listen);
}

int settings_load(int *argc, char **argv, struct settings *s, struct err *err)
{
    memset(s, 0, sizeof *s);
    err->code = ERR_NONE;
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (set(s, &rows[i], rows[i].fallback, "the default", err) < 0)
            return -1;
    if (load_file(argc, argv, s, err) < 0)
        return -1;
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (load_row(argc, argv, s, &rows[i], err) < 0)
            return -1;
    derive(s);
    return 0;
}

static char *environment_entry(const struct settings *s, const struct row *r)
{
    char name[NAME_MAX_LEN], text[48];
    const void *field = (const char *)s + r->at;
    environment_name(r, name);
    if (r->kind == KIND_text)
        return mem_printf("%s=%s", name, *(const char *const *)field);
    duration_text(*(const int64_t *)field, text);
    return mem_printf("%s=%s", name, text);
}

char **settings_environment(const struct settings *s, enum settings_for who, size_t *count)
{
    char **list = mem_zero(ROW_COUNT + 1, sizeof *list);
    *count = 0;
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (rows[i].who & who)
            list[(*count)++] = environment_entry(s, &rows[i]);
    return list;
}

void settings_help(enum settings_for who, struct buf *out)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        char flag[NAME_MAX_LEN];
        if (!(rows[i].who & who))
            continue;
        flag_name(&rows[i], flag);
        buf_printf(out, "  --%-22s %s%s%s%s\n", flag, rows[i].help, *rows[i].fallback ? " (default " : "",
                   rows[i].fallback, *rows[i].fallback ? ")" : "");
    }
}

void settings_flags(enum settings_for who, struct buf *out)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        char flag[NAME_MAX_LEN];
        flag_name(&rows[i], flag);
        if (rows[i].who & who)
            buf_printf(out, "--%s ", flag);
    }
}

void settings_markdown(struct buf *out)
{
    buf_add_str(out, "| setting | environment | flag | default | what |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < ROW_COUNT; i++) {
        char env[NAME_MAX_LEN], flag[NAME_MAX_LEN];
        environment_name(&rows[i], env);
        flag_name(&rows[i], flag);
        buf_printf(out, "| `%s` | `%s` | `--%s` | %s | %s |\n", rows[i].name, env, flag, rows[i].fallback,
                   rows[i].help);
    }
}

void path_tenant(const struct settings *s, const char *tenant, const char *file, char *out, size_t size)
{
    snprintf(out, size, "%s/tenants/%s/%s", s->data, tenant, file);
}

void path_data(const struct settings *s, const char *file, char *out, size_t size)
{
    snprintf(out, size, "%s/%s", s->data, file);
}
