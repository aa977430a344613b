#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 4096
#define READ_STEP 65536

static int make_one(const char *path, struct err *err)
{
    struct stat st;
    if (mkdir(path, 0700) == 0)
        return 0;
    int saved = errno;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return 0;
    errno = saved;
    return err_set_errno(err, "cannot make the directory %s", path);
}

int files_make_directories(const char *path, struct err *err)
{
    char part[PATH_SIZE];
    size_t len = strlen(path);
    if (len >= sizeof part)
        return err_set(err, ERR_INVALID, "the path %.60s... is too long", path);
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != 0)
            continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (make_one(part, err) < 0)
            return -1;
    }
    return 0;
}

int files_read(const char *path, size_t max, struct buf *out, struct err *err)
{
    size_t begin = out->len;
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, "cannot read %s", path);
    ssize_t n;
    while ((n = read(fd, buf_reserve(out, READ_STEP), READ_STEP)) > 0 && out->len - begin + (size_t)n <= max)
        out->len += (size_t)n;
    int status = 0;
    if (n < 0)
        status = err_set_errno(err, "cannot read %s", path);
    else if (n > 0)
        status = err_set(err, ERR_TOO_LARGE, "%s is larger than %zu bytes", path, max);
    close(fd);
    return status;
}

static int write_synced(const char *path, const void *p, size_t len, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set_errno(err, "cannot write %s", path);
    int status = 0;
    if (write(fd, p, len) != (ssize_t)len || fsync(fd) < 0)
        status = err_set_errno(err, "cannot write %s", path);
    close(fd);
    return status;
}

int files_write_secret(const char *path, const void *p, size_t len, struct err *err)
{
    char part[PATH_SIZE];
    if (snprintf(part, sizeof part, "%s.part", path) >= (int)sizeof part)
        return err_set(err, ERR_INVALID, "the path %.60s... is too long", path);
    int status = write_synced(part, p, len, err);
    if (status == 0 && rename(part, path) < 0)
        status = err_set_errno(err, "cannot write %s", path);
    if (status < 0)
        unlink(part);
    return status;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

int files_remove_tree(const char *path)
{
    return nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
