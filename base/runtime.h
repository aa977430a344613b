/* What every child of the supervisor does the same way: page, signals, control socket, one epoll loop. Single-threaded.
 *
 * Alone from a shell (BELLTOWER_SUPERVISED unset) there is no control socket and the page is private; SIGTERM and
 * SIGINT drain all the same. */
#ifndef BELLTOWER_BASE_RUNTIME_H
#define BELLTOWER_BASE_RUNTIME_H

#include "base/wire/contract.h"

#define RUNTIME_READABLE 8

struct runtime {
    struct status_page *page;
    bool supervised;
    int epoll_fd, signal_fd;
    int control_fd;                 /* -1 = none */
    bool drain;                     /* SIGTERM, SIGINT, or the supervisor is gone */
    bool hangup;                    /* SIGHUP came; whoever acts on it clears it */
    uint32_t reload_version;        /* of the last CTL_RELOAD; 0 = none; whoever acts on it clears it */
    int readable[RUNTIME_READABLE]; /* what the last runtime_wait found */
    int readable_count;
};

#define RUNTIME_TURN_MS 250 /* the longest wait of one turn: heartbeats of page and broker depend on it */

int runtime_begin(struct runtime *r, enum role role, const char *tenant, struct err *err) MUSTCHECK;
/* Wakes runtime_wait when fd is readable. Forgetting a closed or unknown fd is a no-op. */
int runtime_watch(struct runtime *r, int fd, struct err *err) MUSTCHECK;
void runtime_forget(struct runtime *r, int fd);
/* Waits until something is readable, at most timeout_ms (cut to RUNTIME_TURN_MS); takes signals and control messages;
 * beats the page. */
void runtime_wait(struct runtime *r, int64_t timeout_ms);
/* Did the last runtime_wait find it readable? Of more than RUNTIME_READABLE descriptors some may come in the next. */
bool runtime_readable(const struct runtime *r, int fd);
void runtime_end(struct runtime *r);

/* A descriptor that reads SIGTERM, SIGINT and SIGHUP, which are blocked from here on; SIGPIPE is ignored. -1 with *err.
 */
int runtime_signals(struct err *err) MUSTCHECK;

/* --name VALUE among the arguments that settings_load left; NULL if missing. Each may be asked once. */
const char *runtime_argument(int argc, char **argv, const char *name);
bool runtime_flag(int argc, char **argv, const char *name); /* is --name among them? */

#endif
