/* How verbs begin and end: options, help, what went wrong. */
#include "cli/client.h"
#include "cli/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct verb *current; /* the verb that runs, for messages */
static struct {
    verb_each_options *each; /* NULL: verbs run */
    void *context;
} describing;

const struct verb *verb_find(const char *name)
{
    for (const struct verb *v = verbs; v->name; v++)
        if (strcmp(v->name, name) == 0)
            return v;
    return strcmp(name, "lint") == 0 ? verb_find("check") : NULL;
}

int verb_run(const struct verb *v, int argc, char **argv)
{
    current = v;
    return v->run(argc, argv);
}

void verb_describe(const struct verb *v, verb_each_options *each, void *context)
{
    char name[32];
    char *argv[] = {name, NULL};
    snprintf(name, sizeof name, "%s", v->name);
    describing.each = each;
    describing.context = context;
    verb_run(v, 1, argv);
    describing.each = NULL;
}

/* ---- second words ---- */

static int count_words(const char *s)
{
    int count = 0;
    for (; *s; s += strspn(s, " "), count++)
        s += strcspn(s, " ");
    return count;
}

const struct verb_sub *verb_find_sub(const struct verb_sub *subs, int argc, char **argv, struct err *err)
{
    struct buf all = {0};
    for (const struct verb_sub *s = subs; s->name; s++) {
        if (argc > 1 && strcmp(s->name, argv[1]) == 0) {
            buf_free(&all);
            if (count_words(s->arguments) == argc - 2)
                return s;
            err_set(err, ERR_INVALID, "expected %s %s %s", argv[0], s->name, s->arguments);
            return NULL;
        }
        buf_printf(&all, "%s%s%s%s", all.len ? ", " : "", s->name, *s->arguments ? " " : "", s->arguments);
    }
    err_set(err, ERR_INVALID, "%s: expected one of %s", argv[0], buf_cstr(&all));
    buf_free(&all);
    return NULL;
}

/* ---- beginning ---- */

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static void print_help(const char *name, const struct option *options, size_t count)
{
    struct buf b = {0};
    reference_verb(verb_find(name), options, count, &b);
    fputs(buf_cstr(&b), stdout);
    buf_free(&b);
}

/* True: the verb is asked how it goes, was answered, and shall not run. */
static bool explained(int argc, char **argv, const char *verb, const struct option *options, size_t count)
{
    if (describing.each)
        describing.each(describing.context, options, count);
    else if (asks_for_help(argc, argv))
        print_help(verb, options, count);
    else
        return false;
    return true;
}

int verb_options(int *argc, char **argv, const char *verb, const struct option *options, size_t count,
                 int min_arguments, int max_arguments, struct err *err)
{
    if (explained(*argc, argv, verb, options, count)) {
        if (!describing.each)
            exit(verb_written(VERB_DONE));
        return err_set(err, ERR_INVALID, "described, not run");
    }
    if (options_parse(argc, argv, options, count, err) < 0)
        return -1;
    if (*argc - 1 < min_arguments)
        return err_set(err, ERR_INVALID, "an argument is missing");
    if (*argc - 1 > max_arguments)
        return err_set(err, ERR_INVALID, "too many arguments: %s", argv[max_arguments + 1]);
    return 0;
}

int client_verb(const struct client_verb *v, void *wanted, int argc, char **argv)
{
    struct client c;
    struct err err;
    if (explained(argc, argv, v->name, v->options, v->option_count)) /* a wrong setting does not hide the help */
        return VERB_DONE;
    if (client_open(&c, &argc, argv, &err) < 0)
        return verb_failed(&err);
    if (verb_options(&argc, argv, v->name, v->options, v->option_count, v->min_arguments, v->max_arguments, &err) < 0 ||
        (v->format && table_format_parse(*v->format, v->table, &err) < 0) ||
        (v->check && v->check(wanted, argc, argv, &err) < 0)) {
        client_close(&c);
        return verb_usage(&err);
    }
    int status = v->run(&c, wanted, argc, argv, &err);
    client_close(&c);
    return status < 0 ? verb_failed(&err) : VERB_DONE;
}

/* ---- ending ---- */

int verb_usage(const struct err *err)
{
    if (describing.each)
        return VERB_DONE;
    fprintf(stderr, "belltower: %s\n", err->text);
    if (current)
        fprintf(stderr, "usage: belltower %s %s\nmore: belltower %s --help\n", current->name, current->arguments,
                current->name);
    return VERB_USAGE;
}

int verb_written(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fprintf(stderr, "belltower: cannot write to standard output: %s\n", strerror(errno));
    return code == VERB_DONE ? VERB_FAILED : code;
}

int verb_bad_input(struct err *err)
{
    err->code = ERR_INVALID;
    return -1;
}

int verb_failed(const struct err *err)
{
    fprintf(stderr, "belltower: %s\n", err->text);
    switch (err->code) {
    case ERR_INVALID:
    case ERR_TOO_LARGE:
        return VERB_BAD_INPUT;
    case ERR_UNAVAILABLE:
    case ERR_TIMEOUT:
        return VERB_NOT_THERE;
    case ERR_DENIED:
        return VERB_DENIED;
    default:
        return VERB_FAILED;
    }
}
