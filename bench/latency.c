/* bench-latency: a steady flow of single events into a tenant's exchange; how long after its closing event was
 * published a window's result is in the consumer's hands, or (--raw) an event itself, as the broker alone takes.
 *   bench-latency --broker URI-of-the-producer --reader URI-of-the-consumer --tenant T --rate N --seconds S [--raw 1]
 * One window (of 1 s of event time) closes each 100 ms; 20 keys. Prints a JSON object: percentiles in ms. */
#include "bench/options.h"
#include "bench/timing.h"
#include "bench/windows.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/time_format.h"
#include "broker/link.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#define IN_FLIGHT 5000
#define LAST_MS   3000 /* what is not here by then is missing */

struct flow {
    struct link *out, *in;
    char exchange[80], key[64], queue[80];
    bool raw;
    unsigned rate;
    uint64_t sent, confirmed, windows, unacked;
    double *closed_at; /* when the event was published that ends window i */
    double *ms;
    size_t count, cap;
};

static void die(const struct err *err)
{
    fprintf(stderr, "bench-latency: %s\n", err->text);
    exit(1);
}

static void note(struct flow *f, uint64_t window)
{
    if (window >= f->windows || f->closed_at[window] == 0 || f->count == f->cap)
        return;
    f->ms[f->count++] = (wall_s() - f->closed_at[window]) * 1000;
}

static void on_confirm(void *context, uint64_t tag, bool multiple, bool ack)
{
    struct flow *f = context;
    (void)multiple;
    if (ack && tag > f->confirmed)
        f->confirmed = tag;
}

/* A result's window_end tells which event ended it; a raw event that closes a window bears its number. */
static void on_delivery(void *context, const struct link_message *m)
{
    struct flow *f = context;
    struct buf text = {0};
    int64_t number, end;
    struct err err;
    if (f->raw && json_get_int(m->body.p, m->body.len, CLOSES, &number))
        note(f, (uint64_t)number);
    else if (!f->raw && json_get_string(m->body.p, m->body.len, "window_end", &text) &&
             time_parse_rfc3339(text.data, text.len, &end))
        note(f, (uint64_t)(end - FIRST_MS) / WINDOW_MS - 1);
    buf_free(&text);
    if (++f->unacked * 2 < PREFETCH)
        return;
    f->unacked = 0;
    if (link_ack(f->in, m->tag, true, &err) < 0)
        die(&err);
}

static void pump(struct flow *f, int wait_ms)
{
    struct err err;
    bool more_in, more_out;
    struct pollfd p[] = {{.fd = link_fd(f->in), .events = POLLIN}, {.fd = link_fd(f->out), .events = POLLIN}};
    poll(p, 2, wait_ms);
    if (link_pump(f->in, &more_in, &err) < 0 || link_pump(f->out, &more_out, &err) < 0)
        die(&err);
}

static void publish(struct flow *f, uint64_t i)
{
    const unsigned per_window = f->rate / PER_SECOND;
    uint64_t window = i / per_window;
    char body[200], time[32];
    struct err err;
    bool closes = window > 0 && i % per_window == 0;
    time_rfc3339(FIRST_MS + (int64_t)window * WINDOW_MS, time);
    int len = snprintf(body, sizeof body, "{\"t\":\"%s\",\"k\":%u,\"v\":%u", time, (unsigned)(i % KEYS),
                       (unsigned)(i % 1000));
    if (closes)
        len += snprintf(body + len, sizeof body - (size_t)len, ",\"" CLOSES "\":%llu", (unsigned long long)window - 1);
    body[len++] = '}';
    const struct link_publish m = {
        .exchange = f->exchange, .key = f->key, .body = body, .len = (size_t)len, .mandatory = true};
    if (closes)
        f->closed_at[window - 1] = wall_s();
    if (link_publish(f->out, &m, &f->sent, &err) < 0)
        die(&err);
}

static void run(struct flow *f, unsigned seconds)
{
    const uint64_t events = (uint64_t)f->rate * seconds;
    double began = wall_s();
    for (uint64_t i = 0; i < events;) {
        uint64_t due = (uint64_t)((wall_s() - began) * f->rate);
        for (; i < due && i < events && f->sent - f->confirmed < IN_FLIGHT; i++)
            publish(f, i);
        pump(f, 1);
    }
    size_t expected = (size_t)(f->windows - 1) * (f->raw ? 1 : KEYS);
    double end = wall_s() + LAST_MS / 1000.0;
    while (f->count < expected && wall_s() < end)
        pump(f, 1);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct link *open_link(const char *address, struct flow *f, bool publisher)
{
    struct err err;
    struct link *link;
    const struct link_options o = {.address = address,
                                   .name = "bench-latency",
                                   .publisher = publisher,
                                   .handler = {.context = f, .delivery = on_delivery, .confirm = on_confirm}};
    if (link_connect(&o, &link, &err) < 0)
        die(&err);
    return link;
}

int main(int argc, char **argv)
{
    struct err err;
    const char *tenant = option(argc, argv, "--tenant", "acme");
    unsigned seconds = (unsigned)option_count(argc, argv, "--seconds", 10);
    struct flow f = {.rate = (unsigned)option_count(argc, argv, "--rate", 10000),
                     .raw = option(argc, argv, "--raw", NULL) != NULL};
    f.rate = f.rate / (PER_SECOND * KEYS) * (PER_SECOND * KEYS);
    f.windows = (uint64_t)seconds * PER_SECOND;
    f.closed_at = mem_zero(f.windows, sizeof *f.closed_at);
    f.cap = (size_t)f.windows * KEYS;
    f.ms = mem_zero(f.cap, sizeof *f.ms);
    snprintf(f.key, sizeof f.key, "%s", tenant);
    snprintf(f.exchange, sizeof f.exchange, "belltower.in.%s", tenant);
    snprintf(f.queue, sizeof f.queue, "belltower.%s.%s", f.raw ? "events" : "results", tenant);
    f.out = open_link(option(argc, argv, "--broker", NULL), &f, true);
    f.in = open_link(option(argc, argv, "--reader", NULL), &f, false);
    if (link_consume(f.in, f.queue, LINK_NEXT, 0, PREFETCH, &err) < 0)
        die(&err);
    run(&f, seconds);
    if (f.count == 0) {
        fprintf(stderr, "bench-latency: nothing came\n");
        return 1;
    }
    qsort(f.ms, f.count, sizeof *f.ms, by_value);
    printf("{\"rate\":%u,\"count\":%zu,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f}\n", f.rate, f.count,
           f.ms[f.count / 2], f.ms[f.count * 99 / 100], f.ms[f.count - 1]);
    link_close(&f.in);
    link_close(&f.out);
    free(f.closed_at);
    free(f.ms);
    return 0;
}
