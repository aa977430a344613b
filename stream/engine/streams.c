#include "stream/engine/streams.h"
#include "stream/engine/key.h"

#include <stdlib.h>
#include <string.h>

static void find_triggers(struct stream *s, const struct app *app)
{
    s->triggers = mem_zero(app->trigger_count, sizeof *s->triggers);
    s->memories = mem_zero(app->trigger_count, sizeof *s->memories);
    s->gone = mem_zero(app->trigger_count, sizeof *s->gone);
    for (size_t i = 0; i < app->trigger_count; i++) {
        if (app->triggers[i].stream == s->place)
            s->triggers[s->trigger_count++] = i;
    }
}

/* Every stream's key holds the watermark_per fields; the loader checks it. */
static void find_device_columns(struct stream *s, const struct app *app)
{
    const struct app_query *q = &s->app->query;
    s->device_columns = mem_zero(app->watermark_per_count, sizeof *s->device_columns);
    for (size_t i = 0; i < app->watermark_per_count; i++) {
        for (size_t k = 0; k < q->key_count; k++) {
            if (q->keys[k] == app->watermark_per[i])
                s->device_columns[i] = k;
        }
    }
}

struct stream *stream_new(const struct app *app, size_t place)
{
    struct stream *s = mem_zero(1, sizeof *s);
    s->of = app;
    s->app = &app->streams[place];
    s->index = s->place = s->shown = s->rank = place;
    s->grain = window_grain(s->app);
    s->overlaps = s->app->size > s->grain;
    s->ended = s->begin = s->floor = s->whole_from = BEFORE;
    row_layout_init(&s->layout, s->app->query.aggs, s->app->query.agg_count);
    result_text_init(&s->text, app, s->app);
    find_triggers(s, app);
    find_device_columns(s, app);
    return s;
}

void stream_free(struct stream *s)
{
    row_layout_free(&s->layout);
    result_text_free(&s->text);
    free(s->triggers);
    free(s->memories);
    free(s->gone);
    free(s->device_columns);
    table_free(&s->keys);
    free(s);
}

void streams_begin(struct engine *e)
{
    e->stream_count = e->app->stream_count;
    e->streams = mem_alloc(e->stream_count * sizeof(struct stream *));
    for (size_t i = 0; i < e->stream_count; i++)
        e->streams[i] = stream_new(e->app, i);
    streams_arrange(e);
}

/* ---- the order of all ---- */

static size_t present_of(const struct engine *e, const struct stream *s)
{
    for (size_t i = 0; i < e->app->stream_count; i++) {
        if (strcmp(e->app->streams[i].name, s->app->name) == 0)
            return i;
    }
    return NO_STREAM;
}

/* By the present app's order, older versions before newer ones; what was removed comes last. */
static bool published_before(const struct stream *a, const struct stream *b)
{
    return a->shown != b->shown ? a->shown < b->shown : !b->old ? a->old != NULL : a->old && a->index < b->index;
}

static void make_room(struct engine *e)
{
    size_t most = 0;
    for (size_t i = 0; i < e->stream_count; i++) {
        const struct app_query *q = &e->streams[i]->app->query;
        size_t n = 2 * q->key_count + q->agg_count + q->column_count;
        most = n > most ? n : most;
    }
    free(e->values);
    e->values = mem_zero(most, sizeof(struct value));
}

void streams_arrange(struct engine *e)
{
    for (size_t i = 0; i < e->stream_count; i++) {
        int64_t lateness = e->streams[i]->app->lateness;
        e->streams[i]->index = i;
        e->streams[i]->shown = present_of(e, e->streams[i]);
        e->lateness = i == 0 || lateness > e->lateness ? lateness : e->lateness;
    }
    for (size_t i = 0; i < e->stream_count; i++) {
        e->streams[i]->rank = 0;
        for (size_t k = 0; k < e->stream_count; k++)
            e->streams[i]->rank += k != i && published_before(e->streams[k], e->streams[i]);
    }
    make_room(e);
}

static bool types_fit(const struct stream *s, const struct app_field *fields, const struct value *values)
{
    const struct app_query *q = &s->app->query;
    for (size_t i = 0; i < q->key_count; i++) {
        if (values[i].type != VALUE_NULL && values[i].type != fields[q->keys[i]].type)
            return false;
    }
    return true;
}

bool stream_key_device(const struct stream *s, const char *key, size_t len, struct value *values, struct buf *strings,
                       struct buf *device)
{
    if (!key_get(key, len, values, s->app->query.key_count, strings) || !types_fit(s, s->of->fields, values))
        return false;
    buf_clear(device);
    for (size_t i = 0; i < s->of->watermark_per_count; i++)
        key_put(device, &values[s->device_columns[i]]);
    return true;
}
