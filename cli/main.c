/* belltower: the command that people type. */
#include "cli/verbs.h"

#include "base/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int cmd_version(int argc, char **argv);
static int cmd_help(int argc, char **argv);

const struct verb verbs[] = {
    {"up", "[settings]", "run the platform here, in the foreground", cmd_up},
    {"check", "APP", "check an app file: all mistakes at once, then its own tests", cmd_check},
    {"try", "APP DATA", "run an app over CSV or ndjson, without broker or server", cmd_try},
    {"simulate", "", "readings of base stations, seeded", cmd_simulate},
    {"send", "TENANT FILE", "send a file of events; sending it again repeats nothing", cmd_send},
    {"tenant", "add|list|show|update|pause|resume|remove ...", "tenants and their apps", cmd_tenant},
    {"results", "TENANT", "stored results; --follow shows them as they come", cmd_results},
    {"triggers", "TENANT", "what fired", cmd_triggers},
    {"batch", "run|list|show ...", "run a job now, list runs, show a report", cmd_batch},
    {"dead", "TENANT", "events that were set aside, with reasons", cmd_dead},
    {"status", "[TENANT]", "how it goes, and why there is nothing yet", cmd_status},
    {"version", "", "the version", cmd_version},
    {"help", "[VERB]", "this, or how a verb goes", cmd_help},
    {NULL, NULL, NULL, NULL},
};

const struct verb *verb_find(const char *name)
{
    for (const struct verb *v = verbs; v->name; v++)
        if (strcmp(v->name, name) == 0)
            return v;
    return strcmp(name, "lint") == 0 ? verb_find("check") : NULL;
}

static const char *current = ""; /* the verb that runs, for messages */

int verb_usage(const struct err *err)
{
    const struct verb *v = verb_find(current);
    fprintf(stderr, "belltower: %s\n", err->text);
    if (v)
        fprintf(stderr, "usage: belltower %s %s\nmore: belltower %s --help\n", v->name, v->arguments, v->name);
    return VERB_USAGE;
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

static void print_verb_help(const char *name, const struct option *options, size_t count)
{
    struct buf b = {0};
    const struct verb *v = verb_find(name);
    printf("usage: belltower %s %s\n%s\n", v->name, v->arguments, v->summary);
    options_help(options, count, &b);
    fputs(buf_cstr(&b), stdout);
    buf_free(&b);
}

int verb_options(int *argc, char **argv, const char *verb, const struct option *options, size_t count,
                 int min_arguments, int max_arguments, struct err *err)
{
    for (int i = 1; i < *argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") != 0 && strcmp(argv[i], "-h") != 0)
            continue;
        print_verb_help(verb, options, count);
        exit(VERB_DONE);
    }
    if (options_parse(argc, argv, options, count, err) < 0)
        return -1;
    if (*argc - 1 < min_arguments)
        return err_set(err, ERR_INVALID, "an argument is missing");
    if (*argc - 1 > max_arguments)
        return err_set(err, ERR_INVALID, "too many arguments: %s", argv[max_arguments + 1]);
    return 0;
}

static int cmd_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("belltower %s\n", BELLTOWER_VERSION);
    return VERB_DONE;
}

static void print_help(void)
{
    struct buf b = {0};
    printf("belltower: alarm analytics for many tenants on one AMQP backbone\nusage: belltower VERB [ARGUMENTS]\n\n");
    for (const struct verb *v = verbs; v->name; v++)
        printf("  %-10s %-48s %s\n", v->name, v->arguments, v->summary);
    printf("\nsettings of every verb (also BELLTOWER_NAME in the environment, and belltower.yaml):\n");
    settings_help(FOR_COMMAND, &b);
    printf("%s\nexit codes: 0 done, 1 failed, 2 wrong usage, 65 bad input, 69 a server is not there, 77 not allowed\n",
           buf_cstr(&b));
    buf_free(&b);
}

static int cmd_help(int argc, char **argv)
{
    const struct verb *v = argc > 1 ? verb_find(argv[1]) : NULL;
    char *help[] = {argc > 1 ? argv[1] : NULL, (char[]){"--help"}, NULL};
    if (!v || v->run == cmd_help || v->run == cmd_version) {
        print_help();
        return argc > 1 && !v ? VERB_USAGE : VERB_DONE;
    }
    current = v->name;
    return v->run(2, help);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "help";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0)
        name = "version";
    const struct verb *v = verb_find(name);
    if (!v) {
        fprintf(stderr, "belltower: there is no verb %s; belltower help lists them\n", name);
        return VERB_USAGE;
    }
    current = v->name;
    char *none[] = {(char *)(uintptr_t)name, NULL};
    return argc > 1 ? v->run(argc - 1, argv + 1) : v->run(1, none);
}
