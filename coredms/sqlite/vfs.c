/* The shim: SQLite's default VFS, with a sum in every page of a summed database. Only the database and its write-ahead
 * log pass through it; what else SQLite opens is the default VFS's own. */
#include "coredms/sqlite/pages.h"
#include "coredms/sqlite/wal.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct summed_file {
    sqlite3_file base;
    struct summed_file *database;      /* itself, or that of this log */
    struct summed_file *log;           /* of a database: its log, while it is open */
    size_t page_size;                  /* of a database; 0 = not known yet: then sums is false */
    bool sums;                         /* page 1, when it was read or written last, said that there are sums */
    bool sum_all;                      /* PAGES_FCNTL_SUM */
    bool unchecked;                    /* PAGES_FCNTL_UNCHECKED */
    bool folding;                      /* a checkpoint copies pages as they are */
    struct wal wal;                    /* of a log */
    _Alignas(8) unsigned char under[]; /* the default VFS's own; SQLite aligns to 8 */
};

static sqlite3_vfs *default_vfs;

static struct summed_file *self(sqlite3_file *file)
{
    return (struct summed_file *)file;
}

static sqlite3_file *under(sqlite3_file *file)
{
    return (sqlite3_file *)(void *)self(file)->under;
}

static bool is_log(const struct summed_file *f)
{
    return f->wal.file != NULL;
}

static bool is_page_size(size_t size)
{
    return size >= PAGE_SMALLEST && size <= PAGE_LARGEST && (size & (size - 1)) == 0;
}

/* ---- reading ---- */

/* number 0: it comes from the log, which knows. */
static int check_page(struct summed_file *d, const unsigned char *page, size_t size, uint32_t number)
{
    if (d->folding)
        return SQLITE_OK; /* it bears its sum to where it goes */
    if (number == 1 || (number == 0 && pages_size_in(page) == size)) {
        enum pages_kind kind = pages_kind_of(page);
        if (kind == PAGES_DAMAGED || (d->sums && !d->unchecked && !pages_size_in(page)))
            return SQLITE_IOERR_DATA;
        d->sums = kind == PAGES_SUMMED;
        d->page_size = size;
    }
    return !d->sums || d->unchecked || page_sum_good(page, size, number) ? SQLITE_OK : SQLITE_IOERR_DATA;
}

/* A part of a page, or several: the whole of each is read and checked. */
static int read_parts(struct summed_file *d, char *to, size_t len, sqlite3_int64 at)
{
    unsigned char *page = mem_alloc(d->page_size);
    int code = SQLITE_OK;
    while (len && code == SQLITE_OK) {
        size_t skip = (size_t)at % d->page_size, part = d->page_size - skip < len ? d->page_size - skip : len;
        sqlite3_int64 begin = at - (sqlite3_int64)skip;
        code = under(&d->base)->pMethods->xRead(under(&d->base), page, (int)d->page_size, begin);
        if (code == SQLITE_OK)
            code = check_page(d, page, d->page_size, (uint32_t)((size_t)begin / d->page_size) + 1);
        memcpy(to, page + skip, part);
        to += part;
        at += (sqlite3_int64)part;
        len -= part;
    }
    free(page);
    return code;
}

static int read_database(struct summed_file *d, void *to, int len, sqlite3_int64 at)
{
    size_t size = (size_t)len;
    if (d->sums && len > 16 && !(at == 0 && size <= 100) && !(size == d->page_size && (size_t)at % size == 0))
        return read_parts(d, to, size, at);
    int code = under(&d->base)->pMethods->xRead(under(&d->base), to, len, at);
    if (at == 0 && size >= 100 && code == SQLITE_OK && pages_size_in(to)) /* else what page 1 in the log said stays */
        d->page_size = pages_size_in(to);
    if (size != d->page_size || (size_t)at % size != 0)
        return code;
    if (code == SQLITE_IOERR_SHORT_READ && d->sums)
        return SQLITE_IOERR_DATA; /* cut off */
    return code == SQLITE_OK ? check_page(d, to, size, (uint32_t)((size_t)at / size) + 1) : code;
}

static int read_log(struct summed_file *f, unsigned char *to, int len, sqlite3_int64 at)
{
    size_t size = (size_t)len;
    int code = wal_flush(&f->wal);
    if (code == SQLITE_OK)
        code = f->wal.file->pMethods->xRead(f->wal.file, to, len, at);
    if (code != SQLITE_OK)
        return code;
    if (at == 0 && size == WAL_HEAD)
        return wal_head_read(&f->wal, to);
    if (size > FRAME_HEAD && is_page_size(size - FRAME_HEAD) && (size_t)(at - WAL_HEAD) % size == 0)
        return wal_frame_read(&f->wal, to, size, at);
    bool page = is_page_size(size) && (size_t)(at - WAL_HEAD) % (size + FRAME_HEAD) == FRAME_HEAD;
    return page ? check_page(f->database, to, size, 0) : SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *to, int len, sqlite3_int64 at)
{
    struct summed_file *f = self(file);
    return is_log(f) ? read_log(f, to, len, at) : read_database(f, to, len, at);
}

/* ---- writing ---- */

static void see_page_1(struct summed_file *d, const unsigned char *page, size_t size)
{
    if (pages_size_in(page) != size)
        return;
    d->page_size = size;
    d->sums = pages_kind_of(page) == PAGES_SUMMED;
}

static int write_database(struct summed_file *d, const void *from, int len, sqlite3_int64 at)
{
    size_t size = (size_t)len;
    if (at == 0 && is_page_size(size))
        see_page_1(d, from, size);
    bool page = size == d->page_size && (size_t)at % size == 0;
    if (!page || d->folding || (!d->sums && !d->sum_all))
        return under(&d->base)->pMethods->xWrite(under(&d->base), from, len, at);
    unsigned char *copy = mem_alloc(size);
    memcpy(copy, from, size);
    page_sum_put(copy, size, (uint32_t)((size_t)at / size) + 1);
    int code = under(&d->base)->pMethods->xWrite(under(&d->base), copy, len, at);
    free(copy);
    return code;
}

static int write_log(struct summed_file *f, const unsigned char *from, int len, sqlite3_int64 at)
{
    size_t size = (size_t)len;
    struct summed_file *d = f->database;
    if (is_page_size(size) && at > WAL_HEAD)
        see_page_1(d, from, size);
    bool sum = d->sums || d->sum_all;
    if (sum && size == FRAME_HEAD)
        return wal_hold(&f->wal, from, at);
    if (sum && is_page_size(size) && (size_t)(at - WAL_HEAD) % (size + FRAME_HEAD) == FRAME_HEAD)
        return wal_page(&f->wal, from, size, at);
    int code = wal_flush(&f->wal);
    f->wal.fresh = false;
    f->wal.recover_at = 0;
    return code == SQLITE_OK ? f->wal.file->pMethods->xWrite(f->wal.file, from, len, at) : code;
}

static int file_write(sqlite3_file *file, const void *from, int len, sqlite3_int64 at)
{
    struct summed_file *f = self(file);
    return is_log(f) ? write_log(f, from, len, at) : write_database(f, from, len, at);
}

/* ---- what is passed on ---- */

static int settle(struct summed_file *f)
{
    return is_log(f) ? wal_flush(&f->wal) : SQLITE_OK;
}

static int file_close(sqlite3_file *file)
{
    struct summed_file *f = self(file);
    int settled = settle(f), code = under(file)->pMethods->xClose(under(file));
    if (f->database != f)
        f->database->log = NULL;
    wal_end(&f->wal);
    return settled == SQLITE_OK ? code : settled;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    int code = settle(self(file));
    return code == SQLITE_OK ? under(file)->pMethods->xTruncate(under(file), size) : code;
}

static int file_sync(sqlite3_file *file, int flags)
{
    int code = settle(self(file));
    self(file)->wal.fresh = false;
    return code == SQLITE_OK ? under(file)->pMethods->xSync(under(file), flags) : code;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    int code = settle(self(file));
    return code == SQLITE_OK ? under(file)->pMethods->xFileSize(under(file), size) : code;
}

static int file_lock(sqlite3_file *file, int level)
{
    return under(file)->pMethods->xLock(under(file), level);
}

static int file_unlock(sqlite3_file *file, int level)
{
    return under(file)->pMethods->xUnlock(under(file), level);
}

static int file_check_reserved(sqlite3_file *file, int *answer)
{
    return under(file)->pMethods->xCheckReservedLock(under(file), answer);
}

static int file_control(sqlite3_file *file, int op, void *arg)
{
    struct summed_file *f = self(file);
    if (op == PAGES_FCNTL_SUM) {
        f->sum_all = true;
        return SQLITE_OK;
    }
    if (op == PAGES_FCNTL_UNCHECKED) {
        f->unchecked = true;
        return SQLITE_OK;
    }
    if (op == SQLITE_FCNTL_MMAP_SIZE) { /* a page that is mapped is not seen here */
        *(sqlite3_int64 *)arg = 0;
        return SQLITE_OK;
    }
    if (op == SQLITE_FCNTL_CKPT_START || op == SQLITE_FCNTL_CKPT_DONE)
        f->folding = op == SQLITE_FCNTL_CKPT_START;
    return under(file)->pMethods->xFileControl(under(file), op, arg);
}

static int file_sector_size(sqlite3_file *file)
{
    return under(file)->pMethods->xSectorSize(under(file));
}

static int file_characteristics(sqlite3_file *file)
{
    int all = under(file)->pMethods->xDeviceCharacteristics(under(file));
#ifdef SQLITE_IOCAP_SUBPAGE_READ
    all &= ~SQLITE_IOCAP_SUBPAGE_READ;
#endif
    return all;
}

static int file_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **at)
{
    return under(file)->pMethods->xShmMap(under(file), page, size, extend, at);
}

static int file_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    struct summed_file *f = self(file);
    f->folding = false;
    if (f->log)
        f->log->wal.fresh = false; /* others may write between two locks */
    return under(file)->pMethods->xShmLock(under(file), offset, n, flags);
}

static void file_shm_barrier(sqlite3_file *file)
{
    under(file)->pMethods->xShmBarrier(under(file));
}

static int file_shm_unmap(sqlite3_file *file, int remove)
{
    return under(file)->pMethods->xShmUnmap(under(file), remove);
}

static int file_fetch(sqlite3_file *file, sqlite3_int64 at, int len, void **p)
{
    (void)file;
    (void)at;
    (void)len;
    *p = NULL;
    return SQLITE_OK;
}

static int file_unfetch(sqlite3_file *file, sqlite3_int64 at, void *p)
{
    (void)file;
    (void)at;
    (void)p;
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 3,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
    .xFetch = file_fetch,
    .xUnfetch = file_unfetch,
};

/* ---- opening ---- */

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    struct summed_file *f = self(file);
    (void)vfs;
    if (!(flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)))
        return default_vfs->xOpen(default_vfs, name, file, flags, out);
    memset(f, 0, sizeof *f + (size_t)default_vfs->szOsFile);
    int code = default_vfs->xOpen(default_vfs, name, under(file), flags, out);
    if (code != SQLITE_OK) {
        if (under(file)->pMethods)
            under(file)->pMethods->xClose(under(file));
        return code;
    }
    f->base.pMethods = &methods;
    f->database = f;
    if (flags & SQLITE_OPEN_WAL) {
        f->database = self(sqlite3_database_file_object(name));
        f->database->log = f;
        wal_begin(&f->wal, under(file));
    }
    return SQLITE_OK;
}

static sqlite3_vfs shim;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool registered;

static void register_shim(void)
{
    default_vfs = sqlite3_vfs_find(NULL);
    if (!default_vfs)
        return;
    shim = *default_vfs; /* its other calls never ask which VFS they are called with, save for pAppData */
    shim.zName = PAGES_VFS;
    shim.szOsFile = (int)sizeof(struct summed_file) + default_vfs->szOsFile;
    shim.xOpen = open_file;
    shim.pNext = NULL;
    registered = sqlite3_vfs_register(&shim, 0) == SQLITE_OK;
}

bool pages_register(void)
{
    pthread_once(&once, register_shim);
    return registered;
}
