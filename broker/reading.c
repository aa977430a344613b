#include "broker/reading.h"

#include <poll.h>

int reading_turn(struct reading *r, int wait_ms, struct err *err)
{
    bool more;
    uint64_t before = r->tag;
    struct pollfd p = {.fd = link_fd(r->link), .events = POLLIN};
    if (link_pump(r->link, &more, err) < 0)
        return -1;
    if (r->unacked >= r->prefetch / 2) {
        if (link_ack(r->link, r->tag, true, err) < 0)
            return -1;
        r->unacked = 0;
    } else if (!more && r->tag == before) {
        poll(&p, 1, wait_ms);
    }
    return 0;
}
