#include "cli/app_file.h"
#include "base/files.h"

#include <stdio.h>

struct app *app_file_load(const char *path, struct buf *text, struct err *err)
{
    struct app_diags diags = {0};
    struct buf shown = {0};
    buf_clear(text);
    if (files_read(path, APP_MAX_BYTES, text, err) < 0)
        return NULL;
    *err = (struct err){.code = ERR_NONE};
    struct app *app = app_load(buf_cstr(text), text->len, NULL, &diags);
    if (diags.count) {
        app_diags_text(&diags, path, text->data, text->len, &shown);
        fprintf(stderr, "%s", buf_cstr(&shown));
    }
    app_diags_free(&diags);
    buf_free(&shown);
    return app;
}
