/* One line for each death: who, how, how long it lived, its last words, what happens next, what to do. */
#include "tenants/supervisor/supervisor.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* A program that has only begun, and an operator's kill: no fault of the program. */
static bool ended_from_outside(int signal)
{
    return signal == SIGTERM || signal == SIGINT || signal == SIGHUP;
}

static const char *advice(const struct death *d)
{
    if (d->signal == SIGKILL)
        return "; killed: lost heartbeat, missed deadline, or out of memory (see dmesg)";
    if (ended_from_outside(d->signal))
        return "";
    if (d->signal)
        return "; a fault of the program: please report it with the lines above";
    switch (d->code) {
    case EXIT_CONFIG:
        return "; correct its app or settings, then: belltower tenant resume";
    case EXIT_STOPPED:
        return "; a guarantee would break: read docs/operations.md, then: belltower tenant resume";
    case EXIT_DENIED:
        return "; the broker or the store refuses its user";
    case EXIT_OOM:
        return "; out of memory: fewer keys (limits.keys) or more memory";
    default:
        return "";
    }
}

static void how(const struct death *d, char *out, size_t size)
{
    if (d->signal)
        snprintf(out, size, "died of signal %d (%s)", d->signal, sigdescr_np(d->signal) ? sigdescr_np(d->signal) : "?");
    else
        snprintf(out, size, "left with code %d (%s)", d->code, child_exit_name(d->code));
}

static void next(const struct death *d, char *out, size_t size)
{
    if (d->next_ms < 0)
        snprintf(out, size, "now %s", d->state);
    else
        snprintf(out, size, "starts again in %.1f s", (double)d->next_ms / 1000);
}

bool obituary_expected(bool wanted, int code, int signal)
{
    return !wanted && (signal ? signal == SIGTERM : code == EXIT_DONE);
}

void obituary_text(const struct death *d, char *out, size_t size)
{
    char manner[80], future[80];
    how(d, manner, sizeof manner);
    next(d, future, sizeof future);
    const char *words = *d->words ? d->words : d->last;
    snprintf(out, size, "%s %s after %.1f s; %s%s%s%s", d->name, manner, (double)d->lived_ms / 1000, future,
             *words ? "; last words: " : "", words, d->signal == 0 && d->code == 0 ? "" : advice(d));
}
