/* bench-fill: seeded events into an exchange, or into a file.
 *   bench-fill --broker amqp://user:password@host:port/vhost --exchange E --key K [--events N] [--per-message M]
 *   bench-fill --file PATH --layout ndjson|csv
 *   both: [--stations N] [--datapoints N] [--alarms PERCENT] [--per-second N]
 * Confirmed all; prints a JSON object. */
#include "bench/events.h"
#include "bench/options.h"
#include "bench/timing.h"

#include "broker/link.h"

#include <poll.h>
#include <stdio.h>

#define IN_FLIGHT 5000 /* messages */
#define PORTION   100000

struct filling {
    struct link *link;
    uint64_t sent, confirmed;
};

static void die(const struct err *err)
{
    fprintf(stderr, "bench-fill: %s\n", err->text);
    exit(1);
}

static void on_confirm(void *context, uint64_t tag, bool multiple, bool ack)
{
    struct filling *f = context;
    (void)multiple;
    if (ack && tag > f->confirmed)
        f->confirmed = tag;
}

static void on_returned(void *context, const struct link_message *m)
{
    (void)context;
    fprintf(stderr, "bench-fill: no queue takes %.*s\n", (int)m->key.len, m->key.p);
    exit(1);
}

static void wait_confirms(struct filling *f, uint64_t most)
{
    struct err err;
    bool more = false;
    link_cork(f->link, false);
    while (f->sent - f->confirmed > most) {
        struct pollfd p = {.fd = link_fd(f->link), .events = POLLIN};
        if (!more)
            poll(&p, 1, 1000);
        if (link_pump(f->link, &more, &err) < 0)
            die(&err);
    }
    link_cork(f->link, true);
}

static void publish_all(struct filling *f, const struct link_publish *like, const struct events *e)
{
    struct err err;
    struct link_publish m = *like;
    for (size_t i = 0; i < e->count; i++) {
        m.body = e->text.data + e->begin[i];
        m.len = e->begin[i + 1] - e->begin[i];
        if (link_publish(f->link, &m, &f->sent, &err) < 0)
            die(&err);
        if (i % 64 == 0)
            wait_confirms(f, IN_FLIGHT);
    }
}

static void fill_queue(int argc, char **argv, const struct event_shape *shape, size_t events, size_t per_message)
{
    struct err err;
    struct filling f = {0};
    const struct link_options o = {.address = option(argc, argv, "--broker", NULL),
                                   .name = "bench-fill",
                                   .publisher = true,
                                   .handler = {.context = &f, .confirm = on_confirm, .returned = on_returned}};
    const struct link_publish like = {.exchange = option(argc, argv, "--exchange", "belltower.events"),
                                      .key = option(argc, argv, "--key", "acme"),
                                      .mandatory = true};
    if (link_connect(&o, &f.link, &err) < 0)
        die(&err);
    double busy = 0;
    uint64_t bytes = 0;
    for (size_t from = 0; from < events; from += PORTION) {
        struct events e;
        events_make_from(&e, shape, per_message > 1 ? EVENT_LINES : EVENT_SINGLE, from,
                         events - from < PORTION ? events - from : PORTION, per_message);
        bytes += e.begin[e.count];
        double began = wall_s();
        publish_all(&f, &like, &e);
        if (from + PORTION >= events)
            wait_confirms(&f, 0);
        busy += wall_s() - began;
        events_free(&e);
    }
    link_close(&f.link);
    printf("{\"messages\":%llu,\"events\":%zu,\"bytes\":%llu,\"seconds\":%.3f,\"cpu_s\":%.3f}\n",
           (unsigned long long)f.sent, events, (unsigned long long)bytes, busy, cpu_s());
}

static void fill_file(const char *path, bool csv, const struct event_shape *shape, size_t events)
{
    FILE *out = fopen(path, "w");
    if (!out) {
        perror(path);
        exit(1);
    }
    if (csv)
        fputs("tenant_id,station_id,datapoint_id,alarm_id,event_time,value,valueThreshold,isActive\n", out);
    for (size_t from = 0; from < events; from += PORTION) {
        struct events e;
        events_make_from(&e, shape, csv ? EVENT_CSV : EVENT_SINGLE, from,
                         events - from < PORTION ? events - from : PORTION, 1);
        for (size_t i = 0; i < e.count; i++)
            fprintf(out, "%.*s\n", (int)(e.begin[i + 1] - e.begin[i]), e.text.data + e.begin[i]);
        events_free(&e);
    }
    printf("{\"events\":%zu,\"bytes\":%ld}\n", events, ftell(out));
    if (fclose(out) != 0) {
        perror(path);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    const char *path = option(argc, argv, "--file", NULL);
    size_t events = option_count(argc, argv, "--events", 500000);
    const struct event_shape shape = {.stations = (unsigned)option_count(argc, argv, "--stations", 200),
                                      .datapoints = (unsigned)option_count(argc, argv, "--datapoints", 10),
                                      .alarms = (unsigned)option_count(argc, argv, "--alarms", 10),
                                      .per_second = (unsigned)option_count(argc, argv, "--per-second", 1000)};
    if (path)
        fill_file(path, strcmp(option(argc, argv, "--layout", "ndjson"), "csv") == 0, &shape, events);
    else
        fill_queue(argc, argv, &shape, events, option_count(argc, argv, "--per-message", 1));
    return 0;
}
