#include "stream/engine/control.h"
#include "base/wire/control.h"
#include "base/wire/names.h"
#include "stream/engine/events.h"
#include "stream/engine/key.h"
#include "stream/engine/publish.h"
#include "stream/engine/timeline.h"
#include "stream/engine/watermark.h"

#include <stdlib.h>
#include <string.h>

static bool equals(struct bytes b, const char *text)
{
    return b.len == strlen(text) && (!b.len || memcmp(b.p, text, b.len) == 0);
}

static void bad_control(struct engine *e, const char *why)
{
    publish_dead(e, DEAD_BAD_CONTROL, "%s", why);
}

/* ---- numbers in control messages ---- */

static bool get_natural(struct bytes body, const char *name, int64_t *value)
{
    return json_get_int(body.p, body.len, name, value) && *value >= 0;
}

static bool get_time(struct bytes body, int64_t *highest)
{
    return get_natural(body, "highest", highest) && *highest <= TIME_MAX_MS;
}

static bool has(struct bytes body, const char *name)
{
    const char *value;
    size_t len;
    return json_find(body.p, body.len, name, &value, &len) != JSON_END;
}

/* ---- ticks ---- */

/* What a tick says of one device; device NULL: it does not count for it. */
struct tick {
    struct device *device;
    int64_t highest;
};

static void tick_ignored(struct engine *e)
{
    e->counters.ticks_ignored++;
}

static int by_key(const void *a, const void *b)
{
    return ident_compare(&(*(struct device *const *)a)->ident, &(*(struct device *const *)b)->ident);
}

static void tick_counts(struct engine *e, const struct tick *ticks, size_t count)
{
    struct device **devices = mem_alloc(count * sizeof(struct device *));
    e->counters.ticks++;
    held_reject(e);
    for (size_t i = 0; i < count; i++) {
        devices[i] = ticks[i].device;
        int64_t before = devices[i]->target;
        (void)device_sees(e, devices[i], ticks[i].highest);
        devices[i]->target = before > devices[i]->target ? before : devices[i]->target;
    }
    watermarks_move(e, devices, count);
    if (count)
        qsort(devices, count, sizeof *devices, by_key);
    for (size_t i = 0; i < count; i++)
        device_settle(e, devices[i]);
    free(devices);
}

static void tick_of_log(struct engine *e, struct bytes body)
{
    int64_t offset, highest;
    if (has(body, "devices") || !get_natural(body, "offset", &offset) || !get_time(body, &highest)) {
        bad_control(e, "a tick has the members offset and highest");
        return;
    }
    if (!e->has_last || e->last_offset != (uint64_t)offset) {
        tick_ignored(e);
        return;
    }
    if (!e->only)
        e->only = device_of(e, "", 0);
    tick_counts(e, &(struct tick){e->only, highest}, 1);
}

/* One value of a device's key, null or of the field's type. */
static bool get_key_value(struct json *j, enum value_type want, struct buf *key, struct buf *text)
{
    const char *token;
    size_t len;
    struct value v = {.type = VALUE_NULL};
    enum json_type type = json_peek(j);
    if (!json_skip(j, &token))
        return false;
    len = (size_t)(j->at - token);
    switch (type) {
    case JSON_NULL:
        break;
    case JSON_FALSE:
    case JSON_TRUE:
        v = (struct value){.type = VALUE_BOOL, .b = type == JSON_TRUE};
        break;
    case JSON_NUMBER:
        v.type = VALUE_INT;
        if (!json_int(token, len, &v.i))
            return false;
        break;
    case JSON_STRING:
        buf_clear(text);
        v = (struct value){.type = VALUE_STRING, .s = buf_reserve(text, len)};
        v.len = (uint32_t)json_unescape(token + 1, len - 2, text->data);
        break;
    default:
        return false;
    }
    key_put(key, &v);
    return v.type == VALUE_NULL || v.type == want;
}

static bool get_key(const struct app *app, struct bytes device, struct buf *key, struct buf *text)
{
    const char *array;
    size_t len, n = 0;
    bool first = true;
    if (json_find(device.p, device.len, "key", &array, &len) != JSON_ARRAY)
        return false;
    struct json j = json_begin(array, len);
    buf_clear(key);
    if (!json_enter(&j, '['))
        return false;
    for (; json_next(&j, &first, NULL, NULL); n++) {
        if (n == app->watermark_per_count || !get_key_value(&j, app->fields[app->watermark_per[n]].type, key, text))
            return false;
    }
    return n == app->watermark_per_count;
}

static uint64_t last_offset_of(const struct engine *e, const struct device *d)
{
    return e->has_control && (!d->heard || e->control_offset > d->last_offset) ? e->control_offset : d->last_offset;
}

static bool get_tick(struct engine *e, struct bytes device, struct tick *tick)
{
    int64_t offset;
    *tick = (struct tick){0};
    if (!get_key(e->app, device, &e->key_bytes, &e->strings) || !get_natural(device, "offset", &offset) ||
        !get_time(device, &tick->highest))
        return false;
    struct device *d = device_find(e, e->key_bytes.data, e->key_bytes.len);
    if (d && (d->heard || e->has_control) && last_offset_of(e, d) == (uint64_t)offset)
        tick->device = d;
    return true;
}

/* Those that count, in an array to free(); false if one makes no sense. */
static bool get_ticks(struct engine *e, const char *array, size_t len, struct tick **ticks, size_t *count)
{
    struct json j = json_begin(array, len);
    bool first = true;
    const char *from;
    struct tick tick;
    if (!json_enter(&j, '['))
        return false;
    while (json_next(&j, &first, NULL, NULL)) {
        if (!json_skip(&j, &from) || !get_tick(e, (struct bytes){from, (size_t)(j.at - from)}, &tick))
            return false;
        if (!tick.device)
            continue;
        *ticks = mem_resize(*ticks, *count + 1, sizeof **ticks);
        (*ticks)[(*count)++] = tick;
    }
    return !j.error;
}

static void tick_of_devices(struct engine *e, struct bytes body)
{
    const char *array;
    size_t len, count = 0;
    struct tick *ticks = NULL;
    if (json_find(body.p, body.len, "devices", &array, &len) != JSON_ARRAY || !get_ticks(e, array, len, &ticks, &count))
        bad_control(e, "a tick of an app with watermark_per has devices, each with key, offset and highest");
    else if (count)
        tick_counts(e, ticks, count);
    else
        tick_ignored(e);
    free(ticks);
}

static void take_tick(struct engine *e, struct bytes body)
{
    if (e->app->watermark_per_count)
        tick_of_devices(e, body);
    else
        tick_of_log(e, body);
}

/* ---- the others ---- */

static void take_end(struct engine *e, struct bytes body)
{
    size_t count;
    (void)body;
    held_reject(e);
    struct device **devices = devices_all(e, &count);
    for (size_t i = 0; i < count; i++) {
        struct device *d = devices[i];
        for (size_t k = 0; k < e->stream_count; k++) {
            int64_t end = last_open_end(e->streams[k], &d->lines[k]);
            d->target = end > d->target ? end : d->target;
        }
    }
    watermarks_move(e, devices, count);
    free(devices);
    devices_settle(e);
}

static void take_time(struct engine *e, struct bytes body)
{
    int64_t highest;
    if (get_time(body, &highest))
        watermarks_fall(e, highest);
    else
        bad_control(e, "a time message has the member highest: a time in unix ms");
}

static void take_version(struct engine *e, struct bytes body)
{
    int64_t version;
    struct buf text = {0};
    struct app_diags diags = {0};
    if (!get_natural(body, "version", &version) || version > UINT32_MAX) {
        bad_control(e, "a version message has the member version: a number");
        return;
    }
    if (version <= e->version)
        return;
    struct app *app = NULL;
    if (json_get_string(body.p, body.len, "app", &text))
        app = app_load(buf_cstr(&text), text.len, e->app->tenant, &diags);
    if (app)
        version_begin(e, app, (uint32_t)version);
    else if (diags.errors)
        publish_dead(e, DEAD_BAD_CONTROL, "the app of version %lld does not load: line %u: %s", (long long)version,
                     diags.list[0].line, diags.list[0].message);
    else
        bad_control(e, "a version message has the member app: the text of the app file");
    app_diags_free(&diags);
    buf_free(&text);
}

/* No correction is due while a control message is read, so its place among them needs no rule. */
/* What closed before here the former generation has given; all that closes from here on only this one gives. */
static void rewind_ends(struct engine *e)
{
    publish_rewound(e);
    e->from = BEFORE;
}

static void take_rewind(struct engine *e, struct bytes body)
{
    int64_t generation;
    if (!get_natural(body, "generation", &generation))
        bad_control(e, "a rewind message has the member generation: a number");
    else if ((uint64_t)generation == e->generation)
        rewind_ends(e);
}

/* ---- which, and from whom ---- */

struct control {
    const char *type;
    bool from_worker; /* else from the API */
    bool any_body;
    void (*take)(struct engine *e, struct bytes body);
};

static const struct control controls[] = {
    {CONTROL_TICK, true, false, take_tick},      {CONTROL_END, false, true, take_end},
    {CONTROL_TIME, false, false, take_time},     {CONTROL_VERSION, false, false, take_version},
    {CONTROL_REWIND, false, false, take_rewind},
};

static const struct control *control_named(struct bytes type)
{
    static const struct control unknown = {"", false, true, NULL};
    for (size_t i = 0; i < sizeof controls / sizeof *controls; i++) {
        if (equals(type, controls[i].type))
            return &controls[i];
    }
    return &unknown;
}

static bool is_object(struct bytes body)
{
    struct json j = json_begin(body.p, body.len);
    return json_peek(&j) == JSON_OBJECT && json_valid(body.p, body.len, NULL);
}

bool control_is_from_ours(const struct engine *e, struct bytes user_id)
{
    char worker[NAME_SIZE];
    return equals(user_id, USER_API) || equals(user_id, name_user_worker(worker, e->app->tenant));
}

/* A message without a sum is one of before there were any. */
static bool sum_holds(const struct engine_message *m)
{
    char id[CONTROL_ID_SIZE];
    if (!control_has_sum(m->message_id.p, m->message_id.len))
        return true;
    control_id(m->type.p, m->type.len, m->body.p, m->body.len, id);
    return equals(m->message_id, id);
}

void control_message(struct engine *e, const struct engine_message *m)
{
    const struct control *c = control_named(m->type);
    char worker[NAME_SIZE];
    const char *sender = c->from_worker ? name_user_worker(worker, e->app->tenant) : USER_API;
    if (!equals(m->user_id, sender)) {
        publish_dead(e, DEAD_FORGED, "a control message of this type is believed only from %s", sender);
        return;
    }
    if (!c->from_worker) {
        e->has_control = true;
        e->control_offset = m->offset;
        e->control_received = m->received_ms;
    }
    if (!sum_holds(m))
        bad_control(e, "the message does not have its checksum");
    else if (!c->take)
        bad_control(e, "no control message has this type");
    else if (!c->any_body && !is_object(m->body))
        bad_control(e, "the body of a control message is one JSON object");
    else
        c->take(e, m->body);
}
