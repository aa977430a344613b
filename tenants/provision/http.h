/* RabbitMQ's management API over libcurl. */
#ifndef BELLTOWER_PROVISION_HTTP_H
#define BELLTOWER_PROVISION_HTTP_H

#include "tenants/provision/plan.h"

struct http {
    void *curl;
    char base[512]; /* http://host:port, without user and password */
    char user[128], password[256];
};

/* management: http://[user:password@]host:port (default guest). vhost: taken from the broker's address. */
int http_open(struct http *h, const char *management, const char *broker, char *vhost, size_t vhost_size,
              struct err *err) MUSTCHECK;
void http_close(struct http *h);
/* One call; 2xx is well, and 404 for DELETE. Errors: ERR_UNAVAILABLE (not there), ERR_DENIED (401, 403), ERR_INTERNAL
 * with the broker's reason. */
int http_call(struct http *h, const struct plan_call *call, struct err *err) MUSTCHECK;

#endif
