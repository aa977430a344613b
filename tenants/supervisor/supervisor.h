/* The supervisor: one thread, one epoll loop. It forks and executes everything else, watches pages and deaths, and
 * knows of a tenant only its wanted state, generation and pages. No blocking call, no client library, no thread: */
#ifndef BELLTOWER_SUPERVISOR_H
#define BELLTOWER_SUPERVISOR_H

#if defined(_PTHREAD_H)
#error "no threads in the supervisor: fork and PDEATHSIG depend on it"
#endif
#define pthread_create the_supervisor_has_no_threads

#include "base/settings.h"
#include "base/wire/contract.h"
#include "tenants/supervisor/policy.h"

#include <sys/types.h>

#define LAST_WORDS      3 /* lines of a child kept for its obituary */
#define LAST_WORD_BYTES 300

struct tenant;

/* A place for a process: who runs there changes, its policy stays. */
struct child {
    enum role role;
    struct tenant *tenant; /* NULL: the API */
    struct child_policy policy;
    pid_t pid;               /* 0 = none */
    int pidfd, control, log; /* -1 = none */
    int page_fd;
    struct status_page *page; /* of the present or the last process */
    uint64_t page_number;     /* rises with every page made */
    uint64_t page_told;       /* the page whose fd the API has */
    int64_t started_ms, since_wall_ms;
    char line[2048]; /* an unfinished line of its log */
    size_t line_len;
    char last[LAST_WORDS][LAST_WORD_BYTES];
    unsigned last_next;
    char obituary[600];
    bool changed; /* the API has not been told yet */
};

struct tenant {
    char name[64];
    uint64_t generation;
    uint32_t version;
    uint8_t wanted; /* enum want */
    bool mentioned; /* since the API's present connection began */
    bool gone_told;
    struct child stream, batch;
    struct tenant *next;
};

struct provision_job { /* belltower-provision, one at a time */
    uint64_t request;  /* of the API; 0 = the platform itself */
    char tenant[64];
    uint8_t what; /* enum provision */
    struct provision_job *next;
};

struct provisioner {
    struct provision_job *queue; /* the head is the one under way, if pid */
    pid_t pid;
    int pidfd, out, err_fd;
    int64_t deadline, not_before; /* mono */
    int64_t retry_ms;
    char text[2048], reason[1024], logged[1024];
    size_t text_len, reason_len;
    bool platform_ready;
};

struct supervisor {
    struct settings settings;
    char program_dir[4096];
    int epoll_fd, signal_fd, lock_fd;
    struct child api;
    struct tenant *tenants; /* by name */
    struct provisioner provisioner;
    uint64_t pages;
    int64_t now;       /* mono, of this turn */
    int64_t tokens_at; /* the bucket of starts: not before */
    bool draining, fatal;
};

/* Who an epoll event is for: a pointer to one of these is its data. */
enum watch_kind {
    WATCH_SIGNAL,
    WATCH_PIDFD,
    WATCH_CONTROL,
    WATCH_LOG,
    WATCH_PROVISION_PID,
    WATCH_PROVISION_OUT,
    WATCH_PROVISION_ERR
};
int supervisor_watch(struct supervisor *s, int fd, enum watch_kind kind, void *owner, struct err *err) MUSTCHECK;
void supervisor_forget(struct supervisor *s, int *fd); /* closes it too; no-op on -1 */

/* tenant.c */
struct tenant *tenant_find(struct supervisor *s, const char *name);
struct tenant *tenant_want(struct supervisor *s, const struct control *c);
void tenant_sweep(struct supervisor *s); /* frees those that are removed and have ended */
typedef void child_each(struct supervisor *s, struct child *c);
void supervisor_each_child(struct supervisor *s, child_each *each); /* workers, then the API */

/* child.c */
void child_init(struct child *c, enum role role, struct tenant *tenant);
void child_tell(struct supervisor *s, struct child *c,
                enum child_event_kind kind); /* an event without data; carries out the action */
void child_retry(struct supervisor *s, struct child *c, bool skip);
void child_look(struct supervisor *s, struct child *c);
void child_exited(struct supervisor *s, struct child *c);
void child_read_log(struct supervisor *s, struct child *c, bool to_the_end);
void child_signal(struct child *c, int signal);
void child_name(const struct child *c, char *out, size_t size); /* "stream worker of acme" */

/* spawn.c */
struct spawn {
    const char *program;
    const char *const *arguments; /* after argv[0]; NULL-terminated */
    enum settings_for who;
    int control, page, out, err; /* fds for the child's 3, 4, 1, 2; -1 = /dev/null or none */
};
/* *pidfd is set. ERR_* with the reason; nothing runs then. */
int spawn_process(struct supervisor *s, const struct spawn *sp, pid_t *pid, int *pidfd, struct err *err) MUSTCHECK;

/* obituary.c: one line for a death; advice follows from the exit code. */
struct death {
    const char *name;
    int code, signal;
    int64_t lived_ms;
    const char *words; /* of its page */
    const char *last;  /* the last line of its log, or "" */
    const char *state; /* what it is now */
    int64_t next_ms;   /* until it starts again; < 0 = never by itself */
};
void obituary_text(const struct death *d, char *out, size_t size);
/* The death that was asked for: the child drained, or had not got as far as to catch SIGTERM. */
bool obituary_expected(bool wanted, int code, int signal);

/* control.c: the API's words, and what it is told. */
void control_from_child(struct supervisor *s, struct child *c);
void control_tell_changes(struct supervisor *s);
void control_reload(struct child *c, uint32_t version);

/* provisioner.c */
void provisioner_add(struct supervisor *s, uint64_t request, const char *tenant, uint8_t what);
void provisioner_step(struct supervisor *s);
void provisioner_exited(struct supervisor *s);
void provisioner_read(struct supervisor *s, bool from_out);
int64_t provisioner_wake(const struct supervisor *s);

#endif
