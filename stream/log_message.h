/* A delivery of the log as the engine takes it. */
#ifndef BELLTOWER_STREAM_LOG_MESSAGE_H
#define BELLTOWER_STREAM_LOG_MESSAGE_H

#include "base/wire/names.h"
#include "broker/link.h"
#include "stream/engine/engine.h"

struct log_users { /* as they are called in this vhost */
    const char *tenant, *worker, *api;
};

/* The engine knows the users by the names that they have in the usual vhost; nobody else goes by these. Borrows from m
 * and name. */
struct engine_message log_message(const struct link_message *m, const struct log_users *users, char name[NAME_SIZE]);

#endif
