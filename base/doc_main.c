/* Prints the page of docs/ that comes from the table of settings. A test compares it with what is checked in
 * (tests/fresh). */
#include "base/settings.h"

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

int main(int argc, char **argv)
{
    const char *page = argc == 2 ? argv[1] : "";
    if (strcmp(page, "settings") == 0)
        print_settings();
    else
        return 2;
    return 0;
}
