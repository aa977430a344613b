/* The sum of one page, and what page 1 says of its file. */
#include "coredms/sqlite/pages.h"

#include "base/hash.h"
#include "coredms/sqlite/store.h"

#include <string.h>

/* The head of the file, in page 1 (SQLite's "Database File Format", 1.3). */
#define HEAD_PAGE_SIZE      16
#define HEAD_RESERVED       20
#define HEAD_CHANGES        24 /* 4 bytes: change counter */
#define HEAD_SCHEMA_COOKIE  40
#define HEAD_USER_VERSION   60
#define HEAD_APPLICATION_ID 68
#define HEAD_VALID_FOR      92 /* 8 bytes: the change counter again, and SQLite's version */
#define HEAD_BYTES          100

static const char magic[16] = "SQLite format 3";

static void put_le32(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(v >> 8 * i);
}

static uint32_t get_le32(const unsigned char *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static bool is_head(const unsigned char *page)
{
    return memcmp(page, magic, sizeof magic) == 0;
}

size_t pages_size_in(const unsigned char *page1)
{
    size_t size = (size_t)page1[HEAD_PAGE_SIZE] << 8 | (size_t)page1[HEAD_PAGE_SIZE + 1] << 16;
    if (!is_head(page1) || size < PAGE_SMALLEST || size > PAGE_LARGEST || (size & (size - 1)) != 0)
        return 0;
    return size;
}

static bool is_ours(uint32_t application_id)
{
    for (int i = 0; i < DB_COUNT; i++)
        if (application_id == (uint32_t)sqlite_schemas[i].application_id)
            return true;
    return false;
}

enum pages_kind pages_kind_of(const unsigned char *page1)
{
    if (!is_head(page1))
        return PAGES_PLAIN; /* SQLite refuses it */
    if (page1[HEAD_RESERVED] == PAGE_SUM_BYTES)
        return PAGES_SUMMED;
    if (!is_ours(get_be32(page1 + HEAD_APPLICATION_ID)))
        return PAGES_PLAIN;
    bool old = get_be32(page1 + HEAD_USER_VERSION) < PAGE_SUMS_VERSION;
    return old && page1[HEAD_RESERVED] == 0 ? PAGES_PLAIN : PAGES_DAMAGED;
}

/* In the head four fields count as zero: `.backup` and the like set them in a copy whose pages are otherwise those of
 * the file. What they hold changes nothing that is read. */
static uint32_t sum_of(const unsigned char *page, size_t size)
{
    unsigned char head[HEAD_BYTES];
    size_t len = size - 4;
    if (!is_head(page))
        return hash_crc32c(0, page, len);
    memcpy(head, page, sizeof head);
    memset(head + HEAD_CHANGES, 0, 4);
    memset(head + HEAD_SCHEMA_COOKIE, 0, 4);
    memset(head + HEAD_VALID_FOR, 0, 8);
    return hash_crc32c(hash_crc32c(0, head, sizeof head), page + sizeof head, len - sizeof head);
}

void page_sum_put(unsigned char *page, size_t size, uint32_t number)
{
    put_le32(page + size - 8, number);
    put_le32(page + size - 4, sum_of(page, size));
}

bool page_sum_good(const unsigned char *page, size_t size, uint32_t number)
{
    return (number == 0 || get_le32(page + size - 8) == number) && get_le32(page + size - 4) == sum_of(page, size);
}
