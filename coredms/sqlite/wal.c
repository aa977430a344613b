/* Frames, and the chain of their sums (SQLite's "Database File Format", 4.1 and 4.2). */
#include "coredms/sqlite/wal.h"
#include "coredms/sqlite/pages.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* A frame's head: page number, the database's pages after a commit (0 in all frames but a transaction's last), the
 * log's salts, the sum. All big-endian. */
#define FRAME_COMMIT 4
#define FRAME_SALTS  8
#define FRAME_SUM    16
#define HEAD_SALTS   16
#define HEAD_SUM     24

static void put_be32(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(v >> (24 - 8 * i));
}

static uint32_t get_word(const unsigned char *p, bool big_endian)
{
    uint32_t v = get_be32(p);
    return big_endian ? v : __builtin_bswap32(v);
}

static void add_to_chain(uint32_t chain[2], const unsigned char *p, size_t len, bool big_endian)
{
    uint32_t a = chain[0], b = chain[1];
    for (size_t i = 0; i + 8 <= len; i += 8) {
        a += get_word(p + i, big_endian) + b;
        b += get_word(p + i + 4, big_endian) + a;
    }
    chain[0] = a;
    chain[1] = b;
}

static void add_frame(const struct wal *w, uint32_t chain[2], const unsigned char *frame, size_t size)
{
    add_to_chain(chain, frame, FRAME_SALTS, w->big_endian);
    add_to_chain(chain, frame + FRAME_HEAD, size - FRAME_HEAD, w->big_endian);
}

static bool has_sum(const unsigned char *p, const uint32_t chain[2])
{
    return get_be32(p) == chain[0] && get_be32(p + 4) == chain[1];
}

static bool all_zero(const unsigned char *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (p[i])
            return false;
    return true;
}

static int read_at(const struct wal *w, void *p, size_t len, sqlite3_int64 at)
{
    return w->file->pMethods->xRead(w->file, p, (int)len, at);
}

static int write_at(const struct wal *w, const void *p, size_t len, sqlite3_int64 at)
{
    return w->file->pMethods->xWrite(w->file, p, (int)len, at);
}

/* ---- the log's head ---- */

/* false: it is not one, or its sum is wrong. */
static bool learn_head(struct wal *w, const unsigned char head[WAL_HEAD])
{
    uint32_t sum[2] = {0, 0};
    w->big_endian = head[3] & 1; /* the magic number is 0x377f0682 or ...83 */
    add_to_chain(sum, head, HEAD_SUM, w->big_endian);
    memcpy(w->salts, head + HEAD_SALTS, sizeof w->salts);
    w->first[0] = sum[0];
    w->first[1] = sum[1];
    return get_be32(head) >> 1 == 0x377f0682 >> 1 && has_sum(head + HEAD_SUM, sum);
}

void wal_begin(struct wal *w, sqlite3_file *file)
{
    *w = (struct wal){.file = file, .held_at = -1};
}

void wal_end(struct wal *w)
{
    free(w->frame);
    *w = (struct wal){.held_at = -1};
}

/* ---- the chain, for writing ---- */

/* Does the chain that was known to hold up to good_end still do? The log may have begun anew since. */
static bool still_good(struct wal *w, sqlite3_int64 at)
{
    unsigned char head[FRAME_HEAD];
    sqlite3_int64 last = w->good_end - (sqlite3_int64)w->size;
    return w->good_end <= at && last >= WAL_HEAD && read_at(w, head, sizeof head, last) == SQLITE_OK &&
           memcmp(head + FRAME_SALTS, w->salts, sizeof w->salts) == 0 && has_sum(head + FRAME_SUM, w->chain);
}

/* w->chain becomes the sum of the frame before `at`. */
static int reach(struct wal *w, sqlite3_int64 at)
{
    unsigned char head[WAL_HEAD];
    if (w->fresh && w->good_end == at)
        return SQLITE_OK;
    int code = read_at(w, head, sizeof head, 0);
    if (code != SQLITE_OK)
        return code;
    if (!learn_head(w, head))
        return SQLITE_IOERR_DATA;
    if (!still_good(w, at)) {
        w->good_end = WAL_HEAD;
        memcpy(w->chain, w->first, sizeof w->chain);
    }
    for (; w->good_end < at; w->good_end += (sqlite3_int64)w->size) {
        code = read_at(w, w->frame, w->size, w->good_end);
        if (code != SQLITE_OK)
            return code;
        add_frame(w, w->chain, w->frame, w->size);
        if (memcmp(w->frame + FRAME_SALTS, w->salts, sizeof w->salts) != 0 ||
            !has_sum(w->frame + FRAME_SUM, w->chain)) {
            w->good_end = 0;
            return SQLITE_IOERR_DATA; /* another program wrote it */
        }
    }
    return SQLITE_OK;
}

int wal_flush(struct wal *w)
{
    if (w->held_at < 0)
        return SQLITE_OK;
    int code = write_at(w, w->held, sizeof w->held, w->held_at);
    if (w->held_at < w->good_end)
        w->good_end = 0;
    w->held_at = -1;
    w->fresh = false;
    return code;
}

int wal_hold(struct wal *w, const unsigned char head[FRAME_HEAD], sqlite3_int64 at)
{
    int code = wal_flush(w);
    memcpy(w->held, head, sizeof w->held);
    w->held_at = at;
    w->recover_at = 0;
    return code;
}

static void make_room(struct wal *w, size_t page_size)
{
    if (w->size == FRAME_HEAD + page_size)
        return;
    w->size = FRAME_HEAD + page_size;
    w->frame = mem_resize(w->frame, w->size, 1);
    w->good_end = 0;
}

/* SQLite sums again itself what it writes over, before it commits; until then the chain ends before it. */
static int write_over(struct wal *w, const unsigned char *page, size_t size, sqlite3_int64 at)
{
    int code = wal_flush(w);
    if (code == SQLITE_OK)
        code = read_at(w, w->frame, FRAME_HEAD, at - FRAME_HEAD);
    if (code != SQLITE_OK)
        return code;
    memcpy(w->frame + FRAME_HEAD, page, size);
    page_sum_put(w->frame + FRAME_HEAD, size, get_be32(w->frame));
    w->good_end = 0;
    w->fresh = false;
    w->recover_at = 0;
    return write_at(w, w->frame + FRAME_HEAD, size, at);
}

int wal_page(struct wal *w, const unsigned char *page, size_t size, sqlite3_int64 at)
{
    make_room(w, size);
    if (w->held_at < 0 || w->held_at + FRAME_HEAD != at)
        return write_over(w, page, size, at);
    bool summed = !all_zero(w->held + FRAME_SALTS, FRAME_HEAD - FRAME_SALTS); /* else that comes before the commit */
    int code = summed ? reach(w, w->held_at) : SQLITE_OK;
    memcpy(w->frame, w->held, FRAME_HEAD);
    memcpy(w->frame + FRAME_HEAD, page, size);
    page_sum_put(w->frame + FRAME_HEAD, size, get_be32(w->frame));
    uint32_t chain[2] = {w->chain[0], w->chain[1]};
    if (summed) {
        add_frame(w, chain, w->frame, w->size);
        put_be32(w->frame + FRAME_SUM, chain[0]);
        put_be32(w->frame + FRAME_SUM + 4, chain[1]);
    }
    if (code == SQLITE_OK)
        code = write_at(w, w->frame, w->size, w->held_at);
    w->fresh = summed && code == SQLITE_OK;
    if (w->fresh) {
        w->good_end = w->held_at + (sqlite3_int64)w->size;
        memcpy(w->chain, chain, sizeof chain);
    }
    w->held_at = -1;
    return code;
}

/* ---- a log read from its beginning ---- */

/* SQLite takes a log without a good head for an empty one. Its first bytes are written and synced before all else. */
int wal_head_read(struct wal *w, const unsigned char head[WAL_HEAD])
{
    bool good = learn_head(w, head);
    w->recover_at = good ? WAL_HEAD : 0;
    memcpy(w->recover_chain, w->first, sizeof w->first);
    return good || all_zero(head, WAL_HEAD) ? SQLITE_OK : SQLITE_IOERR_DATA;
}

/* A frame that does not hold ends the log, as after a crash, unless a transaction ended behind it and another began:
 * each is synced before the next begins, so what was written before was good once. */
static int find_later(const struct wal *w, size_t size, sqlite3_int64 at)
{
    unsigned char head[FRAME_HEAD];
    bool ended = false;
    for (; read_at(w, head, sizeof head, at) == SQLITE_OK; at += (sqlite3_int64)size) {
        if (memcmp(head + FRAME_SALTS, w->salts, sizeof w->salts) != 0)
            continue;
        if (ended)
            return SQLITE_IOERR_DATA;
        ended = get_be32(head + FRAME_COMMIT) != 0;
    }
    return SQLITE_OK;
}

int wal_frame_read(struct wal *w, const unsigned char *frame, size_t size, sqlite3_int64 at)
{
    if (w->recover_at != at)
        return SQLITE_OK;
    add_frame(w, w->recover_chain, frame, size);
    if (memcmp(frame + FRAME_SALTS, w->salts, sizeof w->salts) == 0 && has_sum(frame + FRAME_SUM, w->recover_chain)) {
        w->recover_at = at + (sqlite3_int64)size;
        return SQLITE_OK;
    }
    w->recover_at = 0;
    return find_later(w, size, at);
}
