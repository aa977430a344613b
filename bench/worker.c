/* bench-worker: runs one worker under a status page, as its supervisor would, until it has read a log.
 *   bench-worker --events N -- belltower-stream --tenant T --generation G ...
 * Settings come from the environment. Prints a JSON object: from the first message read to the last, the processor time
 * of the worker in between, its memory at the end. */
#include "bench/options.h"
#include "bench/timing.h"

#include "base/wire/metrics.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_US  500
#define LIMIT_S  600.0
#define SETTLE_S 2.5 /* page counters of events come four times a second, checkpoints once */

struct sight {
    double at, cpu;
    int64_t offset;
};

static int64_t slot(const struct status_page *page, enum metric_slot s)
{
    return atomic_load_explicit(&page->slots[s], memory_order_relaxed);
}

static double cpu_of(pid_t pid)
{
    clockid_t clock;
    return clock_getcpuclockid(pid, &clock) == 0 ? seconds_of(clock) : 0;
}

/* A line of /proc/PID/smaps_rollup or status, in kB. */
static long memory_of(pid_t pid, const char *file, const char *name)
{
    char path[64], line[256];
    long kb = 0;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, name, strlen(name)) == 0)
            kb = strtol(line + strlen(name), NULL, 10);
    if (f)
        fclose(f);
    return kb;
}

static pid_t start(char **command, int page_fd)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    if (dup2(page_fd, CONTRACT_PAGE_FD) < 0)
        _exit(127);
    execvp(command[0], command);
    perror(command[0]);
    _exit(127);
}

static void fail(const struct status_page *page, const char *what)
{
    char words[PAGE_WORDS];
    page_words(page, words);
    fprintf(stderr, "bench-worker: %s; the worker says: %s\n", what, words);
    exit(1);
}

static void expect_alive(const struct status_page *page, pid_t pid)
{
    int status;
    if (waitpid(pid, &status, WNOHANG) == pid)
        fail(page, "the worker ended");
}

/* Until the offset begins to rise, and until it has come to rest with all events read. */
static void watch(const struct status_page *page, pid_t pid, int64_t events, struct sight *first, struct sight *last)
{
    double deadline = wall_s() + LIMIT_S;
    *first = *last = (struct sight){.offset = -1};
    while (slot(page, M_EVENTS) < events || last->offset != slot(page, M_OFFSET)) {
        struct sight now = {wall_s(), cpu_of(pid), slot(page, M_OFFSET)};
        if (now.at > deadline)
            fail(page, "it takes too long");
        expect_alive(page, pid);
        bool began = slot(page, M_STREAM_CONNECTED) && now.offset >= 0;
        if (began && first->offset < 0)
            *first = now;
        if (began && now.offset != last->offset)
            *last = now;
        usleep(LOOK_US);
    }
}

int main(int argc, char **argv)
{
    struct err err;
    struct status_page *page;
    int command = 1, status;
    while (command < argc && strcmp(argv[command], "--") != 0)
        command++;
    if (command + 1 >= argc) {
        fprintf(stderr, "usage: bench-worker --events N -- belltower-stream ...\n");
        return 2;
    }
    int fd = page_create(option_count(argc, argv, "--generation", 1), &page, &err);
    if (fd < 0) {
        fprintf(stderr, "bench-worker: %s\n", err.text);
        return 1;
    }
    int64_t events = (int64_t)option_count(command, argv, "--events", 1);
    struct sight first, last;
    atomic_store(&page->slots[M_OFFSET], -1);
    pid_t pid = start(argv + command + 1, fd);
    watch(page, pid, events, &first, &last);
    usleep((useconds_t)(SETTLE_S * 1e6));
    printf("{\"events\":%lld,\"messages\":%lld,\"seconds\":%.3f,\"cpu_s\":%.3f,\"results\":%lld,\"dead\":%lld,"
           "\"keys\":%lld,\"checkpoints\":%lld,\"checkpoint_bytes\":%lld,\"pss_kb\":%ld,\"peak_rss_kb\":%ld}\n",
           (long long)slot(page, M_EVENTS), (long long)(last.offset - first.offset), last.at - first.at,
           last.cpu - first.cpu, (long long)slot(page, M_RESULTS), (long long)slot(page, M_DEAD),
           (long long)slot(page, M_KEYS), (long long)slot(page, M_CHECKPOINTS),
           (long long)slot(page, M_CHECKPOINT_BYTES), memory_of(pid, "smaps_rollup", "Pss:"),
           memory_of(pid, "status", "VmHWM:"));
    kill(pid, SIGTERM);
    waitpid(pid, &status, 0);
    return 0;
}
