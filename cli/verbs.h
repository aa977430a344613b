/* The verbs of the command: one row each makes dispatch, help, docs/command.md, the man page and the shell's
 * completion. */
#ifndef BELLTOWER_CLI_VERBS_H
#define BELLTOWER_CLI_VERBS_H

#include "base/buf.h"
#include "cli/options.h"
#include "cli/table.h"

/* Exit codes (design.md, "The command"). */
enum verb_exit {
    VERB_DONE = 0,
    VERB_FAILED = 1,
    VERB_USAGE = 2,
    VERB_BAD_INPUT = 65,
    VERB_NOT_THERE = 69,
    VERB_DENIED = 77
};

struct client;

/* A verb's second word, as `add` of `tenant add FILE`. `arguments` are words that stand for one argument each; run gets
 * just as many. */
struct verb_sub {
    const char *name, *arguments, *summary;
    int (*run)(struct client *c, const void *wanted, char **arguments, struct err *err);
};

struct verb {
    const char *name, *arguments, *summary, *example; /* example: what stands behind "belltower "; NULL = none */
    int (*run)(int argc, char **argv);                /* argv[0] is the verb */
    const struct verb_sub *subs;                      /* ends with a NULL name; NULL = none */
};
extern const struct verb verbs[]; /* ends with a NULL name */
const struct verb *verb_find(const char *name);
/* The sub of the verb that argv[1] names, with its number of arguments behind it; else ERR_INVALID lists them all. */
const struct verb_sub *verb_find_sub(const struct verb_sub *subs, int argc, char **argv, struct err *err) MUSTCHECK;

int verb_run(const struct verb *v, int argc, char **argv); /* returns the exit code */

/* Parses a verb's options and checks the number of arguments behind argv[0]. --help prints the verb's help and ends the
 * process with 0. */
int verb_options(int *argc, char **argv, const char *verb, const struct option *options, size_t count,
                 int min_arguments, int max_arguments, struct err *err) MUSTCHECK;
int verb_usage(const struct err *err);  /* says what is wrong and how it goes; returns VERB_USAGE */
int verb_failed(const struct err *err); /* says it, and what to do next; returns the exit code of err->code */

/* Flushes standard output: what could not be written was not done, whatever the verb says. Returns the exit code. */
int verb_written(int code);
/* The file that a person named cannot be read: bad input, whatever the cause. Returns -1. */
int verb_bad_input(struct err *err);

/* A verb that asks the API. */
struct client_verb {
    const char *name;
    const struct option *options;
    size_t option_count;
    int min_arguments, max_arguments;
    const char *const *format; /* what -o said, and where it goes; NULL = it has none */
    enum table_format *table;
    /* Wrong usage, found before anything is done; NULL = nothing to check. */
    int (*check)(void *wanted, int argc, char **argv, struct err *err);
    int (*run)(struct client *c, void *wanted, int argc, char **argv, struct err *err);
};
/* Settings, options, check, run; returns the exit code. */
int client_verb(const struct client_verb *v, void *wanted, int argc, char **argv);

/* Gives the verb's options, as they are in its code, instead of running it. */
typedef void verb_each_options(void *context, const struct option *options, size_t count);
void verb_describe(const struct verb *v, verb_each_options *each, void *context);

/* The command's reference in several forms; they append. */
void reference_help(struct buf *out);
void reference_verb(const struct verb *v, const struct option *options, size_t count, struct buf *out);
void reference_markdown(struct buf *out);
void reference_man(struct buf *out);
void reference_completion(struct buf *out); /* of bash */

extern const struct verb_sub tenant_subs[], batch_subs[];
int cmd_up(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_try(int argc, char **argv);
int cmd_simulate(int argc, char **argv);
int cmd_send(int argc, char **argv);
int cmd_tenant(int argc, char **argv);
int cmd_rewind(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_backup(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_results(int argc, char **argv);
int cmd_triggers(int argc, char **argv);
int cmd_batch(int argc, char **argv);
int cmd_dead(int argc, char **argv);
int cmd_status(int argc, char **argv);

#endif
