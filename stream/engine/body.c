/* The body of a message and the values in it (design.md, "Decoding, exactly"). */
#include "stream/engine/body.h"
#include "base/csv.h"
#include "stream/engine/events.h"
#include "stream/engine/members.h"
#include "stream/engine/publish.h"

#include <string.h>

/* ---- values ---- */

/* e->source is one whole value, scanned already if it is an object. */
static void take_value(struct engine *e, enum json_type type)
{
    if ((uint64_t)e->source.body.len > (uint64_t)e->app->limits.event_bytes)
        publish_dead(e, DEAD_TOO_LARGE, "the event has %zu bytes, allowed are %lld", e->source.body.len,
                     (long long)e->app->limits.event_bytes);
    else if (type != JSON_OBJECT)
        publish_dead(e, DEAD_WRONG_TYPE, "an event is a JSON object");
    else if (e->only_traced)
        event_repeat(e);
    else
        event_take(e);
    e->source.index++;
}

void body_take_unread(struct engine *e, enum json_type type)
{
    struct json j = json_begin(e->source.body.p, e->source.body.len);
    if (type != JSON_OBJECT || decoder_scan(&e->decoder, &j))
        take_value(e, type);
}

/* Reads the value at j, with an empty j->depth. */
static bool scan_value(struct engine *e, struct json *j, enum json_type *type, const char **from)
{
    *type = json_peek(j);
    *from = j->at;
    return *type == JSON_OBJECT ? decoder_scan(&e->decoder, j) : json_skip(j, from);
}

static bool ends_here(const struct json *j)
{
    return j->at >= j->end || *j->at == ' ' || *j->at == '\n' || *j->at == '\r' || *j->at == '\t';
}

/* A broken value is set aside up to the end of the line on which it began. */
static void reject_line(struct engine *e, struct json *j, const char *from)
{
    const char *line_end = memchr(from, '\n', (size_t)(j->end - from));
    const char *why = j->error ? j->error : "text directly behind a value";
    size_t at = (size_t)(j->at - from);
    *j = json_begin(line_end ? line_end : j->end, (size_t)(j->end - (line_end ? line_end : j->end)));
    e->source.body = (struct bytes){from, (size_t)(j->at - from)};
    publish_dead(e, DEAD_NOT_JSON, "%s, at byte %zu of it", why, at);
    e->source.index++;
}

/* Takes the value at j if it is an event that looks like one before. */
static bool take_predicted(struct engine *e, struct json *j)
{
    struct json at = *j;
    int64_t time;
    if (e->only_traced || !decoder_predict(&e->decoder, &at, e->decoder.slots, &time) || !ends_here(&at) ||
        at.at - j->at > e->app->limits.event_bytes)
        return false;
    e->source.body = (struct bytes){j->at, (size_t)(at.at - j->at)};
    event_decoded(e, time, NULL);
    e->source.index++;
    *j = at;
    return true;
}

/* The same of as many events as are looked at together. */
static __attribute__((noinline)) bool take_group(struct engine *e, struct json *j)
{
    struct json at = *j;
    members_begin(e);
    while (!e->only_traced && e->members.count < MEMBERS_GROUP && at.at < at.end && *at.at == '{' &&
           members_predict(e, &at)) {
        if (!ends_here(&at)) {
            e->members.count--;
            break;
        }
        *j = at;
        at.at += at.at < at.end && *at.at == '\n';
    }
    members_take(e);
    return e->members.count;
}

static void take_sequence(struct engine *e, struct bytes body)
{
    struct json j = json_begin(body.p, body.len);
    const bool ahead = e->far;
    enum json_type type;
    const char *from;
    for (;;) {
        if (j.at < j.end && *j.at == '\n') /* between lines */
            j.at++;
        if (j.at < j.end && *j.at != '{')
            json_peek(&j); /* other white space */
        if (j.at == j.end)
            return;
        if (*j.at == '{' && (ahead ? take_group(e, &j) : take_predicted(e, &j)))
            continue;
        if (scan_value(e, &j, &type, &from) && ends_here(&j)) {
            e->source.body = (struct bytes){from, (size_t)(j.at - from)};
            take_value(e, type);
        } else {
            reject_line(e, &j, from);
        }
    }
}

/* ---- arrays ---- */

/* The members are values of their own: the array's bracket does not count in their depth. */
static bool next_member(struct json *j, bool *first)
{
    if (!json_next(j, first, NULL, NULL))
        return false;
    j->depth = 0;
    return true;
}

/* Reads the member at j, and those that look like ones before and stand directly behind it. */
static bool read_run(struct engine *e, struct json *j)
{
    if (!members_read(e, j))
        return false;
    while (!e->only_traced && j->end - j->at > 1 && j->at[0] == ',' && j->at[1] == '{') {
        j->at++;
        if (!members_predict(e, j)) {
            j->at--;
            break;
        }
    }
    return true;
}

/* If the array does not parse, nothing of it counts. */
static bool read_members(struct engine *e, struct bytes body)
{
    struct json j = json_begin(body.p, body.len);
    bool first = true;
    members_begin(e);
    if (json_enter(&j, '[')) {
        while (next_member(&j, &first) && read_run(e, &j))
            continue;
    }
    bool good = !j.error && (json_peek(&j), j.at == j.end);
    if (!good)
        publish_dead(e, DEAD_NOT_JSON, "%s, at byte %zu of the array", j.error ? j.error : "text behind the array",
                     (size_t)(j.at - body.p));
    return good;
}

static void take_array(struct engine *e, struct bytes body)
{
    if (read_members(e, body))
        members_take(e);
    members_end(e);
}

/* ---- bodies ---- */

struct bytes source_body(struct engine *e)
{
    if (e->source.row) {
        buf_clear(&e->row_body);
        csv_write(e->source.row, &e->row_body);
        e->source.body = (struct bytes){e->row_body.len ? e->row_body.data : "", e->row_body.len};
        e->source.row = NULL;
    }
    return e->source.body;
}

bool row_take(struct engine *e, const struct csv *row)
{
    const struct csv_plain *plain = csv_plain(row);
    const struct app_limits *limits = &e->app->limits;
    int64_t time;
    if (!plain || (int64_t)plain->json_most > limits->event_bytes ||
        (int64_t)plain->json_most > limits->message_bytes ||
        !layouts_read_row(&e->decoder.layouts, e->app, plain, e->decoder.slots, &time))
        return false;
    event_decoded(e, time, NULL);
    return true;
}

void body_take(struct engine *e, struct bytes body)
{
    struct json j = json_begin(body.p, body.len);
    if ((uint64_t)body.len > (uint64_t)e->app->limits.message_bytes)
        publish_dead(e, DEAD_TOO_LARGE, "the message has %zu bytes, allowed are %lld", body.len,
                     (long long)e->app->limits.message_bytes);
    else if (!(body.len && *body.p == '{') && json_peek(&j) == JSON_ARRAY)
        take_array(e, body);
    else
        take_sequence(e, body);
}
