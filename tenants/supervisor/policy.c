#include "tenants/supervisor/policy.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define DENIED_MS      30000 /* a refused password is not tried again quickly */
#define SUPERSEDED_MS  15000 /* the other's lease */
#define SUSPECT_DEATHS 2     /* in the same message: then it is tried alone */

const char *child_state_name(int state)
{
    static const char *const names[] = {"stopped",  "waiting", "starting", "up",
                                        "stopping", "killed",  "failing",  "parked"};
    return state >= 0 && state < CHILD_STATE_COUNT ? names[state] : "?";
}

/* Which moves are legal: everything else is a bug of ours. */
static const bool legal[CHILD_STATE_COUNT][CHILD_STATE_COUNT] = {
    [CHILD_STOPPED] = {[CHILD_WAITING] = true},
    [CHILD_WAITING] = {[CHILD_STOPPED] = true, [CHILD_STARTING] = true, [CHILD_WAITING] = true},
    [CHILD_STARTING] = {[CHILD_UP] = true,
                        [CHILD_STOPPING] = true,
                        [CHILD_KILLED] = true,
                        [CHILD_WAITING] = true,
                        [CHILD_FAILING] = true,
                        [CHILD_PARKED] = true,
                        [CHILD_STOPPED] = true},
    [CHILD_UP] = {[CHILD_STOPPING] = true,
                  [CHILD_KILLED] = true,
                  [CHILD_WAITING] = true,
                  [CHILD_FAILING] = true,
                  [CHILD_PARKED] = true,
                  [CHILD_STOPPED] = true},
    [CHILD_STOPPING] = {[CHILD_KILLED] = true, [CHILD_STOPPED] = true, [CHILD_WAITING] = true},
    [CHILD_KILLED] = {[CHILD_STOPPED] = true, [CHILD_WAITING] = true, [CHILD_FAILING] = true},
    [CHILD_FAILING] = {[CHILD_WAITING] = true, [CHILD_STOPPED] = true},
    [CHILD_PARKED] = {[CHILD_WAITING] = true, [CHILD_STOPPED] = true},
};

static void child_set_state(struct child_policy *c, enum child_state to, int64_t now)
{
    if (!legal[c->state][to])
        abort();
    c->state = to;
    c->since = now;
    c->deadline = INT64_MAX;
    switch (to) {
    case CHILD_STARTING:
        c->starts++;
        c->ready_at = 0;
        c->beat = 0;
        c->beat_at = now;
        c->deadline = now + READY_MS;
        break;
    case CHILD_UP:
        c->ready_at = now;
        break;
    case CHILD_STOPPING:
        c->deadline = now + DRAIN_MS;
        break;
    default:
        break;
    }
}

bool policy_own_fault(int code, int signal)
{
    if (signal)
        return true;
    return code == EXIT_FAULT || code == EXIT_OOM || code == EXIT_USAGE || code > EXIT_SUPERSEDED;
}

/* The program's own doing for certain; a SIGKILL may come from anywhere. */
static bool died_of_itself(int code, int signal)
{
    switch (signal) {
    case 0:
        return code == EXIT_OOM;
    case SIGSEGV:
    case SIGBUS:
    case SIGABRT:
    case SIGILL:
    case SIGFPE:
        return true;
    default:
        return false;
    }
}

enum trial policy_trial(const struct child_policy *c)
{
    if (c->suspect_deaths < SUSPECT_DEATHS)
        return TRIAL_NONE;
    return c->suspect_deaths == SUSPECT_DEATHS ? TRIAL_ALONE : TRIAL_SET_ASIDE;
}

/* A message that is set aside is a way out of a crash loop. */
static void suspect_message(struct child_policy *c, const struct child_event *e)
{
    if (e->in_message < 0 || !died_of_itself(e->code, e->signal))
        return;
    bool again = c->suspect_deaths && c->suspect == e->in_message;
    c->suspect = e->in_message;
    c->suspect_deaths = again ? c->suspect_deaths + 1 : 1;
    if (policy_trial(c) == TRIAL_SET_ASIDE)
        memset(c->faults, 0, sizeof c->faults);
}

static void start_at(struct child_policy *c, int64_t at, int64_t now)
{
    child_set_state(c, CHILD_WAITING, now);
    c->next_start = at;
}

/* Exponential, with full jitter: anything from half of it to all of it. */
static int64_t backoff(const struct child_policy *c, uint32_t random)
{
    int64_t ms = BACKOFF_FIRST_MS;
    for (uint32_t i = 1; i < c->failures && ms < BACKOFF_MAX_MS; i++)
        ms *= 2;
    if (ms > BACKOFF_MAX_MS)
        ms = BACKOFF_MAX_MS;
    return ms / 2 + (int64_t)(random % (uint32_t)(ms / 2 + 1));
}

/* Not by us: an operator, a test, the kernel when memory is short. It says nothing of the program. */
static bool killed_from_outside(const struct child_policy *c, const struct child_event *e)
{
    return e->signal == SIGKILL && c->state != CHILD_KILLED;
}

/* The longest pause of one that was killed from outside: who is killed again and again works for nine tenths of the
 * time, or is not ready yet. */
static int64_t outside_limit(const struct child_policy *c, int64_t now)
{
    int64_t ms = c->ready_at ? (now - c->ready_at) / 10 : BACKOFF_FIRST_MS;
    return ms > AT_ONCE_MS ? ms : AT_ONCE_MS;
}

/* The first death since it was well says little: the next start may help. */
static bool starts_at_once(const struct child_policy *c, const struct child_event *e)
{
    return c->failures == 1 && c->ready_at && (e->signal || policy_own_fault(e->code, e->signal));
}

static bool crash_loop(struct child_policy *c, int64_t now)
{
    memmove(c->faults, c->faults + 1, sizeof c->faults - sizeof *c->faults);
    c->faults[CRASH_LOOP_COUNT] = now;
    return c->faults[0] != 0 && now - c->faults[0] <= CRASH_LOOP_MS;
}

/* How long an exit that is nobody's fault waits. */
static int64_t patience(const struct child_policy *c, int code, uint32_t random)
{
    if (code == EXIT_DENIED)
        return DENIED_MS;
    return code == EXIT_SUPERSEDED ? SUPERSEDED_MS : backoff(c, random);
}

static void exited(struct child_policy *c, const struct child_event *e, int64_t now)
{
    bool by_us = c->state == CHILD_STOPPING || (c->state == CHILD_KILLED && !c->wanted);
    if (c->ready_at && now - c->ready_at >= HEALTHY_MS)
        c->failures = 0;
    c->yields = !e->signal && e->code == EXIT_SUPERSEDED;
    c->skips = c->skips && !c->ready_at; /* the word is kept until it has been of use */
    suspect_message(c, e);
    if (!c->wanted) {
        child_set_state(c, CHILD_STOPPED, now);
        return;
    }
    if (by_us) { /* wanted again meanwhile */
        start_at(c, now, now);
        return;
    }
    if (!e->signal && (e->code == EXIT_CONFIG || e->code == EXIT_STOPPED)) {
        child_set_state(c, CHILD_PARKED, now);
        return;
    }
    c->failures++;
    bool outside = killed_from_outside(c, e);
    if (!outside && policy_own_fault(e->code, e->signal) && crash_loop(c, now)) {
        child_set_state(c, CHILD_FAILING, now);
        return;
    }
    int64_t wait = starts_at_once(c, e) ? (int64_t)(e->random % (AT_ONCE_MS + 1))
                                        : patience(c, e->signal ? EXIT_FAULT : e->code, e->random);
    if (outside && wait > outside_limit(c, now))
        wait = outside_limit(c, now);
    start_at(c, now + wait, now);
}

static enum child_action want(struct child_policy *c, int64_t now)
{
    c->wanted = true;
    if (c->state == CHILD_STOPPED)
        start_at(c, now, now);
    return ACTION_NONE;
}

static enum child_action unwant(struct child_policy *c, int64_t now)
{
    c->wanted = false;
    c->failures = 0;
    memset(c->faults, 0, sizeof c->faults);
    switch (c->state) {
    case CHILD_STARTING:
    case CHILD_UP:
        child_set_state(c, CHILD_STOPPING, now);
        return ACTION_TERM;
    case CHILD_WAITING:
    case CHILD_FAILING:
    case CHILD_PARKED:
        child_set_state(c, CHILD_STOPPED, now);
        return ACTION_NONE;
    default:
        return ACTION_NONE;
    }
}

static enum child_action retry(struct child_policy *c, bool skip, int64_t now)
{
    c->skips = c->skips || skip;
    c->failures = 0;
    memset(c->faults, 0, sizeof c->faults);
    bool parked = c->state == CHILD_FAILING || c->state == CHILD_PARKED;
    if (c->wanted && (parked || c->state == CHILD_WAITING))
        start_at(c, now, now);
    return ACTION_NONE;
}

static void look_at_page(struct child_policy *c, const struct child_event *e, int64_t now)
{
    if (e->beat != c->beat) {
        c->beat = e->beat;
        c->beat_at = now;
    }
    if (c->state != CHILD_STARTING)
        return;
    if (e->page_state == PAGE_READY || e->page_state == PAGE_PAUSED)
        child_set_state(c, CHILD_UP, now);
    else if (e->page_state == PAGE_WAITING) /* for a broker or store: no deadline, the heartbeat still counts */
        c->deadline = now + READY_MS;
}

static enum child_action look(struct child_policy *c, const struct child_event *e, int64_t now)
{
    if (c->state == CHILD_WAITING)
        return now >= c->next_start ? ACTION_SPAWN : ACTION_NONE;
    if (c->state == CHILD_STARTING || c->state == CHILD_UP)
        look_at_page(c, e, now);
    bool watched = c->state == CHILD_STARTING || c->state == CHILD_UP;
    bool lost = watched && now - c->beat_at > HEARTBEAT_LOST_MS && now > e->blocked_until;
    bool late =
        (c->state == CHILD_STARTING || c->state == CHILD_STOPPING) && now >= c->deadline && now > e->blocked_until;
    if (c->state == CHILD_STOPPING)
        late = now >= c->deadline;
    if (!lost && !late)
        return ACTION_NONE;
    child_set_state(c, CHILD_KILLED, now);
    return ACTION_KILL;
}

enum child_action policy_step(struct child_policy *c, const struct child_event *e, int64_t now)
{
    switch (e->kind) {
    case CHILD_WANT:
        return want(c, now);
    case CHILD_UNWANT:
        return unwant(c, now);
    case CHILD_SPAWNED:
        child_set_state(c, CHILD_STARTING, now);
        return ACTION_NONE;
    case CHILD_SPAWN_FAILED:
        c->failures++;
        start_at(c, now + backoff(c, e->random), now);
        return ACTION_NONE;
    case CHILD_LOOK:
        return look(c, e, now);
    case CHILD_EXITED:
        exited(c, e, now);
        return ACTION_NONE;
    case CHILD_RETRY:
        return retry(c, e->skip, now);
    }
    abort();
}

int64_t policy_wake(const struct child_policy *c)
{
    switch (c->state) {
    case CHILD_WAITING:
        return c->next_start;
    case CHILD_STARTING:
    case CHILD_UP:
    case CHILD_STOPPING:
        return c->deadline < c->beat_at + HEARTBEAT_LOST_MS ? c->deadline : c->beat_at + HEARTBEAT_LOST_MS;
    default:
        return INT64_MAX;
    }
}
