#include "stream/engine/streams.h"
#include "stream/engine/key.h"

#include <stdlib.h>

static void find_triggers(struct stream *s, const struct app *app)
{
    s->triggers = mem_zero(app->trigger_count, sizeof *s->triggers);
    for (size_t i = 0; i < app->trigger_count; i++) {
        if (app->triggers[i].stream == s->index)
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

struct stream *streams_new(const struct app *app)
{
    struct stream *streams = mem_zero(app->stream_count, sizeof *streams);
    for (size_t i = 0; i < app->stream_count; i++) {
        struct stream *s = &streams[i];
        s->app = &app->streams[i];
        s->index = i;
        s->grain = window_grain(s->app);
        s->floor = BEFORE;
        row_layout_init(&s->layout, s->app->query.aggs, s->app->query.agg_count);
        find_triggers(s, app);
        find_device_columns(s, app);
    }
    return streams;
}

void streams_free(struct stream *streams, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        row_layout_free(&streams[i].layout);
        free(streams[i].triggers);
        free(streams[i].device_columns);
        table_free(&streams[i].keys);
    }
    free(streams);
}

struct value *streams_values(const struct app *app)
{
    size_t most = 0;
    for (size_t i = 0; i < app->stream_count; i++) {
        const struct app_query *q = &app->streams[i].query;
        size_t n = 2 * q->key_count + q->agg_count + q->column_count;
        most = n > most ? n : most;
    }
    return mem_zero(most, sizeof(struct value));
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

bool stream_key_device(const struct stream *s, const struct app *app, const char *key, size_t len, struct value *values,
                       struct buf *strings, struct buf *device)
{
    if (!key_get(key, len, values, s->app->query.key_count, strings) || !types_fit(s, app->fields, values))
        return false;
    buf_clear(device);
    for (size_t i = 0; i < app->watermark_per_count; i++)
        key_put(device, &values[s->device_columns[i]]);
    return true;
}
