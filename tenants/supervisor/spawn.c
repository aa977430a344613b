/* fork and exec, with exactly the file descriptors, environment and signals of the contract. */
#include "tenants/supervisor/supervisor.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* What a child gets of the supervisor's own environment. */
static const char *const passed_on[] = {"PATH",
                                        "HOME",
                                        "TZ",
                                        "LANG",
                                        "LC_ALL",
                                        "BELLTOWER_LOG",
                                        "BELLTOWER_BROKER_CA",
                                        "BELLTOWER_MODULES",
                                        "ASAN_OPTIONS",
                                        "UBSAN_OPTIONS",
                                        "LSAN_OPTIONS",
                                        "SSL_CERT_FILE",
                                        "SSL_CERT_DIR"};
#define PASSED_ON (sizeof passed_on / sizeof *passed_on)
#define FD_SAFE   64 /* the fds to inherit are first moved up here, out of the way of 0..4 */

static char **environment(const struct supervisor *s, enum settings_for who)
{
    size_t count;
    char **list = settings_environment(&s->settings, who, &count);
    list = mem_resize(list, count + PASSED_ON + 3, sizeof *list);
    for (size_t i = 0; i < PASSED_ON; i++)
        if (getenv(passed_on[i]))
            list[count++] = mem_printf("%s=%s", passed_on[i], getenv(passed_on[i]));
    list[count++] = mem_strdup("BELLTOWER_SUPERVISED=1");
    list[count++] = mem_strdup("MONGOC_DISABLE_SHM=1"); /* else a killed child leaves a file in /dev/shm */
    list[count] = NULL;
    return list;
}

static void free_list(char **list)
{
    for (size_t i = 0; list[i]; i++)
        free(list[i]);
    free(list);
}

/* In the child, before exec: only async-signal-safe calls. */
static void put_fds(const struct spawn *sp)
{
    const int wanted[] = {-1, sp->out, sp->err, sp->control, sp->page};
    int moved[5];
    int null = open("/dev/null", O_RDWR);
    for (int i = 0; i < 5; i++) {
        int from = wanted[i] >= 0 ? wanted[i] : i < 3 ? null : -1;
        moved[i] = from >= 0 ? fcntl(from, F_DUPFD, FD_SAFE) : -1;
    }
    for (int i = 0; i < 5; i++) {
        close(i);
        if (moved[i] >= 0)
            dup2(moved[i], i);
    }
    close_range(5, ~0U, 0);
}

static void default_signals(void)
{
    sigset_t none;
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void become(const struct spawn *sp, const char *path, char *const *argv, char *const *envp,
                             pid_t parent)
{
    const struct rlimit no_core = {0, 0};
    default_signals();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) /* it died between fork and prctl */
        _exit(EXIT_FAULT);
    setpgid(0, 0); /* a Ctrl-C in the terminal is the supervisor's to handle */
    setrlimit(RLIMIT_CORE, &no_core);
    put_fds(sp);
    execve(path, argv, envp);
    static const char text[] = "cannot execute the program\n";
    if (write(2, text, sizeof text - 1) < 0)
        _exit(EXIT_FAULT);
    _exit(EXIT_FAULT);
}

static char **arguments(const struct spawn *sp)
{
    size_t count = 0;
    while (sp->arguments[count])
        count++;
    char **argv = mem_zero(count + 2, sizeof *argv);
    argv[0] = mem_strdup(sp->program);
    for (size_t i = 0; i < count; i++)
        argv[i + 1] = mem_strdup(sp->arguments[i]);
    return argv;
}

int spawn_process(struct supervisor *s, const struct spawn *sp, pid_t *pid, int *pidfd, struct err *err)
{
    char *path = mem_printf("%s/%s", s->program_dir, sp->program);
    char **argv = arguments(sp), **envp = environment(s, sp->who);
    pid_t parent = getpid(), child = -1;
    int status = access(path, X_OK) < 0 ? err_set_errno(err, "cannot execute %s", path) : 0;
    if (status == 0) {
        child = fork();
        if (child == 0)
            become(sp, path, argv, envp, parent);
        if (child < 0)
            status = err_set_errno(err, "cannot fork");
    }
    free(path);
    free_list(argv);
    free_list(envp);
    if (status < 0)
        return -1;
    *pidfd = pidfd_open(child, 0);
    if (*pidfd < 0) {
        err_set_errno(err, "cannot watch process %d", (int)child);
        kill(child, SIGKILL);
        return -1;
    }
    *pid = child;
    return 0;
}
