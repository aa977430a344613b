/* The whole contract between the supervisor and its children (workers, API): file descriptors, environment, messages,
 * status page, exit codes, time limits. Version it: a change of layout or meaning raises CONTRACT_VERSION, and both
 * sides refuse another. PURE.
 *
 * A child is executed with: fd 0 /dev/null, fds 1 and 2 a pipe to the supervisor's log, fd 3 its control socket
 * (SOCK_SEQPACKET), fd 4 its status page (sealed memfd, MAP_SHARED). All else is closed. Alone from a shell, fds 3 and
 * 4 are not open: it then runs without a supervisor.
 *
 * A worker's arguments: --tenant NAME --generation N, and, as the supervisor judged its last ends: --alone OFFSET
 * (reading that message killed it twice: read it when nothing else is at stake), --set-aside OFFSET (it killed again:
 * leave it out from now on), --yield (it left as superseded: wait until the other's lease has run out), --skip (an
 * operator's word: pass over what is lost of the log).
 *
 * Signals to a child: SIGTERM = drain (final checkpoint, then EXIT_DONE) within DRAIN_MS; SIGHUP = reopen logs. EOF on
 * fd 3 = the supervisor is gone: drain.
 */
#ifndef BELLTOWER_WIRE_CONTRACT_H
#define BELLTOWER_WIRE_CONTRACT_H

#include "base/buf.h"
#include "base/err.h"

#include <stdatomic.h>
#include <stdbool.h>

#define CONTRACT_VERSION    1
#define CONTRACT_CONTROL_FD 3
#define CONTRACT_PAGE_FD    4

/* ---- time limits, in ms, each with its reason ---- */
#define READY_MS                                                                                                       \
    30000 /* from exec to PAGE_READY: a broker's TCP and TLS handshake plus a checkpoint of 100 MB; a child that waits \
             for a broker or store says so (PAGE_WAITING) and is not held to it */
#define HEARTBEAT_MS 1000 /* a child raises page->heartbeat at least this often */
#define HEARTBEAT_LOST_MS                                                                                              \
    15000 /* not raised for so long: SIGKILL, unless page->blocked_until_ms says a call may block longer */
#define DRAIN_MS   20000 /* SIGTERM to exit, then SIGKILL; below Kubernetes' 30 s */
#define HEALTHY_MS 60000 /* up for so long: its backoff begins anew */
#define AT_ONCE_MS                                                                                                     \
    100 /* the longest pause after the first death of one that was well; not all tenants' at the same moment */
#define BACKOFF_FIRST_MS 500 /* doubles per failure up to BACKOFF_MAX_MS, with full jitter */
#define BACKOFF_MAX_MS   60000
#define CRASH_LOOP_COUNT 5 /* more own faults than this within CRASH_LOOP_MS: the tenant is parked as failing */
#define CRASH_LOOP_MS    600000

/* ---- exit codes of children: what the supervisor makes of them ---- */
enum child_exit {
    EXIT_DONE = 0,  /* drained on request */
    EXIT_FAULT = 1, /* a fault of its own, counts towards failing */
    EXIT_USAGE = 2,
    EXIT_CONFIG = 65,      /* its app or settings are wrong: waits for a change, not restarted until then */
    EXIT_UNAVAILABLE = 69, /* a broker or store is away and waiting inside made no sense: restarted, never counts */
    EXIT_OOM = 71,         /* = MEM_EXIT_OOM */
    EXIT_DENIED = 77,      /* credentials refused: slow retry */
    EXIT_STOPPED = 80,   /* a guarantee would break (log foreign, overtaken, gap ...): parked with page->words until an
                            operator's word */
    EXIT_SUPERSEDED = 81 /* fenced by a newer epoch: restarted only if still wanted, after a while */
};
const char *child_exit_name(int code);

/* ---- the status page: one writer (the child), readers copy and check ---- */
enum page_state {
    PAGE_STARTING,
    PAGE_WAITING, /* for a broker or store, see words */
    PAGE_READY,   /* works */
    PAGE_PAUSED, /* works, but holds back on purpose (blocked broker, full disk, unstored results too old), see words */
    PAGE_DRAINING,
    PAGE_STATE_COUNT
};
const char *page_state_name(int state);

#define PAGE_MAGIC  0x424c5450u /* "BLTP" */
#define PAGE_WORDS  256
#define PAGE_SLOTS  128
#define PAGE_DETAIL (48 * 1024)

/* slots: counters and gauges by number: base/wire/metrics.h holds the table (name, type, help, role, slot), and nothing
 * else names a slot. detail: a JSON object with what has labels of its own (per stream, trigger, job) and what `status`
 * tells (docs/formats.md). */
struct status_page {
    uint32_t magic, version;
    _Atomic uint64_t heartbeat; /* raised by each turn of the child's loop */
    _Atomic uint64_t
        generation; /* set by the supervisor before exec; a child that finds another than in its arguments exits */
    _Atomic int64_t blocked_until_ms; /* monotonic: a call that may block ends by then; 0 = none */
    _Atomic int64_t in_message;       /* offset of the log message being worked on; -1 = at rest */
    _Atomic int32_t state;            /* enum page_state */
    _Atomic uint32_t words_seq;       /* seqlock over words: odd while written */
    char words[PAGE_WORDS];           /* why it waits, is paused, or died; valid UTF-8, NUL-terminated */
    _Atomic int64_t slots[PAGE_SLOTS];
    _Atomic uint32_t detail_seq; /* seqlock over detail */
    uint32_t detail_len;
    char detail[PAGE_DETAIL];
};

/* Child side. Maps fd 4 if it is a page of this version, else a private page (running alone); never NULL. */
struct status_page *page_attach(void);
void page_set_state(struct status_page *page, enum page_state state, const char *words);
void page_beat(struct status_page *page);
void page_blocking(struct status_page *page, const char *what,
                   int64_t until_mono_ms); /* before a call that may block; what = NULL: it is over */
static inline void page_set(struct status_page *page, unsigned slot, int64_t value)
{
    atomic_store_explicit(&page->slots[slot], value, memory_order_relaxed);
}
static inline void page_add(struct status_page *page, unsigned slot, int64_t more)
{
    page_set(page, slot, atomic_load_explicit(&page->slots[slot], memory_order_relaxed) + more);
}
/* As page_set; wakes those who wait for the slot to change. */
void page_set_waking(struct status_page *page, unsigned slot, int64_t value);

/* Replaces the detail; a text that does not fit is left out (the old one stays) and logged by the caller: returns
 * false. */
bool page_set_detail(struct status_page *page, const struct buf *json);

/* Parent side: a sealed page of fixed size; returns its fd and maps it. */
int page_create(uint64_t generation, struct status_page **page, struct err *err) MUSTCHECK;
/* Maps a page's fd read-only after checking size, seals, magic and version. */
int page_map(int fd, const struct status_page **page, struct err *err) MUSTCHECK;
void page_unmap(const struct status_page **page);
/* Waits until the slot is no longer `seen`, or for limit_ms, or less. The page may be unmapped meanwhile. */
void page_await(const struct status_page *page, unsigned slot, int64_t seen, int64_t limit_ms);
/* A consistent copy of the words, always NUL-terminated valid text whatever the writer does. */
void page_words(const struct status_page *page, char out[PAGE_WORDS]);

/* A consistent copy of the detail appended to out; false (nothing appended) while a writer is in the middle, or there
 * is none. */
bool page_detail(const struct status_page *page, struct buf *out);

/* ---- control messages (one datagram each): u8 kind, then fields by base/wire/cursor.h ---- */
#define CONTROL_MAX_BYTES 4096

enum control_kind {
    /* supervisor -> worker */
    CTL_RELOAD = 1, /* the tenant's app has a new version (u32) */
    /* API -> supervisor */
    CTL_WANT = 16, /* tenant, u8 wanted state (enum want), u64 generation, u32 app version: who should run */
    CTL_WANT_END,  /* the API has told all tenants it knows: others are stopped */
    CTL_PROVISION, /* u64 request, tenant, u64 generation, u8 what (enum provision): run belltower-provision */
    CTL_LIST,      /* u64 request: asks for CTL_WORKER of all, closed by CTL_LIST_END */
    CTL_RESTART,   /* tenant, u8 role, u8 what (enum restart): an operator's word that a parked worker may try again */
    /* supervisor -> API */
    CTL_PROVISIONED = 32, /* u64 request, u8 ok, text: credentials as JSON, or what went wrong */
    CTL_WORKER,           /* see struct control_worker; its page's fd is attached when it is new to the API */
    CTL_LIST_END,         /* u64 request */
    CTL_GONE              /* tenant, u64 generation: both its workers have ended and will not start again */
};
enum want { WANT_RUNNING, WANT_PAUSED, WANT_REMOVED };
enum provision { PROVISION_CREATE, PROVISION_REMOVE, PROVISION_REMOVE_KEEP_DATA, PROVISION_PLATFORM };
enum restart { RESTART_AGAIN, RESTART_SKIP }; /* SKIP: and pass over what is lost of the log */
enum role { ROLE_STREAM, ROLE_BATCH, ROLE_API, ROLE_PROVISION, ROLE_COUNT };
const char *role_name(int role); /* "stream" */

struct control {
    enum control_kind kind;
    char tenant[64];
    uint64_t request, generation;
    uint32_t version;
    uint8_t wanted, what, role, ok;
    /* CTL_WORKER */
    int32_t pid;           /* 0 = not running */
    uint64_t page;         /* number of its page; the fd comes with the first message that names it */
    uint32_t restarts;     /* since the supervisor began */
    uint8_t state;         /* enum child_state of tenants/supervisor/policy.h, as a number; name in text */
    int64_t since_ms;      /* wall: in this state since */
    int64_t next_start_ms; /* wall; 0 = none planned */
    char text[2048];       /* CTL_WORKER: state name, '\n', last obituary; CTL_PROVISIONED: JSON or reason */
};
void control_encode(const struct control *c, struct buf *out);
/* ERR_INVALID for anything that is not exactly one message of this version. */
int control_decode(const void *p, size_t len, struct control *c, struct err *err) MUSTCHECK;
/* Sends/receives one datagram, with one fd if fd >= 0 (*fd = -1 when none came). Non-blocking: ERR_UNAVAILABLE when it
 * would block, ERR_NOT_FOUND on EOF. */
int control_send(int socket, const struct control *c, int fd, struct err *err) MUSTCHECK;
int control_receive(int socket, struct control *c, int *fd, struct err *err) MUSTCHECK;

#endif
