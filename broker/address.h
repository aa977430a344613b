/* Broker addresses: "amqp://[user[:password]@]host[:port][/vhost]", amqps:// for TLS. PURE. */
#ifndef BELLTOWER_BROKER_ADDRESS_H
#define BELLTOWER_BROKER_ADDRESS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct broker_address {
    bool tls;
    int port;
    char host[256], vhost[256], user[128], password[256]; /* user "" = none given; vhost percent-decoded */
};

/* One address of len bytes. ERR_INVALID says what is wrong. */
int broker_address_parse(const char *text, size_t len, struct broker_address *a, struct err *err) MUSTCHECK;
/* The next of a comma-separated list: false at the end. *rest moves on. */
bool broker_address_next(const char **rest, const char **text, size_t *len);

#endif
