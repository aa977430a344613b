#include "cli/options.h"

#include "base/duration.h"
#include "base/mem.h"
#include "base/settings.h"
#include "base/time_format.h"
#include "tenants/app/nearest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option *find(const struct option *options, size_t count, const char *arg, const char **value)
{
    *value = NULL;
    bool is_long = arg[1] == '-';
    const char *name = arg + 1 + is_long, *equals = is_long ? strchr(name, '=') : NULL;
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    for (size_t i = 0; i < count; i++) {
        bool one_letter = options[i].name[1] == 0;
        if (one_letter == is_long || strlen(options[i].name) != len || memcmp(options[i].name, name, len) != 0)
            continue;
        *value = equals ? equals + 1 : NULL;
        return &options[i];
    }
    return NULL;
}

static int set_number(const struct option *o, const char *value, struct err *err)
{
    char *end;
    long long n = strtoll(value, &end, 10);
    if (end == value || *end || n < 0)
        return err_set(err, ERR_INVALID, "--%s: \"%s\" is no number from 0", o->name, value);
    *(int64_t *)o->to = n;
    return 0;
}

static int set_time(const struct option *o, const char *value, struct err *err)
{
    char full[64];
    snprintf(full, sizeof full, strlen(value) == 10 ? "%sT00:00:00Z" : "%s", value);
    if (time_parse_rfc3339(full, strlen(full), o->to))
        return 0;
    return err_set(err, ERR_INVALID, "--%s: \"%s\" is no time: expected e.g. 2026-01-01 or 2026-01-01T12:00:00Z",
                   o->name, value);
}

static int set(const struct option *o, const char *value, struct err *err)
{
    switch (o->kind) {
    case OPTION_FLAG:
        *(bool *)o->to = true;
        return 0;
    case OPTION_TEXT:
        *(const char **)o->to = value;
        return 0;
    case OPTION_NUMBER:
        return set_number(o, value, err);
    case OPTION_TIME:
        return set_time(o, value, err);
    case OPTION_DURATION:
        if (duration_parse(value, strlen(value), o->to, err) == 0)
            return 0;
        return err_prefix(err, "--%s", o->name);
    }
    return 0;
}

/* Also of the settings, which were taken out before: one that is left is misspelt. */
static int unknown(const struct option *options, size_t count, const char *arg, struct err *err)
{
    const char *name = arg + strspn(arg, "-");
    struct nearest n = nearest_begin(name, strcspn(name, "="));
    struct buf flags = {0};
    for (size_t i = 0; i < count; i++)
        if (options[i].name[1])
            nearest_offer(&n, options[i].name);
    settings_flags(FOR_COMMAND, &flags);
    char *copy = mem_strdup(buf_cstr(&flags)), *rest = copy, *flag;
    while ((flag = strsep(&rest, " ")))
        if (strlen(flag) > 2)
            nearest_offer(&n, flag + 2);
    if (n.best)
        err_set(err, ERR_INVALID, "unknown option %s; did you mean --%s?", arg, n.best);
    else
        err_set(err, ERR_INVALID, "unknown option %s", arg);
    free(copy);
    buf_free(&flags);
    return -1;
}

int options_parse(int *argc, char **argv, const struct option *options, size_t count, struct err *err)
{
    int left = 1, i = 1;
    for (; i < *argc; i++) {
        const char *value;
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        if (argv[i][0] != '-' || argv[i][1] == 0) {
            argv[left++] = argv[i];
            continue;
        }
        const struct option *o = find(options, count, argv[i], &value);
        if (!o)
            return unknown(options, count, argv[i], err);
        if (o->kind == OPTION_FLAG && value)
            return err_set(err, ERR_INVALID, "--%s takes no value", o->name);
        if (o->kind != OPTION_FLAG && !value) {
            if (i + 1 >= *argc)
                return err_set(err, ERR_INVALID, "%s needs a value", argv[i]);
            value = argv[++i];
        }
        if (set(o, value, err) < 0)
            return -1;
    }
    while (i < *argc)
        argv[left++] = argv[i++];
    argv[left] = NULL;
    *argc = left;
    return 0;
}

void options_help(const struct option *options, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        char name[64];
        const char *dashes = options[i].name[1] ? "--" : "-";
        snprintf(name, sizeof name, "%s%s%s%s", dashes, options[i].name, options[i].value_name ? " " : "",
                 options[i].value_name ? options[i].value_name : "");
        buf_printf(out, "  %-24s %s\n", name, options[i].help);
    }
}
