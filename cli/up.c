/* belltower up: the platform here, in the foreground. */
#include "cli/verbs.h"

#include "base/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int cmd_up(int argc, char **argv)
{
    struct settings s;
    struct err err;
    char path[4096];
    if (settings_load(&argc, argv, &s, &err) < 0 || verb_options(&argc, argv, "up", NULL, 0, 0, 0, &err) < 0)
        return verb_usage(&err);
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof "/belltowerd");
    if (n <= 0) {
        fprintf(stderr, "belltower: cannot find belltowerd: %s\n", strerror(errno));
        return VERB_FAILED;
    }
    path[n] = 0;
    strcpy(strrchr(path, '/'), "/belltowerd");
    fprintf(stderr,
            "API and dashboard: http://%s/\nthe platform's token: %s%s\ndata: %s\nCtrl-C drains and ends; belltower "
            "status, in another terminal, "
            "shows how it goes\n",
            s.listen, *s.token ? "as set" : s.data, *s.token ? "" : "/token", s.data);
    size_t count;
    char **environment = settings_environment(&s, FOR_ALL, &count);
    for (size_t i = 0; i < count; i++)
        putenv(environment[i]);
    execl(path, "belltowerd", (char *)NULL);
    fprintf(stderr, "belltower: cannot execute %s: %s\n", path, strerror(errno));
    return VERB_FAILED;
}
