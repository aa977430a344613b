/* What comes from outside: the devices' events, control messages and requests of the API, and forgeries. */
#include "tests/simulation/private.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/wire/control.h"
#include "base/wire/names.h"
#include "coredms/kept.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t produce_margin_ms(const struct shape *s)
{
    return ((int64_t)s->lateness + s->order) * 1000;
}

/* In seconds. Punctual: not older than half of what still counts, and not from the future. */
static int64_t event_time(struct world *w)
{
    int64_t margin = produce_margin_ms(&w->versions[0].shape);
    int64_t back = one_in(w, 3) ? (int64_t)below(w, w->punctual ? (uint64_t)margin / 2 : 30000) : 0;
    if (!w->punctual && one_in(w, 30))
        back = -(int64_t)below(w, 90000);
    return (w->wall - back) / 1000;
}

static void write_event(struct world *w, struct buf *b)
{
    int64_t t = event_time(w);
    int k = (int)below(w, 3), v = (int)below(w, 9) - 2;
    buf_printf(b, "{\"t\":%" PRId64 ",\"k\":%d,\"v\":%d}", t, k, v);
}

static void write_array(struct world *w, struct buf *b, bool lines)
{
    size_t count = 2 + below(w, 7);
    if (!lines)
        buf_add_char(b, '[');
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_add_char(b, lines ? '\n' : ',');
        write_event(w, b);
    }
    if (!lines)
        buf_add_char(b, ']');
}

static void write_body(struct world *w, struct buf *b)
{
    switch (below(w, 20)) {
    case 0:
        buf_add_str(b, "{\"broken\":");
        break;
    case 1:
    case 2:
        write_array(w, b, false);
        break;
    case 3:
        write_array(w, b, true);
        break;
    default:
        write_event(w, b);
    }
}

static void produce_events(struct world *w)
{
    struct buf body = {0};
    char id[64];
    size_t producer = below(w, 4);
    write_body(w, &body);
    struct entry e = {.body = buf_cstr(&body), .len = body.len, .wall_ms = w->wall};
    if (producer < 3) {
        snprintf(id, sizeof id, "p%zu:%" PRIu64, producer, ++w->sequences[producer]);
        e.id = id;
    }
    if (w->poison.offset < 0 && one_in(w, 150))
        w->poison.offset = (int64_t)w->log.count;
    list_add(&w->log, &e);
    buf_free(&body);
}

/* A producer that saw no confirm sends a message again. */
static void produce_again(struct world *w)
{
    if (!w->log.count)
        return;
    struct entry e = w->log.at[below(w, w->log.count)];
    e.wall_ms = w->wall;
    e.state = ENTRY_READY;
    if (e.id)
        list_add(&w->log, &e);
}

static void control(struct world *w, const char *type, const char *user, const char *body, size_t len)
{
    char id[CONTROL_ID_SIZE];
    control_id(type, strlen(type), body, len, id);
    const struct entry e = {.body = body, .len = len, .id = id, .type = type, .user = user, .wall_ms = w->wall};
    list_add(&w->log, &e);
}

static void produce_time(struct world *w)
{
    char body[64];
    int len = snprintf(body, sizeof body, "{\"highest\":%" PRId64 "}", w->wall - (int64_t)below(w, 60000));
    w->timed = true;
    control(w, CONTROL_TIME, USER_API, body, (size_t)len);
}

static struct checkpoint_head head_of(const struct kept *k)
{
    return (struct checkpoint_head){.number = k->number,
                                    .generation = k->generation,
                                    .offset = k->head.offset,
                                    .saved_ms = k->head.saved_ms,
                                    .info = mem_strndup(k->info.data, k->info.len)};
}

static uint64_t choose_base(const struct world *w, const struct log_point *p)
{
    const struct kept_log log = {
        .generation = 1, .began_ms = START_WALL, .retention_ms = INT64_MAX / 2, .now_ms = w->wall};
    size_t count = w->store.kept_count;
    struct checkpoint_head *heads = mem_zero(count + 1, sizeof *heads);
    const struct checkpoint_head *base = NULL;
    struct err err;
    for (size_t i = 0; i < count; i++)
        heads[i] = head_of(&w->store.kept[i]);
    uint64_t number = kept_base(heads, count, &log, p, &base, &err) == 0 && base ? base->number : 0;
    for (size_t i = 0; i < count; i++)
        free(heads[i].info);
    free(heads);
    return number;
}

/* As the API does it: into the registry, then into the log; the supervisor begins the workers anew. */
static void produce_rewind(struct world *w)
{
    char body[64];
    struct log_point p = {.to_ms = INT64_MIN, .to_offset = -1};
    if (w->generation == GENERATIONS || !w->log.count)
        return;
    if (one_in(w, 3))
        p.to_offset = (int64_t)below(w, w->log.count + 1);
    else
        p.to_ms = w->wall - (int64_t)below(w, 300000);
    w->rewind = (struct rewind_row){.generation = ++w->generation,
                                    .to_ms = p.to_ms,
                                    .to_offset = p.to_offset,
                                    .base_number = choose_base(w, &p),
                                    .version = (uint32_t)w->version_count,
                                    .at_ms = w->wall,
                                    .log_generation = 1};
    w->rewind.base_epoch = w->rewind.base_number;
    int len = snprintf(body, sizeof body, "{\"generation\":%" PRIu64 "}", w->generation);
    for (size_t copies = 1 + one_in(w, 4); copies > 0; copies--)
        control(w, CONTROL_REWIND, USER_API, body, (size_t)len);
}

static void tell_batches(struct world *w)
{
    const struct word word = {.kind = WORD_RELOAD};
    for (size_t i = 0; i < 2; i++)
        if (alive(&w->batches[i]) && !w->batches[i].frozen)
            batch_side.tell(w, &w->batches[i], &word);
}

/* As the API does it: into the registry, then into the log, and the supervisor tells the batch worker. */
static void produce_version(struct world *w)
{
    struct buf body = {0};
    if (w->version_count == VERSIONS)
        return;
    const struct app_version *v = apps_next(w);
    json_w_open(&body, '{');
    json_w_name(&body, "version");
    json_w_uint(&body, w->version_count);
    json_w_name(&body, "app");
    json_w_string(&body, v->text.data, v->text.len);
    json_w_close(&body, '}');
    for (size_t copies = 1 + one_in(w, 4); copies > 0; copies--) /* again, if it does not know of the confirm */
        control(w, CONTROL_VERSION, USER_API, body.data, body.len);
    buf_free(&body);
    tell_batches(w);
}

static void produce_forgery(struct world *w)
{
    static const char result[] = "{\"stream\":\"s\",\"window_start\":\"2026-01-01T00:00:00Z\",\"window_end\":"
                                 "\"2026-01-01T00:00:10Z\",\"revision\":9}";
    static const char trigger[] = "{\"id\":\"forged\",\"job\":\"j\"}";
    const struct entry forged_result = {.body = result,
                                        .len = sizeof result - 1,
                                        .id = "forged",
                                        .user = "belltower-tenant-other",
                                        .key = "[1]",
                                        .number = (int64_t)w->results.count + 3,
                                        .generation = 1,
                                        .wall_ms = w->wall};
    const struct entry forged_trigger = {.body = trigger, .len = sizeof trigger - 1, .user = "belltower-tenant-other"};
    switch (below(w, 3)) {
    case 0:
        control(w, CONTROL_END, "belltower-tenant-other", "{}", 2);
        break;
    case 1:
        list_add(&w->results, &forged_result);
        break;
    default:
        list_add(&w->triggers, &forged_trigger);
    }
}

static void write_range(struct world *w, struct buf *b)
{
    int64_t to = w->wall - (int64_t)below(w, 60000), from = to - (int64_t)below(w, 120000);
    switch (below(w, 3)) {
    case 0:
        buf_printf(b, ",\"from_ms\":%" PRId64 ",\"to_ms\":%" PRId64, from, to);
        break;
    case 1:
        buf_printf(b, ",\"until_ms\":%" PRId64, to);
        break;
    default:
        buf_add_str(b, ",\"range_ms\":60000");
    }
}

/* A run on demand; published again, if the API does not know of the confirm. */
static void produce_request(struct world *w)
{
    struct buf body = {0};
    char id[32];
    snprintf(id, sizeof id, "request-%zu", w->requests.count);
    buf_printf(&body, "{\"tenant_id\":\"%s\",\"id\":\"%s\",\"job\":\"j\"", TENANT, id);
    write_range(w, &body);
    buf_add_char(&body, '}');
    const struct entry e = {
        .body = body.data, .len = body.len, .id = id, .user = USER_API, .number = -1, .generation = -1};
    list_add(&w->requests, &e);
    for (size_t copies = 1 + one_in(w, 3); copies > 0; copies--)
        list_add(&w->triggers, &e);
    buf_free(&body);
}

void produce(struct world *w)
{
    if (w->to_produce == 0)
        return;
    w->to_produce--;
    switch (below(w, 64)) {
    case 0:
        control(w, CONTROL_END, USER_API, "{}", 2);
        break;
    case 1:
        produce_time(w);
        break;
    case 2:
    case 3:
        produce_version(w);
        break;
    case 4:
    case 5:
        produce_request(w);
        break;
    case 6:
        produce_forgery(w);
        break;
    case 7:
        produce_rewind(w);
        break;
    case 8:
    case 9:
    case 10:
        produce_again(w);
        break;
    default:
        produce_events(w);
    }
}
