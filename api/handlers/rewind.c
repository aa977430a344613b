/* Reading the retained log again. */
#include "api/handlers/shared.h"
#include "api/operations.h"
#include "api/routes.h"
#include "api/supervision.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "coredms/kept.h"

#include <stdlib.h>
#include <string.h>

static int get_point(const struct buf *object, struct log_point *p, struct err *err)
{
    const char *value;
    size_t len;
    struct buf text = {0};
    *p = (struct log_point){.to_ms = INT64_MIN, .to_offset = -1};
    enum json_type type = json_find(object->data, object->len, "to", &value, &len);
    int status = -1;
    if (type == JSON_NUMBER && json_int(value, len, &p->to_offset) && p->to_offset >= 0)
        status = 0;
    else if (type == JSON_STRING && json_get_string(object->data, object->len, "to", &text))
        status = parse_time("to", text.data, text.len, &p->to_ms, err);
    else
        err_set(err, ERR_INVALID, "the body needs the member to: a time of RFC 3339, or an offset of the log");
    buf_free(&text);
    return status;
}

/* So long before its start a window may still have been open, or corrected: whatever was open where the rewind ends
 * must have been read whole. */
static int64_t longest_life(const struct app *app)
{
    int64_t longest = 0;
    for (size_t i = 0; i < app->stream_count; i++) {
        int64_t life = app->streams[i].size + app->streams[i].lateness;
        longest = life > longest ? life : longest;
    }
    return longest + app->time.out_of_orderness;
}

static bool caught_up(const struct tenant_row *t, const struct checkpoint_head *head, const struct source *source)
{
    bool catching_up = true;
    int64_t number = INT64_MAX;
    if (head->generation != t->generation || source->generation != t->generation)
        return false;
    if (head->info)
        json_get_bool(head->info, strlen(head->info), "catching_up", &catching_up);
    checkpoint_info_int(head, "result_number", &number);
    return !catching_up && source->number >= number;
}

/* A rewind that has not come to its end is taken along: what it would have given again, the next one gives. */
static int take_along(struct request *r, struct coredms *db, struct log_point *p, struct err *err)
{
    const struct rewind_row *before = &r->tenant.rewind;
    struct checkpoint_head head;
    struct source source;
    if (before->generation != r->tenant.generation || !before->generation)
        return 0;
    if (checkpoint_head(db, &head, err) < 0)
        return -1;
    bool done = history_source(db, &source, err) == 0 && caught_up(&r->tenant, &head, &source);
    checkpoint_head_free(&head);
    if (done)
        return 0;
    if ((before->to_offset >= 0) != (p->to_offset >= 0))
        return err_set(err, ERR_CONFLICT, "a rewind to %s is under way: wait until it has caught up, or give %s, too",
                       before->to_offset >= 0 ? "an offset" : "a time",
                       before->to_offset >= 0 ? "an offset" : "a time");
    p->to_offset = before->to_offset < p->to_offset ? before->to_offset : p->to_offset;
    p->to_ms = before->to_ms < p->to_ms ? before->to_ms : p->to_ms;
    return 0;
}

/* Fills in where the rewind begins. */
static int choose_base(struct request *r, struct coredms *db, int64_t life, const struct log_point *p,
                       struct rewind_row *row, int64_t *base_offset, struct err *err)
{
    const struct log_point whole = {.to_ms = p->to_offset < 0 ? p->to_ms - life : p->to_ms, .to_offset = p->to_offset};
    struct checkpoint_head *kept;
    const struct checkpoint_head *base;
    size_t count;
    const struct kept_log log = {.generation = kept_log_generation(&r->tenant),
                                 .began_ms = r->tenant.created_ms,
                                 .retention_ms = r->api->settings.retention_events,
                                 .now_ms = clock_wall_ms()};
    if (checkpoint_kept(db, &kept, &count, err) < 0)
        return -1;
    int status = kept_base(kept, count, &log, &whole, &base, err);
    *row = (struct rewind_row){.to_ms = p->to_ms,
                               .to_offset = p->to_offset,
                               .version = r->tenant.version,
                               .at_ms = log.now_ms,
                               .log_generation = log.generation};
    *base_offset = -1;
    if (status == 0 && base) {
        row->base_epoch = base->state_epoch;
        row->base_number = base->number;
        *base_offset = base->offset;
    }
    checkpoint_heads_free(kept, count);
    return status;
}

/* What the registry has now goes on by itself: the keeper publishes, the supervisor starts. */
static void tell(struct request *r)
{
    struct err err;
    if (operation_publish_rewind(r->api, &r->tenant, &err) < 0)
        log_warn("the rewind of %s waits to be written into its log: %s", r->tenant.tenant, err.text);
    if (operation_want(r->api, &r->tenant, &err) < 0)
        log_warn("%s", err.text);
}

static void answer_rewind(struct request *r, int64_t base_offset)
{
    const struct rewind_row *row = &r->tenant.rewind;
    json_w_open(&r->body, '{');
    put_text(&r->body, "tenant", r->tenant.tenant);
    put_number(&r->body, "generation", (int64_t)row->generation);
    json_w_name(&r->body, "to");
    if (row->to_offset >= 0)
        json_w_int(&r->body, row->to_offset);
    else
        json_w_time(&r->body, row->to_ms);
    put_number(&r->body, "version", row->version);
    put_number(&r->body, "reads_from_offset", base_offset + 1);
    json_w_close(&r->body, '}');
    answer_json(r, 202);
}

static void rewind_locked(struct request *r, struct log_point *p, int64_t life)
{
    struct err err;
    struct rewind_row row = {0};
    int64_t base_offset = -1;
    struct coredms *db = take_store(r, true);
    if (!db)
        return;
    int status = take_along(r, db, p, &err);
    if (status == 0)
        status = choose_base(r, db, life, p, &row, &base_offset, &err);
    if (status == 0)
        status = registry_rewind(db, r->tenant.tenant, r->tenant.generation, &row, &err);
    give_store(r, db);
    if (status < 0) {
        problem_err(r, &err);
        return;
    }
    r->tenant.rewind = row;
    r->tenant.generation = row.generation;
    log_info("%s is rewound: generation %llu reads its log from offset %lld", r->tenant.tenant,
             (unsigned long long)row.generation, (long long)base_offset + 1);
    tell(r);
    answer_rewind(r, base_offset);
}

void handle_tenant_rewind(struct request *r)
{
    static const char *const members[] = {"to", NULL};
    struct buf object = {0};
    struct log_point point;
    struct err err;
    if (!supervision_there(r->api->supervision)) {
        problem(r, PROBLEM_UNAVAILABLE, "the API runs without a supervisor (belltowerd), which this needs");
    } else if (read_object(r, members, &object)) {
        if (get_point(&object, &point, &err) < 0) {
            problem_err(r, &err);
        } else if (lock_tenant(r)) {
            struct app *app = tenant_is_there(r) ? present_app(r) : NULL;
            if (app)
                rewind_locked(r, &point, longest_life(app));
            app_free(&app);
            unlock_tenant(r);
        }
    }
    buf_free(&object);
}
