/* What the platform says once, its tokens and broker credentials, as the command keeps it for `send` and for people. */
#ifndef BELLTOWER_CLI_KEPT_H
#define BELLTOWER_CLI_KEPT_H

#include "cli/client.h"

/* Where it is kept of a tenant. */
void kept_path(const struct client *c, const char *tenant, char *out, size_t size);
/* The whole answer; file NULL: at kept_path. */
int kept_write(const struct client *c, const char *file, const char *tenant, const void *answer, size_t len,
               struct err *err) MUSTCHECK;
/* Puts one member of the answer into what is kept, where that begins if there is nothing yet. */
int kept_renew(const struct client *c, const char *tenant, const char *member, const void *answer, size_t len,
               struct err *err) MUSTCHECK;

#endif
