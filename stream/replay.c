/* The retained log, message by message, into an engine. */
#include "stream/replay.h"

#include "base/clock.h"
#include "base/hash.h"
#include "broker/reading.h"
#include "stream/begin.h"
#include "stream/log_message.h"

#include <inttypes.h>

#define PREFETCH      1000
#define END_AFTER_MS  3000  /* nothing for so long: the log's end */
#define BEGIN_WITH_MS 30000 /* ... and before the first message: the broker may have to look for it */

struct run {
    struct replay *replay;
    const struct engine_sink *sink;
    replay_enough *enough;
    void *context;
    struct reading reading;
    struct log_users users;
    bool attached; /* the message that had been read last was met */
    bool done, failed;
    int64_t last_ms; /* mono: of the last delivery */
    struct err *err;
};

static void fail(struct run *run, const char *what, int64_t from, int64_t to)
{
    run->failed = run->done = true;
    err_set(run->err, ERR_CONFLICT, "the log cannot be read again: %s (offsets %" PRId64 " to %" PRId64 ")", what, from,
            to);
}

/* The first message is the one that the kept checkpoint had read last. */
static void attach(struct run *run, const struct link_message *m)
{
    struct replay *r = run->replay;
    if (m->offset < r->offset)
        return;
    run->attached = true;
    if (m->offset > r->offset)
        fail(run, "retention has taken its beginning", r->offset, m->offset - 1);
    else if (hash_message(m->body.p, m->body.len) != r->hash)
        fail(run, "it is not the log that was read", m->offset, m->offset);
}

static void read_message(struct run *run, const struct link_message *m)
{
    struct replay *r = run->replay;
    char name[NAME_SIZE];
    struct engine_message message = log_message(m, &run->users, name);
    message.received_ms = clock_wall_ms();
    begin_pass(r->engine, &r->to_offset, m->offset);
    switch (left_out_how(&r->left_out, m->offset)) {
    case LEFT_OUT_NOT:
        engine_message(r->engine, &message, run->sink);
        break;
    case LEFT_OUT_SET_ASIDE:
        engine_set_aside(r->engine, &message, run->sink);
        break;
    case LEFT_OUT_SILENTLY:
        break;
    }
    r->offset = m->offset;
    run->done = run->enough(run->context, r);
}

static void on_delivery(void *context, const struct link_message *m)
{
    struct run *run = context;
    struct replay *r = run->replay;
    reading_took(&run->reading, m);
    run->last_ms = clock_mono_ms();
    if (run->done)
        return;
    if (!run->attached) {
        attach(run, m);
        return;
    }
    if (m->offset <= r->offset)
        return;
    if (m->offset > r->offset + 2 && !left_out_all(&r->left_out, r->offset + 1, m->offset - 1))
        fail(run, "messages are missing", r->offset + 1, m->offset - 1);
    else
        read_message(run, m);
}

static void on_cancelled(void *context)
{
    struct run *run = context;
    run->failed = run->done = true;
    err_set(run->err, ERR_UNAVAILABLE, "broker: it cancelled the consumer: the queue or its leader went away");
}

static int read_on(struct run *run, struct err *err)
{
    bool any = false;
    int64_t began = clock_mono_ms();
    run->last_ms = began;
    while (!run->done) {
        if (reading_turn(&run->reading, 250, err) < 0)
            return -1;
        any = any || run->last_ms > began;
        if (clock_mono_ms() - run->last_ms > (any || run->replay->offset < 0 ? END_AFTER_MS : BEGIN_WITH_MS))
            break;
    }
    if (!run->failed && !run->attached)
        fail(run, "its end is before what was read", run->replay->offset, run->replay->offset);
    return run->failed ? -1 : 0;
}

int replay_run(struct replay *r, const struct engine_sink *sink, replay_enough *enough, void *context, struct err *err)
{
    char queue[NAME_SIZE], name[NAME_SIZE], api[NAME_SIZE];
    name_user_beside(api, USER_API, r->credentials.user, name_user_worker(name, r->tenant));
    struct run run = {.replay = r,
                      .sink = sink,
                      .enough = enough,
                      .context = context,
                      .reading = {.prefetch = PREFETCH},
                      .users = {r->tenant, r->credentials.user, api},
                      .attached = r->offset < 0,
                      .err = err};
    const struct link_options o = {.address = r->settings->broker,
                                   .user = r->credentials.user,
                                   .password = r->credentials.password,
                                   .name = "belltower reads a log again",
                                   .handler = {.context = &run, .delivery = on_delivery, .cancelled = on_cancelled}};
    if (enough(context, r))
        return 0;
    if (link_connect(&o, &run.reading.link, err) < 0)
        return -1;
    int status = link_consume(run.reading.link, name_queue(queue, EXCHANGE_EVENTS, r->tenant),
                              r->offset < 0 ? LINK_FIRST : LINK_OFFSET, r->offset, PREFETCH, err);
    if (status == 0)
        status = read_on(&run, err);
    link_close(&run.reading.link);
    return status;
}
