/* GET /v1/tenants/{tenant}/dead-letters. */
#include "api/dead_letters.h"
#include "api/handlers/shared.h"
#include "api/routes.h"

#include "base/json.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000

static void write_letter(struct buf *b, const struct dead_letter *l)
{
    json_w_open(b, '{');
    put_text(b, "reason", l->reason);
    json_w_name(b, "detail");
    json_w_string(b, l->detail.data, l->detail.len);
    put_time(b, "time", l->time_s * 1000);
    put_number(b, "offset", l->offset);
    put_number(b, "index", l->index);
    put_number(b, "number", l->number);
    json_w_name(b, "message_id");
    json_w_string(b, l->message_id.data, l->message_id.len);
    json_w_name(b, "body");
    json_w_string(b, l->body.data, l->body.len);
    put_number(b, "body_bytes", (int64_t)l->body_len);
    put_bool(b, "body_cut", l->body_len > l->body.len);
    json_w_close(b, '}');
}

void handle_dead_letters_list(struct request *r)
{
    struct err err;
    size_t limit;
    struct buf reason = {0};
    struct dead_letters d;
    if (!tenant_is_there(r))
        return;
    bool one = request_query(r, "reason", &reason);
    if (request_limit(r, LIMIT_DEFAULT, LIMIT_MAX, &limit, &err) < 0 ||
        dead_letters_read(r->api, r->tenant.tenant, one ? reason.data : NULL, limit, &d, &err) < 0) {
        problem_err(r, &err);
        buf_free(&reason);
        return;
    }
    json_w_open(&r->body, '{');
    json_w_name(&r->body, "dead_letters");
    json_w_open(&r->body, '[');
    for (size_t i = d.count; i-- > 0;)
        write_letter(&r->body, &d.list[i]);
    json_w_close(&r->body, ']');
    json_w_close(&r->body, '}');
    answer_json(r, 200);
    dead_letters_free(&d);
    buf_free(&reason);
}
