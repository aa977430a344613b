/* Reading the tail of what had been published: a marker goes into the queue, and all between a point in time and that
 * marker is read. Over a connection of its own, which is closed before the log is read. */
#include "stream/worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/wire/control.h"
#include "broker/reading.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAIL_LIMIT_MS 60000 /* without any progress */
#define TAIL_PREFETCH 1000

struct tail {
    struct reading reading;
    const char *user;
    uint64_t generation;
    char marker[64]; /* its message_id */
    bool found, returned;
    int64_t *list;
    size_t count, cap;
};

static void add(struct tail *t, int64_t number)
{
    if (t->count == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 256;
        t->list = mem_resize(t->list, t->cap, sizeof *t->list);
    }
    t->list[t->count++] = number;
}

static void on_delivery(void *context, const struct link_message *m)
{
    struct tail *t = context;
    int64_t number, generation;
    reading_took(&t->reading, m);
    if (!link_text_is(m->user_id, t->user)) /* a forgery decides nothing */
        return;
    if (link_text_is(m->message_id, t->marker))
        t->found = true;
    else if (link_header_int(m, HEADER_NUMBER, &number) && link_header_int(m, HEADER_GENERATION, &generation) &&
             generation == (int64_t)t->generation)
        add(t, number);
}

static void on_returned(void *context, const struct link_message *m)
{
    (void)m;
    ((struct tail *)context)->returned = true;
}

static int publish_marker(struct worker *w, struct tail *t, const char *exchange, struct err *err)
{
    char key[NAME_SIZE], body[128];
    uint64_t tag;
    snprintf(key, sizeof key, "%s.start", w->start.tenant);
    snprintf(body, sizeof body, "{\"tenant_id\":\"%s\",\"marker\":\"%s\"}", w->start.tenant, t->marker);
    const struct link_publish m = {.exchange = exchange,
                                   .key = key,
                                   .message_id = t->marker,
                                   .type = CONTROL_START,
                                   .user_id = w->start.user,
                                   .content_type = "application/json",
                                   .timestamp = clock_wall_ms() / 1000,
                                   .body = body,
                                   .len = strlen(body),
                                   .mandatory = true};
    return link_publish(t->reading.link, &m, &tag, err);
}

static int read_on(struct worker *w, struct tail *t, struct err *err)
{
    int64_t limit = clock_mono_ms() + TAIL_LIMIT_MS;
    while (!t->found) {
        size_t before = t->count;
        if (reading_turn(&t->reading, RUNTIME_TURN_MS, err) < 0)
            return -1;
        if (t->returned)
            return err_set(err, ERR_UNAVAILABLE,
                           "broker: no queue takes the start marker: are the broker objects there?");
        if (t->count > before)
            limit = clock_mono_ms() + TAIL_LIMIT_MS;
        if (clock_mono_ms() > limit)
            return err_set(err, ERR_TIMEOUT, "broker: the start marker did not come back");
        page_beat(w->start.runtime.page);
    }
    return 0;
}

int worker_read_tail(struct worker *w, const char *exchange, int64_t since_ms, int64_t **list, size_t *count,
                     struct err *err)
{
    char queue[NAME_SIZE], name[NAME_SIZE];
    unsigned char nonce[8];
    struct tail t = {.reading = {.prefetch = TAIL_PREFETCH}, .user = w->start.user, .generation = w->start.generation};
    random_bytes(nonce, sizeof nonce);
    snprintf(t.marker, sizeof t.marker, "start:%" PRId64 ":%02x%02x%02x%02x", clock_wall_ms(), nonce[0], nonce[1],
             nonce[2], nonce[3]);
    snprintf(name, sizeof name, "belltower-stream %s reads its tail", w->start.tenant);
    const struct link_options o = {.address = w->start.settings.broker,
                                   .user = w->start.credentials.user,
                                   .password = w->start.credentials.password,
                                   .name = name,
                                   .publisher = true,
                                   .handler = {.context = &t, .delivery = on_delivery, .returned = on_returned}};
    page_blocking(w->start.runtime.page, "connecting to the broker", clock_mono_ms() + 6 * LINK_CALL_MS);
    int status = link_connect(&o, &t.reading.link, err);
    if (status == 0)
        status = publish_marker(w, &t, exchange, err);
    name_queue(queue, exchange, w->start.tenant);
    int64_t seconds = since_ms > 0 ? since_ms / 1000 : 0;
    if (status == 0)
        status = link_consume(t.reading.link, queue, seconds ? LINK_TIME : LINK_FIRST, seconds, TAIL_PREFETCH, err);
    page_blocking(w->start.runtime.page, NULL, 0);
    if (status == 0)
        status = read_on(w, &t, err);
    link_close(&t.reading.link);
    *list = t.list;
    *count = t.count;
    return status;
}
