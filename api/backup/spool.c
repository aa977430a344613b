#include "api/backup/spool.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES (64 * 1024)

struct spool {
    int fd;
    struct buf kept; /* read and not given yet: from `at` on */
    size_t at;
};

/* O_TMPFILE where the file system knows it, else a name that goes at once. */
static int open_unnamed(const char *directory)
{
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
        return fd;
    char *path = mem_printf("%s/restore-XXXXXX", directory);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    free(path);
    return fd;
}

int spool_open(const char *directory, struct spool **s, struct err *err)
{
    int fd = open_unnamed(directory);
    if (fd < 0)
        return err_set_errno(err, "cannot make a file in %s", directory);
    *s = mem_zero(1, sizeof **s);
    (*s)->fd = fd;
    return 0;
}

int spool_add(struct spool *s, const void *p, size_t len, struct err *err)
{
    const char *from = p;
    while (len) {
        ssize_t n = write(s->fd, from, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set_errno(err, "cannot keep the backup on disk");
        from += n;
        len -= (size_t)n;
    }
    return 0;
}

int spool_rewind(struct spool *s, struct err *err)
{
    buf_clear(&s->kept);
    s->at = 0;
    return lseek(s->fd, 0, SEEK_SET) == 0 ? 0 : err_set_errno(err, "cannot read the backup again");
}

/* 1, 0 at the end, -1. */
static int read_more(struct spool *s, struct err *err)
{
    if (s->at && s->kept.data) {
        memmove(s->kept.data, s->kept.data + s->at, s->kept.len - s->at);
        s->kept.len -= s->at;
        s->at = 0;
    }
    char *to = buf_reserve(&s->kept, READ_BYTES);
    ssize_t n;
    do
        n = read(s->fd, to, READ_BYTES);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_set_errno(err, "cannot read the backup again");
    s->kept.len += (size_t)n;
    return n > 0;
}

static int at_end(const struct spool *s, struct err *err)
{
    return s->kept.len == s->at ? 0 : err_set(err, ERR_INVALID, "it is cut short: its last line has no end");
}

int spool_line(struct spool *s, size_t max, const char **line, size_t *len, struct err *err)
{
    size_t looked = 0;
    for (;;) {
        size_t have = s->kept.len - s->at;
        const char *from = s->kept.data ? s->kept.data + s->at : "";
        const char *end = have > looked ? memchr(from + looked, '\n', have - looked) : NULL;
        if (end) {
            *line = from;
            *len = (size_t)(end - from);
            s->at += *len + 1;
            return 1;
        }
        looked = have;
        if (have > max)
            return err_set(err, ERR_TOO_LARGE, "a line of it is longer than %zu bytes", max);
        int more = read_more(s, err);
        if (more <= 0)
            return more < 0 ? -1 : at_end(s, err);
    }
}

void spool_close(struct spool **s)
{
    if (!*s)
        return;
    close((*s)->fd);
    buf_free(&(*s)->kept);
    free(*s);
    *s = NULL;
}
