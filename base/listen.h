/* The address that a server listens on: "IPv4-ADDRESS:PORT", "localhost:PORT", "*:PORT". */
#ifndef BELLTOWER_BASE_LISTEN_H
#define BELLTOWER_BASE_LISTEN_H

#include "base/err.h"

#include <netinet/in.h>

/* ERR_INVALID says how it should look. */
int listen_parse(const char *text, struct sockaddr_in *address, struct err *err) MUSTCHECK;
/* Whether it can be listened on now; leaves nothing open. ERR_INVALID, ERR_CONFLICT (in use), or by errno. */
int listen_check(const char *text, struct err *err) MUSTCHECK;

#endif
