#include "stream/begin.h"

static struct app *load_app(const struct beginning *b, struct err *err)
{
    struct app_diags diags;
    struct app *app = app_load(b->app_text.p, b->app_text.len, b->tenant, &diags);
    if (!app)
        err_set(err, ERR_INVALID, "the app has a mistake: line %u: %s", diags.list[0].line, diags.list[0].message);
    app_diags_free(&diags);
    return app;
}

static int begin_empty(const struct beginning *b, uint32_t version, struct engine **e, struct err *err)
{
    struct app *app = load_app(b, err);
    if (!app)
        return -1;
    *e = engine_new(app, version, b->generation);
    return 0;
}

static int begin_rewound(const struct beginning *b, struct engine **e, struct err *err)
{
    const struct rewind_row *r = b->rewind;
    struct app *app = load_app(b, err);
    if (!app)
        return -1;
    int status = b->state.p ? engine_restore(b->state.p, b->state.len, e, err) : begin_empty(b, r->version, e, err);
    if (status < 0) {
        app_free(&app);
        return -1;
    }
    engine_rebase(*e, app, r->version, b->generation, r->to_offset >= 0 ? INT64_MAX : r->to_ms);
    return 0;
}

static int begin(const struct beginning *b, struct engine **e, struct err *err)
{
    if (b->begins)
        return begin_rewound(b, e, err);
    if (b->state.p)
        return engine_restore(b->state.p, b->state.len, e, err);
    return begin_empty(b, 1, e, err);
}

int begin_engine(const struct beginning *b, struct engine **e, int64_t *to_offset, struct err *err)
{
    struct engine_info info;
    if (begin(b, e, err) < 0)
        return -1;
    engine_info(*e, &info);
    *to_offset = b->rewind && info.from == INT64_MAX ? b->rewind->to_offset : -1;
    return 0;
}

void begin_pass(struct engine *e, int64_t *to_offset, int64_t offset)
{
    struct engine_info info;
    if (*to_offset < 0 || offset < *to_offset)
        return;
    engine_info(e, &info);
    engine_give_from(e, info.highest == INT64_MIN ? INT64_MIN : info.highest + 1);
    *to_offset = -1;
}
