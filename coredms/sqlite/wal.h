/* The write-ahead log of a summed file, as the shim of vfs.c writes it. SQLite sums each frame before the page has its
 * own sum, so the frame's is computed again, on from the frame before: the log in the file is a chain that every SQLite
 * accepts. (The chain that SQLite keeps beside it, in shared memory, is another one: a program without the shim that
 * writes while the log is in use breaks the chain, which is found before anything is written behind it.)
 * All calls: SQLITE_OK, what the file answered, or SQLITE_IOERR_DATA. */
#ifndef BELLTOWER_COREDMS_SQLITE_WAL_H
#define BELLTOWER_COREDMS_SQLITE_WAL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WAL_HEAD   32
#define FRAME_HEAD 24

struct wal {
    sqlite3_file *file;   /* of the default VFS; NULL: this is no log */
    unsigned char *frame; /* room for one; NULL before the first */
    size_t size;          /* of a frame; 0 = not known yet */

    unsigned char salts[8]; /* of the head, when it was read last */
    bool big_endian;
    uint32_t first[2]; /* its sum */

    sqlite3_int64 held_at; /* a frame's head that waits for its page; -1 = none */
    unsigned char held[FRAME_HEAD];

    sqlite3_int64 good_end; /* the chain holds up to here ... */
    uint32_t chain[2];      /* ... with this sum */
    bool fresh;             /* nobody else can have written since */

    sqlite3_int64 recover_at; /* of the next frame, while SQLite reads a log from its beginning; 0 = it does not */
    uint32_t recover_chain[2];
};

void wal_begin(struct wal *w, sqlite3_file *file);
void wal_end(struct wal *w);
/* Before anything else is done with the file: a head that waits is written as it is. */
int wal_flush(struct wal *w);
/* A frame's head comes first, then its page; a page alone is one that is written over in its frame. */
int wal_hold(struct wal *w, const unsigned char head[FRAME_HEAD], sqlite3_int64 at);
int wal_page(struct wal *w, const unsigned char *page, size_t size, sqlite3_int64 at);
/* What SQLite has read: the log's head, then frame after frame, to find the last whole transaction. */
int wal_head_read(struct wal *w, const unsigned char head[WAL_HEAD]);
int wal_frame_read(struct wal *w, const unsigned char *frame, size_t size, sqlite3_int64 at);

#endif
