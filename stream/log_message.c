#include "stream/log_message.h"

#include <string.h>

static struct bytes known_user(struct link_text user, const struct log_users *users, char name[NAME_SIZE])
{
    static const char nobody[] = "";
    name_user_worker(name, users->tenant);
    if (link_text_is(user, users->worker))
        return (struct bytes){name, strlen(name)};
    if (link_text_is(user, users->api))
        return (struct bytes){USER_API, strlen(USER_API)};
    if (link_text_is(user, name) || link_text_is(user, USER_API))
        return (struct bytes){nobody, 0};
    return (struct bytes){user.p, user.len};
}

struct engine_message log_message(const struct link_message *m, const struct log_users *users, char name[NAME_SIZE])
{
    return (struct engine_message){.offset = (uint64_t)m->offset,
                                   .body = {m->body.p, m->body.len},
                                   .message_id = {m->message_id.p, m->message_id.len},
                                   .nameless_header = m->nameless_header,
                                   .type = {m->type.p, m->type.len},
                                   .user_id = known_user(m->user_id, users, name)};
}
