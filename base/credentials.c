#include "base/files.h"
#include "base/json.h"
#include "base/settings.h"

#include <stdio.h>

#define FILE_MAX 1024

static bool copy_member(const struct buf *text, const char *name, char *out, size_t size)
{
    struct buf b = {0};
    bool ok = json_get_string(text->data, text->len, name, &b) && b.len < size;
    if (ok)
        snprintf(out, size, "%s", buf_cstr(&b));
    buf_free(&b);
    return ok;
}

int credentials_read(const char *path, struct credentials *c, struct err *err)
{
    struct buf text = {0};
    int status = files_read(path, FILE_MAX, &text, err);
    if (status == 0 && (!copy_member(&text, "user", c->user, sizeof c->user) ||
                        !copy_member(&text, "password", c->password, sizeof c->password)))
        status = err_set(err, ERR_INVALID, "%s holds no broker credentials", path);
    buf_free(&text);
    return status;
}

int credentials_write(const char *path, const struct credentials *c, struct err *err)
{
    struct buf b = {0};
    json_w_open(&b, '{');
    json_w_name(&b, "user");
    json_w_str(&b, c->user);
    json_w_name(&b, "password");
    json_w_str(&b, c->password);
    json_w_close(&b, '}');
    int status = files_write_secret(path, b.data, b.len, err);
    buf_free(&b);
    return status;
}
