/* belltower: the command that people type. */
#include "cli/verbs.h"

#include "tenants/app/nearest.h"

#include <stdio.h>
#include <string.h>

static int cmd_version(int argc, char **argv);
static int cmd_help(int argc, char **argv);
static int no_verb(const char *name);

const struct verb verbs[] = {
    {"up", "[settings]", "run the platform here, in the foreground", "up --data /tmp/belltower", cmd_up, NULL},
    {"check", "APP", "check an app file: all mistakes at once, then its own tests", "check examples/acme/app.yaml",
     cmd_check, NULL},
    {"try", "APP DATA", "run an app over CSV or ndjson, without broker or server; or over a tenant's log",
     "try examples/acme/app.yaml readings.csv", cmd_try, NULL},
    {"simulate", "", "readings of base stations, seeded", "simulate --stations 5 --hours 2 --out readings.csv",
     cmd_simulate, NULL},
    {"send", "TENANT FILE", "send a file of events; sending it again repeats nothing", "send acme readings.csv --end",
     cmd_send, NULL},
    {"tenant", "add|list|show|update|pause|resume|token|credentials|remove ...", "tenants and their apps",
     "tenant add examples/acme/app.yaml", cmd_tenant, tenant_subs},
    {"rewind", "TENANT", "read its retained log again, e.g. under a corrected app",
     "rewind acme --to 2026-01-31T00:00:00Z", cmd_rewind, NULL},
    {"backup", "TENANT|--all FILE", "a backup of a tenant, or of all, made while they run", "backup --all night.backup",
     cmd_backup, NULL},
    {"restore", "FILE", "put back the tenants of a backup", "restore night.backup", cmd_restore, NULL},
    {"verify", "TENANT", "compute results again from the retained log and compare them with those stored",
     "verify acme --from 2026-01-31T00:00:00Z", cmd_verify, NULL},
    {"explain", "TENANT RESULT", "the events that made a result, and those around it that did not count",
     "explain acme alarms:6c62272e07bb014262b821756295c58d:1767225600000", cmd_explain, NULL},
    {"results", "TENANT", "stored results; --follow shows them as they come", "results acme --stream alarms --follow",
     cmd_results, NULL},
    {"triggers", "TENANT", "what fired", "triggers acme", cmd_triggers, NULL},
    {"batch", "run|list|show ...", "run a job now, list runs, show a report", "batch run acme last-12h", cmd_batch,
     batch_subs},
    {"dead", "TENANT", "events that were set aside, with reasons", "dead acme --limit 10", cmd_dead, NULL},
    {"status", "[TENANT]", "how it goes, and why there is nothing yet", "status acme --watch", cmd_status, NULL},
    {"version", "", "the version", NULL, cmd_version, NULL},
    {"help", "[VERB]", "this, or how a verb goes", "help send", cmd_help, NULL},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};

static int cmd_version(int argc, char **argv)
{
    struct err err;
    if (verb_options(&argc, argv, "version", NULL, 0, 0, 0, &err) < 0)
        return verb_usage(&err);
    printf("belltower %s\n", BELLTOWER_VERSION);
    return VERB_DONE;
}

static int print(void (*reference)(struct buf *out))
{
    struct buf b = {0};
    reference(&b);
    fputs(buf_cstr(&b), stdout);
    buf_free(&b);
    return VERB_DONE;
}

static int cmd_help(int argc, char **argv)
{
    bool markdown = false, man = false, completion = false;
    struct err err;
    const struct option options[] = {
        {"markdown", OPTION_FLAG, &markdown, NULL, "all of it as a page"},
        {"man", OPTION_FLAG, &man, NULL, "all of it as a man page"},
        {"completion", OPTION_FLAG, &completion, NULL, "the completion of bash"},
    };
    if (verb_options(&argc, argv, "help", options, sizeof options / sizeof *options, 0, 1, &err) < 0)
        return verb_usage(&err);
    if (argc > 1) {
        const struct verb *v = verb_find(argv[1]);
        char *help[] = {argv[1], (char[]){"--help"}, NULL};
        if (v)
            return verb_run(v, 2, help);
        return no_verb(argv[1]);
    }
    return print(markdown     ? reference_markdown
                 : man        ? reference_man
                 : completion ? reference_completion
                              : reference_help);
}

static int no_verb(const char *name)
{
    struct nearest n = nearest_begin(name, strlen(name));
    for (const struct verb *v = verbs; v->name; v++)
        nearest_offer(&n, v->name);
    fprintf(stderr, "belltower: there is no verb %s", name);
    fprintf(stderr, n.best ? "; did you mean %s?\n" : "; belltower help lists them\n", n.best);
    return VERB_USAGE;
}

int main(int argc, char **argv)
{
    char *none[] = {(char[]){"help"}, NULL};
    const char *name = argc > 1 ? argv[1] : "help";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0)
        name = "version";
    const struct verb *v = verb_find(name);
    if (!v)
        return no_verb(name);
    return verb_written(argc > 1 ? verb_run(v, argc - 1, argv + 1) : verb_run(v, 1, none));
}
