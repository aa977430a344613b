#include "base/calendar.h"
#include "base/mem.h"
#include "base/zone_rule.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ZONE_DIR       "/usr/share/zoneinfo/"
#define ZONE_MAX_BYTES 65536

/* Times outside of this are taken as its ends, so that no sum below overflows: years -30000 to 30000 or so. */
#define SECONDS_LIMIT INT64_C(1000000000000)
#define REACH         (27 * 3600) /* no offset is larger */

struct zone {
    size_t count;
    int64_t *at;     /* UTC seconds of each change, rising */
    int32_t *offset; /* in force from at[i] */
    int32_t first;   /* before at[0] */
    bool has_rule;   /* else the last offset goes on */
    struct zone_rule rule;
};

/* ---- reading TZif (RFC 8536), versions 2 to 4 ---- */

struct tzif {
    const unsigned char *at, *end;
};

struct tzif_counts {
    uint32_t isut, isstd, leap, time, type, chars;
};

static int64_t big_endian(const unsigned char *p, int bytes)
{
    uint64_t v = p[0] & 0x80 ? UINT64_MAX : 0;
    for (int i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    return (int64_t)v;
}

static bool skip(struct tzif *f, uint64_t bytes)
{
    if ((uint64_t)(f->end - f->at) < bytes)
        return false;
    f->at += bytes;
    return true;
}

static bool read_header(struct tzif *f, struct tzif_counts *c)
{
    const unsigned char *p = f->at;
    if (!skip(f, 44) || memcmp(p, "TZif", 4) != 0 || p[4] < '2')
        return false;
    uint32_t *const fields[] = {&c->isut, &c->isstd, &c->leap, &c->time, &c->type, &c->chars};
    for (int i = 0; i < 6; i++) {
        int64_t v = big_endian(p + 20 + i * 4, 4);
        if (v < 0 || v > ZONE_MAX_BYTES)
            return false;
        *fields[i] = (uint32_t)v;
    }
    return c->type > 0;
}

static uint64_t body_bytes(const struct tzif_counts *c, unsigned time_size)
{
    return (uint64_t)c->time * (time_size + 1) + c->type * 6u + c->chars + (uint64_t)c->leap * (time_size + 4) +
           c->isstd + c->isut;
}

static bool read_types(const unsigned char *types, const unsigned char *indexes, const struct tzif_counts *c,
                       struct zone *z)
{
    z->first = (int32_t)big_endian(types, 4);
    for (uint32_t i = 0; i < c->time; i++) {
        if (indexes[i] >= c->type)
            return false;
        z->offset[i] = (int32_t)big_endian(types + indexes[i] * 6, 4);
        if (z->offset[i] < -REACH || z->offset[i] > REACH || (i && z->at[i] <= z->at[i - 1]))
            return false;
    }
    return z->first >= -REACH && z->first <= REACH;
}

static bool read_footer(struct tzif *f, struct zone *z)
{
    const unsigned char *start = f->at + 1;
    if (f->at == f->end || *f->at != '\n')
        return false;
    const unsigned char *stop = memchr(start, '\n', (size_t)(f->end - start));
    if (!stop)
        return false;
    z->has_rule = stop > start;
    return !z->has_rule || zone_rule_parse((const char *)start, (size_t)(stop - start), &z->rule);
}

static bool read_tzif(const unsigned char *bytes, size_t len, struct zone *z)
{
    struct tzif f = {bytes, bytes + len};
    struct tzif_counts c;
    /* The first block repeats the data in 32 bits for old readers. */
    if (!read_header(&f, &c) || !skip(&f, body_bytes(&c, 4)) || !read_header(&f, &c) || c.leap)
        return false;
    const unsigned char *body = f.at;
    if (!skip(&f, body_bytes(&c, 8)))
        return false;
    z->count = c.time;
    z->at = mem_zero(c.time, sizeof *z->at);
    z->offset = mem_zero(c.time, sizeof *z->offset);
    for (uint32_t i = 0; i < c.time; i++)
        z->at[i] = big_endian(body + i * 8, 8);
    const unsigned char *indexes = body + (size_t)c.time * 8;
    return read_types(indexes + c.time, indexes, &c, z) && read_footer(&f, z);
}

/* ---- files ---- */

static bool name_ok(const char *name)
{
    static const char *const local[] = {"localtime", "posixrules", "Factory"}; /* another thing on each machine */
    size_t len = strlen(name);
    if (!len || len > 64 || name[0] == '/' || name[0] == '.' || strstr(name, "/.") || !strncmp(name, "right/", 6))
        return false;
    for (size_t i = 0; i < sizeof local / sizeof *local; i++)
        if (!strcmp(name, local[i]))
            return false;
    return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") == len;
}

static ssize_t read_file(const char *path, unsigned char *bytes, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return -1;
    size_t len = 0;
    ssize_t n = 1;
    while (n > 0 && len < size) {
        n = read(fd, bytes + len, size - len);
        len += n > 0 ? (size_t)n : 0;
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return n < 0 ? -1 : (ssize_t)len;
}

/* Says nothing of whether there is such a zone. */
static bool is_passing(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == EIO || error == EINTR;
}

static int no_such_zone(const char *name, struct err *err)
{
    if (access(ZONE_DIR, R_OK) < 0)
        return err_set(err, ERR_NOT_FOUND, "no time zones in %s; install the package tzdata", ZONE_DIR);
    return err_set(err, ERR_INVALID, "no time zone \"%.64s\"; expected an IANA name such as Europe/Helsinki or UTC",
                   name);
}

int zone_load(const char *name, struct zone **zone, struct err *err)
{
    if (!name_ok(name))
        return no_such_zone(name, err);
    struct zone *z = mem_zero(1, sizeof *z);
    if (!strcmp(name, "UTC")) { /* needs no file */
        *zone = z;
        return 0;
    }
    char path[sizeof ZONE_DIR + 64] = ZONE_DIR;
    strcat(path, name);
    unsigned char *bytes = mem_alloc(ZONE_MAX_BYTES);
    ssize_t len = read_file(path, bytes, ZONE_MAX_BYTES);
    int error = len < 0 ? errno : 0;
    bool ok = len > 0 && read_tzif(bytes, (size_t)len, z);
    free(bytes);
    if (!ok) {
        zone_free(&z);
        if (is_passing(error))
            return err_set(err, ERR_UNAVAILABLE, "cannot read the time zone \"%.64s\": %s", name, strerror(error));
        return no_such_zone(name, err);
    }
    *zone = z;
    return 0;
}

void zone_free(struct zone **zone)
{
    if (!*zone)
        return;
    free((*zone)->at);
    free((*zone)->offset);
    free(*zone);
    *zone = NULL;
}

/* ---- looking up ---- */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* How many changes lie at or before the instant. */
static size_t changes_until(const struct zone *z, int64_t utc)
{
    size_t low = 0, high = z->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (z->at[middle] <= utc)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The stretch of one offset that holds the instant: [*from, *to) in UTC seconds. */
static void segment(const struct zone *z, int64_t utc, int64_t *from, int64_t *to, int32_t *offset)
{
    size_t n = changes_until(z, utc);
    if (n == z->count && z->has_rule) {
        zone_rule_segment(&z->rule, utc, from, to, offset);
        if (n && *from < z->at[n - 1])
            *from = z->at[n - 1];
        return;
    }
    *from = n ? z->at[n - 1] : INT64_MIN;
    *to = n < z->count ? z->at[n] : INT64_MAX;
    *offset = n ? z->offset[n - 1] : z->first;
}

static int64_t clamp_seconds(int64_t ms)
{
    int64_t s = floor_div(ms, 1000);
    return s < -SECONDS_LIMIT ? -SECONDS_LIMIT : s > SECONDS_LIMIT ? SECONDS_LIMIT : s;
}

int32_t zone_offset(const struct zone *z, int64_t utc_ms)
{
    int64_t from, to;
    int32_t offset;
    segment(z, clamp_seconds(utc_ms), &from, &to, &offset);
    return offset;
}

int64_t zone_to_utc(const struct zone *z, int64_t local_ms)
{
    int64_t local = clamp_seconds(local_ms), fraction = local_ms - floor_div(local_ms, 1000) * 1000;
    int64_t from, to = local - REACH;
    for (;;) { /* stretch by stretch: the first one that shows this local time, or begins behind it */
        int32_t offset;
        segment(z, to, &from, &to, &offset);
        if (local - offset < from)
            return from * 1000;
        if (local - offset < to)
            return (local - offset) * 1000 + fraction;
    }
}
