/* Bytes as a snapshot, their checksum made to fit: refused, or an engine that works and saves to something it can read
 * again. */
#include "base/hash.h"
#include "base/wire/control.h"
#include "base/wire/names.h"
#include "stream/engine/engine.h"
#include "stream/engine/snapshot_format.h"

#include <stdlib.h>
#include <string.h>

static void on_result(void *context, const struct engine_result *r)
{
    (void)context;
    (void)r;
}

static void on_trigger(void *context, const struct engine_trigger *t)
{
    (void)context;
    (void)t;
}

static void on_dead(void *context, const struct engine_dead *d)
{
    (void)context;
    (void)d;
}

static void feed(struct engine *e, const char *body, const char *type, const char *user)
{
    const struct engine_sink sink = {.result = on_result, .trigger = on_trigger, .dead = on_dead};
    engine_message(
        e,
        &(struct engine_message){
            .offset = 99, .body = {body, strlen(body)}, .type = {type, strlen(type)}, .user_id = {user, strlen(user)}},
        &sink);
}

static const char another_version[] =
    "{\"version\":4294967295,\"app\":\"tenant: acme\\nevents:\\n  time: { field: t, format: unix_ms }\\n"
    "  fields: { id: int, v: { type: int, optional: true } }\\nstreams:\\n"
    "  - { name: s, key: [id], window: { tumbling: 30s }, select: { n: count() } }\\n\"}";

static void put_le(char *p, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        p[i] = (char)(v >> (8 * i));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < SNAPSHOT_HEAD)
        return 0;
    struct err err = {0};
    struct engine *e = NULL, *again = NULL;
    struct buf b = {0};
    char *copy = malloc(size);
    memcpy(copy, data, size);
    memcpy(copy, SNAPSHOT_MAGIC, SNAPSHOT_MAGIC_LEN);
    put_le(copy + 8, data[8] == 1 ? 1 : SNAPSHOT_VERSION, 4);
    put_le(copy + 12, hash_crc32c(0, copy + SNAPSHOT_HEAD, size - SNAPSHOT_HEAD), 4);
    put_le(copy + 16, size - SNAPSHOT_HEAD, 8);
    if (engine_restore(copy, size, &e, &err) == 0) {
        (void)engine_tick_at(e);
        feed(e, "[{\"t\":40000,\"id\":1,\"site\":\"a\",\"v\":1},{\"t\":1,\"id\":1}]", "", "");
        feed(e, another_version, CONTROL_VERSION, USER_API);
        feed(e, "[{\"t\":40500,\"id\":1,\"site\":\"a\",\"v\":1},{\"t\":70000,\"id\":7}]", "", "");
        feed(e, "{\"highest\":1000}", CONTROL_TIME, USER_API);
        feed(e, "{}", CONTROL_END, USER_API);
        engine_snapshot(e, &b);
        if (engine_restore(b.data, b.len, &again, &err) < 0)
            abort();
    } else if (err.code != ERR_INVALID) {
        abort();
    }
    engine_free(&e);
    engine_free(&again);
    buf_free(&b);
    free(copy);
    return 0;
}
