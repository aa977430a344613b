/* GET /v1/tenants/{tenant}/results. */
#include "api/apps.h"
#include "api/handlers/csv_rows.h"
#include "api/handlers/shared.h"
#include "api/routes.h"

#include "base/hash.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     10000
#define FILTERS_MAX   32

struct listed {
    char *name;
    const struct app_stream *s; /* NULL: stored, and no longer of the app */
};

struct wanted {
    const struct app *app;
    struct listed *streams; /* which are listed, in this order */
    size_t stream_count;
    char *stream, *cursor; /* stream NULL: all */
    int64_t from, to;
    size_t limit;
    bool ids;                                       /* each row has its message_id */
    char *names[FILTERS_MAX], *values[FILTERS_MAX]; /* of key fields, as sent */
    size_t filter_count;
};

static void wanted_free(struct wanted *w)
{
    free(w->stream);
    free(w->cursor);
    for (size_t i = 0; i < w->filter_count; i++) {
        free(w->names[i]);
        free(w->values[i]);
    }
    for (size_t i = 0; i < w->stream_count; i++)
        free(w->streams[i].name);
    free(w->streams);
}

/* ---- reading the query ---- */

static int take_parameter(void *context, const char *name, const char *value, size_t len, struct err *err)
{
    static const char *const others[] = {"from", "to", "limit", "ids"};
    struct wanted *w = context;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(name, others[i]) == 0)
            return 0;
    bool stream = strcmp(name, "stream") == 0;
    if (stream || strcmp(name, "cursor") == 0) {
        char **text = stream ? &w->stream : &w->cursor;
        free(*text);
        *text = mem_strndup(value, len);
        return 0;
    }
    if (w->filter_count == FILTERS_MAX)
        return err_set(err, ERR_INVALID, "more than %d filters", FILTERS_MAX);
    w->names[w->filter_count] = mem_strdup(name);
    w->values[w->filter_count++] = mem_strndup(value, len);
    return 0;
}

static int read_wanted(struct request *r, struct wanted *w, struct err *err)
{
    w->from = 0;
    w->to = INT64_MAX;
    if (request_limit(r, LIMIT_DEFAULT, LIMIT_MAX, &w->limit, err) < 0 || query_time(r, "from", &w->from, err) < 0 ||
        query_time(r, "to", &w->to, err) < 0 || request_flag(r, "ids", &w->ids, err) < 0)
        return -1;
    return request_query_each(r, take_parameter, w, err);
}

/* ---- filters by key ---- */

static const struct expr_name *key_field(const struct app_stream *s, const char *name)
{
    for (size_t i = 0; i < s->query.key_count; i++)
        if (strcmp(s->result_names[i].name, name) == 0)
            return &s->result_names[i];
    return NULL;
}

static int typed(const struct expr_name *field, const char *text, struct value *v, struct err *err)
{
    size_t len = strlen(text);
    *v = (struct value){.type = field->type};
    if (strcmp(text, "null") == 0 && field->type != VALUE_STRING) {
        v->type = VALUE_NULL;
        return 0;
    }
    bool ok = true;
    if (field->type == VALUE_INT) {
        ok = json_int(text, len, &v->i) && json_valid(text, len, &(const char *){NULL});
    } else if (field->type == VALUE_BOOL) {
        v->b = strcmp(text, "true") == 0;
        ok = v->b || strcmp(text, "false") == 0;
    } else {
        v->s = text;
        v->len = (uint32_t)len;
    }
    return ok ? 0
              : err_set(err, ERR_INVALID, "?%s: \"%.60s\" is no %s", field->name, text, value_type_name(field->type));
}

struct filters {
    struct expr_name names[FILTERS_MAX];
    struct value values[FILTERS_MAX];
};

/* 1: the stream has all the fields; 0: it has not, and another may. */
static int make_filters(const struct wanted *w, const struct app_stream *s, struct filters *f, struct err *err)
{
    for (size_t i = 0; i < w->filter_count; i++) {
        const struct expr_name *field = key_field(s, w->names[i]);
        if (!field)
            return 0;
        f->names[i] = *field;
        if (typed(field, w->values[i], &f->values[i], err) < 0)
            return -1;
    }
    return 1;
}

static void add_stream(struct wanted *w, const char *name, const struct app_stream *s)
{
    if (w->stream && strcmp(w->stream, name) != 0)
        return;
    w->streams = mem_resize(w->streams, w->stream_count + 1, sizeof *w->streams);
    w->streams[w->stream_count++] = (struct listed){mem_strdup(name), s};
}

/* The app's, in its order; then those stored that an update has taken out of it. */
static int find_streams(struct coredms *db, struct wanted *w, struct err *err)
{
    char *name = NULL, *next;
    for (size_t i = 0; i < w->app->stream_count; i++)
        add_stream(w, w->app->streams[i].name, &w->app->streams[i]);
    if (w->stream && w->stream_count)
        return 0; /* it is the one: the store need not be asked for others */
    while (history_next_stream(db, name, &next, err) == 0) {
        free(name);
        name = next;
        if (!app_find_stream(w->app, name))
            add_stream(w, name, NULL);
    }
    free(name);
    return err->code == ERR_NOT_FOUND ? 0 : -1;
}

static int check_wanted(const struct wanted *w, struct err *err)
{
    if (w->stream && w->stream_count == 0) {
        struct buf names = {0};
        for (size_t i = 0; i < w->app->stream_count; i++)
            buf_printf(&names, "%s%s", i ? ", " : "", w->app->streams[i].name);
        err_set(err, ERR_INVALID, "?stream: the app has no stream \"%.60s\"; it has %s", w->stream, buf_cstr(&names));
        buf_free(&names);
        return -1;
    }
    for (size_t i = 0; i < w->filter_count; i++) {
        bool known = false;
        for (size_t k = 0; k < w->app->stream_count; k++)
            if (!w->stream || strcmp(w->stream, w->app->streams[k].name) == 0)
                known |= key_field(&w->app->streams[k], w->names[i]) != NULL;
        if (!known)
            return err_set(err, ERR_INVALID, "?%.60s: no such parameter, and no key field of %s", w->names[i],
                           w->stream ? w->stream : "any stream");
    }
    if (w->from > w->to)
        return err_set(err, ERR_INVALID, "?from is behind ?to");
    return 0;
}

/* ---- rows ---- */

struct writing {
    struct buf *out;
    bool csv, ids;
    struct buf with_id;
    struct csv_columns columns;
    size_t count;
};

static void stream_columns(struct csv_columns *c, const struct app_stream *s)
{
    static const char *const around[] = {"stream", "window_start", "window_end", "revision"};
    for (size_t i = 0; i < 4; i++)
        csv_columns_add(c, around[i]);
    for (size_t i = 0; i < s->result_name_count; i++)
        csv_columns_add(c, s->result_names[i].name);
}

/* Into w->with_id: the row's body with its message_id behind the last member, unless a field bears that name. */
static void add_id(struct writing *w, const struct result_row *row)
{
    const char *value;
    size_t len = row->body_len;
    char hash[33];
    buf_clear(&w->with_id);
    buf_add(&w->with_id, row->body, row->body_len);
    if (json_find(row->body, row->body_len, "message_id", &value, &len) != JSON_END)
        return;
    while (w->with_id.len && w->with_id.data[w->with_id.len - 1] != '}')
        w->with_id.len--;
    w->with_id.len -= w->with_id.len > 0;
    json_w_name(&w->with_id, "message_id");
    hash_fnv128_hex(row->key, strlen(row->key), hash);
    buf_printf(&w->with_id, "\"%s:%s:%lld:%llu.%u\"}", row->stream, hash, (long long)row->window_start,
               (unsigned long long)row->generation, row->revision);
}

static bool write_row(void *context, const struct result_row *row)
{
    struct writing *w = context;
    const char *body = row->body;
    size_t len = row->body_len;
    w->count++;
    if (w->ids) {
        add_id(w, row);
        body = w->with_id.data;
        len = w->with_id.len;
    }
    if (w->csv)
        csv_row_write(w->out, &w->columns, body, len);
    else
        json_w_raw(w->out, body, len);
    return true;
}

/* A cursor names its stream: "alarms;..." */
static const char *cursor_within(const struct wanted *w, const char *stream, bool *skip)
{
    size_t len = strlen(stream);
    *skip = false;
    if (!w->cursor)
        return NULL;
    if (strncmp(w->cursor, stream, len) == 0 && w->cursor[len] == ';')
        return w->cursor + len + 1;
    *skip = true;
    return NULL;
}

/* Streams come one behind the other. */
static int query(struct coredms *db, struct wanted *w, struct writing *out, char **next, struct err *err)
{
    struct filters *f = mem_zero(1, sizeof *f);
    int status = 0;
    bool met = !w->cursor;
    for (size_t i = 0; i < w->stream_count && status == 0 && !*next; i++) {
        const struct listed *l = &w->streams[i];
        bool skip;
        char *more = NULL;
        const char *cursor = met ? NULL : cursor_within(w, l->name, &skip);
        if (!met && !cursor)
            continue;
        met = true;
        int usable = l->s ? make_filters(w, l->s, f, err) : w->filter_count == 0;
        if (usable <= 0) {
            status = usable;
            continue;
        }
        if (out->count == w->limit) { /* the page is full, and there is another stream */
            *next = mem_printf("%s;", l->name);
            break;
        }
        const struct history_filter filter = {.stream = l->name,
                                              .from = w->from,
                                              .to = w->to,
                                              .names = f->names,
                                              .values = f->values,
                                              .filter_count = w->filter_count};
        status = history_query(db, &filter, w->limit - out->count, cursor && *cursor ? cursor : NULL, &more, write_row,
                               out, err);
        if (more)
            *next = mem_printf("%s;%s", l->name, more);
        free(more);
    }
    free(f);
    return status == 0 && !met ? err_set(err, ERR_INVALID, "?cursor: not one that this call gave") : status;
}

static bool take_columns(void *context, const struct result_row *row)
{
    csv_columns_of(context, row->body, row->body_len);
    return false;
}

/* Of a stream that the app has no longer its first row tells them. */
static int find_columns(struct coredms *db, const struct wanted *w, struct csv_columns *columns, struct err *err)
{
    for (size_t i = 0; i < w->stream_count; i++) {
        const struct history_filter all = {.stream = w->streams[i].name, .from = INT64_MIN, .to = INT64_MAX};
        if (w->streams[i].s)
            stream_columns(columns, w->streams[i].s);
        else if (history_query(db, &all, 1, NULL, NULL, take_columns, columns, err) < 0)
            return -1;
    }
    if (w->ids)
        csv_columns_add(columns, "message_id");
    return 0;
}

static int begin_rows(struct coredms *db, const struct wanted *w, struct writing *out, struct err *err)
{
    if (out->csv) {
        if (find_columns(db, w, &out->columns, err) < 0)
            return -1;
        csv_header_write(out->out, &out->columns);
        return 0;
    }
    json_w_open(out->out, '{');
    json_w_name(out->out, "results");
    json_w_open(out->out, '[');
    return 0;
}

static void answer_rows(struct request *r, const struct writing *out, const char *next)
{
    if (out->csv) {
        if (next)
            answer_header(r, "X-Next-Cursor", "%s", next);
        answer(r, 200, "text/csv; charset=utf-8; header=present");
        return;
    }
    json_w_close(&r->body, ']');
    put_text(&r->body, "next", next);
    json_w_close(&r->body, '}');
    answer_json(r, 200);
}

static void list(struct request *r, struct coredms *db, struct wanted *w)
{
    struct err err;
    char *next = NULL;
    struct writing out = {.out = &r->body, .csv = request_wants_csv(r), .ids = w->ids};
    if (find_streams(db, w, &err) < 0 || check_wanted(w, &err) < 0) {
        problem_err(r, &err);
        return;
    }
    if (begin_rows(db, w, &out, &err) < 0 || query(db, w, &out, &next, &err) < 0)
        problem_err(r, &err);
    else
        answer_rows(r, &out, next);
    csv_columns_free(&out.columns);
    buf_free(&out.with_id);
    free(next);
}

void handle_results_list(struct request *r)
{
    struct err err;
    struct wanted w = {0};
    if (read_wanted(r, &w, &err) < 0) {
        problem_err(r, &err);
        wanted_free(&w);
        return;
    }
    struct coredms *db = take_store(r, true);
    if (db && apps_take(r->api->apps, db, &r->tenant, &w.app, &err) < 0)
        problem_err(r, &err);
    else if (db)
        list(r, db, &w);
    if (w.app)
        apps_give(r->api->apps, w.app);
    give_store(r, db);
    wanted_free(&w);
}
