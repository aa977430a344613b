/* Every page of a file and of its write-ahead log against its checksum, beside whoever writes them. SQLite itself never
 * reads those that are free. Its read transaction, held meanwhile, keeps the file's pages that the log does not hold,
 * and the log's frames, from being written over. */
#include "coredms/sqlite/pages.h"
#include "coredms/sqlite/store.h"
#include "coredms/sqlite/wal.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRIES 10 /* to read a page that is being written */

struct inspection {
    struct connection *c;
    damage_each *each;
    void *context;
    int file, log;         /* -1: there is none */
    size_t size;           /* of a page */
    int64_t pages;         /* of the database now */
    unsigned char *in_log; /* a bit for each page that has a frame */
    unsigned char *page;   /* room for a frame */
    int64_t looked_at;
};

static bool is_in_log(const struct inspection *n, uint32_t page)
{
    return n->in_log[page / 8] >> page % 8 & 1;
}

static void tell(struct inspection *n, const char *where, uint32_t page)
{
    char *text = mem_printf("%s%s: page %u", n->c->path, where, page);
    n->each(n->context, text);
    free(text);
}

/* 1: so many bytes; 0: there are not so many. */
static int read_log(const struct inspection *n, void *to, size_t len, int64_t at, struct err *err)
{
    ssize_t got;
    do
        got = pread(n->log, to, len, (off_t)at);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return err_set_errno(err, "%s-wal", n->c->path);
    return (size_t)got == len;
}

/* ---- the log ---- */

/* The number of frames up to the end of the last transaction; their pages are noted. Behind it somebody may be writing.
 */
static int64_t find_frames(struct inspection *n, struct err *err)
{
    unsigned char head[WAL_HEAD], frame[FRAME_HEAD];
    int64_t whole = 0, step = (int64_t)(FRAME_HEAD + n->size);
    int more = n->log < 0 ? 0 : read_log(n, head, sizeof head, 0, err);
    for (int64_t i = 0; more > 0; i++) {
        more = read_log(n, frame, sizeof frame, WAL_HEAD + i * step, err);
        if (more <= 0 || memcmp(frame + 8, head + 16, 8) != 0) /* the salts: of this log, not of one before it */
            break;
        uint32_t page = get_be32(frame);
        if (page > 0 && page <= n->pages)
            n->in_log[page / 8] |= (unsigned char)(1 << page % 8);
        if (get_be32(frame + 4))
            whole = i + 1;
    }
    return more < 0 ? -1 : whole;
}

static int inspect_log(struct inspection *n, struct err *err)
{
    int64_t step = (int64_t)(FRAME_HEAD + n->size), frames = find_frames(n, err);
    for (int64_t i = 0; i < frames; i++) {
        int got = read_log(n, n->page, (size_t)step, WAL_HEAD + i * step, err);
        if (got < 0)
            return -1;
        uint32_t page = get_be32(n->page);
        n->looked_at++;
        if (!got || !page_sum_good(n->page + FRAME_HEAD, n->size, page))
            tell(n, "-wal", page);
    }
    return frames < 0 ? -1 : 0;
}

/* ---- the file ---- */

/* By way of SQLite's own descriptor, and so of the shim, which checks it: closing another one would drop the locks that
 * this process holds on the file. *there: the file is so long. */
static int read_page(struct inspection *n, uint32_t page, bool *good, bool *there, struct err *err)
{
    sqlite3_file *f = NULL;
    sqlite3_int64 at = (sqlite3_int64)(page - 1) * (sqlite3_int64)n->size, size = 0;
    int code = sqlite3_file_control(n->c->db, "main", SQLITE_FCNTL_FILE_POINTER, &f);
    if (code == SQLITE_OK)
        code = f->pMethods->xFileSize(f, &size);
    *there = at + (sqlite3_int64)n->size <= size;
    if (code == SQLITE_OK && *there)
        code = f->pMethods->xRead(f, n->page, (int)n->size, at);
    *good = code == SQLITE_OK && *there;
    return *good || !*there || code == SQLITE_IOERR_DATA ? 0 : sql_fail(n->c, code, err);
}

static bool is_blank(const struct inspection *n)
{
    return n->page[0] == 0 && memcmp(n->page, n->page + 1, n->size - 1) == 0;
}

/* A page that is in the log may not have come into the file yet, or be on its way into it at this moment. */
static int inspect_page(struct inspection *n, uint32_t page, struct err *err)
{
    bool good = false, there = true, in_log = is_in_log(n, page);
    for (int i = 0; !good && there && i < (in_log ? TRIES : 1); i++)
        if (read_page(n, page, &good, &there, err) < 0)
            return -1;
    n->looked_at += there;
    if (!good && !(in_log && (!there || is_blank(n))))
        tell(n, "", page);
    return 0;
}

static int inspect_file(struct inspection *n, struct err *err)
{
    const uint32_t lock_page = (uint32_t)(0x40000000 / n->size) + 1; /* SQLite leaves it alone */
    for (uint32_t page = 1; page <= n->pages; page++)
        if (page != lock_page && inspect_page(n, page, err) < 0)
            return -1;
    return 0;
}

static int inspect_pages(struct inspection *n, struct err *err)
{
    char *path = mem_printf("%s-wal", n->c->path);
    n->in_log = mem_zero((size_t)n->pages / 8 + 1, 1);
    n->page = mem_alloc(FRAME_HEAD + n->size);
    n->log = open(path, O_RDONLY | O_CLOEXEC); /* nobody locks it */
    int status = inspect_log(n, err) < 0 || inspect_file(n, err) < 0 ? -1 : 0;
    if (n->log >= 0)
        close(n->log);
    free(path);
    free(n->in_log);
    free(n->page);
    return status;
}

/* In a read transaction. */
static int inspect_database(struct inspection *n, struct err *err)
{
    int64_t size, version;
    struct connection *c = n->c;
    if (sql_int(c, "PRAGMA page_size", NULL, 0, 0, &size, err) < 0 ||
        sql_int(c, "PRAGMA page_count", NULL, 0, 0, &n->pages, err) < 0 ||
        sql_int(c, "PRAGMA user_version", NULL, 0, 0, &version, err) < 0)
        return -1;
    n->size = (size_t)size;
    return version < PAGE_SUMS_VERSION ? 0 : inspect_pages(n, err);
}

static int inspect_one(struct store *s, enum db_file file, struct inspection *n, struct err *err)
{
    int64_t ignored;
    if (store_connection(s, file, &n->c, err) < 0)
        return -1;
    if (!n->c)
        return 0;
    if (sql_script(n->c, "BEGIN", err) < 0)
        return -1;
    int status = sql_int(n->c, "SELECT count(*) FROM sqlite_schema", NULL, 0, 0, &ignored, err) < 0
                     ? -1
                     : inspect_database(n, err);
    sqlite3_exec(n->c->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

int sqlite_coredms_inspect(struct coredms *db, damage_each *each, void *context, int64_t *looked_at, struct err *err)
{
    struct inspection n = {.each = each, .context = context};
    if (inspect_one(store_of(db), DB_STREAM, &n, err) < 0 || inspect_one(store_of(db), DB_BATCH, &n, err) < 0)
        return -1;
    *looked_at = n.looked_at;
    return 0;
}
