/* The API's end of the control socket: what it tells the supervisor, what it hears of the workers, their status pages.
 * Receiving is the main thread's; everything else may be called from any thread. */
#ifndef BELLTOWER_API_SUPERVISION_H
#define BELLTOWER_API_SUPERVISION_H

#include "api/api.h"
#include "base/wire/contract.h"
#include "base/wire/metrics.h"

struct supervision;
/* socket: -1 = running alone, without a supervisor. */
struct supervision *supervision_new(struct api *api, int socket);
void supervision_free(struct supervision **s);
bool supervision_there(const struct supervision *s);

/* Takes what has arrived. *gone: the supervisor has left. */
void supervision_receive(struct supervision *s, bool *gone);
/* Asks for all workers anew: the API may have been started again. */
void supervision_list(struct supervision *s);

/* ERR_UNAVAILABLE: there is no supervisor, or it does not read. */
int supervision_want(struct supervision *s, const char *tenant, enum want want, uint64_t generation, uint32_t version,
                     struct err *err) MUSTCHECK;
int supervision_want_end(struct supervision *s, struct err *err) MUSTCHECK;
/* An operator's word: parked workers of a tenant may try again; skip: and pass over what is lost of the log. */
int supervision_retry(struct supervision *s, const char *tenant, bool skip, struct err *err) MUSTCHECK;
/* Runs belltower-provision; text (replaced): the credentials as JSON. ERR_TIMEOUT: it may still be running;
 * ERR_UNAVAILABLE: it failed, with its words. */
int supervision_provision(struct supervision *s, const char *tenant, uint64_t generation, enum provision what,
                          int64_t limit_ms, struct buf *text, struct err *err) MUSTCHECK;
/* Tells that a tenant is removed, and waits until both its workers have ended. */
int supervision_remove(struct supervision *s, const char *tenant, uint64_t generation, uint32_t version,
                       int64_t limit_ms, struct err *err) MUSTCHECK;
void supervision_forget(struct supervision *s, const char *tenant);

/* A worker at one moment. */
struct worker_view {
    bool known;
    char tenant[64];
    enum role role;
    enum want wanted; /* as last told; WANT_RUNNING until then */
    int32_t pid;      /* 0 = not running */
    uint32_t restarts;
    uint64_t generation;
    char state[24], obituary[600];
    int64_t since_ms, next_start_ms; /* wall */
    bool has_page;
    int page_state;
    char words[PAGE_WORDS];
    int64_t slots[METRIC_COUNT];
    int64_t at_end_ms; /* wall: the stream worker was last seen at its log's end; 0 = not yet */
    int64_t memory_bytes;
    double cpu_seconds;
};
/* detail may be NULL; else it is replaced by the page's detail, "{}" if there is none. */
void supervision_view(struct supervision *s, const char *tenant, enum role role, struct worker_view *view,
                      struct buf *detail);
/* How many reports the tenant's batch worker has made. */
int64_t supervision_reports(struct supervision *s, const char *tenant);
/* Waits until it is no longer so many, or for limit_ms, or less. */
void supervision_await_report(struct supervision *s, const char *tenant, int64_t seen, int64_t limit_ms);
/* All that are known, tenants in the order heard of. */
typedef void view_each(void *context, const struct worker_view *view, const struct buf *detail);
void supervision_each(struct supervision *s, view_each *each, void *context);

#endif
