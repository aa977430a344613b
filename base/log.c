#include "base/log.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_SIZE 2048

enum log_level log_level = LOG_INFO;

static char context[160] = "belltower";
static int log_fd = STDERR_FILENO;
static const char *const level_names[] = {"debug", "info", "warn", "error"};

static void level_from_environment(void)
{
    const char *text = getenv("BELLTOWER_LOG");
    for (int i = 0; text && i < 4; i++)
        if (strcmp(text, level_names[i]) == 0)
            log_level = (enum log_level)i;
}

void log_begin(const char *process, const char *tenant)
{
    if (tenant)
        snprintf(context, sizeof context, "%s tenant=%s", process, tenant);
    else
        snprintf(context, sizeof context, "%s", process);
    level_from_environment();
}

int log_to_file(const char *path, struct err *err)
{
    int fd = STDERR_FILENO;
    if (path && (fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640)) < 0)
        return err_set_errno(err, "cannot open the log file %s", path);
    if (log_fd != STDERR_FILENO)
        close(log_fd);
    log_fd = fd;
    return 0;
}

/* Puts text as a quoted logfmt value: nothing from outside can break the line. */
static size_t quote(char *out, size_t size, const char *text)
{
    size_t n = 0;
    out[n++] = '"';
    for (; *text && n + 6 < size; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            out[n++] = '\\';
        if (c < 0x20 || c == 0x7f)
            n += (size_t)snprintf(out + n, size - n, "\\x%02x", c);
        else
            out[n++] = (char)c;
    }
    out[n++] = '"';
    out[n++] = '\n';
    return n;
}

void log_raw(const char *p, size_t len)
{
    ssize_t written = write(log_fd, p, len);
    (void)written;
}

void log_line(enum log_level level, const char *fmt, ...)
{
    if (level < log_level)
        return;
    int saved = errno;
    char text[LINE_SIZE / 2], line[LINE_SIZE + 256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);

    int64_t ms = clock_wall_ms();
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t n = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(line + n, sizeof line - n, ".%03dZ %s %s message=", (int)(ms % 1000), level_names[level],
                          context);
    n += quote(line + n, sizeof line - n, text);
    log_raw(line, n); /* one write per line; a full pipe or disk loses lines, never the process */
    errno = saved;
}
