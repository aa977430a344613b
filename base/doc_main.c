/* Prints the pages of docs/ that come from tables: settings, metrics. A test compares them with what is checked in
 * (tests/docs-fresh). */
#include "base/settings.h"
#include "base/wire/metrics.h"

#include <stdio.h>
#include <string.h>

static void print_settings(void)
{
    struct buf b = {0};
    buf_add_str(&b, "# Settings\n\nOf the platform, in order of strength: a flag, the environment, `belltower.yaml` "
                    "(in the working directory or "
                    "/etc/belltower; or `--config FILE`), the default. This page is generated.\n\n");
    settings_markdown(&b);
    fputs(buf_cstr(&b), stdout);
    buf_free(&b);
}

static void print_metrics(void)
{
    printf("# Metrics\n\nWhat `/metrics` says of each tenant (label `tenant`), from the workers' status pages: a hung "
           "or dead worker still shows its "
           "last state. This page is generated.\n\n| metric | type | written by | what |\n|---|---|---|---|\n");
    for (size_t i = 0; i < METRIC_COUNT; i++)
        printf("| `%s` | %s | %s | %s |\n", metrics[i].name, metrics[i].kind == COUNTER ? "counter" : "gauge",
               role_name((int)metrics[i].role), metrics[i].help);
}

int main(int argc, char **argv)
{
    const char *page = argc == 2 ? argv[1] : "";
    if (strcmp(page, "settings") == 0)
        print_settings();
    else if (strcmp(page, "metrics") == 0)
        print_metrics();
    else
        return 2;
    return 0;
}
