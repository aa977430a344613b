/* The policy of supervision: what to do with one child, as a pure function of (its state, an event, now). PURE: no
 * clock, no process. child_set_state() alone changes a state. Times are ms: `now` monotonic. */
#ifndef BELLTOWER_SUPERVISOR_POLICY_H
#define BELLTOWER_SUPERVISOR_POLICY_H

#include "base/wire/contract.h"

enum child_state {
    CHILD_STOPPED,  /* not wanted, not running */
    CHILD_WAITING,  /* wanted; starts at next_start */
    CHILD_STARTING, /* running, not ready; killed at `deadline` unless it waits for a broker or store */
    CHILD_UP,
    CHILD_STOPPING, /* asked to drain; killed at `deadline` */
    CHILD_KILLED,   /* SIGKILL sent, not reaped yet */
    CHILD_FAILING,  /* a crash loop: parked, until an operator's word or a change */
    CHILD_PARKED,   /* it left with EXIT_CONFIG or EXIT_STOPPED: the same */
    CHILD_STATE_COUNT
};
const char *child_state_name(int state);

struct child_policy {
    enum child_state state;
    bool wanted;
    int64_t since;      /* in this state */
    int64_t deadline;   /* of STARTING and STOPPING; INT64_MAX = none */
    int64_t next_start; /* of WAITING */
    int64_t ready_at;   /* when it became UP; 0 = not since its start */
    uint64_t beat;      /* the last heartbeat seen, and when it changed */
    int64_t beat_at;
    uint32_t starts;                      /* how often it was started */
    uint32_t failures;                    /* in a row, for the backoff */
    int64_t faults[CRASH_LOOP_COUNT + 1]; /* when its last own faults were; 0 = none */
    int64_t suspect;                      /* the message (its offset) in which it died of a fault of its own */
    uint32_t suspect_deaths;              /* so often; 0 = there is none */
    bool yields; /* it left as superseded: its next start waits until the other's lease has run out */
    bool skips;  /* an operator's word: its next start passes over what is lost of the log */
};

enum child_event_kind {
    CHILD_WANT,    /* it should run */
    CHILD_UNWANT,  /* it should not */
    CHILD_SPAWNED, /* the SPAWN that was asked for went well */
    CHILD_SPAWN_FAILED,
    CHILD_LOOK, /* a look at its page */
    CHILD_EXITED,
    CHILD_RETRY /* an operator's word, or a new version of the app: a parked one may try again at once */
};

struct child_event {
    enum child_event_kind kind;
    uint64_t beat; /* LOOK: what its page says */
    int page_state;
    int64_t blocked_until;
    int code, signal;   /* EXITED: one of them; signal 0 = it left by itself */
    int64_t in_message; /* EXITED: what its page said; -1 = at rest */
    bool skip;          /* RETRY: it may pass over what is lost of the log */
    uint32_t random;    /* EXITED, SPAWN_FAILED: for the jitter */
};

enum child_action { ACTION_NONE, ACTION_SPAWN, ACTION_TERM, ACTION_KILL };

/* Changes *c and says what is to be done now. */
enum child_action policy_step(struct child_policy *c, const struct child_event *e, int64_t now);
/* When the child wants the next LOOK at the latest; INT64_MAX = it has no timer. */
int64_t policy_wake(const struct child_policy *c);
/* Whether an exit counts towards a crash loop. */
bool policy_own_fault(int code, int signal);

/* What the next start does with the suspect message. */
enum trial {
    TRIAL_NONE,
    TRIAL_ALONE,    /* it was there twice: the third time nothing else is at stake */
    TRIAL_SET_ASIDE /* it killed then too */
};
enum trial policy_trial(const struct child_policy *c);

#endif
