#include "worker/yield.h"

#include "base/clock.h"
#include "base/log.h"
#include "broker/link.h"
#include "coredms/coredms.h"

#include <inttypes.h>
#include <stdio.h>

#define LOOK_EVERY_MS 1000

static bool lease_alive(struct worker_start *w, char words[PAGE_WORDS])
{
    struct coredms *db;
    struct checkpoint_head head;
    struct err err;
    if (coredms_open(w->settings.coredms, w->tenant, COREDMS_READS, &db, &err) < 0)
        return false;
    int status = checkpoint_head(db, &head, &err);
    coredms_close(&db);
    if (status < 0)
        return false;
    int64_t left = head.lease_ms - clock_wall_ms();
    snprintf(words, PAGE_WORDS,
             "another stream worker of this tenant, epoch %" PRIu64 ", has a lease for another %.1f s", head.epoch,
             (double)left / 1000);
    checkpoint_head_free(&head);
    return left > 0;
}

static bool lock_taken(struct worker_start *w, char words[PAGE_WORDS])
{
    char lock[NAME_SIZE];
    struct link *link;
    struct err err;
    const struct link_options o = {.address = w->settings.broker,
                                   .user = w->credentials.user,
                                   .password = w->credentials.password,
                                   .name = "belltower-batch looks whether it is alone",
                                   .publisher = true};
    if (link_connect(&o, &link, &err) < 0)
        return false;
    bool taken = link_lock(link, name_queue(lock, LOCK_BATCH, w->tenant), &err) < 0;
    link_close(&link);
    snprintf(words, PAGE_WORDS, "another batch worker of this tenant holds its lock in the broker");
    return taken;
}

void worker_yield(struct worker_start *w, enum role role)
{
    char words[PAGE_WORDS];
    bool (*held)(struct worker_start *, char *) = role == ROLE_STREAM ? lease_alive : lock_taken;
    bool said = false;
    while (!w->runtime.drain) {
        page_blocking(w->runtime.page, "looking whether it is alone", clock_mono_ms() + 6 * LINK_CALL_MS);
        bool wait = held(w, words);
        page_blocking(w->runtime.page, NULL, 0);
        if (!wait)
            return;
        page_set_state(w->runtime.page, PAGE_WAITING, words);
        if (!said)
            log_warn("waits: %s", words);
        said = true;
        int64_t until = clock_mono_ms() + LOOK_EVERY_MS;
        while (!w->runtime.drain && clock_mono_ms() < until)
            runtime_wait(&w->runtime, until - clock_mono_ms());
    }
}
