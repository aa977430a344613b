/* The tenants that the API has told of. */
#include "tenants/supervisor/supervisor.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tenant *tenant_find(struct supervisor *s, const char *name)
{
    struct tenant *t = s->tenants;
    while (t && strcmp(t->name, name) != 0)
        t = t->next;
    return t;
}

static struct tenant *add(struct supervisor *s, const struct control *c)
{
    struct tenant *t = mem_zero(1, sizeof *t);
    snprintf(t->name, sizeof t->name, "%s", c->tenant);
    child_init(&t->stream, ROLE_STREAM, t);
    child_init(&t->batch, ROLE_BATCH, t);
    t->next = s->tenants;
    s->tenants = t;
    return t;
}

static void apply(struct supervisor *s, struct tenant *t, struct child *c)
{
    child_tell(s, c, t->wanted == WANT_RUNNING ? CHILD_WANT : CHILD_UNWANT);
}

struct tenant *tenant_want(struct supervisor *s, const struct control *c)
{
    struct tenant *t = tenant_find(s, c->tenant);
    if (!t && c->wanted != WANT_RUNNING && c->wanted != WANT_PAUSED && c->wanted != WANT_REMOVED)
        return NULL;
    if (!t)
        t = add(s, c);
    bool new_version = t->version != c->version, new_generation = t->generation && t->generation != c->generation;
    t->generation = c->generation;
    t->version = c->version;
    t->wanted = c->wanted;
    t->mentioned = true;
    t->gone_told = false;
    if (new_generation) { /* a rewind: those of the former one drain first */
        child_tell(s, &t->stream, CHILD_UNWANT);
        child_tell(s, &t->batch, CHILD_UNWANT);
    }
    apply(s, t, &t->stream);
    apply(s, t, &t->batch);
    if (!new_version)
        return t;
    control_reload(&t->batch, t->version);
    child_tell(s, &t->stream, CHILD_RETRY); /* a parked one may do better with another app */
    child_tell(s, &t->batch, CHILD_RETRY);
    return t;
}

static bool ended(const struct tenant *t)
{
    return t->stream.policy.state == CHILD_STOPPED && t->batch.policy.state == CHILD_STOPPED;
}

static void release(struct child *c)
{
    const struct status_page *page = c->page;
    page_unmap(&page);
    if (c->page_fd >= 0)
        close(c->page_fd);
}

void tenant_sweep(struct supervisor *s)
{
    for (struct tenant **at = &s->tenants; *at;) {
        struct tenant *t = *at;
        if (t->wanted != WANT_REMOVED || !ended(t) || !t->gone_told) {
            at = &t->next;
            continue;
        }
        *at = t->next;
        release(&t->stream);
        release(&t->batch);
        free(t);
    }
}

void supervisor_each_child(struct supervisor *s, child_each *each)
{
    for (struct tenant *t = s->tenants; t; t = t->next) {
        each(s, &t->stream);
        each(s, &t->batch);
    }
    each(s, &s->api);
}
