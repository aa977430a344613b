/* The insides of the simulated world, shared by its parts: world.c (time, the run), chance.c (what befalls), life.c
 * (workers begin and die), broker.c, store.c, producer.c, apps.c, stream_side.c and batch_side.c (effects of the
 * cores), judge*.c. */
#ifndef BELLTOWER_SIMULATION_PRIVATE_H
#define BELLTOWER_SIMULATION_PRIVATE_H

#include "batch/core.h"
#include "stream/core.h"
#include "tests/simulation/world.h"

#define TENANT       "acme"
#define WORKER_USER  "belltower-worker-" TENANT
#define START_WALL   INT64_C(1767225600000)
#define PREFETCH     10 /* messages of a stream queue that a consumer has not acknowledged */
#define TRIGGERS_OUT 3  /* the same for the trigger queue */
#define GENERATIONS  2
#define VERSIONS     4 /* of the app, at most */
#define LATE_ANSWERS 32

/* ---- chance ---- */

enum fault_kind {
    FAULT_CRASH,   /* between two effects */
    FAULT_KILL,    /* between two turns */
    FAULT_DRAIN,   /* a worker is told to finish */
    FAULT_STOP,    /* a worker is stopped; another takes over; it may wake */
    FAULT_LOSS,    /* a connection breaks */
    FAULT_CONNECT, /* the broker cannot be reached */
    FAULT_TAIL,    /* a tail cannot be read */
    FAULT_CUT,     /* a send is cut short */
    FAULT_NACK,    /* the broker refuses a message */
    FAULT_RETURN,  /* no queue takes a message */
    FAULT_BLOCK,   /* the broker blocks publishers for a while */
    FAULT_LOAD,    /* the store cannot be read */
    FAULT_REFUSE,  /* the store refuses a change */
    FAULT_UNKNOWN, /* a change's outcome is unknown */
    FAULT_AWAY,    /* the store is away for a while */
    FAULT_LATE,    /* an answer comes later */
    FAULT_LOSE,    /* messages of the log that nobody has read are lost */
    FAULT_CLOCK,   /* the wall clock jumps */
    FAULT_COUNT
};

/* ---- messages and queues ---- */

enum entry_state {
    ENTRY_READY,
    ENTRY_OUT,
    ENTRY_GONE
}; /* of a trigger in its queue; of a message sent: GONE = confirmed; of one in the log: GONE = lost, OUT = read, and
    * then taken by retention */

struct entry { /* a message; texts are in one block, which is the entry's own */
    char *block;
    const char *body, *id, *type, *user, *key; /* NULL = none */
    size_t len;
    int64_t number, generation, wall_ms;
    int kind; /* enum outbox_kind */
    enum entry_state state;
    uint64_t holder, tag; /* of a trigger that is out: the session that has it */
    char *honest;         /* of a tick that sabotage has changed: what it said; NULL = nothing was changed */
};

struct list {
    struct entry *at;
    size_t count, cap;
};

/* Appends a copy of *e with its texts. */
struct entry *list_add(struct list *l, const struct entry *e);
void list_clear(struct list *l);
const struct entry *list_find(const struct list *l, const char *id);
bool entry_is_from(const struct entry *e, const char *user);

/* Both connections of a worker. */
struct link {
    bool open, lock, blocked, refusing;
    uint64_t session;
    struct list transit;       /* sent; the broker has looked at `taken` of them and confirmed them up to `confirmed` */
    uint64_t taken, confirmed; /* tags */
    int64_t position;          /* of the consumer in its stream queue; -1 = does not consume */
    uint64_t delivered;        /* tags */
    uint64_t unacked[PREFETCH];
    size_t unacked_count;
};

/* ---- workers ---- */

struct late { /* an answer that is still to come: the change itself has happened, a reading happens when it comes */
    int kind; /* of the effect */
    struct stream_effect open; /* of a stream worker: its change happens only when the answer comes */
    bool is_open;
    uint64_t op;
    enum err_code code; /* ERR_NONE = it goes well */
    bool inserted, cancelled;
    const char *exchange;
    int64_t offset; /* or a time */
    struct run_row run;
};

struct worker {
    const struct side *side;
    struct stream_core *stream; /* one of both while it lives */
    struct batch_core *batch;
    bool frozen;     /* it is stopped, and may wake later */
    bool doomed;     /* it has read what kills it */
    bool warned;     /* it knows that the poison is set aside */
    bool alone;      /* it is to read the poison alone */
    bool lost;       /* its connection was closed while it was stopped */
    unsigned number; /* the how manieth of all */
    uint64_t generation;
    struct link link, ghost; /* ghost: of the one that died; the broker has not yet seen its end */
    struct late late[LATE_ANSWERS];
    size_t late_count;
};

enum word_kind { WORD_LOST, WORD_CONFIRM, WORD_RETURNED, WORD_BLOCKED, WORD_TIMER, WORD_DRAIN, WORD_RELOAD };
struct word { /* what a worker is told from outside, whichever its role */
    enum word_kind kind;
    const struct err *err;
    uint64_t tag;
    bool multiple, ack, flag;
    const char *exchange;
};

struct world;
struct side { /* what differs between the roles */
    const char *name;
    enum sabotage unlocked; /* the sabotage in which the lock keeps nobody out */
    void (*begin)(struct world *w, struct worker *k);
    void (*end)(struct worker *k);
    void (*tell)(struct world *w, struct worker *k, const struct word *word);
    void (*deliver)(struct world *w, struct worker *k); /* a chunk */
    bool (*act)(struct world *w, struct worker *k);     /* carries out the next effect; false: there is none */
    void (*answer)(struct world *w, struct worker *k, struct late *l);
    const struct outbox_message *(*send)(struct worker *k);
    int64_t (*wake)(const struct worker *k);
};
extern const struct side stream_side, batch_side;

static inline bool alive(const struct worker *k)
{
    return k->stream || k->batch;
}

/* ---- the store ---- */

struct stored_result {
    struct result_row row; /* texts are in the block */
    uint64_t hash;         /* of stream, key and window */
    char *block;
};

struct stored_run {
    struct run_row row;
    char *report; /* NULL = none yet */
    size_t len;
};

struct kept { /* a checkpoint */
    uint64_t number, generation;
    struct stream_head head;
    struct buf state, info;
};

struct store {
    uint64_t epoch, generation; /* the stream worker's checkpoint */
    bool there;
    struct stream_head head;
    struct buf state, info;
    uint64_t saves; /* with a state; they name it */
    struct kept *kept;
    size_t kept_count;
    struct skip_row *skips;
    size_t skip_count;
    struct source source;           /* the batch worker's history */
    int64_t stored_to[GENERATIONS]; /* of the results queue, by generation: the highest offset that was ever stored */
    struct stored_result *results;
    size_t result_count, result_cap;
    struct stored_run *runs;
    size_t run_count, run_cap;
    struct stored_run postponed; /* by sabotage: row.id NULL = none */
};

enum outcome { OUTCOME_DONE, OUTCOME_REFUSED, OUTCOME_UNKNOWN_DONE, OUTCOME_UNKNOWN_NOT };

/* ---- the world ---- */

struct shape {                                                               /* what an app's text is made of */
    int lateness, order, idle, ahead, size, threshold, when, cooldown, wait; /* s; ahead 0 = off */
    bool per_device, wide, scheduled;
};

struct app_version {
    struct shape shape;
    struct buf text;
    struct app *app;
};

struct world {
    uint64_t random;
    enum sabotage sabotage;
    bool faults, trace;
    unsigned odds[FAULT_COUNT]; /* one in so many; 0 = never */
    int64_t mono, wall;
    int64_t away_until; /* mono: the store */
    size_t store_rows;  /* a slow store: answers in time when given at most so many; 0 = any number */
    int64_t retention;  /* of results, for the stream worker */
    struct list log, results, dead, triggers, reports;
    struct list requests; /* runs that the API has asked for */
    size_t to_produce;
    bool punctual;               /* events are not older than half of what still counts */
    int64_t seen, longest_delay; /* of the log: how far it was delivered, and how long a message waited for that */
    bool timed;                  /* the highest time was set */
    bool lost;                   /* messages of the log were lost */
    bool skip;                   /* an operator's word: what is lost is passed over */
    struct {
        int64_t offset; /* of a message that kills who reads it; -1 = there is none */
        unsigned deaths;
        bool wanted, done; /* it is to be set aside; is set aside */
    } poison;
    uint64_t sequences[3]; /* of producers */
    uint64_t generation;   /* of the tenant */
    struct rewind_row rewind;
    struct app_version versions[VERSIONS];
    size_t version_count;
    struct store store;
    struct worker streams[2], batches[2];
    uint64_t sessions; /* connections so far */
    unsigned begun;    /* workers so far */
    struct verdict *v;
};

/* A line of the story that --trace prints. */
void note(const struct world *w, const struct worker *k, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

uint64_t chance_next(struct world *w);
uint64_t below(struct world *w, uint64_t n);
bool one_in(struct world *w, uint64_t n);
bool fault(struct world *w, enum fault_kind kind);
void chance_draw_odds(struct world *w);

/* life.c */
void life_begin(struct world *w, struct worker *k);
void life_die(struct world *w, struct worker *k);
void life_exit(struct world *w, struct worker *k, int code, const char *words);
void life_fate(struct world *w, struct worker pair[2]); /* what befalls the workers of a role */
void life_live(struct world *w, struct worker *k);      /* one outside call, and what follows from it */
/* Puts an answer off, or not (NULL): then it is to be given now. */
struct late *life_postpone(struct world *w, struct worker *k, int kind, uint64_t op);

/* broker.c */
void broker_take(struct world *w, struct link *l); /* the next message of a connection */
void broker_lose(struct world *w);                 /* messages of the log that nobody has read */
void broker_confirm(struct world *w, struct worker *k);
void broker_trouble(struct world *w, struct worker *k); /* refuses, returns, blocks */
void broker_close(struct world *w, struct worker *k);   /* all that was on its way is lost or taken, the lock is free */
void broker_end_ghost(struct world *w, struct worker *k);
bool broker_connect(struct world *w, struct worker *k);
void broker_send(struct world *w, struct worker *k); /* what the core wants to publish */
void broker_ack(struct world *w, struct worker *k, uint64_t tag, bool multiple);
bool broker_may_deliver(const struct link *l);
uint64_t broker_delivered(struct link *l); /* the tag of one more delivery of a stream queue */
bool link_is_idle(const struct link *l);

/* producer.c */
void produce(struct world *w);
int64_t produce_margin_ms(const struct shape *s); /* an event that is older may be late */

/* apps.c */
void apps_first(struct world *w);
const struct app_version *apps_next(struct world *w);
void apps_free(struct world *w);
struct app *apps_load(const struct app_version *v);

/* store.c */
bool store_is_unreadable(struct world *w);
enum outcome store_mood(struct world *w);
enum err_code store_code(struct world *w, enum outcome o); /* ERR_NONE if it went well */
bool store_happens(enum outcome o);
bool store_raise_checkpoint(struct store *s, uint64_t generation); /* false: fenced */
bool store_raise_history(struct store *s, uint64_t generation);
enum err_code store_save(struct world *w, const struct worker *k, const struct stream_effect *e);
enum err_code store_check(struct world *w, const struct worker *k, uint64_t epoch);
enum err_code store_keep(struct world *w, const struct worker *k, uint64_t epoch);
enum err_code store_skip(struct world *w, const struct skip_row *row);
enum err_code store_put(struct world *w, const struct batch_effect *e);
enum err_code store_insert(struct world *w, const struct run_row *row, bool *fresh, struct run_row *known);
enum err_code store_update(struct world *w, const struct batch_effect *e);
void store_settle(struct world *w); /* what sabotage has put off happens */
void store_query(const struct store *s, const struct app_version *v, struct run_row *run, struct buf *report);
int64_t store_latest(const struct store *s, const char *stream);
int64_t store_last_scheduled(const struct store *s, const char *job);
struct stored_run *store_run(struct store *s, const char *id);
bool run_is_pending(const struct run_row *row);
void store_free(struct store *s);

/* judge.c, judge_runs.c */
void accuse(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void judge(struct world *w);
void judge_report_taken(struct world *w, const struct entry *e); /* a report reaches its queue */

struct expected_result {
    struct result_row row;
    char *id, *block;
    bool rewound; /* it says that a rewind has come to its end, and holds for windows from row.window_start on */
};
struct expected { /* what an undisturbed engine of one generation says of the log */
    uint64_t generation;
    struct expected_result *results; /* by number */
    size_t result_count, result_cap;
    struct list dead, triggers;
};
struct replay { /* the rows that storing the results queue leaves; up_to: the offset to which the worker of each
                   generation has stored */
    const struct result_row **rows;
    bool *withdrawn;
    size_t count;
};
void expected_make(const struct world *w, uint64_t generation, struct expected *x);
void expected_free(struct expected *x);
void replay_make(const struct world *w, const struct expected x[GENERATIONS], const int64_t up_to[GENERATIONS],
                 struct replay *r);
/* What a rewind withdraws is gone a moment before its offset is stored. */
void replay_withdraw(struct replay *r, const struct world *w, const struct expected x[GENERATIONS]);
void replay_free(struct replay *r);
const struct entry *next_ours(const struct list *queue, size_t *at);
void judge_runs(struct world *w, const struct expected x[GENERATIONS]);
int64_t row_mark(const struct result_row *r); /* stands for it in a report */
bool row_is_above(const struct result_row *a, const struct result_row *b);
bool row_is_same_window(const struct result_row *a, const struct result_row *b);

#endif
