/* Whatever comes as an upload: nothing breaks, and the pieces depend on the bytes alone. First byte: the format;
 * second: how many bytes at a time. */
#include "api/upload.h"

#include "base/hash.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

static struct app *the_app(void)
{
    static const char text[] =
        "tenant: acme\n"
        "events:\n"
        "  time: { field: t, format: unix }\n"
        "  fields: { a: int, b: { type: float, from: x.b, default: 0 }, c: { type: bool, optional: true } }\n"
        "streams:\n"
        "  - { name: s, key: [a], window: { tumbling: 1m }, select: { n: count() } }\n";
    static struct app *app;
    struct app_diags diags;
    if (app)
        return app;
    app = app_load(text, sizeof text - 1, NULL, &diags);
    app_diags_free(&diags);
    if (!app)
        abort();
    return app;
}

struct outcome {
    uint64_t hash, lines;
};

static int take(void *context, uint64_t number, const struct buf *body, uint64_t lines, struct err *err)
{
    struct outcome *o = context;
    (void)err;
    o->hash = o->hash * 31 + hash_fnv64(body->data, body->len) + number;
    o->lines += lines;
    struct json j = json_begin(body->data, body->len);
    const char *from;
    uint64_t n = 0;
    while (json_peek(&j) == JSON_OBJECT && json_skip(&j, &from))
        n++;
    if (n != lines || j.error) /* only whole objects are sent */
        abort();
    return 0;
}

static struct outcome upload(const uint8_t *p, size_t len, enum upload_format format, size_t step)
{
    struct outcome o = {0};
    struct err err;
    struct upload *u = calloc(1, sizeof *u);
    int status = 0;
    *u = (struct upload){.app = the_app(), .format = format, .send = take, .context = &o};
    upload_begin(u);
    for (size_t at = 0; at < len && status == 0; at += step)
        status = upload_add(u, p + at, len - at < step ? len - at : step, &err);
    if (status == 0)
        status = upload_end(u, &err);
    if (u->accepted != o.lines)
        abort();
    o.lines += status < 0 ? 1000000 : u->rejected * 1000;
    upload_free(u);
    free(u);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    enum upload_format format = (enum upload_format)(data[0] % 3);
    struct outcome a = upload(data + 2, size - 2, format, size),
                   b = upload(data + 2, size - 2, format, 1 + data[1] % 16);
    if (a.hash != b.hash || a.lines != b.lines)
        abort();
    return 0;
}
