/* Workers begin, are stopped, wake, lose their connections and die, whichever their role. */
#include "tests/simulation/private.h"

#define ENDLESS 1000 /* effects of one turn */

static void forget_late(struct worker *k)
{
    for (size_t i = 0; i < k->late_count; i++)
        run_row_free(&k->late[i].run);
    k->late_count = 0;
}

void life_begin(struct world *w, struct worker *k)
{
    k->frozen = k->lost = k->doomed = k->warned = false;
    k->link.position = -1;
    k->number = ++w->begun;
    k->generation = w->generation;
    note(w, k, "begins");
    k->side->begin(w, k);
}

/* The process is gone at once; the broker sees it a while later. */
void life_die(struct world *w, struct worker *k)
{
    if (!alive(k))
        return;
    note(w, k, "dies");
    broker_end_ghost(w, k);
    if (w->faults && one_in(w, 3)) {
        struct link dead = k->link;
        k->ghost = dead;
        k->link = (struct link){.position = -1};
        k->ghost.position = -1;
    } else {
        broker_close(w, k);
    }
    forget_late(k);
    k->side->end(k);
    k->frozen = false;
}

void life_exit(struct world *w, struct worker *k, int code, const char *words)
{
    note(w, k, "leaves: %s", words);
    bool over_a_loss = w->lost && k->side == &stream_side && code == EXIT_STOPPED;
    if (over_a_loss)
        w->skip = true; /* an operator reads it, and says so */
    else if (code != EXIT_DONE && code != EXIT_SUPERSEDED)
        accuse(w, "the %s worker ended with code %d: %s", k->side->name, code, words);
    life_die(w, k);
}

static void lose_connection(struct world *w, struct worker *k)
{
    struct err err;
    const struct word word = {.kind = WORD_LOST, .err = &err};
    if (!k->link.open)
        return;
    w->v->losses++;
    note(w, k, "loses its connection");
    broker_close(w, k);
    err_set(&err, ERR_UNAVAILABLE, "lost");
    k->side->tell(w, k, &word);
}

/* A stopped worker goes on: what its socket says comes first. */
static void wake(struct world *w, struct worker *k)
{
    struct err err;
    const struct word word = {.kind = WORD_LOST, .err = &err};
    note(w, k, "wakes");
    k->frozen = false;
    if (!k->lost)
        return;
    k->lost = false;
    err_set(&err, ERR_UNAVAILABLE, "closed while it was stopped");
    k->side->tell(w, k, &word);
}

/* It is stopped; the supervisor begins another in its place. */
static void stop(struct world *w, struct worker pair[2])
{
    struct worker swap = pair[0];
    w->v->zombies++;
    note(w, &pair[0], "is stopped");
    pair[0] = pair[1];
    pair[1] = swap;
    pair[1].frozen = true;
}

static void close_stopped(struct world *w, struct worker *k)
{
    note(w, k, "is closed by the broker");
    k->lost = true;
    broker_close(w, k);
}

static void fate_of_stopped(struct world *w, struct worker *k)
{
    if (!alive(k))
        return;
    if (k->frozen && k->link.open && one_in(w, 60)) /* the broker misses its heartbeats */
        close_stopped(w, k);
    if (k->frozen && one_in(w, 90))
        wake(w, k);
    if (!w->faults)
        life_die(w, k);
}

void life_fate(struct world *w, struct worker pair[2])
{
    const struct word drain = {.kind = WORD_DRAIN};
    struct worker *k = &pair[0];
    if (alive(k) && fault(w, FAULT_KILL)) {
        w->v->crashes++;
        life_die(w, k);
    }
    if (alive(k) && fault(w, FAULT_LOSS))
        lose_connection(w, k);
    if (alive(k) && fault(w, FAULT_DRAIN))
        k->side->tell(w, k, &drain);
    if (alive(k) && k->generation != w->generation && one_in(w, 4)) /* the supervisor ends it for the new generation */
        life_die(w, k);
    if (alive(k) && !alive(&pair[1]) && fault(w, FAULT_STOP))
        stop(w, pair);
    fate_of_stopped(w, &pair[1]);
    for (size_t i = 0; i < 2; i++)
        if (!w->faults || one_in(w, 4))
            broker_end_ghost(w, &pair[i]);
    if (!alive(k) && one_in(w, 4))
        life_begin(w, k);
}

struct late *life_postpone(struct world *w, struct worker *k, int kind, uint64_t op)
{
    if (!fault(w, FAULT_LATE) || k->late_count == LATE_ANSWERS)
        return NULL;
    struct late *l = &k->late[k->late_count++];
    *l = (struct late){.kind = kind, .op = op};
    return l;
}

/* One of the answers that were put off, in any order. */
static void answer_late(struct world *w, struct worker *k)
{
    if (!k->late_count)
        return;
    struct late *at = &k->late[below(w, k->late_count)], l = *at;
    *at = k->late[--k->late_count];
    k->side->answer(w, k, &l);
    run_row_free(&l.run);
}

static void timer(struct world *w, struct worker *k)
{
    const struct word word = {.kind = WORD_TIMER};
    if (w->mono < k->side->wake(k))
        return;
    k->side->deliver(w, k); /* as the workers do: what has arrived comes before what is due */
    k->side->tell(w, k, &word);
}

/* Twice may be by chance; then the message is read alone, when all before it is saved, and if that kills too, it is set
 * aside. */
static void poisoned(struct world *w, struct worker *k)
{
    note(w, k, "is killed by message %lld", (long long)w->poison.offset);
    bool saves = k->generation == w->store.generation; /* else a rewind has set the head back meanwhile */
    for (int64_t i = w->store.head.offset + 1; saves && k->alone && i < w->poison.offset; i++)
        if (w->log.at[i].state == ENTRY_READY)
            accuse(w, "message %lld is read alone while %lld is not saved", (long long)w->poison.offset, (long long)i);
    w->v->crashes++;
    w->poison.deaths++;
    w->poison.wanted = k->alone;
    life_die(w, k);
}

/* Effects of a step belong together only until the next outside call: between any two it may die. */
static void effects(struct world *w, struct worker *k)
{
    unsigned count = 0;
    while (alive(k)) {
        if (++count > ENDLESS)
            accuse(w, "the %s worker does not come to an end", k->side->name);
        if (!w->v->well) {
            return;
        } else if (k->doomed) {
            poisoned(w, k);
        } else if (fault(w, FAULT_CRASH)) {
            w->v->crashes++;
            life_die(w, k);
        } else if (!k->side->act(w, k)) {
            return;
        }
    }
}

void life_live(struct world *w, struct worker *k)
{
    if (k->ghost.open)
        broker_take(w, &k->ghost);
    if (!alive(k) || k->frozen)
        return;
    broker_trouble(w, k);
    switch (below(w, 6)) {
    case 0:
        k->side->deliver(w, k);
        break;
    case 1:
        broker_take(w, &k->link);
        break;
    case 2:
        broker_confirm(w, k);
        break;
    case 3:
        answer_late(w, k);
        break;
    default:
        timer(w, k);
    }
    effects(w, k);
}
