/* What the command says of itself: help, docs/command.md, the man page, the completion of bash. All of it from the
 * verbs' table and their own options. */
#include "cli/verbs.h"

#include "base/settings.h"

#include <string.h>

static const char what[] = "alarm analytics for many tenants on one AMQP backbone";

static const struct {
    enum verb_exit code;
    const char *meaning;
} exits[] = {{VERB_DONE, "done"},
             {VERB_FAILED, "failed"},
             {VERB_USAGE, "wrong usage"},
             {VERB_BAD_INPUT, "bad input"},
             {VERB_NOT_THERE, "a server is not there"},
             {VERB_DENIED, "not allowed"}};
#define EXIT_COUNT (sizeof exits / sizeof *exits)

static void add_call(struct buf *out, const char *name, const char *arguments)
{
    buf_printf(out, "%s%s%s", name, *arguments ? " " : "", arguments);
}

/* ---- on the terminal ---- */

void reference_help(struct buf *out)
{
    buf_printf(out, "belltower: %s\nusage: belltower VERB [ARGUMENTS]\n\n", what);
    for (const struct verb *v = verbs; v->name; v++)
        buf_printf(out, "  %-10s %-54s %s\n", v->name, v->arguments, v->summary);
    buf_add_str(out, "\nsettings of every verb (also BELLTOWER_NAME in the environment, and belltower.yaml):\n");
    settings_help(FOR_COMMAND, out);
    buf_add_str(out, "\nexit codes:");
    for (size_t i = 0; i < EXIT_COUNT; i++)
        buf_printf(out, "%s %d %s", i ? "," : "", (int)exits[i].code, exits[i].meaning);
    buf_add_char(out, '\n');
}

void reference_verb(const struct verb *v, const struct option *options, size_t count, struct buf *out)
{
    buf_printf(out, "usage: belltower %s %s\n%s\n", v->name, v->arguments, v->summary);
    for (const struct verb_sub *s = v->subs; s && s->name; s++)
        buf_printf(out, "  %-10s %-13s %s\n", s->name, s->arguments, s->summary);
    options_help(options, count, out);
    if (v->run == cmd_up)
        settings_help(FOR_ALL, out);
    if (v->example)
        buf_printf(out, "example: belltower %s\n", v->example);
}

/* ---- docs/command.md ---- */

static void add_cell(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            buf_add_char(out, '\\');
        buf_add_char(out, *text);
    }
}

static void add_option(struct buf *out, const struct option *o)
{
    buf_printf(out, "%s%s%s%s", o->name[1] ? "--" : "-", o->name, o->value_name ? " " : "",
               o->value_name ? o->value_name : "");
}

static void markdown_options(void *context, const struct option *options, size_t count)
{
    struct buf *out = context;
    if (count)
        buf_add_str(out, "\n| option | what |\n|---|---|\n");
    for (size_t i = 0; i < count; i++) {
        struct buf name = {0};
        add_option(&name, &options[i]);
        buf_add_str(out, "| `");
        add_cell(out, buf_cstr(&name));
        buf_add_str(out, "` | ");
        add_cell(out, options[i].help);
        buf_add_str(out, " |\n");
        buf_free(&name);
    }
}

static void markdown_verb(const struct verb *v, struct buf *out)
{
    buf_printf(out, "\n## %s\n\n`belltower ", v->name);
    add_call(out, v->name, v->arguments);
    buf_printf(out, "`: %s.\n", v->summary);
    if (v->subs)
        buf_add_str(out, "\n| | what |\n|---|---|\n");
    for (const struct verb_sub *s = v->subs; s && s->name; s++) {
        buf_add_str(out, "| `");
        add_call(out, s->name, s->arguments);
        buf_printf(out, "` | %s |\n", s->summary);
    }
    verb_describe(v, markdown_options, out);
    if (v->example)
        buf_printf(out, "\n```\nbelltower %s\n```\n", v->example);
}

void reference_markdown(struct buf *out)
{
    buf_printf(
        out,
        "# The command\n\n`belltower`: %s. `belltower VERB --help` says the same; `check` is also called `lint`. "
        "Data goes to standard output, progress and notes to standard error. This page is generated.\n\n"
        "Every verb takes the [settings](settings.md) of the command as flags, e.g. `--server` and `--data`. The "
        "token is that of `--token`, else the platform's own in the data directory.\n\n"
        "| exit code | meaning |\n|---|---|\n",
        what);
    for (size_t i = 0; i < EXIT_COUNT; i++)
        buf_printf(out, "| %d | %s |\n", (int)exits[i].code, exits[i].meaning);
    for (const struct verb *v = verbs; v->name; v++)
        markdown_verb(v, out);
}

/* ---- the man page ---- */

/* Text whose every character stands for itself; no line of it may begin a request. */
static void add_roff(struct buf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        if ((*p == '.' || *p == '\'') && (p == text || p[-1] == '\n'))
            buf_add_str(out, "\\&");
        if (*p == '\\' || *p == '-')
            buf_add_char(out, '\\');
        buf_add_char(out, *p == '\\' ? 'e' : *p);
    }
}

static void add_definition(struct buf *out, const char *term, const char *text)
{
    buf_add_str(out, ".TP\n");
    add_roff(out, term);
    buf_add_char(out, '\n');
    add_roff(out, text);
    buf_add_char(out, '\n');
}

static void man_options(void *context, const struct option *options, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct buf name = {0};
        add_option(&name, &options[i]);
        add_definition(context, buf_cstr(&name), options[i].help);
        buf_free(&name);
    }
}

static void man_verb(const struct verb *v, struct buf *out)
{
    struct buf term = {0};
    buf_add_str(out, ".SS \"");
    add_call(&term, v->name, v->arguments);
    add_roff(out, buf_cstr(&term));
    buf_add_str(out, "\"\n");
    add_roff(out, v->summary);
    buf_add_str(out, ".\n");
    for (const struct verb_sub *s = v->subs; s && s->name; s++) {
        buf_clear(&term);
        add_call(&term, s->name, s->arguments);
        add_definition(out, buf_cstr(&term), s->summary);
    }
    verb_describe(v, man_options, out);
    buf_free(&term);
}

void reference_man(struct buf *out)
{
    struct buf settings = {0};
    buf_printf(out, ".TH BELLTOWER 1 \"\" Belltower\n.SH NAME\nbelltower \\- %s\n", what);
    buf_add_str(out, ".SH SYNOPSIS\n.B belltower\n.I VERB\n[\\fIARGUMENTS\\fR] [\\fIOPTIONS\\fR]\n.SH VERBS\n");
    for (const struct verb *v = verbs; v->name; v++)
        man_verb(v, out);
    buf_add_str(out, ".SH SETTINGS\nOf every verb; also BELLTOWER_NAME in the environment, and belltower.yaml in the "
                     "working directory or in /etc/belltower.\n.nf\n");
    settings_help(FOR_COMMAND, &settings);
    add_roff(out, buf_cstr(&settings));
    buf_free(&settings);
    buf_add_str(out, ".fi\n.SH EXIT STATUS\n");
    for (size_t i = 0; i < EXIT_COUNT; i++)
        buf_printf(out, ".TP\n%d\n%s\n", (int)exits[i].code, exits[i].meaning);
    buf_add_str(out, ".SH FILES\n.TP\n/etc/belltower/environment\nsettings of the service\n.TP\n"
                     "/usr/share/doc/belltower\nthe app file, operations, metrics, examples\n");
}

/* ---- the completion of bash ---- */

struct completion {
    struct buf *out;
    const char *verb;
};

static void option_names(void *context, const struct option *options, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_printf(context, "%s%s ", options[i].name[1] ? "--" : "-", options[i].name);
}

/* What stands behind an option: one of its words, or a file. */
static void option_values(void *context, const struct option *options, size_t count)
{
    const struct completion *c = context;
    for (size_t i = 0; i < count; i++) {
        const char *value = options[i].value_name ? options[i].value_name : "";
        bool file = strcmp(value, "FILE") == 0;
        if (!file && !strchr(value, '|'))
            continue;
        buf_printf(c->out, "    %s:%s%s) ", c->verb, options[i].name[1] ? "--" : "-", options[i].name);
        buf_add_str(c->out, file ? "files=1" : "words=\"");
        for (const char *p = file ? "" : value; *p; p++)
            buf_add_char(c->out, *p == '|' ? ' ' : *p);
        buf_add_str(c->out, file ? " ;;\n" : "\" ;;\n");
    }
}

static bool takes_files(const char *arguments)
{
    return strstr(arguments, "FILE") || strstr(arguments, "APP") || strstr(arguments, "DATA");
}

static void completion_of_verb(const struct verb *v, struct buf *out)
{
    struct completion c = {.out = out, .verb = v->name};
    verb_describe(v, option_values, &c);
    if (v->subs)
        buf_printf(out, "    %s:%s) words=\"", v->name, v->name);
    for (const struct verb_sub *s = v->subs; s && s->name; s++)
        buf_printf(out, "%s%s", s == v->subs ? "" : " ", s->name);
    if (v->subs)
        buf_add_str(out, "\" ;;\n");
    for (const struct verb_sub *s = v->subs; s && s->name; s++)
        if (takes_files(s->arguments))
            buf_printf(out, "    %s:%s) files=1 ;;\n", v->name, s->name);
    buf_printf(out, "    %s:*) options=\"", v->name);
    verb_describe(v, option_names, out);
    buf_printf(out, "\"%s ;;\n", takes_files(v->arguments) ? " files=1" : "");
}

void reference_completion(struct buf *out)
{
    buf_add_str(out,
                "# bash completion of belltower. This file is generated.\n_belltower() {\n"
                "    local cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} verb=${COMP_WORDS[1]}\n"
                "    local words= options= files=\n"
                "    [ \"$COMP_CWORD\" != 1 ] || verb=\n"
                "    case $verb:$before in\n    :*) words=\"");
    for (const struct verb *v = verbs; v->name; v++)
        buf_printf(out, "%s%s", v == verbs ? "" : " ", v->name);
    buf_add_str(out, "\" ;;\n");
    for (const struct verb *v = verbs; v->name; v++)
        completion_of_verb(v, out);
    buf_add_str(out, "    esac\n    [[ $cur != -* ]] || words=\"$options--help ");
    settings_flags(FOR_COMMAND, out);
    buf_add_str(out, "\"\n    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\"; "
                     "[ -z \"$files\" ] || compgen -f -- \"$cur\")\n"
                     "}\ncomplete -o filenames -F _belltower belltower\n");
}
