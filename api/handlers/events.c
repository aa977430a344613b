/* Uploads, the end tick, setting the time. */
#include "api/apps.h"
#include "api/handlers/shared.h"
#include "api/operations.h"
#include "api/publisher.h"
#include "api/routes.h"
#include "api/upload.h"

#include "base/json.h"
#include "base/wire/control.h"
#include "base/wire/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UPLOAD_BYTES_MAX ((uint64_t)4 * 1024 * 1024 * 1024) /* of one request: a body without end ends */
#define KEY_MAX          57 /* with "upload." before it, a producer's name has 64 characters */
#define READ_BYTES       65536

/* ---- upload ---- */

struct uploading {
    struct request *r;
    struct publish_batch *batch;
    const char *key; /* NULL = none */
};

static int send_piece(void *context, uint64_t number, const struct buf *body, uint64_t lines, struct err *err)
{
    struct uploading *up = context;
    char id[100], queue[NAME_SIZE];
    snprintf(id, sizeof id, "upload.%s:%" PRIu64, up->key ? up->key : "", number);
    const struct publish_message m = {.exchange = EXCHANGE_DEFAULT,
                                      .key = name_queue(queue, EXCHANGE_EVENTS, up->r->tenant.tenant),
                                      .message_id = up->key ? id : NULL,
                                      .content_type = "application/x-ndjson",
                                      .body = body->data,
                                      .len = body->len};
    return publish_add(up->batch, &m, lines, err);
}

static int read_body(struct request *r, struct upload *u, struct err *err)
{
    char bytes[READ_BYTES];
    long n;
    while ((n = request_read(r, bytes, sizeof bytes, err)) > 0) {
        if (r->body_bytes > UPLOAD_BYTES_MAX)
            return err_set(err, ERR_TOO_LARGE, "an upload is at most 4 GiB: send the rest as another");
        if (upload_add(u, bytes, (size_t)n, err) < 0)
            return -1;
    }
    return n < 0 ? -1 : upload_end(u, err);
}

static void put_outcome(struct buf *b, const struct upload *u, uint64_t accepted)
{
    json_w_name(b, "accepted");
    json_w_uint(b, accepted);
    json_w_name(b, "rejected");
    json_w_uint(b, u->rejected);
    json_w_name(b, "errors");
    json_w_open(b, '[');
    for (size_t i = 0; i < u->error_count; i++) {
        json_w_open(b, '{');
        json_w_name(b, "line");
        json_w_uint(b, u->errors[i].line);
        put_text(b, "reason", u->errors[i].reason);
        put_text(b, "detail", u->errors[i].detail);
        json_w_close(b, '}');
    }
    json_w_close(b, ']');
}

/* What was confirmed before it went wrong has happened, and is told. */
static void answer_failed(struct request *r, const struct upload *u, uint64_t confirmed, const struct err *err)
{
    problem_err(r, err);
    problem_open(r);
    put_outcome(&r->body, u, confirmed);
    problem_close(r);
}

static void answer_done(struct request *r, const struct upload *u, bool ended)
{
    json_w_open(&r->body, '{');
    put_outcome(&r->body, u, u->accepted);
    put_bool(&r->body, "ended", ended);
    json_w_close(&r->body, '}');
    answer_json(r, 200);
}

static void upload(struct request *r, const struct app *app, enum upload_format format, const char *key, bool end)
{
    struct err err;
    struct uploading up = {r, publish_begin(r->api->publisher, key != NULL), key};
    struct upload *u = mem_zero(1, sizeof *u);
    *u = (struct upload){.app = app, .format = format, .numbered = key != NULL, .send = send_piece, .context = &up};
    upload_begin(u);
    int status = read_body(r, u, &err), settled = 0;
    struct err late;
    settled = publish_settle(up.batch, &late);
    if (status == 0 && settled < 0) {
        status = -1;
        err = late;
    }
    uint64_t confirmed = publish_confirmed(up.batch);
    publish_end(&up.batch);
    if (status == 0 && end)
        status = operation_control(r->api, r->tenant.tenant, CONTROL_END, "{}", 2, &err);
    if (status == 0)
        answer_done(r, u, end);
    else
        answer_failed(r, u, confirmed, &err);
    upload_free(u);
    free(u);
}

static bool key_ok(const char *key)
{
    size_t len = strlen(key);
    return len > 0 && len <= KEY_MAX &&
           strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

static bool check_upload(struct request *r, enum upload_format *format, bool *end)
{
    char type[80];
    struct err err;
    const char *key = request_header(r, "Idempotency-Key");
    request_content_type(r, type);
    if (!tenant_is_there(r))
        return false;
    if (!upload_format_of(type, format)) {
        problem(r, PROBLEM_UNSUPPORTED_TYPE,
                "Content-Type %s: an upload is application/json, application/x-ndjson or text/csv",
                *type ? type : "is missing");
        return false;
    }
    if (key && !key_ok(key)) {
        problem(r, PROBLEM_INVALID_REQUEST, "Idempotency-Key: 1 to %d characters of A-Z a-z 0-9 . _ -", KEY_MAX);
        return false;
    }
    if (request_flag(r, "end", end, &err) == 0)
        return true;
    problem_err(r, &err);
    return false;
}

void handle_events_upload(struct request *r)
{
    enum upload_format format;
    bool end;
    struct err err;
    const struct app *app;
    if (!check_upload(r, &format, &end))
        return;
    struct coredms *db = take_store(r, false);
    if (!db)
        return;
    int status = apps_take(r->api->apps, db, &r->tenant, &app, &err);
    give_store(r, db);
    if (status < 0) {
        problem_err(r, &err);
        return;
    }
    upload(r, app, format, request_header(r, "Idempotency-Key"), end);
    apps_give(r->api->apps, app);
}

/* ---- control messages ---- */

static void answer_control(struct request *r, const char *type, const struct buf *body)
{
    struct err err;
    if (operation_control(r->api, r->tenant.tenant, type, body->data, body->len, &err) < 0) {
        problem_err(r, &err);
        return;
    }
    json_w_open(&r->body, '{');
    put_text(&r->body, "tenant", r->tenant.tenant);
    put_text(&r->body, "type", type);
    put_bool(&r->body, "confirmed", true);
    json_w_close(&r->body, '}');
    answer_json(r, 200);
}

void handle_events_end(struct request *r)
{
    struct buf body = {0};
    if (!tenant_is_there(r))
        return;
    buf_add_str(&body, "{}");
    answer_control(r, CONTROL_END, &body);
    buf_free(&body);
}

/* RFC 3339, or milliseconds since 1970 as a number. */
static int highest_of(const struct buf *object, int64_t *ms, struct err *err)
{
    const char *value;
    size_t len;
    struct buf text = {0};
    enum json_type type = json_find(object->data, object->len, "highest", &value, &len);
    int status = -1;
    if (type == JSON_STRING && json_get_string(object->data, object->len, "highest", &text))
        status = parse_time("highest", text.data, text.len, ms, err);
    else if (type == JSON_NUMBER && json_int(value, len, ms) && *ms >= 0 && *ms <= TIME_MAX_MS)
        status = 0;
    else
        err_set(err, ERR_INVALID,
                "the body needs the member highest: a time of RFC 3339, or unix milliseconds from 1970 to 9999");
    buf_free(&text);
    return status;
}

void handle_events_time(struct request *r)
{
    static const char *const members[] = {"highest", NULL};
    struct buf object = {0}, body = {0};
    struct err err;
    int64_t ms;
    if (tenant_is_there(r) && read_object(r, members, &object)) {
        if (highest_of(&object, &ms, &err) < 0) {
            problem_err(r, &err);
        } else {
            buf_printf(&body, "{\"highest\":%" PRId64 "}", ms);
            answer_control(r, CONTROL_TIME, &body);
        }
    }
    buf_free(&object);
    buf_free(&body);
}
