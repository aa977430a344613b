#include "broker/pair.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>

#define BEAT_MS           RUNTIME_TURN_MS
#define CONNECT_BLOCKS_MS (6 * LINK_CALL_MS) /* address look-up, TCP, log-in, channel, confirms, lock */

void pair_close(struct pair *p, struct runtime *r)
{
    struct link **links[] = {&p->consumer, &p->publisher};
    for (int i = 0; i < 2; i++) {
        if (*links[i])
            runtime_forget(r, link_fd(*links[i]));
        link_close(links[i]);
    }
    p->held = false;
}

static int open_one(struct runtime *r, const struct link_options *o, struct link **link, struct err *err)
{
    if (link_connect(o, link, err) < 0)
        return -1;
    return runtime_watch(r, link_fd(*link), err);
}

int pair_open(struct pair *p, struct runtime *r, const struct settings *s, const struct credentials *c,
              const char *name, const char *lock, const struct link_handler *handler, struct err *err)
{
    char label[128];
    struct link_options o = {
        .address = s->broker, .user = c->user, .password = c->password, .name = label, .handler = *handler};
    page_blocking(r->page, "connecting to the broker", clock_mono_ms() + 2 * CONNECT_BLOCKS_MS);
    snprintf(label, sizeof label, "%s publishes", name);
    o.publisher = true;
    int status = open_one(r, &o, &p->publisher, err);
    if (status == 0)
        status = link_lock(p->publisher, lock, err);
    snprintf(label, sizeof label, "%s consumes", name);
    o.publisher = false;
    if (status == 0)
        status = open_one(r, &o, &p->consumer, err);
    page_blocking(r->page, NULL, 0);
    if (status < 0)
        pair_close(p, r);
    return status;
}

int pair_pump(struct pair *p, const struct runtime *r, bool *more, struct err *err)
{
    struct link *const links[] = {p->publisher, p->consumer};
    int64_t now = clock_mono_ms();
    bool beat = now >= p->beat_at;
    if (beat)
        p->beat_at = now + BEAT_MS;
    *more = false;
    for (int i = 0; i < 2; i++) {
        bool more_here;
        if (!links[i] || !(beat || link_worth_pumping(links[i], runtime_readable(r, link_fd(links[i])))))
            continue;
        if (link_pump(links[i], &more_here, err) < 0)
            return -1;
        *more |= more_here;
    }
    return 0;
}

bool pair_buffers(const struct pair *p, bool consumes)
{
    return (p->publisher && link_buffers(p->publisher)) || (consumes && p->consumer && link_buffers(p->consumer));
}

int pair_hold(struct pair *p, struct runtime *r, bool held, struct err *err)
{
    if (!p->consumer)
        return 0;
    link_hold(p->consumer, held);
    if (p->held == held)
        return 0;
    p->held = held;
    if (!held)
        return runtime_watch(r, link_fd(p->consumer), err);
    runtime_forget(r, link_fd(p->consumer));
    return 0;
}

int pair_send(struct pair *p, const struct outbox_message *m, const char *user, int64_t wall_ms, struct err *err)
{
    struct link_header headers[OUTBOX_HEADERS];
    for (size_t i = 0; i < m->header_count; i++) {
        const struct outbox_header *h = &m->headers[i];
        headers[i] = (struct link_header){
            .name = h->name, .text = h->text, .text_len = h->text ? strlen(h->text) : 0, .number = h->number};
    }
    const struct link_publish out = {.exchange = m->exchange,
                                     .key = m->key,
                                     .message_id = m->message_id,
                                     .type = m->type,
                                     .user_id = user,
                                     .content_type = m->content_type,
                                     .headers = headers,
                                     .header_count = m->header_count,
                                     .timestamp = wall_ms / 1000,
                                     .body = m->body,
                                     .len = m->len,
                                     .mandatory = true};
    uint64_t tag;
    return link_publish(p->publisher, &out, &tag, err);
}
