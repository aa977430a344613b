/* The broker: it takes what a connection brings, confirms, and delivers from its queues. */
#include "tests/simulation/private.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/wire/control.h"
#include "base/wire/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct list *queue_of(struct world *w, int kind)
{
    switch (kind) {
    case OUT_RESULT:
        return &w->results;
    case OUT_DEAD:
        return &w->dead;
    case OUT_TRIGGER:
        return &w->triggers;
    case OUT_REPORT:
        return &w->reports;
    default:
        return &w->log;
    }
}

/* Sabotage: a tick that counts whatever came before it. */
static void take_blind_tick(struct world *w, struct entry *e)
{
    char body[100];
    int64_t highest, last = (int64_t)w->log.count - 1;
    struct entry blind = *e;
    if (!json_get_int(e->body, e->len, "highest", &highest))
        return;
    while (last >= 0 && w->log.at[last].type && strcmp(w->log.at[last].type, CONTROL_TICK) == 0)
        last--;
    blind.len = (size_t)snprintf(body, sizeof body, "{\"offset\":%" PRId64 ",\"highest\":%" PRId64 "}", last, highest);
    blind.body = body;
    blind.honest = mem_strndup(e->body, e->len);
    list_add(&w->log, &blind);
    mem_free(blind.honest);
}

void broker_take(struct world *w, struct link *l)
{
    if (l->blocked || l->refusing || l->taken >= l->transit.count)
        return;
    struct entry *e = &l->transit.at[l->taken++];
    e->wall_ms = w->wall;
    if (e->kind == OUT_REPORT)
        judge_report_taken(w, e);
    if (w->sabotage == SABOTAGE_BLIND_TICK && e->kind == OUT_TICK && !w->versions[0].shape.per_device)
        take_blind_tick(w, e);
    else
        list_add(queue_of(w, e->kind), e);
}

/* Out of the middle of the log, or, when a rewind can no longer ask for it, its whole beginning. The last message
 * stays: what is behind it decides nothing. */
void broker_lose(struct world *w)
{
    int64_t last = (int64_t)w->log.count - 1, from = w->seen + 1;
    bool overtaken = w->generation == GENERATIONS && w->store.generation == w->generation &&
                     w->store.head.offset == w->seen && one_in(w, 2);
    if (last - from < 2)
        return;
    from += (int64_t)below(w, (uint64_t)(last - from));
    int64_t to = from + (int64_t)below(w, 5);
    for (int64_t i = overtaken ? 0 : from; i <= to && i < last; i++)
        if (w->log.at[i].state == ENTRY_READY)
            w->log.at[i].state = i <= w->seen ? ENTRY_OUT : ENTRY_GONE;
    w->lost = true;
    note(w, &w->streams[0], "(log) %lld to %lld are lost%s", (long long)from, (long long)to,
         overtaken ? ", and all before" : "");
}

void broker_confirm(struct world *w, struct worker *k)
{
    struct link *l = &k->link;
    uint64_t limit = w->sabotage == SABOTAGE_CONFIRM_EARLY ? l->transit.count : l->taken;
    if (l->confirmed >= limit)
        return;
    struct word word = {.kind = WORD_CONFIRM, .ack = true, .multiple = !one_in(w, 3)};
    word.tag = l->confirmed + 1 + below(w, limit - l->confirmed);
    struct entry *e = &l->transit.at[word.tag - 1];
    bool known = e->state == ENTRY_GONE;
    e->state = ENTRY_GONE;
    if (word.multiple)
        l->confirmed = word.tag; /* those confirmed alone, out of order, are covered too */
    while (l->confirmed < limit && l->transit.at[l->confirmed].state == ENTRY_GONE)
        l->confirmed++;
    if (word.multiple || !known)
        k->side->tell(w, k, &word);
}

/* The next message reaches no queue, nor do those behind it: the broker's objects are away. */
static void refuse(struct world *w, struct worker *k, bool returned)
{
    struct link *l = &k->link;
    if (l->taken >= l->transit.count || l->confirmed < l->taken)
        return;
    uint64_t tag = ++l->taken;
    l->confirmed = tag;
    l->refusing = true;
    if (returned) {
        const struct word word = {.kind = WORD_RETURNED, .exchange = "an exchange"};
        k->side->tell(w, k, &word);
    }
    if (alive(k) && l->open) {
        const struct word word = {.kind = WORD_CONFIRM, .tag = tag, .ack = returned};
        k->side->tell(w, k, &word);
    }
}

static void block(struct world *w, struct worker *k, bool blocked)
{
    const struct word word = {.kind = WORD_BLOCKED, .flag = blocked};
    k->link.blocked = blocked;
    k->side->tell(w, k, &word);
}

void broker_trouble(struct world *w, struct worker *k)
{
    if (!k->link.open)
        return;
    if (k->link.blocked ? !w->faults || one_in(w, 20) : fault(w, FAULT_BLOCK))
        block(w, k, !k->link.blocked);
    if (k->link.blocked)
        return;
    if (fault(w, FAULT_NACK))
        refuse(w, k, false);
    else if (fault(w, FAULT_RETURN))
        refuse(w, k, true);
}

/* Triggers that were out with a connection are ready again, at their old place. */
static void give_back(struct world *w, uint64_t session)
{
    for (size_t i = 0; i < w->triggers.count; i++) {
        struct entry *e = &w->triggers.at[i];
        if (e->state == ENTRY_OUT && e->holder == session)
            e->state = ENTRY_READY;
    }
}

static void end_link(struct world *w, struct link *l)
{
    l->blocked = false;
    for (size_t more = below(w, l->transit.count - l->taken + 1); more > 0; more--)
        broker_take(w, l);
    list_clear(&l->transit);
    if (l->session)
        give_back(w, l->session);
    *l = (struct link){.position = -1};
}

void broker_close(struct world *w, struct worker *k)
{
    end_link(w, &k->link);
}

void broker_end_ghost(struct world *w, struct worker *k)
{
    end_link(w, &k->ghost);
}

static bool lock_is_free(struct world *w, const struct worker *k)
{
    const struct worker *pair = k->side == &batch_side ? w->batches : w->streams;
    if (w->sabotage == k->side->unlocked)
        return true;
    for (size_t i = 0; i < 2; i++)
        if (pair[i].ghost.lock || (&pair[i] != k && pair[i].link.lock))
            return false;
    return true;
}

bool broker_connect(struct world *w, struct worker *k)
{
    if (fault(w, FAULT_CONNECT) || !lock_is_free(w, k))
        return false;
    broker_close(w, k);
    k->link = (struct link){.open = true, .lock = true, .session = ++w->sessions, .position = -1};
    return true;
}

static int64_t header_of(const struct outbox_message *m, const char *name, const char **text)
{
    for (size_t i = 0; i < m->header_count; i++) {
        if (strcmp(m->headers[i].name, name) != 0)
            continue;
        if (text)
            *text = m->headers[i].text;
        return m->headers[i].number;
    }
    return -1;
}

void broker_send(struct world *w, struct worker *k)
{
    const struct outbox_message *m;
    while (k->link.open && (m = k->side->send(k))) {
        struct entry e = {.body = m->body, .len = m->len, .id = m->message_id, .type = m->type, .user = WORKER_USER};
        e.kind = (int)m->kind;
        e.number = header_of(m, HEADER_NUMBER, NULL);
        e.generation = header_of(m, HEADER_GENERATION, NULL);
        (void)header_of(m, HEADER_KEY, &e.key);
        list_add(&k->link.transit, &e);
        if (fault(w, FAULT_CUT))
            return;
    }
}

static void acknowledge_triggers(struct world *w, const struct worker *k, uint64_t tag, bool multiple)
{
    for (size_t i = 0; i < w->triggers.count; i++) {
        struct entry *e = &w->triggers.at[i];
        if (e->state == ENTRY_OUT && e->holder == k->link.session && (e->tag == tag || (multiple && e->tag < tag)))
            e->state = ENTRY_GONE;
    }
}

void broker_ack(struct world *w, struct worker *k, uint64_t tag, bool multiple)
{
    struct link *l = &k->link;
    size_t kept = 0;
    if (!l->open)
        return;
    for (size_t i = 0; i < l->unacked_count; i++)
        if (l->unacked[i] != tag && !(multiple && l->unacked[i] < tag))
            l->unacked[kept++] = l->unacked[i];
    l->unacked_count = kept;
    if (k->side == &batch_side)
        acknowledge_triggers(w, k, tag, multiple);
}

bool broker_may_deliver(const struct link *l)
{
    return l->open && l->position >= 0 && l->unacked_count < PREFETCH;
}

uint64_t broker_delivered(struct link *l)
{
    l->position++;
    return l->unacked[l->unacked_count++] = ++l->delivered;
}

bool link_is_idle(const struct link *l)
{
    return l->taken == l->transit.count && l->confirmed == l->taken;
}
