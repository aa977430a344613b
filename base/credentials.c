#include "base/json.h"
#include "base/settings.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX 1024

static bool copy_member(const char *text, size_t len, const char *name, char *out, size_t size)
{
    struct buf b = {0};
    bool ok = json_get_string(text, len, name, &b) && b.len < size;
    if (ok)
        snprintf(out, size, "%s", buf_cstr(&b));
    buf_free(&b);
    return ok;
}

int credentials_read(const char *path, struct credentials *c, struct err *err)
{
    char text[FILE_MAX];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, "cannot read the broker credentials in %s", path);
    ssize_t n = read(fd, text, sizeof text);
    close(fd);
    if (n <= 0 || !copy_member(text, (size_t)n, "user", c->user, sizeof c->user) ||
        !copy_member(text, (size_t)n, "password", c->password, sizeof c->password))
        return err_set(err, ERR_INVALID, "%s holds no broker credentials", path);
    return 0;
}

/* Written beside and renamed, so that a reader never sees half of it. */
int credentials_write(const char *path, const struct credentials *c, struct err *err)
{
    char part[4096];
    struct buf b = {0};
    snprintf(part, sizeof part, "%s.part", path);
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set_errno(err, "cannot write %s", part);
    json_w_open(&b, '{');
    json_w_name(&b, "user");
    json_w_str(&b, c->user);
    json_w_name(&b, "password");
    json_w_str(&b, c->password);
    json_w_close(&b, '}');
    bool ok = write(fd, b.data, b.len) == (ssize_t)b.len && fsync(fd) == 0;
    buf_free(&b);
    if (!ok)
        err_set_errno(err, "cannot write %s", part);
    close(fd);
    if (ok && rename(part, path) < 0) {
        err_set_errno(err, "cannot write %s", path);
        ok = false;
    }
    if (!ok)
        unlink(part);
    return ok ? 0 : -1;
}
