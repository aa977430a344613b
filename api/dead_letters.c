#include "api/dead_letters.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/wire/control.h"
#include "base/wire/names.h"
#include "broker/link.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_MS   10000
#define SILENCE_MS 300 /* after the last message of a chunk: the end is reached */
#define EMPTY_MS   600 /* nothing at all: the queue is empty */
#define PREFETCH   500
#define STEP_SLACK 50 /* markers and rolled segments use up offsets too */

struct reading {
    struct api *api;
    struct link *link;
    const char *reason;
    char worker[NAME_SIZE];
    size_t most;
    struct dead_letters *out;
    int64_t last;  /* the highest offset seen; -1 = none */
    int64_t until; /* read up to this offset; INT64_MAX = until silence */
    uint64_t tag;
    unsigned unacked;
};

static void free_letter(struct dead_letter *l)
{
    buf_free(&l->detail);
    buf_free(&l->message_id);
    buf_free(&l->body);
}

void dead_letters_free(struct dead_letters *d)
{
    for (size_t i = 0; i < d->count; i++)
        free_letter(&d->list[i]);
    free(d->list);
    *d = (struct dead_letters){0};
}

/* ---- a message ---- */

static bool text_is(struct link_text t, const char *s)
{
    return t.p && t.len == strlen(s) && memcmp(t.p, s, t.len) == 0;
}

static int64_t header_number(const struct link_message *m, const char *name)
{
    int64_t n;
    return link_header_int(m, name, &n) ? n : -1;
}

/* Only the newest `most` are kept. */
static struct dead_letter *make_room(struct reading *r)
{
    struct dead_letters *d = r->out;
    if (d->count == r->most) {
        free_letter(&d->list[0]);
        memmove(d->list, d->list + 1, (d->count - 1) * sizeof *d->list);
        d->count--;
    }
    d->list[d->count] = (struct dead_letter){0};
    return &d->list[d->count++];
}

static void keep(struct reading *r, const struct link_message *m)
{
    struct link_text reason = {"", 0}, detail = {"", 0};
    link_header_text(m, HEADER_REASON, &reason);
    link_header_text(m, HEADER_DETAIL, &detail);
    if (r->reason && !text_is(reason, r->reason))
        return;
    struct dead_letter *l = make_room(r);
    l->queue_offset = m->offset;
    l->offset = header_number(m, HEADER_OFFSET);
    l->index = header_number(m, HEADER_INDEX);
    l->number = header_number(m, HEADER_NUMBER);
    l->time_s = m->timestamp;
    snprintf(l->reason, sizeof l->reason, "%.*s", (int)(reason.len < 39 ? reason.len : 39), reason.p);
    buf_add(&l->detail, detail.p, detail.len);
    buf_add(&l->message_id, m->message_id.p ? m->message_id.p : "", m->message_id.len);
    buf_add(&l->body, m->body.p, m->body.len < DEAD_BODY_SHOWN ? m->body.len : DEAD_BODY_SHOWN);
    l->body_len = m->body.len;
}

static void on_delivery(void *context, const struct link_message *m)
{
    struct reading *r = context;
    r->tag = m->tag;
    r->unacked++;
    if (m->offset <= r->last) /* an attachment may begin a chunk too early */
        return;
    r->last = m->offset;
    bool marker = text_is(m->type, CONTROL_START);
    if (m->offset <= r->until && !marker && text_is(m->user_id, r->worker))
        keep(r, m);
}

/* ---- a connection ---- */

static int open_link(struct reading *r, const char *tenant, struct err *err)
{
    struct credentials c;
    char path[4096], worker[NAME_SIZE];
    path_data(&r->api->settings, "api.credentials", path, sizeof path);
    if (credentials_read(path, &c, err) < 0)
        return -1;
    name_user_beside(r->worker, name_user_worker(worker, tenant), c.user, USER_API);
    const struct link_options o = {.address = r->api->settings.broker,
                                   .user = c.user,
                                   .password = c.password,
                                   .name = "belltower-api reads dead letters",
                                   .handler = {.context = r, .delivery = on_delivery}};
    return link_connect(&o, &r->link, err);
}

static int acknowledge(struct reading *r, struct err *err)
{
    if (r->unacked < PREFETCH / 2)
        return 0;
    r->unacked = 0;
    return link_ack(r->link, r->tag, true, err);
}

/* Until `until` is reached, or nothing comes any more. */
static int read_on(struct reading *r, int64_t limit, struct err *err)
{
    int64_t heard = clock_mono_ms();
    while (r->last < r->until) {
        int64_t before = r->last, now;
        bool more;
        struct pollfd p = {.fd = link_fd(r->link), .events = POLLIN};
        if (link_pump(r->link, &more, err) < 0 || acknowledge(r, err) < 0)
            return -1;
        now = clock_mono_ms();
        if (r->last != before)
            heard = now;
        if (r->until == INT64_MAX && now - heard > (r->last < 0 ? EMPTY_MS : SILENCE_MS))
            return 0;
        if (now > limit || atomic_load(&r->api->draining))
            return err_set(err, ERR_UNAVAILABLE, "the broker did not give the dead letters within %d s",
                           LIMIT_MS / 1000);
        if (!more)
            poll(&p, 1, 50);
    }
    return 0;
}

static int pass(struct reading *r, const char *tenant, enum link_from from, int64_t value, int64_t limit,
                struct err *err)
{
    char queue[NAME_SIZE];
    int status = open_link(r, tenant, err);
    r->last = -1;
    r->unacked = 0;
    dead_letters_free(r->out);
    r->out->list = mem_zero(r->most + 1, sizeof *r->out->list);
    if (status == 0)
        status = link_consume(r->link, name_queue(queue, EXCHANGE_DEAD, tenant), from, value, PREFETCH, err);
    if (status == 0)
        status = read_on(r, limit, err);
    link_close(&r->link);
    return status;
}

int dead_letters_read(struct api *api, const char *tenant, const char *reason, size_t most, struct dead_letters *out,
                      struct err *err)
{
    struct reading r = {.api = api, .reason = reason, .most = most, .out = out, .until = INT64_MAX};
    int64_t limit = clock_mono_ms() + LIMIT_MS;
    *out = (struct dead_letters){0};
    int status = pass(&r, tenant, LINK_LAST_CHUNK, 0, limit, err);
    int64_t end = r.last, from = end + 1;
    for (int64_t back = (int64_t)most + STEP_SLACK; status == 0 && out->count < most && from > 0; back *= 8) {
        from = end - back > 0 ? end - back : 0;
        r.until = end;
        status = pass(&r, tenant, from ? LINK_OFFSET : LINK_FIRST, from, limit, err);
    }
    if (status < 0)
        dead_letters_free(out);
    return status;
}
