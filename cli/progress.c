#include "cli/send.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TERMINAL_EVERY_MS 100
#define PLAIN_EVERY_MS    5000
#define BAR               30

void progress_begin(struct progress *p, uint64_t total_bytes)
{
    *p = (struct progress){.terminal = isatty(STDERR_FILENO), .began_ms = clock_mono_ms(), .total_bytes = total_bytes};
    p->shown_ms = p->began_ms;
}

static void left_text(const struct progress *p, int64_t elapsed, char out[32])
{
    out[0] = 0;
    if (!p->total_bytes || !p->bytes || p->bytes >= p->total_bytes)
        return;
    int64_t left = (int64_t)((double)elapsed * (double)(p->total_bytes - p->bytes) / (double)p->bytes / 1000);
    snprintf(out, 32, ", %lld:%02lld left", (long long)(left / 60), (long long)(left % 60));
}

void progress_show(struct progress *p, bool last)
{
    int64_t now = clock_mono_ms(), elapsed = now - p->began_ms;
    if (!last && now - p->shown_ms < (p->terminal ? TERMINAL_EVERY_MS : PLAIN_EVERY_MS))
        return;
    p->shown_ms = now;
    char bar[BAR + 1], left[32];
    uint64_t done = p->total_bytes ? (p->bytes < p->total_bytes ? p->bytes : p->total_bytes) : 0;
    int full = p->total_bytes ? (int)(done * BAR / p->total_bytes) : 0;
    memset(bar, '.', BAR);
    memset(bar, '#', (size_t)full);
    bar[BAR] = 0;
    left_text(p, elapsed, left);
    double rate = elapsed > 0 ? (double)p->events * 1000 / (double)elapsed : 0;
    fprintf(stderr, "%s[%s] %3d%%  %llu events, %.0f/s%s%s", p->terminal ? "\r" : "", bar,
            p->total_bytes ? (int)(done * 100 / p->total_bytes) : 0, (unsigned long long)p->events, rate, left,
            p->terminal && !last ? "   " : "   \n");
}
