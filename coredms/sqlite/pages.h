/* Checksums in SQLite's files. A page of a summed file keeps its last eight bytes free of SQLite's content (the head's
 * byte 20, "reserved space", is 8): its number and the CRC-32C of all before, both little-endian. A file system shim
 * over SQLite's default one writes them and checks every page that is read, be it from the file or from its write-ahead
 * log; a page that fails gives SQLITE_IOERR_DATA. What may be in a file:
 *
 *   byte 20 is 8      summed, whatever else the head says
 *   byte 20 is 0      not summed: of a schema version below PAGE_SUMS_VERSION, or not ours
 *   anything else     damaged, if it is ours
 *
 * so that no single bit turns the checks off. */
#ifndef BELLTOWER_COREDMS_SQLITE_PAGES_H
#define BELLTOWER_COREDMS_SQLITE_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SUM_BYTES    8
#define PAGE_SUMS_VERSION 3 /* from this schema version (user_version) on every file of ours is summed */
#define PAGE_SMALLEST     512
#define PAGE_LARGEST      65536
#define PAGES_VFS         "belltower" /* its name, for sqlite3_open_v2 */

/* Registers the shim, once a process; false: SQLite has no default VFS or no memory. */
bool pages_register(void);
/* sqlite3_file_control with this (pArg unused): every page that this connection writes from here on is summed, also
 * before its page 1 says so. For a new file, and for the VACUUM that gives an old one its sums. */
#define PAGES_FCNTL_SUM 0x42544c01
/* ... with this: no page that this connection reads is refused. */
#define PAGES_FCNTL_UNCHECKED 0x42544c02

/* SQLite's integers. */
static inline uint32_t get_be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* ---- one page ---- */

enum pages_kind { PAGES_PLAIN, PAGES_SUMMED, PAGES_DAMAGED };
/* What page 1 (at least 100 bytes of it) says of its file. */
enum pages_kind pages_kind_of(const unsigned char *page1);
/* The page size in the head; 0: it is no head of a database. */
size_t pages_size_in(const unsigned char *page1);
void page_sum_put(unsigned char *page, size_t size, uint32_t number);
/* number 0: any. */
bool page_sum_good(const unsigned char *page, size_t size, uint32_t number);

#endif
