/* bench-relay: what two hops through the broker cost without a worker in between. A bare loop that reads a tenant's log
 * from its end and publishes, for each event that closes a window, as many messages into the results as the worker
 * would; until it is killed.
 *   bench-relay --broker URI --tenant T
 * Prints a line when it reads. */
#include "bench/options.h"
#include "bench/windows.h"

#include "base/json.h"
#include "base/time_format.h"
#include "broker/link.h"

#include <poll.h>
#include <stdio.h>

struct relay {
    struct link *in, *out;
    char key[80];
    uint64_t sent;
    unsigned unacked;
};

static void die(const struct err *err)
{
    fprintf(stderr, "bench-relay: %s\n", err->text);
    exit(1);
}

static void publish_results(struct relay *r, int64_t window)
{
    char body[200], end[32];
    struct err err;
    time_rfc3339(FIRST_MS + (window + 1) * WINDOW_MS, end);
    link_cork(r->out, true);
    for (int key = 0; key < KEYS; key++) {
        int len = snprintf(body, sizeof body, "{\"window_end\":\"%s\",\"k\":%d,\"n\":100,\"highest\":999}", end, key);
        const struct link_publish m = {
            .exchange = "belltower.results", .key = r->key, .body = body, .len = (size_t)len, .mandatory = true};
        if (link_publish(r->out, &m, &r->sent, &err) < 0)
            die(&err);
    }
    link_cork(r->out, false);
}

static void on_delivery(void *context, const struct link_message *m)
{
    struct relay *r = context;
    int64_t window;
    struct err err;
    if (json_get_int(m->body.p, m->body.len, CLOSES, &window))
        publish_results(r, window);
    if (++r->unacked * 2 < PREFETCH)
        return;
    r->unacked = 0;
    if (link_ack(r->in, m->tag, true, &err) < 0)
        die(&err);
}

static struct link *open_link(const char *address, struct relay *r, bool publisher)
{
    struct err err;
    struct link *link;
    const struct link_options o = {.address = address,
                                   .name = "bench-relay",
                                   .publisher = publisher,
                                   .handler = {.context = r, .delivery = on_delivery}};
    if (link_connect(&o, &link, &err) < 0)
        die(&err);
    return link;
}

int main(int argc, char **argv)
{
    const char *tenant = option(argc, argv, "--tenant", "acme"), *broker = option(argc, argv, "--broker", NULL);
    char queue[80];
    bool more;
    struct err err;
    struct relay r = {0};
    snprintf(r.key, sizeof r.key, "%s.all", tenant);
    snprintf(queue, sizeof queue, "belltower.events.%s", tenant);
    r.out = open_link(broker, &r, true);
    r.in = open_link(broker, &r, false);
    if (link_consume(r.in, queue, LINK_NEXT, 0, PREFETCH, &err) < 0)
        die(&err);
    printf("reads\n");
    fflush(stdout);
    for (;;) {
        struct pollfd p[] = {{.fd = link_fd(r.in), .events = POLLIN}, {.fd = link_fd(r.out), .events = POLLIN}};
        if (link_pump(r.in, &more, &err) < 0 || link_pump(r.out, &more, &err) < 0)
            die(&err);
        poll(p, 2, 100);
    }
}
