/* Messages, and lists of them. */
#include "tests/simulation/private.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static size_t room_for(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static const char *keep(char **to, const char *text)
{
    size_t room = room_for(text);
    if (!room)
        return NULL;
    char *kept = memcpy(*to, text, room);
    *to += room;
    return kept;
}

struct entry *list_add(struct list *l, const struct entry *from)
{
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->at = mem_resize(l->at, l->cap, sizeof *l->at);
    }
    struct entry *e = &l->at[l->count++];
    *e = *from;
    char *p = e->block = mem_alloc(from->len + 1 + room_for(from->id) + room_for(from->type) + room_for(from->user) +
                                   room_for(from->key));
    if (from->len)
        memcpy(p, from->body, from->len);
    p[from->len] = 0;
    e->body = p;
    p += from->len + 1;
    e->id = keep(&p, from->id);
    e->type = keep(&p, from->type);
    e->user = keep(&p, from->user);
    e->key = keep(&p, from->key);
    e->honest = mem_strdup(from->honest);
    return e;
}

void list_clear(struct list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->at[i].block);
        free(l->at[i].honest);
    }
    free(l->at);
    *l = (struct list){0};
}

const struct entry *list_find(const struct list *l, const char *id)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->at[i].id && strcmp(l->at[i].id, id) == 0)
            return &l->at[i];
    return NULL;
}

bool entry_is_from(const struct entry *e, const char *user)
{
    return e->user && strcmp(e->user, user) == 0;
}
