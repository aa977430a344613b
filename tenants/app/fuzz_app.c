/* Any bytes as an app file. What loads must be the same app as itself; what does not must say why, at a place in the
 * file. */
#include "tenants/app/app.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned count_lines(const char *text, size_t size)
{
    unsigned lines = 2; /* an error at the end of the file may stand behind its last line */
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n' || text[i] == '\r' || (unsigned char)text[i] == 0x85 ||
                 (unsigned char)text[i] == 0xa8 ||
                 (unsigned char)text[i] == 0xa9; /* YAML knows more ends of line than one */
    return lines;
}

static void check_diags(const struct app_diags *diags, const char *text, size_t size)
{
    struct buf out = {0};
    for (size_t i = 0; i < diags->count; i++) {
        const struct app_diag *d = &diags->list[i];
        if (!d->line || !d->column || !d->length || !d->message || d->line > count_lines(text, size))
            abort();
    }
    app_diags_text(diags, "app.yaml", text, size, &out);
    app_diags_json(diags, "app.yaml", &out);
    buf_free(&out);
}

static void check_app(const struct app *app)
{
    for (size_t i = 0; i < app->stream_count; i++) {
        const struct app_stream *s = &app->streams[i];
        if (!s->name || s->size <= 0 || s->every <= 0 || s->size % s->every || !s->query.column_count)
            abort();
        if (!app_stream_same(app, s, app, s))
            abort();
    }
    for (size_t i = 0; i < app->trigger_count; i++)
        if (app->triggers[i].stream >= app->stream_count || app->triggers[i].job >= app->job_count ||
            !app->triggers[i].when)
            abort();
    for (size_t i = 0; i < app->job_count; i++)
        if (app->jobs[i].stream >= app->stream_count || (app->jobs[i].range == APP_OFF) == !app->jobs[i].period)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct app_diags diags;
    struct app *app = app_load((const char *)data, size, NULL, &diags);
    if (!app != (diags.errors > 0))
        abort();
    check_diags(&diags, (const char *)data, size);
    if (app)
        check_app(app);
    app_free(&app);
    app_diags_free(&diags);
    return 0;
}
