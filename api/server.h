/* The HTTP server: civetweb, used so that none of its own features is reachable (no files, no CGI, no websockets):
 * every request comes to one function, which checks its framing, finds its row in the table of calls, and answers. Only
 * server.c includes civetweb.h. */
#ifndef BELLTOWER_API_SERVER_H
#define BELLTOWER_API_SERVER_H

#include "api/api.h"
#include "base/err.h"

struct server;
/* Whether the address can be listened on, before anything else is begun. Errors as of server_start. */
int server_check(const struct api *api, struct err *err) MUSTCHECK;
/* Listens and serves. ERR_CONFLICT: the port is in use; ERR_DENIED; ERR_INVALID: the address. */
int server_start(struct api *api, struct server **server, struct err *err) MUSTCHECK;
/* Ends connections that move too slowly; to be called a few times a second. */
void server_watch(struct server *s);
/* Waits for the requests under way (api->draining is set), then ends. */
void server_stop(struct server **server);

#endif
