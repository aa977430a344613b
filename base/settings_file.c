#include "base/settings_file.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#define DEPTH_MAX         2
#define SETTINGS_FILE_MAX (64 * 1024)

struct reader {
    const char *path;
    settings_each *each;
    void *context;
    char names[DEPTH_MAX][64]; /* the name of each open mapping's pending key */
    int depth;
    bool want_value;
};

static int at_line(const struct reader *r, const yaml_mark_t *mark, const char *what, struct err *err)
{
    return err_set(err, ERR_INVALID, "%s:%zu: %s", r->path, mark->line + 1, what);
}

static int take_scalar(struct reader *r, const yaml_event_t *e, struct err *err)
{
    const char *text = (const char *)e->data.scalar.value;
    if (r->depth == 0)
        return at_line(r, &e->start_mark, "expected a mapping of settings", err);
    if (!r->want_value) {
        if (e->data.scalar.length >= sizeof r->names[0])
            return at_line(r, &e->start_mark, "the name is too long", err);
        snprintf(r->names[r->depth - 1], sizeof r->names[0], "%s", text);
        r->want_value = true;
        return 0;
    }
    char name[2 * sizeof r->names[0]], origin[512];
    snprintf(name, sizeof name, "%s%s%s", r->names[0], r->depth == 2 ? "." : "", r->depth == 2 ? r->names[1] : "");
    snprintf(origin, sizeof origin, "%s:%zu", r->path, e->start_mark.line + 1);
    r->want_value = false;
    return r->each(r->context, name, text, origin, err);
}

static int take_event(struct reader *r, const yaml_event_t *e, struct err *err)
{
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        return take_scalar(r, e, err);
    case YAML_MAPPING_START_EVENT:
        if (r->depth == DEPTH_MAX || (r->depth == 1 && !r->want_value))
            return at_line(r, &e->start_mark, "settings are nested at most one level deep", err);
        r->depth++;
        r->want_value = false;
        return 0;
    case YAML_MAPPING_END_EVENT:
        r->depth--;
        r->want_value = false;
        return 0;
    case YAML_SEQUENCE_START_EVENT:
    case YAML_ALIAS_EVENT:
        return at_line(r, &e->start_mark, "expected a text, not a list or an alias", err);
    default:
        return 0;
    }
}

static int read_events(yaml_parser_t *parser, struct reader *r, struct err *err)
{
    for (bool done = false; !done;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return at_line(r, &parser->problem_mark, parser->problem ? parser->problem : "no YAML", err);
        done = event.type == YAML_STREAM_END_EVENT;
        int status = take_event(r, &event, err);
        yaml_event_delete(&event);
        if (status < 0)
            return -1;
    }
    return 0;
}

int settings_file_read(const char *path, settings_each *each, void *context, struct err *err)
{
    static char text[SETTINGS_FILE_MAX];
    FILE *file = fopen(path, "re");
    if (!file)
        return err_set_errno(err, "cannot read the settings in %s", path);
    size_t len = fread(text, 1, sizeof text, file);
    fclose(file);
    if (len == sizeof text)
        return err_set(err, ERR_TOO_LARGE, "%s is larger than %d bytes", path, SETTINGS_FILE_MAX);
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return err_set(err, ERR_INTERNAL, "cannot make a YAML parser");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    struct reader r = {.path = path, .each = each, .context = context};
    int status = read_events(&parser, &r, err);
    yaml_parser_delete(&parser);
    return status;
}
