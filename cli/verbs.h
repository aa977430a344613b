/* The verbs of the command: one row each makes dispatch, help, docs/command.md and the shell's completion. */
#ifndef BELLTOWER_CLI_VERBS_H
#define BELLTOWER_CLI_VERBS_H

#include "base/buf.h"
#include "cli/options.h"

/* Exit codes (design.md, "The command"). */
enum verb_exit {
    VERB_DONE = 0,
    VERB_FAILED = 1,
    VERB_USAGE = 2,
    VERB_BAD_INPUT = 65,
    VERB_NOT_THERE = 69,
    VERB_DENIED = 77
};

struct verb {
    const char *name, *arguments, *summary;
    int (*run)(int argc, char **argv); /* argv[0] is the verb */
};
extern const struct verb verbs[]; /* ends with a NULL name */
const struct verb *verb_find(const char *name);

/* Parses a verb's options and checks the number of arguments behind argv[0]. --help prints the verb's help and ends the
 * process with 0. */
int verb_options(int *argc, char **argv, const char *verb, const struct option *options, size_t count,
                 int min_arguments, int max_arguments, struct err *err) MUSTCHECK;
int verb_usage(const struct err *err);  /* says what is wrong and how it goes; returns VERB_USAGE */
int verb_failed(const struct err *err); /* says it, and what to do next; returns the exit code of err->code */

int cmd_up(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_try(int argc, char **argv);
int cmd_simulate(int argc, char **argv);
int cmd_send(int argc, char **argv);
int cmd_tenant(int argc, char **argv);
int cmd_results(int argc, char **argv);
int cmd_triggers(int argc, char **argv);
int cmd_batch(int argc, char **argv);
int cmd_dead(int argc, char **argv);
int cmd_status(int argc, char **argv);

#endif
