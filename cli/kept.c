#include "cli/kept.h"

#include "base/files.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KEPT_MAX 65536

void kept_path(const struct client *c, const char *tenant, char *out, size_t size)
{
    snprintf(out, size, "%s/clients/%s.json", c->settings.data, tenant);
}

int kept_write(const struct client *c, const char *file, const char *tenant, const void *answer, size_t len,
               struct err *err)
{
    char path[4096], dir[4096];
    snprintf(dir, sizeof dir, "%s/clients", c->settings.data);
    kept_path(c, tenant, path, sizeof path);
    if (!file && files_make_directories(dir, err) < 0)
        return -1;
    return files_write_secret(file ? file : path, answer, len, err);
}

/* The object with the member replaced, or put behind the others. */
static void replace(const struct buf *kept, const char *member, const char *value, size_t len, struct buf *out)
{
    const char *old;
    size_t old_len;
    if (json_find(kept->data, kept->len, member, &old, &old_len) != JSON_END) {
        size_t before = (size_t)(old - kept->data);
        buf_add(out, kept->data, before);
        buf_add(out, value, len);
        buf_add(out, old + old_len, kept->len - before - old_len);
        return;
    }
    size_t end = kept->len;
    while (end && kept->data[end - 1] != '}')
        end--;
    buf_add(out, kept->data, end ? end - 1 : 0);
    json_w_name(out, member);
    json_w_raw(out, value, len);
    json_w_close(out, '}');
}

static void begin_kept(const char *tenant, struct buf *kept)
{
    json_w_open(kept, '{');
    json_w_name(kept, "tenant");
    json_w_str(kept, tenant);
    json_w_close(kept, '}');
}

int kept_renew(const struct client *c, const char *tenant, const char *member, const void *answer, size_t len,
               struct err *err)
{
    char path[4096];
    const char *value;
    size_t value_len;
    struct buf kept = {0}, renewed = {0};
    int status = 0;
    kept_path(c, tenant, path, sizeof path);
    if (json_find(answer, len, member, &value, &value_len) == JSON_END)
        return err_set(err, ERR_INTERNAL, "the server's answer has no %s", member);
    if (access(path, F_OK) == 0)
        status = files_read(path, KEPT_MAX, &kept, err);
    else
        begin_kept(tenant, &kept);
    if (status == 0) {
        replace(&kept, member, value, value_len, &renewed);
        status = kept_write(c, NULL, tenant, renewed.data, renewed.len, err);
    }
    buf_free(&kept);
    buf_free(&renewed);
    return status;
}
