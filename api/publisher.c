#include "api/publisher.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/outbox.h"
#include "base/wire/names.h"
#include "broker/link.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define PUMP_MS      1000 /* the longest turn: heartbeats depend on it */
#define RETRY_MS     500
#define RETRY_MAX_MS 5000
#define GRACE_MS     5000 /* a connection that was just lost is waited for so long before the broker counts as away */
#define WAIT_STEP_MS 250
#define KEY_SIZE     160

struct publish_batch {
    struct publisher *p;
    bool repeatable;
    size_t pending, pending_bytes;
    uint64_t confirmed;
    bool failed;
    struct err err;
};

struct entry { /* one message of the outbox, in its order */
    uint64_t sequence, count;
    size_t bytes;
    bool sent;
    const char *exchange;
    char key[KEY_SIZE];
    struct publish_batch *batch; /* NULL: nobody waits any more */
    struct entry *next;
};

struct publisher {
    struct api *api;
    pthread_t thread;
    pthread_mutex_t lock; /* of all below; the link itself is the thread's alone */
    pthread_cond_t changed;
    int wake_fd;
    _Atomic bool stop;
    bool connected, blocked;
    bool nacked;        /* the thread's alone, as the link is */
    int64_t away_since; /* mono; when the connection was lost, or the publisher began */
    char words[256];
    struct outbox *outbox;
    struct entry *first, *last;
    struct link *link; /* the thread's alone, as the credentials are */
    struct credentials credentials;
};

/* ---- entries; with the lock held ---- */

/* err NULL: it is confirmed. */
static void resolve(struct entry *e, const struct err *err)
{
    struct publish_batch *b = e->batch;
    e->batch = NULL;
    if (!b)
        return;
    b->pending--;
    b->pending_bytes -= e->bytes;
    if (!err)
        b->confirmed += e->count;
    else if (!b->failed) {
        b->failed = true;
        b->err = *err;
    }
}

static void drop_settled(struct publisher *p)
{
    while (p->first && p->first->sequence <= outbox_settled(p->outbox)) {
        struct entry *e = p->first;
        resolve(e, NULL);
        p->first = e->next;
        if (!p->first)
            p->last = NULL;
        free(e);
    }
    pthread_cond_broadcast(&p->changed);
}

static void wake(struct publisher *p)
{
    uint64_t one = 1;
    if (write(p->wake_fd, &one, sizeof one) < 0) /* full: it is awake */
        return;
}

/* ---- what the broker says ---- */

static void on_confirm(void *context, uint64_t tag, bool multiple, bool ack)
{
    struct publisher *p = context;
    bool nacked = false;
    pthread_mutex_lock(&p->lock);
    outbox_confirm(p->outbox, tag, multiple, ack, &nacked);
    drop_settled(p);
    pthread_mutex_unlock(&p->lock);
    p->nacked |= nacked;
}

static bool text_is(struct link_text t, const char *s)
{
    return t.len == strlen(s) && memcmp(t.p, s, t.len) == 0;
}

/* A return names no tag: it fails what is under way to the same place. */
static void on_returned(void *context, const struct link_message *m)
{
    struct publisher *p = context;
    struct err err;
    err_set(&err, ERR_UNAVAILABLE, "no queue of the broker takes messages for %.*s: are its objects there?",
            (int)m->key.len, m->key.p);
    pthread_mutex_lock(&p->lock);
    for (struct entry *e = p->first; e; e = e->next)
        if (e->sent && text_is(m->exchange, e->exchange) && text_is(m->key, e->key))
            resolve(e, &err);
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

static void on_blocked(void *context, bool blocked, const char *reason)
{
    struct publisher *p = context;
    log_warn("the broker %s: %s", blocked ? "takes no messages" : "takes messages again", reason);
    pthread_mutex_lock(&p->lock);
    p->blocked = blocked;
    snprintf(p->words, sizeof p->words, "%s%.200s", blocked ? "the broker takes no messages: " : "", reason);
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

/* ---- the thread ---- */

static int connect_link(struct publisher *p, struct err *err)
{
    char path[4096];
    path_data(&p->api->settings, "api.credentials", path, sizeof path);
    if (credentials_read(path, &p->credentials, err) < 0)
        return err_prefix(err, "the broker's user %s is not made yet", USER_API);
    const struct link_options o = {
        .address = p->api->settings.broker,
        .user = p->credentials.user,
        .password = p->credentials.password,
        .name = "belltower-api publishes",
        .publisher = true,
        .handler = {.context = p, .confirm = on_confirm, .returned = on_returned, .blocked = on_blocked}};
    return link_connect(&o, &p->link, err);
}

static void set_connected(struct publisher *p, bool connected, const char *words)
{
    pthread_mutex_lock(&p->lock);
    if (p->connected && !connected)
        p->away_since = clock_mono_ms();
    p->connected = connected;
    p->blocked = false;
    snprintf(p->words, sizeof p->words, "%.*s", (int)sizeof p->words - 1, words);
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

/* What may not be sent twice is given up; the rest is to be sent again. */
static void lost(struct publisher *p, const struct err *why)
{
    struct err err;
    err_set(
        &err, ERR_UNKNOWN,
        "the connection to the broker broke before it had confirmed: whether the last lines were taken is unknown; an "
        "upload with an Idempotency-Key can be repeated without counting twice");
    log_warn("%s", why->text);
    link_close(&p->link);
    pthread_mutex_lock(&p->lock);
    for (struct entry *e = p->first; e; e = e->next) {
        bool repeatable = e->batch && e->batch->repeatable;
        if (e->sent && !repeatable) {
            resolve(e, &err);
            outbox_settle(p->outbox, OUT_REPORT, (int64_t)e->sequence);
        }
        e->sent = false;
    }
    drop_settled(p);
    outbox_unsend(p->outbox);
    pthread_mutex_unlock(&p->lock);
    set_connected(p, false, why->text);
}

static struct entry *entry_of(struct publisher *p, int64_t sequence)
{
    struct entry *e = p->first;
    while (e && e->sequence != (uint64_t)sequence)
        e = e->next;
    return e;
}

/* The next message to send; false if there is none or enough is under way. What is sent is not dropped by others, so
 * the bytes that *m points to stay; the outbox may move the struct itself. */
static bool next_message(struct publisher *p, struct outbox_message *out)
{
    const struct outbox_message *m = NULL;
    pthread_mutex_lock(&p->lock);
    if (!p->blocked && outbox_in_flight_bytes(p->outbox) < LINK_IN_FLIGHT_BYTES && (m = outbox_next(p->outbox))) {
        struct entry *e = entry_of(p, m->number);
        if (e)
            e->sent = true;
        *out = *m;
    }
    pthread_mutex_unlock(&p->lock);
    return m != NULL;
}

static int send_all(struct publisher *p, struct err *err)
{
    struct outbox_message m;
    uint64_t tag;
    while (next_message(p, &m)) {
        const struct link_publish out = {.exchange = m.exchange,
                                         .key = m.key,
                                         .message_id = m.message_id,
                                         .type = m.type,
                                         .user_id = p->credentials.user,
                                         .content_type = m.content_type,
                                         .timestamp = clock_wall_ms() / 1000,
                                         .body = m.body,
                                         .len = m.len,
                                         .mandatory = true};
        if (link_publish(p->link, &out, &tag, err) < 0)
            return -1;
    }
    return 0;
}

static void wait_for_work(struct publisher *p, int64_t ms)
{
    struct pollfd fds[2] = {{.fd = p->wake_fd, .events = POLLIN},
                            {.fd = p->link ? link_fd(p->link) : -1, .events = POLLIN}};
    uint64_t count;
    poll(fds, 2, (int)ms);
    if (fds[0].revents && read(p->wake_fd, &count, sizeof count) < 0)
        return;
}

static void turn(struct publisher *p)
{
    struct err err;
    bool more = false;
    p->nacked = false;
    int status = send_all(p, &err) < 0 || link_pump(p->link, &more, &err) < 0 || send_all(p, &err) < 0 ? -1 : 0;
    if (status == 0 && p->nacked)
        status = err_set(&err, ERR_UNAVAILABLE, "the broker refused a message; it is sent again");
    if (status < 0) {
        lost(p, &err);
        return;
    }
    if (!more)
        wait_for_work(p, PUMP_MS);
}

static void *run(void *context)
{
    struct publisher *p = context;
    struct err err;
    int64_t pause = RETRY_MS;
    char said[256] = "";
    while (!p->stop) {
        if (p->link) {
            turn(p);
            continue;
        }
        if (connect_link(p, &err) == 0) {
            log_info("connected to the broker");
            set_connected(p, true, "");
            pause = RETRY_MS;
            said[0] = 0;
            continue;
        }
        set_connected(p, false, err.text);
        if (strncmp(said, err.text, sizeof said - 1) != 0)
            log_warn("%s", err.text);
        snprintf(said, sizeof said, "%.255s", err.text);
        int64_t until = clock_mono_ms() + pause;
        while (!p->stop && clock_mono_ms() < until)
            wait_for_work(p, until - clock_mono_ms());
        pause = pause * 2 < RETRY_MAX_MS ? pause * 2 : RETRY_MAX_MS;
    }
    return NULL;
}

int publisher_start(struct api *api, struct publisher **publisher, struct err *err)
{
    struct publisher *p = mem_zero(1, sizeof *p);
    p->api = api;
    p->outbox = outbox_new();
    p->away_since = clock_mono_ms();
    snprintf(p->words, sizeof p->words, "not connected to the broker yet");
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->wake_fd < 0 || pthread_create(&p->thread, NULL, run, p) != 0) {
        err_set(err, ERR_INTERNAL, "cannot start the publisher's thread");
        outbox_free(&p->outbox);
        free(p);
        return -1;
    }
    *publisher = p;
    return 0;
}

void publisher_stop(struct publisher **publisher)
{
    struct publisher *p = *publisher;
    if (!p)
        return;
    p->stop = true;
    wake(p);
    pthread_join(p->thread, NULL);
    link_close(&p->link);
    while (p->first) {
        struct entry *e = p->first;
        p->first = e->next;
        resolve(e, NULL);
        free(e);
    }
    outbox_free(&p->outbox);
    close(p->wake_fd);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->changed);
    free(p);
    *publisher = NULL;
}

/* ---- the others' side ---- */

struct publish_batch *publish_begin(struct publisher *p, bool repeatable)
{
    struct publish_batch *b = mem_zero(1, sizeof *b);
    b->p = p;
    b->repeatable = repeatable;
    return b;
}

/* With the lock held: whether it makes sense to hand it anything. */
static int can_take(struct publisher *p, struct err *err)
{
    if (p->blocked)
        return err_set(err, ERR_UNAVAILABLE, "%s", p->words);
    if (!p->connected && clock_mono_ms() - p->away_since > GRACE_MS)
        return err_set(err, ERR_UNAVAILABLE, "the broker is away: %s", p->words);
    return 0;
}

/* With the lock held: until pending_bytes is at most `most`. */
static int wait_for_confirms(struct publish_batch *b, size_t most, struct err *err)
{
    struct publisher *p = b->p;
    int64_t until = clock_mono_ms() + PUBLISH_LIMIT_MS;
    while (!b->failed && b->pending_bytes > most) {
        struct timespec at;
        if (atomic_load(&p->api->draining))
            return err_set(err, ERR_UNAVAILABLE, "the server is stopping");
        if (clock_mono_ms() >= until)
            return err_set(err, ERR_UNKNOWN, "the broker has not confirmed within %d s%s%s", PUBLISH_LIMIT_MS / 1000,
                           *p->words ? ": " : "", p->words);
        clock_gettime(CLOCK_REALTIME, &at);
        at.tv_nsec += WAIT_STEP_MS * 1000000;
        at.tv_sec += at.tv_nsec / 1000000000;
        at.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&p->changed, &p->lock, &at);
    }
    if (!b->failed)
        return 0;
    *err = b->err;
    return -1;
}

static void enqueue(struct publish_batch *b, const struct publish_message *m, uint64_t count)
{
    struct publisher *p = b->p;
    struct entry *e = mem_zero(1, sizeof *e);
    const struct outbox_message out = {.kind = OUT_REPORT,
                                       .number = (int64_t)outbox_sequence(p->outbox) + 1,
                                       .exchange = m->exchange,
                                       .key = m->key,
                                       .message_id = m->message_id,
                                       .type = m->type,
                                       .content_type = m->content_type,
                                       .body = m->body,
                                       .len = m->len};
    e->sequence = outbox_add(p->outbox, &out);
    e->count = count;
    e->bytes = m->len + 1; /* an empty one waits too */
    e->exchange = m->exchange;
    snprintf(e->key, sizeof e->key, "%s", m->key);
    e->batch = b;
    b->pending++;
    b->pending_bytes += e->bytes;
    if (p->last)
        p->last->next = e;
    else
        p->first = e;
    p->last = e;
    wake(p);
}

int publish_add(struct publish_batch *b, const struct publish_message *m, uint64_t count, struct err *err)
{
    size_t room = m->len < PUBLISH_WINDOW_BYTES ? PUBLISH_WINDOW_BYTES - m->len : 0;
    pthread_mutex_lock(&b->p->lock);
    int status = can_take(b->p, err);
    if (status == 0)
        status = wait_for_confirms(b, room, err);
    if (status == 0)
        enqueue(b, m, count);
    pthread_mutex_unlock(&b->p->lock);
    return status;
}

int publish_settle(struct publish_batch *b, struct err *err)
{
    pthread_mutex_lock(&b->p->lock);
    int status = wait_for_confirms(b, 0, err);
    pthread_mutex_unlock(&b->p->lock);
    return status;
}

uint64_t publish_confirmed(struct publish_batch *b)
{
    pthread_mutex_lock(&b->p->lock);
    uint64_t confirmed = b->confirmed;
    pthread_mutex_unlock(&b->p->lock);
    return confirmed;
}

/* A message that nobody waits for any more and that was never sent is not sent at all. */
static void withdraw(struct publish_batch *b)
{
    for (struct entry *e = b->p->first; e && b->pending; e = e->next) {
        if (e->batch != b)
            continue;
        if (!e->sent)
            outbox_settle(b->p->outbox, OUT_REPORT, (int64_t)e->sequence);
        e->batch = NULL;
        b->pending--;
    }
}

void publish_end(struct publish_batch **batch)
{
    struct publish_batch *b = *batch;
    struct publisher *p = b->p;
    pthread_mutex_lock(&p->lock);
    withdraw(b);
    drop_settled(p);
    pthread_mutex_unlock(&p->lock);
    free(b);
    *batch = NULL;
}

int publish_one(struct publisher *p, const struct publish_message *m, struct err *err)
{
    struct publish_batch *b = publish_begin(p, true);
    int status = publish_add(b, m, 1, err);
    if (status == 0)
        status = publish_settle(b, err);
    publish_end(&b);
    return status;
}

void publisher_status(struct publisher *p, struct publisher_status *s)
{
    pthread_mutex_lock(&p->lock);
    *s = (struct publisher_status){
        .connected = p->connected, .blocked = p->blocked, .unconfirmed = (int64_t)outbox_count(p->outbox)};
    snprintf(s->words, sizeof s->words, "%s", p->words);
    pthread_mutex_unlock(&p->lock);
}
